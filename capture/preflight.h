/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the archive goes: is there a place, and room?  Asked before, and before each member. */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "options.h"

struct target {
	int dir_fd;    /* O_PATH; -1: standard output, of which nothing is known */
	char dir[256]; /* for messages */
	uint64_t min_free;
};

/*
 * expected: bytes the archive will have, 0: unknown.  Errors, each in words: -ENOENT, -EACCES,
 * -EROFS … the directory; -EEXIST the file; -ENOSPC the disk.
 */
int target_open(struct target *ret, const struct capture_options *o, uint64_t expected,
		struct err *e);
void target_close(struct target *t);

/* May bytes more be written?  -ENOSPC with e saying how much is free and what is kept. */
int target_room(const struct target *t, uint64_t bytes, struct err *e);
