/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The directories an overlay mount is stacked from, out of its super options in mountinfo.
 * Source: Documentation/filesystems/overlayfs.rst and fs/overlayfs/params.c.
 */
#pragma once

#include <stdbool.h>

#include "arena.h"

#define OVERLAY_MAX_LAYERS 512 /* the kernel's own bound is 500 */

struct overlay_layer {
	const char *path; /* absolute, as the mounter saw it; no trailing slash */
	bool upper;
};

/* Returns how many layers were stored (at most max).  Upper first, then the lower ones. */
size_t overlay_layers(struct arena *a, const char *super_options, struct overlay_layer *out,
		      size_t max);
