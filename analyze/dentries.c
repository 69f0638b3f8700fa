/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dentry cache by directory tree.  The scan read some slabs of it, drawn at random; the kernel
 * counts all dentries (/proc/sys/fs/dentry-state).  A tree's part of the sample is its part of the
 * whole; its interval is the binomial one with the slabs, not the objects, for its size, since
 * neighbours in a slab are alike.
 *
 * The inode caches follow: an inode stays as long as the dentries that lead to it, so the names of
 * a file system that exist tell what fills its inode cache.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_build.h"

/* Deeper trees are rolled up no further. */
#define MAX_DEPTH 24
/* Trees with less of the sample are not ranked … */
#define RANKED 0.002
/* … and one that explains a cache has at least so much of it. */
#define EXPLAINS 0.3
#define NEARLY_ALL 0.8
#define MOST_CAUSES 64
#define UNIT 8.0 /* SCAN_DENTRY_UNIT of capture/kmem/scan.h */

struct tree {
	const char *path;
	size_t len;
	const char *fstype;
	double positive, negative, own;
};

struct trees {
	struct tree *rows;
	size_t count, max;
	struct lookup ix;
};

static double number(uint64_t v)
{
	return v == FACT_NONE ? 0 : (double)v;
}

static struct tree *tree_at(struct trees *t, const char *path, size_t len, const char *fstype)
{
	uint32_t *v = lookup_put(&t->ix, 0, 0, path, len);

	if (!v)
		return NULL;
	if (!*v) {
		if (t->count == t->max)
			return NULL;
		t->rows[t->count] = (struct tree){.path = path, .len = len, .fstype = fstype};
		*v = (uint32_t)++t->count;
	}
	return &t->rows[*v - 1];
}

/* A directory and those above it, up to the root; a label has none above it. */
static void grow(struct trees *t, const char *path, const struct fact_dentries *d, bool positive,
		 bool negative)
{
	size_t len = path ? strlen(path) : 0;
	const char *label = len && path[0] == '[' ? strchr(path, ']') : NULL;
	size_t least = label ? (size_t)(label - path) + 1 : 0;

	for (unsigned depth = 0; path && depth < MAX_DEPTH; depth++) {
		struct tree *row = tree_at(t, len ? path : "/", len ? len : 1, d->fstype);

		if (!row)
			return;
		row->positive += positive ? number(d->positive) : 0;
		row->negative += negative ? number(d->negative) : 0;
		if (depth == 0)
			row->own += number(d->positive) + number(d->negative);
		if (len <= least || (len == 1 && path[0] == '/'))
			return;
		while (len > least && path[len - 1] != '/')
			len--;
		len -= len > least && len > 0;
	}
}

static int trees_init(struct trees *t, struct arena *scratch, size_t rows)
{
	t->count = 0;
	t->max = rows * MAX_DEPTH < 500000 ? rows * MAX_DEPTH : 500000;
	t->rows = calloc(t->max + 1, sizeof(*t->rows));
	return t->rows && lookup_init(&t->ix, scratch, t->max + 1) == 0 ? 0 : -ENOMEM;
}

static double weight(const struct tree *t)
{
	return t->positive + t->negative;
}

static int by_weight(const void *a, const void *b)
{
	const struct tree *x = a, *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int r;

	if (weight(x) != weight(y))
		return weight(x) > weight(y) ? -1 : 1;
	/* of equal ones the deeper: it says more */
	if (x->len != y->len)
		return x->len > y->len ? -1 : 1;
	r = memcmp(x->path, y->path, len);
	return r;
}

static bool is_below(const struct tree *t, const struct tree *up)
{
	return t->len > up->len && !memcmp(t->path, up->path, up->len) &&
	       (t->path[up->len] == '/' || up->path[up->len - 1] == '/');
}

static unsigned depth_of(const struct tree *t)
{
	unsigned n = 0;

	for (size_t i = 0; i + 1 < t->len; i++)
		n += t->path[i] == '/';
	return n;
}

/*
 * The tree that explains it: a good part is below it, and none of its directories has nearly all of
 * that.  The heaviest of these; but "/tmp" or "/var" explains nothing when a directory in it does.
 */
static const struct tree *cause(const struct trees *t, double all)
{
	const struct tree *found[256], *best = NULL;
	size_t n = 0;

	for (size_t i = 0; i < t->count && n < 256; i++)
		if (weight(&t->rows[i]) >= EXPLAINS * all)
			found[n++] = &t->rows[i];
	for (unsigned least = 2; !best; least--) {
		for (size_t i = 0; i < n; i++) {
			bool passes_on = false;

			for (size_t k = 0; k < n && !passes_on; k++)
				passes_on = is_below(found[k], found[i]) &&
					    weight(found[k]) >= NEARLY_ALL * weight(found[i]);
			if (!passes_on && depth_of(found[i]) >= least &&
			    (!best || weight(found[i]) > weight(best) ||
			     (weight(found[i]) == weight(best) && found[i]->len > best->len)))
				best = found[i];
		}
		if (!least)
			break;
	}
	/* The root of a file system says nothing. */
	return best && best->len == 1 && best->path[0] == '/' ? NULL : best;
}

static struct estimate scaled(double part, double all, double slabs, double total)
{
	double p = all > 0 ? part / all : 0, half;
	struct estimate e;

	if (!(slabs > 0) || isnan(total))
		return estimate_none();
	half = 1.96 * sqrt(p * (1 - p) / slabs) + 0.5 / slabs;
	e.bytes = p * total;
	e.low = fmax(0, p - half) * total;
	e.high = fmin(1, p + half) * total;
	return e;
}

/* ------------------------------------------------------------------ what explains a cache */

enum which { ALL, NEGATIVE, OF_FILE_SYSTEM };

/* fstype: of which the names that exist count, with OF_FILE_SYSTEM. */
static int explain(struct model_build *b, const char *const *paths, enum which which,
		   const char *fstype, struct model_slab_cause *ret)
{
	const struct facts *f = b->f;
	struct arena *scratch = NULL;
	struct trees t = {0};
	double all = 0;
	int r = arena_create(&scratch, 256UL << 20);

	if (r == 0)
		r = trees_init(&t, scratch, f->dentries.count);
	for (size_t i = 0; i < f->dentries.count && r == 0; i++) {
		const struct fact_dentries *d = &f->dentries.rows[i];

		if (which == OF_FILE_SYSTEM && (!d->fstype || strcmp(d->fstype, fstype) != 0))
			continue;
		grow(&t, paths[i], d, which != NEGATIVE, which != OF_FILE_SYSTEM);
		all += which != NEGATIVE ? number(d->positive) : 0;
		all += which != OF_FILE_SYSTEM ? number(d->negative) : 0;
	}
	const struct tree *top = r == 0 && all > 0 ? cause(&t, all) : NULL;

	if (top) {
		ret->path = arena_strndup(b->arena, top->path, top->len);
		ret->share = weight(top) / all;
		ret->negative_share = top->negative / all;
	}
	free(t.rows);
	arena_destroy(scratch);
	return r;
}

/* Slab caches of inodes by the file systems they belong to, by their names in the kernel. */
static const char *fstype_of_cache(const char *cache)
{
	static const struct {
		const char *cache, *fstype;
	} caches[] = {
		{"shmem_inode_cache", "tmpfs"},
		{"proc_inode_cache", "proc"},
		{"ext4_inode_cache", "ext4"},
		{"ext3_inode_cache", "ext3"},
		{"xfs_inode", "xfs"},
		{"btrfs_inode", "btrfs"},
		{"ovl_inode", "overlay"},
		{"nfs_inode_cache", "nfs4"},
		{"fuse_inode", "fuse"},
		{"kernfs_node_cache", "sysfs"},
		{"f2fs_inode_cache", "f2fs"},
		{"ceph_inode_info", "ceph"},
		{"squashfs_inode_cache", "squashfs"},
		{"fat_inode_cache", "vfat"},
		{"isofs_inode_cache", "iso9660"},
		{"hugetlbfs_inode_cache", "hugetlbfs"},
	};

	for (size_t i = 0; i < sizeof(caches) / sizeof(caches[0]); i++)
		if (!strcmp(caches[i].cache, cache))
			return caches[i].fstype;
	return NULL;
}

static int causes(struct model_build *b, const char *const *paths)
{
	struct model *m = b->m;
	int r = 0;

	m->slab_causes = arena_alloc(b->arena, MOST_CAUSES * sizeof(*m->slab_causes));
	if (!m->slab_causes)
		return -ENOMEM;
	for (size_t i = 0; i < b->f->slabs.count && r == 0; i++) {
		const struct fact_slab *s = &b->f->slabs.rows[i];
		const char *fstype = s->name ? fstype_of_cache(s->name) : NULL;
		bool dentry = s->name && !strcmp(s->name, "dentry");
		struct model_slab_cause c = {.slab = s};

		if ((!dentry && !fstype) || m->slab_cause_count == MOST_CAUSES)
			continue;
		r = explain(b, paths, dentry ? ALL : OF_FILE_SYSTEM, fstype, &c);
		if (r == 0 && c.path)
			m->slab_causes[m->slab_cause_count++] = c;
	}
	return r < 0 ? r : explain(b, paths, NEGATIVE, NULL, &m->negative_cause);
}

/* ------------------------------------------------------------------ the ranking */

static int rank(struct model_build *b, const char *const *paths, double slabs)
{
	const struct facts *f = b->f;
	struct model *m = b->m;
	struct arena *scratch = NULL;
	struct trees t = {0};
	double all = 0;
	size_t n = 0;
	int r = arena_create(&scratch, 256UL << 20);

	if (r == 0)
		r = trees_init(&t, scratch, f->dentries.count);
	for (size_t i = 0; i < f->dentries.count && r == 0; i++) {
		grow(&t, paths[i], &f->dentries.rows[i], true, true);
		all += number(f->dentries.rows[i].positive) + number(f->dentries.rows[i].negative);
	}
	if (r == 0 && t.count)
		qsort(t.rows, t.count, sizeof(*t.rows), by_weight);
	while (r == 0 && n < t.count && weight(&t.rows[n]) >= RANKED * all && all > 0)
		n++;
	m->dentry_trees = r == 0 ? arena_alloc(b->arena, (n + 1) * sizeof(*m->dentry_trees)) : NULL;
	if (!m->dentry_trees)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct tree *row = &t.rows[i];
		struct model_dentry_tree *out = &m->dentry_trees[i];

		out->path = arena_strndup(b->arena, row->path, row->len);
		out->fstype = row->fstype;
		out->dentries = scaled(weight(row), all, slabs, m->dentries);
		out->negative = scaled(row->negative, all, slabs, m->dentries);
		out->own = scaled(row->own, all, slabs, m->dentries).bytes;
		out->bytes = all > 0 ? weight(row) / all * m->dentry_bytes : FACT_NONE_F;
	}
	m->dentry_tree_count = n;
	free(t.rows);
	arena_destroy(scratch);
	if (r == 0 && !m->dentry_trees)
		r = -ENOMEM;
	return r;
}

static const struct fact_slab *slab_named(const struct facts *f, const char *name)
{
	for (size_t i = 0; i < f->slabs.count; i++)
		if (f->slabs.rows[i].name && !strcmp(f->slabs.rows[i].name, name))
			return &f->slabs.rows[i];
	return NULL;
}

static bool is_inode_cache(const struct fact_slab *s)
{
	return s->name && s->reclaimable == 1 && strstr(s->name, "inode");
}

/*
 * What drop_caches would give back.  Of the page cache all that is neither shared memory nor mapped
 * nor waits to be written (mm/truncate.c, invalidate_mapping_pages()); Mapped counts shared memory
 * too, so this is the least.  Of dentries and inodes those that nobody uses; some of their slabs
 * hold one in use and stay.
 */
static void drop_caches(struct model_build *b)
{
	static const char *const less[] = {"Shmem", "Mapped", "Dirty", "Writeback"};
	const struct facts *f = b->f;
	struct model *m = b->m;
	double cache = FACT_NONE_F, bytes = 0, unused = m->dentries_unused / m->dentries;
	uint64_t v = none_add(facts_counter(f, "meminfo", "Cached"),
			      facts_counter(f, "meminfo", "Buffers"));

	for (size_t i = 0; i < sizeof(less) / sizeof(less[0]); i++)
		v = none_sub(v, facts_counter(f, "meminfo", less[i]));
	if (v != FACT_NONE)
		cache = (double)v;
	m->drop_page_cache_bytes = cache;
	for (size_t i = 0; i < f->slabs.count; i++) {
		const struct fact_slab *s = &f->slabs.rows[i];

		if (s->name && s->bytes != FACT_NONE &&
		    (!strcmp(s->name, "dentry") || is_inode_cache(s)))
			bytes += (double)s->bytes;
	}
	m->drop_slab_bytes = m->dentries > 0 && unused <= 1 ? bytes * unused : FACT_NONE_F;
}

static double counter(const struct facts *f, const char *file, const char *key)
{
	uint64_t v = facts_counter(f, file, key);

	return v == FACT_NONE ? FACT_NONE_F : (double)v;
}

int model_build_dentries(struct model_build *b)
{
	const struct facts *f = b->f;
	struct model *m = b->m;
	const struct fact_slab *s = slab_named(f, "dentry");
	const struct fact_scan *scan = f->scan.count ? f->scan.rows : NULL;
	double slabs = scan && scan->dentry_slabs != FACT_NONE ? (double)scan->dentry_slabs : 0;
	const char **paths;
	int r;

	m->dentries = counter(f, "dentry-state", "nr_dentry");
	m->dentries_unused = counter(f, "dentry-state", "nr_unused");
	m->dentries_negative = counter(f, "dentry-state", "nr_negative");
	m->dentry_bytes = s && s->bytes != FACT_NONE ? (double)s->bytes : FACT_NONE_F;
	drop_caches(b);
	if (!scan || !f->dentries.count || !(slabs > 0))
		return 0;
	if (b->sampled && scan->dentry_frames != FACT_NONE && scan->dentry_objects != FACT_NONE) {
		double frames = (double)scan->dentry_frames * b->design.one_in / b->design.done;

		if (isnan(m->dentries))
			m->dentries = (double)scan->dentry_objects / UNIT / slabs * frames;
		if (isnan(m->dentry_bytes))
			m->dentry_bytes = frames * (double)b->page_size;
	}
	paths = calloc(f->dentries.count + 1, sizeof(*paths));
	if (!paths)
		return -ENOMEM;
	for (size_t i = 0; i < f->dentries.count; i++) {
		const struct fact_dentries *d = &f->dentries.rows[i];
		bool known = d->truncated == 0 && d->path && d->path[0] == '/';
		struct fact_cache_file file = {.major = d->major,
					       .minor = d->minor,
					       .fstype = d->fstype,
					       .path = d->path,
					       .type = "dir",
					       .state = "linked"};

		paths[i] = known ? paths_host(b->paths, &file)
				 : arena_printf(b->arena, "[%s, directory not known]",
						d->fstype ? d->fstype : "?");
	}
	m->dentry_slabs_read = (uint64_t)slabs;
	r = arena_exhausted(b->arena) ? -ENOMEM : rank(b, paths, slabs);
	if (r == 0)
		r = causes(b, paths);
	free(paths);
	return r;
}
