/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "slabs.h"

#include <string.h>

#include "walk.h"

#define NAME 32
/* Reads for votes at most: on a machine whose slabs are all full none would ever come. */
#define VOTE_TRIES 4096
/* This part of the votes, of at least so many, must agree. */
#define VOTES_LEAST 4

static bool is_named(struct kmem_source *s, uint64_t addr, const char *name)
{
	char text[NAME];
	size_t len = strlen(name) + 1;

	return len <= sizeof(text) && kmem_read(s, addr, text, len) == 0 &&
	       !memcmp(text, name, len);
}

/* Of a group's own cache whose it is; then the cache that it is a copy of has the name. */
static uint64_t root_of(struct kmem_source *s, const struct kmem_layout *l, struct slab_cache *c)
{
	uint64_t root = 0, memcg = 0;

	if (!field_present(l->slab.memcg) || !field_present(l->slab.root_cache) ||
	    kmem_read(s, c->addr + l->slab.root_cache.offset, &root, sizeof(root)) < 0 ||
	    !plausible_object(root) ||
	    kmem_read(s, c->addr + l->slab.memcg.offset, &memcg, sizeof(memcg)) < 0 ||
	    !plausible_object(memcg))
		return c->addr;
	c->memcg = memcg;
	return root;
}

/* A new cache's figures; whatever cannot be read leaves it one of no interest. */
static void describe(struct kmem_source *s, const struct kmem_layout *l, struct slab_cache *c)
{
	uint32_t size = 0, oo = 0, pad = 0;

	if (!field_present(l->slab.name) ||
	    kmem_read(s, root_of(s, l, c) + l->slab.name.offset, &c->name, sizeof(c->name)) < 0)
		return;
	if (!field_present(l->slab.size) || !field_present(l->slab.oo) ||
	    !is_named(s, c->name, "dentry") ||
	    kmem_read(s, c->addr + l->slab.size.offset, &size, sizeof(size)) < 0 ||
	    kmem_read(s, c->addr + l->slab.oo.offset, &oo, sizeof(oo)) < 0)
		return;
	if (field_present(l->slab.red_left_pad) &&
	    kmem_read(s, c->addr + l->slab.red_left_pad.offset, &pad, sizeof(pad)) < 0)
		return;
	/* oo: order << 16 | objects.  Source: mm/slub.c, OO_SHIFT */
	if (size < l->dentry.size || size > 4096 || oo >> 16 > 3 || pad >= size)
		return;
	c->object_bytes = size;
	c->first = pad;
	c->order = oo >> 16;
	c->dentries = true;
}

static struct slab_cache *find_cache(struct slab_sampler *t, struct kmem_source *s,
				     const struct kmem_layout *l, uint64_t addr)
{
	for (uint64_t i = addr * 0x9e3779b97f4a7c15ULL >> 40;; i++) {
		struct slab_cache *c = &t->caches[i % SLAB_CACHES];

		if (c->addr == addr)
			return c;
		if (c->addr)
			continue;
		if (t->cache_count >= SLAB_CACHES / 4 * 3)
			return NULL;
		t->cache_count++;
		*c = (struct slab_cache){.addr = addr};
		describe(s, l, c);
		return c;
	}
}

/* The list of free objects of a slab of one frame begins within that frame. */
static void vote(struct slab_sampler *t, struct kmem_source *s, const struct kmem_layout *l,
		 const unsigned char *page, uint64_t addr)
{
	uint64_t pfn = (addr - s->vmemmap_base) / s->page_struct_size, list;

	if (t->vote_count == SLAB_VOTES || t->vote_tries == VOTE_TRIES ||
	    !field_present(l->slab.freelist) || page_word(page, l->page.flags) & l->flags.head)
		return;
	t->vote_tries++;
	if (kmem_read(s, addr + l->slab.freelist.offset, &list, sizeof(list)) < 0 ||
	    !plausible_object(list))
		return;
	t->votes[t->vote_count++] = (list & ~(uint64_t)(s->page_size - 1)) - pfn * s->page_size;
}

struct slab_cache *slabs_look(struct slab_sampler *t, struct kmem_source *s,
			      const struct kmem_layout *l, const unsigned char *page, uint64_t addr)
{
	struct slab_cache *c;
	uint64_t cache;

	if (!field_present(l->slab.cache))
		return NULL;
	cache = page_word(page, l->slab.cache);
	if (!plausible_object(cache))
		return NULL;
	c = find_cache(t, s, l, cache);
	if (c)
		vote(t, s, l, page, addr);
	return c;
}

void slabs_count(struct slab_sampler *t, struct slab_cache *cache, uint64_t head)
{
	uint64_t at = t->frames;

	if (!cache)
		return;
	cache->frames++;
	if (!cache->dentries)
		return;
	t->frames++;
	/* Each of the n seen so far is among the picks with the same probability. */
	if (at >= SLAB_PICKS) {
		at = (uint64_t)(((__uint128_t)next_random(&t->random) * t->frames) >> 64);
		if (at >= SLAB_PICKS)
			return;
	}
	t->picks[at] = (struct slab_pick){head, cache};
}

uint32_t slabs_picks(const struct slab_sampler *t)
{
	return t->frames < SLAB_PICKS ? (uint32_t)t->frames : SLAB_PICKS;
}

bool slabs_direct_map(const struct slab_sampler *t, uint64_t *ret)
{
	for (uint32_t i = 0; i < t->vote_count; i++) {
		uint32_t same = 0;

		for (uint32_t k = 0; k < t->vote_count; k++)
			same += t->votes[k] == t->votes[i];
		if (same >= VOTES_LEAST && same > t->vote_count / 2) {
			*ret = t->votes[i];
			return true;
		}
	}
	return false;
}
