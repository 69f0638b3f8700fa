/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Through the memory of a CPython process: its pools, and glibc's chunks for what is larger. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "glibc.h"
#include "python_private.h"

#define ALIGNMENT 16u	/* of pymalloc's size classes on 64 bits */
#define SMALL_MOST 512u /* SMALL_REQUEST_THRESHOLD */
#define POOL_HEADER 48u /* struct pool_header */
#define POOL_MOST (1u << 14)
#define POOL_CACHE 2048u
#define CHUNK_BUFFER (64u << 10)
#define CONTAINER_LEAST 4096u /* bytes of one object worth a line of its own */
#define DEQUE_BLOCK 64u	      /* BLOCKLEN of Modules/_collectionsmodule.c */
#define NDARRAY_OWNDATA 4u
#define ASK_EVERY 1024u

struct pool_header {
	uint32_t count, padding;
	uint64_t freeblock, next, previous;
	uint32_t arena, size_index, next_offset, most_offset;
};

struct walk {
	struct python_walk *w;
	struct type_table types;
	uint64_t pool_size;
	struct {
		uint64_t address;
		uint32_t block;
	} pools[POOL_CACHE];
	/* Bytes: all blocks of pools, those of objects, and what objects hold beyond their own. */
	uint64_t pool_bytes, pool_free, pool_objects, pool_owned;
	uint64_t chunk_objects, chunk_owned;
	uint64_t mapped_bytes; /* chunks with a mapping of their own */
	uint64_t skip_to;      /* such a chunk goes on up to here */
	struct glibc_sum glibc;
	unsigned asked;
	uint8_t chunk_buffer[CHUNK_BUFFER];
};

static uint64_t get(const uint8_t *block, size_t size, size_t offset)
{
	uint64_t v;

	if (offset + sizeof(v) > size)
		return 0;
	memcpy(&v, block + offset, sizeof(v));
	return v;
}

/* ------------------------------------------------------------------ pools */

/* The size of its blocks, or 0: that is no pool in use. */
static uint32_t pool_block(const struct walk *k, const struct pool_header *h, uint64_t address)
{
	uint32_t size = (h->size_index + 1) * ALIGNMENT, pool = (uint32_t)k->pool_size;

	if (h->size_index >= SMALL_MOST / ALIGNMENT || h->most_offset != pool - size ||
	    h->count == 0 || h->count > (pool - POOL_HEADER) / size ||
	    h->next_offset < POOL_HEADER + size || h->next_offset > pool ||
	    (h->next_offset - POOL_HEADER) % size != 0)
		return 0;
	if (h->freeblock &&
	    (h->freeblock < address + POOL_HEADER || h->freeblock > address + pool - size ||
	     (h->freeblock - address - POOL_HEADER) % size != 0))
		return 0;
	return size;
}

/* What the allocator took for the block at this address, 0: it is not on the heap. */
static uint64_t usable(struct walk *k, uint64_t address, bool *ret_small)
{
	const struct region *x = regions_find(k->w->regions, address);
	uint64_t pool = address & ~(k->pool_size - 1), word;
	size_t at = (pool >> 12) * UINT64_C(0x9e3779b97f4a7c15) >> 53; /* 11 bits */
	struct pool_header h;
	uint32_t block = 0;

	*ret_small = false;
	if (!address || !x || !region_is_heap(x))
		return 0;
	if (k->pools[at].address == pool) {
		block = k->pools[at].block;
	} else if (pool >= x->start && remote_get(k->w->r, pool, &h, sizeof(h))) {
		block = pool_block(k, &h, pool);
		k->pools[at].address = pool;
		k->pools[at].block = block;
	}
	if (block) {
		*ret_small = true;
		return block;
	}
	if (address % 16 || address - 16 < x->start ||
	    !remote_get(k->w->r, address - 8, &word, sizeof(word)))
		return 0;
	word &= ~UINT64_C(7);
	return word >= 32 && word <= x->end - address + 16 ? word : 0;
}

/* ------------------------------------------------------------------ objects */

static bool plausible_references(const struct walk *k, uint64_t word)
{
	if (!(uint32_t)word)
		return false;
	return !(k->w->python->layout->short_refcount ? word >> 32 & 0xffff : word >> 32);
}

/* The object in this block, which begins *ret_offset bytes into it; NULL: none. */
static const struct type_row *object_in(struct walk *k, const uint8_t *block, size_t size,
					size_t *ret_offset)
{
	for (size_t offset = 0; offset <= 32; offset += 16) {
		const struct type_row *t;

		if (offset + 16 > size || !plausible_references(k, get(block, size, offset)))
			continue;
		t = types_find(&k->types, get(block, size, offset + 8));
		if (t && t->preheader == offset) {
			*ret_offset = offset;
			return t;
		}
	}
	return NULL;
}

/* Bytes of the blocks that the object holds beside its own; its length, where it has one. */
static uint64_t beyond(struct walk *k, const struct type_row *t, const uint8_t *o, size_t size,
		       uint64_t address, uint64_t weight, uint64_t *ret_length)
{
	uint64_t at = 0, times = 1, bytes;
	bool small;

	*ret_length = 0;
	switch (t->shape) {
	case SHAPE_PLAIN:
		return 0;
	case SHAPE_SIZED:
		*ret_length = get(o, size, 16);
		return 0;
	case SHAPE_LIST:
		*ret_length = get(o, size, 16);
		at = get(o, size, 24);
		break;
	case SHAPE_DICT: /* keys that are shared belong to the class */
		*ret_length = get(o, size, 16);
		at = get(o, size, 40) ? 0 : get(o, size, 32);
		if (get(o, size, 40) && k->w->python->minor <= 12)
			at = get(o, size, 40);
		break;
	case SHAPE_SET:
		*ret_length = get(o, size, 24);
		at = get(o, size, 40);
		if (at >= address && at < address + 256) /* its small table, inside it */
			at = 0;
		break;
	case SHAPE_BYTEARRAY:
		*ret_length = get(o, size, 16);
		at = get(o, size, 32);
		break;
	case SHAPE_DEQUE:
		*ret_length = get(o, size, 16);
		at = get(o, size, 24);
		times = *ret_length / DEQUE_BLOCK + 1;
		break;
	case SHAPE_NDARRAY:
		at = get(o, size, 64) & NDARRAY_OWNDATA ? get(o, size, 16) : 0;
		break;
	}
	bytes = usable(k, at, &small);
	if (__builtin_mul_overflow(bytes, times, &bytes))
		return 0;
	*(small ? &k->pool_owned : &k->chunk_owned) += bytes * weight;
	return bytes;
}

/* Attributes of an instance that has no dict yet (3.11, 3.12). */
static uint64_t values_of(struct walk *k, const struct type_row *t, const uint8_t *block,
			  uint64_t weight)
{
	uint64_t word, bytes;
	bool small;

	if (!t->values || t->preheader != 32)
		return 0;
	word = get(block, 32, k->w->python->layout->values == VALUES_POINTER ? 0 : 8);
	if (k->w->python->layout->values == VALUES_TAGGED)
		word = word & 1 ? word + 1 : 0;
	bytes = usable(k, word, &small);
	*(small ? &k->pool_owned : &k->chunk_owned) += bytes * weight;
	return bytes;
}

static void count_object(struct walk *k, const struct type_row *t, const uint8_t *block,
			 size_t shown, uint64_t address, uint64_t bytes, size_t offset,
			 uint64_t weight)
{
	uint64_t length;

	bytes += beyond(k, t, block + offset, shown - offset, address + offset, weight, &length);
	bytes += values_of(k, t, block, weight);
	census_add(k->w->census, t->entry, weight, bytes * weight);
	if (bytes >= CONTAINER_LEAST)
		census_container(k->w->census, t->entry, address + offset, length, bytes);
}

static void read_pool(struct walk *k, const uint8_t *pool, uint64_t address, uint32_t block)
{
	uint64_t is_free[POOL_MOST / ALIGNMENT / 64] = {0};
	struct pool_header h;
	uint64_t one_in = k->w->one_in, next;
	uint32_t blocks, free_blocks = 0;

	memcpy(&h, pool, sizeof(h));
	blocks = (h.next_offset - POOL_HEADER) / block;
	next = h.freeblock;
	for (uint32_t i = 0; next && i < blocks; i++) {
		uint64_t offset = next - address - POOL_HEADER, n = offset / block;

		if (next < address + POOL_HEADER || offset % block || n >= blocks ||
		    is_free[n / 64] >> n % 64 & 1)
			break;
		is_free[n / 64] |= UINT64_C(1) << n % 64;
		free_blocks++;
		next = get(pool, k->pool_size, next - address);
	}
	k->pool_bytes += k->pool_size * one_in;
	k->pool_free += (k->pool_size - (uint64_t)(blocks - free_blocks) * block) * one_in;
	for (uint32_t n = 0; n < blocks; n++) {
		const uint8_t *b = pool + POOL_HEADER + (size_t)n * block;
		const struct type_row *t;
		size_t offset;

		if (is_free[n / 64] >> n % 64 & 1)
			continue;
		t = object_in(k, b, block, &offset);
		if (!t)
			continue;
		k->pool_objects += block * one_in;
		count_object(k, t, b, block, address + POOL_HEADER + (uint64_t)n * block, block,
			     offset, one_in);
	}
}

/* ------------------------------------------------------------------ larger blocks */

static int time_is_up(struct walk *k)
{
	if (++k->asked % ASK_EVERY == 0 && k->w->expired && k->w->expired(k->w->ctx))
		return -ETIME;
	return 0;
}

static int visit_chunk(void *ctx, const struct chunk *c)
{
	struct walk *k = ctx;
	const struct type_row *t;
	size_t offset, shown = c->size - 8 < CHUNK_SEEN ? (size_t)c->size - 8 : CHUNK_SEEN;

	t = object_in(k, c->head, shown, &offset);
	if (t) {
		uint8_t whole[128] = {0}; /* the head may end before what is asked for */
		size_t more = c->size - 8 < sizeof(whole) ? (size_t)c->size - 8 : sizeof(whole);

		memcpy(whole, c->head, shown);
		if (more > shown && t->shape != SHAPE_PLAIN && t->shape != SHAPE_SIZED)
			remote_read(k->w->r, c->address, whole, more);
		k->chunk_objects += c->size;
		count_object(k, t, whole, more, c->address, c->size, offset, 1);
	}
	return time_is_up(k);
}

/* These are few and large: they are never sampled. */
static void mapped_chunk(struct walk *k, uint64_t address, uint64_t size)
{
	uint8_t head[128] = {0};
	const struct type_row *t;
	size_t offset;

	k->mapped_bytes += size;
	k->skip_to = address + size;
	if (!remote_get(k->w->r, address + 16, head, sizeof(head)))
		return;
	t = object_in(k, head, sizeof(head), &offset);
	if (!t)
		return;
	k->chunk_objects += size;
	count_object(k, t, head, sizeof(head), address + 16, size, offset, 1);
}

/* ------------------------------------------------------------------ the walk */

static bool chosen(const struct walk *k, uint64_t window)
{
	return k->w->one_in <= 1 ||
	       (window * UINT64_C(0x9e3779b97f4a7c15) >> 32) % k->w->one_in == 0;
}

static void read_window(struct walk *k, const struct region *x, uint64_t start, uint64_t end)
{
	uint8_t present[PYTHON_BUFFER / REMOTE_PAGE];
	uint8_t *buf = k->w->buf;
	uint64_t at = start;

	if (!remote_read_resident(k->w->r, start, buf, end - start, present))
		return;
	while (at < end) {
		const uint8_t *page = buf + (at - start);
		struct pool_header h;
		uint32_t block = 0;
		uint64_t mapped;

		if (at < k->skip_to) {
			at = k->skip_to < end ? k->skip_to : end;
			continue;
		}
		if (!present[(at - start) / REMOTE_PAGE]) {
			at += REMOTE_PAGE;
			continue;
		}
		memcpy(&h, page, sizeof(h));
		if (at % k->pool_size == 0 && at + k->pool_size <= end)
			block = pool_block(k, &h, at);
		if (block) {
			read_pool(k, page, at, block);
			at += k->pool_size;
			continue;
		}
		mapped = glibc_mapped_chunk((const uint64_t[]){get(page, 16, 0), get(page, 16, 8)},
					    x->end - at);
		if (mapped)
			mapped_chunk(k, at, mapped);
		else
			at += REMOTE_PAGE;
	}
}

/* A window that is not in the sample: only the large chunks that begin in it. */
static void read_heads(struct walk *k, const struct region *x, uint64_t start, uint64_t end)
{
	uint64_t heads[PYTHON_BUFFER / REMOTE_PAGE][2];

	if (k->skip_to >= end)
		return;
	remote_read_heads(k->w->r, start, (end - start) / REMOTE_PAGE, heads);
	for (uint64_t at = start; at < end; at += REMOTE_PAGE) {
		uint64_t size;

		if (at < k->skip_to)
			continue;
		size = glibc_mapped_chunk(heads[(at - start) / REMOTE_PAGE], x->end - at);
		if (size)
			mapped_chunk(k, at, size);
	}
}

static int read_region(struct walk *k, const struct region *x)
{
	for (uint64_t at = x->start; at < x->end;) {
		uint64_t end = (at / PYTHON_BUFFER + 1) * PYTHON_BUFFER;

		if (end > x->end)
			end = x->end;
		if (chosen(k, at / PYTHON_BUFFER))
			read_window(k, x, at, end);
		else
			read_heads(k, x, at, end);
		if (k->w->expired && k->w->expired(k->w->ctx))
			return -ETIME;
		at = end;
	}
	return 0;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static void add(struct walk *k, const char *name, uint64_t bytes)
{
	census_add(k->w->census, census_entry(k->w->census, CENSUS_ALLOCATOR, name), 0, bytes);
}

/* What the allocators have that no object accounts for. */
static void summarise(struct walk *k)
{
	uint64_t used = k->glibc.used_bytes + k->mapped_bytes;

	add(k, "pymalloc: free", k->pool_free);
	add(k, "pymalloc: not of an object",
	    less(less(less(k->pool_bytes, k->pool_free), k->pool_objects), k->pool_owned));
	add(k, "malloc: not of a Python object",
	    less(less(used, k->chunk_objects), k->chunk_owned));
	add(k, "malloc: free", k->glibc.free_bytes);
	k->w->glibc = k->glibc;
}

int python_walk(struct python_walk *w)
{
	struct walk *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	k->w = w;
	k->pool_size = UINT64_C(1) << w->python->layout->pool_bits;
	r = types_init(&k->types, w->python, w->r, w->census);
	for (size_t i = 0; r == 0 && i < w->regions->count; i++) {
		const struct region *x = &w->regions->rows[i];

		if (!region_is_heap(x) || !x->readable || !x->writable || !x->rss)
			continue;
		if (x->kind == REGION_ANONYMOUS)
			r = read_region(k, x);
		else if (glibc_walk(w->r, x, k->chunk_buffer, sizeof(k->chunk_buffer), &k->glibc,
				    visit_chunk, k) == -ETIME)
			r = -ETIME;
	}
	if (r == 0 || r == -ETIME)
		summarise(k);
	types_free(&k->types);
	free(k);
	return r;
}
