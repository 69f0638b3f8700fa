/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who starts when: as soon as what it may need fits beside what the others may have (shares.h). */
#include <stdio.h>

#include "base/clock.h"
#include "run.h"
#include "signals.h"

/* Whoever takes longer than this for a moment hangs, and must not keep the others from starting:
 * from then on it counts with what it is measured to have. */
#define PATIENCE_NS (3 * NSEC_PER_SEC)

static const struct share *share_of(const struct run *r, const struct child *c)
{
	return &r->plan.rows[c - r->children].share;
}

static bool fits(const struct run *r, const struct child *c)
{
	return r->moments_bytes + share_of(r, c)->moment <= shares_for_moments(&r->plan.shares);
}

/* Should it hang, it would leave so much to those whose window runs already. */
static bool leaves(const struct run *r, const struct child *c, uint64_t bytes)
{
	uint64_t sum = share_of(r, c)->moment + bytes;

	for (size_t i = 0; i < r->child_count; i++)
		if (!r->children[i].collector->timed)
			sum += r->children[i].moment_bytes;
	return sum <= shares_for_moments(&r->plan.shares);
}

static void start(struct run *r, struct child *c, uint64_t now)
{
	const struct capture_options *o = r->options;
	const struct share *h = share_of(r, c);
	struct collect t = {
		.options = o,
		.root = r->root,
		.redactor = &r->redactor,
		.window_start_ns = r->window_start_ns,
		.window_end_ns = r->window_end_ns,
		.deadline_ns = r->window_end_ns + RUN_GRACE_NS,
		.memory_limit = h->limit,
		.part_size = shares_part(o->max_memory, h->limit),
		.stop_fd = -1,
	};

	if (child_start(c, &t, run_ms(r, now))) {
		c->phase = CHILD_GONE;
		return;
	}
	c->moment_bytes = h->moment;
	r->moments_bytes += h->moment;
}

static void give_back(struct run *r, struct child *c, uint64_t keep)
{
	if (keep >= c->moment_bytes)
		return;
	r->moments_bytes -= c->moment_bytes - keep;
	c->moment_bytes = keep;
}

/* What has passed meanwhile. */
static void moments_passed(struct run *r, uint64_t now)
{
	for (size_t i = 0; i < r->child_count; i++) {
		struct child *c = &r->children[i];
		bool late = child_alive(c) && now > c->born_ns + PATIENCE_NS;

		if (!child_alive(c) || (c->collector->timed && (c->started || late)))
			give_back(r, c, 0);
		else if (late)
			give_back(r, c, c->memory_bytes);
	}
}

static struct child *smallest_unborn(struct run *r)
{
	struct child *best = NULL;

	for (size_t i = 0; i < r->child_count; i++) {
		struct child *c = &r->children[i];

		if (c->phase == CHILD_UNBORN &&
		    (!best || share_of(r, c)->moment < share_of(r, best)->moment))
			best = c;
	}
	return best;
}

static void never(struct run *r)
{
	for (size_t i = 0; i < r->child_count; i++) {
		struct child *c = &r->children[i];

		if (c->phase != CHILD_UNBORN)
			continue;
		if (signals_first())
			child_status(c, COLLECTOR_PARTIAL, 0, "interrupted before it started");
		else
			child_status(c, COLLECTOR_TIMEOUT, 0,
				     "not started: others held the memory that it needs "
				     "(--max-memory)");
		c->phase = CHILD_GONE;
	}
}

void window_start_children(struct run *r, uint64_t now)
{
	uint64_t waiting = 0;
	struct child *c;

	moments_passed(r, now);
	if (signals_first() || now >= r->window_end_ns + RUN_GRACE_NS) {
		never(r);
		return;
	}
	for (size_t i = 0; i < r->child_count; i++) {
		c = &r->children[i];
		if (c->phase != CHILD_UNBORN || !c->collector->timed)
			continue;
		if (fits(r, c))
			start(r, c, now);
		else if (share_of(r, c)->moment > waiting)
			waiting = share_of(r, c)->moment;
	}
	while ((c = smallest_unborn(r)) && !c->collector->timed && fits(r, c) &&
	       leaves(r, c, waiting))
		start(r, c, now);
}
