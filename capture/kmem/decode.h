/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one struct page says.  The same for every source; pure functions of bytes and layout. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

/* What a page frame is.  The names are those of page_types.tsv. */
enum page_kind {
	KIND_FREE, /* in no list that marks it, but with no reference: inside a buddy block */
	KIND_BUDDY,
	KIND_SLAB,
	KIND_PAGE_TABLE,
	KIND_ANON,
	KIND_FILE,
	KIND_SHMEM,
	KIND_SWAP_CACHE,
	KIND_RESERVED,
	KIND_OFFLINE,
	KIND_HUGETLB,
	KIND_ZSMALLOC,
	KIND_MOVABLE,
	KIND_UNACCEPTED,
	KIND_GUARD,
	KIND_LARGE_KMALLOC,
	KIND_PAGE_POOL, /* of a network device's receive queue, or in a buffer that came from there
			 */
	KIND_OTHER,	/* allocated, and the kernel does not mark for what */
	KIND_UNKNOWN,	/* the structure made no sense, e.g. it changed while it was read */
	KIND_COUNT,
	KIND_MAPPED = KIND_COUNT, /* has an address_space: to be looked at */
};
const char *page_kind_name(enum page_kind k);

/* The state bits of page_cache_samples.tsv. */
enum page_state {
	STATE_ACTIVE = 1,
	STATE_DIRTY = 2,
	STATE_WRITEBACK = 4,
	STATE_SWAPBACKED = 8,
	STATE_UNEVICTABLE = 16,
	STATE_MAPPED = 32,
	STATE_TAIL = 64,
};

static inline uint64_t page_word(const unsigned char *page, struct kmem_field f)
{
	uint64_t v;

	memcpy(&v, page + f.offset, sizeof(v));
	return v;
}

static inline uint32_t page_half(const unsigned char *page, struct kmem_field f)
{
	uint32_t v;

	memcpy(&v, page + f.offset, sizeof(v));
	return v;
}

/* A kernel address that could be an object: not a poison pattern, not user space.  The kernel's
 * half begins at 0xff00… with five levels of page tables, as it does on arm64 with 52 bits. */
static inline bool plausible_object(uint64_t p)
{
	return p >> 56 == 0xff && !(p & 7);
}

/* A tail's head, or 0 when page is not a tail.  addr: where page lies in the kernel. */
static inline uint64_t page_head(const struct kmem_layout *l, const unsigned char *page,
				 uint64_t addr)
{
	uint64_t info = page_word(page, l->page.compound_head), low;

	if (!(info & 1))
		return 0;
	info &= ~1ULL;
	low = ~info;
	/* ≥ 7.1: instead of a pointer a mask that leads from any tail to its head. */
	if (l->page.compound_info && !((low | 1) & ((low | 1) + 1)) && low < (1ULL << 32))
		return addr & info;
	return info;
}

/* A page of a page pool (net/core/page_pool.c), which its mark tells while it has no file. */
bool page_is_pool(const struct kmem_layout *l, const unsigned char *page);

/*
 * What a page that is not a tail is.  KIND_MAPPED: *ret_mapping is what may be its address_space.
 * next is the struct page that follows it, or NULL when it is not at hand.
 */
enum page_kind page_classify(const struct kmem_layout *l, const unsigned char *page,
			     const unsigned char *next, uint64_t *ret_mapping);

/* State bits (without STATE_TAIL) of a head or single page. */
unsigned page_state_bits(const struct kmem_layout *l, const unsigned char *page,
			 const unsigned char *next);
