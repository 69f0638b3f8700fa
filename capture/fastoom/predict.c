/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "predict.h"

#include <math.h>

#include "weights.h"

static const struct profile profiles[] = {
	{"low", 0.10, 0.02, 0.95, 5, 3, 0.05, 4},
	{"medium", 0.20, 0.04, 0.80, 1, 1, 0.10, 8},
	{"high", 0.30, 0.08, 0.60, 0.3, 0, 0.15, 16},
};

const struct profile *profile_of(enum sensitivity s)
{
	return &profiles[s];
}

void average_add(struct average *a, double x, double dt, double tau)
{
	if (!a->any) {
		*a = (struct average){.value = x, .any = true};
		return;
	}
	if (dt > 0)
		a->value += (1 - exp(-dt / tau)) * (x - a->value);
}

static double clamp(double x)
{
	return x > 1 ? 1 : x > 0 ? x : 0; /* not a number: 0 */
}

double predict(const struct features *f, const struct profile *p)
{
	double m, z;

	if (f->under_oom)
		return 1;
	m = clamp((p->high - f->available) / (p->high - p->low));
	/* A heap that was parked in swap keeps the disk busy for a while, and then memory is low
	 * but quiet.  CPU time alone is evidence only while something is still being consumed,
	 * or is read back. */
	z = weight_busy * clamp(f->busy / 0.7) * (f->consuming ? 1 : clamp(f->refault / 0.1));
	z += weight_refault * clamp(f->refault / 0.5);
	z += weight_stall * clamp(log10(1 + (f->stall > 0 ? f->stall : 0)) / 3);
	z += weight_kswapd * clamp(f->kswapd);
	z += weight_soon * clamp(1 - f->tte_s / 5);
	z += weight_now * clamp(1 - f->tte_s);
	z = weight_base + weight_memory * m + m * z;
	return 1 / (1 + exp(-z));
}

bool at_the_floor(const struct features *f)
{
	return f->under_oom ||
	       (f->available < 0.015 && f->swap_free < 0.05 && (f->consuming || f->stall > 0));
}

double hold_needed(const struct features *f, const struct profile *p, double reaction_s)
{
	double quiet = 1 - clamp(f->refault / 0.03);

	/* Waiting is for telling a peak from the end; when the end comes first, there is nothing
	 * to wait for. */
	if (at_the_floor(f) || f->tte_s < 0.2 + 4 * reaction_s)
		return 0;
	/* A heap that goes to swap and is not asked for again hurts nobody yet: it may be on its
	 * way to being parked there. */
	return p->hold_s * (1 + f->swap_free * (2 + 5 * quiet));
}
