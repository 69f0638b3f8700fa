/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The arena, and rows and indexes that live in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "../../analyze/arena.h"
#include "../../analyze/facts/rows.h"

static void objects_are_zeroed_and_aligned(void **state)
{
	struct arena *a;

	assert_int_equal(arena_create(&a, 1 << 20), 0);
	for (size_t size = 1; size < 300; size++) {
		unsigned char *p = arena_alloc(a, size);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xaa, size);
		assert_string_equal(arena_strndup(a, "odd", 2), "od");
	}
	assert_string_equal(arena_printf(a, "%d-%s", 7, "x"), "7-x");
	assert_string_equal(arena_strndup(a, "a\0b", 3), "a");
	assert_false(arena_exhausted(a));
	arena_destroy(a);
}

static void the_limit_holds(void **state)
{
	struct arena *a;
	size_t got = 0;

	assert_int_equal(arena_create(&a, 100000), 0);
	while (arena_alloc(a, 1000))
		got += 1000;
	assert_true(got <= 100000 && got > 50000);
	assert_true(arena_exhausted(a));
	assert_null(arena_alloc(a, SIZE_MAX));
	assert_null(arena_alloc(a, SIZE_MAX - 8));
	arena_destroy(a);
	assert_int_equal(arena_create(&a, 100), 0);
	assert_string_equal(arena_strndup(a,
					  "this does not fit, for it is a long sentence; it goes "
					  "on and on until there is no room left for it any more",
					  200),
			    "");
	assert_true(arena_exhausted(a));
	arena_destroy(a);
}

static void growing_keeps_what_was_there(void **state)
{
	static const size_t steps[] = {64, 4096, 20000, 20016, 300000, 300001, 2000000};
	unsigned char *p, *other = NULL;
	struct arena *a;

	assert_int_equal(arena_create(&a, 8 << 20), 0);
	p = arena_alloc(a, 48);
	memset(p, 1, 48);
	for (size_t i = 0, had = 48; i < sizeof(steps) / sizeof(steps[0]); had = steps[i++]) {
		p = arena_grow(a, p, had, steps[i]);
		assert_non_null(p);
		for (size_t k = 0; k < steps[i]; k++)
			assert_int_equal(p[k], k < had);
		memset(p, 1, steps[i]);
		/* Somebody else's, before and after, stays what it is. */
		if (other)
			assert_string_equal(other, "mine");
		other = (unsigned char *)arena_strndup(a, "mine", 4);
		memset(arena_alloc(a, 33), 2, 33);
	}
	/* 8 MiB would not have held all the copies of another 6 MB object grown step by step. */
	assert_non_null(arena_grow(a, p, 2000000, 6000000));
	assert_null(arena_grow(a, p, 6000000, 9 << 20));
	arena_destroy(a);
}

static void rows_do_not_move(void **state)
{
	struct rows r = {.size = sizeof(uint64_t)};
	struct index ix = {0};
	struct arena *a;
	uint64_t *first;

	assert_int_equal(arena_create(&a, 16 << 20), 0);
	first = rows_add(a, &r);
	for (uint64_t i = 0; i < 20000; i++) {
		uint64_t *row = i ? rows_add(a, &r) : first;

		*row = i * 3;
		assert_int_equal(index_set(a, &ix, &i, sizeof(i), (uint32_t)i), 0);
	}
	assert_ptr_equal(rows_at(&r, 0), first);
	for (uint64_t i = 0; i < 20000; i++) {
		assert_int_equal(index_find(&ix, &i, sizeof(i)), i);
		assert_int_equal(*(uint64_t *)rows_at(&r, i), i * 3);
	}
	assert_int_equal(index_find(&ix, "nobody", 6), INDEX_NONE);
	assert_int_equal(index_find(&ix, "", 0), INDEX_NONE);
	arena_destroy(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_zeroed_and_aligned),
		cmocka_unit_test(the_limit_holds),
		cmocka_unit_test(growing_keeps_what_was_there),
		cmocka_unit_test(rows_do_not_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
