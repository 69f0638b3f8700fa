/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "estimate.h"

#define Z95 1.959963984540054

struct estimate estimate_exact(double bytes)
{
	return (struct estimate){bytes, bytes, bytes};
}

struct estimate estimate_none(void)
{
	return (struct estimate){FACT_NONE_F, FACT_NONE_F, FACT_NONE_F};
}

int sample_design_init(struct sample_design *ret, const struct fact_scan *scan)
{
	/* 2^40 frames of 4 KiB are 4 PiB: more is no machine, and doubles stay exact below. */
	const uint64_t sane = UINT64_C(1) << 40;

	if (scan->one_in == 0 || scan->one_in > sane || scan->page_size < 512 ||
	    scan->page_size > (1u << 30) || scan->strata_done == 0 || scan->strata_done > sane)
		return -ENODATA;

	struct sample_design d = {
		.draws = (double)scan->strata_done,
		.one_in = (double)scan->one_in,
		.page_size = (double)scan->page_size,
		.exact = scan->one_in == 1 && scan->finished == 1,
		.block = scan->one_in == 1 && scan->finished != 1 ? SCAN_BLOCK : 1,
	};

	d.population = d.draws * d.one_in;
	/* The last stratum of each range is shorter than one_in, so the frames are better known
	 * from their count. */
	if (scan->pages_total != 0 && scan->pages_total <= sane)
		d.population = (double)scan->pages_total;
	else if (scan->strata_total >= scan->strata_done && scan->strata_total <= sane)
		d.population = (double)scan->strata_total * d.one_in;
	if (d.population < d.draws)
		d.population = d.draws;
	*ret = d;
	return 0;
}

/* Wilson's interval of k hits in n draws, as proportions; fpc narrows it (1: not). */
static void wilson(double k, double n, double fpc, double *low, double *high)
{
	double p = k / n, z2 = Z95 * Z95;
	double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
	double half = Z95 / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n));

	/* Narrow about p itself, or the interval would not contain it when fpc nears 0. */
	*low = fmax(0, p - (p - (centre - half)) * fpc);
	*high = fmin(1, p + (centre + half - p) * fpc);
	*low = fmin(*low, p);
	*high = fmax(*high, p);
}

static double finite_population(double n, double population)
{
	if (population <= 1 || n >= population)
		return 0;
	return sqrt((population - n) / (population - 1));
}

struct estimate estimate_total(const struct sample_design *d, uint64_t pages)
{
	double k = (double)pages, low, high, seen = k * d->page_size;
	double all = d->population * d->page_size;

	if (d->exact)
		return estimate_exact(seen);
	if (k > d->draws) /* a lying archive: what it says was seen is all there can be */
		k = d->draws;
	double n = fmax(d->draws / d->block, 1);

	wilson(k / d->draws * n, n, d->one_in <= 1 ? finite_population(d->draws, d->population) : 1,
	       &low, &high);
	struct estimate e = {k / d->draws * all, low * all, high * all};

	/* What was seen is there. */
	e.low = fmax(e.low, fmin(seen, e.bytes));
	return e;
}

struct estimate estimate_share(const struct sample_design *d, double whole_bytes, uint64_t whole,
			       uint64_t part)
{
	double n = (double)whole, k = (double)part, low, high;

	if (d->exact)
		return estimate_exact(k * d->page_size);
	if (whole == 0)
		return estimate_none();
	if (k > n)
		k = n;
	double pages = whole_bytes / d->page_size;

	wilson(k, n, finite_population(n, pages), &low, &high);
	struct estimate e = {k / n * whole_bytes, low * whole_bytes, high * whole_bytes};

	e.low = fmax(e.low, fmin(k * d->page_size, e.bytes));
	return e;
}
