/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "../collectors/bpf_probe.h"
#include "session_private.h"

#define TURN_MS 100
#define TURN_EAGER_MS 10 /* while tables are being made */
#define EAGER_NS (500 * NSEC_PER_MSEC)
#define SWEEP_NS NSEC_PER_SEC
#define FIND_PYTHON_NS (100 * NSEC_PER_MSEC)
#define FILES_WANTED 4096 /* descriptors: one or two for each CPU */

static uint32_t power_of_two_below(uint64_t n, uint32_t least, uint32_t most)
{
	uint32_t v = least;

	while ((uint64_t)v * 2 <= n && v < most)
		v *= 2;
	return v;
}

void session_limits_for(struct session_limits *ret, uint64_t memory, unsigned cpus)
{
	*ret = (struct session_limits){
		.hz = 99,
		.ring_bytes =
			power_of_two_below(memory / 16, 64u << 10, cpus > 32 ? 4u << 20 : 1u << 20),
		.side_bytes = power_of_two_below(memory / 16, 64u << 10, 2u << 20),
		.seen = 16384,
		.rows = power_of_two_below(memory * 9 / 20 / sizeof(struct stacks_row), 4096,
					   1u << 20),
		.mappings = 16384,
		.processes = 2048,
		.slots = 16384,
		.spaces = 1024,
		.blocks = 32768,
		.growth = 8192,
		.python_processes = 512,
		.python_threads = 1024,
		.python_frames = 16384,
		.files = 2048,
		.stacks = 32768,
		.frames = (uint32_t)(memory / 4 / sizeof(struct stack_frame)),
		.tasks = tasks_default_limits,
		.symbols = symbols_default_limits,
	};
}

/* ------------------------------------------------------------------ the whole */

static int turn(struct session *s)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	s->cut_ns = now;
	session_take_side(s);
	if (!s->lower.mode)
		stacks_probe_drain(&s->probe);
	session_apply_events(s, UINT64_MAX);
	if (!s->lower.mode)
		unwinder_turn(&s->unwinder, now);
	if (now - s->swept_ns > SWEEP_NS) {
		tasks_sweep(&s->tasks, now - SWEEP_NS);
		s->swept_ns = now;
	}
	return member_break(s->c->out);
}

static void enough_descriptors(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur >= FILES_WANTED)
		return;
	files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
	setrlimit(RLIMIT_NOFILE, &files);
}

/* bpf: what came of the programs.  Without them the samples are in these rings as well. */
static int open_side(struct session *s, int bpf, struct err *e)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = page, all = s->limits.side_bytes + (bpf < 0 ? s->limits.ring_bytes : 0);
	int r;

	while (bytes * 2 * s->cpu_count <= all && bytes < 64 * 1024)
		bytes *= 2;
	if (bpf < 0)
		r = lower_open(s, bytes, e);
	else
		r = perf_open_side(&s->side, s->cpus, s->cpu_count, bytes, e);
	if (r < 0)
		return r;
	/* The event of a thread that has ended is readable for ever. */
	if (s->lower.mode != LOWER_OWN)
		s->side_epoll = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; s->side_epoll >= 0 && i < s->side.count; i++) {
		struct epoll_event ev = {.events = EPOLLIN};

		epoll_ctl(s->side_epoll, EPOLL_CTL_ADD, s->side.rings[i].fd, &ev);
	}
	/* Twice what the rings hold: they fill while they are read. */
	s->events_cap = 2 * bytes * (s->lower.mode ? s->cpu_count : s->side.count);
	s->order_cap = s->events_cap / 48;
	s->events = malloc(s->events_cap + 1);
	s->order = calloc(s->order_cap + 1, sizeof(*s->order));
	if (!s->events || !s->order)
		return err_errno(e, ENOMEM, "stacks");
	/* Samples begin with the session. */
	if (s->lower.mode)
		return 0;
	r = perf_enable(&s->side, true);
	return r < 0 ? err_errno(e, r, "perf event: starting it") : 0;
}

static int open_probe(struct session *s, const struct stacks_probe_options *o, struct err *e)
{
	struct probe_result ask;
	int turn_fd, r;

	/* Where it is known to fail, trying takes seconds and says less. */
	bpf_probe_ask(s->c->options, s->c->root, &ask);
	if (ask.status != COLLECTOR_OK)
		return err_set(e, ask.no ? ask.no : ENOTSUP, "%s", ask.reason);
	turn_fd = bpf_probe_lock(s->c);
	r = stacks_probe_open(&s->probe, o, session_record, s, e);
	if (turn_fd >= 0)
		close(turn_fd);
	return r;
}

int session_open(struct session **ret, struct collect *c, const struct session_limits *limits,
		 struct err *e)
{
	struct session *s = calloc(1, sizeof(*s));
	struct stacks_probe_options o = {.hz = limits->hz,
					 .ring_bytes = limits->ring_bytes,
					 .seen = limits->seen,
					 .rows = limits->rows,
					 .mappings = limits->mappings,
					 .processes = limits->processes,
					 .python_processes = limits->python_processes,
					 .python_threads = limits->python_threads,
					 .slots = limits->slots,
					 .spaces = limits->spaces,
					 .blocks = c->options->heap_count ? limits->blocks : 0,
					 .btf_file = c->options->btf_file};
	struct unwind_target target;
	int r;

	if (!s)
		return err_errno(e, ENOMEM, "stacks");
	s->c = c;
	s->limits = *limits;
	s->side_epoll = s->unwinder.maker.fd = -1;
	enough_descriptors();
	r = perf_cpus(c->root, &s->cpus);
	if (r < 0) {
		free(s);
		return err_errno(e, r, "/sys/devices/system/cpu/online");
	}
	s->cpu_count = (size_t)r;
	r = open_side(s, open_probe(s, &o, e), e);
	if (!r) {
		r = tasks_init(&s->tasks, &limits->tasks, c->root, getppid());
		target = (struct unwind_target){.mappings = s->probe.mappings,
						.max_mappings = limits->mappings,
						.set = stacks_probe_set_process,
						.ctx = &s->probe};
		if (!r && !s->lower.mode)
			r = unwinder_init(&s->unwinder, &s->tasks, &target, c->root, s->probe.rows,
					  limits->rows, limits->files);
		if (!r)
			r = stackset_init(&s->stacks, limits->stacks, limits->frames);
		if (!r)
			r = offcpu_init(&s->offcpu, limits->tasks.threads);
		if (!r)
			r = growth_init(&s->growth,
					limits->growth * (c->options->heap_count ? 4 : 1),
					limits->spaces + HEAP_PIDS_MAX);
		if (!r && !s->lower.mode)
			r = pyframes_init(&s->python, c->root, &s->tasks.paths,
					  limits->python_frames, limits->python_processes,
					  stacks_probe_set_python, &s->probe);
		if (!r)
			r = symbols_create(&s->symbols, &limits->symbols);
		if (r < 0)
			err_errno(e, r, "stacks");
	}
	if (r < 0) {
		session_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

void session_close(struct session *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->alloc_count; i++)
		free(s->allocs[i].points);
	stacks_probe_close(&s->probe);
	perf_close(&s->side);
	if (s->side_epoll >= 0)
		close(s->side_epoll);
	unwinder_deinit(&s->unwinder);
	tasks_deinit(&s->tasks);
	stackset_deinit(&s->stacks);
	pyframes_deinit(&s->python);
	offcpu_deinit(&s->offcpu);
	growth_deinit(&s->growth);
	symbols_destroy(s->symbols);
	free(s->events);
	free(s->order);
	free(s->cpus);
	free(s);
}

int session_start(struct session *s, struct err *e)
{
	int r;

	if (!s->lower.mode) {
		pyframes_find(&s->python, FIND_PYTHON_NS);
		session_allocs_find(s);
		r = stacks_probe_start(&s->probe, s->cpus, s->cpu_count, s->limits.hz, e);
	} else {
		r = perf_enable(&s->side, true);
		if (r < 0)
			err_errno(e, r, "perf event: starting it");
	}
	if (r < 0)
		return r;
	s->start_ns = s->swept_ns = s->growth_slice.since_ns = clock_ns(CLOCK_MONOTONIC);
	if (!s->lower.mode)
		session_allocs_start(s);
	return member_open(s->c->out, "tables/stack_samples.tsv", SAMPLES_HEADER);
}

int session_run(struct session *s)
{
	const struct collect *c = s->c;
	int r = 0;

	while (!r) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC), left;
		bool eager = !s->lower.mode &&
			     (!unwinder_idle(&s->unwinder) || now - s->start_ns < EAGER_NS ||
			      now - s->wanted_ns < EAGER_NS);
		struct pollfd fds[] = {
			{.fd = c->stop_fd, .events = POLLIN},
			{.fd = s->lower.mode ? -1 : stacks_probe_fd(&s->probe), .events = POLLIN},
			{.fd = s->side_epoll, .events = POLLIN},
			{.fd = s->unwinder.maker.busy ? s->unwinder.maker.fd : -1,
			 .events = POLLIN},
		};

		if (now >= c->window_end_ns)
			break;
		left = (c->window_end_ns - now) / NSEC_PER_MSEC + 1;
		uint64_t ms = eager ? TURN_EAGER_MS : TURN_MS;

		if (poll(fds, ARRAY_SIZE(fds), (int)(ms < left ? ms : left)) > 0 && fds[0].revents)
			break;
		r = turn(s);
		if (!r && !s->lower.mode) {
			session_allocs_turn(s, s->cut_ns);
			session_growth_turn(s, s->cut_ns);
		}
	}
	return r;
}

int session_stop(struct session *s)
{
	if (s->alloc_count && !turn(s))
		session_allocs_stop(s);
	stacks_probe_stop(&s->probe);
	perf_enable(&s->side, false);
	s->end_ns = clock_ns(CLOCK_MONOTONIC);
	int r = turn(s);

	if (!r && !s->lower.mode)
		session_take_growth(s);
	if (!r && s->probe.slot_count) {
		r = stacks_probe_still(&s->probe, session_still, s);
		if (r < 0) {
			emit_note(s->c->out, "who is off the CPU at the end: %s", strerror(-r));
			r = 0;
		}
		for (uint32_t i = 0; i < s->probe.slot_count; i++)
			if (s->probe.slots[i].tid)
				session_on_slot(s, &s->probe.slots[i]);
	}
	return r;
}
