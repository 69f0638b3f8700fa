/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is in a heap, by kind: counts and bytes of two readings.  Bounded: what does not fit is
 * counted and lost by name only, in one entry for all of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CENSUS_NAME 96
#define CENSUS_MAX 4096u /* entries of one process */
#define CENSUS_CONTAINERS 16u

enum census_kind {
	CENSUS_OBJECT,	  /* of a type of the runtime */
	CENSUS_ALLOCATOR, /* what the allocators hold: free, not of an object … */
	CENSUS_MAPPING,	  /* resident memory by kind of mapping */
	CENSUS_COUNTER,	  /* a counter of the runtime; has no bytes */
	CENSUS_KINDS,
};

struct census_entry {
	enum census_kind kind;
	uint32_t hash;
	char name[CENSUS_NAME];
	/* By reading.  Of a heap that was read in part, estimates. */
	uint64_t count[2], bytes[2];
};

struct census_container {
	uint64_t address, bytes[2], length[2];
	uint32_t entry;
};

struct census {
	struct census_entry *entries;
	size_t count, capacity;
	uint32_t *index; /* hash table of entry + 1 */
	size_t index_size;
	unsigned reading;				       /* 0 or 1 */
	struct census_container containers[CENSUS_CONTAINERS]; /* largest first */
	size_t container_count;
};

/* The entry of that name, made when it is new.  Its number, or -ENOMEM.  Beyond CENSUS_MAX all
 * share the entry "(other types)". */
int census_entry(struct census *c, enum census_kind kind, const char *name);
void census_add(struct census *c, int entry, uint64_t count, uint64_t bytes);
/* Keeps the largest.  In the second reading, those of the first are found again by address. */
void census_container(struct census *c, int entry, uint64_t address, uint64_t length,
		      uint64_t bytes);
void census_free(struct census *c);
