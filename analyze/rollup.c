/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rollup.h"

#include "blocks.h"

static bool sure(const struct model_build *b, size_t i)
{
	return !b->sampled || b->design.exact ||
	       (double)b->m->files[i].cached_bytes >=
		       SURELY_FOUND * b->design.population / b->design.draws * (double)b->page_size;
}

/* Files that each sampled page stands for, in units of one_in. */
static double weight(const struct model_build *b, size_t i)
{
	return (double)b->page_size / (double)b->m->files[i].cached_bytes;
}

void rollup_file(struct model_build *b, struct rollup *r, size_t i)
{
	uint64_t bytes = b->m->files[i].cached_bytes;

	r->files++;
	r->bytes = none_add(r->bytes, bytes);
	if (sure(b, i)) {
		r->sure_files++;
		r->sure_bytes = none_add(r->sure_bytes, bytes);
		return;
	}
	if (bytes == 0)
		return;
	const struct tally *t = &b->file_tallies[i];
	double w = weight(b, i);

	r->small.pages = none_add(r->small.pages, t->pages);
	if (t->pages)
		r->weighted.largest = fmax(r->weighted.largest, w);
	r->weighted.pages += (double)t->pages;
	r->weighted.sum += (double)t->pages * w;
	r->weighted.squares += (double)t->pages * w * w;
}

static uint32_t small_place(const struct model_build *b, uint64_t file)
{
	uint32_t v = file && file != FACT_NONE ? lookup_get(&b->file_ids, file, 0, NULL, 0) : 0;

	return v && !sure(b, v - 1) && b->m->files[v - 1].cached_bytes ? v : 0;
}

struct rollup_blocks {
	const struct model_build *b;
	struct rollup *rows;
	size_t stride;
	const uint32_t *group_of;
};

static struct rollup *rollup_at(struct rollup *rows, size_t stride, uint32_t group)
{
	return (struct rollup *)(void *)((char *)rows + (group - 1) * stride);
}

static bool side_of_file(void *ctx, uint64_t file, uint64_t cgroup, struct block_side *ret)
{
	const struct rollup_blocks *c = ctx;
	uint32_t place = small_place(c->b, file);

	ret->group = place ? c->group_of[place - 1] : 0;
	if (ret->group)
		ret->weight = weight(c->b, place - 1);
	return ret->group;
}

static void add_block(void *ctx, uint32_t group, const struct block_part *p)
{
	const struct rollup_blocks *c = ctx;
	struct rollup *r = rollup_at(c->rows, c->stride, group);

	block_tally(&r->small, p);
	r->weighted.blocked_squares += (double)p->blocks * p->squares;
	r->weighted.differences += (double)p->blocks * p->difference * p->difference;
}

void rollup_pairs(struct model_build *b, struct rollup *rows, size_t stride,
		  const uint32_t *group_of)
{
	if (!b->sampled || !b->design.paired)
		return;
	for (size_t i = 0; i < b->f->cache_pairs.count; i++) {
		const struct fact_cache_pair *p = &b->f->cache_pairs.rows[i];
		const uint32_t file[] = {small_place(b, p->file), small_place(b, p->file2)};
		struct rollup *r[2] = {0};
		double w[2] = {0};

		for (size_t k = 0; k < 2; k++) {
			uint32_t group = file[k] ? group_of[file[k] - 1] : 0;

			if (!group)
				continue;
			r[k] = rollup_at(rows, stride, group);
			w[k] = weight(b, file[k] - 1);
			r[k]->small.paired = none_add(r[k]->small.paired, or_zero(p->pairs));
			r[k]->weighted.paired_squares += (double)or_zero(p->pairs) * w[k] * w[k];
		}
		if (r[0] && r[0] == r[1]) {
			r[0]->small.both = none_add(r[0]->small.both, or_zero(p->pairs));
			r[0]->weighted.products += (double)or_zero(p->pairs) * w[0] * w[1];
		}
	}
	blocks_each(b, side_of_file, add_block, &(struct rollup_blocks){b, rows, stride, group_of});
}

static struct estimate at_least(struct estimate e, double sure_part, double found)
{
	e.bytes = fmax(e.bytes + sure_part, found);
	e.low = fmax(e.low + sure_part, found);
	e.high = fmax(e.high + sure_part, e.bytes);
	return e;
}

struct estimate rollup_files(const struct model_build *b, const struct rollup *r)
{
	if (r->sure_files == r->files && (!b->sampled || b->design.exact))
		return estimate_exact((double)r->files);
	return at_least(estimate_weighted(&b->design, &r->weighted, !r->sure_files),
			(double)r->sure_files, (double)r->files);
}

struct estimate rollup_bytes(const struct model_build *b, const struct rollup *r)
{
	if (r->sure_files == r->files && (!b->sampled || b->design.exact))
		return estimate_exact((double)r->bytes);
	if (!r->small.pages)
		return at_least(estimate_exact(0), (double)r->sure_bytes, (double)r->bytes);
	struct estimate e = r->sure_files ? estimate_total(&b->design, &r->small)
					  : estimate_found(&b->design, &r->small);

	return at_least(e, (double)r->sure_bytes, (double)r->bytes);
}
