/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From samples of what was added to heaps to bytes, and how far off these may be.
 *
 * Each is drawn on its own, with a probability p, and stands for size / p bytes.  Of a sum of such
 * the variance is estimated by Σ bytes² (1 − p) (Horvitz and Thompson 1952; Cochran, Sampling
 * Techniques, 3rd ed., 9A.7): what was certain to be drawn adds nothing to it.
 *
 * Of what was not drawn nothing is known but that it was not.  N blocks of a size s are all missed
 * with probability (1 − p)^N; of allocations, with 1 − p = exp(−s / 65536), that is exp(−bytes /
 * 65536) whatever their size, so that with none drawn there are at most 65536 ln 40 bytes, at 95%
 * and two-sided.  No half of an interval is narrower than that.
 */
#pragma once

#include "hotspot.h"

struct facts;

struct growth_design {
	double thin; /* rows were thinned out by so much when the table was full */
	bool huge;   /* which faults brought a huge page is known: all of them were drawn */
};
void growth_design_init(struct growth_design *ret, const struct facts *f, const struct hotspot *h);

/* The probability with which it was drawn. */
double growth_drawn(const struct growth_design *d, const struct hot_growth *g);

/* Bytes that came; of those that were looked at what stayed; and of both what came long ago. */
struct growth_sums {
	double came, known, kept, variance;
	double unit; /* what one that was not drawn would have stood for */
	double old_known, old_kept;
	uint64_t old_count;
};
void growth_sums_add(struct growth_sums *s, const struct growth_design *d,
		     const struct hot_growth *g, uint64_t old_until);

/* What stays, and half of its 95% interval; NaN both when nothing was looked at. */
double growth_sums_kept(const struct growth_sums *s);
double growth_sums_error(const struct growth_sums *s);
