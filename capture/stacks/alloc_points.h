/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a process' malloc() and its like are: of each file that it has mapped and that exports
 * them, whichever allocator it is.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/err.h"
#include "../base/sysroot.h"

enum alloc_kind { /* by what the arguments are */
		  ALLOC_FREE,
		  ALLOC_MALLOC,
		  ALLOC_CALLOC,
		  ALLOC_REALLOC,
		  ALLOC_MEMALIGN,
		  ALLOC_POSIX_MEMALIGN,
		  ALLOC_KINDS,
};

struct alloc_point {
	enum alloc_kind kind;
	uint64_t offset; /* in the file */
	char name[32];
	char file[64]; /* a path that leads to the file whatever its name */
};

#define ALLOC_POINTS_MAX 96u

/*
 * Asks the process' memory from a child, for that may wait for a lock that is held for ever: until
 * then (CLOCK_MONOTONIC), or stop_fd is readable (-ECANCELED; -1: none).
 * Returns how many, or -ENOENT (it exports none), -ETIMEDOUT, -EACCES … with e set.
 */
int alloc_points_find(struct alloc_point *ret, size_t max, const struct sysroot *root, pid_t pid,
		      uint64_t until_ns, int stop_fd, struct err *e);
