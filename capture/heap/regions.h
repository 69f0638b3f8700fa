/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mappings of a process, from /proc/PID/smaps, and what each is used for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote.h"

#define REGIONS_MAX 20000u /* max_map_count is 65530; whoever has more is read in part */
#define REGION_NAME 56

enum region_kind {
	REGION_HEAP,	     /* [heap]: brk */
	REGION_MALLOC_ARENA, /* of a thread, glibc: heaps aligned to 64 MiB */
	REGION_THREAD_STACK, /* lies right above a guard page */
	REGION_STACK,	     /* [stack] */
	REGION_ANONYMOUS,
	REGION_DATA,   /* private, writable mapping of a file */
	REGION_FILE,   /* other mappings of files */
	REGION_SHARED, /* shared memory: memfd, tmpfs, /dev/zero, System V */
	REGION_SPECIAL,
	REGION_KINDS,
};
const char *region_kind_name(enum region_kind k);

struct region {
	uint64_t start, end, offset;
	uint64_t rss, anonymous, swap; /* bytes */
	enum region_kind kind;
	bool readable, writable, executable;
	bool perf_data;		/* of a JVM: its hsperfdata file */
	char name[REGION_NAME]; /* the last part of the path, or "[heap]" … */
};

struct regions {
	struct region *rows; /* ascending */
	size_t count, capacity;
	uint64_t beyond;
};

/* smaps of the process whose /proc/PID is dir.  0 or a negative errno. */
int regions_read(struct regions *ret, int dir, char *buf, size_t cap);
/* The same of maps, that costs the process next to nothing: without how much of it is there. */
int regions_read_bare(struct regions *ret, int dir, char *buf, size_t cap);
/* What lies above a guard page is a thread's stack only when the thread's own structure is at its
 * top; else it becomes anonymous memory. */
void regions_confirm_stacks(struct regions *r, struct remote *remote);
void regions_free(struct regions *r);
/* The region that holds the address, or NULL. */
const struct region *regions_find(const struct regions *r, uint64_t address);
/* Anonymous memory that the process itself may write to. */
bool region_is_heap(const struct region *r);
