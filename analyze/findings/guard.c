/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard.killed, guard.no-victim: what fastoom did, and where it could not help.  One finding for
 * each scope.
 */
#include <stdlib.h>

#include "../../capture/base/clock.h"
#include "rules.h"

#define SCOPES 64
#define NAMED 3		 /* victims in a finding */
#define RECENT_S 86400.0 /* before the capture: what is older is history */

struct scope_sum {
	const char *name;
	const struct fact_guard *victims[NAMED], *last, *first, *worst; /* worst: least available */
	uint64_t kills, freed, pending, failed, nobody;
	bool dry_run, recent;
};

static bool is(const struct fact_guard *e, const char *event)
{
	return strcmp(e->event, event) == 0;
}

/* Seconds before the start of the window; negative: in it. */
static double age_s(const struct model *m, const struct fact_guard *e)
{
	const struct facts *f = m->facts;

	if (!f->archive.count || e->time_ns == FACT_NONE)
		return 0;
	return f->archive.rows[0].captured_at - (double)e->time_ns / 1e9;
}

static struct scope_sum *sum_of(struct scope_sum *sums, size_t *n, const struct fact_guard *e)
{
	const char *name = e->scope ? e->scope : "?";

	for (size_t i = 0; i < *n; i++)
		if (sums[i].dry_run == (e->dry_run == 1) && !strcmp(sums[i].name, name))
			return &sums[i];
	if (*n == SCOPES)
		return NULL;
	sums[*n] = (struct scope_sum){.name = name, .dry_run = e->dry_run == 1};
	return &sums[(*n)++];
}

static void add(struct scope_sum *s, const struct model *m, const struct fact_guard *e)
{
	if (!s->first)
		s->first = e;
	s->last = e;
	s->recent |= !(age_s(m, e) > RECENT_S);
	if (!s->worst || e->available_share < s->worst->available_share)
		s->worst = e;
}

static const char *when(struct findings *out, const struct fact_guard *e)
{
	char text[31];

	if (e->time_ns == FACT_NONE)
		return "an unknown time";
	clock_format_rfc3339(e->time_ns, text);
	text[10] = ' ';
	text[19] = '\0';
	return arena_printf(out->arena, "%s UTC", text);
}

static const char *scope_words(struct findings *out, const char *scope)
{
	if (!strcmp(scope, "node"))
		return "the machine";
	if (!strncmp(scope, "cgroup:", 7))
		return arena_printf(out->arena, "cgroup %s", scope + 7);
	if (!strncmp(scope, "pod:", 4))
		return arena_printf(out->arena, "pod %s", scope + 4);
	return scope;
}

static void scope_of(struct findings *out, struct finding *f, const char *scope)
{
	if (!strncmp(scope, "cgroup:", 7))
		finding_scope(out, f, "cgroup", scope + 7);
	else if (!strncmp(scope, "pod:", 4))
		finding_scope(out, f, "pod", scope + 4);
}

static const char *who(struct findings *out, const struct fact_guard *e)
{
	return arena_printf(
		out->arena, "%s (PID %" PRIu64 "%s%s)", e->comm ? e->comm : "?",
		e->pid == FACT_NONE ? 0 : e->pid, e->heap_bytes == FACT_NONE ? "" : ", ",
		e->heap_bytes == FACT_NONE ? "" : size_words(out, (double)e->heap_bytes));
}

/* ------------------------------------------------------------------ guard.killed */

static void take_kill(struct scope_sum *s, const struct model *m, const struct fact_guard *e)
{
	if (e->outcome && !strcmp(e->outcome, "failed")) {
		s->failed++;
		return;
	}
	add(s, m, e);
	if (s->kills < NAMED)
		s->victims[s->kills] = e;
	s->kills++;
	s->freed += e->freed_bytes == FACT_NONE ? 0 : e->freed_bytes;
	s->pending += e->outcome && !strcmp(e->outcome, "pending");
}

static void tell_killed(const struct model *m, struct findings *out, const struct scope_sum *s)
{
	const char *names = "", *dry = s->dry_run ? "would have killed" : "killed";
	struct finding *f;

	for (size_t i = 0; i < s->kills && i < NAMED; i++)
		names = arena_printf(out->arena, "%s%s%s", names, i ? ", " : "",
				     who(out, s->victims[i]));
	if (s->kills > NAMED)
		names = arena_printf(out->arena, "%s and %s more", names,
				     count_words(out, (double)(s->kills - NAMED)));
	f = finding_add(out, "guard.killed",
			s->dry_run || !s->recent ? SEVERITY_INFO : SEVERITY_WARNING,
			CONFIDENCE_HIGH, "fastoom %s %s because the memory of %s was running out",
			dry, names, scope_words(out, s->name));
	if (!f)
		return;
	f->weight = (double)s->freed;
	scope_of(out, f, s->name);
	if (s->kills > 1)
		finding_because(out, f, "#guard", "%s processes between %s and %s",
				count_words(out, (double)s->kills), when(out, s->first),
				when(out, s->last));
	else
		finding_because(out, f, "#guard", "at %s", when(out, s->first));
	if (s->worst && s->worst->available_share >= 0)
		finding_because(
			out, f, "#guard", "%.1f%% of its memory were available%s%s",
			100 * s->worst->available_share,
			s->worst->probability >= 0 ? ", the probability of running out was " : "",
			s->worst->probability >= 0
				? arena_printf(out->arena, "%.0f%%", 100 * s->worst->probability)
				: "");
	if (s->victims[0]->rule)
		finding_because(out, f, "#guard", "%s was chosen by: %s",
				s->victims[0]->comm ? s->victims[0]->comm : "the first",
				s->victims[0]->rule);
	if (s->freed && !s->dry_run)
		finding_because(out, f, "#guard", "%s came free",
				size_words(out, (double)s->freed));
	if (s->pending)
		finding_because(out, f, "#guard",
				"%s did not die in time: frozen, or stuck in the kernel",
				count_words(out, (double)s->pending));
	finding_advice(out, f,
		       "Find out why %s grew: its heap is %s. A leak is fixed in the program; a "
		       "need is met by a limit that fits it.",
		       s->victims[0]->comm ? s->victims[0]->comm : "the victim",
		       s->victims[0]->heap_bytes == FACT_NONE
			       ? "not known"
			       : size_words(out, (double)s->victims[0]->heap_bytes));
	finding_advice(out, f,
		       "If it was the wrong one, name it under `avoid`, or what should go before "
		       "it under `prefer`; `fastoom --check` shows the order beforehand.");
	f->wrong_if = "the journal was changed by somebody before it was captured";
}

static bool counts_as_kill(const struct fact_guard *e)
{
	/* Under --dry-run nobody dies: the intent is all there is. */
	return e->dry_run == 1 ? is(e, "intent") : is(e, "kill");
}

int rule_guard_killed(const struct model *m, struct findings *out)
{
	struct scope_sum *sums = calloc(SCOPES, sizeof(*sums)), *s;
	size_t n = 0, told = 0;

	if (!sums)
		return 0;
	for (size_t i = 0; i < m->guard_count; i++)
		if (counts_as_kill(m->guard[i]) && (s = sum_of(sums, &n, m->guard[i])))
			take_kill(s, m, m->guard[i]);
	for (size_t i = 0; i < n && told < MAX_PER_RULE; i++) {
		if (!sums[i].kills)
			continue;
		tell_killed(m, out, &sums[i]);
		told++;
	}
	free(sums);
	return 0;
}

/* ------------------------------------------------------------------ guard.no-victim */

static const struct fact_guard_holder *largest_holder(const struct model *m,
						      const struct fact_guard *e)
{
	const struct facts *f = m->facts;
	uint64_t place = (uint64_t)(e - f->guard.rows);
	const struct fact_guard_holder *best = NULL;

	for (size_t i = 0; i < f->guard_holders.count; i++) {
		const struct fact_guard_holder *h = &f->guard_holders.rows[i];

		if (h->event == place && h->what && h->bytes != FACT_NONE &&
		    (!best || h->bytes > best->bytes))
			best = h;
	}
	return best;
}

static const char *holder_advice(const char *what)
{
	if (strstr(what, "tmpfs"))
		return "Delete what lies on tmpfs (/dev/shm, /run, emptyDir volumes of medium "
		       "Memory) or limit their size; no kill frees it.";
	if (strstr(what, "huge pages"))
		return "Give back huge pages that are reserved and not used: vm.nr_hugepages.";
	if (strstr(what, "slab") || strstr(what, "kernel"))
		return "Find what makes the kernel's objects: the ranking of slab caches names "
		       "them.";
	if (strstr(what, "may not be killed"))
		return "The allowlist protects what holds the memory: take something off it, or "
		       "give these processes more memory.";
	return "Give the scope more memory, or move some of its work elsewhere.";
}

static void tell_nobody(const struct model *m, struct findings *out, const struct scope_sum *s)
{
	const struct fact_guard *e = s->last;
	const struct fact_guard_holder *h = largest_holder(m, e);
	struct finding *f;

	f = finding_add(
		out, "guard.no-victim", s->recent ? SEVERITY_CRITICAL : SEVERITY_INFO,
		CONFIDENCE_HIGH,
		"The memory of %s was running out and fastoom found nobody whose end would "
		"help%s%s",
		scope_words(out, s->name), h ? ": it is held by " : "",
		h ? arena_printf(out->arena, "%s (%s)", h->what, size_words(out, (double)h->bytes))
		  : "");
	if (!f)
		return;
	f->weight = h ? (double)h->bytes : 0;
	scope_of(out, f, s->name);
	finding_because(out, f, "#guard",
			s->nobody > 1 ? "%s times, the last at %s" : "%s time, at %s",
			count_words(out, (double)s->nobody), when(out, e));
	if (e->available_share >= 0)
		finding_because(out, f, "#guard", "%.1f%% of its memory were available",
				100 * e->available_share);
	if (e->need_bytes != FACT_NONE && e->candidates_heap_bytes != FACT_NONE)
		finding_because(out, f, "#guard",
				"%s were needed; all who may be killed hold %s together",
				size_words(out, (double)e->need_bytes),
				size_words(out, (double)e->candidates_heap_bytes));
	if (e->comm && e->reason)
		finding_because(out, f, "#guard", "the largest that was spared: %s, %s%s%s",
				who(out, e), e->reason, e->pattern ? ": " : "",
				e->pattern ? e->pattern : "");
	finding_advice(out, f, "%s", h ? holder_advice(h->what) : holder_advice(""));
	f->wrong_if = "the journal was changed by somebody before it was captured";
}

int rule_guard_no_victim(const struct model *m, struct findings *out)
{
	struct scope_sum *sums = calloc(SCOPES, sizeof(*sums)), *s;
	size_t n = 0;

	if (!sums)
		return 0;
	for (size_t i = 0; i < m->guard_count; i++) {
		if (!is(m->guard[i], "no-victim") || !(s = sum_of(sums, &n, m->guard[i])))
			continue;
		add(s, m, m->guard[i]);
		s->nobody++;
	}
	for (size_t i = 0; i < n && i < MAX_PER_RULE; i++)
		tell_nobody(m, out, &sums[i]);
	free(sums);
	return 0;
}
