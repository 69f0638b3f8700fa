/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One reading of one process: its mappings, its allocator, its runtime. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"

#define SMAPS_BUFFER (64u << 10)
/* Bytes of a Python heap that are read and looked at in a millisecond: half of what was measured.
 */
#define BYTES_PER_MS (1ULL << 20)
#define ATTACH_NS (20 * NSEC_PER_SEC)
#define EVERY_MS 5 /* wall time between two looks at the stop pipe */

struct reading {
	struct subject *s;
	const struct collect *c;
	struct remote remote;
	struct regions regions;
	uint64_t cpu_ns, cpu_end_ns;
	uint64_t looked_ns;
	bool stopped;
	uint8_t *buf; /* PYTHON_BUFFER */
};

static bool expired(void *ctx)
{
	struct reading *d = ctx;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (d->stopped || now - d->looked_ns < EVERY_MS * NSEC_PER_MSEC)
		return d->stopped;
	d->looked_ns = now;
	d->stopped = clock_ns(CLOCK_PROCESS_CPUTIME_ID) >= d->cpu_end_ns || collect_stopping(d->c);
	return d->stopped;
}

static int stop_when_expired(void *ctx, const struct chunk *c)
{
	(void)c;
	return expired(ctx) ? -ETIME : 0;
}

static const char *allocator_of(const struct regions *r)
{
	static const char *const names[] = {"jemalloc", "tcmalloc", "mimalloc"};
	bool libc = false;

	for (size_t i = 0; i < r->count; i++) {
		const char *name = r->rows[i].name;

		for (size_t k = 0; k < ARRAY_SIZE(names); k++)
			if (!strncmp(name, "lib", 3) && strstr(name, names[k]))
				return names[k];
		libc = libc || !strncmp(name, "libc.so.6", 9) || !strncmp(name, "libc-2.", 7);
	}
	return libc ? "glibc" : NULL;
}

/* Resident memory of the process by kind of mapping.  File pages are not the heap's subject. */
static int count_mappings(struct reading *d)
{
	struct census *census = &d->s->census;

	for (size_t i = 0; i < d->regions.count; i++) {
		const struct region *x = &d->regions.rows[i];
		int entry;

		if (!x->anonymous && x->kind != REGION_SHARED)
			continue;
		entry = census_entry(census, CENSUS_MAPPING, region_kind_name(x->kind));
		if (entry < 0)
			return entry;
		census_add(census, entry, 1, x->kind == REGION_SHARED ? x->rss : x->anonymous);
	}
	return 0;
}

static int walk_python(struct reading *d, struct subject_reading *now)
{
	struct python_walk w = {
		.python = &d->s->python,
		.r = &d->remote,
		.regions = &d->regions,
		.census = &d->s->census,
		.buf = d->buf,
		.one_in = d->s->one_in,
		.expired = expired,
		.ctx = d,
	};
	int r = python_walk(&w);

	now->glibc = w.glibc;
	now->glibc_known = w.glibc.walked_bytes > 0;
	now->cut = r == -ETIME;
	return r == -ETIME ? 0 : r;
}

static int walk_native(struct reading *d, struct subject_reading *now)
{
	struct census *census = &d->s->census;
	int used, is_free;

	for (size_t i = 0; i < d->regions.count && !now->cut; i++) {
		const struct region *x = &d->regions.rows[i];
		int r;

		if ((x->kind != REGION_HEAP && x->kind != REGION_MALLOC_ARENA) || !x->rss)
			continue;
		r = glibc_walk(&d->remote, x, d->buf, SMAPS_BUFFER, &now->glibc, stop_when_expired,
			       d);
		now->glibc_known = now->glibc_known || r == 0;
		now->cut = r == -ETIME;
	}
	if (!now->glibc_known)
		return 0;
	used = census_entry(census, CENSUS_ALLOCATOR, "malloc: in use, heap and arenas");
	is_free = census_entry(census, CENSUS_ALLOCATOR, "malloc: free, heap and arenas");
	if (used < 0 || is_free < 0)
		return -ENOMEM;
	census_add(census, used, now->glibc.used_chunks, now->glibc.used_bytes);
	census_add(census, is_free, now->glibc.free_chunks, now->glibc.free_bytes);
	return 0;
}

/* Once: later readings are of the same program. */
static void recognise(struct reading *d)
{
	struct subject *s = d->s;
	int r;

	s->allocator = allocator_of(&d->regions);
	if (java_find(&d->regions)) {
		s->runtime = HEAP_JAVA;
		return;
	}
	r = python_find(&s->python, &d->remote, &d->regions, s->reason, sizeof(s->reason));
	if (r != 0) {
		s->runtime = HEAP_PYTHON;
		s->python_known = r == 1;
		snprintf(s->version, sizeof(s->version), "%s", s->python.version);
		/* Both readings of the same part. */
		s->one_in = 1 + s->readings[0].anon_bytes /
					(d->cpu_ns / NSEC_PER_MSEC * BYTES_PER_MS + 1);
	}
}

/* The counters that the JVM keeps for anyone to read; its classes only where it was asked for. */
static int walk_java(struct reading *d, unsigned n)
{
	struct subject *s = d->s;
	uint64_t now = clock_ns(CLOCK_MONOTONIC), limit = ATTACH_NS;
	int r = java_counters(&d->remote, &d->regions, &s->census, n ? NULL : s->version,
			      sizeof(s->version));

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		snprintf(s->reason, sizeof(s->reason),
			 "the JVM's counters: %s (-XX:-UsePerfData, or not HotSpot)", strerror(-r));
	if (!s->attach)
		return 0;
	if (now + limit + NSEC_PER_SEC > d->c->deadline_ns)
		limit = d->c->deadline_ns > now + 2 * NSEC_PER_SEC
				? d->c->deadline_ns - now - NSEC_PER_SEC
				: NSEC_PER_SEC;
	r = java_histogram(d->c->root, (pid_t)s->pid, limit, d->c->stop_fd, &s->census, s->reason,
			   sizeof(s->reason));
	/* It has said no: not asked again, which would print its threads' stacks once more. */
	s->attach = r == 0;
	return r == -ENOMEM ? r : 0;
}

static int read_heap(struct reading *d, unsigned n)
{
	struct subject_reading *now = &d->s->readings[n];
	int r;

	if (n == 0)
		recognise(d);
	d->s->census.reading = n;
	r = count_mappings(d);
	if (r == 0)
		r = d->s->python_known		 ? walk_python(d, now)
		    : d->s->runtime == HEAP_JAVA ? walk_java(d, n)
						 : 0;
	if (r == 0 && !d->s->python_known)
		r = walk_native(d, now);
	return r;
}

static void refused(struct subject *s, const char *what, int no)
{
	snprintf(s->reason, sizeof(s->reason), "/proc/%u/%s: %s%s", s->pid, what, strerror(no),
		 no == EPERM || no == EACCES ? " (needs root, or CAP_SYS_PTRACE)" : "");
}

static int open_and_read(struct reading *d, unsigned n)
{
	struct subject *s = d->s;
	struct subject_reading *now = &s->readings[n];
	_cleanup_fd_ int dir = -1;
	uint64_t anon, swap;
	char path[16];
	int r;

	snprintf(path, sizeof(path), "%u", s->pid);
	dir = openat(d->c->root->proc_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || !subject_status(s, d->c, &now->anon_bytes, &now->swap_bytes))
		return 0; /* gone */
	r = regions_read(&d->regions, dir, (char *)d->buf, SMAPS_BUFFER);
	if (r < 0) {
		refused(s, "smaps", -r);
		return r == -ENOMEM ? r : 0;
	}
	r = remote_open(&d->remote, (pid_t)s->pid, dir);
	if (r < 0) {
		refused(s, "pagemap", -r);
		return 0;
	}
	regions_confirm_stacks(&d->regions, &d->remote);
	r = read_heap(d, n);
	/* Another process under this number meanwhile: what was read is not of this one. */
	now->done = r == 0 && subject_status(s, d->c, &anon, &swap);
	return r;
}

int subject_read(struct subject *s, const struct collect *c, unsigned n, uint64_t cpu_ns)
{
	struct reading d = {.s = s, .c = c, .remote.pagemap_fd = -1, .buf = malloc(PYTHON_BUFFER)};
	uint64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	int r;

	if (!d.buf)
		return -ENOMEM;
	s->readings[n] = (struct subject_reading){
		.ms = (clock_ns(CLOCK_MONOTONIC) - c->window_start_ns) / NSEC_PER_MSEC};
	d.cpu_ns = cpu_ns;
	d.cpu_end_ns = start + cpu_ns;
	r = open_and_read(&d, n);
	s->readings[n].read_bytes = d.remote.read_bytes;
	s->readings[n].cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start;
	remote_close(&d.remote);
	regions_free(&d.regions);
	free(d.buf);
	return r;
}
