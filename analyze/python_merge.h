/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of Python put where they belong in the native stack.
 *
 * CPython's evaluation function stands in the native stack once for each call of Python from C.
 * From 3.11 on one such call runs many frames of Python, before that one.  Those frames take its
 * place; everything between (sorted(), a C extension, the generator's machinery) stays.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MERGE_NOWHERE UINT32_MAX

struct merge_frame { /* of Python, leaf first */
	uint32_t name;
	bool entry;	 /* the outermost one of its call of the evaluation function */
	bool known;	 /* it has a name */
	uint32_t native; /* entry: that function's frame; MERGE_NOWHERE: not known */
};

struct merge {
	const uint32_t *native; /* names, leaf first */
	const bool *evaluates;	/* by its name it is the evaluation function */
	size_t native_count;
	bool native_whole; /* the last one is the thread's start */
	const struct merge_frame *python;
	size_t python_count;
	bool python_whole;
};

/* Names, root first, into out, which has room for native_count + python_count.  How many. */
size_t merge_python(const struct merge *m, uint32_t *out);
