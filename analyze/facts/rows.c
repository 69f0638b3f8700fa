/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rows.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>

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
static uint64_t hash_bytes(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t h = 0xcbf29ce484222325, seed;
	const void *random = (const void *)getauxval(AT_RANDOM); /* 16 bytes, from the kernel */

	if (random) {
		memcpy(&seed, random, sizeof(seed));
		h ^= seed;
	}
	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h ^ h >> 32;
}

static struct index_entry *find_slot(struct index_entry *slots, size_t capacity, const void *key,
				     size_t len)
{
	for (size_t i = hash_bytes(key, len);; i++) {
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
	s = find_slot(ix->slots, ix->capacity, key, len);
	return s->key ? s->row : INDEX_NONE;
}

static int index_grow(struct arena *a, struct index *ix)
{
	size_t capacity = ix->capacity ? ix->capacity * 2 : 256;
	struct index_entry *slots = arena_alloc(a, capacity * sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < ix->capacity; i++)
		if (ix->slots[i].key)
			*find_slot(slots, capacity, ix->slots[i].key, ix->slots[i].len) =
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
	s = find_slot(ix->slots, ix->capacity, key, len);
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
