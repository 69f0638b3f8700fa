/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stacks as a tree: against paths written out as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../report/flame_tree.h"

static const uint32_t same[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* "a/b/c" of a node, names being letters. */
static const char *path(const struct flame_tree *t, uint32_t n, char out[64])
{
	char *p = out + 63;

	*p = '\0';
	for (; n; n = t->parent[n]) {
		*--p = (char)('a' + t->name[n]);
		*--p = '/';
	}
	return p;
}

static void assert_preorder(const struct flame_tree *t)
{
	uint32_t chain[64] = {0};
	size_t depth = 1;

	/* each node's parent is on the way to the node before it */
	for (uint32_t n = 1; n < t->count; n++) {
		assert_true(t->parent[n] < n);
		while (depth && chain[depth - 1] != t->parent[n])
			depth--;
		assert_true(depth > 0);
		chain[depth++] = n;
	}
}

static void merges(void **state)
{
	static const uint32_t abc[] = {0, 1, 2}, abd[] = {0, 1, 3}, ab[] = {0, 1}, aa[] = {0, 0, 0};
	static const struct flame_stack stacks[] = {{abd, 3}, {abc, 3}, {ab, 2},
						    {aa, 3},  {abc, 3}, {NULL, 0}};
	static const char *const paths[] = {"/a/b/d", "/a/b/c", "/a/b", "/a/a/a", "/a/b/c", ""};
	struct flame_tree t;
	uint32_t leaf[6];
	char text[64];

	assert_int_equal(flame_tree_build(&t, stacks, 6, same, 100, leaf), 0);
	for (size_t i = 0; i < 6; i++)
		assert_string_equal(path(&t, leaf[i], text), paths[i]);
	/* root, a, aa, aaa, ab, abc, abd: children by name */
	assert_int_equal(t.count, 7);
	assert_int_equal(t.cut, 0);
	assert_preorder(&t);
	assert_string_equal(path(&t, 2, text), "/a/a");
	assert_string_equal(path(&t, 6, text), "/a/b/d");
	flame_tree_free(&t);
}

static void order_is_the_callers(void **state)
{
	static const uint32_t a[] = {0}, b[] = {1}, backwards[] = {1, 0};
	static const struct flame_stack stacks[] = {{a, 1}, {b, 1}};
	struct flame_tree t;
	uint32_t leaf[2];

	assert_int_equal(flame_tree_build(&t, stacks, 2, backwards, 100, leaf), 0);
	assert_int_equal(leaf[1], 1);
	assert_int_equal(leaf[0], 2);
	flame_tree_free(&t);
}

static void full(void **state)
{
	static const uint32_t abc[] = {0, 1, 2}, abd[] = {0, 1, 3};
	static const struct flame_stack stacks[] = {{abc, 3}, {abd, 3}, {abc, 3}};
	struct flame_tree t;
	uint32_t leaf[3];
	char text[64];

	assert_int_equal(flame_tree_build(&t, stacks, 3, same, 4, leaf), 0);
	assert_int_equal(t.count, 4);
	assert_int_equal(t.cut, 1);
	assert_string_equal(path(&t, leaf[0], text), "/a/b/c");
	assert_string_equal(path(&t, leaf[1], text), "/a/b");
	assert_int_equal(leaf[0], leaf[2]);
	flame_tree_free(&t);
	assert_int_equal(flame_tree_build(&t, NULL, 0, same, 4, leaf), 0);
	assert_int_equal(t.count, 1);
	flame_tree_free(&t);
}

static void many(void **state)
{
	enum { STACKS = 2000, DEPTH = 20 };
	uint32_t *names = malloc(STACKS * DEPTH * sizeof(*names)),
		 *leaf = malloc(STACKS * sizeof(*leaf));
	struct flame_stack *stacks = malloc(STACKS * sizeof(*stacks));
	struct flame_tree t;
	unsigned seed = 3;
	char text[64], want[64];

	for (size_t i = 0; i < STACKS; i++) {
		stacks[i] = (struct flame_stack){names + i * DEPTH, (size_t)rand_r(&seed) % DEPTH};
		for (size_t k = 0; k < DEPTH; k++)
			names[i * DEPTH + k] = (uint32_t)rand_r(&seed) % 3;
	}
	assert_int_equal(flame_tree_build(&t, stacks, STACKS, same, 1000000, leaf), 0);
	assert_preorder(&t);
	for (size_t i = 0; i < STACKS; i++) {
		char *p = want;

		for (size_t k = 0; k < stacks[i].count; k++)
			p += sprintf(p, "/%c", 'a' + (int)stacks[i].names[k]);
		*p = '\0';
		assert_string_equal(path(&t, leaf[i], text), want);
	}
	flame_tree_free(&t);
	free(names);
	free(leaf);
	free(stacks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merges),
		cmocka_unit_test(order_is_the_callers),
		cmocka_unit_test(full),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
