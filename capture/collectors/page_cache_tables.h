/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of the page cache's tables, for every rung of the ladder.  FORMAT.md has the columns. */
#pragma once

#include "../collect.h"
#include "../kmem/scan.h"

/* A scan_sink's context: the tables one after another. */
struct cache_tables {
	struct emit *out;
	bool open;
	bool no_generation; /* not measured on this rung */
	uint64_t files, unresolved, truncated;
};
int cache_table(void *ctx, enum scan_table t);
int cache_file(void *ctx, const struct scan_file *f);
int cache_cgroup(void *ctx, const struct scan_cgroup *c);
int cache_sample(void *ctx, uint32_t file, uint32_t cgroup, unsigned state, uint64_t pages);
int cache_pair(void *ctx, const struct scan_sample *a, const struct scan_sample *b, uint64_t pairs);
int cache_group_slab(void *ctx, uint32_t cgroup, const char *cache, size_t len, uint64_t pages);
int cache_block(void *ctx, const struct scan_sample *const side[4], uint64_t blocks);
int cache_dentries(void *ctx, const struct scan_dentries *d);
int cache_tables_close(struct cache_tables *t, bool truncated);

struct cache_moment { /* around the reading of the pages */
	int64_t before_kb, after_kb;
	uint64_t start_ns, end_ns;
};
void cache_moment_start(struct cache_moment *m, const struct collect *c);
void cache_moment_end(struct cache_moment *m, const struct collect *c);

struct cache_summary {
	const char *source, *reason;
	const struct scan_result *result; /* pages_total 0: not measured */
	uint64_t files_dropped;
	size_t page_size;
	bool no_kinds; /* page types were not measured */
};
int cache_summary(struct collect *c, const struct cache_summary *s, const struct cache_moment *m);

/* Bytes for tables, and a seed. */
size_t cache_table_memory(const struct collect *c);
uint64_t cache_seed(void);
/* `auto` reads all pages when that is expected to cost less than this, else one in 2^n. */
#define CACHE_AUTO_CPU_NS 1000000000ULL
/* Whatever was asked for, the scan stops here, and what it has is still an unbiased sample. */
#define CACHE_MOST_CPU_NS 5000000000ULL

/* The rungs below kernel memory (page_cache_low.c).  reason: why not a higher one. */
struct frames;
int cache_from_frames(struct collect *c, struct frames *f, const char *reason, struct err *e);
int cache_from_procfs(struct collect *c, const char *reason, struct err *e);
