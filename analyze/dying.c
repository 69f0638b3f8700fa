/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deleted groups that cannot go: how many, below which parents they piled up, what the scan found
 * charged to them.
 *
 * v2 counts them in each group's cgroup.stat, all descendants together: what a group has of its own
 * is what its children do not have.  v1 only lets their number be told from /proc/cgroups, which
 * still counts them, and their parents from the paths of those the scan met.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_build.h"

static size_t path_length(const char *path)
{
	size_t len = strlen(path);

	while (len && path[len - 1] == '/')
		len--;
	return len;
}

static size_t parent_length(const char *path, size_t len)
{
	while (len && path[len - 1] != '/')
		len--;
	while (len && path[len - 1] == '/')
		len--;
	return len;
}

/* All groups that /proc/cgroups counts, less those that are there. */
static void count_v1(struct model_build *b, uint64_t online, uint64_t online_first, bool root)
{
	const struct facts *f = b->f;
	struct model *m = b->m;
	const struct fact_collector *seen = facts_collector(f, "cgroups");
	bool all = !f->cgroups.cut && seen && seen->status && !strcmp(seen->status, "ok");

	for (size_t i = 0; i < f->controllers.count && all; i++) {
		const struct fact_cgroup_controller *c = &f->controllers.rows[i];

		if (!c->name || strcmp(c->name, "memory") != 0 || c->groups == FACT_NONE)
			continue;
		m->dying_cgroups = none_sub(c->groups, online + (root ? 0 : 1));
		if (online_first)
			m->dying_cgroups_first =
				none_sub(c->groups_first, online_first + (root ? 0 : 1));
	}
}

static void totals(struct model_build *b)
{
	struct model *m = b->m;
	uint64_t v1 = 0, v1_first = 0, scanned = 0;
	bool root = false, v2 = false;

	m->dying_cgroups = m->dying_cgroups_first = FACT_NONE;
	m->dying_cached_bytes = b->sampled ? 0 : FACT_NONE_F;
	m->dying_slab_bytes = FACT_NONE_F;
	for (size_t i = 0; i < m->cgroup_count; i++) {
		const struct model_cgroup *g = &m->cgroups[i];
		const struct fact_cgroup *c = g->fact;

		if (g->dying) {
			scanned++;
			if (b->sampled)
				m->dying_cached_bytes += g->cached.bytes;
			if (g->slab_count)
				m->dying_slab_bytes = fmax(m->dying_slab_bytes, 0) + g->slab.bytes;
		}
		if (!c)
			continue;
		root = root || path_length(g->path) == 0;
		v1 += c->version == 1 && c->vanished != 1;
		v1_first += c->version == 1 && c->usage_first_bytes != FACT_NONE;
		/* Counted over the whole subtree, so the largest is the root's or near it. */
		if (c->dying_descendants == FACT_NONE || c->vanished == 1)
			continue;
		if (!v2 || c->dying_descendants > m->dying_cgroups) {
			m->dying_cgroups = c->dying_descendants;
			m->dying_cgroups_first = c->dying_first;
		}
		v2 = true;
	}
	if (v1 && !v2)
		count_v1(b, v1, v1_first, root);
	/* What the scan met is there, whatever the counters say. */
	if (scanned && (m->dying_cgroups == FACT_NONE || m->dying_cgroups < scanned))
		m->dying_cgroups = scanned;
}

/* ------------------------------------------------------------------ parents */

static int by_groups(const void *a, const void *b)
{
	const struct model_dying_parent *x = a, *y = b;
	double u = isnan(x->cached) ? 0 : x->cached, v = isnan(y->cached) ? 0 : y->cached;

	if (x->groups != y->groups)
		return x->groups > y->groups ? -1 : 1;
	if (u != v)
		return u > v ? -1 : 1;
	return strcmp(x->path, y->path);
}

static struct model_dying_parent *parent(struct model_build *b, struct lookup *ix, const char *path,
					 size_t len)
{
	struct model *m = b->m;
	uint32_t *v = lookup_put(ix, 0, 0, path, len);

	if (!v)
		return NULL;
	if (!*v) {
		m->dying_parents[m->dying_parent_count] = (struct model_dying_parent){
			.path = len ? arena_strndup(b->arena, path, len) : "/",
			.groups_first = FACT_NONE,
			.cached = FACT_NONE_F,
		};
		*v = (uint32_t)++m->dying_parent_count;
	}
	return &m->dying_parents[*v - 1];
}

static bool counts(const struct model_cgroup *g)
{
	return g->fact && g->fact->dying_descendants != FACT_NONE && g->fact->vanished != 1;
}

/* Each group's own: its descendants' less its children's. */
static int from_counters(struct model_build *b, struct lookup *ix)
{
	struct model *m = b->m;

	for (size_t i = 0; i < m->cgroup_count; i++) {
		const struct model_cgroup *g = &m->cgroups[i];
		struct model_dying_parent *p;

		if (!counts(g) || !g->fact->dying_descendants)
			continue;
		p = parent(b, ix, g->path, path_length(g->path));
		if (!p)
			return -ENOMEM;
		p->groups = g->fact->dying_descendants;
		p->groups_first = g->fact->dying_first;
	}
	for (size_t i = 0; i < m->cgroup_count; i++) {
		const struct model_cgroup *g = &m->cgroups[i];
		size_t len = path_length(g->path);
		uint32_t v;

		if (!counts(g) || !g->fact->dying_descendants || !len)
			continue;
		v = lookup_get(ix, 0, 0, g->path, parent_length(g->path, len));
		if (!v)
			continue;
		struct model_dying_parent *p = &m->dying_parents[v - 1];

		p->groups = none_sub(p->groups, g->fact->dying_descendants);
		p->groups_first = none_sub(p->groups_first, g->fact->dying_first);
	}
	return 0;
}

/* What the scan met adds where their memory is, and, where nothing counts them, how many. */
static int from_scan(struct model_build *b, struct lookup *ix)
{
	struct model *m = b->m;

	for (size_t i = 0; i < m->cgroup_count; i++) {
		const struct model_cgroup *g = &m->cgroups[i];
		struct model_dying_parent *p;

		if (!g->dying || g->path[0] != '/')
			continue;
		p = parent(b, ix, g->path, parent_length(g->path, path_length(g->path)));
		if (!p)
			return -ENOMEM;
		p->found++;
		if (p->groups < p->found)
			p->groups = p->found;
		if (b->sampled)
			p->cached = (isnan(p->cached) ? 0 : p->cached) + g->cached.bytes;
	}
	return 0;
}

int model_build_dying(struct model_build *b)
{
	struct model *m = b->m;
	struct lookup ix;
	size_t kept = 0;
	int r;

	totals(b);
	m->dying_parents = arena_alloc(b->arena, (m->cgroup_count + 1) * sizeof(*m->dying_parents));
	if (!m->dying_parents || lookup_init(&ix, b->arena, m->cgroup_count))
		return -ENOMEM;
	r = from_counters(b, &ix);
	if (r == 0)
		r = from_scan(b, &ix);
	if (r < 0)
		return r;
	for (size_t i = 0; i < m->dying_parent_count; i++)
		if (m->dying_parents[i].groups && m->dying_parents[i].groups != FACT_NONE)
			m->dying_parents[kept++] = m->dying_parents[i];
	m->dying_parent_count = kept;
	if (kept)
		qsort(m->dying_parents, kept, sizeof(*m->dying_parents), by_groups);
	return 0;
}
