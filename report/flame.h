/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flame graph's data, and the element that templates/flame.js draws it into.
 *
 * All stacks become one tree, in preorder and with the children of a node by name: then a subtree
 * is a range, weights are summed by one pass backwards, and no frame moves when another range of
 * time, thread or state is chosen.  The samples go beside it by column.
 */
#pragma once

#include "out.h"

#define FLAME_NODES 400000u    /* frames that differ; more are put together as "…" */
#define FLAME_SAMPLES 1000000u /* more: every k-th, which counts k times */

/* Streams into the element, or says that nothing was captured.  prefix goes before ids. */
void flame_write(struct out *o, const struct report *r, const char *prefix);
