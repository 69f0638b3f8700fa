/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The run: plan → preflight → start all → wait → stop → finalise.  One clock, one deadline.
 * Returns the exit code of the contract.
 */
#pragma once

#include <stdio.h>

#include "base/sysroot.h"
#include "options.h"

int window_run(const struct capture_options *o, const struct sysroot *root);

/* The commands that only look: exit codes of the contract as well.  `list` prints the collectors
 * (and, later, the triggers) to out; `check` prints what can run here and the budgets, exit 0 when
 * all collectors can run, 3 when some cannot. */
int window_list(FILE *out);
int window_check(const struct capture_options *o, const struct sysroot *root);

/* Before anything is opened: make sure that descriptors 0, 1 and 2 are. */
void window_open_stdio(void);
