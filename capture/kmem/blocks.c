/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 1024u

int blocks_init(struct block_table *t, size_t memory, uint64_t expected)
{
	size_t room = memory / sizeof(*t->slots);

	*t = (struct block_table){.one_in = 1};
	room = room < FIRST_SIZE ? FIRST_SIZE : room > 1u << 24 ? 1u << 24 : room;
	if (expected / 3 * 4 + 64 < room)
		room = (size_t)(expected / 3 * 4 + 64);
	else
		t->one_in = expected / (room / 4 * 3) + 1;
	t->max = (uint32_t)room;
	t->size = t->max < FIRST_SIZE ? t->max : FIRST_SIZE;
	t->slots = calloc(t->size, sizeof(*t->slots));
	return t->slots ? 0 : -ENOMEM;
}

void blocks_deinit(struct block_table *t)
{
	free(t->slots);
	*t = (struct block_table){0};
}

static struct block_entry *slot_of(struct block_entry *slots, uint32_t size, const uint64_t key[4])
{
	uint64_t h = 0;
	uint32_t i;

	for (int k = 0; k < 4; k++)
		h = (h ^ key[k] ^ h >> 29) * 0x9e3779b97f4a7c15ULL;
	i = (uint32_t)((h >> 32) * size >> 32);
	while (slots[i].blocks && memcmp(slots[i].side, key, sizeof(slots[i].side)) != 0)
		i = i + 1 == size ? 0 : i + 1;
	return &slots[i];
}

static bool grow(struct block_table *t)
{
	uint32_t size = t->size > t->max / 2 ? t->max : t->size * 2;
	struct block_entry *slots = size == t->size ? NULL : calloc(size, sizeof(*slots));

	if (!slots)
		return false;
	for (uint32_t i = 0; i < t->size; i++)
		if (t->slots[i].blocks)
			*slot_of(slots, size, t->slots[i].side) = t->slots[i];
	free(t->slots);
	t->slots = slots;
	t->size = size;
	return true;
}

static void swap(uint64_t *a, uint64_t *b)
{
	uint64_t t = *a;

	*a = *b;
	*b = t;
}

void blocks_add(struct block_table *t, const uint64_t side[4])
{
	uint64_t key[4] = {side[0], side[1], side[2], side[3]};
	struct block_entry *b;

	if (key[0] < key[1])
		swap(&key[0], &key[1]);
	if (key[2] < key[3])
		swap(&key[2], &key[3]);
	if (key[0] < key[2] || (key[0] == key[2] && key[1] < key[3])) {
		swap(&key[0], &key[2]);
		swap(&key[1], &key[3]);
	}
	if (!key[0])
		return;
	b = slot_of(t->slots, t->size, key);
	if (!b->blocks) {
		if (t->count >= t->size - t->size / 4 && grow(t))
			b = slot_of(t->slots, t->size, key);
		if (t->count >= t->size - t->size / 8) {
			t->dropped++;
			return;
		}
		t->count++;
		memcpy(b->side, key, sizeof(key));
	}
	b->blocks++;
}
