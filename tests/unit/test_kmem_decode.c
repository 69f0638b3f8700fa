/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one struct page says, in the forms that kernels have given it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kmem_world.h"
#include "../../capture/kmem/decode.h"

static enum page_kind kind(const struct kmem_layout *l, struct w_page p)
{
	uint64_t mapping;

	return page_classify(l, (unsigned char *)&p, NULL, &mapping);
}

static void test_byte_types(void **state)
{
	struct kmem_layout l;

	world_layout(&l);
	assert_int_equal(kind(&l, (struct w_page){.mapcount = 0xf0000000}), KIND_BUDDY);
	assert_int_equal(kind(&l, (struct w_page){.mapcount = 0xf1ffffff}), KIND_OFFLINE);
	assert_int_equal(kind(&l, (struct w_page){.mapcount = 0xf2000000}), KIND_PAGE_TABLE);
	assert_int_equal(kind(&l, (struct w_page){.mapcount = 0xf5000020, .refcount = 1}),
			 KIND_SLAB);
	/* Not a type: no mapcount, one mapping, and an underflow. */
	assert_int_equal(kind(&l, (struct w_page){.mapcount = ~0u}), KIND_FREE);
	assert_int_equal(kind(&l, (struct w_page){.mapcount = ~0u, .refcount = 1}), KIND_OTHER);
	assert_int_equal(kind(&l, (struct w_page){.mapcount = 0, .refcount = 1}), KIND_OTHER);
}

static void test_bit_types(void **state)
{
	struct kmem_layout l;

	world_layout(&l);
	l.types = (struct kmem_page_types){.form = PAGE_TYPE_BITS,
					   .base = 0xf0000000,
					   .buddy = 0x80,
					   .offline = 0x100,
					   .table = 0x200,
					   .guard = 0x400};
	l.flags.slab = 1 << 9;
	assert_int_equal(kind(&l, (struct w_page){.mapcount = ~0x80u}), KIND_BUDDY);
	assert_int_equal(kind(&l, (struct w_page){.mapcount = ~0x100u}), KIND_OFFLINE);
	assert_int_equal(kind(&l, (struct w_page){.mapcount = ~0x200u}), KIND_PAGE_TABLE);
	assert_int_equal(kind(&l, (struct w_page){.mapcount = ~0u}), KIND_FREE);
	assert_int_equal(kind(&l, (struct w_page){.mapcount = 5, .refcount = 1}), KIND_OTHER);
	assert_int_equal(kind(&l, (struct w_page){.flags = 1 << 9, .mapcount = ~0u, .refcount = 1}),
			 KIND_SLAB);
}

static void test_mappings(void **state)
{
	struct kmem_layout l;
	uint64_t m = 0xffff888012345678ULL, five = 0xff11000012345678ULL, got = 0;
	struct w_page p = {.mapping = five, .mapcount = ~0u, .refcount = 1};

	world_layout(&l);
	assert_int_equal(kind(&l, (struct w_page){.mapping = m, .mapcount = ~0u}), KIND_MAPPED);
	assert_int_equal(page_classify(&l, (unsigned char *)&p, NULL, &got), KIND_MAPPED);
	assert_true(got == five);
	assert_int_equal(kind(&l, (struct w_page){.mapping = m | 1, .mapcount = 0}), KIND_ANON);
	assert_int_equal(kind(&l, (struct w_page){.mapping = m | 3, .mapcount = 0}), KIND_ANON);
	assert_int_equal(kind(&l, (struct w_page){.mapping = m | 2, .mapcount = ~0u}),
			 KIND_MOVABLE);
	assert_int_equal(kind(&l, (struct w_page){.mapping = 0x7fff00001000, .mapcount = ~0u}),
			 KIND_FREE);
	/* Swap cache: anonymous and not mapped any more, or shared memory that left its file. */
	assert_int_equal(
		kind(&l, (struct w_page){.mapping = m | 1, .mapcount = ~0u, .flags = 1 << 10}),
		KIND_SWAP_CACHE);
	assert_int_equal(kind(&l, (struct w_page){.mapcount = ~0u,
						  .refcount = 1,
						  .flags = 1 << 10 | W_SWAPBACKED | W_LRU}),
			 KIND_SWAP_CACHE);
	/* A struct page that was never set up, in both ways a kernel leaves it. */
	assert_int_equal(kind(&l, (struct w_page){.flags = UINT64_MAX}), KIND_UNKNOWN);
	assert_int_equal(kind(&l, (struct w_page){0}), KIND_FREE);
}

/* include/linux/poison.h: PP_SIGNATURE; 6.16 puts the number of the mapping above it. */
static void test_page_pool(void **state)
{
	struct kmem_layout l;
	struct w_page p = {.compound_head = 0xdead000000000040, .mapcount = ~0u, .refcount = 1};

	world_layout(&l);
	assert_int_equal(kind(&l, p), KIND_PAGE_POOL);
	p.compound_head = 0xdead000000000040 | 0x1234567ULL << 7;
	assert_int_equal(kind(&l, p), KIND_PAGE_POOL);
	p.mapcount = 3;
	assert_int_equal(kind(&l, p), KIND_PAGE_POOL);
	/* Given back, the mark forgotten; then the poison of two lists. */
	p.refcount = 0;
	assert_int_equal(kind(&l, p), KIND_FREE);
	p.refcount = 1;
	p.compound_head = 0xdead000000000100;
	assert_int_equal(kind(&l, p), KIND_OTHER);
	p.compound_head = 0xdead000000000122;
	assert_int_equal(kind(&l, p), KIND_OTHER);
	p.compound_head = 0xdead000000000040;
	l.page.pp_magic.offset = KMEM_ABSENT;
	assert_int_equal(kind(&l, p), KIND_OTHER);
	/* A type of its own. */
	l.types.netpp = 0xfa;
	assert_int_equal(kind(&l, (struct w_page){.mapcount = 0xfa000000, .refcount = 1}),
			 KIND_PAGE_POOL);
}

static void test_heads(void **state)
{
	struct kmem_layout l;
	uint64_t head = W_VMEMMAP + 512 * 64, addr = head + 77 * 64;
	struct w_page p = {.compound_head = head | 1};

	world_layout(&l);
	assert_true(page_head(&l, (unsigned char *)&p, addr) == head);
	p.compound_head = 0xffff888000000000ULL; /* lru.next: not a tail */
	assert_true(page_head(&l, (unsigned char *)&p, addr) == 0);
	/* ≥ 7.1: a mask, but only where BTF says that there may be one. */
	p.compound_head = ~(512ULL * 64 - 1) | 1;
	l.page.compound_info = true;
	assert_true(page_head(&l, (unsigned char *)&p, addr) == head);
	p.compound_head = head | 1; /* and a pointer still is one */
	assert_true(page_head(&l, (unsigned char *)&p, addr) == head);
	p.compound_head = 0xfffffffffffffffeULL | 1; /* order 0 has no tails; the mask is empty */
	assert_true(page_head(&l, (unsigned char *)&p, addr) == addr);
}

static void test_mapped_of_large_folios(void **state)
{
	struct kmem_layout l;
	struct w_page p[2] = {{.flags = W_HEAD, .mapcount = ~0u}, {.mapcount = ~0u}};
	const unsigned char *head = (unsigned char *)&p[0], *next = (unsigned char *)&p[1];

	world_layout(&l);
	assert_false(page_state_bits(&l, head, next) & STATE_MAPPED);
	p[0].mapcount = 0;
	assert_true(page_state_bits(&l, head, next) & STATE_MAPPED);
	p[0].mapcount = ~0u;
	l.folio.large_mapcount = (struct kmem_field){80, 4}; /* page[1] */
	((uint32_t *)p)[20] = ~0u;
	assert_false(page_state_bits(&l, head, next) & STATE_MAPPED);
	((uint32_t *)p)[20] = 0;
	assert_true(page_state_bits(&l, head, next) & STATE_MAPPED);
	assert_false(page_state_bits(&l, head, NULL) & STATE_MAPPED);
	l.folio.large_mapcount = W_ABSENT;
	l.folio.nr_pages_mapped = (struct kmem_field){80, 4};
	assert_false(page_state_bits(&l, head, next) & STATE_MAPPED);
	((uint32_t *)p)[20] = 3;
	assert_true(page_state_bits(&l, head, next) & STATE_MAPPED);
}

static void test_hugetlb_before_it_was_a_type(void **state)
{
	struct kmem_layout l;
	struct w_page p[2] = {{.flags = W_HEAD, .mapcount = ~0u, .refcount = 1}, {.flags = 0}};
	uint64_t mapping;

	world_layout(&l);
	l.types = (struct kmem_page_types){.form = PAGE_TYPE_BITS, .base = 0xf0000000};
	l.hugetlb_dtor = 2;
	l.folio.compound_dtor = (struct kmem_field){64 + 16, 1};
	((unsigned char *)p)[64 + 16] = 2;
	assert_int_equal(page_classify(&l, (unsigned char *)p, (unsigned char *)&p[1], &mapping),
			 KIND_HUGETLB);
	((unsigned char *)p)[64 + 16] = 1;
	assert_int_equal(page_classify(&l, (unsigned char *)p, (unsigned char *)&p[1], &mapping),
			 KIND_OTHER);
	l.flags.hugetlb = 1 << 8;
	l.folio.flags_1 = (struct kmem_field){64, 8};
	p[1].flags = 1 << 8;
	assert_int_equal(page_classify(&l, (unsigned char *)p, (unsigned char *)&p[1], &mapping),
			 KIND_HUGETLB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_byte_types),
		cmocka_unit_test(test_bit_types),
		cmocka_unit_test(test_mappings),
		cmocka_unit_test(test_page_pool),
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_mapped_of_large_folios),
		cmocka_unit_test(test_hugetlb_before_it_was_a_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
