/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fastoom as a child of its collector: the program is written to a memory file and executed from
 * there, so that nothing is left on the disk and no file system need allow execution.  Its journal
 * is another memory file, bounded by RLIMIT_FSIZE.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/err.h"

#define GUARD_JOURNAL_MAX (4u << 20)

struct guard_run {
	pid_t pid;   /* 0: not running */
	int journal; /* memory file, -1: none */
	int errors;  /* its standard error, a pipe that does not block */
	int status;  /* as wait4() has it, once it was reaped */
	char said[2048];
	size_t said_len;
};

/* config: NULL for fastoom's defaults.  Returns once it stands guard (or has failed to): 0, or a
 * negative errno with e saying what it said. */
int guard_start_run(struct guard_run *g, const char *config, struct err *e);
/* Has it ended?  Also takes what it says. */
bool guard_ended(struct guard_run *g);
/* Ask it to end and wait for at most patience_ns.  0, or -ETIMEDOUT when it is still there. */
int guard_stop_run(struct guard_run *g, uint64_t patience_ns);
/* Kill what is left, close everything. */
void guard_release(struct guard_run *g);

/* guard_carried.c: the executable. */
const char *guard_image(size_t *ret_len);
