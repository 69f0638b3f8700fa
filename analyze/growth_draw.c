/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "growth_draw.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "facts/facts.h"

/* capture/bundle/FORMAT.md, stack_growth.tsv; faults are of x86-64 only. */
#define ALLOC_BYTES 65536.0
#define PAGE 4096.0
#define STEP_PAGES 32 /* at least one in so many */
#define HUGE_PAGES 512

#define Z95 1.96
#define NONE_DRAWN 3.6889 /* ln 40 */

/* Fewer say nothing of what becomes of the rest. */
#define OLD_LEAST 8

static double thinned(const struct facts *f)
{
	for (size_t i = 0; i < f->stack_settings.count; i++) {
		const struct fact_stack_setting *s = &f->stack_settings.rows[i];
		char *end;

		if (s->key && s->value && !strcmp(s->key, "growth_one_in")) {
			double n = strtod(s->value, &end);

			return end != s->value && !*end && n >= 1 && n < 0x1p40 ? n : 1;
		}
	}
	return 1;
}

/*
 * What a page of 512 drawn stands for looks like a huge page.  But before pages are drawn so
 * rarely, there are some that stand for fewer.
 */
void growth_design_init(struct growth_design *ret, const struct facts *f, const struct hotspot *h)
{
	*ret = (struct growth_design){.thin = thinned(f), .huge = true};
	for (size_t i = 0; i < h->growth_count && ret->huge; i++) {
		double pages = (double)h->growth[i].bytes / PAGE / ret->thin;

		if (h->growth[i].kind == GROWTH_FAULT && pages > STEP_PAGES * 2 &&
		    pages < HUGE_PAGES)
			ret->huge = false;
	}
}

/*
 * Of an allocation the size x, in units of 65536 bytes, from what it stands for: x / (1 − e^−x) =
 * y. Newton from above on a convex function.
 */
static double drawn_of_weight(double y)
{
	double x = y;

	if (!(y > 1))
		return 0;
	for (int i = 0; i < 30; i++) {
		double e = exp(-x), step = (x - y * (1 - e)) / (1 - y * e);

		if (!(step > 1e-9))
			break;
		x -= step;
	}
	return fmax(0, fmin(1, x / y));
}

double growth_drawn(const struct growth_design *d, const struct hot_growth *g)
{
	double bytes = (double)g->bytes;

	if (!(bytes > 0))
		return 1;
	if (g->kind == GROWTH_ALLOC)
		return drawn_of_weight(bytes / d->thin / ALLOC_BYTES) / d->thin;
	if (d->huge && bytes == HUGE_PAGES * PAGE * d->thin)
		return 1 / d->thin;
	return fmin(1, PAGE / bytes);
}

void growth_sums_add(struct growth_sums *s, const struct growth_design *d,
		     const struct hot_growth *g, uint64_t old_until)
{
	bool alloc = g->kind == GROWTH_ALLOC;
	double bytes = (double)g->bytes, p = growth_drawn(d, g);
	double unit = d->thin * (alloc ? ALLOC_BYTES : STEP_PAGES * PAGE);

	/* Pages are drawn more rarely where there are many. */
	if (!alloc && p * d->thin < 1)
		unit = fmax(unit, bytes);
	s->unit = fmax(s->unit, unit);
	s->came += bytes;
	if (g->kept == GROWTH_NOT_LOOKED_AT)
		return;
	s->known += bytes;
	if (g->kept == GROWTH_STAYED) {
		s->kept += bytes;
		s->variance += bytes * bytes * (1 - p);
	}
	if (g->time_ns < old_until) {
		s->old_known += bytes;
		s->old_kept += g->kept == GROWTH_STAYED ? bytes : 0;
		s->old_count++;
	}
}

/* From those that were looked at to all. */
static double scale(const struct growth_sums *s)
{
	return s->known > 0 ? s->came / s->known : NAN;
}

/*
 * What stays for good.  Of what came last some will go like the rest before it: blocks of a queue,
 * of requests on their way.  As much of it stays as stayed of what had the time to go.
 */
double growth_sums_kept(const struct growth_sums *s)
{
	double kept = s->kept;

	if (s->old_count >= OLD_LEAST && s->old_known > 0)
		kept = fmin(kept, s->old_kept / s->old_known * s->known);
	return kept * scale(s);
}

double growth_sums_error(const struct growth_sums *s)
{
	return fmax(Z95 * sqrt(s->variance), NONE_DRAWN * s->unit) * scale(s);
}
