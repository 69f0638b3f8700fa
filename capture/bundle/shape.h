/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON into structs, by tables: what a key is, where it goes and how much of it is accepted.  Keys
 * that no table names are skipped, known keys given twice are refused, and so is everything that
 * does not fit: nothing is clamped.  No tree is built.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/err.h"

enum shape_kind {
	SHAPE_TEXT,  /* char[size] */
	SHAPE_WORDS, /* array of strings → char[size], joined by separator */
	SHAPE_TEXTS, /* array of strings → char[max][size], size_t at count_offset */
	SHAPE_U64,   /* 0 … max, at most INT64_MAX */
	SHAPE_U32,
	SHAPE_INT, /* int, 0 … max */
	SHAPE_NS,  /* uint64_t from a string of decimal digits */
	SHAPE_F64, /* finite, by default not negative; null and absent: NAN */
	SHAPE_BOOL,
	SHAPE_CONVERT, /* a string, by convert() */
	SHAPE_OBJECT,  /* its fields lie in the same struct */
	SHAPE_LIST,    /* objects of shape → array at offset, size_t at count_offset */
	SHAPE_STREAM,  /* objects of shape, each handed to the parse's each() */
};

struct shape;

struct shape_field {
	const char *key;
	enum shape_kind kind;
	bool required, nullable; /* null reads as empty or 0 */
	bool negative;		 /* a SHAPE_F64 may be */
	char separator;
	uint32_t offset, size, count_offset;
	uint64_t max; /* value of a number, 0: the type's; elements of a list */
	int (*convert)(const char *text, size_t len, void *to); /* 0 or a negative errno */
	const struct shape *shape;
};

struct shape {
	const struct shape_field *fields; /* at most 64 */
	uint32_t field_count;
	uint32_t size; /* of the struct, where it is an element */
};

/*
 * Fill the zeroed struct base from text.  scratch: one element of the SHAPE_STREAM, which each()
 * gets; a negative errno of each() is returned.  -EBADMSG: e names what and which key.
 */
int shape_parse(const struct shape *shape, void *base, const char *what, const char *text,
		size_t len, void *scratch, int (*each)(void *ctx, const void *element), void *ctx,
		struct err *e);
