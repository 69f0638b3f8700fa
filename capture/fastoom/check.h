/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --check: the configuration in words, and what it would mean on this machine now. */
#pragma once

#include "guard.h"

/* A config_line_fn, ctx the struct config: one line of the file and what it means, on standard
 * output. */
void check_line(void *ctx, unsigned number, const char *line, const struct policy *p);
/* 0, or -errno when a scope cannot be watched. */
int check_run(struct guard *g);
