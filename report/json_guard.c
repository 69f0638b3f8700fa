/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guard: fastoom's events in the order of time, with the fields that its journal gives each kind.
 */
#include <string.h>

#include "../capture/base/clock.h"
#include "json_parts.h"

static bool is(const struct fact_guard *e, const char *event)
{
	return !strcmp(e->event, event);
}

static void signals(struct json *j, const struct fact_guard *e)
{
	json_key(j, "signals");
	json_object(j);
	json_fact(j, "available_bytes", e->available_bytes);
	json_fact(j, "total_bytes", e->total_bytes);
	json_kf64(j, "available_share", e->available_share);
	json_kf64(j, "swap_free_share", e->swap_free_share);
	json_fact(j, "consumption_bytes_per_s", e->consumption_bytes_per_s);
	json_kf64(j, "busy_share", e->busy_share);
	json_kf64(j, "refault_share_per_s", e->refault_share_per_s);
	json_kf64(j, "stalls_per_s", e->stalls_per_s);
	json_kf64(j, "kswapd_cpus", e->kswapd_cpus);
	json_flag(j, "under_oom", e->under_oom);
	json_object_end(j);
}

static void victim(struct json *j, const char *key, const struct fact_guard *e)
{
	json_key(j, key);
	json_object(j);
	json_fact(j, "pid", e->pid);
	json_fact(j, "starttime", e->starttime);
	json_kstr(j, "comm", e->comm);
	json_kstr(j, "cmdline", e->cmdline);
	json_kstr(j, "cgroup", e->cgroup);
	if (e->oom_score_adj == INT64_MIN)
		json_knull(j, "oom_score_adj");
	else
		json_ki64(j, "oom_score_adj", e->oom_score_adj);
	json_fact(j, "heap_bytes", e->heap_bytes);
	json_object_end(j);
}

static void held_by(struct json *j, const struct facts *f, const struct fact_guard *e)
{
	uint64_t place = (uint64_t)(e - f->guard.rows);

	json_key(j, "held_by");
	json_array(j);
	for (size_t i = 0; i < f->guard_holders.count; i++) {
		const struct fact_guard_holder *h = &f->guard_holders.rows[i];

		if (h->event != place)
			continue;
		json_object(j);
		json_kstr(j, "what", h->what);
		json_fact(j, "bytes", h->bytes);
		json_object_end(j);
	}
	json_array_end(j);
}

static void of_a_kill(struct json *j, const struct fact_guard *e)
{
	signals(j, e);
	victim(j, "victim", e);
	json_kstr(j, "rule", e->rule);
	json_kstr(j, "signal", e->signal);
	if (!is(e, "kill"))
		return;
	json_fact(j, "freed_bytes", e->freed_bytes);
	json_kf64(j, "exit_ms", e->exit_ms);
	json_kstr(j, "outcome", e->outcome);
}

static void of_nobody(struct json *j, const struct facts *f, const struct fact_guard *e)
{
	signals(j, e);
	json_fact(j, "need_bytes", e->need_bytes);
	json_fact(j, "candidates_heap_bytes", e->candidates_heap_bytes);
	json_fact(j, "processes_seen", e->processes_seen);
	held_by(j, f, e);
	if (e->comm)
		victim(j, "largest_spared", e);
	json_kstr(j, "reason", e->reason);
}

static void event(struct json *j, const struct facts *f, const struct fact_guard *e)
{
	char time[31];

	json_object(j);
	if (e->time_ns == FACT_NONE) {
		json_knull(j, "time");
	} else {
		clock_format_rfc3339(e->time_ns, time);
		json_kstr(j, "time", time);
	}
	json_kstr(j, "event", e->event);
	json_kstr(j, "source", e->source);
	json_flag(j, "dry_run", e->dry_run);
	json_kstr(j, "scope", e->scope);
	json_kf64(j, "probability", e->probability);
	json_kf64(j, "tte_s", e->tte_s);
	if (is(e, "state")) {
		json_kstr(j, "phase", e->phase);
		signals(j, e);
	} else if (is(e, "intent") || is(e, "kill")) {
		of_a_kill(j, e);
	} else if (is(e, "skip")) {
		victim(j, "victim", e);
		json_kstr(j, "reason", e->reason);
		json_kstr(j, "pattern", e->pattern);
	} else if (is(e, "no-victim")) {
		of_nobody(j, f, e);
	} else if (is(e, "start")) {
		json_kstr(j, "version", e->version);
		json_kstr(j, "policies", e->policies);
		json_kstr(j, "missing", e->missing);
	} else if (is(e, "reload")) {
		json_flag(j, "ok", e->ok);
		json_kstr(j, "error", e->error);
	} else {
		json_kstr(j, "reason", e->reason);
	}
	if (e->records_lost != FACT_NONE)
		json_fact(j, "records_lost", e->records_lost);
	json_object_end(j);
}

void json_guard(struct json *j, const struct report *r)
{
	const struct fact_collector *c = facts_collector(r->facts, "guard");
	const struct model *m = r->model;

	/* A capture that was told not to, or one from before there was a guard. */
	if (!m->guard_count && (!c || !c->status || strcmp(c->status, "ok") != 0)) {
		json_knull(j, "guard");
		return;
	}
	json_key(j, "guard");
	json_object(j);
	json_kbool(j, "ran", m->guard_count > 0);
	json_key(j, "events");
	json_array(j);
	for (size_t i = 0; i < m->guard_count && i < REPORT_MAX_ROWS; i++)
		event(j, r->facts, m->guard[i]);
	json_array_end(j);
	json_object_end(j);
}
