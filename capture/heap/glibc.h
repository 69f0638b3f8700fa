/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The blocks of glibc's malloc, walked from the outside: every chunk carries its size, so the
 * chunks of a region follow each other without a gap.  That is what makes the walk sound: one
 * that does not end exactly at the region's end is known to have failed, and says how far it came.
 *
 * Source: glibc's malloc/malloc.c, "chunk layout" (struct malloc_chunk; PREV_INUSE 1, IS_MMAPPED 2,
 * NON_MAIN_ARENA 4 in the low bits of mchunk_size), malloc/arena.c (heap_info).  Unchanged on 64
 * bits from 2.3 to 2.42 but for the length of heap_info, which is found out.
 */
#pragma once

#include "regions.h"

#define CHUNK_SEEN 64u /* bytes of a block shown to the visitor */

struct chunk {
	uint64_t address;	  /* of the user's bytes */
	uint64_t size;		  /* of the whole chunk, its header included */
	bool in_use;		  /* free ones in tcache and fastbins count as in use: the kernel of
				   * malloc itself does not know better */
	uint8_t head[CHUNK_SEEN]; /* its first bytes, zeros beyond its end */
};

struct glibc_sum { /* adds up over regions */
	uint64_t used_bytes, used_chunks;
	uint64_t free_bytes, free_chunks;
	uint64_t free_resident_bytes; /* whole resident pages inside free chunks */
	uint64_t top_bytes;	      /* of free_bytes: at the end of a heap */
	uint64_t walked_bytes, unwalked_bytes;
	uint64_t broken; /* regions whose walk did not come to its end */
};

/* visit may be NULL; negative: stop the walk (time is up). */
typedef int (*chunk_visit_fn)(void *ctx, const struct chunk *c);

/* A region of kind HEAP or MALLOC_ARENA.  buf: room for reading, cap ≥ 64 KiB.
 * 0; -ENOEXEC: not glibc's; or what visit returned. */
int glibc_walk(struct remote *r, const struct region *region, uint8_t *buf, size_t cap,
	       struct glibc_sum *sum, chunk_visit_fn visit, void *ctx);

/* The size of a block that was mapped on its own, when words are the two words at the start of a
 * page and room is what is mapped from there on; 0: it is none. */
uint64_t glibc_mapped_chunk(const uint64_t words[2], uint64_t room);
