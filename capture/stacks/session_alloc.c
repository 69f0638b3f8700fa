/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who allocates and does not free, in the processes of --heap. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "alloc_points.h"
#include "session_private.h"

/* A trap and what is done in it take about so long; and of the window so much may be spent in it.
 */
#define PROBE_NS 2000
#define SHARE 10 /* percent */
/* It may all be spent at the window's start: the process is slowed for no longer than this. */
#define SPENT_MAX_NS (2 * NSEC_PER_SEC)
/* For finding the functions of all of them. */
#define FIND_NS (2 * NSEC_PER_SEC)
/* A child calls exec within so long; and so many may end without. */
#define FORK_NS (100 * NSEC_PER_MSEC)
#define FORK_ENDS_MAX 16u

/*
 * A process whose return addresses the kernel may not change as it likes is left alone: with a
 * shadow stack of its own, or in seccomp's strict mode.  What cannot be read is not probed.
 */
static int may_probe(const struct sysroot *root, pid_t pid, struct err *e)
{
	char path[32], line[512];
	bool known = false;

	snprintf(path, sizeof(path), "%d/status", (int)pid);
	int fd = openat(root->proc_fd, path, O_RDONLY | O_CLOEXEC);
	_cleanup_file_ FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f)
		return err_set(e, errno, "/proc/%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "x86_Thread_features:", 20) && strstr(line, "shstk"))
			return err_set(e, ENOTSUP,
				       "pid %d has a shadow stack: probes of its returns could "
				       "end it",
				       (int)pid);
		if (!strncmp(line, "Seccomp:", 8) && strtol(line + 8, NULL, 10) == 1)
			return err_set(e, ENOTSUP,
				       "pid %d is in seccomp's strict mode: probes of its returns "
				       "could end it",
				       (int)pid);
		known |= !strncmp(line, "Threads:", 8);
	}
	return known ? 0 : err_set(e, ESRCH, "/proc/%s: cut short", path);
}

static void refused(struct session *s, struct session_allocs *a, const struct err *e)
{
	snprintf(a->reason, sizeof(a->reason), "%.255s", e->text);
	emit_note(s->c->out, "allocation stacks: %s", a->reason);
}

static int find_one(struct session *s, struct session_allocs *a, uint64_t until, struct err *e)
{
	int r = may_probe(s->c->root, (pid_t)a->pid, e);

	if (r < 0)
		return r;
	a->points = calloc(ALLOC_POINTS_MAX, sizeof(*a->points));
	if (!a->points)
		return err_errno(e, ENOMEM, "stacks");
	r = alloc_points_find(a->points, ALLOC_POINTS_MAX, s->c->root, (pid_t)a->pid, until,
			      s->c->stop_fd, e);
	if (r < 0) {
		free(a->points);
		a->points = NULL;
		return r;
	}
	a->point_count = (size_t)r;
	return 0;
}

void session_allocs_find(struct session *s)
{
	const struct capture_options *o = s->c->options;
	struct err why = {0};
	uint64_t ns, until;
	int tried;

	if (!o->heap_count || !s->limits.blocks)
		return;
	stacks_probe_allocs_prepare(&s->probe, s->c->stop_fd);
	tried = stacks_probe_allocs_try(&s->probe, &why);
	ns = tried < 0 ? 0 : stacks_probe_alloc_cost(&s->probe);
	s->alloc_hit_ns = ns ? ns : PROBE_NS;
	until = clock_ns(CLOCK_MONOTONIC) + FIND_NS;
	for (size_t i = 0; i < o->heap_count; i++) {
		struct session_allocs *a = &s->allocs[s->alloc_count++];
		struct err e = why;

		a->pid = (uint32_t)o->heap[i];
		if (tried < 0 || find_one(s, a, until, &e) < 0)
			refused(s, a, &e);
	}
}

void session_allocs_start(struct session *s)
{
	for (size_t i = 0; i < s->alloc_count; i++) {
		struct session_allocs *a = &s->allocs[i];
		struct err e = {0};

		if (!a->points)
			continue;
		a->begun_ns = clock_ns(CLOCK_MONOTONIC);
		if (stacks_probe_allocs_start(&s->probe, (pid_t)a->pid, a->points, a->point_count,
					      &e) < 0) {
			a->begun_ns = 0;
			refused(s, a, &e);
		} else {
			a->start_ns = clock_ns(CLOCK_MONOTONIC);
		}
		free(a->points);
		a->points = NULL;
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

/* Was the child forked while its parent had probes? */
static bool heir_of(const struct session *s, uint32_t parent, uint64_t time)
{
	for (size_t i = 0; i < s->alloc_count; i++) {
		const struct session_allocs *a = &s->allocs[i];

		if (a->pid == parent && a->begun_ns && time >= a->begun_ns &&
		    (!a->end_ns || time < a->end_ns))
			return true;
	}
	/* And its own children. */
	for (size_t i = 0; i < ARRAY_SIZE(s->forks); i++)
		if (s->forks[i].pid == parent)
			return true;
	return false;
}

static void end_all(struct session *s, uint64_t now)
{
	stacks_probe_allocs_stop(&s->probe);
	for (size_t i = 0; i < s->alloc_count; i++)
		if (s->allocs[i].start_ns && !s->allocs[i].end_ns)
			s->allocs[i].end_ns = now;
}

/*
 * A fork takes over its parent's breakpoints, and what it spends in them is counted nowhere.  Most
 * call exec at once; one that does not, or too many that end without, end the probes.
 */
void session_allocs_event(struct session *s, const struct perf_event_header *h)
{
	uint64_t time = tasks_event_time(h);
	struct session_fork *f = NULL;
	uint32_t parent = 0, pid = 0;
	bool forked, exec;

	if (!s->alloc_count)
		return;
	forked = tasks_event_fork(h, &parent, &pid);
	if (!forked && !tasks_event_end(h, &pid, &exec))
		return;
	for (size_t i = 0; !forked && i < ARRAY_SIZE(s->forks); i++) {
		if (s->forks[i].pid != pid)
			continue;
		s->fork_ends += !exec;
		s->forks[i].pid = 0;
	}
	if (!forked || !heir_of(s, parent, time))
		return;
	for (size_t i = 0; !f && i < ARRAY_SIZE(s->forks); i++)
		if (!s->forks[i].pid)
			f = &s->forks[i];
	if (f)
		*f = (struct session_fork){.parent = parent, .pid = pid, .time = time};
	else
		s->fork_ends = FORK_ENDS_MAX;
}

/* Why children are no longer to be borne with, or false. */
static bool has_heirs(const struct session *s, uint64_t now, char *ret, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->forks); i++) {
		const struct session_fork *f = &s->forks[i];

		if (!f->pid || now < f->time + FORK_NS)
			continue;
		snprintf(ret, len,
			 "pid %u forked a child without exec (%u), that the probes would slow "
			 "unseen",
			 f->parent, f->pid);
		return true;
	}
	if (s->fork_ends < FORK_ENDS_MAX)
		return false;
	snprintf(ret, len, "children are forked often, without exec, that the probes slow unseen");
	return true;
}

/* Ends all for a reason that is each one's. */
static void end_because(struct session *s, uint64_t now, const char *why)
{
	for (size_t i = 0; i < s->alloc_count; i++) {
		struct session_allocs *a = &s->allocs[i];

		if (a->start_ns && !a->end_ns)
			snprintf(a->reason, sizeof(a->reason), "%s: looked at for %.1f s", why,
				 (double)(now - a->start_ns) / 1e9);
	}
	end_all(s, now);
	emit_note(s->c->out, "allocation stacks: %s", why);
}

static bool is_probed(const struct session *s)
{
	for (size_t i = 0; i < s->alloc_count; i++)
		if (s->allocs[i].start_ns && !s->allocs[i].end_ns)
			return true;
	return false;
}

void session_allocs_turn(struct session *s, uint64_t now)
{
	char why[192];

	if (is_probed(s) && has_heirs(s, now, why, sizeof(why)))
		end_because(s, now, why);
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
