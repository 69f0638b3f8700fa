/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the largest heaps are made of: read at the start and at the end of the window, and between
 * the two only the size of each, so that a heap that grows steadily can be told from one that grew
 * once.  Nothing is stopped, nothing is written into a process, no code of ours runs in it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../heap/subject.h"
#include "gather.h"

/* Of the window, what one reading of all heaps may cost in CPU time. */
#define CPU_SHARE 12
#define CPU_LEAST (300 * NSEC_PER_MSEC)
#define CPU_MOST (4 * NSEC_PER_SEC)
#define CPU_ASKED (10 * NSEC_PER_SEC) /* for a process that was asked for */
#define ENTRIES_MAX 400u	      /* rows of one process in the archive, largest first */

static void heaps_probe(const struct capture_options *o, const struct sysroot *root,
			struct probe_result *ret)
{
	struct iovec none = {0};

	*ret = (struct probe_result){.status = COLLECTOR_OK, .expected_bytes = 64 << 10};
	if (root->recorded) {
		ret->status = COLLECTOR_UNSUPPORTED;
		ret->no = ENOTSUP;
		snprintf(ret->reason, sizeof(ret->reason),
			 "--root %s: a recording has no memory of processes", root->path);
	} else if (process_vm_readv(getpid(), &none, 1, &none, 1, 0) < 0) {
		ret->status = errno == ENOSYS ? COLLECTOR_UNSUPPORTED : COLLECTOR_DENIED;
		ret->no = errno;
		snprintf(ret->reason, sizeof(ret->reason), "process_vm_readv: %s", strerror(errno));
	}
}

static uint64_t window_ns(const struct collect *c)
{
	return c->window_end_ns > c->window_start_ns ? c->window_end_ns - c->window_start_ns : 0;
}

static uint64_t cpu_budget(const struct collect *c)
{
	uint64_t ns = window_ns(c) * CPU_SHARE / 100;

	return ns < CPU_LEAST ? CPU_LEAST : ns > CPU_MOST ? CPU_MOST : ns;
}

/* Larger ones first; what one does not use is left for the others. */
static int read_all(struct subjects *s, size_t first, const struct collect *c, unsigned n)
{
	uint64_t left = cpu_budget(c);
	int r = 0;

	for (size_t i = first; i < s->count && r >= 0; i++) {
		struct subject *x = &s->rows[i];
		uint64_t part = left / 4 * 3;
		uint64_t cpu = x->asked ? CPU_ASKED : part > CPU_LEAST ? part : CPU_LEAST;

		if (collect_stopping(c) && n == 0)
			break;
		/* What was not there at the start has nothing to be compared with. */
		if (n == 1 && !x->readings[0].done)
			continue;
		r = subject_read(x, c, n, cpu);
		if (!x->asked)
			left -= x->readings[n].cpu_ns < left ? x->readings[n].cpu_ns : left;
	}
	return r;
}

/* The size of each heap, now and then until the window ends.  A quarter into it those are looked
 * into as well that were small at its start and have grown since. */
static int follow(struct subjects *s, const struct collect *c)
{
	uint64_t step = window_ns(c) / SUBJECT_SAMPLES + 1;
	struct collect until = *c;

	for (unsigned k = 0; k < SUBJECT_SAMPLES; k++) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);

		for (size_t i = 0; i < s->count; i++) {
			struct subject *x = &s->rows[i];
			uint64_t bytes, swap;

			if (!x->readings[0].done || !subject_status(x, c, &bytes, &swap))
				continue;
			x->samples[x->sample_count].ms = (now - c->window_start_ns) / NSEC_PER_MSEC;
			x->samples[x->sample_count++].bytes = bytes;
		}
		if (collect_stopping(c) || now + step >= c->window_end_ns)
			break;
		if (k == SUBJECT_SAMPLES / 4) {
			size_t first = s->count;
			int r = subjects_choose_rising(s, c);

			if (r >= 0)
				r = read_all(s, first, c, 0);
			if (r < 0)
				return r;
		}
		until.window_end_ns = now + step;
		collect_wait(&until);
	}
	return 0;
}

static int heaps_start(struct collect *c)
{
	struct subjects *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = subjects_choose(s, c);
	if (r >= 0) {
		r = read_all(s, 0, c, 0);
	}
	if (r >= 0)
		r = follow(s, c);
	if (r < 0) {
		subjects_free(s);
		free(s);
		return r;
	}
	c->state = s;
	return 0;
}

/* ------------------------------------------------------------------ handing over */

static const char *runtime_name(enum heap_runtime r)
{
	static const char *const names[] = {"native", "python", "java"};

	return names[r];
}

static void row_bytes(struct emit *out, bool known, uint64_t v)
{
	if (known)
		row_u64(out, v);
	else
		row_none(out);
}

/* Not one that went away before it could be looked at. */
static bool is_seen(const struct subject *x)
{
	return x->readings[0].done || x->reason[0];
}

static int put_heaps(struct emit *out, const struct subjects *s)
{
	int r = member_open(out, "tables/heaps.tsv",
			    "pid\tstarttime\tcomm\truntime\tversion\tallocator\tone_in\tstart_ms"
			    "\tend_ms\tanon_start\tanon_end\tswap_end\tread_bytes\tcpu_ns"
			    "\tmalloc_used\tmalloc_free\tmalloc_trimmable\tmalloc_unwalked\tcut"
			    "\treason\n");

	for (size_t i = 0; i < s->count && r >= 0; i++) {
		const struct subject *x = &s->rows[i];
		const struct subject_reading *a = &x->readings[0], *b = &x->readings[1];
		const struct subject_reading *last = b->done ? b : a;

		if (!is_seen(x))
			continue;
		row_u64(out, x->pid);
		row_u64(out, x->starttime);
		row_cstr(out, x->comm);
		row_cstr(out, runtime_name(x->runtime));
		row_cstr(out, x->version);
		row_cstr(out, x->allocator ? x->allocator : "");
		row_u64(out, x->one_in);
		row_bytes(out, a->done, a->ms);
		row_bytes(out, b->done, b->ms);
		row_bytes(out, a->done, a->anon_bytes);
		row_bytes(out, b->done, b->anon_bytes);
		row_bytes(out, last->done, last->swap_bytes);
		row_u64(out, a->read_bytes + b->read_bytes);
		row_u64(out, a->cpu_ns + b->cpu_ns);
		row_bytes(out, last->glibc_known, last->glibc.used_bytes);
		row_bytes(out, last->glibc_known, last->glibc.free_bytes);
		row_bytes(out, last->glibc_known, last->glibc.free_resident_bytes);
		row_bytes(out, last->glibc_known, last->glibc.unwalked_bytes);
		row_u64(out, a->cut || b->cut);
		row_cstr(out, x->reason);
		r = row_end(out);
	}
	return r < 0 ? r : member_close(out, false);
}

static uint64_t larger(const struct census_entry *e)
{
	return e->bytes[0] > e->bytes[1] ? e->bytes[0] : e->bytes[1];
}

static int by_bytes(const void *a, const void *b)
{
	const struct census_entry *x = a, *y = b;

	if (larger(x) != larger(y))
		return larger(x) > larger(y) ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void row_readings(struct emit *out, const struct subject *x, const uint64_t v[2])
{
	row_bytes(out, x->readings[0].done, v[0]);
	row_bytes(out, x->readings[1].done, v[1]);
}

static int put_entries(struct emit *out, struct subject *x, uint64_t *dropped)
{
	static const char *const kinds[CENSUS_KINDS] = {"object", "allocator", "mapping",
							"counter"};
	struct census_entry *entries = x->census.entries;
	size_t count = x->census.count;
	int r = 0;

	if (!x->readings[0].done)
		return 0;
	qsort(entries, count, sizeof(*entries), by_bytes);
	for (size_t i = 0; i < count && r >= 0; i++) {
		const struct census_entry *e = &entries[i];

		if (e->kind == CENSUS_OBJECT && i >= ENTRIES_MAX) {
			++*dropped;
			continue;
		}
		if (!e->count[0] && !e->count[1] && !larger(e))
			continue;
		row_u64(out, x->pid);
		row_cstr(out, kinds[e->kind]);
		row_cstr(out, e->name);
		if (e->kind == CENSUS_ALLOCATOR && !e->count[0] && !e->count[1]) {
			row_none(out); /* blocks that nobody counted */
			row_none(out);
		} else {
			row_readings(out, x, e->count);
		}
		if (e->kind == CENSUS_COUNTER) {
			row_none(out);
			row_none(out);
		} else {
			row_readings(out, x, e->bytes);
		}
		r = row_end(out);
	}
	return r;
}

static int put_containers(struct emit *out, const struct subject *x)
{
	int r = 0;

	for (size_t i = 0; i < x->census.container_count && r >= 0; i++) {
		const struct census_container *k = &x->census.containers[i];

		row_u64(out, x->pid);
		row_cstr(out, x->census.entries[k->entry].name);
		row_readings(out, x, k->length);
		row_readings(out, x, k->bytes);
		r = row_end(out);
	}
	return r;
}

static int put_samples(struct emit *out, const struct subject *x)
{
	int r = 0;

	for (size_t i = 0; i < x->sample_count && r >= 0; i++) {
		row_u64(out, x->pid);
		row_u64(out, x->samples[i].ms);
		row_u64(out, x->samples[i].bytes);
		r = row_end(out);
	}
	return r;
}

static int put_tables(struct emit *out, struct subjects *s)
{
	uint64_t dropped = 0;
	int r = put_heaps(out, s);

	/* Containers name entries by number: before those are sorted. */
	if (r >= 0)
		r = member_open(out, "tables/heap_containers.tsv",
				"pid\ttype\tlength_start\tlength_end\tbytes_start\tbytes_end\n");
	for (size_t i = 0; i < s->count && r >= 0; i++)
		r = put_containers(out, &s->rows[i]);
	if (r >= 0)
		r = member_close(out, false);
	if (r >= 0)
		r = member_open(
			out, "tables/heap_entries.tsv",
			"pid\tkind\ttype\tcount_start\tcount_end\tbytes_start\tbytes_end\n");
	for (size_t i = 0; i < s->count && r >= 0; i++)
		r = put_entries(out, &s->rows[i], &dropped);
	if (r >= 0)
		r = member_close(out, false);
	if (r >= 0)
		r = member_open(out, "tables/heap_samples.tsv", "pid\tms\tanon_bytes\n");
	for (size_t i = 0; i < s->count && r >= 0; i++)
		r = put_samples(out, &s->rows[i]);
	if (r >= 0)
		r = member_close(out, false);
	emit_loss(out, "types beyond the bound", dropped);
	return r;
}

static void report(struct emit *out, const struct subjects *s)
{
	const struct subject *refused = NULL;
	size_t unread = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct subject *x = &s->rows[i];

		if (x->reason[0] && !x->readings[0].done) {
			refused = refused ? refused : x;
			unread++;
		} else if (x->reason[0]) {
			emit_note(out, "pid %u (%s): %s", x->pid, x->comm, x->reason);
		}
	}
	if (s->smaller)
		emit_note(out, "%llu smaller heaps of 16 MiB and more were not looked into",
			  (unsigned long long)s->smaller);
	/* Root is refused by single processes: more capable ones, other security contexts. */
	if (refused && geteuid() == 0 && unread < s->count)
		emit_note(out, "%s; %zu of %zu heaps not read", refused->reason, unread, s->count);
	else if (refused)
		emit_status(out, unread == s->count ? COLLECTOR_DENIED : COLLECTOR_PARTIAL, EACCES,
			    "%s; %zu of %zu heaps not read", refused->reason, unread, s->count);
}

static int heaps_write(struct collect *c)
{
	struct subjects *s = c->state;
	int r;

	if (!s) /* start() has failed and has said why */
		return -ECANCELED;
	r = read_all(s, 0, c, 1);
	if (r >= 0)
		r = put_tables(c->out, s);
	if (r >= 0)
		report(c->out, s);
	subjects_free(s);
	free(s);
	c->state = NULL;
	return r < 0 ? r : 0;
}

const struct collector collector_heaps = {
	.name = "heaps",
	.summary = "what the largest heaps are made of: Python types, malloc, mappings",
	.needs = "root, or CAP_SYS_PTRACE; nothing for one's own processes",
	.timed = true,
	.memory_share = 6,
	.memory_least_kib = 2048,
	.probe = heaps_probe,
	.start = heaps_start,
	.write = heaps_write,
};
