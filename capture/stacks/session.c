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

/* What happened up to then. */
static void apply_events(struct session *s, uint64_t until)
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
static void on_slot(struct session *s, const struct stacks_slot *slot)
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
static void on_still(void *ctx, const struct stacks_sample *p, const struct stacks_stack *k)
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
		apply_events(s, time);
		on_sample(s, p);
	} else if (len >= sizeof(*t) && t->type == STACKS_RECORD_THREAD) {
		time = t->time;
		apply_events(s, time);
		on_slot(s, &t->slot);
	} else if (len >= sizeof(*g) && g->type == STACKS_RECORD_GROWTH) {
		time = g->time;
		apply_events(s, time);
		session_on_growth(s, g);
	} else if (len >= offsetof(struct stacks_stack, frames) && k->type == STACKS_RECORD_STACK &&
		   k->user_count <= STACKS_USER_MAX && k->kernel_count <= STACKS_KERNEL_MAX &&
		   k->python_count <= STACKS_PYTHON_MAX &&
		   len >= offsetof(struct stacks_stack, frames) + 8 * words_of(k)) {
		time = k->time;
		apply_events(s, time);
		on_stack(s, k);
	}
	/* What came after the kernel's records were taken waits for the next turn. */
	return time > s->cut_ns;
}

static int turn(struct session *s)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	s->cut_ns = now;
	s->events_len = s->order_count = s->order_next = 0;
	perf_drain(&s->side, keep_event, s);
	qsort(s->order, s->order_count, sizeof(*s->order), by_time);
	if (!s->lower.mode)
		stacks_probe_drain(&s->probe);
	apply_events(s, UINT64_MAX);
	if (!s->lower.mode)
		unwinder_turn(&s->unwinder, now);
	if (now - s->swept_ns > SWEEP_NS) {
		tasks_sweep(&s->tasks, now - SWEEP_NS);
		s->swept_ns = now;
	}
	return member_break(s->c->out);
}

/* ------------------------------------------------------------------ the whole */

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
		r = stacks_probe_still(&s->probe, on_still, s);
		if (r < 0) {
			emit_note(s->c->out, "who is off the CPU at the end: %s", strerror(-r));
			r = 0;
		}
		for (uint32_t i = 0; i < s->probe.slot_count; i++)
			if (s->probe.slots[i].tid)
				on_slot(s, &s->probe.slots[i]);
	}
	return r;
}
