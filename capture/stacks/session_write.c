/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of a session (FORMAT.md). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "../base/sbuf.h"
#include "session_private.h"

#define NAMES_MARGIN_NS (700 * NSEC_PER_MSEC) /* left for the tables themselves */
#define FRAME_TEXT 32			      /* "4294967295:ffffffffffffffff! " */

static const char *const ends[] = {
	[0] = "none",
	[STACKS_END_ROOT] = "root",
	[STACKS_END_ZERO] = "root-pointer",
	[STACKS_END_KERNEL] = "kernel",
	[STACKS_END_NO_PROCESS] = "no-process",
	[STACKS_END_NO_MAPPING] = "no-mapping",
	[STACKS_END_NO_TABLE] = "no-table",
	[STACKS_END_NO_RULE] = "no-rule",
	[STACKS_END_FAULT] = "fault",
	[STACKS_END_DEPTH] = "depth",
	[STACKS_END_STUCK] = "stuck",
	[STACKS_END_REGISTERS] = "no-registers",
	[STACKS_END_ASLEEP] = "asleep",
	[STACKS_END_POINTERS] = "pointers",
};

static const char *const python_ends[] = {
	[STACKS_PYTHON_NONE] = "",
	[STACKS_PYTHON_WHOLE] = "whole",
	[STACKS_PYTHON_CUT] = "cut",
	[STACKS_PYTHON_FAULT] = "fault",
	[STACKS_PYTHON_NO_THREAD] = "no-thread",
};

static void row_id(struct emit *out, uint32_t id)
{
	if (id)
		row_u64(out, id);
	else
		row_none(out);
}

/* Leaf first; return addresses as they are, "!" behind one that is none. */
static void put_frames(struct emit *out, const struct stack_frame *f, size_t n, bool user)
{
	char text[(STACKS_USER_MAX + 1) * FRAME_TEXT];
	struct sbuf b = SBUF(text);

	sbuf_reset(&b);
	for (size_t i = 0; i < n; i++) {
		if (i)
			sbuf_putc(&b, ' ');
		if (user) {
			sbuf_u64(&b, f[i].map);
			sbuf_putc(&b, ':');
		}
		sbuf_printf(&b, "%" PRIx64, f[i].address);
		if (i && f[i].exact)
			sbuf_putc(&b, '!');
	}
	row_str(out, b.p, b.len);
}

/*
 * Leaf first; "^" behind the outermost frame of a call of the C function that evaluates, and behind
 * that the number of its frame among the user's.
 */
static void put_python(struct emit *out, const struct stack_frame *f, size_t n, unsigned users)
{
	char text[(STACKS_PYTHON_MAX + 1) * FRAME_TEXT];
	struct sbuf b = SBUF(text);

	sbuf_reset(&b);
	for (size_t i = 0; i < n; i++) {
		if (i)
			sbuf_putc(&b, ' ');
		sbuf_u64(&b, f[i].address);
		if (!f[i].exact)
			continue;
		sbuf_putc(&b, '^');
		if (f[i].map && f[i].map <= users)
			sbuf_u64(&b, f[i].map - 1);
	}
	row_str(out, b.p, b.len);
}

static int write_stacks(struct session *s)
{
	struct emit *out = s->c->out;
	static const char header[] =
		"stack\tprocess\tkernel\tuser\tuser_end\tuser_by\tkernel_cut\tpython\tpython_end\n";
	int r = member_open(out, "tables/stack_stacks.tsv", header);

	for (size_t i = 0; i < s->stacks.count && !r; i++) {
		const struct stack_row *k = &s->stacks.rows[i];
		const struct stack_frame *f = s->stacks.frames + k->frames;
		char by[32];

		if (!k->known)
			continue;
		snprintf(by, sizeof(by), "%s%s%s", k->by & STACKS_BY_TABLE ? "t" : "",
			 k->by & STACKS_BY_POINTER ? "p" : "", k->by & STACKS_BY_SIGNAL ? "s" : "");
		row_u64(out, i + 1);
		row_id(out, k->process);
		put_frames(out, f, k->kernel_count, false);
		put_frames(out, f + k->kernel_count, k->user_count, true);
		row_cstr(out, k->end < ARRAY_SIZE(ends) ? ends[k->end] : "none");
		row_cstr(out, by);
		row_u64(out, k->kernel_cut);
		put_python(out, f + k->kernel_count + k->user_count, k->python_count,
			   k->user_count);
		row_cstr(out,
			 k->python_end < ARRAY_SIZE(python_ends) ? python_ends[k->python_end] : "");
		r = row_end(out);
	}
	return r ? r : member_close(out, false);
}

static int write_tasks(struct session *s)
{
	struct emit *out = s->c->out;
	const struct tasks *t = &s->tasks;
	int r = member_open(out, "tables/stack_processes.tsv",
			    "process\tpid\tppid\tcomm\tcgroup\town\n");

	for (size_t i = 0; i < t->row_count && !r; i++) {
		const struct task_row *p = &t->rows[i];

		row_u64(out, i + 1);
		row_u64(out, p->pid);
		row_id(out, p->ppid);
		row_str(out, p->comm, strnlen(p->comm, sizeof(p->comm)));
		row_cstr(out, strings_at(&t->paths, p->cgroup));
		row_u64(out, p->own);
		r = row_end(out);
	}
	if (!r)
		r = member_close(out, false);
	if (!r)
		r = member_open(out, "tables/stack_threads.tsv",
				"thread\ttid\tprocess\tcomm\tcgroup_id\n");
	for (size_t i = 0; i < t->thread_count && !r; i++) {
		const struct thread_row *h = &t->threads[i];

		row_u64(out, i + 1);
		row_u64(out, h->tid);
		row_id(out, h->process);
		row_str(out, h->comm, strnlen(h->comm, sizeof(h->comm)));
		row_u64(out, h->cgroup);
		r = row_end(out);
	}
	return r ? r : member_close(out, false);
}

static void pair(struct emit *out, const char *key, uint64_t value)
{
	row_cstr(out, key);
	row_u64(out, value);
	row_end(out);
}

static void pair_text(struct emit *out, const char *key, const char *value)
{
	row_cstr(out, key);
	row_cstr(out, value);
	row_end(out);
}

/* Hz × CPUs × seconds: what an event that always ticks gives, idle CPUs included. */
static uint64_t expected(const struct session *s, size_t clocks)
{
	return (uint64_t)((double)(s->end_ns - s->start_ns) / 1e9 * s->limits.hz * (double)clocks +
			  0.5);
}

static uint64_t since(const struct session *s, uint64_t ns)
{
	return ns > s->c->window_start_ns ? ns - s->c->window_start_ns : 0;
}

/* The same table of the lower rung: what it has none of is not there. */
static int write_lower(struct session *s)
{
	struct emit *out = s->c->out;
	const struct lower *l = &s->lower;
	int r = member_open(out, "tables/stack_capture.tsv", "key\tvalue\n");

	if (r)
		return r;
	pair_text(out, "mode", l->mode == LOWER_ALL ? "perf" : "perf-own");
	pair(out, "hz", s->limits.hz);
	pair_text(out, "clock", perf_clock_name(l->clock));
	pair(out, "cpus", l->cpus);
	pair(out, "start_ns", since(s, s->start_ns));
	pair(out, "end_ns", since(s, s->end_ns));
	if (l->mode == LOWER_ALL && l->clock == PERF_CLOCK_CPU)
		pair(out, "samples_expected", expected(s, l->cpus));
	pair(out, "events", l->events);
	pair(out, "idle", l->idle);
	pair(out, "samples_received", s->samples_written);
	pair(out, "lost_ring_full", s->side.lost + s->side_dropped);
	pair(out, "throttled", s->side.throttled);
	pair(out, "stacks_dropped", s->stacks.dropped);
	pair_text(out, "off_cpu", "needs BPF");
	/* The rings are one: what of it were samples is not known. */
	emit_loss(out, "samples or process events: ring full", s->side.lost + s->side_dropped);
	emit_loss(out, "samples: throttled", s->side.throttled);
	emit_loss(out, "stacks that did not fit", s->stacks.dropped);
	emit_loss(out, "processes, threads, mappings that did not fit",
		  s->tasks.dropped_tasks + s->tasks.dropped_maps + s->tasks.dropped_rows);
	return member_close(out, false);
}

static int write_capture(struct session *s)
{
	struct emit *out = s->c->out;
	const struct unwinder *u = &s->unwinder;
	struct stacks_counters n = {0};
	struct stacks_cost cost;
	uint64_t unknown = 0;
	int r = stacks_probe_counters(&s->probe, &n);

	stacks_probe_cost(&s->probe, &cost);
	for (size_t i = 0; i < s->stacks.count; i++)
		unknown += !s->stacks.rows[i].known;
	if (!r)
		r = member_open(out, "tables/stack_capture.tsv", "key\tvalue\n");
	if (r)
		return r;
	pair_text(out, "mode", "bpf");
	pair(out, "hz", s->limits.hz);
	pair_text(out, "clock", perf_clock_name(s->probe.clock_kind));
	pair(out, "cpus", s->probe.clock.count);
	pair(out, "start_ns", since(s, s->start_ns));
	pair(out, "end_ns", since(s, s->end_ns));
	/* Cycles stand still on an idle CPU: what is to be expected is not known. */
	if (s->probe.clock_kind == PERF_CLOCK_CPU)
		pair(out, "samples_expected", expected(s, s->probe.clock.count));
	pair(out, "events", n.events);
	pair(out, "idle", n.idle);
	pair(out, "samples_received", s->samples_written);
	pair(out, "lost_ring_full", n.lost_sample);
	pair(out, "lost_recursion", cost.recursion_misses);
	pair(out, "stack_errors", n.kernel_error);
	pair(out, "stacks_ring_full", n.lost_stack);
	pair(out, "stacks_unknown", unknown);
	pair(out, "stacks_dropped", s->stacks.dropped);
	pair(out, "side_lost", s->side.lost + s->side_dropped);
	pair(out, "unwind_tables", u->tables);
	pair(out, "unwind_rows", u->maker.used_rows);
	pair(out, "unwind_failed", u->failed + u->dropped_files);
	pair(out, "python_processes", s->python.known);
	pair(out, "python_unsupported", s->python.unsupported);
	pair(out, "bpf_run_ns", cost.run_ns);
	pair(out, "bpf_runs", cost.runs);
	pair_text(out, "off_cpu", s->probe.slot_count ? "on" : s->probe.off_cpu);
	pair(out, "off_samples", s->off_written);
	pair(out, "off_lost_ring_full", n.lost_off + n.lost_thread);
	pair(out, "off_conflicts", n.conflicts);
	pair(out, "switches", n.switches);
	pair_text(out, "growth", s->probe.growth_on ? "on" : s->probe.growth);
	pair(out, "growth_samples", n.growth_taken);
	pair(out, "growth_lost", n.lost_growth + s->growth.dropped);
	pair(out, "growth_one_in", s->growth.thin);
	if (s->probe.growth_on)
		pair(out, "growth_covered_ns", s->growth_slice.covered_ns);
	if (s->alloc_count)
		pair(out, "alloc_hit_ns", s->alloc_hit_ns);
	if (s->probe.growth[0])
		emit_note(out, "growth of heaps: %s", s->probe.growth);
	emit_loss(out, "growth of heaps: ring full", n.lost_growth);
	if (!s->probe.slot_count)
		emit_note(out, "off-CPU time is not there: %s", s->probe.off_cpu);
	emit_loss(out, "off-CPU: ring full", n.lost_off + n.lost_thread);
	emit_loss(out, "off-CPU: two threads in one place", n.conflicts);
	if (s->python.reason_pid)
		emit_note(out, "Python frames of pid %u are not there: %s", s->python.reason_pid,
			  s->python.reason);
	emit_loss(out, "frames of Python that did not fit", s->python.dropped);
	emit_loss(out, "samples: ring full", n.lost_sample);
	emit_loss(out, "samples: probe busy", cost.recursion_misses);
	emit_loss(out, "stacks without frames", unknown);
	emit_loss(out, "stacks that did not fit", s->stacks.dropped);
	emit_loss(out, "process events", s->side.lost + s->side_dropped);
	emit_loss(out, "processes, threads, mappings that did not fit",
		  s->tasks.dropped_tasks + s->tasks.dropped_maps + s->tasks.dropped_rows);
	return member_close(out, false);
}

static int write_names(struct session *s)
{
	struct symbols_outcome *o = &s->symbols_outcome;
	uint64_t deadline = s->c->deadline_ns;
	uint64_t until = deadline > NAMES_MARGIN_NS ? deadline - NAMES_MARGIN_NS : 0;
	int r = symbols_resolve(s->symbols, s->c->root, until, s->c->stop_fd, o);

	if (r < 0 || o->note[0])
		emit_note(s->c->out, "names: %s", o->note[0] ? o->note : strerror(-r));
	emit_loss(s->c->out, "names that did not fit",
		  o->maps_dropped + o->wants_dropped + o->names_dropped);
	if (o->left_behind)
		emit_note(s->c->out, "names: pid %d does not die and was left behind",
			  (int)o->left_behind);
	return symbols_emit(s->symbols, s->c->out);
}

static void note_left_behind(struct emit *out, struct helper *h, const char *what)
{
	pid_t pid = h ? helper_left_behind(h) : 0;

	if (pid)
		emit_note(out, "pid %d, which read %s, does not die and was left behind", (int)pid,
			  what);
}

int session_write(struct session *s)
{
	int r = member_close(s->c->out, false);

	note_left_behind(s->c->out, s->tasks.procread, "the processes' mappings");
	note_left_behind(s->c->out, s->python.helper, "what Python runs");
	if (!r)
		r = s->lower.mode ? write_lower(s) : write_capture(s);
	if (!r)
		r = write_stacks(s);
	if (!r && !s->lower.mode)
		r = pyframes_write(&s->python, s->c->out);
	if (!r)
		r = write_tasks(s);
	if (!r)
		r = offcpu_write(&s->offcpu, s->c->out, s->c->window_start_ns);
	if (!r && (s->probe.growth_on || s->alloc_count))
		r = growth_write(&s->growth, s->c->out, s->c->window_start_ns);
	/* The names need the memory. */
	stacks_probe_close(&s->probe);
	unwinder_deinit(&s->unwinder);
	stackset_deinit(&s->stacks);
	pyframes_deinit(&s->python);
	return r ? r : write_names(s);
}
