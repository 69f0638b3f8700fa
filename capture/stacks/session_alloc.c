/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who allocates and does not free, in the processes of --heap. */
#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "alloc_points.h"
#include "session_private.h"

/* A trap and what is done in it take about so long; and of the window so much may be spent in it.
 */
#define PROBE_NS 2000
#define SHARE 10 /* percent */
/* It may all be spent at the window's start: the process is slowed for no longer than this. */
#define SPENT_MAX_NS (2 * NSEC_PER_SEC)

static void start_one(struct session *s, struct session_allocs *a)
{
	struct alloc_point points[ALLOC_POINTS_MAX];
	struct err e = {0};
	int r = alloc_points_find(points, ALLOC_POINTS_MAX, s->c->root, (pid_t)a->pid, &e);

	if (r > 0)
		r = stacks_probe_allocs_start(&s->probe, (pid_t)a->pid, points, (size_t)r, &e);
	if (r < 0) {
		snprintf(a->reason, sizeof(a->reason), "%.255s", e.text);
		emit_note(s->c->out, "allocation stacks: %s", a->reason);
		return;
	}
	a->start_ns = clock_ns(CLOCK_MONOTONIC);
}

void session_allocs_start(struct session *s)
{
	const struct capture_options *o = s->c->options;
	uint64_t ns;

	if (!o->heap_count || !s->limits.blocks)
		return;
	stacks_probe_allocs_prepare(&s->probe, s->c->stop_fd);
	ns = stacks_probe_alloc_cost(&s->probe);
	s->alloc_hit_ns = ns ? ns : PROBE_NS;
	for (size_t i = 0; i < o->heap_count; i++) {
		struct session_allocs *a = &s->allocs[s->alloc_count++];

		a->pid = (uint32_t)o->heap[i];
		start_one(s, a);
	}
}

/* How long the process has spent in the probes, about: each call has two, and free() one. */
static uint64_t spent(const struct session *s, const struct session_allocs *a)
{
	struct stacks_allocs n;

	if (stacks_probe_allocs(&s->probe, a->pid, &n) < 0)
		return 0;
	return (2 * n.calls + n.frees) * s->alloc_hit_ns;
}

static void end_all(struct session *s, uint64_t now)
{
	stacks_probe_allocs_stop(&s->probe);
	for (size_t i = 0; i < s->alloc_count; i++)
		if (s->allocs[i].start_ns && !s->allocs[i].end_ns)
			s->allocs[i].end_ns = now;
}

void session_allocs_turn(struct session *s, uint64_t now)
{
	uint64_t room = (s->c->window_end_ns - s->c->window_start_ns) / 100 * SHARE;

	if (room > SPENT_MAX_NS)
		room = SPENT_MAX_NS;
	for (size_t i = 0; i < s->alloc_count; i++) {
		struct session_allocs *a = &s->allocs[i];

		if (!a->start_ns || a->end_ns || spent(s, a) < room)
			continue;
		end_all(s, now);
		snprintf(a->reason, sizeof(a->reason),
			 "it allocates so often that looking at all of it would slow it: looked at "
			 "for %.1f s",
			 (double)(now - a->start_ns) / 1e9);
		emit_note(s->c->out, "allocation stacks of pid %u: %s", a->pid, a->reason);
	}
}

static void count(struct session *s, const struct session_allocs *a)
{
	uint32_t at = intmap_find(&s->tasks.by_pid, a->pid);
	struct stacks_allocs n = {0};
	struct growth_process p = {
		.pid = a->pid,
		.process = at == INTMAP_NONE ? 0 : s->tasks.tasks[at].row,
		.kind = STACKS_GROWTH_ALLOC,
		.start_ns = a->start_ns,
		.end_ns = a->end_ns,
	};

	stacks_probe_allocs(&s->probe, a->pid, &n);
	p.grown_bytes = n.bytes;
	p.calls = n.calls;
	memcpy(p.reason, a->reason, sizeof(p.reason));
	growth_add_process(&s->growth, &p);
	emit_loss(s->c->out, "allocations: no room", n.lost);
}

/* The probes take a while to be removed: first what was not freed by now. */
void session_allocs_stop(struct session *s)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (!s->alloc_count)
		return;
	for (size_t i = 0; i < s->growth.count; i++) {
		struct growth_row *r = &s->growth.rows[i];

		if (r->kind == STACKS_GROWTH_ALLOC)
			r->kept = stacks_probe_is_live(&s->probe, r->pid, r->address, r->time)
					  ? GROWTH_KEPT
					  : GROWTH_GONE;
	}
	end_all(s, now);
	for (size_t i = 0; i < s->alloc_count; i++)
		count(s, &s->allocs[i]);
}
