/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel and the programs tell of, in the order in which it happened. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "session_private.h"

/* ------------------------------------------------------------------ what the kernel tells */

static int keep_event(void *ctx, const struct perf_event_header *h)
{
	struct session *s = ctx;
	uint64_t time = tasks_event_time(h);

	if (!time && s->lower.mode)
		time = lower_time(h);
	if (!time)
		return 0;
	if (s->events_len + h->size > s->events_cap || s->order_count >= s->order_cap) {
		s->side_dropped++;
		return 0;
	}
	memcpy(s->events + s->events_len, h, h->size);
	s->order[s->order_count++] =
		(struct side_event){.time = time, .at = (uint32_t)s->events_len};
	s->events_len += (h->size + 7u) & ~7u;
	return 0;
}

static int by_time(const void *pa, const void *pb)
{
	const struct side_event *a = pa, *b = pb;

	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

void session_take_side(struct session *s)
{
	s->events_len = s->order_count = s->order_next = 0;
	perf_drain(&s->side, keep_event, s);
	qsort(s->order, s->order_count, sizeof(*s->order), by_time);
}

void session_apply_events(struct session *s, uint64_t until)
{
	while (s->order_next < s->order_count && s->order[s->order_next].time <= until) {
		const void *h = s->events + s->order[s->order_next++].at;
		uint32_t gone, parent, pid;

		if (s->lower.mode && lower_sample(s, h))
			continue;
		tasks_event(&s->tasks, h, &gone);
		if (s->lower.mode)
			continue;
		if (gone) {
			unwinder_forget(&s->unwinder, gone);
			pyframes_forget(&s->python, gone);
		}
		session_allocs_event(s, h);
		if (tasks_event_fork(h, &parent, &pid))
			pyframes_fork(&s->python, parent, pid);
	}
}

/* ------------------------------------------------------------------ records */

static uint32_t map_of(struct session *s, const struct task *task, uint64_t lookup)
{
	const struct task_map *m = task ? tasks_find_map(task, lookup) : NULL;
	struct symbol_map map;
	uint32_t id;

	if (!m)
		return 0;
	map = (struct symbol_map){.process = task->row,
				  .pid = task->pid,
				  .start = m->start,
				  .end = m->end,
				  .pgoff = m->offset,
				  .major = m->major,
				  .minor = m->minor,
				  .ino = m->ino,
				  .path = strings_at(&s->tasks.paths, m->path)};
	id = symbols_map(s->symbols, &map);
	return id == SYMBOLS_NO_MAP ? 0 : id;
}

static bool wants_table(uint8_t end)
{
	return end == STACKS_END_NO_PROCESS || end == STACKS_END_NO_TABLE ||
	       end == STACKS_END_NO_MAPPING;
}

/* How many of the user's frames are to be kept. */
static unsigned take_frames(struct session *s, const struct task *task,
			    const struct stacks_stack *k, struct stack_frame *f)
{
	for (unsigned i = 0; i < k->kernel_count; i++) {
		uint64_t address = k->frames[i];

		f[i] = (struct stack_frame){.address = address, .exact = i == 0};
		symbols_want(s->symbols, SYMBOLS_KERNEL, address - (i > 0));
	}
	f += k->kernel_count;
	for (unsigned i = 0; i < k->user_count; i++) {
		uint64_t address = k->frames[k->kernel_count + i];
		bool exact = k->exact[i / 64] >> (i % 64) & 1;

		f[i] = (struct stack_frame){.address = address,
					    .exact = exact,
					    .map = map_of(s, task, address - !exact)};
		/* It went by frame pointers that may be none. */
		if (i && !f[i].map &&
		    (k->end == STACKS_END_NO_PROCESS || k->end == STACKS_END_POINTERS))
			return i;
		if (f[i].map)
			symbols_want(s->symbols, f[i].map, address - !exact);
	}
	return k->user_count;
}

/* Of frames[]. */
static size_t words_of(const struct stacks_stack *k)
{
	return (size_t)k->kernel_count + k->user_count + (size_t)2 * k->python_count;
}

static void on_stack(struct session *s, const struct stacks_stack *k)
{
	uint32_t number = stackset_number(&s->stacks, k->hash);
	/* Of a sleeping thread the kernel's part says more than one address: no need to ask. */
	bool ask = k->user_count && k->end != STACKS_END_ASLEEP;
	struct task *task = tasks_sampled(&s->tasks, k->pid, "", ask);
	struct stack_frame *f = stackset_frames(&s->stacks, number, words_of(k) - k->python_count);
	struct stack_row *row;

	if (f) {
		unsigned users = take_frames(s, task, k, f);

		row = &s->stacks.rows[number - 1];
		row->process = task ? task->row : 0;
		row->kernel_count = k->kernel_count;
		row->user_count = (uint16_t)users;
		row->end = k->end;
		row->by = k->by;
		row->kernel_cut = k->kernel_cut;
		row->python_end = k->python_end;
		if (task && !s->lower.mode) {
			const void *words = k->frames + k->kernel_count + k->user_count;

			pyframes_take(&s->python, task, words, k->python_count,
				      f + k->kernel_count + users);
			row->python_count = k->python_count;
		}
	}
	if (task && ask && !s->lower.mode)
		pyframes_look(&s->python, task);
	if (task && k->user_count && wants_table(k->end)) {
		/* Without the process nothing but the first frame is sure. */
		unsigned i = k->end == STACKS_END_NO_PROCESS ? 0 : k->user_count - 1u;
		bool exact = k->exact[i / 64] >> (i % 64) & 1;

		unwinder_want(&s->unwinder, task, k->frames[k->kernel_count + i] - !exact);
		s->wanted_ns = s->cut_ns;
	}
}

static void on_sample(struct session *s, const struct stacks_sample *p)
{
	struct emit *out = s->c->out;
	struct task *task = tasks_sampled(&s->tasks, p->pid, p->comm, false);
	uint32_t thread = task ? tasks_thread(&s->tasks, task, p->tid, p->cgroup, p->comm) : 0;
	uint32_t stack = p->stack ? stackset_number(&s->stacks, p->stack) : 0;
	bool off = p->state != STACKS_ON_CPU;

	if (!thread)
		s->samples_without_thread++;
	row_u64(out, p->time > s->c->window_start_ns ? p->time - s->c->window_start_ns : 0);
	row_cstr(out, off ? "off" : "on");
	row_cstr(out, p->state < STACKS_STATES ? stacks_states[p->state] : "");
	if (thread)
		row_u64(out, thread);
	else
		row_none(out);
	row_u64(out, p->cpu);
	if (stack)
		row_u64(out, stack);
	else
		row_none(out);
	if (off) {
		row_u64(out, p->ns);
		row_u64(out, p->weight);
		if (p->waker)
			row_u64(out, p->waker);
		else
			row_none(out);
		row_u64(out, p->still);
	} else {
		row_none(out);
		row_u64(out, 1024);
		row_none(out);
		row_none(out);
	}
	row_end(out);
	s->samples_written += !off;
	s->off_written += off;
}

/* What a thread has been through, out of its slot. */
void session_on_slot(struct session *s, const struct stacks_slot *slot)
{
	struct task *task = tasks_sampled(&s->tasks, slot->pid, "", false);
	uint32_t thread = task ? tasks_thread(&s->tasks, task, slot->tid, 0, "") : 0;
	uint32_t stack = slot->longest_stack ? stackset_number(&s->stacks, slot->longest_stack) : 0;
	struct offcpu_row *row = offcpu_row(&s->offcpu, thread);

	if (row)
		offcpu_add(row, slot, stack);
}

static uint64_t hash_of(const struct stacks_stack *k)
{
	uint64_t h = 0xcbf29ce484222325ULL ^ k->pid;

	for (size_t i = 0; i < words_of(k); i++)
		h = (h ^ k->frames[i]) * 0x9fb21c651e98df25ULL;
	return h ? h : 1;
}

void session_take(struct session *s, struct stacks_sample *p, struct stacks_stack *k)
{
	if (k->kernel_count || k->user_count) {
		k->hash = p->stack = hash_of(k);
		on_stack(s, k);
	}
	on_sample(s, p);
}

/* Off the CPU to the very end: it has no end of its own that anything would have been told at. */
void session_still(void *ctx, const struct stacks_sample *p, const struct stacks_stack *k)
{
	struct stacks_sample sample = *p;
	struct session *s = ctx;
	struct offcpu_row *row;
	struct task *task;

	if (k) {
		struct stacks_stack *named = malloc(sizeof(*named));

		if (!named)
			return;
		memcpy(named, k, offsetof(struct stacks_stack, frames) + 8 * words_of(k));
		named->hash = sample.stack = hash_of(k);
		on_stack(s, named);
		free(named);
	}
	on_sample(s, &sample);
	task = tasks_sampled(&s->tasks, p->pid, p->comm, false);
	row = task ? offcpu_row(&s->offcpu, tasks_thread(&s->tasks, task, p->tid, 0, p->comm))
		   : NULL;
	if (!row || p->state >= STACKS_STATES)
		return;
	row->still_state = p->state;
	row->still_ns = p->ns;
	row->still_stack = stackset_number(&s->stacks, sample.stack);
}

/* The programs are ours, yet their memory is written by others: lengths are looked at. */
int session_record(void *ctx, const void *data, size_t len)
{
	struct session *s = ctx;
	const struct stacks_stack *k = data;
	const struct stacks_sample *p = data;
	const struct stacks_thread *t = data;
	const struct stacks_growth *g = data;
	uint64_t time = 0;

	if (len >= sizeof(*p) && p->type == STACKS_RECORD_SAMPLE) {
		time = p->time;
		session_apply_events(s, time);
		on_sample(s, p);
	} else if (len >= sizeof(*t) && t->type == STACKS_RECORD_THREAD) {
		time = t->time;
		session_apply_events(s, time);
		session_on_slot(s, &t->slot);
	} else if (len >= sizeof(*g) && g->type == STACKS_RECORD_GROWTH) {
		time = g->time;
		session_apply_events(s, time);
		session_on_growth(s, g);
	} else if (len >= offsetof(struct stacks_stack, frames) && k->type == STACKS_RECORD_STACK &&
		   k->user_count <= STACKS_USER_MAX && k->kernel_count <= STACKS_KERNEL_MAX &&
		   k->python_count <= STACKS_PYTHON_MAX &&
		   len >= offsetof(struct stacks_stack, frames) + 8 * words_of(k)) {
		time = k->time;
		session_apply_events(s, time);
		on_stack(s, k);
	}
	/* What came after the kernel's records were taken waits for the next turn. */
	return time > s->cut_ns;
}
