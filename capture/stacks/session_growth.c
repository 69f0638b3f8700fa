/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a session does with growing heaps. */
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"
#include "session_private.h"

void session_on_growth(struct session *s, const struct stacks_growth *k)
{
	struct task *task = tasks_sampled(&s->tasks, k->pid, k->comm, false);
	struct growth_row row = {
		.time = k->time,
		.address = k->address,
		.kind = k->kind,
		.bytes = k->kind == STACKS_GROWTH_ALLOC ? growth_weight(k->size, STACKS_ALLOC_BYTES)
							: k->size * (uint64_t)sysconf(_SC_PAGESIZE),
		.pid = k->pid,
		.process = task ? task->row : 0,
		.thread = task ? tasks_thread(&s->tasks, task, k->tid, 0, k->comm) : 0,
		.stack = stackset_number(&s->stacks, k->stack),
	};

	if (k->kind <= STACKS_GROWTH_ALLOC)
		growth_add(&s->growth, &row);
}

static void on_space(void *ctx, const struct stacks_space *space)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct session *s = ctx;
	uint32_t at = intmap_find(&s->tasks.by_pid, space->pid);
	struct growth_process p = {
		.pid = space->pid,
		.process = at == INTMAP_NONE ? 0 : s->tasks.tasks[at].row,
		.first_bytes = space->first_pages * page,
		.last_bytes = space->pages * page,
		.grown_bytes = space->grown_pages * page,
		.start_ns = space->first_ns,
	};

	growth_add_process(&s->growth, &p);
}

/* A page fault's probes take about so long; and of the CPUs' time so much may go into them. */
#define FAULT_NS 200
#define SHARE 100 /* one in so many */
#define SLICE_NS (100 * NSEC_PER_MSEC)
#define PAUSE_MOST_NS (2 * NSEC_PER_SEC)

/* A slice stands for the pause behind it too. */
static void end_pause(struct session *s, uint64_t now)
{
	growth_scale(&s->growth, s->growth_slice.since_ns, s->growth_slice.end_ns, now);
	s->growth_slice.again_ns = s->growth_slice.end_ns = 0;
	s->growth_slice.since_ns = now;
}

static void end_slice(struct session *s, uint64_t now)
{
	s->growth_slice.covered_ns += now - s->growth_slice.since_ns;
	s->growth_slice.end_ns = now;
}

void session_growth_turn(struct session *s, uint64_t now)
{
	uint64_t faults, spent, slice = now - s->growth_slice.since_ns, pause;

	if (!s->probe.growth_on || now < s->growth_slice.again_ns ||
	    (!s->growth_slice.again_ns && slice < SLICE_NS))
		return;
	if (s->growth_slice.again_ns) {
		end_pause(s, now);
		stacks_probe_growth_start(&s->probe);
		s->growth_slice.faults = stacks_probe_growth_faults(&s->probe);
		return;
	}
	faults = stacks_probe_growth_faults(&s->probe);
	spent = (faults - s->growth_slice.faults) * FAULT_NS * SHARE / s->cpu_count;
	s->growth_slice.faults = faults;
	end_slice(s, now);
	if (spent <= slice) {
		s->growth_slice.since_ns = now;
		return;
	}
	stacks_probe_growth_stop(&s->probe);
	/* Not in step with what the machine does: half of it to one and a half. */
	pause = spent - slice < PAUSE_MOST_NS ? spent - slice : PAUSE_MOST_NS;
	s->growth_slice.again_ns = now + pause / 2 + growth_chance(&s->growth, pause);
}

/* At once: what it is about is not there for long. */
void session_take_growth(struct session *s)
{
	if (s->growth_slice.again_ns)
		end_pause(s, s->end_ns);
	else
		end_slice(s, s->end_ns);
	int r = stacks_probe_spaces(&s->probe, on_space, s);

	if (r < 0)
		emit_note(s->c->out, "whose heap grew: %s", strerror(-r));
	r = growth_check(&s->growth, s->c->root);
	if (r < 0)
		emit_note(s->c->out, "which of the memory that came is still there: %s",
			  strerror(-r));
	if (s->growth.left_behind)
		emit_note(s->c->out, "pid %d, which asked so, does not die and was left behind",
			  (int)s->growth.left_behind);
}
