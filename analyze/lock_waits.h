/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who waited for which lock, by the stacks of threads that slept for one or spun at one.  A lock is
 * known by the function that takes it; where a thread that sleeps in a futex has no such function
 * above it (a worker that waits for a job, say), it waits for something else.
 */
#pragma once

#include "hotspot.h"
#include "lock_sites.h"

#define LOCK_SITES 4

struct lock_site {
	uint32_t name;
	double seconds;
};

struct lock_wait {
	bool kernel;
	enum lock_object object; /* of the kernel's */
	uint32_t lock, site;	 /* names: what waits, and the function that wants the lock */
	/* Of mmap_lock, which many functions want: the ones most waited in, longest first. */
	struct lock_site sites[LOCK_SITES];
	size_t site_count;	/* of all; of other locks 1 */
	const char *comm;	/* of the process; of the kernel's locks of who waited longest */
	uint64_t pid;		/* FACT_NONE: of several */
	double slept_s, spun_s; /* of all threads together; estimates where stacks were drawn */
	double active_s;	/* these threads on the CPU or waiting for a disk, meanwhile */
	size_t threads;
	double longest_s;	   /* NaN: not known */
	uint64_t longest_ended_by; /* tid of who gave the lock up then; FACT_NONE */
};

/* Longest first; from malloc, NULL when there are none.  0 or -ENOMEM. */
int lock_waits(const struct hotspot *h, struct lock_wait **ret, size_t *ret_count);
/* tid's thread, UINT32_MAX: not known. */
uint32_t hotspot_thread_of(const struct hotspot *h, uint64_t tid);
