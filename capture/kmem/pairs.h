/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which sampled pages stood together in one stratum: what the analyzer needs to know how far the
 * sums of a sample may be off (analyze/estimate.h).  Of a large machine only some pairs are kept,
 * as many as there is room for; which ones depends on their place, not on what they are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pair_entry {
	uint64_t a, b; /* keys of samples, a >= b; b 0: the other page is no page cache */
	uint64_t pairs;
};

struct pair_table {
	struct pair_entry *slots;  /* open addressing; a 0: empty */
	uint32_t size, max, count; /* size doubles up to max */
	uint64_t one_in;	   /* of the pairs that were drawn */
	uint64_t dropped;	   /* kept ones without room */
};

/* expected: pairs that will be drawn; each may be unlike all others.  -ENOMEM or 0. */
int pairs_init(struct pair_table *t, size_t memory, uint64_t expected);
void pairs_deinit(struct pair_table *t);
void pairs_add(struct pair_table *t, uint64_t a, uint64_t b);

/* Is the pair at that place one to keep? */
static inline bool pairs_keep(const struct pair_table *t, uint64_t place)
{
	uint64_t h = place * 0x9e3779b97f4a7c15ULL;

	return t->one_in == 1 || (h ^ h >> 29) % t->one_in == 0;
}
