/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decode.h"

#include <stddef.h>

#define MAPPING_ANON 1u	   /* low bits of page.mapping */
#define TYPE_BELOW (-128)  /* page_type and _mapcount share a word: PAGE_MAPCOUNT_RESERVE */
#define MAPPING_MOVABLE 2u /* ≤ 6.17; together with ANON: KSM */

static const char *const names[KIND_COUNT] = {
	[KIND_FREE] = "free",		[KIND_BUDDY] = "buddy",
	[KIND_SLAB] = "slab",		[KIND_PAGE_TABLE] = "page-table",
	[KIND_ANON] = "anon",		[KIND_FILE] = "file",
	[KIND_SHMEM] = "shmem",		[KIND_SWAP_CACHE] = "swap-cache",
	[KIND_RESERVED] = "reserved",	[KIND_OFFLINE] = "offline",
	[KIND_HUGETLB] = "hugetlb",	[KIND_ZSMALLOC] = "zsmalloc",
	[KIND_MOVABLE] = "movable",	[KIND_UNACCEPTED] = "unaccepted",
	[KIND_GUARD] = "guard",		[KIND_LARGE_KMALLOC] = "large-kmalloc",
	[KIND_PAGE_POOL] = "page-pool", [KIND_OTHER] = "other",
	[KIND_UNKNOWN] = "unknown",
};

const char *page_kind_name(enum page_kind k)
{
	return k < KIND_COUNT ? names[k] : "unknown";
}

static enum page_kind typed_byte(const struct kmem_page_types *t, uint32_t type)
{
	type >>= 24;
	if (type == t->buddy)
		return KIND_BUDDY;
	if (type == t->slab)
		return KIND_SLAB;
	if (type == t->table)
		return KIND_PAGE_TABLE;
	if (type == t->offline)
		return KIND_OFFLINE;
	if (type == t->hugetlb)
		return KIND_HUGETLB;
	if (type == t->zsmalloc)
		return KIND_ZSMALLOC;
	if (type == t->guard)
		return KIND_GUARD;
	if (type == t->unaccepted)
		return KIND_UNACCEPTED;
	if (type == t->large_kmalloc)
		return KIND_LARGE_KMALLOC;
	if (type == t->netpp)
		return KIND_PAGE_POOL;
	return KIND_COUNT;
}

static bool cleared(const struct kmem_page_types *t, uint32_t type, uint32_t bit)
{
	return bit && (type & (t->base | bit)) == t->base;
}

static enum page_kind typed_bits(const struct kmem_page_types *t, uint32_t type)
{
	if (cleared(t, type, t->buddy))
		return KIND_BUDDY;
	if (cleared(t, type, t->slab))
		return KIND_SLAB;
	if (cleared(t, type, t->table))
		return KIND_PAGE_TABLE;
	if (cleared(t, type, t->offline))
		return KIND_OFFLINE;
	if (cleared(t, type, t->hugetlb))
		return KIND_HUGETLB;
	if (cleared(t, type, t->zsmalloc))
		return KIND_ZSMALLOC;
	if (cleared(t, type, t->guard))
		return KIND_GUARD;
	return KIND_COUNT;
}

/* Before hugetlb was a page type (6.9) its mark stood in the second page. */
static bool hugetlb_head(const struct kmem_layout *l, const unsigned char *page,
			 const unsigned char *next, uint64_t flags)
{
	if (l->types.hugetlb || !next || !(flags & l->flags.head))
		return false;
	if (l->flags.hugetlb && field_present(l->folio.flags_1))
		return page_word(page, l->folio.flags_1) & l->flags.hugetlb;
	if (field_present(l->folio.compound_dtor) && l->hugetlb_dtor != KMEM_ABSENT)
		return field_get(page, l->folio.compound_dtor) == l->hugetlb_dtor;
	return false;
}

/*
 * PP_SIGNATURE (include/linux/poison.h): 0x40 above an address that is none.  Since 6.16 the number
 * of the page's DMA mapping stands between the two (PP_DMA_INDEX_MASK); the two lowest bits are not
 * the pool's.
 */
#define PP_SIGNATURE 0xdead000000000040ULL
#define PP_NOT_SIGNATURE (0xffffffffULL << 7 | 3)

bool page_is_pool(const struct kmem_layout *l, const unsigned char *page)
{
	if (!field_present(l->page.pp_magic))
		return false;
	return (page_word(page, l->page.pp_magic) & ~PP_NOT_SIGNATURE) == PP_SIGNATURE;
}

enum page_kind page_classify(const struct kmem_layout *l, const unsigned char *page,
			     const unsigned char *next, uint64_t *ret_mapping)
{
	uint64_t flags = page_word(page, l->page.flags);
	uint64_t mapping = page_word(page, l->page.mapping);
	uint32_t type = page_half(page, l->page.page_type);

	if (flags == UINT64_MAX) /* poisoned: this struct page was never set up */
		return KIND_UNKNOWN;
	if (flags & l->flags.reserved)
		return KIND_RESERVED;
	if ((int32_t)type < TYPE_BELOW) {
		enum page_kind k = l->types.form == PAGE_TYPE_BYTE ? typed_byte(&l->types, type)
								   : typed_bits(&l->types, type);

		if (k != KIND_COUNT)
			return k;
	}
	if (flags & l->flags.slab)
		return KIND_SLAB;
	if (hugetlb_head(l, page, next, flags))
		return KIND_HUGETLB;
	if (mapping & MAPPING_ANON)
		return flags & l->flags.swapcache && type == UINT32_MAX ? KIND_SWAP_CACHE
									: KIND_ANON;
	if (mapping & MAPPING_MOVABLE)
		return KIND_MOVABLE;
	if (plausible_object(mapping)) {
		*ret_mapping = mapping;
		return KIND_MAPPED;
	}
	if (!page_half(page, l->page.refcount))
		return KIND_FREE;
	if (flags & l->flags.swapcache && flags & l->flags.swapbacked && flags & l->flags.lru)
		return KIND_SWAP_CACHE;
	return page_is_pool(l, page) ? KIND_PAGE_POOL : KIND_OTHER;
}

static bool mapped(const struct kmem_layout *l, const unsigned char *page,
		   const unsigned char *next, uint64_t flags)
{
	if ((int32_t)page_half(page, l->page.mapcount) >= 0)
		return true;
	if (!(flags & l->flags.head) || !next)
		return false;
	if (field_present(l->folio.large_mapcount))
		return (int32_t)page_half(page, l->folio.large_mapcount) >= 0;
	if (field_present(l->folio.nr_pages_mapped))
		return (int32_t)page_half(page, l->folio.nr_pages_mapped) > 0;
	if (field_present(l->folio.compound_mapcount))
		return (int32_t)page_half(page, l->folio.compound_mapcount) >= 0;
	return false;
}

unsigned page_state_bits(const struct kmem_layout *l, const unsigned char *page,
			 const unsigned char *next)
{
	uint64_t flags = page_word(page, l->page.flags);
	unsigned bits = 0;

	if (flags & l->flags.active)
		bits |= STATE_ACTIVE;
	if (flags & l->flags.dirty)
		bits |= STATE_DIRTY;
	if (flags & l->flags.writeback)
		bits |= STATE_WRITEBACK;
	if (flags & l->flags.swapbacked)
		bits |= STATE_SWAPBACKED;
	if (flags & l->flags.unevictable)
		bits |= STATE_UNEVICTABLE;
	if (mapped(l, page, next, flags))
		bits |= STATE_MAPPED;
	return bits;
}
