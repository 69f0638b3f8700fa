/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "delay_pace.h"

#include "../base/clock.h"

#define PILOT_NS (20 * NSEC_PER_MSEC) /* the first strata: how many events are there? */
#define PILOTS 2
#define GATED_NS (100 * NSEC_PER_MSEC)
#define DETACHED_NS (200 * NSEC_PER_MSEC)
#define LEAD_NS (3 * NSEC_PER_MSEC) /* as long as a scheduler lets one run, or so */
#define SLICE_MIN_NS (NSEC_PER_MSEC / 2)
#define SHORT_NS NSEC_PER_SEC /* of strata that grow for a slice of that length */
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
		p->share = (DELAY_BUDGET - DELAY_LEAD_BUDGET) / p->whole;
	}
}

void delay_pace_init(struct delay_pace *p, const struct delay_cost *cost)
{
	*p = (struct delay_pace){.cost = *cost,
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

struct delay_plan delay_pace_plan(const struct delay_pace *p, uint64_t left_ns)
{
	double stratum = p->mode == DELAY_DETACHED ? DETACHED_NS : GATED_NS, slice;
	double lead = LEAD_NS;

	if (p->seen < PILOTS)
		stratum = PILOT_NS;
	slice = p->share * stratum;
	if (slice < SLICE_MIN_NS) {
		slice = SLICE_MIN_NS;
		stratum = slice / p->share < SHORT_NS ? slice / p->share : SHORT_NS;
	}
	if (p->mode == DELAY_DETACHED && stratum < p->patch_ns / DELAY_PATCH_SHARE) {
		stratum = p->patch_ns / DELAY_PATCH_SHARE;
		slice = larger(p->share * stratum, SLICE_MIN_NS);
	}
	if (stratum > (double)left_ns) { /* the last one, of what is left */
		stratum = (double)left_ns;
		slice = p->share * stratum;
		if (slice < SLICE_MIN_NS / 2)
			slice = 0;
	}
	if (p->mode == DELAY_DETACHED && p->idle * lead > DELAY_LEAD_BUDGET * stratum)
		lead = DELAY_LEAD_BUDGET * stratum / p->idle;
	if (lead > stratum - slice)
		lead = stratum - slice;
	return (struct delay_plan){.stratum_ns = (uint64_t)stratum,
				   .lead_ns = (uint64_t)lead,
				   .slice_ns = (uint64_t)slice};
}
