/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory_blocks.h"

#include <stdlib.h>
#include <string.h>

#define SMALLEST 0.004 /* of what is in use, to be drawn inside a block */
#define NAMELESS 0.008 /* of what is in use: a block below that has no room for its name */

static const struct memory_look looks[] = {
	{"free", "free", "#zones"},
	{"heap", "heap", "#processes"},
	{"file-mapped", "files", "#files"},
	{"page-cache", "files", "#files"},
	{"shared-memory", "shared", "#shared-memory"},
	{"buffers", "files", "#files"},
	{"swap-cache", "heap", "#counters"},
	{"slab-reclaimable", "slab", "#slabs"},
	{"slab-unreclaimable", "slab", "#slabs"},
	{"vmalloc", "kernel", "#vmalloc"},
	{"huge-pages", "huge", "#huge-pools"},
	{"cma", "huge", "#counters"},
	{"balloon", "driver", "#counters"},
	{"zram", "driver", "#counters"},
	{"zswap", "driver", "#counters"},
	{"dma-buf", "driver", "#kernel-objects"},
	{"gpu", "driver", "#kernel-objects"},
	{"network", "driver", "#kernel-objects"},
	{"pipes", "driver", "#kernel-objects"},
	{"bpf", "driver", "#kernel-objects"},
	{"io-uring", "driver", "#kernel-objects"},
	{"rdma", "driver", "#counters"},
	{"kvm", "kernel", "#counters"},
	{"arc", "driver", "#counters"},
	{"driver-other", "driver", "#counters"},
	{"reserved", "reserved", "#counters"},
	{"kernel-image", "kernel", "#counters"},
	{"unaccounted", "unaccounted", "#accounts"},
};

struct memory_look memory_look(const char *id)
{
	for (size_t i = 0; i < sizeof(looks) / sizeof(*looks); i++)
		if (!strcmp(looks[i].id, id))
			return looks[i];
	return (struct memory_look){id, "kernel", "#counters"};
}

static int larger_block(const void *a, const void *b)
{
	const struct memory_block *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->label, y->label);
}

/* Largest first; what would not fit in the block is left out, for the areas must stay true. */
static void put_inside(struct memory_block *b, const char *name, const char *title, uint64_t bytes,
		       double used)
{
	double inside = 0;
	size_t at = b->inner_count;

	if (bytes == FACT_NONE || (double)bytes < used * SMALLEST || !name)
		return;
	for (size_t i = 0; i < b->inner_count; i++)
		inside += b->inner[i].bytes;
	if (inside + (double)bytes > b->bytes || b->inner_count == BLOCK_CHILDREN)
		return;
	while (at && b->inner[at - 1].bytes < (double)bytes) {
		b->inner[at] = b->inner[at - 1];
		at--;
	}
	b->inner[at] = (struct memory_inner){name, title, (double)bytes};
	b->inner_count++;
}

static const char *last_segment(const char *path)
{
	const char *slash = path && path[0] != '[' ? strrchr(path, '/') : NULL;

	return slash && slash[1] ? slash + 1 : path;
}

static double in_use(const struct model *m)
{
	double bytes = (double)m->memory_total;

	for (size_t i = 0; i < m->part_count; i++)
		if (!strcmp(m->parts[i].id, "free"))
			bytes -= (double)m->parts[i].bytes;
	return fmax(bytes, 1);
}

/* What the objects of a part are called in kernel_objects.tsv. */
static bool is_kind_of(const char *id, const char *kind)
{
	if (!strcmp(id, "network"))
		return !strcmp(kind, "packet-ring") || !strcmp(kind, "socket") ||
		       !strcmp(kind, "page-pool");
	if (!strcmp(id, "gpu"))
		return !strcmp(kind, "drm");
	if (!strcmp(id, "pipes"))
		return !strcmp(kind, "pipe");
	if (!strcmp(id, "bpf"))
		return !strcmp(kind, "bpf-map");
	return !strcmp(id, kind);
}

static void look_at_holders(struct memory_block *b, const char *id, const struct model *m)
{
	for (size_t i = 0; i < m->holding_count && i < 64; i++) {
		const struct model_holding *h = &m->holdings[i];
		const struct fact_kernel_object *o = h->largest;

		if (!is_kind_of(id, h->kind))
			continue;
		if (h->process)
			put_inside(b, h->process->comm, h->process->cmdline, h->bytes, in_use(m));
		else if (o)
			put_inside(b, o->name, o->detail, h->bytes, in_use(m));
	}
}

static void look_inside(struct memory_block *b, const char *id, const struct model *m)
{
	double total = in_use(m);

	if (!strcmp(id, "heap"))
		for (size_t i = 0; i < m->process_count && i < 64; i++)
			put_inside(b, m->processes[i]->comm, m->processes[i]->cmdline,
				   m->processes[i]->heap_bytes, total);
	if (!strcmp(id, "page-cache"))
		for (size_t i = 0, n = 0; i < m->file_count && n < 64; i++)
			if (!m->files[i].shmem) {
				n++;
				put_inside(b, last_segment(m->files[i].path), m->files[i].path,
					   m->files[i].cached_bytes, total);
			}
	if (!strcmp(id, "shared-memory"))
		for (size_t i = 0; i < m->shm_directory_count && i < 64; i++)
			put_inside(b, m->shm_directories[i].path, NULL, m->shm_directories[i].bytes,
				   total);
	look_at_holders(b, id, m);
	if (!strncmp(id, "slab-", 5))
		for (size_t i = 0; i < m->slab_count && i < 64; i++)
			if (m->slabs[i]->reclaimable == !strcmp(id, "slab-reclaimable"))
				put_inside(b, m->slabs[i]->name, NULL, m->slabs[i]->bytes, total);
}

static bool is_file_part(const char *id)
{
	return !strcmp(id, "page-cache") || !strcmp(id, "file-mapped") || !strcmp(id, "buffers");
}

/* Those too small to bear a name stand as one that does; the table below has each.  Sorted, as
 * blocks was. */
static size_t join_smallest(struct memory_block *blocks, size_t n, double used)
{
	struct memory_block joined = {"Smaller parts", "kernel", "#memory", 0, {{0}}, 0};
	size_t kept = 0, count = 0;

	for (size_t i = 0; i < n; i++)
		count += blocks[i].bytes < used * NAMELESS &&
			 strcmp(blocks[i].group, "unaccounted") != 0;
	if (count < 2)
		return n;
	for (size_t i = 0; i < n; i++)
		if (blocks[i].bytes < used * NAMELESS &&
		    strcmp(blocks[i].group, "unaccounted") != 0)
			joined.bytes += blocks[i].bytes;
		else
			blocks[kept++] = blocks[i];
	blocks[kept++] = joined;
	qsort(blocks, kept, sizeof(*blocks), larger_block);
	return kept;
}

struct memory_block *memory_blocks(const struct model *m, size_t *ret_count)
{
	struct memory_block *blocks = calloc(m->part_count + 2, sizeof(*blocks));
	double files = 0;
	size_t n = 0;

	if (!blocks)
		return NULL;
	for (size_t i = 0; i < m->part_count; i++) {
		const struct memory_part *p = &m->parts[i];
		struct memory_look l = memory_look(p->id);

		if (is_file_part(p->id)) {
			files += (double)p->bytes;
		} else if (p->bytes) {
			blocks[n] = (struct memory_block){p->label,	    l.group, l.link,
							  (double)p->bytes, {{0}},   0};
			look_inside(&blocks[n++], p->id, m);
		}
	}
	if (files > 0) {
		blocks[n] = (struct memory_block){
			"Files in memory", "files", "#files", files, {{0}}, 0};
		look_inside(&blocks[n++], "page-cache", m);
	}
	if (m->unaccounted != INT64_MIN && m->unaccounted > 0)
		blocks[n++] = (struct memory_block){
			"Unaccounted",		"unaccounted", "#part-unaccounted",
			(double)m->unaccounted, {{0}},	       0};
	qsort(blocks, n, sizeof(*blocks), larger_block);
	*ret_count = join_smallest(blocks, n, in_use(m));
	return blocks;
}
