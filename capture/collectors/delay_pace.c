/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "delay_pace.h"
#define PILOT_NS 20e6 /* the first strata: how many events are there? */
#define PILOTS 2
#define GATED_NS 100e6
/*
 * Where the probe is detached between slices: so many of them in a window, or as many as there are
 * of strata of that length.  Long slices are better than many, for where CPUs are taken each begins
 * with what user space and the patching held up.
 */
#define DETACHED_PARTS 20
#define DETACHED_NS 500e6
#define SLICE_MIN_NS 0.5e6
#define SHORT_NS 1e9 /* of strata that grow for a slice of that length */
/* From this share on the gaps are not worth it. */
#define NEARLY_ALL 0.5
/* Before anything is known: events in a second. */
#define FIRST_RATE 1e6
/* A rate is forgotten slowly, so that bursts do not find the probe looking all the time. */
#define FORGET 0.8

static double larger(double a, double b)
{
	return a > b ? a : b;
}

static double smaller(double a, double b)
{
	return a < b ? a : b;
}

static void decide(struct delay_pace *p)
{
	if (p->whole * NEARLY_ALL <= DELAY_BUDGET) {
		p->mode = DELAY_WHOLE;
		p->share = 1;
	} else if (p->idle <= DELAY_IDLE_BUDGET && p->idle < p->whole) {
		p->mode = DELAY_GATED;
		p->share = (DELAY_BUDGET - p->idle) / (p->whole - p->idle);
	} else {
		p->mode = DELAY_DETACHED;
		p->share = DELAY_BUDGET / p->whole;
	}
}

void delay_pace_init(struct delay_pace *p, const struct delay_cost *cost, uint64_t window_ns)
{
	*p = (struct delay_pace){.cost = *cost,
				 .window_ns = (double)window_ns,
				 .whole = FIRST_RATE * cost->event / 1e9,
				 .idle = FIRST_RATE * cost->idle / 1e9};
	decide(p);
}

void delay_pace_seen(struct delay_pace *p, uint64_t events, uint64_t passed, uint64_t ns)
{
	/* What it began with is a guess that is worth nothing. */
	double kept = p->seen < PILOTS ? 0 : FORGET;

	if (!ns || p->cost.event <= 0)
		return;
	p->seen++;
	p->whole = larger(kept * p->whole,
			  ((double)events * p->cost.event + (double)passed * p->cost.passed) /
				  (double)ns);
	p->idle = larger(kept * p->idle, (double)(events + passed) * p->cost.idle / (double)ns);
	decide(p);
}

void delay_pace_patched(struct delay_pace *p, uint64_t ns)
{
	p->patch_ns = larger(FORGET * p->patch_ns, (double)ns);
}

/* How long a stratum must be for the sake of the machine. */
static double seldom(const struct delay_pace *p)
{
	double wanted =
		smaller(p->patch_ns / DELAY_PATCH_SHARE, p->window_ns / DELAY_SLICES_WANTED);

	if (p->mode != DELAY_DETACHED)
		return 0;
	return larger(wanted, p->patch_ns / DELAY_PATCH_SHARE_MAX);
}

struct delay_plan delay_pace_plan(const struct delay_pace *p, uint64_t left_ns)
{
	double stratum = GATED_NS, slice;

	if (p->mode == DELAY_DETACHED)
		stratum = larger(GATED_NS, smaller(DETACHED_NS, p->window_ns / DETACHED_PARTS));

	if (p->seen < PILOTS)
		stratum = PILOT_NS;
	slice = p->share * stratum;
	if (slice < SLICE_MIN_NS) {
		slice = SLICE_MIN_NS;
		stratum = slice / p->share < SHORT_NS ? slice / p->share : SHORT_NS;
	}
	if (stratum < seldom(p)) {
		stratum = seldom(p);
		slice = larger(p->share * stratum, SLICE_MIN_NS);
	}
	if (stratum > (double)left_ns) { /* the last one, of what is left */
		stratum = (double)left_ns;
		slice = p->share * stratum;
		if (slice < SLICE_MIN_NS / 2)
			slice = 0;
	}
	return (struct delay_plan){.stratum_ns = (uint64_t)stratum, .slice_ns = (uint64_t)slice};
}
