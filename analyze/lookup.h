/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hash table in an arena, of a size known at the start: {two numbers, a string} → a number
 * greater than 0.  Strings are not copied.  It is never iterated, so its order shows nowhere.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "arena.h"

struct lookup_slot {
	uint64_t a, b;
	const char *s;
	uint32_t len;
	uint32_t value; /* 0: free */
};

struct lookup {
	struct lookup_slot *slots;
	size_t mask, count, capacity;
	uint64_t seed;
};

/* At most `capacity` keys.  -ENOMEM. */
int lookup_init(struct lookup *ix, struct arena *a, size_t capacity);
/* 0 when there is none. */
uint32_t lookup_get(const struct lookup *ix, uint64_t a, uint64_t b, const char *s, size_t len);
/* Where the value of this key is; the caller must leave it greater than 0.  NULL: full. */
uint32_t *lookup_put(struct lookup *ix, uint64_t a, uint64_t b, const char *s, size_t len);
