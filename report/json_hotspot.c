/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the machine did: `hotspot`.  A table whose probe did not run is null. */
#include "json_parts.h"

#include <math.h>

static size_t bounded(size_t n)
{
	return n < REPORT_MAX_ROWS ? n : REPORT_MAX_ROWS;
}

static void whole(struct json *j, const char *key, double v)
{
	json_key(j, key);
	if (isfinite(v) && fabs(v) < 9e18)
		json_i64(j, (int64_t)floor(v + 0.5));
	else
		json_null(j);
}

static void seconds_interval(struct json *j, const char *key, struct interval v)
{
	if (!isfinite(v.low) || !isfinite(v.high)) {
		json_knull(j, key);
		return;
	}
	json_key(j, key);
	json_array(j);
	json_f64(j, v.low);
	json_f64(j, v.high);
	json_array_end(j);
}

static double longest(const struct model_delay *d)
{
	return d->fact->max_ns == FACT_NONE ? FACT_NONE_F : (double)d->fact->max_ns / 1e9;
}

/* What all of them have. */
static void figures(struct json *j, const struct model_delay *d)
{
	whole(j, "count", d->count.value);
	json_interval(j, "count_interval", d->count.low, d->count.high);
	json_kf64(j, "seconds", d->seconds.value);
	seconds_interval(j, "seconds_interval", d->seconds);
	json_kbool(j, "seconds_at_least", d->at_least);
	json_kf64(j, "longest_s", longest(d));
	json_fact(j, "seen", d->fact->seen);
}

static void process(struct json *j, const struct model_delay *d)
{
	json_fact(j, "pid", d->fact->pid);
	json_kstr(j, "comm", d->comm);
	json_kstr(j, "cgroup", d->cgroup);
	json_flag(j, "own", d->fact->own);
}

static void syscall_row(struct json *j, const struct model_delay *d)
{
	process(j, d);
	json_kstr(j, "name", d->name);
	figures(j, d);
}

static void proc_row(struct json *j, const struct model_delay *d)
{
	process(j, d);
	json_kstr(j, "operation", d->name);
	json_kstr(j, "path", d->fact->object);
	figures(j, d);
	json_fact(j, "bytes", d->fact->amount);
}

static void reclaim_row(struct json *j, const struct model_delay *d)
{
	process(j, d);
	json_kstr(j, "kind", d->name);
	json_kstr(j, "object", d->fact->object && *d->fact->object ? d->fact->object : NULL);
	figures(j, d);
	json_fact(j, "reclaimed_pages", d->fact->amount);
}

static void histogram(struct json *j, const struct model_delay *d)
{
	double h[DELAY_HISTOGRAM];

	if (!model_delay_histogram(d->fact, h)) {
		json_knull(j, "histogram");
		return;
	}
	json_key(j, "histogram");
	json_array(j);
	for (size_t i = 0; i < DELAY_HISTOGRAM; i++) {
		if (h[i] <= 0)
			continue;
		json_object(j);
		json_kf64(j, "from_s", delay_bucket_low(i));
		json_kf64(j, "to_s", delay_bucket_high(i));
		whole(j, "count", h[i]);
		json_object_end(j);
	}
	json_array_end(j);
}

static void sched_row(struct json *j, const struct model_delay *d)
{
	process(j, d);
	figures(j, d);
	histogram(j, d);
}

static void block_row(struct json *j, const struct model_delay *d)
{
	json_kstr(j, "device", d->fact->object);
	json_kstr(j, "operation", d->name);
	figures(j, d);
	json_kf64(j, "device_seconds",
		  d->fact->inner_ns == FACT_NONE ? FACT_NONE_F : (double)d->fact->inner_ns / 1e9);
	json_fact(j, "bytes", d->fact->amount);
	histogram(j, d);
}

static void net_row(struct json *j, const struct model_delay *d)
{
	process(j, d);
	json_kstr(j, "protocol", d->name);
	figures(j, d);
	json_fact(j, "bytes", d->fact->amount);
	histogram(j, d);
}

static const struct {
	const char *key;
	void (*row)(struct json *j, const struct model_delay *d);
} tables[DELAY_TABLES] = {
	[DELAY_SYSCALLS] = {"syscalls", syscall_row}, [DELAY_PROC_FILES] = {"proc_files", proc_row},
	[DELAY_RECLAIM] = {"reclaim", reclaim_row},   [DELAY_SCHED] = {"sched_delay", sched_row},
	[DELAY_BLOCK] = {"block_io", block_row},      [DELAY_NET] = {"net_receive", net_row},
};

static void table(struct json *j, const struct model_delays *m, int t)
{
	if (!m->captured) {
		json_knull(j, tables[t].key);
		return;
	}
	json_key(j, tables[t].key);
	json_array(j);
	for (size_t i = 0; i < bounded(m->count); i++) {
		json_object(j);
		tables[t].row(j, m->rows[i]);
		json_object_end(j);
	}
	json_array_end(j);
}

static void probes(struct json *j, const struct model *m)
{
	json_key(j, "probes");
	json_array(j);
	for (int t = 0; t < DELAY_TABLES; t++) {
		const struct model_delays *d = &m->delays[t];

		if (!d->probe || t == DELAY_PROC_FILES)
			continue;
		json_object(j);
		json_kstr(j, "name", d->probe->name);
		json_kstr(j, "source", d->probe->source);
		json_kf64(j, "covered_s", d->covered_s);
		json_kf64(j, "watched_share", d->watched);
		json_fact(j, "slices", d->probe->slices);
		json_fact(j, "events", d->probe->events);
		json_fact(j, "lost", d->probe->lost);
		json_fact(j, "skipped", d->probe->skipped);
		json_object_end(j);
	}
	json_array_end(j);
}

void json_hotspot(struct json *j, const struct report *r)
{
	const struct model *m = r->model;
	bool any = m->hotspot;

	for (int t = 0; t < DELAY_TABLES; t++)
		any |= m->delays[t].captured;
	if (!any) {
		json_knull(j, "hotspot");
		return;
	}
	json_key(j, "hotspot");
	json_object(j);
	json_stacks(j, r);
	for (int t = 0; t < DELAY_TABLES; t++)
		table(j, &m->delays[t], t);
	probes(j, m);
	json_object_end(j);
}
