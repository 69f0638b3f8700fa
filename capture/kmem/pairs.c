/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pairs.h"

#include <errno.h>
#include <stdlib.h>

int pairs_init(struct pair_table *t, size_t memory, uint64_t expected)
{
	size_t room = memory / sizeof(*t->slots);

	*t = (struct pair_table){.one_in = 1};
	room = room < 1024 ? 1024 : room > 1u << 24 ? 1u << 24 : room;
	if (expected / 3 * 4 + 64 < room)
		room = (size_t)(expected / 3 * 4 + 64);
	else
		t->one_in = expected / (room / 4 * 3) + 1;
	t->max = (uint32_t)room;
	t->size = t->max < 2048 ? t->max : 1024;
	t->slots = calloc(t->size, sizeof(*t->slots));
	return t->slots ? 0 : -ENOMEM;
}

void pairs_deinit(struct pair_table *t)
{
	free(t->slots);
	*t = (struct pair_table){0};
}

static struct pair_entry *slot_of(struct pair_entry *slots, uint32_t size, uint64_t a, uint64_t b)
{
	uint64_t h = (a ^ b * 0x9e3779b97f4a7c15ULL) * 0xbf58476d1ce4e5b9ULL;
	uint32_t i = (uint32_t)((h >> 32) * size >> 32);

	while (slots[i].a && (slots[i].a != a || slots[i].b != b))
		i = i + 1 == size ? 0 : i + 1;
	return &slots[i];
}

static bool grow(struct pair_table *t)
{
	uint32_t size = t->size > t->max / 2 ? t->max : t->size * 2;
	struct pair_entry *slots = size == t->size ? NULL : calloc(size, sizeof(*slots));

	if (!slots)
		return false;
	for (uint32_t i = 0; i < t->size; i++)
		if (t->slots[i].a)
			*slot_of(slots, size, t->slots[i].a, t->slots[i].b) = t->slots[i];
	free(t->slots);
	t->slots = slots;
	t->size = size;
	return true;
}

void pairs_add(struct pair_table *t, uint64_t a, uint64_t b)
{
	uint64_t hi = a > b ? a : b, lo = a > b ? b : a;
	struct pair_entry *p = slot_of(t->slots, t->size, hi, lo);

	if (!p->a) {
		if (t->count >= t->size - t->size / 4 && grow(t))
			p = slot_of(t->slots, t->size, hi, lo);
		if (t->count >= t->size - t->size / 8) {
			t->dropped++;
			return;
		}
		t->count++;
		p->a = hi;
		p->b = lo;
	}
	p->pairs++;
}
