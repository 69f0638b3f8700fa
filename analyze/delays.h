/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls, reclaim, waiting for CPU, disk and network: what the probes of delays say. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facts/facts.h"

enum delay_table {
	DELAY_SYSCALLS,
	DELAY_PROC_FILES,
	DELAY_RECLAIM,
	DELAY_SCHED,
	DELAY_BLOCK,
	DELAY_NET,
	DELAY_TABLES,
};

/* With a 95% interval; low == high == value when nothing was estimated. */
struct interval {
	double value, low, high;
};

struct model_delay {
	const struct fact_delay *fact;
	const char *name;   /* of the system call; else the kind */
	const char *comm;   /* never NULL */
	const char *cgroup; /* path, NULL: not known */
	struct interval count, seconds;
	bool at_least; /* seconds: much of it was not seen from beginning to end */
};

struct model_delays {
	bool captured;			 /* the probe ran; rows may still be none */
	const struct fact_probe *probe;	 /* its design; NULL: not in the archive */
	double covered_s;		 /* what the figures are for; NaN: not known */
	double watched;			 /* share of it that was looked at, 0..1 */
	const struct model_delay **rows; /* by count (calls, /proc), by time (the others) */
	size_t count;
};

#define DELAY_HISTOGRAM 28
/* Bucket 0: below 1024 ns; bucket i: from 2^(9+i) ns to twice that; the last one: all above. */
bool model_delay_histogram(const struct fact_delay *f, double ret[DELAY_HISTOGRAM]);
/* Lower and upper limit of a bucket in seconds; the last one has no upper limit (infinity). */
double delay_bucket_low(size_t bucket);
double delay_bucket_high(size_t bucket);
/* The value below which the share q of a histogram lies: the upper limit of its bucket.  NaN when
 * it is empty. */
double delay_quantile(const double h[DELAY_HISTOGRAM], double q);
