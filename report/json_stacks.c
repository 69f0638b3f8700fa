/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the samples of stacks say: the first half of `hotspot`. */
#include "json_parts.h"

#include <math.h>

#include "figures.h"

static void name_or_null(struct json *j, const char *key, const struct hotspot *h, uint32_t name)
{
	if (name < h->name_count)
		json_kstr(j, key, h->names[name].function);
	else
		json_knull(j, key);
}

static void functions(struct json *j, const struct hotspot *h)
{
	json_key(j, "functions");
	json_array(j);
	for (size_t i = 0; i < h->function_count && i < REPORT_MAX_ROWS; i++) {
		const struct hot_function *f = &h->functions[i];

		json_object(j);
		json_kstr(j, "name", h->names[f->name].function);
		json_kstr(j, "module", h->names[f->name].module);
		json_kbool(j, "kernel", h->names[f->name].kernel);
		json_kstr(j, "language", hot_language(&h->names[f->name]));
		json_ku64(j, "self", f->self);
		json_ku64(j, "total", f->total);
		json_object_end(j);
	}
	json_array_end(j);
}

static void seconds(struct json *j, const struct hotspot *h, double captured_at)
{
	json_key(j, "seconds");
	json_array(j);
	for (size_t i = 0; i < h->second_count && i < REPORT_MAX_ROWS; i++) {
		const struct hot_second *s = &h->seconds[i];
		const struct hot_thread *t = &h->threads[s->thread];
		char time[FIGURE];

		json_object(j);
		json_kstr(j, "time", figure_time(captured_at + (double)s->second, time));
		json_kf64(j, "cpu_percent", s->cpu_percent);
		json_fact(j, "pid", t->pid);
		json_kstr(j, "comm", t->process_comm);
		name_or_null(j, "function", h, s->name);
		json_object_end(j);
	}
	json_array_end(j);
}

static void wait_stack(struct json *j, const struct hotspot *h, const struct hot_wait *w)
{
	const struct hot_stack *k = &h->stacks[w->stack];

	if (!w->stack || w->stack >= h->stack_count) {
		json_knull(j, "stack");
		return;
	}
	json_kbool(j, "stack_truncated", k->truncated);
	json_key(j, "stack");
	json_array(j);
	for (uint32_t i = 0; i < k->count; i++)
		json_str(j, h->names[h->frames[k->first + i]].function);
	json_array_end(j);
}

/* Root first; the longest absence's, or the one that a thread is in still. */
static void off_cpu(struct json *j, const struct hotspot *h)
{
	static const char *const states[] = {"", "sleep", "disk", "runnable", "preempted", "lock"};

	json_key(j, "off_cpu");
	json_array(j);
	for (size_t i = 0; i < h->wait_count && i < REPORT_MAX_ROWS; i++) {
		const struct hot_wait *w = &h->waits[i];
		const struct hot_thread *t = &h->threads[w->thread];

		json_object(j);
		json_fact(j, "pid", t->pid);
		json_fact(j, "tid", t->tid);
		json_kstr(j, "comm", t->comm[0] ? t->comm : t->process_comm);
		json_kstr(j, "cgroup", t->cgroup[0] ? t->cgroup : NULL);
		json_kbool(j, "own", t->own);
		json_kstr(j, "state",
			  w->state < sizeof(states) / sizeof(states[0]) ? states[w->state] : NULL);
		json_kf64(j, "seconds", w->seconds);
		json_fact(j, "count", w->count);
		json_kbool(j, "still_blocked", isfinite(w->still));
		json_kf64(j, "still_s", w->still);
		json_kf64(j, "longest_s", w->longest);
		json_fact(j, "waker_tid", w->waker);
		wait_stack(j, h, w);
		json_object_end(j);
	}
	json_array_end(j);
}

void json_stacks(struct json *j, const struct report *r)
{
	const struct hotspot *h = r->model->hotspot;

	if (!h) {
		json_knull(j, "frequency_hz");
		json_knull(j, "samples_expected");
		json_knull(j, "samples_received");
		json_knull(j, "lost");
		json_knull(j, "functions");
		json_knull(j, "seconds");
		json_knull(j, "off_cpu");
		return;
	}
	json_kf64(j, "frequency_hz", h->hz);
	json_fact(j, "samples_expected", h->expected);
	json_fact(j, "samples_received", h->received);
	json_key(j, "lost");
	json_object(j);
	json_fact(j, "ring_full", h->lost_ring_full);
	json_fact(j, "stack_error", h->lost_stack_error);
	json_fact(j, "throttled", h->lost_throttled);
	json_object_end(j);
	json_ku64(j, "samples_truncated", h->truncated);
	functions(j, h);
	seconds(j, h, r->facts->archive.count ? r->facts->archive.rows[0].captured_at : NAN);
	if (r->facts->stack_offcpu.count)
		off_cpu(j, h);
	else
		json_knull(j, "off_cpu");
}
