/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DMA buffers and io_uring rings, by the file that stands for each; and what lies in slab for the
 * files themselves.  Sources: drivers/dma-buf/dma-buf.c, io_uring/io_uring.c rings_size()
 */
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>

#include "../base/cleanup.h"
#include "../kmem/decode.h"
#include "object_walk.h"

#define SQE_BYTES 64u
#define CQE_BYTES 16u
#define RINGS_HEAD 192u /* sizeof(struct io_rings) without its entries, some cache lines */
#define MAX_ENTRIES (1u << 24)
#define SETUP_SQE128 (1u << 10) /* include/uapi/linux/io_uring.h, since 5.19 */
#define SETUP_CQE32 (1u << 11)
#define FILES_LEAST (1u << 20)

static void read_text(struct object_walk *w, uint64_t addr, char *ret, size_t cap)
{
	ret[0] = '\0';
	if (plausible_object(addr & ~7ULL) && kmem_read(w->s, addr, ret, cap - 1) == 0)
		ret[cap - 1] = '\0';
	else
		ret[0] = '\0';
}

static uint64_t word_at(struct object_walk *w, uint64_t addr, struct kmem_field f)
{
	uint64_t v = 0;

	if (!field_present(f) || kmem_read(w->s, addr + f.offset, &v, sizeof(v)) < 0)
		return 0;
	return v;
}

/* The pages of a memfd, which are shared memory as long as the memfd is there; when it was closed
 * only the buffer keeps them, and no counter has them.  Source: drivers/dma-buf/udmabuf.c */
static bool is_shmem(struct object_walk *w, uint64_t buf)
{
	uint64_t priv = word_at(w, buf, w->ol.dma_buf.priv);
	uint64_t array = priv ? word_at(w, priv, w->ol.dma_buf.udmabuf_pages) : 0;
	uint64_t page = 0;

	if (!plausible_object(array) || kmem_read(w->s, array, &page, sizeof(page)) < 0 ||
	    !plausible_object(page))
		return true;
	return object_page_owner(w, page) == PAGE_OF_FILE;
}

/* Where a buffer's pages are counted depends on who made it. */
static void place(struct object_walk *w, uint64_t buf, struct object *o)
{
	if (!strcmp(o->name, "udmabuf") && is_shmem(w, buf)) {
		o->memory = MEMORY_SHMEM;
	} else if (!strcmp(o->name, "udmabuf")) {
		o->memory = MEMORY_PAGES;
		o->page_bytes = o->bytes;
	} else if (!strncmp(o->name, "system", 6)) {
		o->memory = MEMORY_PAGES; /* drivers/dma-buf/heaps/system_heap.c: alloc_pages() */
		o->page_bytes = o->bytes;
	} else {
		o->memory = MEMORY_UNKNOWN;
		o->page_bytes = OBJECT_NONE;
	}
}

void object_dma_buf(struct object_walk *w, const struct task_file *f, uint64_t ino)
{
	struct object o = {.kind = OBJECT_DMA_BUF,
			   .id = ino,
			   .capacity = OBJECT_NONE,
			   .waiting = OBJECT_NONE,
			   .count = 1};
	uint64_t name;

	if (object_seen(w->t, OBJECT_DMA_BUF, ino)) {
		object_hold(w->t, OBJECT_DMA_BUF, ino, f->pid);
		return;
	}
	if (!field_present(w->ol.dma_buf.size_bytes) ||
	    kmem_read(w->s, f->private_data + w->ol.dma_buf.size_bytes.offset, &o.bytes,
		      sizeof(o.bytes)) < 0)
		return;
	read_text(w, word_at(w, f->private_data, w->ol.dma_buf.exporter), o.name, 32);
	name = word_at(w, f->private_data, w->ol.dma_buf.name);
	if (name)
		read_text(w, name, o.detail, 32);
	place(w, f->private_data, &o);
	if (o.bytes < OBJECT_LEAST) {
		object_add_small(w->t, &o);
		return;
	}
	object_add(w->t, &o);
	object_hold(w->t, OBJECT_DMA_BUF, ino, f->pid);
}

/* Each of the two regions is one block of get_order() pages (io_mem_alloc(), since 6.14
 * io_mem_alloc_compound()), and single pages only where there was no such block. */
static uint64_t whole_block(const struct object_walk *w, uint64_t bytes)
{
	uint64_t block = w->s->page_size;

	while (block < bytes)
		block *= 2;
	return block;
}

/* All of them share one inode: the id is made of where the context lies, so that it does not tell
 * where. */
static uint64_t scrambled(const struct object_walk *w, uint64_t addr)
{
	uint64_t h = (addr ^ w->seed) * 0x9e3779b97f4a7c15ULL;

	h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9ULL;
	return (h ^ h >> 32) >> 8 | 1;
}

void object_io_uring(struct object_walk *w, const struct task_file *f)
{
	const struct object_layout *l = &w->ol;
	uint64_t id = scrambled(w, f->private_data);
	struct object o = {.kind = OBJECT_IO_URING,
			   .memory = MEMORY_PAGES,
			   .id = id,
			   .capacity = OBJECT_NONE,
			   .waiting = OBJECT_NONE,
			   .count = 1};
	uint32_t sq, cq, flags;

	if (object_seen(w->t, OBJECT_IO_URING, id)) {
		object_hold(w->t, OBJECT_IO_URING, id, f->pid);
		return;
	}
	if (!field_present(l->uring.sq_entries) || !field_present(l->uring.cq_entries) ||
	    !field_present(l->uring.flags))
		return;
	sq = (uint32_t)word_at(w, f->private_data, l->uring.sq_entries);
	cq = (uint32_t)word_at(w, f->private_data, l->uring.cq_entries);
	flags = (uint32_t)word_at(w, f->private_data, l->uring.flags);
	if (sq > MAX_ENTRIES || cq > MAX_ENTRIES)
		return;
	o.bytes =
		whole_block(w, (uint64_t)sq * SQE_BYTES << !!(flags & SETUP_SQE128)) +
		whole_block(w, RINGS_HEAD + ((uint64_t)cq * CQE_BYTES << !!(flags & SETUP_CQE32)) +
				       sq * sizeof(uint32_t));
	o.page_bytes = o.bytes;
	snprintf(o.detail, sizeof(o.detail), "%u submissions, %u completions", sq, cq);
	if (o.bytes < OBJECT_LEAST) {
		object_add_small(w->t, &o);
		return;
	}
	object_add(w->t, &o);
	object_hold(w->t, OBJECT_IO_URING, id, f->pid);
}

void object_open_files(struct object_walk *w, uint32_t pid)
{
	struct object o = {.kind = OBJECT_OPEN_FILES,
			   .memory = MEMORY_SLAB,
			   .id = pid,
			   .bytes = w->task_slab,
			   .capacity = OBJECT_NONE,
			   .waiting = OBJECT_NONE,
			   .count = (uint32_t)w->task_files};

	if (o.bytes < FILES_LEAST || object_find(w->t, OBJECT_OPEN_FILES, pid))
		return;
	snprintf(o.name, sizeof(o.name), "open files");
	object_add(w->t, &o);
	object_hold(w->t, OBJECT_OPEN_FILES, pid, pid);
}
