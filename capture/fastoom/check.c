/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/units.h"

static void explain_pattern(const struct config *c, unsigned pattern, const char *what)
{
	const char *text = pattern_text(&c->pool, pattern);

	printf("%s: whose name, arguments, executable or cgroup has a match of %s", what, text);
	if (strpbrk(text, "()"))
		printf(" (parentheses are ordinary characters here)");
	if (pattern_match(&c->pool, pattern, "", 0))
		printf(" (NOTE: this matches every process)");
	putchar('\n');
}

static void explain_scope(const struct config *c, const struct policy *p)
{
	if (p->kind == SCOPE_NODE)
		puts("watches the whole machine");
	else if (p->kind == SCOPE_CGROUP)
		printf("watches the memory cgroup %s and all below, with the limits of its "
		       "ancestors\n",
		       p->where);
	else
		printf("watches every pod of namespace %s whose name has a match of %s, as they "
		       "come and go\n",
		       p->where, pattern_text(&c->pool, p->pod));
}

static void explain_sensitivity(const struct policy *p)
{
	const struct profile *s = profile_of(p->sensitivity);

	printf("%s: memory counts below %.0f%% available; somebody dies when the probability of "
	       "running out stays at %.0f%% or more for %g s (longer while swap is free, at once "
	       "when memory ends before that)",
	       sensitivity_name(p->sensitivity), s->high * 100, s->probability * 100, s->hold_s);
	if (s->grace_s > 0)
		printf(", by SIGTERM and after %g s SIGKILL", s->grace_s);
	else
		printf(", by SIGKILL");
	printf(", until %.0f%% are available; at most %u at once\n", s->target * 100, s->batch);
}

static void explain_group(const struct policy *p)
{
	puts(p->group ? "a victim's process group dies with it, within the scope"
		      : "only the victim dies, not its process group");
}

static void explain_pid1(const struct policy *p)
{
	puts(p->spare_pid1 ? "the first process of a pod never dies"
			   : "the first process of a pod may die like any other");
}

static bool says(const char *line, const char *key)
{
	size_t n = strlen(key);

	return strncmp(line, key, n) == 0 && strchr(" \t=", line[n]);
}

void check_line(void *ctx, unsigned number, const char *line, const struct policy *p)
{
	const struct config *c = ctx;

	printf("%4u  %-40s  ", number, line);
	if (!p && says(line, "journal"))
		printf("kills, and decisions not to kill, are written to %s\n", c->journal);
	else if (!p)
		puts(c->dry_run ? "decide and record, signal nobody" : "signals are sent");
	else if (*line == '[')
		puts("a policy; it applies from here to the next");
	else if (says(line, "scope"))
		explain_scope(c, p);
	else if (says(line, "sensitivity"))
		explain_sensitivity(p);
	else if (says(line, "prefer"))
		explain_pattern(c, p->prefer[p->n_prefer - 1],
				p->n_prefer == 1 ? "goes before others" : "goes next");
	else if (says(line, "avoid"))
		explain_pattern(c, p->avoid[p->n_avoid - 1], "never dies");
	else if (says(line, "group"))
		explain_group(p);
	else
		explain_pid1(p);
}

/* What holds in the end, the command line and the defaults included. */
static void explain(const struct config *c, const struct policy *p)
{
	printf("[%s]\n  ", p->name);
	explain_scope(c, p);
	printf("  sensitivity ");
	explain_sensitivity(p);
	printf("  ");
	explain_group(p);
	printf("  ");
	explain_pid1(p);
	for (unsigned i = 0; i < p->n_prefer; i++) {
		printf("  ");
		explain_pattern(c, p->prefer[i], i ? "goes next" : "goes before others");
	}
	for (unsigned i = 0; i < p->n_avoid; i++) {
		printf("  ");
		explain_pattern(c, p->avoid[i], "never dies");
	}
}

static void tell_spared(void *ctx, const struct spared *s)
{
	const struct config *c = ((const struct chooser *)ctx)->config;
	char size[16];

	if (s->why == NOT_SMALL)
		return;
	printf("    never: %d %s (%s): %s%s%s\n", s->pid, s->comm, format_size(s->heap, size),
	       why_not_text(s->why), s->why == NOT_AVOID ? ": " : "",
	       s->why == NOT_AVOID ? pattern_text(&c->pool, (unsigned)s->pattern) : "");
}

static void show_scope(struct guard *g, struct watched *w)
{
	const struct config *c = guard_config(g);
	const struct policy *p = &c->policies[w->scope.policy];
	const struct profile *s = profile_of(p->sensitivity);
	struct features f;
	char a[16], b[16];
	uint64_t total;

	scope_read(&w->scope, &g->machine, clock_ns(CLOCK_MONOTONIC), true, g->scratch,
		   sizeof(g->scratch));
	scope_features(&w->scope, &g->machine, &f);
	total = scope_total(&w->scope, &g->machine);
	printf("  %s: %.1f%% of %s available%s, probability %.3f\n", w->scope.name,
	       f.available * 100, format_size(total, a),
	       w->scope.kind != SCOPE_NODE && w->scope.total == g->machine.total
		       ? " (no limit of its own: the machine's)"
		       : "",
	       predict(&f, s));
	g->chooser.listen = tell_spared;
	g->chooser.listen_ctx = &g->chooser;
	choose(&g->chooser, c, &w->scope, (uint64_t)(s->target * (double)total), total, &g->choice);
	g->chooser.listen = NULL;
	for (unsigned i = 0; i < g->choice.n; i++) {
		const struct candidate *v = &g->choice.top[i];

		printf("    %u. %d %s: %s", i + 1, v->pid, v->comm, format_size(v->heap, b));
		if (v->first)
			printf(", oom_score_adj %d\n", v->adj);
		else if (v->tier < p->n_prefer)
			printf(", preferred by %s\n", pattern_text(&c->pool, p->prefer[v->tier]));
		else
			printf(", by size\n");
	}
	printf("    %llu processes seen, %llu could go (%s), %llu too small to help, in %.1f ms\n",
	       (unsigned long long)g->choice.seen, (unsigned long long)g->choice.eligible,
	       format_size(g->choice.eligible_heap, b),
	       (unsigned long long)g->choice.not_counts[NOT_SMALL],
	       (double)g->choice.took_ns / 1e6);
}

static void say(void *ctx, const char *text)
{
	printf("  %s\n", text);
	++*(unsigned *)ctx;
}

int check_run(struct guard *g)
{
	const struct config *c = guard_config(g);
	unsigned missing = 0;

	printf("in force:\njournal: %s%s\n", c->journal,
	       c->dry_run ? " (dry run: nobody is signalled)" : "");
	for (unsigned i = 0; i < c->n_policies; i++)
		explain(c, &c->policies[i]);
	printf("now:\n");
	guard_watch(g, say, &missing);
	pods_find(&g->pods, &g->root, &g->hierarchy, c);
	for (unsigned i = 0; i < g->pods.n; i++) {
		struct watched *w = &g->watched[GUARD_SCOPES - 1];
		char name[140];

		snprintf(name, sizeof(name), "pod:%s", g->pods.found[i].name);
		if (scope_add_cgroup(&w->scope, g->pods.found[i].policy, SCOPE_POD, &g->hierarchy,
				     g->pods.found[i].path, name, NULL) == 0) {
			show_scope(g, w);
			scope_close(&w->scope);
		}
	}
	for (unsigned i = 0; i < GUARD_SCOPES; i++) {
		if (g->watched[i].used)
			show_scope(g, &g->watched[i]);
	}
	return missing ? -1 : 0;
}
