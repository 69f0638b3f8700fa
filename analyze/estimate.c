/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "estimate.h"
#include "facts/text.h"

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

	if (scan->one_in == 0 || scan->one_in > sane ||
	    text_page_size(scan->page_size) == FACT_NONE || scan->strata_done == 0 ||
	    scan->strata_done > sane)
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
	if (scan->strata_total >= scan->strata_done && scan->strata_total <= sane)
		d.done = d.draws / (double)scan->strata_total;
	else
		d.done = fmin(1, d.draws * d.one_in / d.population);
	d.paired = scan->one_in > 1 && scan->pair_one_in > 0 && scan->pair_one_in <= sane;
	d.blocked = d.paired && scan->finished != 1 && scan->block_one_in > 0 &&
		    scan->block_one_in <= sane;
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

/* Too few pairs tell nothing: as if the pages lay scattered. */
#define FEW 8

/* Part of the pages that stand alone in their pair: d/k. */
static double alone(const struct tally *t)
{
	double paired = (double)t->paired, both = 2 * (double)t->both;

	if (t->paired < FEW || t->paired > t->pages || both > paired)
		return 1;
	return (paired - both) / paired;
}

/* What (Y − Y′)² comes to, a page; NaN: not known. */
static double apart(const struct sample_design *s, const struct tally *t)
{
	double squares = (double)t->squares, pages = (double)t->blocked;

	if (!s->blocked || t->blocked < FEW || t->blocked > t->pages || squares > 2 * pages)
		return FACT_NONE_F;
	return squares / pages;
}

/* v of the pages drawn and those that a stopped scan left out; d: its estimate from pairs, between:
 * Σ (Y − Y′)² or NaN, binomial k p(1 − p). */
static double variance(const struct sample_design *s, double d, double between, double binomial)
{
	double within = d * (1 - 1 / s->one_in);

	if (isnan(between))
		between = fmax(within, 2 * binomial - d);
	return s->done * within + (1 - s->done) * between;
}

static struct estimate paired_total(const struct sample_design *s, const struct tally *t, double k)
{
	double n = s->draws, d = k * alone(t), unit = s->population / n * s->page_size;
	double v = variance(s, d, k * apart(s, t), k * (1 - k / n));
	double a = k > 0 ? d / k : 1, b = n > k ? fmin(d / (n - k), 1) : 1;
	double centre = k + (a - b) * Z95 * Z95 / 2, half = Z95 * sqrt(v + Z95 * Z95 / 4);

	return (struct estimate){k * unit, fmax(fmin(centre - half, k), 0) * unit,
				 fmin(fmax(centre + half, k), n) * unit};
}

struct estimate estimate_total(const struct sample_design *d, const struct tally *t)
{
	double k = (double)t->pages, low, high, seen = k * d->page_size;
	double all = d->population * d->page_size;
	struct estimate e;

	if (d->exact)
		return estimate_exact(seen);
	if (k > d->draws) /* a lying archive: what it says was seen is all there can be */
		k = d->draws;
	if (d->paired) {
		e = paired_total(d, t, k);
	} else {
		double n = fmax(d->draws / d->block, 1);

		wilson(k / d->draws * n, n,
		       d->one_in <= 1 ? finite_population(d->draws, d->population) : 1, &low,
		       &high);
		e = (struct estimate){k / d->draws * all, low * all, high * all};
	}
	/* What was seen is there. */
	e.low = fmax(e.low, fmin(seen, e.bytes));
	return e;
}

/* How many fewer pages there would be, had not one of them to be there; mu of them expected. */
static double witness(double mu)
{
	return mu > 1e-6 ? mu / expm1(mu) : 1;
}

struct estimate estimate_found(const struct sample_design *d, const struct tally *t)
{
	struct estimate e = estimate_total(d, t);
	double k = (double)t->pages, independent = d->paired ? alone(t) : 1;
	double unit = d->population / d->draws * d->page_size, mu = e.low / unit;

	if (d->exact || k < 1 || k > d->draws)
		return e;
	for (int i = 0; i < 3; i++) {
		double fewer = fmax(k - witness(mu * independent), 0), dd = fewer * independent;
		double v = variance(d, dd, fewer * apart(d, t), fewer * (1 - fewer / d->draws));

		mu = fmax(fewer + independent * Z95 * Z95 / 2 - Z95 * sqrt(v + Z95 * Z95 / 4), 0);
	}
	e.low = fmin(e.low, fmax(mu * unit, k * d->page_size));
	return e;
}

/* Variance of the part's residuals, in sampled pages. */
static double share_variance(const struct sample_design *s, const struct tally *whole,
			     const struct tally *part, uint64_t mixed)
{
	double k = (double)whole->pages, r = (double)part->pages / k, binomial = k * r * (1 - r);
	double paired = (double)whole->paired, x = (double)mixed;
	double rest = (double)whole->paired - (double)part->paired;
	double rest_both = (double)whole->both - (double)part->both - x;
	double part_alone = (double)part->paired - 2 * (double)part->both - x;
	double rest_alone = rest - 2 * rest_both - x;

	if (!s->paired || whole->paired < FEW || whole->paired > whole->pages || rest_both < 0 ||
	    part_alone < 0 || rest_alone < 0)
		return binomial;
	return variance(s, (x + (1 - r) * (1 - r) * part_alone + r * r * rest_alone) * k / paired,
			FACT_NONE_F, binomial);
}

struct estimate estimate_share(const struct sample_design *d, double whole_bytes,
			       const struct tally *whole, const struct tally *part, uint64_t mixed)
{
	struct tally p = *part;
	double n = (double)whole->pages, low, high;

	if (whole->pages == 0)
		return estimate_none(); /* also of an exact count that knows pages of no file */
	if (d->exact)
		return estimate_exact((double)p.pages * d->page_size);
	if (p.pages > whole->pages)
		p.pages = whole->pages;
	double k = (double)p.pages, pages = whole_bytes / d->page_size;

	if (d->paired) {
		double v = share_variance(d, whole, &p, mixed), binomial = k * (1 - k / n);
		double s = binomial > 0 ? fmin(v / binomial, 1) : 1, z2 = Z95 * Z95;
		double centre = (k + s * z2 / 2) / (1 + s * z2 / n);
		double half = Z95 / (1 + s * z2 / n) * sqrt(v + z2 / 4);

		low = fmax(fmin(centre - half, k) / n, 0);
		high = fmin(fmax(centre + half, k) / n, 1);
	} else {
		wilson(k, n, finite_population(n, pages), &low, &high);
	}
	struct estimate e = {k / n * whole_bytes, low * whole_bytes, high * whole_bytes};

	e.low = fmax(e.low, fmin(k * d->page_size, e.bytes));
	e.high = fmax(e.bytes, fmin(e.high, whole_bytes - (n - k) * d->page_size));
	return e;
}

struct estimate estimate_weighted(const struct sample_design *d, const struct weighted *w,
				  bool found)
{
	double scale = d->population / d->draws, ratio = 1, z2 = Z95 * Z95, mu;

	if (!(w->sum > 0))
		return estimate_exact(0);
	if (d->paired && w->paired_squares > 0)
		ratio = fmin(fmax(1 - 2 * w->products / w->paired_squares, 0), 1);
	double between = FACT_NONE_F, one = w->squares / w->sum;

	if (d->blocked && w->blocked_squares > 0 && w->differences <= 2 * w->blocked_squares)
		between = w->squares * w->differences / w->blocked_squares;
	double v = variance(d, w->squares * ratio, between, w->squares);
	double unseen = w->largest + (1 - w->largest) * z2 / 2 / (w->pages + z2);
	double high = w->sum + ratio * unseen * z2 / 2 + Z95 * sqrt(v + unseen * unseen * z2 / 4);
	double low = w->sum + ratio * one * z2 / 2 - Z95 * sqrt(v + one * one * z2 / 4);

	mu = fmax(low / w->sum, 0) * w->pages;
	for (int i = 0; found && i < 3; i++) {
		double part = fmax(1 - witness(mu * ratio) / w->pages, 0);

		low = w->sum * part + ratio * one * z2 / 2 -
		      Z95 * sqrt(v * part + one * one * z2 / 4);
		mu = fmax(low / w->sum, 0) * w->pages;
	}
	return (struct estimate){w->sum * scale, fmax(fmin(low, w->sum), 0) * scale, high * scale};
}
