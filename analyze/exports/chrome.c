/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Trace Event Format of chrome://tracing, which Perfetto opens as well: one track for each
 * thread.  A sample stands for one period of the clock, or less where something else follows
 * sooner; samples of one stack that follow on each other become one slice for each frame, so that
 * slices nest.  Between them stands why the thread was off the CPU.
 *
 * ts and dur are microseconds since the start of the window, which otherData has as an absolute
 * time; with three decimals they are exact.  args.samples of the innermost slices add up to the
 * samples on the CPU.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../capture/base/json.h"
#include "stacks.h"

/* Beyond this, a gap between two samples of a stack is a gap. */
#define FOLLOWS 1.5

struct piece {		     /* of a track */
	uint64_t start, end; /* ns */
	uint32_t sample;     /* the first of those it is made of */
	uint32_t samples;    /* 0: off the CPU */
};

static uint64_t pid_of(const struct hotspot *h, const struct hot_sample *s)
{
	return h->threads[s->thread].pid == FACT_NONE ? 0 : h->threads[s->thread].pid;
}

static uint64_t tid_of(const struct hotspot *h, const struct hot_sample *s)
{
	return h->threads[s->thread].tid == FACT_NONE ? 0 : h->threads[s->thread].tid;
}

static uint64_t began(const struct hot_sample *s)
{
	return s->time_ns > s->took_ns ? s->time_ns - s->took_ns : 0;
}

static int by_track(const void *a, const void *b, void *ctx)
{
	const struct hotspot *h = ctx;
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	const struct hot_sample *x = &h->samples[i], *y = &h->samples[k];
	uint64_t order[][2] = {{pid_of(h, x), pid_of(h, y)},
			       {tid_of(h, x), tid_of(h, y)},
			       {began(x), began(y)},
			       {i, k}};

	for (size_t n = 0; n < sizeof(order) / sizeof(*order); n++)
		if (order[n][0] != order[n][1])
			return order[n][0] < order[n][1] ? -1 : 1;
	return 0;
}

static bool same_track(const struct hotspot *h, const struct hot_sample *x,
		       const struct hot_sample *y)
{
	return pid_of(h, x) == pid_of(h, y) && tid_of(h, x) == tid_of(h, y);
}

/* ------------------------------------------------------------------ events */

static void event(struct json *j, const char *phase, const char *name, uint64_t pid, uint64_t tid)
{
	json_object(j);
	json_kstr(j, "ph", phase);
	json_kstr(j, "name", name);
	json_ku64(j, "pid", pid);
	json_ku64(j, "tid", tid);
}

static void name_event(struct json *j, const char *what, const char *name, uint64_t pid,
		       uint64_t tid)
{
	event(j, "M", what, pid, tid);
	json_key(j, "args");
	json_object(j);
	json_kstr(j, "name", name);
	json_object_end(j);
	json_object_end(j);
}

static void slice(struct json *j, const char *name, const char *category, uint64_t pid,
		  uint64_t tid, uint64_t start, uint64_t end)
{
	event(j, "X", name, pid, tid);
	json_kstr(j, "cat", category);
	json_kf64(j, "ts", (double)start / 1000);
	json_kf64(j, "dur", (double)(end - start) / 1000);
}

struct frames {
	const struct hotspot *h;
	struct json *j;
	uint64_t pid, tid;
};

static void on_cpu(const struct frames *f, const struct piece *p, const struct hot_sample *s)
{
	const struct hot_stack *k = &f->h->stacks[s->stack];
	uint32_t frames = k->count + k->truncated;

	/* Outermost first: of slices with one start the first encloses the second. */
	for (uint32_t i = 0; i < frames || !i; i++) {
		uint32_t at = i - k->truncated;
		const struct hot_name *n = i < k->truncated || !k->count
						   ? NULL
						   : &f->h->names[f->h->frames[k->first + at]];

		slice(f->j, n ? n->function : "[truncated]", "on-cpu", f->pid, f->tid, p->start,
		      p->end);
		json_key(f->j, "args");
		json_object(f->j);
		if (n)
			json_kstr(f->j, "module", n->module);
		if (i + 1 >= frames)
			json_ku64(f->j, "samples", p->samples);
		json_object_end(f->j);
		json_object_end(f->j);
	}
}

static const char *why_off(uint8_t state)
{
	static const char *const words[] = {[STACK_SLEEP] = "off CPU: sleep",
					    [STACK_DISK] = "off CPU: disk",
					    [STACK_RUNNABLE] = "off CPU: runnable",
					    [STACK_PREEMPTED] = "off CPU: preempted"};

	return state < sizeof(words) / sizeof(*words) && words[state] ? words[state] : "off CPU";
}

static void off_cpu(const struct frames *f, const struct piece *p, const struct hot_sample *s)
{
	const struct hot_stack *k = &f->h->stacks[s->stack];

	slice(f->j, why_off(s->state), "off-cpu", f->pid, f->tid, p->start, p->end);
	json_key(f->j, "args");
	json_object(f->j);
	json_kf64(f->j, "us", (double)s->took_ns / 1000);
	json_key(f->j, "stack");
	json_array(f->j);
	for (uint32_t i = k->count; i > 0; i--)
		json_str(f->j, f->h->names[f->h->frames[k->first + i - 1]].function);
	json_array_end(f->j);
	json_object_end(f->j);
	json_object_end(f->j);
}

/* ------------------------------------------------------------------ tracks */

/* order[first, end): of one track.  Pieces do not overlap, so that all slices nest. */
static void track(struct json *j, const struct hotspot *h, const uint32_t *order, size_t first,
		  size_t end)
{
	const struct hot_sample *s = &h->samples[order[first]], *next;
	const struct hot_thread *t = &h->threads[s->thread];
	const struct frames f = {h, j, pid_of(h, s), tid_of(h, s)};
	uint64_t period = h->hz > 0 ? (uint64_t)(1e9 / h->hz) : 1;
	struct piece p = {0};

	name_event(j, "process_name", t->process_comm, f.pid, f.tid);
	name_event(j, "thread_name", t->comm, f.pid, f.tid);
	for (size_t i = first; i < end; i++) {
		bool on, goes_on;

		s = &h->samples[order[i]];
		next = i + 1 < end ? &h->samples[order[i + 1]] : NULL;
		on = s->state == STACK_ON_CPU;
		if (!p.samples)
			p = (struct piece){.start = began(s), .sample = order[i]};
		p.samples += on;
		p.end = on ? s->time_ns + period : s->time_ns;
		if (next && began(next) < p.end)
			p.end = began(next);
		goes_on = on && next && next->state == STACK_ON_CPU && next->stack == s->stack &&
			  (double)(next->time_ns - s->time_ns) < FOLLOWS * (double)period;
		if (goes_on)
			continue;
		if (on)
			on_cpu(&f, &p, s);
		else
			off_cpu(&f, &p, s);
		p.samples = 0;
	}
}

int export_chrome(const struct model *m, export_write_fn write, void *ctx, struct err *e)
{
	const struct hotspot *h = m->hotspot;
	uint32_t *order;
	struct json j;

	if (!h || !h->sample_count)
		return err_set(e, ENODATA, "the archive has no samples of stacks");
	order = calloc(h->sample_count, sizeof(*order));
	if (!order)
		return err_errno(e, ENOMEM, "chrome");
	for (size_t i = 0; i < h->sample_count; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, h->sample_count, sizeof(*order), by_track, (void *)h);

	json_init(&j, write, ctx);
	json_object(&j);
	json_kstr(&j, "displayTimeUnit", "ns");
	json_key(&j, "otherData");
	json_object(&j);
	json_kstr(&j, "exporter", "ossnap-analyze " OSSNAP_VERSION);
	if (m->facts->archive.count)
		json_kf64(&j, "base_unix_s", m->facts->archive.rows[0].captured_at);
	json_kf64(&j, "sample_hz", h->hz);
	json_object_end(&j);
	json_key(&j, "traceEvents");
	json_array(&j);
	for (size_t i = 0; i < h->sample_count;) {
		size_t end = i;

		while (end < h->sample_count &&
		       same_track(h, &h->samples[order[end]], &h->samples[order[i]]))
			end++;
		track(&j, h, order, i, end);
		i = end;
	}
	json_array_end(&j);
	json_object_end(&j);
	free(order);
	return json_end(&j);
}
