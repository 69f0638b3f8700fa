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

#define STRATUM_NS (100 * NSEC_PER_MSEC)
#define PILOT_NS (20 * NSEC_PER_MSEC) /* the first strata: how many events are there? */
#define PILOTS 2
#define TICK_NS (50 * NSEC_PER_MSEC) /* how often one looks at that while it is attached */
#define SLICE_MIN_NS (NSEC_PER_MSEC / 2)
/* From this share on the gaps are not worth it. */
#define NEARLY_ALL 0.5
/* Before anything is known. */
#define FIRST_RATE 1e6
/* A rate is forgotten slowly, so that bursts do not find the probe attached all the time. */
#define FORGET 0.8
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

static int attach(struct delay_run *r, struct err *e)
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

static void detach(struct delay_run *r)
{
	for (size_t i = 0; i < r->program_count; i++) {
		bpf_link__destroy(r->links[i]);
		r->links[i] = NULL;
	}
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

/* Events of the busiest CPU since the last call; *ret_lost: of all of them. */
static uint64_t read_counts(struct delay_run *r, uint64_t *ret_lost)
{
	uint64_t most = 0, lost = 0;
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(r->counts_fd, &zero, r->per_cpu) < 0)
		return 0;
	for (int i = 0; i < r->cpus; i++) {
		uint64_t events = r->per_cpu[i].events - r->before[i].events;

		if (events > most)
			most = events;
		lost += r->per_cpu[i].lost - r->before[i].lost;
		r->total.events += events;
		r->total.skipped += r->per_cpu[i].skipped - r->before[i].skipped;
	}
	r->total.lost += lost;
	memcpy(r->before, r->per_cpu, (size_t)r->cpus * sizeof(*r->before));
	*ret_lost = lost;
	return most;
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

struct pace {
	double rate; /* events per second of the busiest CPU */
	double share;
};

static void pace_update(const struct delay_run *r, struct pace *p, uint64_t events, uint64_t ns)
{
	double rate = ns ? (double)events * 1e9 / (double)ns : 0;
	double kept = p->rate * FORGET;

	/* The pilots begin with a guess that is worth nothing. */
	if (r->strata <= PILOTS)
		kept = 0;
	p->rate = rate > kept ? rate : kept;
	p->share = 1;
	if (r->probe->event_ns > 0 && p->rate > 0)
		p->share = DELAY_BUDGET / (p->rate * r->probe->event_ns / 1e9);
	if (p->share >= NEARLY_ALL)
		p->share = 1;
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
static int sampled_stratum(struct delay_run *r, struct pace *p, uint64_t end, struct err *e)
{
	uint64_t begun = now_ns(), length = r->strata < PILOTS ? PILOT_NS : STRATUM_NS, slice, at;
	uint64_t lost, events, closed;
	bool stop;
	int rc;

	slice = (uint64_t)(p->share * (double)length);
	if (slice < SLICE_MIN_NS) {
		slice = SLICE_MIN_NS;
		length = (uint64_t)((double)slice / p->share);
		if (length > NSEC_PER_SEC)
			length = NSEC_PER_SEC;
	}
	if (begun + length > end) { /* the last one, of what is left */
		length = end > begun ? end - begun : 0;
		slice = (uint64_t)(p->share * (double)length);
		if (slice < SLICE_MIN_NS / 2)
			return wait_until(r, end) ? 1 : 0;
	}
	be_punctual();
	at = begun + next_random(r) % (length - slice + 1);
	if (wait_until(r, at))
		return 1;
	rc = attach(r, e);
	if (rc < 0) {
		detach(r);
		return rc;
	}
	at = now_ns();
	open_window(r, at, at + slice);
	stop = wait_until(r, at + slice);
	closed = now_ns();
	if (closed > at + slice)
		closed = at + slice;
	close_window(r);
	detach(r);
	events = read_counts(r, &lost);
	if (!stop)
		stop = wait_until(r, begun + length);
	empty_maps(r, &(struct delay_slice){.stratum_ns = now_ns() - begun,
					    .slice_ns = closed - at,
					    .number = r->strata});
	r->strata++;
	pace_update(r, p, events, closed - at);
	return stop;
}

/* As long as there are few events.  The same returns. */
static int watched_stretch(struct delay_run *r, struct pace *p, uint64_t end, struct err *e)
{
	uint64_t begun, seen, lost = 0;
	bool stop = false;
	int rc;

	be_punctual();
	rc = attach(r, e);
	if (rc < 0) {
		detach(r);
		return rc;
	}
	begun = seen = now_ns();
	open_window(r, begun, UINT64_MAX);
	while (!stop && p->share >= 1 && !lost && now_ns() < end) {
		uint64_t next = seen + TICK_NS, events, now;

		stop = wait_until(r, next < end ? next : end);
		events = read_counts(r, &lost);
		now = now_ns();
		pace_update(r, p, events, now - seen);
		seen = now;
	}
	close_window(r);
	seen = now_ns();
	detach(r);
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
	struct pace p = {.rate = FIRST_RATE};
	uint64_t end = r->c->window_end_ns;
	int rc = load(r, e);

	if (rc < 0)
		return rc;
	p.share = r->probe->event_ns > 0 ? DELAY_BUDGET / (p.rate * r->probe->event_ns / 1e9) : 1;
	r->start_ns = now_ns();
	while (rc == 0 && now_ns() < end && !collect_stopping(r->c)) {
		if (p.share >= 1)
			rc = watched_stretch(r, &p, end, e);
		else
			rc = sampled_stratum(r, &p, end, e);
	}
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
