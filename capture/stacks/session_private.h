/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by session.c and session_write.c. */
#pragma once

#include "session.h"

#define SAMPLES_HEADER "time_ns\tkind\tstate\tthread\tcpu\tstack\tns\tweight\twaker\tstill\n"

int session_record(void *ctx, const void *data, size_t len);
void session_on_growth(struct session *s, const struct stacks_growth *k);
/* After the probe was stopped. */
void session_take_growth(struct session *s);
