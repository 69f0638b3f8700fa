/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rows.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void *rows_at(const struct rows *r, size_t i)
{
	return (char *)r->blocks[i / ROWS_BLOCK] + i % ROWS_BLOCK * r->size;
}

void *rows_add(struct arena *a, struct rows *r)
{
	size_t block = r->count / ROWS_BLOCK;

	if (r->count % ROWS_BLOCK == 0) {
		if (block == r->capacity) {
			size_t capacity = r->capacity ? r->capacity * 2 : 16;
			void **blocks = arena_alloc(a, capacity * sizeof(*blocks));

			if (!blocks)
				return NULL;
			if (r->capacity)
				memcpy(blocks, r->blocks, r->capacity * sizeof(*blocks));
			r->blocks = blocks;
			r->capacity = capacity;
		}
		if (!r->blocks[block]) /* else it is left from before count was reset */
			r->blocks[block] = arena_alloc(a, ROWS_BLOCK * r->size);
		if (!r->blocks[block])
			return NULL;
	}
	return memset(rows_at(r, r->count++), 0, r->size);
}

/* FNV-1a from a start that an archive's author cannot know: chosen keys must not make one chain. */
static uint64_t hash_bytes(uint64_t seed, const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t h = 0xcbf29ce484222325 ^ seed;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h ^ h >> 32;
}

static struct index_entry *find_slot(struct index_entry *slots, size_t capacity, uint64_t seed,
				     const void *key, size_t len)
{
	for (size_t i = hash_bytes(seed, key, len);; i++) {
		struct index_entry *s = &slots[i & (capacity - 1)];

		if (!s->key || (s->len == len && !memcmp(s->key, key, len)))
			return s;
	}
}

uint32_t index_find(const struct index *ix, const void *key, size_t len)
{
	const struct index_entry *s;

	if (!ix->capacity)
		return INDEX_NONE;
	s = find_slot(ix->slots, ix->capacity, ix->seed, key, len);
	return s->key ? s->row : INDEX_NONE;
}

static int index_grow(struct arena *a, struct index *ix)
{
	size_t capacity = ix->capacity ? ix->capacity * 2 : 256;
	struct index_entry *slots = arena_alloc(a, capacity * sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	/* Without random bytes chosen keys cost time, which the sandbox limits. */
	if (!ix->capacity && getentropy(&ix->seed, sizeof(ix->seed)) < 0)
		ix->seed = 0;
	for (size_t i = 0; i < ix->capacity; i++)
		if (ix->slots[i].key)
			*find_slot(slots, capacity, ix->seed, ix->slots[i].key, ix->slots[i].len) =
				ix->slots[i];
	ix->slots = slots;
	ix->capacity = capacity;
	return 0;
}

int index_set(struct arena *a, struct index *ix, const void *key, size_t len, uint32_t row)
{
	struct index_entry *s;
	char *copy;

	if (len > UINT32_MAX)
		return -ENOMEM;
	if (ix->count * 2 >= ix->capacity && index_grow(a, ix) < 0)
		return -ENOMEM;
	s = find_slot(ix->slots, ix->capacity, ix->seed, key, len);
	if (!s->key) {
		copy = arena_alloc(a, len ? len : 1);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, key, len);
		s->key = copy;
		s->len = (uint32_t)len;
		ix->count++;
	}
	s->row = row;
	return 0;
}
