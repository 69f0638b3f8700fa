/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup.throttled: a group is held back by its own limits: by memory.high, which makes its
 * processes sleep in every allocation, or by reclaim at its limit.  By the counters at both ends of
 * the window: memory.events and memory.pressure, in v1 memory.failcnt.
 */
#include "rules.h"

/* A page more or less over memory.high is nothing; a hundred sleeps a second are felt. */
#define HIGH_PER_S 10
/* Time that some process of it waited for memory, of the window. */
#define WAITED 0.1
/* v1 has no pressure: whoever writes files at its limit runs into it all the time, and well. */
#define FAILS_PER_S 1000
#define MAX_CANDIDATES 256

struct throttled {
	const struct model_cgroup *g;
	double high, hits, waited; /* events in the window, and the part of it waited; NaN */
};

static bool is_candidate(const struct model_cgroup *g, double s, struct throttled *ret)
{
	const struct fact_cgroup *c = g->fact;
	struct throttled t = {.g = g};
	bool limited;

	if (!c || g->dying || c->vanished == 1 || !strcmp(g->path, "/"))
		return false;
	t.high = group_delta(c->high_events_first, c->high_events);
	t.hits = group_delta(c->max_events_first, c->max_events);
	t.waited = group_delta(c->pressure_some_first_us, c->pressure_some_us) / 1e6 / s;
	*ret = t;
	if (t.high >= HIGH_PER_S * s && c->high_bytes != FACT_NONE)
		return true;
	/* Pressure comes from the whole machine too; it is the group's when it met its limit. */
	limited = t.hits > 0 || t.high > 0;
	if (limited && t.waited >= WAITED)
		return true;
	return c->version == 1 && isnan(t.waited) && t.hits >= FAILS_PER_S * s;
}

static void report(const struct model *m, struct findings *out, const struct throttled *t)
{
	const struct fact_cgroup *c = t->g->fact;
	bool high = t->high > 0 && c->high_bytes != FACT_NONE;
	bool waits = t->waited >= WAITED;
	const char *s = seconds_words(out, window_s(m));
	struct finding *f = finding_add(
		out, "cgroup.throttled", waits || high ? SEVERITY_WARNING : SEVERITY_INFO,
		waits ? CONFIDENCE_HIGH : CONFIDENCE_MEDIUM,
		"%s is held back by %s of %s: it was over it %s times in %s",
		cgroup_words(out, t->g), high ? "memory.high" : "its memory limit",
		size_words(out, figure(high ? c->high_bytes : t->g->limit_bytes)),
		count_words(out, high ? t->high : t->hits), s);

	if (!f)
		return;
	f->weight = figure(c->usage_bytes);
	if (isnan(f->weight))
		f->weight = 0;
	scope_cgroup(out, f, t->g);
	finding_because(out, f, "#cgroup-events", "%s grew by %s in %s",
			c->version == 1 ? "memory.failcnt"
			: high		? "memory.events: high"
					: "memory.events: max",
			count_words(out, high ? t->high : t->hits), s);
	if (waits)
		finding_because(out, f, "#cgroup-events",
				"memory.pressure: some of its processes waited for memory %d%% of "
				"that time",
				percent(t->waited, 1));
	finding_because(out, f, "#cgroups", "usage is %s, working set %s",
			size_words(out, figure(c->usage_bytes)),
			size_words(out, figure(t->g->workingset_bytes)));
	group_in_kubernetes(m, out, f, t->g);
	if (high)
		finding_advice(out, f,
			       "memory.high makes every allocation beyond it sleep: raise it, or "
			       "shrink what the group keeps. Kubernetes sets it with MemoryQoS "
			       "from the request and the limit.");
	else
		finding_advice(out, f,
			       "Each time the group itself has to take memory back before it goes "
			       "on: raise the limit, or shrink what it keeps; the findings on its "
			       "file cache or heap say which.");
	f->wrong_if = high ? "the group is a batch job that is meant to yield"
			   : "it only writes files: their clean cache is taken back at no cost";
}

int rule_cgroup_throttled(const struct model *m, struct findings *out)
{
	struct throttled t[MAX_CANDIDATES];
	double s = window_s(m);
	size_t n = 0, said = 0;

	if (!(s > 0))
		return 0;
	for (size_t i = 0; i < m->cgroup_count && n < MAX_CANDIDATES; i++)
		n += is_candidate(&m->cgroups[i], s, &t[n]);
	for (size_t i = 0; i < n; i++) {
		bool explained = false;

		/* Events count for all groups above; the one they happened in is the lowest. */
		for (size_t k = 0; k < n && !explained; k++)
			explained = k != i && path_below(t[k].g->path, t[i].g->path);
		if (!explained && said++ < MAX_PER_RULE)
			report(m, out, &t[i]);
	}
	return 0;
}
