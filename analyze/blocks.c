/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "blocks.h"

static void one_block(const struct block_side side[4], uint64_t blocks,
		      void (*group)(void *ctx, uint32_t group, const struct block_part *part),
		      void *ctx)
{
	for (size_t i = 0; i < 4; i++) {
		struct block_part part = {.blocks = blocks};
		bool before = false;

		for (size_t k = 0; k < 4; k++) {
			if (side[k].group != side[i].group)
				continue;
			before |= k < i;
			part.pages++;
			part.more += k < 2 ? 1 : -1;
			part.squares += side[k].weight * side[k].weight;
			part.difference += k < 2 ? side[k].weight : -side[k].weight;
		}
		if (side[i].group && !before)
			group(ctx, side[i].group, &part);
	}
}

void blocks_each(const struct model_build *b,
		 bool (*side)(void *ctx, uint64_t file, uint64_t cgroup, struct block_side *ret),
		 void (*group)(void *ctx, uint32_t group, const struct block_part *part), void *ctx)
{
	const struct facts *f = b->f;

	for (size_t i = 0; b->sampled && b->design.blocked && i < f->cache_blocks.count; i++) {
		const struct fact_cache_block *c = &f->cache_blocks.rows[i];
		const uint64_t file[] = {c->file, c->file2, c->file3, c->file4};
		const uint64_t cgroup[] = {c->cgroup, c->cgroup2, c->cgroup3, c->cgroup4};
		struct block_side of[4];

		for (size_t k = 0; k < 4; k++) {
			of[k] = (struct block_side){0};
			/* No file: no page cache. */
			if (file[k] == FACT_NONE || !side(ctx, file[k], or_zero(cgroup[k]), &of[k]))
				of[k] = (struct block_side){0};
		}
		one_block(of, or_zero(c->blocks), group, ctx);
	}
}

void block_tally(struct tally *t, const struct block_part *p)
{
	uint64_t more = (uint64_t)(p->more < 0 ? -p->more : p->more);

	t->blocked = none_add(t->blocked, none_mul(p->blocks, p->pages));
	t->squares = none_add(t->squares, none_mul(p->blocks, more * more));
}
