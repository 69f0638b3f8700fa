/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where heaps grew: samples of what was added to them, by the function of the program's. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "growth_draw.h"
#include "model_build.h"
#include "site.h"

/* What came before the last so-manieth of the time has had the time to go. */
#define OLD_PART 4

struct place {
	uint64_t pid, kind;
	struct site site;
	uint32_t stack, index; /* index: of hotspot->growth */
};

static int by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->site.name != y->site.name)
		return x->site.name < y->site.name ? -1 : 1;
	if (x->site.caller != y->site.caller)
		return x->site.caller < y->site.caller ? -1 : 1;
	if (x->stack != y->stack)
		return x->stack < y->stack ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

/* What was not looked at comes last. */
static int compare_kept(double a, double b)
{
	double x = isnan(a) ? -1 : a, y = isnan(b) ? -1 : b;

	return (x < y) - (x > y);
}

static int by_kept(const void *a, const void *b)
{
	const struct model_site *x = a, *y = b;

	if (compare_kept(x->kept, y->kept))
		return compare_kept(x->kept, y->kept);
	if (x->came != y->came)
		return x->came > y->came ? -1 : 1;
	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	return (x->caller > y->caller) - (x->caller < y->caller);
}

static int growth_by_kept(const void *a, const void *b)
{
	const struct model_growth *x = a, *y = b;

	if (compare_kept(x->kept, y->kept))
		return compare_kept(x->kept, y->kept);
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return (x->kind > y->kind) - (x->kind < y->kind);
}

/* The places of one function: [first, end). */
static void sum_site(const struct hotspot *h, const struct growth_design *d, const struct place *p,
		     size_t first, size_t end, uint64_t old_until, struct model_site *ret)
{
	struct growth_sums all = {0};
	double of_stack = 0, most = -1;

	*ret = (struct model_site){
		.name = p[first].site.name, .caller = p[first].site.caller, .samples = end - first};
	for (size_t i = first; i < end; i++) {
		const struct hot_growth *g = &h->growth[p[i].index];

		if (i == first || p[i].stack != p[i - 1].stack)
			of_stack = 0;
		growth_sums_add(&all, d, g, old_until);
		of_stack += g->kept == GROWTH_STAYED ? (double)g->bytes : 0;
		if (of_stack > most) {
			most = of_stack;
			ret->stack = p[i].stack;
		}
	}
	ret->came = all.came;
	ret->unknown = all.came - all.known;
	ret->kept = growth_sums_kept(&all);
	ret->error = growth_sums_error(&all);
}

static const struct model_heap *heap_of(const struct model *m, uint64_t pid)
{
	for (size_t i = 0; i < m->heap_count; i++)
		if (m->heaps[i].fact->pid == pid)
			return &m->heaps[i];
	return NULL;
}

/* By pid: the archive decides how many there are of each. */
struct indexes {
	struct lookup growers;	 /* {pid, kind} → row of stack_growers + 1, the first */
	struct lookup processes; /* pid → index in m->processes + 1, the first with both readings */
};

static int index_all(const struct model_build *b, struct indexes *ix)
{
	const struct facts *f = b->f;
	const struct model *m = b->m;

	if (lookup_init(&ix->growers, b->arena, f->stack_growers.count) < 0 ||
	    lookup_init(&ix->processes, b->arena, m->process_count) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < f->stack_growers.count; i++) {
		const struct fact_stack_grower *g = &f->stack_growers.rows[i];
		uint32_t *at = lookup_put(&ix->growers, g->pid, g->kind, NULL, 0);

		if (at && !*at)
			*at = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < m->process_count; i++) {
		const struct fact_process *p = m->processes[i];
		uint32_t *at;

		if (p->heap_bytes == FACT_NONE || p->heap_first_bytes == FACT_NONE)
			continue;
		at = lookup_put(&ix->processes, p->pid, 0, NULL, 0);
		if (at && !*at)
			*at = (uint32_t)i + 1;
	}
	return 0;
}

static const struct fact_stack_grower *grower_of(const struct facts *f, const struct indexes *ix,
						 uint64_t pid, uint64_t kind)
{
	uint32_t at = lookup_get(&ix->growers, pid, kind, NULL, 0);

	return at ? &f->stack_growers.rows[at - 1] : NULL;
}

/* How much RssAnon grew, and within how long; NaN. */
static double growth_of(const struct model *m, const struct indexes *ix, uint64_t pid,
			double *ret_seconds)
{
	const struct model_heap *heap = heap_of(m, pid);
	uint32_t at;

	*ret_seconds = FACT_NONE_F;
	if (heap && !isnan(heap->grown_bytes)) {
		*ret_seconds = heap->grown_s;
		return heap->grown_bytes;
	}
	at = lookup_get(&ix->processes, pid, 0, NULL, 0);
	if (!at)
		return FACT_NONE_F;
	return (double)m->processes[at - 1]->heap_bytes -
	       (double)m->processes[at - 1]->heap_first_bytes;
}

/* When it was looked at; false: not known. */
static bool watched(const struct model_build *b, const struct model_growth *g,
		    const struct fact_stack_grower *fact, uint64_t *ret_from, uint64_t *ret_to)
{
	const struct hotspot *h = b->m->hotspot;
	bool own = g->kind == GROWTH_ALLOC && fact;

	*ret_from = own ? fact->start_ns : h->start_ns;
	*ret_to = own ? fact->end_ns : h->end_ns;
	return *ret_from != FACT_NONE && *ret_to != FACT_NONE && *ret_to > *ret_from;
}

static void explain(struct model_build *b, const struct indexes *ix, struct model_growth *g)
{
	double seconds;

	g->explained = FACT_NONE_F;
	g->scale = 1;
	g->grown_bytes = growth_of(b->m, ix, g->pid, &seconds);
	/* Two readings of a heap and the clocks do not begin and end at the same time. */
	if (seconds > 0 && g->watched_s > 0)
		g->scale = seconds / g->watched_s;
	if (g->grown_bytes > 0 && !isnan(g->named))
		g->explained = fmin(1, g->named * g->scale / g->grown_bytes);
}

static bool same_site(const struct place *a, const struct place *b)
{
	return a->site.name == b->site.name && a->site.caller == b->site.caller;
}

static int sum_process(struct model_build *b, const struct indexes *ix,
		       const struct growth_design *d, const struct place *p, size_t first,
		       size_t end, struct model_growth *ret)
{
	const struct hotspot *h = b->m->hotspot;
	const struct hot_thread *t = &h->threads[h->growth[p[first].index].thread];
	const struct fact_stack_grower *fact = grower_of(b->f, ix, p[first].pid, p[first].kind);
	uint64_t from, to, old_until = 0;
	size_t sites = 1, at = first;
	bool known = false;

	for (size_t i = first + 1; i < end; i++)
		sites += !same_site(&p[i], &p[i - 1]);
	*ret = (struct model_growth){.pid = p[first].pid,
				     .kind = p[first].kind,
				     .comm = t->process_comm,
				     .cgroup = t->cgroup[0] ? t->cgroup : NULL,
				     .sites = arena_alloc(b->arena, sites * sizeof(*ret->sites))};
	if (!ret->sites)
		return -ENOMEM;
	ret->watched_s = FACT_NONE_F;
	if (watched(b, ret, fact, &from, &to)) {
		ret->watched_s = (double)(to - from) / 1e9;
		old_until = to - (to - from) / OLD_PART;
	}
	ret->reason = fact && fact->reason && *fact->reason ? fact->reason : NULL;
	for (size_t i = first + 1; i <= end; i++) {
		struct model_site *s;

		if (i < end && same_site(&p[i], &p[at]))
			continue;
		s = &ret->sites[ret->site_count++];
		sum_site(h, d, p, at, i, old_until, s);
		ret->came += s->came;
		ret->unknown += s->unknown;
		at = i;
		if (isnan(s->kept))
			continue;
		known = true;
		ret->kept += s->kept;
		ret->named += s->name == UINT32_MAX ? 0 : s->kept;
	}
	if (!known)
		ret->kept = ret->named = FACT_NONE_F;
	qsort(ret->sites, ret->site_count, sizeof(*ret->sites), by_kept);
	explain(b, ix, ret);
	return 0;
}

static struct site *sites_of_stacks(struct model_build *b)
{
	const struct hotspot *h = b->m->hotspot;
	struct site *sites = arena_alloc(b->arena, (h->stack_count + 1) * sizeof(*sites));

	for (size_t i = 0; sites && i < h->stack_count; i++)
		sites[i] = site_of_stack(h, &h->stacks[i]);
	return sites;
}

int model_build_growth(struct model_build *b)
{
	const struct hotspot *h = b->m->hotspot;
	struct model *m = b->m;
	struct growth_design design;
	struct place *p;
	struct site *sites;
	struct indexes ix;
	size_t n = 0, processes = 0;

	for (size_t i = 0; i < b->f->stack_settings.count; i++) {
		const struct fact_stack_setting *s = &b->f->stack_settings.rows[i];

		if (s->key && s->value && !strcmp(s->key, "growth") && !strcmp(s->value, "on"))
			m->growth_captured = true;
	}
	if (!h || !h->growth_count)
		return 0;
	m->growth_captured = true;
	p = arena_alloc(b->arena, h->growth_count * sizeof(*p));
	sites = sites_of_stacks(b);
	growth_design_init(&design, b->f, h);
	if (!p || !sites || index_all(b, &ix) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < h->growth_count; i++) {
		const struct hot_growth *g = &h->growth[i];
		const struct hot_thread *t = &h->threads[g->thread];

		if (t->own || t->pid == FACT_NONE)
			continue;
		p[n++] = (struct place){t->pid, g->kind, sites[g->stack], g->stack, (uint32_t)i};
	}
	if (n)
		qsort(p, n, sizeof(*p), by_place);
	for (size_t i = 0; i < n; i++)
		processes += !i || p[i].pid != p[i - 1].pid || p[i].kind != p[i - 1].kind;
	m->growth = arena_alloc(b->arena, (processes + 1) * sizeof(*m->growth));
	if (!m->growth)
		return -ENOMEM;
	for (size_t first = 0, i = 1; first < n && i <= n; i++) {
		if (i < n && p[i].pid == p[first].pid && p[i].kind == p[first].kind)
			continue;
		if (sum_process(b, &ix, &design, p, first, i, &m->growth[m->growth_count++]) < 0)
			return -ENOMEM;
		first = i;
	}
	if (m->growth_count)
		qsort(m->growth, m->growth_count, sizeof(*m->growth), growth_by_kept);
	return 0;
}

const struct model_growth *model_growth_of(const struct model *m, uint64_t pid)
{
	const struct model_growth *found = NULL;

	for (size_t i = 0; i < m->growth_count; i++)
		if (m->growth[i].pid == pid && (!found || m->growth[i].kind == GROWTH_ALLOC))
			found = &m->growth[i];
	return found;
}
