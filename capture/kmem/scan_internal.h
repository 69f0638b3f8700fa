/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by scan.c, pages.c, sampled.c, files.c, names.c and cgroups.c. */
#pragma once

#include "blocks.h"
#include "pairs.h"
#include "scan.h"
#include "slabs.h"

#define SCAN_NO_ADDR UINT64_MAX

/* What a head page is, remembered for the tails that follow it. */
struct scan_head {
	uint64_t addr;
	enum page_kind kind; /* KIND_MAPPED: file, cgroup and bits are set */
	uint32_t file, cgroup;
	unsigned bits;
	struct slab_cache *slab; /* KIND_SLAB; NULL: not known */
};

struct scan {
	struct kmem_source *source;
	const struct kmem_layout *l;
	struct scan_config config;
	struct scan_result result;
	struct scan_tables tables;
	struct pair_table pairs;   /* of a sampled scan */
	struct block_table blocks; /* of one in several batches */

	/* The last ones seen: neighbouring pages mostly belong together. */
	struct scan_head head;
	uint64_t last_mapping, last_memcg;
	uint32_t last_file, last_cgroup;
	uint64_t last_key;
	uint64_t *last_count;

	uint32_t *pending; /* files to be checked; room for those of one bulk read and more */
	uint32_t pending_count;
	unsigned char *items; /* what gather brings, SCAN_ITEMS bytes */
	uint64_t *addrs;      /* KMEM_GATHER_MAX */
	uint64_t cpu_start;
	struct slab_sampler *slabs;
	uint32_t *canonical; /* cgroup index → key; several obj_cgroups are one cgroup */
};
#define SCAN_PENDING 512u
#define SCAN_ITEMS KMEM_READ_MAX

/* Read the pages into the tables (pages.c, sampled.c).  random: the state of the generator. */
int scan_all(struct scan *s, uint64_t *random);
int scan_sampled(struct scan *s, uint64_t *random);
/* Pairs of strata in a block, of which a batch takes two: a prime. */
uint64_t scan_block_pairs(const struct scan *s);

/* pages.c: what a page that is not a tail is, into *h; next: the struct page behind it, or NULL. */
void scan_look_at_head(struct scan *s, const unsigned char *page, const unsigned char *next,
		       uint64_t addr, struct scan_head *h);
/* n more pages of that head; tail: STATE_TAIL or 0. */
void scan_count_page(struct scan *s, const struct scan_head *h, unsigned tail, size_t n);
bool scan_is_page_addr(const struct scan *s, uint64_t addr);
bool scan_out_of_budget(const struct scan *s);
int scan_check_if_many(struct scan *s);

/* The part of struct inode that tells whether a mapping is one, and whose. */
uint32_t scan_identity(const struct kmem_layout *l, const void *inode);
/* Check all pending files (files.c). */
int scan_check_pending(struct scan *s);
int scan_resolve_files(struct scan *s, const struct scan_sink *sink, struct err *e);
/* What the picked slabs of the dentry cache hold (dentries.c). */
int scan_resolve_dentries(struct scan *s, const struct scan_sink *sink, struct err *e);
int scan_resolve_cgroups(struct scan *s, const struct scan_sink *sink, struct err *e);
/* Slab of groups that have caches of their own (group_slabs.c): first, so that they are named, then
 * what each has. */
void scan_find_slab_cgroups(struct scan *s);
int scan_resolve_group_slabs(struct scan *s, const struct scan_sink *sink);
uint64_t scan_thread_cpu(void);
