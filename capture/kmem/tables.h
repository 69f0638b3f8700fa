/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The three tables a scan fills: files (by the address of their address_space), cgroups (by the
 * address of their mem_cgroup), and sampled pages per (file, cgroup, state).  They grow by doubling
 * up to a size decided before the start; what does not fit is counted, never lost silently.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum file_status {
	FILE_PENDING,	/* seen, not yet checked */
	FILE_VALID,	/* mapping == &mapping->host->i_data held */
	FILE_INVALID,	/* not an address_space */
	FILE_DISCARDED, /* was one, and went away or was reused while it was resolved */
	FILE_DROPPED,	/* there was no time left to name it */
	FILE_HUGETLB,	/* of hugetlbfs: not page cache */
};

struct file_entry {
	uint64_t mapping;
	uint32_t identity; /* hash of super block, inode number and generation, when checked */
	uint8_t status;
};

/* Open addressing from a 64-bit key to an index; 0 is no key. */
struct index_table {
	uint32_t *slots; /* index + 1, 0: empty */
	uint32_t size;
};

struct sample_entry {
	uint64_t key; /* file index + 1 << 32 | cgroup index + 1 << 8 | state; file 0: dropped */
	uint64_t pages;
};

struct scan_tables {
	struct file_entry *files;
	uint32_t file_count, file_cap, file_max;
	struct index_table file_index;

	uint64_t *cgroups; /* raw pointers */
	uint32_t cgroup_count, cgroup_cap, cgroup_max;
	struct index_table cgroup_index;

	struct sample_entry *samples; /* open addressing; pages 0: empty */
	uint32_t sample_count, sample_size, sample_max;

	uint64_t *dropped_bits; /* which hashes of dropped mappings were seen; lazily allocated */
	uint64_t files_dropped; /* at least this many inodes did not fit */
};

#define TABLE_NONE UINT32_MAX
#define TABLE_CGROUP_BITS 24

/* memory: bytes for all tables together.  -ENOMEM or 0. */
int tables_init(struct scan_tables *t, size_t memory);
void tables_deinit(struct scan_tables *t);

/* Index of the file, added as FILE_PENDING when new (*ret_new).  TABLE_NONE when full. */
uint32_t tables_file(struct scan_tables *t, uint64_t mapping, bool *ret_new);
/* Index of the cgroup; TABLE_NONE when full. */
uint32_t tables_cgroup(struct scan_tables *t, uint64_t memcg);
/* The counter of that key, created when new.  When the table is full: that of the dropped file. */
uint64_t *tables_sample(struct scan_tables *t, uint32_t file, uint32_t cgroup, unsigned state);
void tables_file_dropped(struct scan_tables *t, uint64_t mapping);

/* Counters of dropped files: bit 7 of the state byte is never set in a state, and keeps the key of
 * (no file, no cgroup, no bits) from being 0, the empty slot. */
#define SAMPLE_DROPPED 0x80u

static inline uint32_t sample_file(uint64_t key) /* 0: dropped; else index + 1 */
{
	return (uint32_t)(key >> 32);
}
static inline uint32_t sample_cgroup(uint64_t key) /* 0: none or unknown; else index + 1 */
{
	return (uint32_t)(key >> 8) & ((1u << TABLE_CGROUP_BITS) - 1);
}
static inline unsigned sample_state(uint64_t key)
{
	return key & 0xff;
}
