/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel objects that hold memory and belong to somebody: rings, queues, pipes, BPF maps, buffers.
 * One table of them, and one of who holds them; both bounded.  Small objects are only summed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../collect.h"

enum object_kind {
	OBJECT_PACKET_RING, /* AF_PACKET with PACKET_RX_RING or PACKET_TX_RING */
	OBJECT_SOCKET,
	OBJECT_PIPE,
	OBJECT_BPF_MAP,
	OBJECT_DMA_BUF,
	OBJECT_IO_URING,
	OBJECT_OPEN_FILES,  /* of one process: the structures behind its descriptors */
	OBJECT_HUGE_PAGES,  /* of one process: mapped, reserved, and not used */
	OBJECT_DRM,	    /* of one client of a graphics device: its buffers in RAM */
	OBJECT_VRAM,	    /* the same, those on the card */
	OBJECT_RDMA,	    /* a registered memory region: pages of its process, pinned */
	OBJECT_PAGE_POOL,   /* pages of a network device's queue */
	OBJECT_SHMEM,	    /* a memfd, or a deleted file of tmpfs, by who has it open */
	OBJECT_DYING_GROUP, /* a deleted memory cgroup that sockets refer to: no bytes */
	OBJECT_KIND_COUNT,
};

/* Where the bytes lie: it decides in which other figure of the kernel they are counted too. */
enum object_memory {
	MEMORY_PAGES,	/* whole pages, in no counter of /proc/meminfo */
	MEMORY_VMALLOC, /* in VmallocUsed, and in vmallocinfo by caller */
	MEMORY_SLAB,
	MEMORY_PERCPU,
	MEMORY_HUGETLB, /* in a pool of huge pages */
	MEMORY_SHMEM,	/* pins pages of shared memory, takes none of its own */
	MEMORY_PROCESS, /* pins pages of a process, takes none of its own */
	MEMORY_VRAM,	/* not in RAM at all */
	MEMORY_UNKNOWN, /* of drivers, say */
};

#define OBJECT_NAME 64
#define OBJECT_DETAIL 160

struct object {
	uint64_t id; /* inode number, or the BPF id; 0: the sum of the small ones of this kind */
	uint64_t bytes;
	uint64_t page_bytes; /* of these, in whole pages that no counter has; UINT64_MAX: not known
			      */
	uint64_t capacity;   /* what it may take; UINT64_MAX: not known */
	uint64_t pool_bytes; /* beside those, in pages of a page pool, which has them as well */
	uint64_t waiting;    /* bytes of data that nobody has read yet; UINT64_MAX: not known */
	uint32_t netns;	     /* inode number; 0: none */
	uint32_t count;	     /* objects in this row */
	uint8_t kind, memory;
	char name[OBJECT_NAME], detail[OBJECT_DETAIL];
};
#define OBJECT_NONE UINT64_MAX

struct object_holder {
	uint64_t id;
	uint32_t pid, fds;
	uint8_t kind;
};

struct object_table {
	struct object *rows;
	size_t count, cap, max;
	uint32_t *index; /* open addressing, by kind and id; row + 1 */
	size_t index_size;
	struct object small[OBJECT_KIND_COUNT];
	uint64_t *seen; /* of small ones: open addressing, id × 16 + kind; 0: empty */
	size_t seen_size, seen_count;
	uint64_t seen_beyond;
	struct object_holder *holders;
	size_t holder_count, holder_cap, holder_max;
	uint64_t holders_dropped;
	uint32_t untold; /* bit of each kind that could not be looked at: it says so, not 0 */
};

/* memory: bytes that both tables may take. */
int object_table_init(struct object_table *t, size_t memory);
void object_table_release(struct object_table *t);

/* NULL: no such row. */
struct object *object_find(struct object_table *t, enum object_kind kind, uint64_t id);
/* A new row, which must not be there yet; NULL: no room, and it is counted as small. */
struct object *object_add(struct object_table *t, const struct object *o);
/* Counted, not listed: once each. */
void object_add_small(struct object_table *t, const struct object *o);
/* Listed, or counted among the small ones. */
bool object_seen(struct object_table *t, enum object_kind kind, uint64_t id);
/* One descriptor of pid refers to it: kept of those that are listed.  Calls for one pid follow each
 * other. */
void object_hold(struct object_table *t, enum object_kind kind, uint64_t id, uint32_t pid);

/* tables/kernel_objects.tsv and tables/kernel_holders.tsv. */
int object_table_emit(struct object_table *t, struct emit *out);
