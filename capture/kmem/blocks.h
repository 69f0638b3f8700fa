/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which four pages a batch of a sampled scan took together of one block: what the analyzer needs to
 * know how far the sums of a scan that was stopped may be off (analyze/estimate.h).  Of a large
 * machine only some blocks are kept, as many as there is room for; which ones depends on their
 * place, not on what they hold.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block_entry {
	uint64_t side[4]; /* keys of samples without their state, those of a pair side by side */
	uint64_t blocks;  /* 0: an empty slot */
};

struct block_table {
	struct block_entry *slots; /* open addressing; NULL: not wanted */
	uint32_t size, max, count; /* size doubles up to max */
	uint64_t one_in;	   /* of the blocks of which two pairs were drawn */
	uint64_t dropped;	   /* kept ones without room */
};

/* expected: blocks that will be visited; each may be unlike all others.  -ENOMEM or 0. */
int blocks_init(struct block_table *t, size_t memory, uint64_t expected);
void blocks_deinit(struct block_table *t);

/* The pairs of a block, and the pages of a pair, have no order.  0: no page cache. */
void blocks_add(struct block_table *t, const uint64_t side[4]);

/* Is what a batch took of that block to be kept? */
static inline bool blocks_keep(const struct block_table *t, uint64_t block, uint64_t batch)
{
	uint64_t h = (block ^ batch << 40) * 0x9e3779b97f4a7c15ULL;

	return t->one_in == 1 || (h ^ h >> 29) % t->one_in == 0;
}
