/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What fills the dentry cache: objects of a random sample of its slabs, by the directory they are
 * in, names that exist apart from those that do not (negative dentries).
 *
 * A slab holds free objects too, with what they last were still in them.  A dentry that was freed
 * says so: lockref_mark_dead() made its count negative.  Besides, an object counts only when its
 * super block, parent and name make sense.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "names.h"
#include "scan_internal.h"
#include "slabs.h"

#define LARGEST_ORDER 3
#define DIRECTORIES (1u << 16) /* of them, three quarters are used */
#define MOST_AFTER_STOP_NS (300 * NSEC_PER_MSEC)

struct directory {
	uint64_t parent, sb; /* parent 0: a free slot */
	uint32_t positive, negative;
};

struct reader {
	struct scan *s;
	struct namer names;
	struct directory *dirs;
	uint32_t dir_count;
	unsigned char *slab;
	uint64_t map; /* where page frame 0 is mapped */
};

static struct directory *directory(struct reader *d, uint64_t parent, uint64_t sb)
{
	for (uint64_t i = (parent * 31 + sb) * 0x9e3779b97f4a7c15ULL >> 40;; i++) {
		struct directory *t = &d->dirs[i % DIRECTORIES];

		if (t->parent == parent && t->sb == sb)
			return t;
		if (t->parent)
			continue;
		if (d->dir_count >= DIRECTORIES / 4 * 3)
			return NULL;
		d->dir_count++;
		*t = (struct directory){.parent = parent, .sb = sb};
		return t;
	}
}

static bool is_super_block(const struct sb_info *sb)
{
	return sb && sb->fstype[0] > ' ' && sb->fstype[0] < 0x7f && plausible_object(sb->root);
}

static void look_at_object(struct reader *d, uint64_t addr, const unsigned char *image,
			   uint32_t weight)
{
	const struct kmem_layout *l = d->s->l;
	uint64_t parent = field_get(image, l->dentry.parent);
	uint64_t inode = field_get(image, l->dentry.inode);
	uint64_t sb = field_get(image, l->dentry.sb);
	struct name_info n;
	struct directory *t;

	if ((int32_t)field_get(image, l->dentry.count) < 0)
		return;
	if (!plausible_object(parent) || !plausible_object(sb) ||
	    (inode && !plausible_object(inode)))
		return;
	if (!is_super_block(names_super_block(&d->names, sb)) ||
	    !names_parse(&d->names, addr, image, &n) || n.len == 0)
		return;
	t = directory(d, parent, sb);
	if (!t) {
		d->s->result.dentries_dropped += weight;
		return;
	}
	d->s->result.dentry_objects += weight;
	*(inode ? &t->positive : &t->negative) += weight;
}

/* Is it still what it was when it was met?  *ret_frames: how many frames it has. */
static bool still_there(struct reader *d, const struct slab_pick *p, uint32_t *ret_frames)
{
	const struct kmem_layout *l = d->s->l;
	unsigned char page[256];
	uint64_t mapping;

	if (l->page.size > sizeof(page) || kmem_read(d->s->source, p->head, page, l->page.size) < 0)
		return false;
	if (page_head(l, page, p->head) || page_classify(l, page, NULL, &mapping) != KIND_SLAB ||
	    page_word(page, l->slab.cache) != p->cache->addr)
		return false;
	*ret_frames = page_word(page, l->page.flags) & l->flags.head ? 1u << p->cache->order : 1;
	return true;
}

static void read_slab(struct reader *d, const struct slab_pick *p)
{
	const struct kmem_source *source = d->s->source;
	uint64_t pfn = (p->head - source->vmemmap_base) / source->page_struct_size, addr;
	uint32_t frames, size = p->cache->object_bytes;
	size_t bytes;

	if (!still_there(d, p, &frames))
		return;
	bytes = frames * source->page_size;
	addr = d->map + pfn * source->page_size;
	if (bytes > KMEM_READ_MAX || kmem_read(d->s->source, addr, d->slab, bytes) < 0)
		return;
	d->s->result.dentry_slabs++;
	for (size_t at = p->cache->first; at + size <= bytes; at += size)
		look_at_object(d, addr + at, d->slab + at, SCAN_DENTRY_UNIT / frames);
}

static int emit(struct reader *d, const struct directory *t, const struct scan_sink *sink)
{
	const struct sb_info *sb = names_super_block(&d->names, t->sb);
	struct scan_dentries row = {.positive = t->positive, .negative = t->negative, .path = ""};
	const struct name_info *n = names_cached(&d->names, t->parent);
	char path[PATH_ROOM];
	bool whole = false;

	if (!is_super_block(sb))
		return 0;
	if (n) {
		row.path_len = names_climb(&d->names, n, path + sizeof(path), &whole);
		row.path = path + sizeof(path) - row.path_len;
	}
	row.truncated = !whole;
	row.dev_major = sb->dev >> 20;
	row.dev_minor = sb->dev & 0xfffff;
	row.fstype = sb->fstype;
	return sink->dentries(sink->ctx, &row);
}

static bool out_of_time(const struct scan *s, uint64_t *stopped)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (s->config.resolve_deadline_ns && now >= s->config.resolve_deadline_ns)
		return true;
	if (!s->config.stop || !s->config.stop(s->config.stop_ctx))
		return false;
	if (!*stopped)
		*stopped = now;
	return now - *stopped > MOST_AFTER_STOP_NS;
}

static int resolve(struct reader *d, const struct scan_sink *sink)
{
	const struct slab_sampler *t = d->s->slabs;
	uint32_t n = slabs_picks(t);
	uint64_t stopped = 0;
	int r = 0;

	for (uint32_t i = 0; i < n && !out_of_time(d->s, &stopped); i++)
		read_slab(d, &t->picks[i]);
	for (uint32_t i = 0; i < DIRECTORIES && r >= 0; i++) {
		if (!d->dirs[i].parent)
			continue;
		if (i % 64 == 0 && out_of_time(d->s, &stopped)) {
			d->s->result.dentries_dropped += d->dirs[i].positive + d->dirs[i].negative;
			continue;
		}
		r = emit(d, &d->dirs[i], sink);
	}
	return r;
}

int scan_resolve_dentries(struct scan *s, const struct scan_sink *sink, struct err *e)
{
	struct reader d = {.s = s, .names = {.source = s->source, .l = s->l}};
	int r = -ENOMEM;

	s->result.dentry_frames = s->slabs->frames;
	if (!s->slabs->frames || !field_present(s->l->dentry.count) ||
	    !field_present(s->l->dentry.sb) || !slabs_direct_map(s->slabs, &d.map))
		return 0;
	r = sink->table(sink->ctx, SCAN_DENTRIES);
	if (r < 0)
		return r;
	d.dirs = calloc(DIRECTORIES, sizeof(*d.dirs));
	d.slab = malloc(s->source->page_size << LARGEST_ORDER);
	d.names.sbs = calloc(NAMER_SUPER_BLOCKS, sizeof(*d.names.sbs));
	d.names.dentries = calloc(NAMER_DENTRIES, sizeof(*d.names.dentries));
	r = d.dirs && d.slab && d.names.sbs && d.names.dentries ? resolve(&d, sink) : -ENOMEM;
	free(d.dirs);
	free(d.slab);
	free(d.names.sbs);
	free(d.names.dentries);
	return r == -ENOMEM ? err_errno(e, r, "page-cache scan: dentries") : r < 0 ? r : 0;
}
