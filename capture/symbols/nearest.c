/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nearest.h"

int nearest_init(struct nearest *n, const uint64_t *address, size_t count)
{
	*n = (struct nearest){.address = address, .count = count};
	n->slots = calloc(count ? count : 1, sizeof(*n->slots));
	return n->slots ? 0 : -ENOMEM;
}

void nearest_deinit(struct nearest *n)
{
	free(n->slots);
	n->slots = NULL;
}

/* The first address at or above value. */
static size_t first_at(const struct nearest *n, uint64_t value)
{
	size_t low = 0, high = n->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (n->address[mid] < value)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Innermost first; of two at one address the better name; of two equal ones the first seen. */
static bool better(const struct nearest_symbol *a, const struct nearest_symbol *b)
{
	if (a->value != b->value)
		return a->value > b->value;
	return a->rank > b->rank;
}

static void keep(struct nearest_slot *slot, const struct nearest_symbol *s)
{
	size_t at = slot->kept_count;

	while (at > 0 && better(s, &slot->kept[at - 1]))
		at--;
	if (at == NEAREST_KEPT)
		return;
	if (slot->kept_count < NEAREST_KEPT)
		slot->kept_count++;
	memmove(&slot->kept[at + 1], &slot->kept[at],
		(slot->kept_count - at - 1) * sizeof(slot->kept[0]));
	slot->kept[at] = *s;
}

static void keep_label(struct nearest_slot *slot, const struct nearest_symbol *s)
{
	if (slot->has_label && !better(s, &slot->label))
		return;
	slot->label = *s;
	slot->has_label = true;
}

void nearest_add(struct nearest *n, const struct nearest_symbol *s)
{
	size_t i = first_at(n, s->value);

	if (i == n->count)
		return;
	if (s->end > s->value && n->address[i] < s->end)
		keep(&n->slots[i], s);
	/* One that ends before the address is still a fence for the labels below it. */
	keep_label(&n->slots[i], s);
}

void nearest_settle(struct nearest *n)
{
	for (size_t i = 1; i < n->count; i++) {
		const struct nearest_slot *before = &n->slots[i - 1];
		struct nearest_slot *slot = &n->slots[i];

		for (size_t k = 0; k < before->kept_count; k++)
			if (n->address[i] < before->kept[k].end)
				keep(slot, &before->kept[k]);
		if (before->has_label)
			keep_label(slot, &before->label);
	}
}

const struct nearest_symbol *nearest_get(const struct nearest *n, size_t i)
{
	const struct nearest_slot *slot = &n->slots[i];

	if (slot->kept_count)
		return &slot->kept[0];
	return slot->has_label && slot->label.end == slot->label.value ? &slot->label : NULL;
}
