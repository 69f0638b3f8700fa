/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slab pages that the scan meets: of which cache each is, and a random sample of those of the
 * dentry cache, to be read afterwards (dentries.c).
 *
 * What is drawn is page frames: a slab of four frames is four times as likely to be drawn as one
 * of one frame, be it by a scan of all pages or of a sample, and its objects weigh a quarter.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "decode.h"
#include "kmem.h"

#define SLAB_PICKS 1024u
#define SLAB_CACHES                                                                                \
	4096u /* machines have two to four hundred; where groups have their own, more              \
	       */
#define SLAB_VOTES 48u

struct slab_cache {
	uint64_t addr; /* of the struct kmem_cache; 0: a free slot */
	uint64_t memcg,
		name;	 /* whose cache it is, where groups have their own; of the root's name */
	uint64_t frames; /* that were met */
	uint32_t object_bytes, first, order;
	bool dentries;
};

struct slab_pick {
	uint64_t head; /* address of the slab's first struct page */
	const struct slab_cache *cache;
};

struct slab_sampler {
	struct slab_cache caches[SLAB_CACHES]; /* open addressing */
	uint32_t cache_count;
	struct slab_pick picks[SLAB_PICKS];
	uint64_t frames; /* of the dentry cache that were met */
	uint64_t random;
	/* Where the kernel maps page frame 0, as lists of free objects within their slabs tell. */
	uint64_t votes[SLAB_VOTES];
	uint32_t vote_count, vote_tries;
};

/* The cache of the slab whose head's bytes are page and whose address is addr; NULL: not known. */
struct slab_cache *slabs_look(struct slab_sampler *t, struct kmem_source *s,
			      const struct kmem_layout *l, const unsigned char *page,
			      uint64_t addr);
/* One more frame of that slab was met. */
void slabs_count(struct slab_sampler *t, struct slab_cache *cache, uint64_t head);
/* The kernel's address of page frame 0.  False: too few slabs agree. */
bool slabs_direct_map(const struct slab_sampler *t, uint64_t *ret);
uint32_t slabs_picks(const struct slab_sampler *t);
