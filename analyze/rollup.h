/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many files as one row: how many there are and how much they cache, see estimate.h. */
#pragma once

#include "model_build.h"

struct rollup {
	uint64_t files, bytes;		 /* found */
	uint64_t sure_files, sure_bytes; /* of them: large enough to be found in any case */
	struct tally small;		 /* sampled pages of the others */
	struct weighted weighted;	 /* the same, each standing for one_in / K files */
};

/* Adds m->files[i]; 0 bytes are added as well. */
void rollup_file(struct model_build *b, struct rollup *r, size_t i);
/* After all files: the pairs.  group_of: for each of m->files its place in rows + 1, or 0; rows are
 * `stride` bytes apart. */
void rollup_pairs(struct model_build *b, struct rollup *rows, size_t stride,
		  const uint32_t *group_of);
/* Never below what was found. */
struct estimate rollup_files(const struct model_build *b, const struct rollup *r);
struct estimate rollup_bytes(const struct model_build *b, const struct rollup *r);
