/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The blocks of the picture of memory: the parts, with those that hold files as one, and what is
 * inside each.  Pointers are the model's.
 */
#pragma once

#include "../analyze/model.h"

#define BLOCK_CHILDREN 14 /* shown in one block */

struct memory_look { /* of a part: the colour's class, and where the page tells more */
	const char *id, *group, *link;
};
struct memory_look memory_look(const char *id);

struct memory_inner {
	const char *name, *title;
	double bytes;
};
struct memory_block {
	const char *label, *group, *link;
	double bytes;
	struct memory_inner inner[BLOCK_CHILDREN];
	size_t inner_count;
};

/* From malloc; the blocks that are larger than nothing, largest first.  NULL: no memory. */
struct memory_block *memory_blocks(const struct model *m, size_t *ret_count);
