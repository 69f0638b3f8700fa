/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * heap.growth: a heap that grows all through the window, and by what.  A heap that grew once (a
 * file was loaded, a pool was filled) is nobody's leak, so both halves of the window must have
 * their part in it.
 */
#include <stdlib.h>

#include "rules.h"

/* What a window of seconds can tell from a program's own rhythm. */
#define LEAST (8 * MIB)
#define LEAST_SHARE 0.01 /* of the heap */
#define STEADY 0.4	 /* share of the intervals in which it grew */
#define HALF 0.2	 /* of the growth, in each half of the window */
/* At this rate memory is gone within a day. */
#define SOON_S 86400.0
#define CAUSE_SHARE 0.05 /* of the growth: types that are worth naming */
#define CAUSES 4

struct cause {
	const struct fact_heap_entry *entry;
	double grown, more;
};

static const struct fact_process *process_of(const struct model *m, const struct model_heap *h)
{
	for (size_t i = 0; i < m->process_count; i++)
		if (m->processes[i]->pid == h->fact->pid)
			return m->processes[i];
	return NULL;
}

/* What is left for it: of the machine, or of its group's limit. */
static double room_for(const struct model *m, const struct fact_process *p, const char **ret_whose)
{
	double room = room_left(m);

	*ret_whose = "of the machine";
	for (size_t i = 0; p && p->cgroup && i < m->cgroup_count; i++) {
		const struct model_cgroup *g = &m->cgroups[i];
		double left;

		if (!g->path || strcmp(g->path, p->cgroup) != 0 || !g->fact)
			continue;
		left = figure(g->limit_bytes) - figure(g->workingset_bytes);
		if (left < room || (isnan(room) && !isnan(left))) {
			room = left > 0 ? left : 0;
			*ret_whose = "up to its cgroup's limit";
		}
	}
	return room;
}

static bool is_kind(const struct fact_heap_entry *e, const char *kind)
{
	return e->kind && !strcmp(e->kind, kind);
}

/* The entries of a kind that grew most, most first. */
static size_t causes(const struct model_heap *h, const char *kind, struct cause out[CAUSES])
{
	size_t n = 0;

	for (size_t i = 0; i < h->entry_count; i++) {
		const struct fact_heap_entry *e = h->entries[i];
		struct cause c = {e, figure(e->bytes_end) - figure(e->bytes_start),
				  figure(e->count_end) - figure(e->count_start)};
		size_t at;

		if (!e->type || !is_kind(e, kind) || !(c.grown >= CAUSE_SHARE * h->grown_bytes))
			continue;
		for (at = n; at && out[at - 1].grown < c.grown; at--)
			if (at < CAUSES)
				out[at] = out[at - 1];
		if (at < CAUSES)
			out[at] = c;
		n += n < CAUSES;
	}
	return n;
}

/* What to name first: a class of the program says more than the strings or arrays in it.  It is as
 * large, or there are as many of it. */
static const char *foremost(const struct cause *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *name = c[i].entry->type;

		if ((strchr(name, '.') || strchr(name, '$')) && strncmp(name, "java.", 5) != 0 &&
		    (c[i].grown >= c[0].grown / 2 || fabs(c[i].more - c[0].more) <= c[0].more / 10))
			return name;
	}
	return n ? c[0].entry->type : "";
}

static const char *cause_words(struct findings *out, const struct cause *c, size_t n)
{
	const char *text = "";

	for (size_t i = 0; i < n; i++) {
		const char *more = c[i].more >= 1 && !is_kind(c[i].entry, "mapping")
					   ? arena_printf(out->arena, " (%s more)",
							  count_words(out, c[i].more))
					   : "";

		text = arena_printf(out->arena, "%s%s%s: %s%s", text, i ? ", " : "",
				    c[i].entry->type, size_words(out, c[i].grown), more);
	}
	return text;
}

#define SITES 3
#define SITE_SHARE 0.1 /* of what stayed: places that are worth naming */
#define SITE_MOST 0.5  /* of what stayed, and of the growth: it is the place */

static const char *site_name(const struct model *m, const struct model_site *s)
{
	return m->hotspot->names[s->name].function;
}

/* With its caller: it may be a helper that many call. */
static const char *site_called(const struct model *m, const struct model_site *s,
			       struct findings *out)
{
	const char *caller = s->caller == UINT32_MAX ? "[" : m->hotspot->names[s->caller].function;

	return caller[0] == '['
		       ? site_name(m, s)
		       : arena_printf(out->arena, "%s, called by %s", site_name(m, s), caller);
}

/* The place that most of what stayed came from, and most of what the heap grew by; or NULL. */
static const struct model_site *main_site(const struct model_growth *g)
{
	const struct model_site *s = g && g->site_count ? &g->sites[0] : NULL;

	return s && g->kept > 0 && s->name != UINT32_MAX && s->kept >= SITE_MOST * g->kept &&
			       s->kept * g->scale >= SITE_MOST * g->grown_bytes
		       ? s
		       : NULL;
}

static void site_words(const struct model *m, const struct model_growth *g, struct findings *out,
		       struct finding *f)
{
	const char *text = "";
	size_t n = 0;

	for (size_t i = 0; i < g->site_count && n < SITES; i++) {
		const struct model_site *s = &g->sites[i];

		if (s->name == UINT32_MAX || !(s->kept > 0) || s->kept < SITE_SHARE * g->kept)
			continue;
		text = arena_printf(out->arena, "%s%s%s (%s): %s \xc2\xb1 %s", text, n ? "; " : "",
				    site_called(m, s, out), m->hotspot->names[s->name].module,
				    size_words(out, s->kept), size_words(out, s->error));
		n++;
	}
	if (!n)
		return;
	finding_because(out, f, "#heap-growth", "%s: %s",
			g->kind == GROWTH_ALLOC
				? "allocated in the window and not freed, by function"
				: "new memory that stayed, by the function that touched it first",
			text);
	if (!isnan(g->explained))
		finding_because(out, f, "#heap-growth",
				"the window's %s explain %d%% of the growth",
				g->kind == GROWTH_ALLOC ? "allocation stacks" : "page-fault stacks",
				(int)(g->explained * 100 + 0.5));
}

static bool grows(const struct model_heap *h)
{
	double first = figure(h->fact->anon_start);

	return h->grown_bytes >= LEAST && h->grown_bytes >= LEAST_SHARE * first &&
	       h->steady >= STEADY && h->late >= HALF && h->late <= 1 - HALF / 2;
}

static void container_words(const struct model_heap *h, struct findings *out, struct finding *f)
{
	const struct fact_heap_container *best = NULL;
	double most = 0;

	for (size_t i = 0; i < h->container_count; i++) {
		const struct fact_heap_container *k = h->containers[i];
		double longer = figure(k->length_end) - figure(k->length_start);

		if (k->type && longer > most) {
			best = k;
			most = longer;
		}
	}
	if (best)
		finding_because(out, f, "#heaps", "one %s grew from %s to %s entries (%s)",
				best->type, count_words(out, figure(best->length_start)),
				count_words(out, figure(best->length_end)),
				size_words(out, figure(best->bytes_end)));
}

static void growing(const struct model *m, const struct model_heap *h, struct findings *out)
{
	const struct fact_heap *heap = h->fact;
	const struct fact_process *p = process_of(m, h);
	const char *name = heap->comm ? heap->comm : "?", *whose;
	double room = room_for(m, p, &whose), left_s = room / (h->grown_bytes / h->grown_s);
	struct cause objects[CAUSES], others[CAUSES];
	size_t types = causes(h, "object", objects);
	size_t n = causes(h, types ? "allocator" : "mapping", others);
	bool sampled = heap->one_in != FACT_NONE && heap->one_in > 1;
	const struct model_growth *g = model_growth_of(m, heap->pid);
	const struct model_site *site = types ? NULL : main_site(g);
	struct finding *f = finding_add(
		out, "heap.growth", left_s <= SOON_S ? SEVERITY_WARNING : SEVERITY_INFO,
		h->grown_s >= 5 && h->steady >= 0.7 ? CONFIDENCE_HIGH : CONFIDENCE_MEDIUM,
		"The heap of %s (pid %" PRIu64 ") grows: by %s in %s%s%s", name, heap->pid,
		size_words(out, h->grown_bytes), seconds_words(out, h->grown_s),
		types  ? ", with ever more objects of "
		: site ? ", most of it at "
		       : "",
		site ? site_called(m, site, out) : foremost(objects, types));

	if (!f)
		return;
	f->weight = h->grown_bytes;
	finding_scope(out, f, "process",
		      arena_printf(out->arena, "%s (%" PRIu64 ")", name, heap->pid));
	finding_because(out, f, "#heaps", "from %s to %s, in %d%% of the times it was looked at",
			size_words(out, figure(heap->anon_start)),
			size_words(out, figure(heap->anon_end)), (int)(h->steady * 100));
	if (types)
		finding_because(out, f, "#heaps", "types that grew%s: %s",
				sampled ? " (estimated from a part of the heap)" : "",
				cause_words(out, objects, types));
	if (n)
		finding_because(out, f, "#heaps", "%s that grew: %s",
				types ? "blocks of no object" : "kinds of mapping",
				cause_words(out, others, n));
	container_words(h, out, f);
	if (g)
		site_words(m, g, out, f);
	if (left_s <= SOON_S)
		finding_because(out, f, "#memory", "at this rate the %s left %s last %s",
				size_words(out, room), whose, seconds_words(out, left_s));
	if (p && p->cgroup)
		finding_because(out, f, "#cgroups", "it runs in %s", p->cgroup);
	if (types)
		finding_advice(out, f,
			       "Look in the program for what keeps objects of %s: a cache or list "
			       "without a bound, a global, a callback that is never taken back.",
			       foremost(objects, types));
	else if (site)
		finding_advice(out, f,
			       "Look at what %s allocates and who is to free it: a list or cache "
			       "without a bound, a path that returns early without freeing.",
			       site_name(m, site));
	else
		finding_advice(out, f,
			       "Find what allocates: the allocation stacks of the program, or its "
			       "own statistics of caches and connections.");
	/* Who touches new memory first is not always who keeps it. */
	if (!types && g && g->kind == GROWTH_FAULT)
		finding_advice(out, f,
			       "Capture again with --heap %" PRIu64
			       ": then what is allocated and not "
			       "freed is followed, by stack; that slows the process a little.",
			       heap->pid);
	finding_advice(out, f,
		       "Until it is mended, bound it (memory.max of its cgroup, or a restart "
		       "before memory runs out), so that it does not take others along.");
	finding_advice(out, f, "Capture again over a longer time (-d 5m) to see whether it stops.");
	f->wrong_if = "it is filling a cache that has a bound, or is still starting up";
}

int rule_heap_growth(const struct model *m, struct findings *out)
{
	size_t found = 0;

	for (size_t i = 0; i < m->heap_count && found < MAX_PER_RULE; i++)
		if (grows(&m->heaps[i])) {
			growing(m, &m->heaps[i], out);
			found++;
		}
	return 0;
}
