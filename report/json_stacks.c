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
	json_knull(j, "off_cpu");
}
