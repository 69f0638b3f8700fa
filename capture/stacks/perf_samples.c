/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "perf_samples.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* What is tried, the best first. */
static const struct {
	enum perf_clock clock;
	bool kernel;
} tries[] = {
	{PERF_CLOCK_CYCLES, true},
	{PERF_CLOCK_CPU, true},
	{PERF_CLOCK_CYCLES, false},
	{PERF_CLOCK_CPU, false},
};

static struct perf_event_attr attr_of(size_t try, unsigned hz, size_t bytes)
{
	const bool cycles = tries[try].clock == PERF_CLOCK_CYCLES;

	return (struct perf_event_attr){
		.type = cycles ? PERF_TYPE_HARDWARE : PERF_TYPE_SOFTWARE,
		.config = cycles ? PERF_COUNT_HW_CPU_CYCLES : PERF_COUNT_SW_CPU_CLOCK,
		.sample_freq = hz,
		.freq = 1,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU |
			       PERF_SAMPLE_CALLCHAIN,
		.exclude_kernel = !tries[try].kernel,
		.exclude_callchain_kernel = !tries[try].kernel,
		.exclude_hv = !tries[try].kernel,
		.disabled = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.sample_id_all = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1,
		.wakeup_watermark = (uint32_t)bytes / 2,
	};
}

static int failed(struct err *e, int r)
{
	return err_set(e, -r, "perf_event_open: %s", strerror(-r));
}

int perf_samples_all(struct perf_set *s, const int *cpus, size_t n, unsigned hz, size_t bytes,
		     struct perf_samples_got *ret, struct err *e)
{
	int r = -EINVAL;

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct perf_event_attr attr = attr_of(i, hz, bytes);

		r = perf_open_all(s, &attr, cpus, n, bytes);
		if (!r) {
			*ret = (struct perf_samples_got){.clock = tries[i].clock,
							 .kernel = tries[i].kernel};
			return 0;
		}
		perf_close(s);
	}
	return failed(e, r);
}

static void drop_last(struct perf_set *s)
{
	struct perf_ring *r = &s->rings[--s->count];

	close(r->fd);
}

/*
 * A thread's event that is to have a ring and to count its children as well must be bound to a CPU:
 * so there is one for each, and all of one CPU share the ring of the first thread.
 */
static int add_thread(struct perf_set *s, struct perf_event_attr *attr, pid_t tid, const int *cpus,
		      size_t n, size_t bytes)
{
	const size_t before = s->count;
	int r = 0;

	for (size_t i = 0; i < n && !r; i++) {
		struct perf_ring *ring = &s->rings[s->count];
		int fd = perf_event(attr, tid, cpus[i]);

		if (fd < 0) {
			r = fd;
			break;
		}
		*ring = (struct perf_ring){.fd = fd, .cpu = cpus[i]};
		s->count++;
		if (!before)
			r = perf_map(ring, bytes);
		else if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, s->rings[i].fd))
			r = -errno;
	}
	if (r < 0 && before)
		while (s->count > before)
			drop_last(s);
	return r;
}

int perf_samples_of(struct perf_set *s, const pid_t *tids, size_t count, const int *cpus, size_t n,
		    unsigned hz, size_t bytes, struct perf_samples_got *ret, struct err *e)
{
	struct perf_event_attr attr;
	size_t best = 0, tid = 0;
	int r = -ESRCH;

	/* The first one that can be had decides how. */
	for (; tid < count && r < 0 && r != -EMFILE; tid++) {
		for (best = 0; best < sizeof(tries) / sizeof(tries[0]) && r < 0; best++) {
			attr = attr_of(best, hz, bytes);
			attr.inherit = 1;
			r = perf_init(s, count * n);
			if (!r)
				r = add_thread(s, &attr, tids[tid], cpus, n, bytes);
			if (r < 0)
				perf_close(s);
		}
	}
	if (r < 0)
		return failed(e, r);
	*ret = (struct perf_samples_got){.clock = tries[best - 1].clock,
					 .kernel = tries[best - 1].kernel,
					 .threads = 1,
					 .left_out = tid - 1};
	for (r = 0; tid < count; tid++) {
		if (r != -EMFILE)
			r = add_thread(s, &attr, tids[tid], cpus, n, bytes);
		if (r < 0 && r != -ESRCH)
			ret->left_out++;
		else
			ret->threads += !r;
	}
	return 0;
}

bool perf_sample_parse(const struct perf_event_header *h, struct perf_sample *ret)
{
	struct {
		uint32_t pid, tid;
		uint64_t time;
		uint32_t cpu, reserved;
		uint64_t count;
	} head;
	const uint64_t *ips;
	enum { NOWHERE, KERNEL, USER } where = NOWHERE;

	if (h->type != PERF_RECORD_SAMPLE || h->size < sizeof(*h) + sizeof(head))
		return false;
	memcpy(&head, h + 1, sizeof(head));
	if (head.count > (h->size - sizeof(*h) - sizeof(head)) / sizeof(*ips))
		return false;
	*ret = (struct perf_sample){
		.pid = head.pid, .tid = head.tid, .cpu = head.cpu, .time = head.time};
	ips = (const uint64_t *)((const char *)(h + 1) + sizeof(head));
	for (uint64_t i = 0; i < head.count; i++) {
		if (ips[i] >= (uint64_t)PERF_CONTEXT_MAX) {
			where = ips[i] == (uint64_t)PERF_CONTEXT_KERNEL ? KERNEL
				: ips[i] == (uint64_t)PERF_CONTEXT_USER ? USER
									: NOWHERE;
			ret->has_user |= where == USER;
		} else if (where == KERNEL) {
			if (!ret->kernel_count)
				ret->kernel = ips + i;
			ret->kernel_count++;
		} else if (where == USER) {
			if (!ret->user_count)
				ret->user = ips + i;
			ret->user_count++;
		}
	}
	return true;
}
