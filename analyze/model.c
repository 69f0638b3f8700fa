/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_build.h"

/* Above this a model is not one of a machine but of an attack; 300,000 files take some 100 MiB. */
#define MODEL_MEMORY (1024UL << 20)

static int by_bytes(const void *a, const void *b)
{
	const struct fact_slab *x = *(const struct fact_slab *const *)a;
	const struct fact_slab *y = *(const struct fact_slab *const *)b;
	uint64_t u = or_zero(x->bytes), v = or_zero(y->bytes);

	if (u != v)
		return u > v ? -1 : 1;
	return (x > y) - (x < y);
}

static int rankings(struct model_build *b)
{
	const struct facts *f = b->f;
	struct model *m = b->m;

	m->slabs = arena_alloc(b->arena, (f->slabs.count + 1) * sizeof(void *));
	if (!m->slabs)
		return -ENOMEM;
	for (size_t i = 0; i < f->slabs.count; i++)
		m->slabs[m->slab_count++] = &f->slabs.rows[i];
	if (m->slab_count)
		qsort(m->slabs, m->slab_count, sizeof(void *), by_bytes);
	return 0;
}

/* The scan's own, else the host's, else what nearly every machine has. */
static uint64_t page_size(const struct facts *f, const struct sample_design *d, bool sampled)
{
	uint64_t size = f->archive.count ? f->archive.rows[0].page_size : FACT_NONE;

	if (sampled)
		return (uint64_t)d->page_size;
	return size >= 512 && size <= 1u << 30 ? size : 4096;
}

int model_create(struct model **ret, const struct facts *f)
{
	static int (*const steps[])(struct model_build *) = {
		model_build_cgroups,
		model_build_group_slabs,
		model_build_dying,
		model_build_page_cache,
		model_build_swapped,
		model_build_shared_memory,
		model_build_file_systems,
		model_build_panorama,
		model_build_processes,
		model_build_kubernetes,
		model_build_shm_owners,
		model_build_dentries,
		rankings,
		model_build_delays,
		model_build_heaps,
		model_build_growth,
		model_build_guard,
		model_build_not_seen,
		model_build_holdings,
		model_build_uncounted,
	};
	struct model *m = calloc(1, sizeof(*m));
	int r = -ENOMEM;

	if (!m)
		return r;
	m->facts = f;
	r = arena_create(&m->arena, MODEL_MEMORY);
	if (r < 0) {
		free(m);
		return r;
	}
	struct model_build b = {.m = m, .f = f, .arena = m->arena};

	b.sampled = f->scan.count && sample_design_init(&b.design, &f->scan.rows[0]) == 0;
	b.page_size = page_size(f, &b.design, b.sampled);
	r = paths_create(&b.paths, f, m->arena);
	if (r == 0)
		r = hotspot_create(&m->hotspot, f, m->arena);
	for (size_t i = 0; r == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
		r = steps[i](&b);
	if (r == 0 && arena_exhausted(m->arena))
		r = -ENOMEM;
	if (r < 0) {
		model_destroy(m);
		return r;
	}
	*ret = m;
	return 0;
}

void model_destroy(struct model *m)
{
	if (!m)
		return;
	arena_destroy(m->arena);
	free(m);
}
