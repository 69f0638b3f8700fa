/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a session does with growing heaps. */
#include <string.h>
#include <unistd.h>

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

/* At once: what it is about is not there for long. */
void session_take_growth(struct session *s)
{
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
