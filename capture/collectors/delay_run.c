/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "delay_run.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "../base/units.h"
#include "bpf_probe.h"

#define TICK_NS                                                                                    \
	(50 * NSEC_PER_MSEC) /* how often one looks at the rate while it looks all the time */
#define BATCH 256

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t next_random(struct delay_run *r)
{
	r->rng ^= r->rng << 13;
	r->rng ^= r->rng >> 7;
	r->rng ^= r->rng << 17;
	return r->rng;
}

/* ------------------------------------------------------------------ loading */

int delay_run_map(struct delay_run *r, const char *name, size_t key_size, struct err *e)
{
	struct bpf_map *map = bpf_object__find_map_by_name(r->object, name);

	if (!map || r->map_count == DELAY_MAPS || bpf_map__key_size(map) != key_size)
		return err_set(e, EINVAL, "bpf: no map %s", name);
	r->maps[r->map_count].fd = bpf_map__fd(map);
	delay_sums_init(&r->maps[r->map_count].sums, key_size);
	r->map_count++;
	return 0;
}

static int find_programs(struct delay_run *r, struct err *e)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct bpf_program *p;

	bpf_object__for_each_program(p, r->object)
	{
		int rc;

		if (!bpf_program__autoload(p))
			continue;
		if (strchr(bpf_program__section_name(p), '/')) {
			if (r->program_count < DELAY_PROGRAMS)
				r->programs[r->program_count++] = p;
			continue;
		}
		rc = bpf_prog_test_run_opts(bpf_program__fd(p), &opts);
		if (rc < 0)
			return err_errno(e, rc, "bpf: running a program");
	}
	return 0;
}

void delay_run_without(struct delay_run *r, const struct bpf_program *program)
{
	for (size_t i = 0; i < r->program_count; i++)
		if (r->programs[i] == program)
			r->programs[i] = r->programs[--r->program_count];
}

/* A short window on a slow machine: loading takes tens of milliseconds. */
static int too_late(const struct collect *c, struct err *e)
{
	char window[24];

	return err_set(e, ETIME, "the window of %s was over before the programs were loaded",
		       format_duration(c->window_end_ns - c->window_start_ns, window));
}

static int load(struct delay_run *r, struct err *e)
{
	struct collect *c = r->c;
	struct bpf_map *counts;
	int turn, rc;

	turn = bpf_probe_lock(c);
	if (now_ns() >= c->window_end_ns || collect_stopping(c))
		rc = too_late(c, e);
	else
		rc = bpf_probe_load(c, r->probe->open, r, &r->skeleton, e);
	if (turn >= 0)
		close(turn);
	if (rc < 0)
		return rc;
	r->object = *r->skeleton->obj;
	counts = bpf_object__find_map_by_name(r->object, "counts");
	r->counts_fd = bpf_map__fd(counts);
	r->cpus = libbpf_num_possible_cpus();
	if (r->cpus <= 0)
		return err_set(e, EINVAL, "bpf: how many CPUs there may be is not known");
	r->per_cpu = calloc((size_t)r->cpus, sizeof(*r->per_cpu));
	r->before = calloc((size_t)r->cpus, sizeof(*r->before));
	r->buffer = malloc(BATCH * (DELAY_KEY_MAX + sizeof(struct delay_value)));
	if (!r->per_cpu || !r->before || !r->buffer)
		return err_errno(e, ENOMEM, r->probe->name);
	r->rng = (now_ns() ^ (uint64_t)getpid() << 40) | 1;
	rc = delay_run_map(r, "delays", sizeof(struct delay_key), e);
	if (rc >= 0)
		rc = find_programs(r, e);
	return rc < 0 ? rc : r->probe->loaded(r, e);
}

/* ------------------------------------------------------------------ slices */

static void detach(struct delay_run *r)
{
	for (size_t i = 0; i < r->program_count; i++) {
		bpf_link__destroy(r->links[i]);
		r->links[i] = NULL;
	}
	r->attached = false;
}

static int attach_all(struct delay_run *r, struct err *e)
{
	for (size_t i = 0; i < r->program_count; i++) {
		struct bpf_link *link = bpf_program__attach(r->programs[i]);

		if (!link) {
			int no = errno;
			const char *point = strchr(bpf_program__section_name(r->programs[i]), '/');

			return err_set(e, no, "tracepoint %s: %s", point ? point + 1 : "?",
				       strerror(no));
		}
		r->links[i] = link;
	}
	return 0;
}

/* Unless it is. */
static int attach(struct delay_run *r, struct err *e)
{
	uint64_t begun = now_ns();
	int rc;

	if (r->attached)
		return 0;
	rc = attach_all(r, e);
	if (rc < 0) {
		detach(r);
		return rc;
	}
	r->attached = true;
	r->attachments++;
	r->attach_ns = now_ns() - begun;
	return 0;
}

/* Where being attached without looking costs too much. */
static void detach_if_dear(struct delay_run *r)
{
	uint64_t begun = now_ns();

	if (!r->attached || r->pace.mode != DELAY_DETACHED)
		return;
	detach(r);
	delay_pace_patched(&r->pace, r->attach_ns + (now_ns() - begun));
}

static void open_window(struct delay_run *r, uint64_t start, uint64_t end)
{
	volatile struct delay_window *w = r->window;

	w->realtime_ns = (int64_t)(clock_ns(CLOCK_REALTIME) - now_ns());
	w->start_ns = start;
	__sync_synchronize();
	w->end_ns = end;
}

static void close_window(struct delay_run *r)
{
	volatile struct delay_window *w = r->window;

	w->end_ns = 0;
	__sync_synchronize();
}

static void empty_map(struct delay_run *r, struct delay_map *m, const struct delay_slice *slice)
{
	const size_t key_size = m->sums.key_size;
	char *keys = r->buffer, *values = keys + BATCH * DELAY_KEY_MAX;
	/* The position: four bytes for hash tables. */
	uint32_t in = 0, out = 0;
	bool first = true;
	int rc;

	do {
		uint32_t n = BATCH;

		rc = bpf_map_lookup_and_delete_batch(m->fd, first ? NULL : &in, &out, keys, values,
						     &n, NULL);
		if (rc < 0 && rc != -ENOENT)
			n = 0;
		for (uint32_t i = 0; i < n; i++)
			delay_sums_add(
				&m->sums, keys + i * key_size,
				(struct delay_value *)(values + i * sizeof(struct delay_value)),
				slice);
		first = false;
		in = out;
	} while (rc == 0);
}

static void empty_maps(struct delay_run *r, const struct delay_slice *slice)
{
	for (size_t i = 0; i < r->map_count; i++)
		empty_map(r, &r->maps[i], slice);
	r->watched_ns += slice->slice_ns;
	r->covered_ns += slice->stratum_ns;
	r->slices++;
}

/* What came in the last ns of looking, as the busiest CPU saw it, sets the pace.  How many were
 * lost on all of them. */
static uint64_t read_counts(struct delay_run *r, uint64_t ns)
{
	uint64_t most = 0, most_passed = 0, lost = 0;
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(r->counts_fd, &zero, r->per_cpu) < 0)
		return 0;
	for (int i = 0; i < r->cpus; i++) {
		uint64_t events = r->per_cpu[i].events - r->before[i].events;
		uint64_t passed = r->per_cpu[i].passed - r->before[i].passed;

		if (events > most)
			most = events;
		if (passed > most_passed)
			most_passed = passed;
		lost += r->per_cpu[i].lost - r->before[i].lost;
		r->total.events += events;
		r->total.skipped += r->per_cpu[i].skipped - r->before[i].skipped;
	}
	r->total.lost += lost;
	memcpy(r->before, r->per_cpu, (size_t)r->cpus * sizeof(*r->before));
	r->taken = ((double)most * r->probe->cost.event +
		    (double)most_passed * r->probe->cost.passed) /
		   (double)(ns ? ns : 1);
	delay_pace_seen(&r->pace, most, most_passed, ns);
	return lost;
}

/* Until then, or until the window is ended early: true. */
static bool wait_until(const struct delay_run *r, uint64_t until)
{
	struct pollfd p = {.fd = r->c->stop_fd, .events = POLLIN};
	uint64_t now;

	while ((now = now_ns()) < until) {
		struct timespec left = {(time_t)((until - now) / NSEC_PER_SEC),
					(long)((until - now) % NSEC_PER_SEC)};

		if (ppoll(&p, 1, &left, NULL) > 0)
			return true;
	}
	return collect_stopping(r->c);
}

/* The priority of a child is the lowest; what is attached costs others until it is detached. */
static void be_punctual(void)
{
	const struct sched_param param = {0};

	if (sched_getscheduler(0) != SCHED_OTHER)
		sched_setscheduler(0, SCHED_OTHER, &param);
	if (getpriority(PRIO_PROCESS, 0) > 0)
		setpriority(PRIO_PROCESS, 0, 0);
}

/* One stratum with a slice in it.  1: the window was ended; else 0 or a negative errno. */
static int sampled_stratum(struct delay_run *r, uint64_t end, struct err *e)
{
	/* It begins where the last one ended: what was done between them was time as well. */
	uint64_t begun = r->covered_to_ns, at, closed;
	struct delay_plan plan = delay_pace_plan(&r->pace, end > begun ? end - begun : 0);
	bool stop;
	int rc;

	if (!plan.slice_ns)
		return wait_until(r, end) ? 1 : 0;
	be_punctual();
	at = begun + next_random(r) % (plan.stratum_ns - plan.slice_ns + 1);
	if (wait_until(r, at))
		return 1;
	rc = attach(r, e);
	if (rc < 0)
		return rc;
	at = now_ns();
	open_window(r, at, at + plan.slice_ns);
	stop = wait_until(r, at + plan.slice_ns);
	closed = now_ns();
	if (closed > at + plan.slice_ns)
		closed = at + plan.slice_ns;
	close_window(r);
	read_counts(r, closed - at);
	detach_if_dear(r);
	if (!stop)
		stop = wait_until(r, begun + plan.stratum_ns);
	r->covered_to_ns = now_ns();
	empty_maps(r, &(struct delay_slice){.stratum_ns = r->covered_to_ns - begun,
					    .slice_ns = closed - at,
					    .number = r->strata,
					    .taken = r->taken});
	r->strata++;
	return stop;
}

/* As long as there are few events.  The same returns. */
static int watched_stretch(struct delay_run *r, uint64_t end, struct err *e)
{
	uint64_t begun, seen, lost = 0;
	bool stop = false;
	int rc;

	be_punctual();
	rc = attach(r, e);
	if (rc < 0)
		return rc;
	begun = seen = now_ns();
	open_window(r, begun, UINT64_MAX);
	while (!stop && r->pace.mode == DELAY_WHOLE && !lost && now_ns() < end) {
		uint64_t next = seen + TICK_NS, now;

		stop = wait_until(r, next < end ? next : end);
		now = now_ns();
		lost = read_counts(r, now - seen);
		seen = now;
	}
	close_window(r);
	r->covered_to_ns = seen = now_ns();
	detach_if_dear(r);
	if (r->probe->unfinished)
		r->probe->unfinished(r, begun, seen);
	empty_maps(r, &(struct delay_slice){.stratum_ns = seen - begun,
					    .slice_ns = seen - begun,
					    .number = r->strata});
	/* Another stratum never pairs with it. */
	r->strata = (r->strata | 1) + 1;
	return stop;
}

int delay_run_watch(struct delay_run *r, struct err *e)
{
	uint64_t end = r->c->window_end_ns;
	int rc = load(r, e);

	if (rc < 0)
		return rc;
	delay_pace_init(&r->pace, &r->probe->cost, end - r->c->window_start_ns);
	r->start_ns = r->covered_to_ns = now_ns();
	while (rc == 0 && now_ns() < end && !collect_stopping(r->c)) {
		if (r->pace.mode == DELAY_WHOLE)
			rc = watched_stretch(r, end, e);
		else
			rc = sampled_stratum(r, end, e);
	}
	detach(r);
	r->end_ns = now_ns();
	r->whole = r->watched_ns == r->covered_ns;
	for (size_t i = 0; i < r->map_count; i++)
		delay_sums_end(&r->maps[i].sums);
	/* What was seen before an attachment failed is worth keeping. */
	if (rc < 0 && !r->slices)
		return rc;
	return r->slices ? 0 : too_late(r->c, e);
}

struct delay_run *delay_run_new(struct collect *c, const struct delay_probe *probe)
{
	struct delay_run *r = calloc(1, probe->state_size);

	if (r) {
		r->c = c;
		r->probe = probe;
		c->state = r;
	}
	return r;
}

int delay_run_start(struct collect *c, const struct delay_probe *probe)
{
	struct delay_run *r = delay_run_new(c, probe);
	struct err e = {0};
	int rc = r ? delay_run_watch(r, &e) : -ENOMEM;

	if (r && rc < 0)
		bpf_probe_status(c, rc, &e);
	return rc;
}
