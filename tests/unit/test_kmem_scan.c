/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scan against a made-up kernel whose every byte is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "../../capture/base/cleanup.h"

#include "kmem_world.h"

#define SB_KERNMOUNT (1u << 22)

static const struct scan_config full = {.one_in = 1, .seed = 1, .memory = 4u << 20};

static void test_linked(void **state)
{
	struct world *w = world_create();
	struct w_sb *sb = w_sb(w, "ext4", 8 << 20 | 1);
	struct w_dentry *dir = w_dentry(w, sb->root, "dir", 3, NULL, true);
	struct w_inode *i = w_inode(w, sb, 42);
	struct outcome *o;
	struct found *f;

	w_dentry(w, w_addr(w, dir), "file", 4, i, true);
	w_pages(w, i, 100, 3, W_LRU, 0);
	w_pages(w, i, 5000, 2, W_LRU | W_DIRTY, 0);
	o = world_scan(&w->s, &w->l, &full);
	assert_non_null(o);
	assert_int_equal(o->file_count, 1);
	f = &o->files[0];
	assert_string_equal(f->path, "/dir/file");
	assert_int_equal(f->f.state, FILE_LINKED);
	assert_int_equal(f->f.nrpages, 5);
	assert_int_equal(f->pages, 5);
	assert_int_equal(f->f.dev_major, 8);
	assert_int_equal(f->f.dev_minor, 1);
	assert_int_equal(f->f.generation, 49);
	assert_string_equal(f->fstype, "ext4");
	assert_false(f->f.truncated);
	assert_int_equal(o->sample_count, 2);
	assert_int_equal(o->result.kinds[KIND_FILE], 5);
	assert_int_equal(o->result.kinds[KIND_FREE], W_PAGES - 5);
	assert_true(o->result.finished);
	assert_int_equal(o->result.pages_read, W_PAGES);
	outcome_destroy(o);
	world_destroy(w);
}

/* Equal inode numbers on two file systems are two files. */
static void test_same_ino_two_filesystems(void **state)
{
	struct world *w = world_create();
	struct w_sb *a = w_sb(w, "ext4", 1), *b = w_sb(w, "xfs", 2);
	struct w_inode *x = w_inode(w, a, 7), *y = w_inode(w, b, 7);
	struct outcome *o;

	w_dentry(w, a->root, "x", 1, x, true);
	w_dentry(w, b->root, "y", 1, y, true);
	w_pages(w, x, 10, 1, W_LRU, 0);
	w_pages(w, y, 11, 2, W_LRU, 0);
	o = world_scan(&w->s, &w->l, &full);
	assert_int_equal(o->file_count, 2);
	assert_int_equal(o->files[0].f.nrpages + o->files[1].f.nrpages, 3);
	assert_int_not_equal(o->files[0].f.dev_minor, o->files[1].f.dev_minor);
	outcome_destroy(o);
	world_destroy(w);
}

static void test_states(void **state)
{
	struct world *w = world_create();
	struct w_sb *ext4 = w_sb(w, "ext4", 1), *shm = w_sb(w, "tmpfs", 2),
		    *bdev = w_sb(w, "bdev", 3), *nfs = w_sb(w, "nfs", 4);
	struct w_inode *deleted = w_inode(w, ext4, 1), *memfd = w_inode(w, shm, 2),
		       *block = w_inode(w, bdev, 3), *evicted = w_inode(w, ext4, 4),
		       *dropped = w_inode(w, nfs, 5), *tmpfile = w_inode(w, ext4, 6),
		       *orphan = w_inode(w, ext4, 8);
	struct outcome *o;
	struct found *f;

	shm->flags = bdev->flags = SB_KERNMOUNT;
	deleted->nlink = 0;
	w_dentry(w, ext4->root, "gone (deleted)", 14, deleted, false);
	memfd->nlink = 0;
	w_dentry(w, 0, "memfd:a/b", 9, memfd, false);
	block->mode = S_IFBLK | 0600;
	block->rdev = 254 << 20 | 16;
	w_dentry(w, nfs->root, "stale", 5, dropped, false);
	tmpfile->nlink = 0;
	w_dentry(w, ext4->root, "#6", 2, tmpfile, false);
	orphan->nlink = 0;
	w_pages(w, deleted, 1, 1, 0, 0);
	w_pages(w, memfd, 2, 1, W_SWAPBACKED, 0);
	w_pages(w, block, 3, 1, 0, 0);
	w_pages(w, evicted, 4, 1, 0, 0);
	w_pages(w, dropped, 5, 1, 0, 0);
	w_pages(w, tmpfile, 6, 1, 0, 0);
	w_pages(w, orphan, 7, 1, 0, 0);
	o = world_scan(&w->s, &w->l, &full);
	assert_int_equal(o->file_count, 7);
	f = found_ino(o, 1);
	assert_int_equal(f->f.state, FILE_DELETED);
	assert_string_equal(f->path, "/gone (deleted)");
	f = found_ino(o, 2);
	assert_int_equal(f->f.state, FILE_UNNAMED);
	assert_string_equal(f->path, "memfd:a/b");
	f = found_ino(o, 3);
	assert_int_equal(f->f.state, FILE_UNNAMED);
	assert_true(f->f.is_blockdev);
	assert_int_equal(f->f.rdev_major, 254);
	assert_int_equal(f->f.rdev_minor, 16);
	assert_string_equal(f->path, "");
	f = found_ino(o, 4);
	assert_int_equal(f->f.state, FILE_UNRESOLVED);
	assert_string_equal(f->path, "");
	assert_int_equal(found_ino(o, 5)->f.state, FILE_UNRESOLVED);
	assert_int_equal(found_ino(o, 6)->f.state, FILE_UNNAMED);
	assert_int_equal(found_ino(o, 8)->f.state, FILE_DELETED);
	assert_int_equal(o->result.kinds[KIND_SHMEM], 1);
	assert_int_equal(o->result.kinds[KIND_FILE], 6);
	outcome_destroy(o);
	world_destroy(w);
}

/* Of several aliases the one that still has a name is taken. */
static void test_hard_links(void **state)
{
	struct world *w = world_create();
	struct w_sb *sb = w_sb(w, "ext4", 1);
	struct w_inode *i = w_inode(w, sb, 9);
	struct outcome *o;

	i->nlink = 2;
	w_dentry(w, sb->root, "kept", 4, i, true);
	w_dentry(w, sb->root, "removed", 7, i, false); /* first in the list */
	w_pages(w, i, 1, 1, 0, 0);
	o = world_scan(&w->s, &w->l, &full);
	assert_int_equal(o->file_count, 1);
	assert_string_equal(o->files[0].path, "/kept");
	assert_int_equal(o->files[0].f.state, FILE_LINKED);
	assert_int_equal(o->files[0].f.nlink, 2);
	outcome_destroy(o);
	world_destroy(w);
}

static void test_odd_names(void **state)
{
	static const char *const names[] = {"new\nline", "tab\there", "\"quotes\"", "<script>",
					    "a=b",	 "\xff\xfe",  " ",	    "..."};
	struct world *w = world_create();
	struct w_sb *sb = w_sb(w, "ext4", 1);
	struct w_inode *longest = w_inode(w, sb, 99);
	char name[255], path[300];
	struct outcome *o;

	for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
		struct w_inode *i = w_inode(w, sb, n + 1);

		w_dentry(w, sb->root, names[n], strlen(names[n]), i, true);
		w_pages(w, i, (uint32_t)n, 1, 0, 0);
	}
	memset(name, 'n', sizeof(name));
	w_dentry(w, sb->root, name, sizeof(name), longest, true);
	w_pages(w, longest, 50, 1, 0, 0);
	o = world_scan(&w->s, &w->l, &full);
	assert_int_equal(o->file_count, ARRAY_SIZE(names) + 1);
	for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
		snprintf(path, sizeof(path), "/%s", names[n]);
		assert_string_equal(found_ino(o, n + 1)->path, path);
	}
	assert_int_equal(strlen(found_ino(o, 99)->path), 256);
	outcome_destroy(o);
	world_destroy(w);
}

static void test_deep_and_torn(void **state)
{
	struct world *w = world_create();
	struct w_sb *sb = w_sb(w, "ext4", 1);
	struct w_inode *deep = w_inode(w, sb, 1), *torn = w_inode(w, sb, 2),
		       *wild = w_inode(w, sb, 3), *slash = w_inode(w, sb, 4);
	struct w_dentry *a, *b;
	uint64_t parent = sb->root;
	char name[100];
	struct outcome *o;

	memset(name, 'd', sizeof(name));
	for (int i = 0; i < 60; i++)
		parent = w_addr(w, w_dentry(w, parent, name, sizeof(name), NULL, true));
	w_dentry(w, parent, "end", 3, deep, true);
	/* Two directories that are each other's parent. */
	a = w_dentry(w, sb->root, "a", 1, NULL, true);
	b = w_dentry(w, w_addr(w, a), "b", 1, NULL, true);
	a->parent = w_addr(w, b);
	w_dentry(w, w_addr(w, a), "torn", 4, torn, true);
	/* A parent that is no address, and a name with a slash in it. */
	w_dentry(w, 0xffff999900000000ULL, "wild", 4, wild, true);
	w_dentry(w, sb->root, "x/y", 3, slash, true);
	w_pages(w, deep, 1, 1, 0, 0);
	w_pages(w, torn, 2, 1, 0, 0);
	w_pages(w, wild, 3, 1, 0, 0);
	w_pages(w, slash, 4, 1, 0, 0);
	o = world_scan(&w->s, &w->l, &full);
	assert_int_equal(o->file_count, 4);
	assert_int_equal(strlen(found_ino(o, 1)->path), 60 * 101 + 4); /* over 4096 */
	assert_false(found_ino(o, 1)->f.truncated);
	assert_true(found_ino(o, 2)->f.truncated);
	assert_true(found_ino(o, 3)->f.truncated);
	assert_string_equal(found_ino(o, 3)->path, "/wild");
	assert_true(found_ino(o, 4)->f.truncated);
	assert_int_equal(found_ino(o, 4)->f.state, FILE_UNRESOLVED);
	outcome_destroy(o);
	world_destroy(w);
}

/* What only looks like an address_space is not one. */
static void test_false_mappings(void **state)
{
	struct world *w = world_create();
	struct w_sb *sb = w_sb(w, "ext4", 1);
	struct w_inode *i = w_inode(w, sb, 1);
	uint64_t *object = w_alloc(w, 512);
	struct outcome *o;

	w_dentry(w, sb->root, "f", 1, i, true);
	w_pages(w, i, 1, 1, 0, 0);
	object[0] = w_addr(w, i); /* a host, but not the one it would be the i_data of */
	w->pages[2] = (struct w_page){.mapping = w_addr(w, object), .mapcount = ~0u, .refcount = 1};
	w->pages[3] =
		(struct w_page){.mapping = 0xffff999900000000ULL, .mapcount = ~0u, .refcount = 1};
	w->pages[4] =
		(struct w_page){.mapping = 0xdead000000000400ULL, .mapcount = ~0u, .refcount = 1};
	w->pages[5] =
		(struct w_page){.mapping = w_mapping(w, i) | 1, .mapcount = ~0u, .refcount = 1};
	/* Slab: the word where mapping would be is its free list. */
	w->pages[6] =
		(struct w_page){.mapping = w_mapping(w, i), .mapcount = 0xf5000010, .refcount = 1};
	o = world_scan(&w->s, &w->l, &full);
	assert_int_equal(o->file_count, 1);
	assert_int_equal(o->files[0].pages, 1);
	assert_int_equal(o->result.kinds[KIND_OTHER], 3);
	assert_int_equal(o->result.kinds[KIND_ANON], 1);
	assert_int_equal(o->result.kinds[KIND_SLAB], 1);
	outcome_destroy(o);
	world_destroy(w);
}

/* Until page pools had a type of their own, their pages differ from others by the mark alone. */
static void test_neighbours_that_only_the_mark_tells(void **state)
{
	const struct w_page other = {.mapcount = ~0u, .refcount = 1};
	struct w_page pool = other;
	struct world *w = world_create();
	struct outcome *o;

	pool.compound_head = 0xdead000000000040ULL;
	w->pages[100] = w->pages[102] = other;
	w->pages[101] = pool;
	o = world_scan(&w->s, &w->l, &full);
	assert_int_equal(o->result.kinds[KIND_PAGE_POOL], 1);
	assert_int_equal(o->result.kinds[KIND_OTHER], 2);
	assert_int_equal(o->result.pages_read, W_PAGES);
	outcome_destroy(o);
	w->pages[100] = w->pages[102] = pool;
	w->pages[101] = other;
	o = world_scan(&w->s, &w->l, &full);
	assert_int_equal(o->result.kinds[KIND_PAGE_POOL], 2);
	assert_int_equal(o->result.kinds[KIND_OTHER], 1);
	assert_int_equal(o->result.pages_read, W_PAGES);
	outcome_destroy(o);
	/* A kernel without page pools has no such mark to look at. */
	w->l.page.pp_magic = W_ABSENT;
	o = world_scan(&w->s, &w->l, &full);
	assert_int_equal(o->result.kinds[KIND_PAGE_POOL], 0);
	assert_int_equal(o->result.kinds[KIND_OTHER], 3);
	assert_int_equal(o->result.pages_read, W_PAGES);
	outcome_destroy(o);
	world_destroy(w);
}

/* Large folios: tails count for their head's file, also across the edge of a bulk read, and
 * whatever the sampling hits. */
static void test_folios(void **state)
{
	struct world *w = world_create();
	struct w_sb *sb = w_sb(w, "tmpfs", 1);
	struct w_inode *i = w_inode(w, sb, 1);
	uint32_t chunk = KMEM_READ_MAX / sizeof(struct w_page);
	struct outcome *o;
	uint64_t tails = 0;

	w_dentry(w, sb->root, "big", 3, i, true);
	w_folio(w, i, chunk - 256, 512, W_SWAPBACKED | W_DIRTY);
	w_folio(w, i, 2 * chunk, 512, W_SWAPBACKED);
	o = world_scan(&w->s, &w->l, &full);
	assert_int_equal(o->file_count, 1);
	assert_int_equal(o->files[0].f.nrpages, 1024);
	assert_int_equal(o->files[0].pages, 1024);
	for (size_t k = 0; k < o->sample_count; k++) {
		if (o->samples[k].state & STATE_TAIL)
			tails += o->samples[k].pages;
		assert_true(o->samples[k].state & STATE_SWAPBACKED);
	}
	assert_int_equal(tails, 1022);
	assert_int_equal(o->result.kinds[KIND_SHMEM], 1024);
	outcome_destroy(o);
	o = world_scan(&w->s, &w->l,
		       &(struct scan_config){.one_in = 16, .seed = 3, .memory = 4 << 20});
	assert_int_equal(o->file_count, 1);
	assert_int_equal(o->files[0].pages, 64); /* 1024 / 16: the strata lie inside the folios */
	outcome_destroy(o);
	world_destroy(w);
}

static void test_hugetlbfs_is_not_cache(void **state)
{
	struct world *w = world_create();
	struct w_sb *sb = w_sb(w, "hugetlbfs", 1);
	struct w_inode *i = w_inode(w, sb, 1);
	struct outcome *o;

	sb->magic = 0x958458f6;
	w_dentry(w, sb->root, "huge", 4, i, true);
	w_folio(w, i, 512, 512, 0);
	o = world_scan(&w->s, &w->l, &full);
	assert_int_equal(o->file_count, 0);
	assert_int_equal(o->sample_count, 0);
	assert_int_equal(o->result.kinds[KIND_HUGETLB], 512);
	outcome_destroy(o);
	world_destroy(w);
}

static void test_holes(void **state)
{
	struct world *w = world_create();
	struct outcome *o;

	w->hole_start = 1000;
	w->hole_end = 1064;
	o = world_scan(&w->s, &w->l, &full);
	/* Found in steps of 4 KiB of struct pages: at most two of them are lost beyond the hole. */
	assert_in_range(o->result.holes, 64, 128);
	assert_int_equal(o->result.pages_read, W_PAGES - o->result.holes);
	assert_true(o->result.finished);
	outcome_destroy(o);
	w->hole_start = w->hole_end = 0;
	o = world_scan(&w->s, &w->l, &full);
	assert_int_equal(o->result.holes, 0);
	outcome_destroy(o);
	world_destroy(w);
}

static void test_cgroups(void **state)
{
	struct world *w = world_create();
	struct w_sb *sb = w_sb(w, "ext4", 1);
	struct w_inode *i = w_inode(w, sb, 1);
	uint64_t online = w_memcg(w, "online", 2, 100), dying = w_memcg(w, "dying", 16, 200);
	uint64_t *objcg = w_alloc(w, 64), *junk = w_alloc(w, 64);
	uint64_t pages[8] = {0};
	struct outcome *o;

	objcg[2] = online;
	w_dentry(w, sb->root, "shared", 6, i, true);
	w_pages(w, i, 1, 3, 0, online);
	w_pages(w, i, 10, 2, 0, dying);
	w_pages(w, i, 20, 4, 0, w_addr(w, objcg) | 2); /* kernel memory's way, here and on 7.x */
	w_pages(w, i, 30, 1, 0, w_addr(w, junk));
	o = world_scan(&w->s, &w->l, &full);
	assert_int_equal(o->files[0].pages, 10);
	for (size_t k = 0; k < o->sample_count; k++) {
		const char *path = "?";

		for (size_t c = 0; c < o->cgroup_count; c++) {
			if (o->cgroups[c].cgroup == o->samples[k].cgroup)
				path = o->cgroup_paths[c];
		}
		if (!strcmp(path, "/a/online"))
			pages[0] += o->samples[k].pages;
		else if (!strcmp(path, "/a/dying"))
			pages[1] += o->samples[k].pages;
		else
			pages[2] += o->samples[k].pages;
	}
	assert_int_equal(pages[0], 7);
	assert_int_equal(pages[1], 2);
	assert_int_equal(pages[2], 1);
	for (size_t c = 0; c < o->cgroup_count; c++) {
		if (o->cgroups[c].ino == 100)
			assert_true(o->cgroups[c].known && o->cgroups[c].online);
		else if (o->cgroups[c].ino == 200)
			assert_true(o->cgroups[c].known && !o->cgroups[c].online);
		else
			assert_false(o->cgroups[c].known);
	}
	outcome_destroy(o);
	world_destroy(w);
}

/* ------------------------------------------------------------------ races */

struct race {
	struct w_inode *inode;
	uint64_t dentry;
};

/* Each strikes when the file's name is read: after its inode was believed, before it is told. */
static void reuse_inode(struct world *w, uint64_t addr, size_t len)
{
	struct race *r = w->ctx;

	if (addr == r->dentry)
		r->inode->ino = 666;
}

static void free_inode(struct world *w, uint64_t addr, size_t len)
{
	struct race *r = w->ctx;

	if (addr == r->dentry)
		r->inode->state = 0x20;
}

static void overwrite_inode(struct world *w, uint64_t addr, size_t len)
{
	struct race *r = w->ctx;

	if (addr == r->dentry)
		memset(r->inode, 0x5a, sizeof(*r->inode));
}

static void no_race(struct world *w, uint64_t addr, size_t len)
{
}

static void test_races_are_discarded(void **state)
{
	void (*const races[])(struct world *, uint64_t, size_t) = {reuse_inode, free_inode,
								   overwrite_inode, no_race};

	for (size_t k = 0; k < ARRAY_SIZE(races); k++) {
		bool raced = races[k] != no_race;
		struct world *w = world_create();
		struct w_sb *sb = w_sb(w, "ext4", 1);
		struct race r = {.inode = w_inode(w, sb, 5)};
		struct outcome *o;

		r.dentry = w_addr(w, w_dentry(w, sb->root, "raced", 5, r.inode, true));
		w_pages(w, r.inode, 100, 9, 0, 0);
		w->ctx = &r;
		w->before_read = races[k];
		o = world_scan(&w->s, &w->l, &full);
		assert_int_equal(o->file_count, !raced);
		assert_int_equal(o->sample_count, !raced);
		assert_int_equal(o->result.discarded, raced ? 9 : 0);
		outcome_destroy(o);
		world_destroy(w);
	}
}

/* ------------------------------------------------------------------ sampling */

static void test_sampling_is_unbiased(void **state)
{
	struct world *w = world_create();
	struct w_sb *sb = w_sb(w, "ext4", 1);
	struct w_inode *a = w_inode(w, sb, 1), *b = w_inode(w, sb, 2);
	double sum_a = 0, sum_b = 0;
	int runs = 300;

	w_dentry(w, sb->root, "a", 1, a, true);
	w_dentry(w, sb->root, "b", 1, b, true);
	w_pages(w, a, 1000, 3000, 0, 0);
	for (uint32_t pfn = 8; pfn < 800; pfn += 8) /* one page at the same place of each eight */
		w_pages(w, b, pfn, 1, 0, 0);
	for (int r = 0; r < runs; r++) {
		struct scan_config c = {.one_in = 16, .seed = (uint64_t)r * 977, .memory = 4 << 20};
		struct outcome *o = world_scan(&w->s, &w->l, &c);

		assert_int_equal(o->result.strata_total, W_PAGES / 16);
		assert_int_equal(o->result.strata_done, W_PAGES / 16);
		assert_int_equal(o->result.pages_read, W_PAGES / 16);
		if (found_ino(o, 1)) {
			assert_int_equal(found_ino(o, 1)->f.nrpages, 3000); /* exact, if found */
			sum_a += (double)found_ino(o, 1)->pages * 16;
		}
		if (found_ino(o, 2))
			sum_b += (double)found_ino(o, 2)->pages * 16;
		outcome_destroy(o);
	}
	/* b: 99 pages, 1/16 each: a standard deviation of about 37 a run, 2.2 over all. */
	assert_in_range((uint64_t)(sum_a / runs), 2990, 3010);
	assert_in_range((uint64_t)(sum_b / runs), 90, 108);
	world_destroy(w);
}

static bool stop_after(void *ctx)
{
	int *left = ctx;

	return (*left)-- <= 0;
}

/* Stopped half-way, what was read still stands for the whole. */
static void test_stopped_scan_is_a_sample(void **state)
{
	struct world *w = world_create();
	struct w_sb *sb = w_sb(w, "ext4", 1);
	struct w_inode *i = w_inode(w, sb, 1);
	double sum = 0;
	int runs = 400;

	w_dentry(w, sb->root, "a", 1, i, true);
	w_pages(w, i, 0, W_PAGES / 4, 0, 0); /* one of the four chunks of a full scan */
	for (int r = 0; r < runs; r++) {
		int left = 2;
		struct scan_config c = {.one_in = 1,
					.seed = (uint64_t)r,
					.memory = 4 << 20,
					.stop = stop_after,
					.stop_ctx = &left};
		struct outcome *o = world_scan(&w->s, &w->l, &c);

		assert_false(o->result.finished);
		assert_int_equal(o->result.strata_done, W_PAGES / 2);
		if (o->file_count)
			sum += (double)o->files[0].pages * 2;
		outcome_destroy(o);
	}
	assert_in_range((uint64_t)(sum / runs), W_PAGES / 4 * 9 / 10, W_PAGES / 4 * 11 / 10);
	world_destroy(w);
}

/* One file for each pair of strata: two pages of each are drawn, in however many batches, and a
 * scan that is stopped has taken none twice. */
static void test_each_pair_is_drawn_once(void **state)
{
	enum { ONE_IN = 32, FILES_OF = W_PAGES / (2 * ONE_IN) - 1 };
	struct world *w = world_create();
	struct w_sb *sb = w_sb(w, "tmpfs", 1);
	const uint32_t batches[] = {0, 4096, 512, 100, 64, 8};

	for (uint32_t i = 0; i < FILES_OF; i++) {
		struct w_inode *in = w_inode(w, sb, 1 + i);
		char name[16];

		snprintf(name, sizeof(name), "f%u", i);
		w_dentry(w, sb->root, name, strlen(name), in, true);
		w_pages(w, in, i * 2 * ONE_IN, 2 * ONE_IN, 0, 0);
	}
	/* Neither strata nor pairs nor blocks come out even. */
	w->ranges[0].end_pfn = W_PAGES - 2 * ONE_IN;
	for (size_t k = 0; k < sizeof(batches) / sizeof(batches[0]); k++) {
		for (int stop = 0; stop < 2; stop++) {
			int left = 2;
			struct scan_config c = {.one_in = ONE_IN,
						.seed = k * 31 + 7,
						.memory = 4 << 20,
						.batch_strata = batches[k],
						.stop = stop ? stop_after : NULL,
						.stop_ctx = &left};
			struct outcome *o = world_scan(&w->s, &w->l, &c);

			if (!stop)
				assert_int_equal(o->file_count, FILES_OF);
			for (size_t i = 0; i < o->file_count; i++)
				assert_int_equal(o->files[i].pages, 2);
			assert_int_equal(o->result.strata_done, 2 * o->file_count);
			assert_int_equal(o->result.finished, o->file_count == FILES_OF);
			outcome_destroy(o);
		}
	}
	world_destroy(w);
}

static void test_ranges(void **state)
{
	struct world *w = world_create();
	struct w_sb *sb = w_sb(w, "ext4", 1);
	struct w_inode *in = w_inode(w, sb, 1), *out = w_inode(w, sb, 2);
	struct outcome *o;

	w->ranges[0] = (struct kmem_range){3, 103};
	w->ranges[1] = (struct kmem_range){1000, 1001};
	w->ranges[2] = (struct kmem_range){5000, 9000};
	w->s.range_count = 3;
	w_pages(w, in, 3, 1, 0, 0);
	w_pages(w, in, 102, 1, 0, 0);
	w_pages(w, in, 1000, 1, 0, 0);
	w_pages(w, in, 8999, 1, 0, 0);
	w_pages(w, out, 2, 1, 0, 0);
	w_pages(w, out, 103, 1, 0, 0);
	w_pages(w, out, 9000, 1, 0, 0);
	o = world_scan(&w->s, &w->l, &full);
	assert_int_equal(o->file_count, 1);
	assert_int_equal(o->files[0].pages, 4);
	assert_int_equal(o->result.pages_total, 4101);
	assert_int_equal(o->result.pages_read, 4101);
	outcome_destroy(o);
	o = world_scan(&w->s, &w->l,
		       &(struct scan_config){.one_in = 64, .seed = 5, .memory = 4 << 20});
	assert_int_equal(o->result.strata_total, 65);
	assert_in_range(o->result.pages_read, 64, 65); /* the last stratum has 5 of 64 frames */
	outcome_destroy(o);
	world_destroy(w);
}

static void test_auto_rate(void **state)
{
	struct kmem_range small = {0, 1 << 20}, huge = {0, 1ULL << 28};
	struct kmem_source s = {
		.ranges = &small, .range_count = 1, .ns_per_page = 10, .ns_per_sample = 100};

	assert_int_equal(scan_auto_one_in(&s, 1000000000), 1);
	s.ranges = &huge; /* 1 TiB: 2.7 s in full */
	assert_int_equal(scan_auto_one_in(&s, 1000000000), 32);
}

/* More files than fit: counted, and their pages stand under file 0. */
static void test_overflow_is_counted(void **state)
{
	struct world *w = world_create();
	struct w_sb *sb = w_sb(w, "ext4", 1);
	struct scan_config c = full;
	uint64_t found = 0, dropped = 0;
	struct outcome *o;

	c.memory = 1; /* the least there is: 1024 files */
	for (uint32_t k = 0; k < 3000; k++) {
		struct w_inode *i = w_inode(w, sb, k + 1);

		w_pages(w, i, 2 * k, 2, 0, 0);
	}
	w->pages[9000] =
		(struct w_page){.mapping = 0xffff999900000000ULL, .mapcount = ~0u, .refcount = 1};
	o = world_scan(&w->s, &w->l, &c);
	assert_int_equal(o->file_count, 1024);
	assert_in_range(o->dropped, 1950, 1976); /* a hash may take two for one */
	for (size_t k = 0; k < o->sample_count; k++)
		*(o->samples[k].file ? &found : &dropped) += o->samples[k].pages;
	assert_int_equal(found, 2048);
	assert_int_equal(dropped, 6000 - 2048);
	outcome_destroy(o);
	world_destroy(w);
}

/* No time left to name files: their pages still count, and they are said to be missing. */
static void test_no_time_to_name(void **state)
{
	struct world *w = world_create();
	struct w_sb *sb = w_sb(w, "ext4", 1);
	struct scan_config c = full;
	struct outcome *o;

	c.resolve_deadline_ns = 1;
	for (uint32_t k = 0; k < 10; k++)
		w_pages(w, w_inode(w, sb, k + 1), 10 * k, 3, 0, 0);
	o = world_scan(&w->s, &w->l, &c);
	assert_int_equal(o->file_count, 0);
	assert_int_equal(o->dropped, 10);
	for (size_t k = 0; k < o->sample_count; k++)
		assert_int_equal(o->samples[k].file, 0);
	assert_int_equal(o->result.kinds[KIND_FILE], 30);
	outcome_destroy(o);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linked),
		cmocka_unit_test(test_same_ino_two_filesystems),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_hard_links),
		cmocka_unit_test(test_odd_names),
		cmocka_unit_test(test_deep_and_torn),
		cmocka_unit_test(test_false_mappings),
		cmocka_unit_test(test_neighbours_that_only_the_mark_tells),
		cmocka_unit_test(test_folios),
		cmocka_unit_test(test_hugetlbfs_is_not_cache),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_cgroups),
		cmocka_unit_test(test_races_are_discarded),
		cmocka_unit_test(test_sampling_is_unbiased),
		cmocka_unit_test(test_stopped_scan_is_a_sample),
		cmocka_unit_test(test_each_pair_is_drawn_once),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_auto_rate),
		cmocka_unit_test(test_overflow_is_counted),
		cmocka_unit_test(test_no_time_to_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
