/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Samples with the kernel's own walk of the stacks, by frame pointers, and in the same rings what
 * processes map, execute and fork.
 */
#pragma once

#include "perf.h"

struct perf_samples_got {
	enum perf_clock clock;
	bool kernel;		  /* with the kernel's part of the stacks */
	size_t threads, left_out; /* of perf_samples_of() */
};

/* Of everything on these CPUs.  As perf_open_clock(). */
int perf_samples_all(struct perf_set *s, const int *cpus, size_t n, unsigned hz, size_t bytes,
		     struct perf_samples_got *ret, struct err *e);
/* Of these threads and those they start.  -EACCES, -EPERM …: of none of them. */
int perf_samples_of(struct perf_set *s, const pid_t *tids, size_t count, const int *cpus, size_t n,
		    unsigned hz, size_t bytes, struct perf_samples_got *ret, struct err *e);

/* A PERF_RECORD_SAMPLE of these.  Points into the record. */
struct perf_sample {
	uint32_t pid, tid, cpu;
	uint64_t time;
	const uint64_t *kernel, *user; /* leaf first */
	size_t kernel_count, user_count;
	bool has_user; /* the thread has a user's part, even if nothing is known of it */
};
/* False: it is another record, or is broken. */
bool perf_sample_parse(const struct perf_event_header *h, struct perf_sample *ret);
