/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reclaim.direct: processes that stop to free memory before they get any, because the machine is
 * short (direct) or because their cgroup is at its limit (memcg).  By the tracepoints, which know
 * who and how long; without them by the counters of /proc/vmstat, which know how often.
 */
#include <stdlib.h>

#include "rules.h"

/* Of the window, added up over threads; one stall of this length is a hiccup of its own. */
#define SHARE_INFO 0.01
#define SHARE_WARN 0.1
#define LONG_S 0.1
#define VERY_LONG_S 1.0
/* A burst of allocations may outrun kswapd now and then. */
#define STALLS_PER_S 10
#define STALLS_MIN 50
#define NAMED 3

struct stalls {
	double seconds, count, longest, pages;
	const struct model_delay *worst[NAMED];
};

static void add(struct stalls *s, const struct model_delay *d)
{
	double seconds = isnan(d->seconds.value) ? 0 : d->seconds.value;
	double longest = figure(d->fact->max_ns) / 1e9;

	s->seconds += seconds;
	s->count += isnan(d->count.value) ? 0 : d->count.value;
	s->pages += d->fact->amount == FACT_NONE ? 0 : (double)d->fact->amount;
	if (longest > s->longest)
		s->longest = longest;
	for (size_t i = 0; i < NAMED; i++)
		if (!s->worst[i]) { /* rows come by time, the longest first */
			s->worst[i] = d;
			break;
		}
}

static bool is_kind(const struct model_delay *d, const char *kind)
{
	return d->fact->kind && !strcmp(d->fact->kind, kind) && d->fact->own != 1;
}

static void name_the_worst(struct findings *out, struct finding *f, const struct stalls *s)
{
	for (size_t i = 0; i < NAMED && s->worst[i]; i++) {
		const struct model_delay *d = s->worst[i];

		finding_because(out, f, "#reclaim",
				"%s (pid %" PRIu64 ") stalled %s times, %s altogether, %s at the "
				"longest",
				d->comm, d->fact->pid, count_words(out, d->count.value),
				seconds_words(out, d->seconds.value),
				seconds_words(out, figure(d->fact->max_ns) / 1e9));
	}
}

static enum severity severity_of(const struct stalls *s, double covered)
{
	if (s->seconds >= SHARE_WARN * covered || s->longest >= VERY_LONG_S)
		return SEVERITY_WARNING;
	if (s->seconds >= SHARE_INFO * covered || s->longest >= LONG_S)
		return SEVERITY_INFO;
	return SEVERITY_OK;
}

static void by_counters(const struct model *m, struct findings *out)
{
	double stalls = direct_reclaims(m), window = window_s(m),
	       pages = vmstat_delta(m, "pgscan_direct");
	struct finding *f;

	if (!(stalls >= STALLS_MIN && stalls >= STALLS_PER_S * fmax(window, 1)))
		return;
	f = finding_add(out, "reclaim.direct", SEVERITY_WARNING, CONFIDENCE_MEDIUM,
			"Allocations had to free memory themselves %s times in %s",
			count_words(out, stalls), seconds_words(out, window));
	if (!f)
		return;
	f->weight = stalls;
	finding_because(out, f, "#events", "allocstall in /proc/vmstat grew by %s",
			count_words(out, stalls));
	if (pages > 0)
		finding_because(out, f, "#events", "%s pages were looked at for it (pgscan_direct)",
				count_words(out, pages));
	finding_because(
		out, f, "#collectors",
		"who stalled and for how long is not known: the tracepoints were not watched");
	finding_advice(out, f,
		       "Raise vm.watermark_scale_factor (to 200, say), so that kswapd begins "
		       "earlier, and find what takes the memory.");
}

static void of_the_machine(const struct model *m, struct findings *out)
{
	const struct model_delays *p = &m->delays[DELAY_RECLAIM];
	struct stalls s = {0};
	enum severity severity;
	struct finding *f;

	for (size_t i = 0; i < p->count; i++)
		if (is_kind(p->rows[i], "direct"))
			add(&s, p->rows[i]);
	severity = severity_of(&s, p->covered_s);
	if (severity == SEVERITY_OK)
		return;
	f = finding_add(out, "reclaim.direct", severity, CONFIDENCE_HIGH,
			"Processes waited %s for memory to be freed within %s, %s at the longest",
			seconds_words(out, s.seconds), seconds_words(out, p->covered_s),
			seconds_words(out, s.longest));
	if (!f)
		return;
	f->weight = s.seconds;
	name_the_worst(out, f, &s);
	finding_because(out, f, "#reclaim", "%s stalls freed %s pages", count_words(out, s.count),
			count_words(out, s.pages));
	if (room_left(m) >= 0)
		finding_because(out, f, "#memory", "%s are available now",
				size_words(out, room_left(m)));
	finding_advice(out, f,
		       "Raise vm.watermark_scale_factor (to 200, say): kswapd then begins earlier, "
		       "and allocations find free pages.");
	finding_advice(out, f,
		       "Bound the groups that take the memory (memory.high), so that they stall "
		       "instead of everybody.");
	finding_advice(out, f,
		       "Protect what must not stall with memory.min or memory.low, or mlock() and "
		       "pre-fault its memory.");
	f->wrong_if = "a batch job was meant to use all the memory there is";
}

/* The groups whose limit makes them stall; rows come by time. */
static void of_groups(const struct model *m, struct findings *out)
{
	const struct model_delays *p = &m->delays[DELAY_RECLAIM];

	for (size_t i = 0, said = 0; i < p->count && said < MAX_PER_RULE; i++) {
		const char *path = p->rows[i]->cgroup;
		const struct model_cgroup *g = NULL;
		enum severity severity;
		struct stalls s = {0};
		struct finding *f;
		bool seen = false;

		if (!is_kind(p->rows[i], "memcg"))
			continue;
		for (size_t k = 0; k < p->count; k++) {
			const char *other = p->rows[k]->cgroup;

			if (!is_kind(p->rows[k], "memcg") ||
			    (path ? !other || strcmp(path, other) != 0 : other != NULL))
				continue;
			seen |= k < i;
			add(&s, p->rows[k]);
		}
		severity = severity_of(&s, p->covered_s);
		if (seen || severity == SEVERITY_OK)
			continue;
		for (size_t k = 0; path && k < m->cgroup_count && !g; k++)
			if (m->cgroups[k].path && !strcmp(m->cgroups[k].path, path))
				g = &m->cgroups[k];
		f = finding_add(out, "reclaim.direct", severity, CONFIDENCE_HIGH,
				"%s is at its memory limit: its processes waited %s of %s for "
				"memory to be freed",
				g      ? cgroup_words(out, g)
				: path ? arena_printf(out->arena, "cgroup %s", path)
				       : "A cgroup",
				seconds_words(out, s.seconds), seconds_words(out, p->covered_s));
		if (!f)
			return;
		said++;
		f->weight = s.seconds;
		if (g)
			scope_cgroup(out, f, g);
		else
			finding_scope(out, f, "cgroup", path ? path : "");
		name_the_worst(out, f, &s);
		finding_because(out, f, "#reclaim", "%s stalls freed %s pages",
				count_words(out, s.count), count_words(out, s.pages));
		if (g && g->fact && g->fact->usage_bytes != FACT_NONE &&
		    g->limit_bytes != FACT_NONE)
			finding_because(out, f, "#cgroups", "it uses %s of %s",
					size_words(out, figure(g->fact->usage_bytes)),
					size_words(out, figure(g->limit_bytes)));
		finding_advice(out, f,
			       "Raise its limit, or make it need less: its file cache counts "
			       "against the limit, too (see the files of the container).");
		finding_advice(out, f,
			       "Large sequential reads or writes in it should bypass or drop the "
			       "cache (O_DIRECT, posix_fadvise(POSIX_FADV_DONTNEED)).");
		finding_advice(out, f,
			       "With cgroup v2, set memory.high below memory.max and watch "
			       "memory.pressure of the group.");
		f->wrong_if = "the group is a batch job whose limit is meant to be met";
	}
}

int rule_reclaim_direct(const struct model *m, struct findings *out)
{
	const struct model_delays *p = &m->delays[DELAY_RECLAIM];

	if (!p->captured || !(p->covered_s > 0)) {
		by_counters(m, out);
		return 0;
	}
	of_the_machine(m, out);
	of_groups(m, out);
	return 0;
}
