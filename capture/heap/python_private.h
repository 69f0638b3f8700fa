/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Types of a CPython process: which addresses are types, and what their objects look like. */
#pragma once

#include "python.h"

/* Flags of Include/object.h, the same in all versions. */
#define TYPE_HEAP (UINT64_C(1) << 9)
#define TYPE_READY (UINT64_C(1) << 12)
#define TYPE_HAVE_GC (UINT64_C(1) << 14)
#define TYPE_LIST (UINT64_C(1) << 25)
#define TYPE_TUPLE (UINT64_C(1) << 26)
#define TYPE_BYTES (UINT64_C(1) << 27)
#define TYPE_UNICODE (UINT64_C(1) << 28)
#define TYPE_DICT (UINT64_C(1) << 29)
#define TYPE_TYPE (UINT64_C(1) << 31)

/* How an object holds memory beyond its own block. */
enum shape {
	SHAPE_PLAIN,
	SHAPE_LIST, /* array.array, too */
	SHAPE_DICT,
	SHAPE_SET,
	SHAPE_BYTEARRAY,
	SHAPE_DEQUE,
	SHAPE_NDARRAY,
	SHAPE_SIZED, /* within its block: str, bytes, tuple */
};

struct type_row {
	uint64_t address, flags;
	enum shape shape;
	uint8_t preheader; /* bytes of the block before the object */
	bool values;	   /* has a pointer to values there */
	int entry;	   /* of the census */
};

#define TYPES_MAX 4096u
#define TYPE_SLOTS 16384u /* power of two; types that are and that are not */

struct type_table {
	const struct python *python;
	struct remote *r;
	struct census *census;
	struct type_row *rows;
	size_t count;
	struct {
		uint64_t address;
		int32_t row; /* -1: not a type */
	} * slots;
	size_t negatives;
};

int types_init(struct type_table *t, const struct python *p, struct remote *r, struct census *c);
void types_free(struct type_table *t);
/* NULL: there is no type at this address. */
const struct type_row *types_find(struct type_table *t, uint64_t address);
