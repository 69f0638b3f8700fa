/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by session.c and session_write.c. */
#pragma once

#include "session.h"

#define SAMPLES_HEADER "time_ns\tkind\tstate\tthread\tcpu\tstack\tns\tweight\twaker\tstill\n"

int session_record(void *ctx, const void *data, size_t len);
