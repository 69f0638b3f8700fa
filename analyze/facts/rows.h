/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows that grow in an arena without moving, and an index over them by key. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../arena.h"

#define ROWS_BLOCK 256

struct rows {
	void **blocks;
	size_t count, capacity; /* capacity: blocks that `blocks` has room for */
	size_t size;		/* of a row */
};

/* A new zeroed row, or NULL when the arena is full. */
void *rows_add(struct arena *a, struct rows *r);
void *rows_at(const struct rows *r, size_t i);

struct index_entry {
	const char *key;
	uint32_t len, row;
};
struct index {
	struct index_entry *slots;
	size_t count, capacity; /* capacity: a power of two */
	uint64_t seed;
};

#define INDEX_NONE UINT32_MAX
/* The row under a key, or INDEX_NONE. */
uint32_t index_find(const struct index *ix, const void *key, size_t len);
/* Set or replace; -ENOMEM.  The key is copied. */
int index_set(struct arena *a, struct index *ix, const void *key, size_t len, uint32_t row);
