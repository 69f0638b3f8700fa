/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pipes: a ring of buffers, each a reference to one page.  A page that write(2) filled is the
 * pipe's own (anon_pipe_buf_ops) and in no counter; one that splice(2) put there belongs to the
 * page cache or to a socket and is counted there.  A pipe also keeps one page, since 6.14 two, for
 * the next write.  Source: fs/pipe.c
 */
#include <stdio.h>
#include <string.h>

#include "object_walk.h"

#define MAX_RING (1u << 20) /* buffers; a page's worth each, 4 GiB */

/* Counts the anonymous buffers between tail and head; false: it could not be read. */
static bool count_buffers(struct object_walk *w, uint64_t bufs, uint64_t head, uint64_t tail,
			  uint64_t ring, uint64_t *ret_pages, uint64_t *ret_len)
{
	const struct object_layout *l = &w->ol;
	unsigned char part[KMEM_ITEM_MAX];
	const uint64_t at_once = sizeof(part) / l->pipe.buf_size;

	for (uint64_t at = tail; at != head;) {
		uint64_t from = at & (ring - 1), n = ring - from;

		if (n > head - at)
			n = head - at;
		if (n > at_once)
			n = at_once;
		if (kmem_read(w->s, bufs + from * l->pipe.buf_size, part, n * l->pipe.buf_size) < 0)
			return false;
		for (uint64_t i = 0; i < n; i++) {
			const unsigned char *b = part + i * l->pipe.buf_size;
			uint64_t ops = field_get(b, l->pipe.buf_ops);

			*ret_len += field_get(b, l->pipe.buf_len);
			*ret_pages += ops == w->anon_pipe_ops && ops;
		}
		at += n;
	}
	return true;
}

static uint64_t kept_pages(const unsigned char *pipe, struct kmem_field f)
{
	uint64_t n = 0;

	for (uint32_t i = 0; field_present(f) && i + 8 <= f.size; i += 8)
		n += field_get(pipe, (struct kmem_field){f.offset + i, 8}) != 0;
	return n;
}

/* Our own pipe has one buffer that write(2) filled. */
static void learn(struct object_walk *w, uint64_t bufs, uint64_t tail, uint64_t ring)
{
	uint64_t at = bufs + (tail & (ring - 1)) * w->ol.pipe.buf_size;

	if (kmem_read(w->s, at + w->ol.pipe.buf_ops.offset, &w->anon_pipe_ops,
		      sizeof(w->anon_pipe_ops)) < 0)
		w->anon_pipe_ops = 0;
}

void object_pipe(struct object_walk *w, const struct task_file *f, uint64_t ino)
{
	const struct object_layout *l = &w->ol;
	uint64_t head, tail, ring, bufs, pages = 0, len = 0;
	unsigned char pipe[KMEM_ITEM_MAX];
	struct object o;

	if (object_seen(w->t, OBJECT_PIPE, ino)) {
		object_hold(w->t, OBJECT_PIPE, ino, f->pid);
		return;
	}
	if (!l->pipe.size || kmem_read(w->s, f->private_data, pipe, l->pipe.size) < 0)
		return;
	head = field_get(pipe, l->pipe.head);
	tail = field_get(pipe, l->pipe.tail);
	ring = field_get(pipe, l->pipe.ring_size);
	bufs = field_get(pipe, l->pipe.bufs);
	/* Both run on beyond the ring, and wrap at their own width. */
	if (l->pipe.head.size == 4)
		head = tail + (uint32_t)(head - tail);
	if (!ring || ring & (ring - 1) || ring > MAX_RING || head - tail > ring || !bufs)
		return;
	if (ino == w->own_pipe) {
		learn(w, bufs, tail, ring);
		return;
	}
	if (!count_buffers(w, bufs, head, tail, ring, &pages, &len))
		return;
	w->task_slab += l->slab.pipe;
	pages += kept_pages(pipe, l->pipe.tmp_page);
	o = (struct object){
		.kind = OBJECT_PIPE,
		.memory = MEMORY_PAGES,
		.id = ino,
		.bytes = pages * w->s->page_size,
		.page_bytes = pages * w->s->page_size,
		.capacity = ring * w->s->page_size,
		.waiting = len,
		.count = 1,
	};
	if (o.bytes < OBJECT_LEAST) {
		object_add_small(w->t, &o);
		return;
	}
	object_add(w->t, &o);
	object_hold(w->t, OBJECT_PIPE, ino, f->pid);
}
