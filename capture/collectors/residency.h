/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many pages of a file are in the cache, without reading any of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct residency {
	bool no_cachestat;    /* this kernel has none (before 6.5) */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
};

/*
 * fd: open for reading, of size bytes.  through: its cache is another file's, as on overlay, which
 * only a mapping leads to.  -EPERM: the kernel would not tell us the truth; -ETIME: deadline.
 */
int residency_count(struct residency *r, int fd, uint64_t size, bool through, uint64_t *ret_pages);
