/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "glibc.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define HEADER 16u
#define CHUNK_LEAST 32u
#define PREV_INUSE 1u
#define IS_MMAPPED 2u
#define NON_MAIN_ARENA 4u
#define FLAGS 7u
#define ARENA_HEAP UINT64_C(0x4000000)
#define HEAP_INFO_LEAST 32u /* up to 2.34; 48 from 2.35 on */
#define HEAP_INFO_MOST 48u
#define STATE_LEAST 2048u /* sizeof(struct malloc_state), about */
#define STATE_MOST 2400u
#define PROOF 8 /* chunks that must follow each other for a start to be believed */

struct window { /* a part of the region, read ahead */
	struct remote *r;
	uint8_t *buf;
	size_t cap, len;
	uint64_t start;
};

static bool window_get(struct window *w, uint64_t address, void *out, size_t len)
{
	if (address < w->start || address + len > w->start + w->len) {
		uint64_t page = address & ~(uint64_t)(REMOTE_PAGE - 1);

		w->start = page;
		/* A header that is swapped out reads as zeros, which no chunk's size is. */
		w->len = w->cap;
		if (!remote_read_resident(w->r, page, w->buf, w->cap, NULL))
			return false;
	}
	memcpy(out, w->buf + (address - w->start), len);
	return true;
}

static uint64_t size_of(uint64_t word)
{
	return word & ~(uint64_t)FLAGS;
}

static bool plausible(uint64_t word, uint64_t at, uint64_t end)
{
	uint64_t size = size_of(word);

	return size >= CHUNK_LEAST && size % 16 == 0 && size <= end - at && !(word & IS_MMAPPED);
}

static bool proven(struct window *w, uint64_t at, uint64_t end, bool main_arena)
{
	uint64_t word;

	for (int i = 0; i < PROOF; i++) {
		if (!window_get(w, at + 8, &word, sizeof(word)) || !plausible(word, at, end) ||
		    (i == 0 && !(word & PREV_INUSE)))
			return false;
		if (!main_arena && !(word & NON_MAIN_ARENA) && size_of(word) != end - at)
			return false;
		at += size_of(word);
		if (at == end)
			return true;
	}
	return true;
}

/* Where the first chunk of the heap that lies at [start, end) is, or 0. */
static uint64_t first_chunk(struct window *w, uint64_t start, uint64_t end, bool main_arena)
{
	uint64_t state;

	if (main_arena) {
		/* What was taken from brk before malloc came (a static program's TLS) is small. */
		for (uint64_t at = (start + 15) & ~UINT64_C(15); at < end && at < start + 8192;
		     at += 16)
			if (proven(w, at, end, true))
				return at;
		return 0;
	}
	if (!window_get(w, start, &state, sizeof(state)))
		return 0;
	if (state >= start + HEAP_INFO_LEAST && state <= start + HEAP_INFO_MOST) {
		for (uint64_t at = state + STATE_LEAST; at < state + STATE_MOST && at < end;
		     at += 16)
			if (proven(w, at, end, false))
				return at;
		return 0;
	}
	if (state % 16 != 0 || state % ARENA_HEAP > HEAP_INFO_MOST)
		return 0;
	for (uint64_t at = start + HEAP_INFO_LEAST; at <= start + HEAP_INFO_MOST; at += 16)
		if (proven(w, at, end, false))
			return at;
	return 0;
}

/* Whole pages of a free chunk that are in memory: what malloc_trim(3) gives back. */
static uint64_t resident_inside(const struct remote *r, uint64_t address, uint64_t size)
{
	uint64_t from = (address + 2 * CHUNK_LEAST + REMOTE_PAGE - 1) / REMOTE_PAGE;
	uint64_t to = (address + size) / REMOTE_PAGE, entries[512], found = 0;

	if (r->pagemap_fd < 0)
		return 0;
	while (from < to) {
		size_t want = to - from < 512 ? (size_t)(to - from) : 512;
		ssize_t n = pread(r->pagemap_fd, entries, want * 8, (off_t)(from * 8));

		if (n < 8)
			break;
		for (ssize_t i = 0; i < n / 8; i++)
			found += entries[i] >> 63;
		from += (uint64_t)n / 8;
	}
	return found * REMOTE_PAGE;
}

static void show(struct window *w, struct chunk *c)
{
	size_t len = c->size - 8 < CHUNK_SEEN ? (size_t)c->size - 8 : CHUNK_SEEN;

	memset(c->head, 0, sizeof(c->head));
	if (!window_get(w, c->address, c->head, len))
		memset(c->head, 0, sizeof(c->head));
}

static int walk_heap(struct window *w, uint64_t start, uint64_t end, bool main_arena,
		     struct glibc_sum *sum, chunk_visit_fn visit, void *ctx)
{
	uint64_t at = first_chunk(w, start, end, main_arena), word, next;

	if (!at)
		return -ENOEXEC;
	if (!window_get(w, at + 8, &word, sizeof(word)))
		return -ENOEXEC;
	sum->walked_bytes += at - start;
	while (at < end) {
		struct chunk c = {.address = at + HEADER, .size = size_of(word)};
		bool last = at + c.size >= end;

		if (!last && !window_get(w, at + c.size + 8, &next, sizeof(next)))
			break;
		/* The fence at the end of a full heap of an arena, or memory of somebody else. */
		if (!last && !plausible(next, at + c.size, end)) {
			if (size_of(next) <= HEADER && end - at - c.size <= 4 * HEADER)
				last = true;
			else
				break;
			c.in_use = next & PREV_INUSE;
		} else {
			c.in_use = !last && (next & PREV_INUSE);
		}
		sum->walked_bytes += c.size;
		if (c.in_use) {
			sum->used_bytes += c.size;
			sum->used_chunks++;
		} else {
			sum->free_bytes += c.size;
			sum->free_chunks++;
			sum->top_bytes += last ? c.size : 0;
			sum->free_resident_bytes += resident_inside(w->r, at, c.size);
		}
		if (visit && c.in_use) {
			int error;

			show(w, &c);
			error = visit(ctx, &c);
			if (error < 0) {
				sum->unwalked_bytes += end - at - c.size;
				return error;
			}
		}
		if (last)
			return 0;
		at += c.size;
		word = next;
	}
	sum->broken++;
	sum->unwalked_bytes += end - at;
	return 0;
}

int glibc_walk(struct remote *r, const struct region *region, uint8_t *buf, size_t cap,
	       struct glibc_sum *sum, chunk_visit_fn visit, void *ctx)
{
	struct window w = {.r = r, .buf = buf, .cap = cap};
	int found = -ENOEXEC, error;

	if (region->kind == REGION_HEAP)
		return walk_heap(&w, region->start, region->end, true, sum, visit, ctx);
	for (uint64_t at = region->start; at < region->end; at += ARENA_HEAP) {
		uint64_t end = at + ARENA_HEAP < region->end ? at + ARENA_HEAP : region->end;

		error = walk_heap(&w, at, end, false, sum, visit, ctx);
		if (error < 0 && error != -ENOEXEC)
			return error;
		found = error == 0 ? 0 : found;
	}
	return found;
}

uint64_t glibc_mapped_chunk(const uint64_t words[2], uint64_t room)
{
	uint64_t size = size_of(words[1]);

	if (words[0] || (words[1] & FLAGS) != IS_MMAPPED || size < REMOTE_PAGE ||
	    size % REMOTE_PAGE || size > room)
		return 0;
	return size;
}
