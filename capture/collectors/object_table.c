/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "object_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cleanup.h"

#define HOLDERS_BACK 64 /* how far behind us the row of the same process may be */

static const char *const kind_names[OBJECT_KIND_COUNT] = {
	[OBJECT_PACKET_RING] = "packet-ring",
	[OBJECT_SOCKET] = "socket",
	[OBJECT_PIPE] = "pipe",
	[OBJECT_BPF_MAP] = "bpf-map",
	[OBJECT_DMA_BUF] = "dma-buf",
	[OBJECT_IO_URING] = "io-uring",
	[OBJECT_OPEN_FILES] = "open-files",
	[OBJECT_HUGE_PAGES] = "huge-pages",
	[OBJECT_DRM] = "drm",
	[OBJECT_VRAM] = "vram",
	[OBJECT_RDMA] = "rdma",
	[OBJECT_PAGE_POOL] = "page-pool",
	[OBJECT_SHMEM] = "shmem",
	[OBJECT_DYING_GROUP] = "dying-cgroup",
};
static const char *const memory_names[] = {
	[MEMORY_PAGES] = "pages",     [MEMORY_VMALLOC] = "vmalloc", [MEMORY_SLAB] = "slab",
	[MEMORY_PERCPU] = "percpu",   [MEMORY_HUGETLB] = "hugetlb", [MEMORY_SHMEM] = "shmem",
	[MEMORY_PROCESS] = "process", [MEMORY_VRAM] = "vram",	    [MEMORY_UNKNOWN] = "",
};

int object_table_init(struct object_table *t, size_t memory)
{
	*t = (struct object_table){0};
	/* A half for the objects and their index, a quarter each for who holds them and for which
	 * small ones were counted. */
	t->max = memory / 2 / (sizeof(struct object) + 4 * sizeof(uint32_t));
	t->holder_max = memory / 4 / sizeof(struct object_holder);
	for (t->index_size = 1; t->index_size < 2 * t->max;)
		t->index_size *= 2;
	for (t->seen_size = 1; t->seen_size * 2 * sizeof(*t->seen) <= memory / 4;)
		t->seen_size *= 2;
	t->index = calloc(t->index_size, sizeof(*t->index));
	t->seen = calloc(t->seen_size, sizeof(*t->seen));
	return t->index && t->seen ? 0 : -ENOMEM;
}

void object_table_release(struct object_table *t)
{
	free(t->rows);
	free(t->index);
	free(t->holders);
	free(t->seen);
	*t = (struct object_table){0};
}

static uint32_t *slot(struct object_table *t, enum object_kind kind, uint64_t id)
{
	uint64_t h = (id * 16 + kind) * 0x9e3779b97f4a7c15ULL >> 20;

	for (;; h++) {
		uint32_t *s = &t->index[h & (t->index_size - 1)];

		if (!*s || (t->rows[*s - 1].id == id && t->rows[*s - 1].kind == kind))
			return s;
	}
}

struct object *object_find(struct object_table *t, enum object_kind kind, uint64_t id)
{
	uint32_t row = *slot(t, kind, id);

	return row ? &t->rows[row - 1] : NULL;
}

static bool grow(void **rows, size_t *cap, size_t max, size_t size)
{
	size_t more = *cap ? *cap * 2 : 256;
	void *p;

	if (more > max)
		more = max;
	if (more <= *cap)
		return false;
	p = realloc(*rows, more * size);
	if (!p)
		return false;
	*rows = p;
	*cap = more;
	return true;
}

struct object *object_add(struct object_table *t, const struct object *o)
{
	if (t->count == t->cap && !grow((void **)&t->rows, &t->cap, t->max, sizeof(*t->rows))) {
		object_add_small(t, o);
		return NULL;
	}
	t->rows[t->count] = *o;
	if (!t->rows[t->count].count)
		t->rows[t->count].count = 1;
	/* After the row stands there: slot() compares with it. */
	*slot(t, o->kind, o->id) = (uint32_t)t->count + 1;
	return &t->rows[t->count++];
}

static uint64_t *seen_slot(struct object_table *t, enum object_kind kind, uint64_t id)
{
	uint64_t key = id * 16 + kind;

	for (uint64_t h = key * 0x9e3779b97f4a7c15ULL >> 20;; h++) {
		uint64_t *s = &t->seen[h & (t->seen_size - 1)];

		if (!*s || *s == key)
			return s;
	}
}

bool object_seen(struct object_table *t, enum object_kind kind, uint64_t id)
{
	return object_find(t, kind, id) || *seen_slot(t, kind, id);
}

void object_add_small(struct object_table *t, const struct object *o)
{
	struct object *s = &t->small[o->kind];

	if (t->seen_count < t->seen_size / 4 * 3) {
		*seen_slot(t, o->kind, o->id) = o->id * 16 + o->kind;
		t->seen_count++;
	} else {
		/* It could be met again and would count twice: rather too little than too much. */
		t->seen_beyond++;
		return;
	}
	s->kind = o->kind;
	s->memory = o->memory;
	s->bytes += o->bytes;
	s->page_bytes += o->page_bytes == OBJECT_NONE ? 0 : o->page_bytes;
	s->pool_bytes += o->pool_bytes;
	s->capacity = OBJECT_NONE;
	s->waiting += o->waiting == OBJECT_NONE ? 0 : o->waiting;
	s->count++;
}

void object_hold(struct object_table *t, enum object_kind kind, uint64_t id, uint32_t pid)
{
	if (!object_find(t, kind, id))
		return;
	for (size_t i = t->holder_count, back = 0; i-- && back < HOLDERS_BACK; back++) {
		struct object_holder *h = &t->holders[i];

		if (h->pid != pid)
			break;
		if (h->id == id && h->kind == kind) {
			h->fds++;
			return;
		}
	}
	if (t->holder_count == t->holder_cap &&
	    !grow((void **)&t->holders, &t->holder_cap, t->holder_max, sizeof(*t->holders))) {
		t->holders_dropped++;
		return;
	}
	t->holders[t->holder_count++] = (struct object_holder){id, pid, 1, (uint8_t)kind};
}

/* ------------------------------------------------------------------ handing over */

static void row_known(struct emit *out, uint64_t v)
{
	if (v == OBJECT_NONE)
		row_none(out);
	else
		row_u64(out, v);
}

static int emit_object(struct emit *out, const struct object *o)
{
	row_cstr(out, kind_names[o->kind]);
	if (o->id)
		row_u64(out, o->id);
	else
		row_none(out);
	row_u64(out, o->count);
	row_u64(out, o->bytes);
	row_known(out, o->page_bytes);
	row_known(out, o->capacity);
	row_known(out, o->waiting);
	row_u64(out, o->pool_bytes);
	row_cstr(out, memory_names[o->memory]);
	if (o->netns)
		row_u64(out, o->netns);
	else
		row_none(out);
	row_cstr(out, o->name);
	row_cstr(out, o->detail);
	return row_end(out);
}

/* A kind that could not be looked at: no objects, and that they hold nothing is not said. */
static int emit_untold(struct emit *out, enum object_kind kind)
{
	const struct object o = {.kind = (uint8_t)kind,
				 .memory = MEMORY_UNKNOWN,
				 .page_bytes = OBJECT_NONE,
				 .capacity = OBJECT_NONE,
				 .waiting = OBJECT_NONE};

	return emit_object(out, &o);
}

static int emit_holders(struct object_table *t, struct emit *out)
{
	int r = member_open(out, "tables/kernel_holders.tsv", "kind\tid\tpid\tfds\n");

	for (size_t i = 0; i < t->holder_count && r >= 0; i++) {
		const struct object_holder *h = &t->holders[i];

		row_cstr(out, kind_names[h->kind]);
		row_u64(out, h->id);
		row_u64(out, h->pid);
		row_u64(out, h->fds);
		r = row_end(out);
	}
	return r < 0 ? r : member_close(out, false);
}

int object_table_emit(struct object_table *t, struct emit *out)
{
	int r = member_open(
		out, "tables/kernel_objects.tsv",
		"kind\tid\tcount\tbytes\tpage_bytes\tcapacity\twaiting\tpool_bytes\tmemory\t"
		"netns\tname\tdetail\n");

	for (size_t i = 0; i < t->count && r >= 0; i++)
		r = emit_object(out, &t->rows[i]);
	for (size_t i = 0; i < OBJECT_KIND_COUNT && r >= 0; i++)
		if (t->small[i].count)
			r = emit_object(out, &t->small[i]);
	for (size_t i = 0; i < OBJECT_KIND_COUNT && r >= 0; i++)
		if (t->untold >> i & 1)
			r = emit_untold(out, i);
	if (r >= 0)
		r = member_close(out, false);
	if (t->holders_dropped)
		emit_loss(out, "holders of kernel objects beyond the bound", t->holders_dropped);
	if (t->seen_beyond)
		emit_loss(out, "small kernel objects beyond the bound", t->seen_beyond);
	return r < 0 ? r : emit_holders(t, out);
}
