/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/types.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "probe_alloc.h"
#include "stacks.skel.h"

/* How long loading is tried again when signals come between. */
#define LOAD_NS (5 * NSEC_PER_SEC)

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return 0;
}

static size_t whole_pages(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

static int load_once(struct stacks_probe *p, const struct stacks_probe_options *o, bool off_cpu,
		     bool growth)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = o->btf_file);
	struct stacks_bpf *s = stacks_bpf__open_opts(&opts);
	int r;

	if (!s)
		return -errno;
	s->rodata->config = (struct stacks_config){.wakeup_bytes = o->ring_bytes / 4,
						   .slot_mask = o->slots ? o->slots - 1 : 0};
	bpf_program__set_autoload(s->progs.stacks_switch, off_cpu);
	bpf_program__set_autoload(s->progs.stacks_waking, off_cpu);
	bpf_program__set_autoload(s->progs.stacks_still, off_cpu);
	bpf_map__set_max_entries(s->maps.slots, off_cpu ? o->slots : 1);
	bpf_program__set_autoload(s->progs.stacks_grow, growth);
	bpf_program__set_autoload(s->progs.stacks_fault_user, growth);
	bpf_program__set_autoload(s->progs.stacks_fault_kernel, growth);
	bpf_map__set_max_entries(s->maps.spaces, growth ? o->spaces : 1);
	stacks_probe_allocs_load(s, o->blocks);
	bpf_map__set_max_entries(s->maps.ring, o->ring_bytes);
	bpf_map__set_max_entries(s->maps.seen, o->seen);
	bpf_map__set_max_entries(s->maps.rows, o->rows);
	bpf_map__set_max_entries(s->maps.mappings, o->mappings);
	bpf_map__set_max_entries(s->maps.processes, o->processes);
	bpf_map__set_max_entries(s->maps.python_processes,
				 o->python_processes ? o->python_processes : 1);
	bpf_map__set_max_entries(s->maps.python_threads, o->python_threads ? o->python_threads : 1);
	r = stacks_bpf__load(s);
	if (r < 0) {
		stacks_bpf__destroy(s);
		return r;
	}
	p->skel = s;
	return 0;
}

static int load(struct stacks_probe *p, const struct stacks_probe_options *o, struct err *e)
{
	const uint64_t end = clock_ns(CLOCK_MONOTONIC) + LOAD_NS;
	libbpf_print_fn_t before = libbpf_set_print(quiet);
	int r;

	/* The verifier gives up when a signal comes, and the CPU budget stops us by signals.  Going
	 * on without one of the programs has its own time. */
	bool off_cpu = o->slots > 0, growth = o->spaces > 0, without;

#if !defined(__x86_64__)
	snprintf(p->growth, sizeof(p->growth),
		 "the user's registers in a page fault are found on x86-64 only");
	growth = false;
#endif
	do {
		without = false;
		r = load_once(p, o, off_cpu, growth);
		if (r < 0 && r != -EAGAIN && r != -EPERM && growth) {
			snprintf(p->growth, sizeof(p->growth),
				 "the program at kmem:rss_stat cannot be loaded: %s", strerror(-r));
			growth = false;
			without = true;
		} else if (r < 0 && r != -EAGAIN && r != -EPERM && r != -EACCES && off_cpu) {
			snprintf(p->off_cpu, sizeof(p->off_cpu),
				 "the programs at sched_switch cannot be loaded: %s", strerror(-r));
			off_cpu = false;
			without = true;
		}
	} while (without || (r == -EAGAIN && clock_ns(CLOCK_MONOTONIC) < end));
	p->slot_count = off_cpu && r >= 0 ? o->slots : 0;
	p->space_count = growth && r >= 0 ? o->spaces : 0;
	libbpf_set_print(before);
	if (r == -EPERM || r == -EACCES)
		return err_set(e, -r,
			       "bpf: Operation not permitted (needs CAP_BPF and CAP_PERFMON, or "
			       "CAP_SYS_ADMIN)");
	return r < 0 ? err_errno(e, r, "bpf: loading the programs that sample") : 0;
}

static int map_into(const struct bpf_map *map, size_t bytes, void **ret)
{
	void *at = mmap(NULL, whole_pages(bytes), PROT_READ | PROT_WRITE, MAP_SHARED,
			bpf_map__fd(map), 0);

	if (at == MAP_FAILED)
		return -errno;
	*ret = at;
	return 0;
}

static int on_record(void *ctx, void *data, size_t len)
{
	struct stacks_probe *p = ctx;

	return p->record(p->ctx, data, len);
}

int stacks_probe_open(struct stacks_probe *p, const struct stacks_probe_options *o,
		      int (*record)(void *ctx, const void *data, size_t len), void *ctx,
		      struct err *e)
{
	void *rows = NULL, *mappings = NULL;
	int r;

	*p = (struct stacks_probe){.record = record, .ctx = ctx};
	r = load(p, o, e);
	if (r < 0)
		return r;
	p->rows_bytes = whole_pages(o->rows * sizeof(*p->rows));
	p->mappings_bytes = whole_pages(o->mappings * sizeof(*p->mappings));
	r = map_into(p->skel->maps.rows, p->rows_bytes, &rows);
	p->rows = rows;
	if (!r)
		r = map_into(p->skel->maps.mappings, p->mappings_bytes, &mappings);
	p->mappings = mappings;
	if (!r && p->slot_count) {
		void *slots = NULL;

		p->slots_bytes = whole_pages(p->slot_count * sizeof(*p->slots));
		r = map_into(p->skel->maps.slots, p->slots_bytes, &slots);
		p->slots = slots;
	}
	if (!r) {
		p->ring = ring_buffer__new(bpf_map__fd(p->skel->maps.ring), on_record, p, NULL);
		r = p->ring ? 0 : -errno;
	}
	if (r < 0) {
		stacks_probe_close(p);
		return err_errno(e, r, "bpf: mapping what the programs write");
	}
	return 0;
}

static void detach(struct stacks_probe *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(p->links); i++) {
		bpf_link__destroy(p->links[i]);
		p->links[i] = NULL;
	}
}

/* What there is without it is worth having. */
static void attach_off_cpu(struct stacks_probe *p)
{
	const struct bpf_program *programs[] = {p->skel->progs.stacks_waking,
						p->skel->progs.stacks_switch};
	static const char *const points[] = {"sched_waking", "sched_switch"};

	p->skel->bss->window_start_ns = clock_ns(CLOCK_MONOTONIC);
	for (size_t i = 0; p->slot_count && i < ARRAY_SIZE(p->links); i++) {
		p->links[i] = bpf_program__attach_raw_tracepoint(programs[i], points[i]);
		if (p->links[i])
			continue;
		snprintf(p->off_cpu, sizeof(p->off_cpu), "raw tracepoint %s: %s", points[i],
			 strerror(errno));
		detach(p);
		p->slot_count = 0;
	}
}

int stacks_probe_start(struct stacks_probe *p, const int *cpus, size_t n, unsigned hz,
		       struct err *e)
{
	int fd = bpf_program__fd(p->skel->progs.stacks_on_cpu);
	int r = perf_open_clock(&p->clock, cpus, n, hz, &p->clock_kind, e);

	for (size_t i = 0; !r && i < p->clock.count; i++)
		if (ioctl(p->clock.rings[i].fd, PERF_EVENT_IOC_SET_BPF, fd))
			r = err_errno(e, errno, "perf event: attaching a BPF program");
	if (!r && (r = perf_enable(&p->clock, true)) < 0)
		err_errno(e, r, "perf event: starting it");
	if (r < 0)
		perf_close(&p->clock);
	if (r < 0)
		return r;
	attach_off_cpu(p);
	stacks_probe_growth_start(p);
	return 0;
}

void stacks_probe_stop(struct stacks_probe *p)
{
	stacks_probe_growth_stop(p);
	detach(p);
	if (p->clock.count)
		perf_enable(&p->clock, false);
}

void stacks_probe_close(struct stacks_probe *p)
{
	stacks_probe_allocs_stop(p);
	stacks_probe_growth_stop(p);
	detach(p);
	perf_close(&p->clock);
	ring_buffer__free(p->ring);
	if (p->slots)
		munmap(p->slots, p->slots_bytes);
	if (p->rows)
		munmap(p->rows, p->rows_bytes);
	if (p->mappings)
		munmap(p->mappings, p->mappings_bytes);
	stacks_bpf__destroy(p->skel);
	*p = (struct stacks_probe){0};
}

int stacks_probe_fd(const struct stacks_probe *p)
{
	return ring_buffer__epoll_fd(p->ring);
}

int stacks_probe_drain(struct stacks_probe *p)
{
	return ring_buffer__consume(p->ring);
}

int stacks_probe_set_process(void *probe, uint32_t pid, const struct stacks_process *v)
{
	struct stacks_probe *p = probe;
	int fd = bpf_map__fd(p->skel->maps.processes);

	return v ? bpf_map_update_elem(fd, &pid, v, BPF_ANY) : bpf_map_delete_elem(fd, &pid);
}

int stacks_probe_set_python(void *probe, uint32_t pid, const struct stacks_python *v)
{
	struct stacks_probe *p = probe;
	int fd = bpf_map__fd(p->skel->maps.python_processes);

	return v ? bpf_map_update_elem(fd, &pid, v, BPF_ANY) : bpf_map_delete_elem(fd, &pid);
}

int stacks_probe_counters(const struct stacks_probe *p, struct stacks_counters *ret)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct stacks_counters *all = NULL;
	struct stacks_counters sum = {0};
	uint32_t zero = 0;
	int r;

	if (cpus < 0)
		return cpus;
	all = calloc((size_t)cpus, sizeof(*all));
	if (!all)
		return -ENOMEM;
	r = bpf_map_lookup_elem(bpf_map__fd(p->skel->maps.counters), &zero, all);
	if (r < 0)
		return r;
	for (int i = 0; i < cpus; i++) {
		const __u64 *from = (const __u64 *)&all[i];
		__u64 *to = (__u64 *)&sum;

		for (size_t k = 0; k < sizeof(sum) / sizeof(*to); k++)
			to[k] += from[k];
	}
	*ret = sum;
	return 0;
}

void stacks_probe_cost(const struct stacks_probe *p, struct stacks_cost *ret)
{
	struct bpf_program *program;

	*ret = (struct stacks_cost){0};
	bpf_object__for_each_program(program, p->skel->obj)
	{
		struct bpf_prog_info info = {0};
		__u32 len = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len) < 0)
			continue;
		ret->run_ns += info.run_time_ns;
		ret->runs += info.run_cnt;
		ret->recursion_misses += info.recursion_misses;
	}
}
