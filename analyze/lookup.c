/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "lookup.h"

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9fb21c651e98df25);
	return h ^ (h >> 29);
}

static uint64_t hash(const struct lookup *ix, uint64_t a, uint64_t b, const char *s, size_t len)
{
	uint64_t h = mix(mix(ix->seed, a), b);

	for (; len >= 8; s += 8, len -= 8) {
		uint64_t v;

		memcpy(&v, s, 8);
		h = mix(h, v);
	}
	uint64_t v = 0;

	if (len)
		memcpy(&v, s, len);
	h = mix(h, v ^ ((uint64_t)len << 56));
	return h ^ (h >> 32);
}

int lookup_init(struct lookup *ix, struct arena *a, size_t capacity)
{
	size_t slots = 16;

	if (capacity > UINT32_MAX / 4)
		return -ENOMEM;
	while (slots * 3 < capacity * 4) /* one in four stays free */
		slots *= 2;
	ix->slots = arena_alloc(a, slots * sizeof(*ix->slots));
	if (!ix->slots)
		return -ENOMEM;
	ix->mask = slots - 1;
	ix->count = 0;
	ix->capacity = capacity;
	/* The keys come from an archive: an address nobody knows keeps them from colliding. */
	ix->seed = (uintptr_t)ix->slots * UINT64_C(0x9e3779b97f4a7c15);
	return 0;
}

static struct lookup_slot *find(const struct lookup *ix, uint64_t a, uint64_t b, const char *s,
				size_t len)
{
	for (size_t i = hash(ix, a, b, s, len) & ix->mask;; i = (i + 1) & ix->mask) {
		struct lookup_slot *slot = &ix->slots[i];

		if (!slot->value || (slot->a == a && slot->b == b && slot->len == len &&
				     (len == 0 || !memcmp(slot->s, s, len))))
			return slot;
	}
}

uint32_t lookup_get(const struct lookup *ix, uint64_t a, uint64_t b, const char *s, size_t len)
{
	return find(ix, a, b, s, len)->value;
}

uint32_t *lookup_put(struct lookup *ix, uint64_t a, uint64_t b, const char *s, size_t len)
{
	struct lookup_slot *slot = find(ix, a, b, s, len);

	if (!slot->value) {
		if (ix->count >= ix->capacity || len > UINT32_MAX)
			return NULL;
		ix->count++;
		*slot = (struct lookup_slot){a, b, s, (uint32_t)len, 0};
	}
	return &slot->value;
}
