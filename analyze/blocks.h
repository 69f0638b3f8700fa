/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fours of frames of a scan that was stopped: by how much two pairs of a block differ in pages
 * of some group (a cgroup, the files of a directory), see estimate.h. */
#pragma once

#include "model_build.h"

struct block_side {
	uint32_t group; /* 1, 2, …; 0: of none */
	double weight;	/* of the page; 1 where pages are counted */
};

/* What blocks alike have of one group. */
struct block_part {
	uint64_t blocks;
	unsigned pages;	   /* of the four */
	int more;	   /* in one pair than in the other */
	double squares;	   /* Σ weight² */
	double difference; /* of the pairs' weights */
};

/*
 * side: whose a page of that file and cgroup is (FACT_NONE: not known); false: nobody's.  group is
 * called once for each group that a row of the table has pages of.  Nothing happens unless the
 * archive has blocks.
 */
void blocks_each(const struct model_build *b,
		 bool (*side)(void *ctx, uint64_t file, uint64_t cgroup, struct block_side *ret),
		 void (*group)(void *ctx, uint32_t group, const struct block_part *part),
		 void *ctx);

void block_tally(struct tally *t, const struct block_part *part);
