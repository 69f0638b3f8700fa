/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the head of a socket buffer lies.  Data that a process sends is in slab; what a network
 * card received is often in fragments of pages (napi_alloc_skb()) or in a page pool's page
 * (napi_build_skb()), and no counter has those.  The page is found by the address, which takes the
 * kernel's address of page frame 0; slabs tell it (kmem/slabs.h).  Source: net/core/skbuff.c
 */
#include <errno.h>
#include <stdlib.h>

#include "../base/cleanup.h"
#include "../kmem/slabs.h"
#include "../kmem/walk.h"
#include "object_walk.h"

#define FRAMES_AT_ONCE 64u
#define FRAMES_MAX 65536u
#define VOTES_WANTED 12u

static uint64_t random_frame(const struct object_walk *w, uint64_t total, uint64_t *random)
{
	uint64_t n = (uint64_t)(((__uint128_t)next_random(random) * total) >> 64);

	for (size_t i = 0; i < w->s->range_count; i++) {
		uint64_t size = w->s->ranges[i].end_pfn - w->s->ranges[i].start_pfn;

		if (n < size)
			return w->s->ranges[i].start_pfn + n;
		n -= size;
	}
	return w->s->ranges[0].start_pfn;
}

static void look_at(struct object_walk *w, struct slab_sampler *t, const uint64_t *addr,
		    unsigned char *pages)
{
	size_t size = w->s->page_struct_size, faults;
	uint64_t mapping;

	if (kmem_gather(w->s, addr, FRAMES_AT_ONCE, size, pages, &faults) < 0)
		return;
	for (size_t i = 0; i < FRAMES_AT_ONCE; i++) {
		const unsigned char *page = pages + i * size;

		if (!page_head(w->l, page, addr[i]) &&
		    page_classify(w->l, page, NULL, &mapping) == KIND_SLAB)
			slabs_look(t, w->s, w->l, page, addr[i]);
	}
}

void object_heads_init(struct object_walk *w)
{
	struct slab_sampler *t = calloc(1, sizeof(*t));
	unsigned char *pages = malloc(FRAMES_AT_ONCE * w->s->page_struct_size);
	uint64_t total = kmem_page_count(w->s), random = w->seed | 1, addr[FRAMES_AT_ONCE];

	if (!t || !pages || !total || !w->s->range_count)
		goto out;
	t->random = random;
	for (unsigned n = 0; n < FRAMES_MAX && t->vote_count < VOTES_WANTED; n += FRAMES_AT_ONCE) {
		for (unsigned i = 0; i < FRAMES_AT_ONCE; i++)
			addr[i] = kmem_page_addr(w->s, random_frame(w, total, &random));
		look_at(w, t, addr, pages);
	}
	w->has_direct_map = slabs_direct_map(t, &w->direct_map);
out:
	free(pages);
	free(t);
}

enum page_owner object_head_owner(struct object_walk *w, uint64_t head)
{
	uint64_t pfn = (head - w->direct_map) / w->s->page_size;

	if (!w->has_direct_map || head < w->direct_map)
		return PAGE_OF_SLAB;
	for (size_t i = 0; i < w->s->range_count; i++)
		if (pfn >= w->s->ranges[i].start_pfn && pfn < w->s->ranges[i].end_pfn)
			return object_page_owner(w, kmem_page_addr(w->s, pfn));
	return PAGE_OF_SLAB;
}
