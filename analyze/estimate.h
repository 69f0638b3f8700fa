/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From sampled pages to bytes.
 *
 * The scan takes two random frames, never the same, of each two strata of one_in consecutive
 * frames that lie side by side, N = 2 one_in frames, in random order of these pairs.  With k
 * sampled pages that have some property, the Horvitz-Thompson estimate of the number of such pages
 * is k × one_in (× strata / strata drawn, when the scan was stopped).  Two draws from each stratum
 * are what it takes to estimate the variance without a bias, and without supposing anything of how
 * files lie in memory (Cochran, Sampling Techniques, 3rd ed., 5.4 and 5A.12; Wolter, Introduction
 * to Variance Estimation, 2nd ed., 2.4 and 8.2, on why one draw is not enough):
 *
 *	v = (1 − 2/N) Σ (y₁ − y₂)² = (1 − 2/N) d
 *
 * where d is the number of pairs of which just one page has the property; of k pages in scattered
 * places it is k, of files in long runs and of large folios much less.  The archive has the pairs,
 * or a part of them, from which d is scaled.  The 95% interval is Wilson's (1927) score interval
 * with that variance; a = d/k and b = d/(n − k) are 1 − p and p for scattered pages:
 *
 *	k + (a − b) z²/2 ± z √(v + z²/4)
 *
 * A share of a file of K pages, known exactly, of which k were sampled and x of these have the
 * property: K x/k, a ratio, whose variance is that of the residuals e = y − (x/k) · (in the file).
 * It is at least what was seen, and at most K less what was seen to be without.
 *
 * Of a stopped scan the pairs not drawn add what pairs differ by.  Its batches take two random
 *pairs of each block of neighbouring ones, so that this is a stratified sample of two stages:
 *blocks, pairs of strata, frames.  With Y = y₁ + y₂ of a pair and f the part of the pairs that was
 *drawn, each block gives (Cochran 10.3, theorem 10.2, and 5.4: the sum over blocks)
 *
 *	v = (1 − f) Σ (Y − Y′)² + f (1 − 2/N) d
 *
 * for each two pairs Y and Y′ of one block and batch, without a bias, whatever a block holds.  The
 * archive has such fours of frames, or a part of them, from which Σ (Y − Y′)² is scaled as d is.
 * Shares, and sums of which there are too few, have Σ (Y − Ȳ)² = 2 k(1 − k/n) − d in its place, as
 *if the pairs had been drawn from all of memory: never too narrow, and too wide for large sums.
 *
 * Archives without pairs have one page of each stratum.  The variance of k is then Σ p_h(1 − p_h),
 * at most n p(1 − p) with p the mean of the p_h: a binomial interval is never too narrow.
 *
 * An unsampled scan (one_in == 1) reads memory in blocks of SCAN_BLOCK neighbouring frames, in an
 * order that spreads them.  When it was stopped, its sample is one of blocks: frames of one block
 * may all be alike, so n is the number of blocks, and since no block is read twice half is
 * multiplied by √((N − n)/(N − 1)).  Finished, it is no sample: the interval has no width.
 *
 * Roll-ups of many files (directories, file systems): a file of K ≥ SURELY_FOUND × one_in pages is
 * missed with a probability below e^−8, and counts with its exact size; of a stopped scan one_in is
 * that of all frames, those of the strata not drawn included.  Of smaller ones each
 * sampled page stands for one_in pages, and for one_in / K files: a file of K pages gives
 * K / one_in sampled pages on average, wherever they lie.  z² stands for files that were not seen:
 * for the upper limit of their number they weigh as much as the smallest that was seen, but for
 * z²/2 in n + z² of them, which are of a single page: the centre of Wilson's interval for a kind
 *that was not among n sampled pages.
 *
 * A row that is there only because one of its pages was sampled is no witness of its own rareness:
 * given that there is one, μ expected pages give μ/(1 − e^−μ) on average, which is μ/(e^μ − 1)
 * more.  Its lower limit is that of a count smaller by so much, with the lower limit itself for μ.
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
	double done;  /* part of the strata that was drawn */
	bool paired;  /* two draws of each two strata, and the archive has pairs of them */
	bool blocked; /* stopped, and the archive has twos of pairs of one block */
};

/* Sampled pages with some property. */
struct tally {
	uint64_t pages;
	uint64_t paired;  /* of the pairs in the archive, single pages with the property */
	uint64_t both;	  /* pairs of which both pages have it */
	uint64_t blocked; /* pages of the blocks in the archive */
	uint64_t squares; /* of what the two pairs of these differ by */
};

#define SURELY_FOUND 8

/* 0; -ENODATA when the scan does not say how it sampled, or drew nothing. */
int sample_design_init(struct sample_design *ret, const struct fact_scan *scan);

/* Bytes of all pages like the sampled ones. */
struct estimate estimate_total(const struct sample_design *d, const struct tally *t);

/* The same of something that is known from its sampled pages only. */
struct estimate estimate_found(const struct sample_design *d, const struct tally *t);

/*
 * The part of `whole_bytes`, known exactly (a file's nrpages), whose pages are like `part` of the
 * `whole` pages that were sampled of it.  mixed: pairs of one page of the part and one of the rest.
 */
struct estimate estimate_share(const struct sample_design *d, double whole_bytes,
			       const struct tally *whole, const struct tally *part, uint64_t mixed);

/* Sampled pages that stand for one_in × weight each. */
struct weighted {
	double sum, squares;		 /* Σ w, Σ w² */
	double paired_squares, products; /* of the pairs in the archive: Σ w², Σ w₁w₂ */
	double blocked_squares,
		differences; /* of the blocks: Σ w², Σ (Σ w of a pair − the other's)² */
	double pages, largest;
};
/* In units of weight.  found: known from its sampled pages only. */
struct estimate estimate_weighted(const struct sample_design *d, const struct weighted *w,
				  bool found);

struct estimate estimate_exact(double bytes);
struct estimate estimate_none(void); /* all NaN: not measured */
