/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slab caches that belong to one group, as kernels until 5.8 have them: they hold it when it is
 * deleted, as its files do. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_build.h"

static int largest_first(const void *a, const void *b)
{
	const struct model_group_slab *x = a, *y = b;

	if (x->bytes.bytes != y->bytes.bytes)
		return x->bytes.bytes > y->bytes.bytes ? -1 : 1;
	return strcmp(x->cache, y->cache);
}

static uint32_t group_of(const struct model_build *b, const struct fact_cgroup_slab *s)
{
	bool any = s->cgroup && s->cgroup != FACT_NONE && s->cache && or_zero(s->pages);

	return any ? lookup_get(&b->cgroup_ids, s->cgroup, 0, NULL, 0) : 0;
}

int model_build_group_slabs(struct model_build *b)
{
	const struct facts *f = b->f;
	struct model *m = b->m;
	size_t n = b->sampled ? f->cgroup_slabs.count : 0, at = 0;
	struct model_group_slab *slabs = arena_alloc(b->arena, (n + 1) * sizeof(*slabs));
	uint64_t *pages = arena_alloc(b->arena, (m->cgroup_count + 1) * sizeof(*pages));

	if (!slabs || !pages)
		return -ENOMEM;
	memset(pages, 0, (m->cgroup_count + 1) * sizeof(*pages));
	for (size_t i = 0; i < m->cgroup_count; i++)
		m->cgroups[i].slab = estimate_none();
	for (size_t i = 0; i < n; i++) {
		uint32_t group = group_of(b, &f->cgroup_slabs.rows[i]);

		if (group)
			m->cgroups[group - 1].slab_count++;
	}
	for (size_t i = 0; i < m->cgroup_count; i++) {
		m->cgroups[i].slabs = slabs + at;
		at += m->cgroups[i].slab_count;
		m->cgroups[i].slab_count = 0;
	}
	for (size_t i = 0; i < n; i++) {
		const struct fact_cgroup_slab *s = &f->cgroup_slabs.rows[i];
		uint32_t group = group_of(b, s);
		struct tally t = {.pages = s->pages};

		if (!group)
			continue;
		struct model_cgroup *g = &m->cgroups[group - 1];

		g->slabs[g->slab_count++] =
			(struct model_group_slab){s->cache, estimate_total(&b->design, &t)};
		pages[group - 1] = none_add(pages[group - 1], s->pages);
	}
	for (size_t i = 0; i < m->cgroup_count; i++) {
		struct model_cgroup *g = &m->cgroups[i];
		struct tally t = {.pages = pages[i]};

		if (!g->slab_count)
			continue;
		g->slab = estimate_total(&b->design, &t);
		qsort(g->slabs, g->slab_count, sizeof(*g->slabs), largest_first);
	}
	return 0;
}
