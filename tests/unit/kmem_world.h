/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small made-up kernel for tests of the scan: its structures, a layout that fits them, and a
 * source that reads them.  Nothing of it is global: each test builds its own.
 */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../capture/kmem/scan.h"

struct w_page {
	uint64_t flags, compound_head, lru, mapping, index, private;
	uint32_t mapcount, refcount;
	uint64_t memcg;
};
struct w_mapping {
	uint64_t host, pages_head, nrpages;
};
struct w_inode {
	uint16_t mode;
	uint32_t nlink, rdev, generation;
	uint64_t sb, ino, size;
	uint64_t state; /* unsigned long until 6.12 */
	uint64_t dentry_first;
	struct w_mapping data;
};
struct w_dentry {
	uint32_t flags, name_len;
	uint64_t hash_next, hash_pprev, parent, name, inode;
	char inline_name[40];
	uint64_t alias_next, alias_pprev;
};
struct w_sb {
	uint32_t dev;
	uint64_t type, flags, magic, root;
	char id[32];
};
struct w_css {
	uint64_t cgroup, ss;
	uint32_t flags;
};
struct w_kn {
	uint64_t parent, name, id;
};

#ifndef W_PAGES
#define W_PAGES 16384u
#define W_HEAP (4u << 20)
#endif
#define W_VMEMMAP 0xffffea0000000000ULL
#define W_HEAP_ADDR 0xffff888000000000ULL

enum {
	W_DIRTY = 1 << 4,
	W_ACTIVE = 1 << 8,
	W_HEAD = 1 << 6,
	W_SWAPBACKED = 1 << 17,
	W_LRU = 1 << 5
};

struct world {
	struct kmem_source s;
	struct kmem_layout l;
	struct kmem_range ranges[4];
	struct w_page *pages; /* W_PAGES from pfn 0 */
	unsigned char *heap;
	size_t used;
	uint64_t hole_start, hole_end; /* frames whose struct page faults */
	void (*before_read)(struct world *w, uint64_t addr, size_t len);
	unsigned reads;
	void *ctx;
};

static inline uint64_t w_addr(struct world *w, const void *p)
{
	return W_HEAP_ADDR + (uint64_t)((const unsigned char *)p - w->heap);
}

static inline void *w_alloc(struct world *w, size_t size)
{
	void *p = w->heap + w->used;

	w->used += (size + 63) & ~(size_t)63;
	if (w->used > W_HEAP)
		abort();
	return p;
}

static inline int w_read(struct kmem_source *s, uint64_t addr, void *buf, size_t len,
			 const void **ret)
{
	struct world *w = (struct world *)s;

	w->reads++;
	if (w->before_read)
		w->before_read(w, addr, len);
	if (addr >= W_VMEMMAP && addr + len <= W_VMEMMAP + W_PAGES * sizeof(struct w_page)) {
		uint64_t first = (addr - W_VMEMMAP) / sizeof(struct w_page);
		uint64_t last = (addr + len - 1 - W_VMEMMAP) / sizeof(struct w_page);

		if (first < w->hole_end && last >= w->hole_start)
			return -EFAULT;
		memcpy(buf, (char *)w->pages + (addr - W_VMEMMAP), len);
	} else if (addr >= W_HEAP_ADDR && addr + len <= W_HEAP_ADDR + W_HEAP) {
		memcpy(buf, w->heap + (addr - W_HEAP_ADDR), len);
	} else {
		return -EFAULT;
	}
	*ret = buf;
	return 0;
}

static inline int w_gather(struct kmem_source *s, const uint64_t *addr, size_t n, size_t size,
			   void *buf, const void **ret, size_t *ret_faults)
{
	const void *ignored;

	*ret_faults = 0;
	for (size_t i = 0; i < n; i++) {
		if (w_read(s, addr[i], (char *)buf + i * size, size, &ignored) < 0) {
			memset((char *)buf + i * size, 0, size);
			++*ret_faults;
		}
	}
	*ret = buf;
	return 0;
}

static inline void w_close(struct kmem_source *s)
{
}

#define W_FIELD(type, member)                                                                      \
	(struct kmem_field)                                                                        \
	{                                                                                          \
		offsetof(struct type, member), sizeof(((struct type *)0)->member)                  \
	}
#define W_ABSENT ((struct kmem_field){.offset = KMEM_ABSENT})

static inline void world_layout(struct kmem_layout *l)
{
	*l = (struct kmem_layout){0};
	l->page.size = sizeof(struct w_page);
	l->page.flags = W_FIELD(w_page, flags);
	l->page.compound_head = W_FIELD(w_page, compound_head);
	l->page.mapping = W_FIELD(w_page, mapping);
	l->page.page_type = l->page.mapcount = W_FIELD(w_page, mapcount);
	l->page.refcount = W_FIELD(w_page, refcount);
	l->page.memcg_data = W_FIELD(w_page, memcg);
	l->page.pp_magic = W_FIELD(w_page, compound_head); /* it lies there */
	l->folio.large_mapcount = l->folio.nr_pages_mapped = l->folio.compound_mapcount =
		l->folio.compound_dtor = l->folio.flags_1 = W_ABSENT;
	l->hugetlb_dtor = KMEM_ABSENT;
	l->flags = (struct kmem_page_flags){.dirty = W_DIRTY,
					    .active = W_ACTIVE,
					    .head = W_HEAD,
					    .swapbacked = W_SWAPBACKED,
					    .lru = W_LRU,
					    .writeback = 2,
					    .reserved = 1 << 13,
					    .unevictable = 1 << 18,
					    .swapcache = 1 << 10};
	l->types = (struct kmem_page_types){.form = PAGE_TYPE_BYTE,
					    .buddy = 0xf0,
					    .offline = 0xf1,
					    .table = 0xf2,
					    .guard = 0xf3,
					    .hugetlb = 0xf4,
					    .slab = 0xf5};
	l->mapping.host = W_FIELD(w_mapping, host);
	l->mapping.nrpages = W_FIELD(w_mapping, nrpages);
	l->mapping.i_pages = W_FIELD(w_mapping, pages_head);
	l->inode.size = sizeof(struct w_inode);
	l->inode.data = W_FIELD(w_inode, data);
	l->inode.mode = W_FIELD(w_inode, mode);
	l->inode.sb = W_FIELD(w_inode, sb);
	l->inode.ino = W_FIELD(w_inode, ino);
	l->inode.nlink = W_FIELD(w_inode, nlink);
	l->inode.rdev = W_FIELD(w_inode, rdev);
	l->inode.size_bytes = W_FIELD(w_inode, size);
	l->inode.generation = W_FIELD(w_inode, generation);
	l->inode.state = W_FIELD(w_inode, state);
	l->inode.dentry = W_FIELD(w_inode, dentry_first);
	l->inode.freeing = 0x60;
	l->dentry.size = sizeof(struct w_dentry);
	l->dentry.flags = W_FIELD(w_dentry, flags);
	l->dentry.hash_pprev = W_FIELD(w_dentry, hash_pprev);
	l->dentry.parent = W_FIELD(w_dentry, parent);
	l->dentry.name_len = W_FIELD(w_dentry, name_len);
	l->dentry.name = W_FIELD(w_dentry, name);
	l->dentry.inode = W_FIELD(w_dentry, inode);
	l->dentry.alias_next = W_FIELD(w_dentry, alias_next);
	l->sb.size = sizeof(struct w_sb);
	l->sb.dev = W_FIELD(w_sb, dev);
	l->sb.type = W_FIELD(w_sb, type);
	l->sb.flags = W_FIELD(w_sb, flags);
	l->sb.magic = W_FIELD(w_sb, magic);
	l->sb.root = W_FIELD(w_sb, root);
	l->sb.id = W_FIELD(w_sb, id);
	l->fs_type_name = (struct kmem_field){0, 8};
	l->cgroup.memcg_css = (struct kmem_field){0, sizeof(struct w_css)};
	l->cgroup.css_cgroup = W_FIELD(w_css, cgroup);
	l->cgroup.css_ss = W_FIELD(w_css, ss);
	l->cgroup.css_flags = W_FIELD(w_css, flags);
	l->cgroup.ss_name = (struct kmem_field){0, 8};
	l->cgroup.cgroup_kn = (struct kmem_field){0, 8};
	l->cgroup.objcg_memcg = (struct kmem_field){16, 8};
	l->cgroup.online = 2;
	l->cgroup.dying = 16;
	l->kernfs.size = sizeof(struct w_kn);
	l->kernfs.parent = W_FIELD(w_kn, parent);
	l->kernfs.name = W_FIELD(w_kn, name);
	l->kernfs.id = W_FIELD(w_kn, id);
}

static inline struct world *world_create(void)
{
	static const struct kmem_source_ops ops = {
		.name = "world", .read = w_read, .gather = w_gather, .close = w_close};
	struct world *w = calloc(1, sizeof(*w));

	w->pages = calloc(W_PAGES, sizeof(*w->pages));
	w->heap = calloc(1, W_HEAP);
	w->used = 4096; /* address 0 of the heap stays unused */
	for (uint32_t i = 0; i < W_PAGES; i++)
		w->pages[i].mapcount = UINT32_MAX;
	w->s.ops = &ops;
	w->s.vmemmap_base = W_VMEMMAP;
	w->s.page_struct_size = sizeof(struct w_page);
	w->s.page_size = 4096;
	w->s.ranges = w->ranges;
	w->s.range_count = 1;
	w->s.buffer = malloc(KMEM_READ_MAX);
	w->ranges[0] = (struct kmem_range){0, W_PAGES};
	world_layout(&w->l);
	return w;
}

static inline void world_destroy(struct world *w)
{
	free(w->pages);
	free(w->heap);
	free(w->s.buffer);
	free(w);
}

static inline uint64_t w_string(struct world *w, const char *s)
{
	char *p = w_alloc(w, strlen(s) + 1);

	strcpy(p, s);
	return w_addr(w, p);
}

/* A super block with a root directory. */
static inline struct w_sb *w_sb(struct world *w, const char *fstype, uint32_t dev)
{
	struct w_sb *sb = w_alloc(w, sizeof(*sb));
	struct w_dentry *root = w_alloc(w, sizeof(*root));
	uint64_t *type = w_alloc(w, 8);

	*type = w_string(w, fstype);
	sb->type = w_addr(w, type);
	sb->dev = dev;
	strcpy(sb->id, "id0");
	sb->root = w_addr(w, root);
	root->parent = sb->root;
	root->name = w_addr(w, root->inline_name);
	root->name_len = 1;
	root->inline_name[0] = '/';
	return sb;
}

static inline struct w_dentry *w_dentry(struct world *w, uint64_t parent, const void *name,
					size_t len, struct w_inode *inode, bool hashed)
{
	struct w_dentry *d = w_alloc(w, sizeof(*d));

	if (len <= sizeof(d->inline_name)) {
		memcpy(d->inline_name, name, len);
		d->name = w_addr(w, d->inline_name);
	} else {
		char *p = w_alloc(w, len);

		memcpy(p, name, len);
		d->name = w_addr(w, p);
	}
	d->name_len = (uint32_t)len;
	d->parent = parent ? parent : w_addr(w, d);
	d->hash_pprev = hashed ? 0xffff888000000123ULL : 0;
	if (inode) {
		d->inode = w_addr(w, inode);
		d->alias_next = inode->dentry_first;
		inode->dentry_first = w_addr(w, d) + offsetof(struct w_dentry, alias_next);
	}
	return d;
}

static inline struct w_inode *w_inode(struct world *w, struct w_sb *sb, uint64_t ino)
{
	struct w_inode *i = w_alloc(w, sizeof(*i));

	i->mode = S_IFREG | 0644;
	i->nlink = 1;
	i->sb = w_addr(w, sb);
	i->ino = ino;
	i->generation = (uint32_t)ino + 7;
	i->data.host = w_addr(w, i);
	return i;
}

static inline uint64_t w_mapping(struct world *w, struct w_inode *i)
{
	return w_addr(w, i) + offsetof(struct w_inode, data);
}

/* n pages of the file from pfn on. */
static inline void w_pages(struct world *w, struct w_inode *i, uint32_t pfn, uint32_t n,
			   uint64_t flags, uint64_t memcg)
{
	for (uint32_t k = pfn; k < pfn + n; k++) {
		w->pages[k].flags = flags;
		w->pages[k].mapping = w_mapping(w, i);
		w->pages[k].refcount = 2;
		w->pages[k].memcg = memcg;
	}
	i->data.nrpages += n;
	i->size += n * 4096ULL;
}

/* One large folio. */
static inline void w_folio(struct world *w, struct w_inode *i, uint32_t pfn, uint32_t n,
			   uint64_t flags)
{
	w_pages(w, i, pfn, 1, flags | W_HEAD, 0);
	for (uint32_t k = pfn + 1; k < pfn + n; k++) {
		w->pages[k].compound_head = (W_VMEMMAP + pfn * sizeof(struct w_page)) | 1;
		w->pages[k].mapping = 0xdead000000000400ULL;
	}
	i->data.nrpages += n - 1;
}

/* A memory cgroup "/a/NAME". */
static inline uint64_t w_memcg(struct world *w, const char *name, uint32_t css_flags, uint64_t ino)
{
	struct w_kn *root = w_alloc(w, sizeof(*root)), *a = w_alloc(w, sizeof(*a)),
		    *kn = w_alloc(w, sizeof(*kn));
	uint64_t *cgroup = w_alloc(w, 8), *ss = w_alloc(w, 8);
	struct w_css *css = w_alloc(w, sizeof(*css));

	root->name = w_string(w, "");
	*a = (struct w_kn){w_addr(w, root), w_string(w, "a"), 2};
	*kn = (struct w_kn){w_addr(w, a), w_string(w, name), ino};
	*cgroup = w_addr(w, kn);
	*ss = w_string(w, "memory");
	css->cgroup = w_addr(w, cgroup);
	css->ss = w_addr(w, ss);
	css->flags = css_flags;
	return w_addr(w, css);
}

/* ------------------------------------------------------------------ what a scan gave */

#define FOUND_MAX 4096
struct found {
	struct scan_file f;
	char path[17000], fstype[32];
	uint64_t pages; /* of all its samples */
};
struct outcome {
	struct found *files;
	size_t file_count;
	struct scan_cgroup cgroups[64];
	char cgroup_paths[64][256];
	size_t cgroup_count;
	struct {
		uint32_t file, cgroup;
		unsigned state;
		uint64_t pages;
	} samples[FOUND_MAX];
	size_t sample_count;
	struct {
		uint32_t cgroup;
		char cache[64];
		uint64_t pages;
	} group_slabs[8];
	size_t group_slab_count;
	struct scan_result result;
	uint64_t dropped;
};

static inline int o_table(void *ctx, enum scan_table t)
{
	return 0;
}

static inline int o_file(void *ctx, const struct scan_file *f)
{
	struct outcome *o = ctx;
	struct found *d;

	if (o->file_count == FOUND_MAX)
		return -E2BIG;
	d = &o->files[o->file_count++];
	d->f = *f;
	memcpy(d->path, f->path, f->path_len);
	d->path[f->path_len] = '\0';
	strcpy(d->fstype, f->fstype);
	return 0;
}

static inline int o_cgroup(void *ctx, const struct scan_cgroup *c)
{
	struct outcome *o = ctx;

	o->cgroups[o->cgroup_count] = *c;
	memcpy(o->cgroup_paths[o->cgroup_count], c->path, c->path_len);
	o->cgroup_paths[o->cgroup_count++][c->path_len] = '\0';
	return 0;
}

static inline int o_sample(void *ctx, uint32_t file, uint32_t cgroup, unsigned state,
			   uint64_t pages)
{
	struct outcome *o = ctx;

	for (size_t i = 0; i < o->file_count; i++) {
		if (o->files[i].f.file == file)
			o->files[i].pages += pages;
	}
	if (o->sample_count == FOUND_MAX)
		return -E2BIG;
	o->samples[o->sample_count].file = file;
	o->samples[o->sample_count].cgroup = cgroup;
	o->samples[o->sample_count].state = state;
	o->samples[o->sample_count++].pages = pages;
	return 0;
}

static inline int o_group_slab(void *ctx, uint32_t cgroup, const char *cache, size_t len,
			       uint64_t pages)
{
	struct outcome *o = ctx;

	if (o->group_slab_count == 8 || len >= 64)
		return -E2BIG;
	o->group_slabs[o->group_slab_count].cgroup = cgroup;
	memcpy(o->group_slabs[o->group_slab_count].cache, cache, len + 1);
	o->group_slabs[o->group_slab_count++].pages = pages;
	return 0;
}

static inline void outcome_destroy(struct outcome *o)
{
	free(o->files);
	free(o);
}

static inline struct outcome *world_scan(struct kmem_source *s, const struct kmem_layout *l,
					 const struct scan_config *c)
{
	struct outcome *o = calloc(1, sizeof(*o));
	struct scan_sink sink = {o_table, o_file, o_sample, o_cgroup,	 o,
				 NULL,	  NULL,	  NULL,	    o_group_slab};
	struct err e = {0};
	struct scan *scan;

	o->files = calloc(FOUND_MAX, sizeof(*o->files));
	if (scan_run(&scan, s, l, c, &e) < 0 || scan_resolve(scan, &sink, &e) < 0) {
		outcome_destroy(o);
		return NULL;
	}
	o->result = *scan_result(scan);
	o->dropped = scan_files_dropped(scan);
	scan_destroy(scan);
	return o;
}

static inline struct found *found_ino(struct outcome *o, uint64_t ino)
{
	for (size_t i = 0; i < o->file_count; i++) {
		if (o->files[i].f.ino == ino)
			return &o->files[i];
	}
	return NULL;
}
