/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files, their paths and sizes, and who they are charged to, out of the scan's samples. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "model_build.h"

/* Bits of a sample's state, see capture/bundle/FORMAT.md. */
#define STATE_ACTIVE 1
#define STATE_DIRTY 2
#define STATE_SWAP_BACKED 8

struct count { /* sampled pages of one file */
	struct tally all, active, dirty;
	uint64_t mixed_active, mixed_dirty; /* pairs of which one page is active, or dirty */
	bool swap_backed;
};

struct pair {		       /* sampled pages of a file charged to a cgroup */
	uint32_t file, cgroup; /* places in m->files and m->cgroups */
	struct tally part;
	uint64_t active; /* of its pages */
	uint64_t mixed;	 /* pairs of the file of which one page is another cgroup's, or nobody's */
};

struct order {
	uint64_t bytes;
	const struct fact_cache_file *fact;
	uint32_t from;
};

static bool is_shmem(const struct fact_cache_file *file, const struct count *c)
{
	return c->swap_backed || (file->fstype && (!strcmp(file->fstype, "tmpfs") ||
						   !strcmp(file->fstype, "devtmpfs")));
}

static int largest_first(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	if (x->fact->file != y->fact->file)
		return x->fact->file < y->fact->file ? -1 : 1;
	return (x->from > y->from) - (x->from < y->from);
}

static uint64_t file_bytes(const struct model_build *b, const struct fact_cache_file *file,
			   const struct count *c)
{
	if (file->nrpages != FACT_NONE)
		return none_mul(file->nrpages, b->page_size);
	return b->sampled ? to_u64(estimate_total(&b->design, &c->all).bytes) : 0;
}

/* pages of the file → model_file, largest first; *place: from the facts' order to the model's. */
static int files(struct model_build *b, const struct count *counts, uint32_t *place,
		 struct order *order)
{
	const struct facts *f = b->f;
	struct model *m = b->m;
	size_t n = f->cache_files.count;

	m->files = arena_alloc(b->arena, (n + 1) * sizeof(*m->files));
	if (!m->files)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		order[i] = (struct order){file_bytes(b, &f->cache_files.rows[i], &counts[i]),
					  &f->cache_files.rows[i], (uint32_t)i};
	if (n)
		qsort(order, n, sizeof(*order), largest_first);
	m->file_count = n;
	for (size_t i = 0; i < n; i++) {
		const struct count *c = &counts[order[i].from];
		struct model_file *file = &m->files[i];
		double bytes = (double)order[i].bytes;

		place[order[i].from] = (uint32_t)i;
		file->fact = order[i].fact;
		file->cached_bytes = order[i].bytes;
		file->shmem = is_shmem(file->fact, c);
		file->active = file->dirty = estimate_none();
		if (b->sampled) {
			file->active = estimate_share(&b->design, bytes, &c->all, &c->active,
						      c->mixed_active);
			file->dirty = estimate_share(&b->design, bytes, &c->all, &c->dirty,
						     c->mixed_dirty);
		}
		if (file->shmem)
			m->shmem_bytes = none_add(m->shmem_bytes, file->cached_bytes);
		file->path = paths_host(b->paths, file->fact);
	}
	return 0;
}

static int by_file(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return (x->cgroup > y->cgroup) - (x->cgroup < y->cgroup);
}

/* File by file, the cgroup with most first. */
static int by_file_and_pages(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	if (x->part.pages != y->part.pages)
		return x->part.pages > y->part.pages ? -1 : 1;
	return (x->cgroup > y->cgroup) - (x->cgroup < y->cgroup);
}

static void add_tally(struct tally *to, const struct tally *t)
{
	to->pages = none_add(to->pages, t->pages);
	to->paired = none_add(to->paired, t->paired);
	to->both = none_add(to->both, t->both);
}

/* One entry for each file and cgroup; those of which no page was counted are gone. */
static size_t merge(struct pair *pairs, size_t n)
{
	size_t kept = 0, with = 0;

	if (n)
		qsort(pairs, n, sizeof(*pairs), by_file);
	for (size_t i = 0; i < n; i++) {
		if (kept && by_file(&pairs[kept - 1], &pairs[i]) == 0) {
			add_tally(&pairs[kept - 1].part, &pairs[i].part);
			pairs[kept - 1].active = none_add(pairs[kept - 1].active, pairs[i].active);
			pairs[kept - 1].mixed = none_add(pairs[kept - 1].mixed, pairs[i].mixed);
		} else {
			pairs[kept++] = pairs[i];
		}
	}
	for (size_t i = 0; i < kept; i++)
		if (pairs[i].part.pages)
			pairs[with++] = pairs[i];
	if (with)
		qsort(pairs, with, sizeof(*pairs), by_file_and_pages);
	return with;
}

static int cmp_file_share(const void *a, const void *b)
{
	const struct model_file_share *x = a, *y = b;

	if (x->bytes.bytes != y->bytes.bytes)
		return x->bytes.bytes > y->bytes.bytes ? -1 : 1;
	return (x->file > y->file) - (x->file < y->file); /* both in one array, largest first */
}

static int shares(struct model_build *b, const struct pair *pairs, size_t n,
		  const struct count *counts, const uint32_t *from)
{
	struct model *m = b->m;
	struct model_cgroup_share *of_files = arena_alloc(b->arena, (n + 1) * sizeof(*of_files));
	struct model_file_share *of_cgroups = arena_alloc(b->arena, (n + 1) * sizeof(*of_cgroups));
	size_t *next = arena_alloc(b->arena, (m->cgroup_count + 1) * sizeof(*next));
	size_t at = 0;

	if (!of_files || !of_cgroups || !next)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		m->cgroups[pairs[i].cgroup].file_count++;
	for (size_t i = 0; i < m->cgroup_count; i++) {
		m->cgroups[i].files = of_cgroups + at;
		next[i] = at;
		at += m->cgroups[i].file_count;
	}
	for (size_t i = 0; i < n; i++) {
		struct model_file *file = &m->files[pairs[i].file];
		struct estimate e = estimate_share(&b->design, (double)file->cached_bytes,
						   &counts[from[pairs[i].file]].all, &pairs[i].part,
						   pairs[i].mixed);

		of_files[i] = (struct model_cgroup_share){&m->cgroups[pairs[i].cgroup], e};
		if (file->cgroup_count++ == 0)
			file->cgroups = &of_files[i];
		of_cgroups[next[pairs[i].cgroup]++] = (struct model_file_share){
			file, e, e.bytes * (double)pairs[i].active / (double)pairs[i].part.pages};
	}
	for (size_t i = 0; i < m->cgroup_count; i++)
		if (m->cgroups[i].file_count)
			qsort(m->cgroups[i].files, m->cgroups[i].file_count,
			      sizeof(*m->cgroups[i].files), cmp_file_share);
	return 0;
}

/* The path inside the container that most of the file is charged to; where that says nothing, the
 * container whose overlay the file is a part of. */
static void container_paths(struct model_build *b)
{
	struct model *m = b->m;

	for (size_t i = 0; i < m->file_count; i++) {
		struct model_file *file = &m->files[i];
		const char *inside = NULL;

		for (size_t k = 0; k < file->cgroup_count && k < 4 && !inside; k++) {
			uint64_t mntns = b->mntns[file->cgroups[k].cgroup - m->cgroups];

			if (mntns != FACT_NONE)
				inside = paths_inside(b->paths, file->fact, file->path, mntns);
		}
		if (!inside)
			inside = paths_overlay(b->paths, file->path);
		if (inside && strcmp(inside, file->path) != 0)
			file->container_path = inside;
	}
}

/* What the scan found against what meminfo says, each on its own. */
static void residual(struct model_build *b, const struct fact_scan *scan, const struct tally *all)
{
	struct model *m = b->m;
	uint64_t before = FACT_NONE, after = FACT_NONE;

	m->found_bytes = m->found_low = m->found_high = FACT_NONE_F;
	m->residual_bytes = m->residual_low = m->residual_high = FACT_NONE_F;
	m->meminfo_bytes = FACT_NONE_F;
	if (scan) {
		before = scan->meminfo_cached_before_bytes;
		after = scan->meminfo_cached_after_bytes;
	}
	if (before == FACT_NONE && after == FACT_NONE) {
		before = none_add(facts_counter_first(b->f, "meminfo", "Cached"),
				  facts_counter_first(b->f, "meminfo", "Buffers"));
		after = none_add(facts_counter(b->f, "meminfo", "Cached"),
				 facts_counter(b->f, "meminfo", "Buffers"));
	}
	if (before == FACT_NONE)
		before = after;
	if (after == FACT_NONE)
		after = before;
	if (before != FACT_NONE)
		m->meminfo_bytes = ((double)before + (double)after) / 2;
	if (!b->sampled)
		return;
	struct estimate found = estimate_total(&b->design, all);

	m->found_bytes = found.bytes;
	m->found_low = found.low;
	m->found_high = found.high;
	m->residual_bytes = m->meminfo_bytes - found.bytes;
	m->residual_low = m->meminfo_bytes - found.high;
	m->residual_high = m->meminfo_bytes - found.low;
}

struct scratch {
	struct count *counts;	/* by place in the facts */
	uint32_t *place, *from; /* from the facts' order to the model's, and back */
	struct order *order;
	struct pair *pairs;
	size_t pair_count;
};

static uint32_t place_of(const struct lookup *ids, uint64_t id)
{
	return id && id != FACT_NONE ? lookup_get(ids, id, 0, NULL, 0) : 0;
}

static void add_pair(struct scratch *s, uint32_t file, uint32_t cgroup, struct tally part,
		     uint64_t active, uint64_t mixed)
{
	if (file && cgroup)
		s->pairs[s->pair_count++] =
			(struct pair){file - 1, cgroup - 1, part, active, mixed};
}

/* Sums the samples, by place in the facts; all pages into *all. */
static void count_samples(struct model_build *b, const struct lookup *ids, struct scratch *s,
			  struct tally *all)
{
	const struct facts *f = b->f;

	for (size_t i = 0; i < f->cache_samples.count; i++) {
		const struct fact_cache_sample *x = &f->cache_samples.rows[i];
		uint64_t pages = or_zero(x->pages), state = or_zero(x->state);
		uint32_t file = place_of(ids, x->file);

		all->pages = none_add(all->pages, pages);
		if (!file)
			continue;
		struct count *c = &s->counts[file - 1];

		c->all.pages = none_add(c->all.pages, pages);
		if (state & STATE_ACTIVE)
			c->active.pages = none_add(c->active.pages, pages);
		if (state & STATE_DIRTY)
			c->dirty.pages = none_add(c->dirty.pages, pages);
		if (state & STATE_SWAP_BACKED)
			c->swap_backed = true;
		add_pair(s, file, place_of(&b->cgroup_ids, x->cgroup),
			 (struct tally){.pages = pages}, state & STATE_ACTIVE ? pages : 0, 0);
	}
}

/* One side of a pair; other: the state of the other page, when it is of the same file. */
static void count_side(struct count *c, uint64_t n, uint64_t state, const uint64_t *other)
{
	c->all.paired = none_add(c->all.paired, n);
	if (state & STATE_ACTIVE) {
		c->active.paired = none_add(c->active.paired, n);
		if (other && !(*other & STATE_ACTIVE))
			c->mixed_active = none_add(c->mixed_active, n);
	}
	if (state & STATE_DIRTY) {
		c->dirty.paired = none_add(c->dirty.paired, n);
		if (other && !(*other & STATE_DIRTY))
			c->mixed_dirty = none_add(c->mixed_dirty, n);
	}
}

static void count_pair(struct model_build *b, const struct lookup *ids, struct scratch *s,
		       const struct fact_cache_pair *p)
{
	uint64_t n = or_zero(p->pairs), state = or_zero(p->state), state2 = or_zero(p->state2);
	uint32_t file = place_of(ids, p->file), file2 = place_of(ids, p->file2);
	uint32_t cgroup = place_of(&b->cgroup_ids, p->cgroup),
		 cgroup2 = place_of(&b->cgroup_ids, p->cgroup2);
	bool same = file && file == file2;

	if (file)
		count_side(&s->counts[file - 1], n, state, same ? &state2 : NULL);
	if (file2)
		count_side(&s->counts[file2 - 1], n, state2, same ? &state : NULL);
	if (same) {
		struct count *c = &s->counts[file - 1];

		c->all.both = none_add(c->all.both, n);
		if (state & state2 & STATE_ACTIVE)
			c->active.both = none_add(c->active.both, n);
		if (state & state2 & STATE_DIRTY)
			c->dirty.both = none_add(c->dirty.both, n);
	}
	if (same && cgroup == cgroup2) {
		add_pair(s, file, cgroup, (struct tally){.paired = none_mul(n, 2), .both = n}, 0,
			 0);
	} else {
		add_pair(s, file, cgroup, (struct tally){.paired = n}, 0, same ? n : 0);
		add_pair(s, file2, cgroup2, (struct tally){.paired = n}, 0, same ? n : 0);
	}
}

static void count_pairs(struct model_build *b, const struct lookup *ids, struct scratch *s,
			struct tally *all)
{
	const struct facts *f = b->f;

	for (size_t i = 0; b->sampled && b->design.paired && i < f->cache_pairs.count; i++) {
		const struct fact_cache_pair *p = &f->cache_pairs.rows[i];
		uint64_t n = or_zero(p->pairs);
		bool two = p->file2 != FACT_NONE;

		all->paired = none_add(all->paired, two ? none_mul(n, 2) : n);
		if (two)
			all->both = none_add(all->both, n);
		count_pair(b, ids, s, p);
	}
}

static bool side_of_all(void *ctx, uint64_t file, uint64_t cgroup, struct block_side *ret)
{
	*ret = (struct block_side){1, 1};
	return true;
}

static void add_block(void *ctx, uint32_t group, const struct block_part *p)
{
	block_tally(ctx, p);
}

static int build(struct model_build *b, struct scratch *s)
{
	const struct facts *f = b->f;
	struct model *m = b->m;
	size_t n = f->cache_files.count;
	struct tally all = {0};
	struct lookup ids;
	int r;

	b->file_tallies = arena_alloc(b->arena, (n + 1) * sizeof(*b->file_tallies));
	if (!b->file_tallies || lookup_init(&ids, b->arena, n) ||
	    lookup_init(&b->file_ids, b->arena, n))
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		uint32_t *v = lookup_put(&ids, f->cache_files.rows[i].file, 0, NULL, 0);

		if (v && !*v)
			*v = (uint32_t)i + 1;
	}
	m->scanned = b->sampled;
	m->scan_exact = b->sampled && b->design.exact;
	count_samples(b, &ids, s, &all);
	count_pairs(b, &ids, s, &all);
	blocks_each(b, side_of_all, add_block, &all);
	residual(b, f->scan.count ? &f->scan.rows[0] : NULL, &all);
	r = files(b, s->counts, s->place, s->order);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		s->from[s->place[i]] = (uint32_t)i;
	for (size_t i = 0; i < n; i++) {
		uint32_t *v = lookup_put(&b->file_ids, m->files[i].fact->file, 0, NULL, 0);

		if (v && !*v)
			*v = (uint32_t)i + 1;
		b->file_tallies[i] = s->counts[s->from[i]].all;
	}
	if (b->sampled) {
		for (size_t i = 0; i < s->pair_count; i++)
			s->pairs[i].file = s->place[s->pairs[i].file];
		s->pair_count = merge(s->pairs, s->pair_count);
		r = shares(b, s->pairs, s->pair_count, s->counts, s->from);
		if (r < 0)
			return r;
	}
	container_paths(b);
	return 0;
}

int model_build_page_cache(struct model_build *b)
{
	size_t n = b->f->cache_files.count + 1;
	struct scratch s = {
		.counts = calloc(n, sizeof(*s.counts)),
		.place = calloc(n, sizeof(*s.place)),
		.from = calloc(n, sizeof(*s.from)),
		.order = calloc(n, sizeof(*s.order)),
		.pairs = calloc(b->f->cache_samples.count + 2 * b->f->cache_pairs.count + 1,
				sizeof(*s.pairs)),
	};
	int r = -ENOMEM;

	if (s.counts && s.place && s.from && s.order && s.pairs)
		r = build(b, &s);
	free(s.counts);
	free(s.place);
	free(s.from);
	free(s.order);
	free(s.pairs);
	return r;
}
