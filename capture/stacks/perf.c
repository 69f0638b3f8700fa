/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "perf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RECORD_MAX (64u << 10) /* header.size is 16 bits */
#define CPUS_MAX 8192

int perf_cpus(const struct sysroot *root, int **ret)
{
	char text[4096], *p = text;
	int *cpus, n = 0;
	ssize_t len = root->sys_fd < 0 ? -ENOENT
				       : read_file_at(root->sys_fd, "devices/system/cpu/online",
						      text, sizeof(text));

	if (len < 0)
		return (int)len;
	cpus = calloc(CPUS_MAX, sizeof(*cpus));
	if (!cpus)
		return -ENOMEM;
	/* "0-3,8-11" */
	while (*p >= '0' && *p <= '9' && n < CPUS_MAX) {
		long first = strtol(p, &p, 10), last = first;

		if (*p == '-')
			last = strtol(p + 1, &p, 10);
		for (long cpu = first; cpu <= last && n < CPUS_MAX; cpu++)
			cpus[n++] = (int)cpu;
		if (*p == ',')
			p++;
	}
	if (!n) {
		free(cpus);
		return -EINVAL;
	}
	*ret = cpus;
	return n;
}

const char *perf_clock_name(enum perf_clock c)
{
	return c == PERF_CLOCK_CYCLES ? "cycles" : "cpu-clock";
}

int perf_event(struct perf_event_attr *attr, pid_t tid, int cpu)
{
	int fd;

	attr->size = sizeof(*attr);
	fd = (int)syscall(SYS_perf_event_open, attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int perf_init(struct perf_set *s, size_t n)
{
	*s = (struct perf_set){.rings = calloc(n, sizeof(*s->rings)), .record = malloc(RECORD_MAX)};
	return s->rings && s->record ? 0 : -ENOMEM;
}

int perf_map(struct perf_ring *r, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *base = mmap(NULL, page + bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	r->base = base;
	r->bytes = bytes;
	return 0;
}

int perf_open_all(struct perf_set *s, struct perf_event_attr *attr, const int *cpus, size_t n,
		  size_t bytes)
{
	int r = perf_init(s, n);

	for (size_t i = 0; i < n && !r; i++) {
		struct perf_ring *ring = &s->rings[s->count];
		int fd = perf_event(attr, -1, cpus[i]);

		if (fd == -ENODEV) /* went offline meanwhile */
			continue;
		if (fd < 0)
			return fd;
		*ring = (struct perf_ring){.fd = fd, .cpu = cpus[i]};
		s->count++;
		if (bytes)
			r = perf_map(ring, bytes);
	}
	if (r < 0)
		return r;
	return s->count ? 0 : -ENODEV;
}

void perf_close(struct perf_set *s)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < s->count; i++) {
		if (s->rings[i].base)
			munmap(s->rings[i].base, page + s->rings[i].bytes);
		close(s->rings[i].fd);
	}
	free(s->rings);
	free(s->record);
	*s = (struct perf_set){0};
}

int perf_open_clock(struct perf_set *s, const int *cpus, size_t n, unsigned hz,
		    enum perf_clock *ret, struct err *e)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
				       .config = PERF_COUNT_HW_CPU_CYCLES,
				       .sample_freq = hz,
				       .freq = 1,
				       .disabled = 1};
	enum perf_clock clock = PERF_CLOCK_CYCLES;
	int r = perf_open_all(s, &attr, cpus, n, 0);

	if (r < 0) {
		perf_close(s);
		attr.type = PERF_TYPE_SOFTWARE;
		attr.config = PERF_COUNT_SW_CPU_CLOCK;
		clock = PERF_CLOCK_CPU;
		r = perf_open_all(s, &attr, cpus, n, 0);
	}
	if (r < 0) {
		perf_close(s);
		return err_errno(e, r, "perf_event_open: cpu-clock");
	}
	*ret = clock;
	return 0;
}

int perf_open_side(struct perf_set *s, const int *cpus, size_t n, size_t bytes, struct err *e)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU,
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
	int r = perf_open_all(s, &attr, cpus, n, bytes);

	if (r < 0) {
		perf_close(s);
		return err_errno(e, r, "perf_event_open: what processes map");
	}
	return 0;
}

int perf_enable(const struct perf_set *s, bool on)
{
	int r = 0;

	for (size_t i = 0; i < s->count; i++)
		if (ioctl(s->rings[i].fd, on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0))
			r = -errno;
	return r;
}

/* ------------------------------------------------------------------ reading */

static void note_loss(struct perf_set *s, const struct perf_event_header *h)
{
	const uint64_t *body = (const uint64_t *)(h + 1);

	if (h->type == PERF_RECORD_LOST && h->size >= sizeof(*h) + 16)
		s->lost += body[1];
	else if (h->type == PERF_RECORD_THROTTLE)
		s->throttled++;
}

static int drain_ring(struct perf_set *s, struct perf_ring *r,
		      int (*fn)(void *ctx, const struct perf_event_header *h), void *ctx)
{
	struct perf_event_mmap_page *page = r->base;
	const char *data = (const char *)r->base + sysconf(_SC_PAGESIZE);
	uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = page->data_tail;
	int rc = 0;

	while (!rc && head - tail >= sizeof(struct perf_event_header)) {
		uint64_t at = tail & (r->bytes - 1);
		const struct perf_event_header *h = (const void *)(data + at);
		size_t size = h->size, first;

		if (size < sizeof(*h) || size > head - tail)
			break;
		if (at + size > r->bytes) {
			first = r->bytes - at;
			memcpy(s->record, data + at, first);
			memcpy(s->record + first, data, size - first);
			h = (const void *)s->record;
		}
		note_loss(s, h);
		rc = fn(ctx, h);
		tail += size;
	}
	__atomic_store_n(&page->data_tail, tail, __ATOMIC_RELEASE);
	return rc;
}

int perf_drain(struct perf_set *s, int (*fn)(void *ctx, const struct perf_event_header *h),
	       void *ctx)
{
	int rc = 0;

	for (size_t i = 0; i < s->count && !rc; i++)
		if (s->rings[i].base)
			rc = drain_ring(s, &s->rings[i], fn, ctx);
	return rc;
}
