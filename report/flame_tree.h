/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stacks as one tree of frames. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct flame_tree {
	uint32_t *parent, *name; /* by node; node 0 is the root and its name means nothing */
	size_t count;
	size_t cut; /* frames that were put together, for there were too many */
};

/* A stack: name indices, root first. */
struct flame_stack {
	const uint32_t *names;
	size_t count;
};

/*
 * At most `most` nodes, in preorder, children by order[name] (as strings compare).  ret_leaf[i]
 * becomes the node that stack i ends at.  what a full tree has no room for ends at its last frame
 * that it has.  -ENOMEM.  Freed by flame_tree_free().
 */
int flame_tree_build(struct flame_tree *ret, const struct flame_stack *stacks, size_t count,
		     const uint32_t *order, size_t most, uint32_t *ret_leaf);
void flame_tree_free(struct flame_tree *t);
