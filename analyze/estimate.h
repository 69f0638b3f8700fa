/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From sampled pages to bytes.
 *
 * The scan takes one random page of each stratum of one_in consecutive frames, in random order of
 * the strata.  A count of k pages with some property, out of n strata drawn, is then a sum of n
 * independent draws with probabilities p_1 … p_n.  The Horvitz-Thompson estimate of the number of
 * such pages is k × (frames per stratum) × (strata / strata drawn).  The variance of k is
 * Σ p_h(1 − p_h), at most n p(1 − p) with p the mean of the p_h: a binomial interval is never too
 * narrow.  We use Wilson's score interval at 95%, which also behaves at k = 0 and k = n:
 *
 *	centre = (p + z²/2n) / (1 + z²/n)
 *	half   = z / (1 + z²/n) × √(p(1 − p)/n + z²/4n²)
 *
 * An unsampled scan (one_in == 1) reads memory in blocks of SCAN_BLOCK neighbouring frames, in an
 * order that spreads them.  When it was stopped, its sample is one of blocks: frames of one block
 * may all be alike, so n is the number of blocks, and since no block is read twice half is
 * multiplied by √((N − n)/(N − 1)).  Finished, it is no sample: the interval has no width.
 */
#pragma once

#include "model.h"

#define SCAN_BLOCK 4096 /* frames: KMEM_READ_MAX bytes of struct page, capture/kmem/kmem.h */

struct sample_design {
	bool exact;
	double draws;	   /* strata drawn */
	double population; /* frames they stand for */
	double one_in;
	double page_size;
	double block; /* draws that may all be alike: 1, or SCAN_BLOCK */
};

/* 0; -ENODATA when the scan does not say how it sampled, or drew nothing. */
int sample_design_init(struct sample_design *ret, const struct fact_scan *scan);

/* Bytes of all pages like the `pages` sampled ones. */
struct estimate estimate_total(const struct sample_design *d, uint64_t pages);

/*
 * The part of `whole_bytes`, known exactly (a file's nrpages), whose pages are like `part` of the
 * `whole` pages that were sampled of it.
 */
struct estimate estimate_share(const struct sample_design *d, double whole_bytes, uint64_t whole,
			       uint64_t part);

struct estimate estimate_exact(double bytes);
struct estimate estimate_none(void); /* all NaN: not measured */
