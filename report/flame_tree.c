/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "flame_tree.h"

#include <errno.h>
#include <stdlib.h>

/* While stacks come in, nodes stand in the order they came; a hash table finds a child. */
struct builder {
	uint32_t *parent, *name, *slots;
	size_t count, most, size, cut;
};

static uint64_t mix(uint32_t parent, uint32_t name)
{
	uint64_t h = ((uint64_t)parent << 32 | name) * 0x9e3779b97f4a7c15ULL;

	return h ^ h >> 29;
}

/* The child of that name, made if there is none; the parent itself when there is no room. */
static uint32_t child(struct builder *b, uint32_t parent, uint32_t name)
{
	size_t i = (size_t)(mix(parent, name) % b->size);
	uint32_t n;

	while ((n = b->slots[i])) {
		if (b->parent[n] == parent && b->name[n] == name)
			return n;
		i = i + 1 == b->size ? 0 : i + 1;
	}
	if (b->count == b->most) {
		b->cut++;
		return parent;
	}
	n = (uint32_t)b->count++;
	b->parent[n] = parent;
	b->name[n] = name;
	b->slots[i] = n;
	return n;
}

struct sorted {
	uint32_t parent, order, node;
};

static int by_parent_and_order(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return (x->node > y->node) - (x->node < y->node);
}

/*
 * Preorder without recursion: sorted by parent, the children of a node stand together; begin[n]
 * is where.  moved[n] becomes n's place.
 */
static int preorder(const struct builder *b, const uint32_t *order, uint32_t *moved,
		    struct flame_tree *t)
{
	struct sorted *s = malloc(b->count * sizeof(*s));
	uint32_t *begin = calloc(b->count + 1, sizeof(*begin));
	uint32_t *stack = malloc(b->count * sizeof(*stack));
	size_t depth = 0, place = 0;
	int r = -ENOMEM;

	if (!s || !begin || !stack)
		goto out;
	for (uint32_t n = 1; n < b->count; n++) {
		s[n - 1] = (struct sorted){b->parent[n], order[b->name[n]], n};
		begin[b->parent[n] + 1]++;
	}
	qsort(s, b->count - 1, sizeof(*s), by_parent_and_order);
	for (size_t n = 0; n < b->count; n++)
		begin[n + 1] += begin[n];
	stack[depth++] = 0;
	while (depth) {
		uint32_t n = stack[--depth];

		moved[n] = (uint32_t)place;
		t->parent[place] = n ? moved[b->parent[n]] : 0;
		t->name[place++] = n ? b->name[n] : 0;
		for (uint32_t k = begin[n + 1]; k > begin[n]; k--)
			stack[depth++] = s[k - 1].node;
	}
	t->count = place;
	r = 0;
out:
	free(s);
	free(begin);
	free(stack);
	return r;
}

int flame_tree_build(struct flame_tree *ret, const struct flame_stack *stacks, size_t count,
		     const uint32_t *order, size_t most, uint32_t *ret_leaf)
{
	struct builder b = {.most = 1, .count = 1};
	struct flame_tree t = {0};
	uint32_t *moved = NULL;
	int r = -ENOMEM;

	for (size_t i = 0; i < count && b.most < most; i++)
		b.most += stacks[i].count < most - b.most ? stacks[i].count : most - b.most;
	b.size = b.most * 2 + 1;
	b.parent = malloc(b.most * sizeof(*b.parent));
	b.name = malloc(b.most * sizeof(*b.name));
	b.slots = calloc(b.size, sizeof(*b.slots));
	t.parent = malloc(b.most * sizeof(*t.parent));
	t.name = malloc(b.most * sizeof(*t.name));
	moved = malloc(b.most * sizeof(*moved));
	if (!b.parent || !b.name || !b.slots || !t.parent || !t.name || !moved)
		goto out;
	b.parent[0] = b.name[0] = 0;
	for (size_t i = 0; i < count; i++) {
		uint32_t n = 0;

		for (size_t k = 0; k < stacks[i].count; k++)
			n = child(&b, n, stacks[i].names[k]);
		ret_leaf[i] = n;
	}
	r = preorder(&b, order, moved, &t);
	if (r < 0)
		goto out;
	for (size_t i = 0; i < count; i++)
		ret_leaf[i] = moved[ret_leaf[i]];
	t.cut = b.cut;
	*ret = t;
	t = (struct flame_tree){0};
out:
	flame_tree_free(&t);
	free(b.parent);
	free(b.name);
	free(b.slots);
	free(moved);
	return r;
}

void flame_tree_free(struct flame_tree *t)
{
	free(t->parent);
	free(t->name);
	*t = (struct flame_tree){0};
}
