/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page-cache scan: page → mapping → inode → path within its file system, and page → cgroup.
 * It works on any kmem_source and writes into tables of bounded size; collectors/page_cache.c
 * turns them into the members FORMAT.md describes.
 *
 * Full (one_in 1): all struct pages, in chunks.  Sampled: of each two strata of one_in consecutive
 * frames, which lie side by side, two random frames, so that the sample itself tells its error.
 * Either way the chunks or strata are visited in batches that are each spread over all of memory,
 * and the batches in random order, so that a scan stopped by its time or CPU budget is still an
 * unbiased sample.  A batch takes two random pairs of strata of each block of neighbouring ones,
 * so that a stopped scan tells its error as well.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "decode.h"
#include "kmem.h"
#include "tables.h"

struct scan_config {
	uint32_t one_in; /* 1: all */
	uint64_t seed;
	size_t memory;		      /* bytes for tables */
	uint64_t deadline_ns;	      /* CLOCK_MONOTONIC; 0: none */
	uint64_t cpu_ns;	      /* of this thread, from now; 0: no limit */
	uint64_t resolve_deadline_ns; /* for naming as well; what is left then is counted dropped */
	bool (*stop)(void *ctx);      /* asked between batches; may be NULL */
	void *stop_ctx;
	uint32_t batch_strata; /* of a sampled scan; 0: as many as pay */
};

struct scan_result {
	uint32_t one_in;
	uint64_t seed;
	uint64_t pages_total, strata_total, strata_done, pages_read, holes;
	uint64_t pair_one_in; /* of the pairs of a sampled scan so many are in its table; 0: none */
	uint64_t pairs_dropped;
	/* Of a sampled scan in several batches: pairs of strata in a block, of which a batch visits
	 * two; one in block_one_in of these twos is in their table. */
	uint64_t block_pairs, block_one_in, blocks_dropped;
	uint64_t discarded; /* pages of files that went away while they were resolved */
	bool finished;
	uint64_t scan_cpu_ns, resolve_cpu_ns, dentries_cpu_ns;
	uint64_t kinds[KIND_COUNT];
	/* Frames of the dentry cache that were met, slabs of these that were read, their objects in
	 * use, and those there was no room or time to name; both in units of SCAN_DENTRY_UNIT. */
	uint64_t dentry_frames, dentry_slabs, dentry_objects, dentries_dropped;
};

struct scan;

/* Reads the pages.  -ENOMEM, or the source's error; stopping early is not an error. */
int scan_run(struct scan **ret, struct kmem_source *s, const struct kmem_layout *l,
	     const struct scan_config *c, struct err *e);
void scan_destroy(struct scan *s);

/* ------------------------------------------------------------------ what was found */

enum file_state { FILE_LINKED, FILE_DELETED, FILE_UNNAMED, FILE_UNRESOLVED };
const char *file_state_name(enum file_state s);

struct scan_file {
	uint32_t file; /* key of the samples */
	uint32_t dev_major, dev_minor, rdev_major, rdev_minor;
	uint64_t ino, size, nrpages;
	int64_t mtime;	 /* seconds since the epoch; INT64_MIN: not known */
	uint64_t blocks; /* of 512 bytes; of tmpfs what it has in memory and in swap; UINT64_MAX */
	uint32_t generation, nlink, mode;
	bool is_blockdev; /* its cache is the device's */
	const char *fstype, *s_id;
	enum file_state state;
	const char *path; /* any bytes but NUL; "" when not known */
	size_t path_len;
	bool truncated;
};
struct scan_cgroup {
	uint32_t cgroup;
	uint64_t ino;	    /* 0: not known */
	bool online, known; /* known: path and state were read */
	const char *path;
	size_t path_len;
	bool truncated;
};

/* Dentries of a sample of slabs in one directory.  Objects of slabs of n frames count 1/n. */
#define SCAN_DENTRY_UNIT 8u
struct scan_dentries {
	uint32_t dev_major, dev_minor;
	const char *fstype;
	const char *path; /* of the directory in its file system; "" when not known */
	size_t path_len;
	bool truncated;
	uint64_t positive, negative; /* times SCAN_DENTRY_UNIT */
};

enum scan_table {
	SCAN_FILES,
	SCAN_CGROUPS,
	SCAN_SAMPLES,
	SCAN_PAIRS,
	SCAN_DENTRIES,
	SCAN_BLOCKS,
	SCAN_GROUP_SLABS
};

struct scan_sample { /* file 0: dropped; cgroup 0: none or not known */
	uint32_t file, cgroup;
	unsigned state;
};

/* table: before the first row of each, also of an empty one; then once per row.  A negative return
 * stops and is returned. */
struct scan_sink {
	int (*table)(void *ctx, enum scan_table t);
	int (*file)(void *ctx, const struct scan_file *f);
	int (*sample)(void *ctx, uint32_t file, uint32_t cgroup, unsigned state, uint64_t pages);
	int (*cgroup)(void *ctx, const struct scan_cgroup *c);
	void *ctx;
	/* Pairs of pages of one stratum; b NULL: no page cache.  May be NULL: not wanted. */
	int (*pair)(void *ctx, const struct scan_sample *a, const struct scan_sample *b,
		    uint64_t pairs);
	/* One call for each directory; may be NULL. */
	int (*dentries)(void *ctx, const struct scan_dentries *d);
	/* What was taken of blocks alike of a scan that was stopped: two pages of one pair and two
	 * of another; NULL: no page cache.  Their state is 0.  May be NULL. */
	int (*block)(void *ctx, const struct scan_sample *const side[4], uint64_t blocks);
	/* Frames of a group's own copy of the named slab cache; may be NULL. */
	int (*group_slab)(void *ctx, uint32_t cgroup, const char *cache, size_t len,
			  uint64_t pages);
};

/*
 * Name what was found: all files, then all cgroups, then all samples, then all pairs.  Files that
 * went away meanwhile are left out and counted.  After this the result is final.
 */
int scan_resolve(struct scan *s, const struct scan_sink *sink, struct err *e);

const struct scan_result *scan_result(const struct scan *s);
uint64_t scan_files_dropped(const struct scan *s);

/* A mem_cgroup by its address; path: room for ret->path.  False: there is none, or it has no name.
 */
#define KMEM_CGROUP_PATH (8u << 10)
bool kmem_cgroup(struct kmem_source *s, const struct kmem_layout *l, uint64_t memcg,
		 char path[KMEM_CGROUP_PATH], struct scan_cgroup *ret);

/* The sampling rate that keeps a scan of that source under cpu_ns: a power of two. */
uint32_t scan_auto_one_in(const struct kmem_source *s, uint64_t cpu_ns);
