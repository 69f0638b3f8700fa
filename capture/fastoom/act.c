/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One look at a scope: how likely is the end, has it been likely for long enough, who goes. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "../base/clock.h"
#include "guard.h"

#define STATE_STEP 0.05
#define STATE_EVERY_NS (100 * NSEC_PER_MSEC)
#define BACKOFF_FIRST_NS NSEC_PER_SEC
#define BACKOFF_MAX_NS (60 * NSEC_PER_SEC)
#define LEAVING_NS (2 * NSEC_PER_SEC)
#define CAPTURE_NS (2 * NSEC_PER_SEC)
#define FREEING_NS (100 * NSEC_PER_MSEC)
#define DRY_RUN_NS (5 * NSEC_PER_SEC)

static const struct policy *policy_of(const struct guard *g, const struct watched *w)
{
	return &guard_config(g)->policies[w->scope.policy];
}

static void tell_change(struct guard *g, struct watched *w, uint64_t now, const char *phase)
{
	if (fabs(w->probability - w->state_probability) < STATE_STEP ||
	    now - w->state_ns < STATE_EVERY_NS)
		return;
	w->state_probability = w->probability;
	w->state_ns = now;
	record_state(g, w, phase);
}

/* What must come free: up to the target, and what is consumed while it comes. */
static uint64_t bytes_needed(const struct guard *g, const struct watched *w,
			     const struct profile *p)
{
	double total = (double)scope_total(&w->scope, &g->machine);
	double more = scope_consumption(&w->scope, &g->machine) * 0.5;
	double need = (p->target - w->features.available) * total;

	/* What is consumed while it comes; but some of who consume that fast will be among the
	 * dead. */
	need += more < 2 * p->target * total ? more : 2 * p->target * total;

	/* The model may see the end come before memory is below the target. */
	return need > 0.01 * total ? (uint64_t)need : (uint64_t)(0.01 * total);
}

struct group_kill {
	struct guard *g;
	struct watched *w;
	const struct candidate *leader;
	uint64_t now;
	unsigned done;
};

static int one_of_group(void *ctx, pid_t pid)
{
	struct group_kill *k = ctx;
	struct candidate v;
	struct spared why;

	if (pid == k->leader->pid)
		return 0;
	k->g->chooser.floor = 0; /* size does not matter, all else does */
	if (consider(&k->g->chooser, pid, &v, &why) < 0 || v.pgrp != k->leader->pgrp)
		return 0;
	k->done += victim_begin(k->g, k->w, &v, k->now) == 0;
	return k->done >= GUARD_VICTIMS / 2;
}

static unsigned kill_group(struct guard *g, struct watched *w, const struct candidate *leader,
			   uint64_t now)
{
	struct group_kill k = {.g = g, .w = w, .leader = leader, .now = now};

	each_pid(&g->chooser, &w->scope, one_of_group, &k);
	return k.done;
}

static void nobody(struct guard *g, struct watched *w, uint64_t need, uint64_t now)
{
	record_no_victim(g, w, need);
	w->backoff_ns = w->backoff_ns ? w->backoff_ns * 2 : BACKOFF_FIRST_NS;
	if (w->backoff_ns > BACKOFF_MAX_NS)
		w->backoff_ns = BACKOFF_MAX_NS;
	w->cool_ns = now + w->backoff_ns;
}

/* What others have killed comes free, too, unless it takes too long. */
static uint64_t leaving(struct watched *w, uint64_t heap, uint64_t now)
{
	if (!heap)
		return 0;
	if (!w->leaving_ns || now - w->leaving_ns > 10 * LEAVING_NS)
		w->leaving_ns = now;
	return now - w->leaving_ns < LEAVING_NS ? heap : 0;
}

/* Somebody is being taken apart, and how much that will bring nobody can tell any more.  It is
 * waited for as long as memory does come back; a short-lived process of a busy machine costs
 * FREEING_NS at most. */
static bool coming_back(const struct guard *g, struct watched *w, uint64_t now)
{
	uint64_t used = scope_used(&w->scope, &g->machine);
	bool falls = used < w->freeing_used;

	if (!g->choice.not_counts[NOT_FREEING]) {
		w->freeing_ns = 0;
		return false;
	}
	if (!w->freeing_ns)
		w->freeing_ns = now;
	w->freeing_used = used;
	return falls || now - w->freeing_ns < FREEING_NS;
}

/* It is not heaps that grow, or that have grown since all was well: who dies buys a moment, and is
 * not to blame.  What is in swap has no name, so resident memory speaks for it: a heap that is
 * being swapped out while it grows stays large, the heaps that a tmpfs drives out shrink. */
static bool tmpfs_fills(const struct guard *g, const struct watched *w)
{
	double growth = scope_shmem_growth(&w->scope, &g->machine);
	double used = (double)scope_used(&w->scope, &g->machine) - (double)w->calm_used;
	double shmem = (double)scope_shmem(&w->scope, &g->machine) - (double)w->calm_shmem;
	double heaps = (double)scope_anon(&w->scope, &g->machine) - (double)w->calm_anon;

	if (growth > 0 && growth > 0.4 * scope_consumption(&w->scope, &g->machine))
		return true;
	return shmem > 0.2 * used && shmem > 2 * heaps && used > 0;
}

static double reaction_s(const struct watched *w)
{
	return 0.01 + (double)w->choice_ns / NSEC_PER_SEC;
}

/* The last reading, judged: is it time to act? */
static bool assess(struct guard *g, struct watched *w)
{
	const struct profile *p = profile_of(policy_of(g, w)->sensitivity);
	struct features *f = &w->features;

	scope_features(&w->scope, &g->machine, f);
	/* What will be left when a kill takes effect, not what is left now. */
	f->available -= scope_consumption(&w->scope, &g->machine) * reaction_s(w) /
			(double)scope_total(&w->scope, &g->machine);
	if (f->available < 0)
		f->available = 0;
	w->probability = predict(f, p);
	return w->probability >= p->probability || at_the_floor(f);
}

static bool still_near(struct guard *g, struct watched *w, uint64_t now)
{
	machine_read(&g->machine, now, true, g->scratch, sizeof(g->scratch));
	return scope_read(&w->scope, &g->machine, now, true, g->scratch, sizeof(g->scratch)) == 0 &&
	       assess(g, w);
}

/* The rest after a kill ends early when memory would. */
static bool in_a_hurry(const struct guard *g, const struct watched *w, bool floor, uint64_t now)
{
	if (w->backoff_ns || guard_config(g)->dry_run || now < w->wait_ns)
		return false;
	return floor || w->features.tte_s < (double)(w->cool_ns - now) / NSEC_PER_SEC;
}

static bool no_time(const struct watched *w)
{
	return at_the_floor(&w->features) || w->features.tte_s < (double)CAPTURE_NS / NSEC_PER_SEC;
}

static void batch(struct guard *g, struct watched *w, uint64_t now)
{
	const struct policy *policy = policy_of(g, w);
	const struct profile *p = profile_of(policy->sensitivity);
	uint64_t need = bytes_needed(g, w, p), sum;
	unsigned killed = 0, captures = 0;
	int r;

	victims_exclude(g);
	choose(&g->chooser, guard_config(g), &w->scope, need, scope_total(&w->scope, &g->machine),
	       &g->choice);
	w->choice_ns = g->choice.took_ns;
	/* Choosing takes its time, and the machine does not stand still. */
	now = clock_ns(CLOCK_MONOTONIC);
	if (!still_near(g, w, now))
		return;
	need = bytes_needed(g, w, p);
	sum = leaving(w, g->choice.not_heap[NOT_LEAVING], now);
	if (coming_back(g, w, now)) {
		w->cool_ns = w->wait_ns = now + LEAVING_NS / 100;
		return;
	}
	if ((tmpfs_fills(g, w) && g->choice.eligible_heap + sum < need) ||
	    g->choice.eligible_heap + sum < need / 10 || (g->choice.n == 0 && !sum)) {
		nobody(g, w, need, now);
		return;
	}
	w->backoff_ns = 0;
	w->mark = scope_used(&w->scope, &g->machine);
	if (g->choice.n && g->choice.spared.pid && g->choice.spared.heap > g->choice.top[0].heap)
		record_skip(g, w, &g->choice.spared);
	for (unsigned i = 0; i < g->choice.n && killed < p->batch && sum < need - need / 4; i++) {
		/* Nearly enough is enough: the last one would die for little. */
		const struct candidate *v = &g->choice.top[i];

		r = victim_begin(g, w, v, now);
		if (r == -EALREADY)
			sum += leaving(w, v->heap, now);
		if (r < 0)
			continue;
		killed++;
		captures += v->capture;
		/* A capture leaves in its own time: with none left, it is no relief. */
		if (!v->capture || !no_time(w))
			sum += v->heap;
		if (policy->group && !v->capture)
			kill_group(g, w, v, now);
	}
	if (!killed && sum)
		w->cool_ns = w->wait_ns = now + LEAVING_NS / 100;
	else if (!killed)
		nobody(g, w, need, now);
	else if (killed == captures)
		w->cool_ns = now + CAPTURE_NS;
	else if (guard_config(g)->dry_run)
		w->cool_ns = now + DRY_RUN_NS;
}

void act_on(struct guard *g, struct watched *w, uint64_t now)
{
	const struct profile *p = profile_of(policy_of(g, w)->sensitivity);
	double reaction = reaction_s(w), hold;
	struct features *f = &w->features;
	bool floor;

	if (!assess(g, w)) {
		w->over_ns = 0;
		tell_change(g, w, now, w->probability > 0.05 ? "watch" : "calm");
		if (w->probability < 0.05) {
			w->backoff_ns = 0;
			w->calm_used = scope_used(&w->scope, &g->machine);
			w->calm_shmem = scope_shmem(&w->scope, &g->machine);
			w->calm_anon = scope_anon(&w->scope, &g->machine);
		}
		return;
	}
	floor = at_the_floor(f);
	tell_change(g, w, now, w->in_flight ? "waiting" : "hold");
	if (w->in_flight) {
		/* Somebody was asked politely, and there is no time left for that. */
		if (floor || f->tte_s < 0.2)
			victims_hurry(g, w, now);
		return;
	}
	if (!w->over_ns)
		w->over_ns = now;
	if (now < w->cool_ns && !in_a_hurry(g, w, floor, now))
		return;
	hold = hold_needed(f, p, reaction);
	if ((double)(now - w->over_ns) / NSEC_PER_SEC >= hold)
		batch(g, w, now);
}
