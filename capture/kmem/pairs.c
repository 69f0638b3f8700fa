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
	t->size = (uint32_t)room;
	t->slots = calloc(room, sizeof(*t->slots));
	return t->slots ? 0 : -ENOMEM;
}

void pairs_deinit(struct pair_table *t)
{
	free(t->slots);
	*t = (struct pair_table){0};
}

void pairs_add(struct pair_table *t, uint64_t a, uint64_t b)
{
	uint64_t hi = a > b ? a : b, lo = a > b ? b : a;
	uint64_t h = (hi ^ lo * 0x9e3779b97f4a7c15ULL) * 0xbf58476d1ce4e5b9ULL;
	uint32_t i = (uint32_t)((h >> 32) * t->size >> 32);

	while (t->slots[i].a && (t->slots[i].a != hi || t->slots[i].b != lo))
		i = i + 1 == t->size ? 0 : i + 1;
	if (!t->slots[i].a) {
		if (t->count >= t->size - t->size / 8) {
			t->dropped++;
			return;
		}
		t->count++;
		t->slots[i].a = hi;
		t->slots[i].b = lo;
	}
	t->slots[i].pairs++;
}
