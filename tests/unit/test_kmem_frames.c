/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rung of page flags, on made-up /proc/kpageflags and /proc/kpagecgroup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../capture/kmem/frames.h"

#define BIT(n) (1ULL << (n))
/* Documentation/admin-guide/mm/pagemap.rst */
enum {
	UPTODATE = 3,
	DIRTY = 4,
	LRU = 5,
	ACTIVE = 6,
	SLAB = 7,
	WRITEBACK = 8,
	BUDDY = 10,
	MMAP = 11,
	ANON = 12,
	SWAPCACHE = 13,
	SWAPBACKED = 14,
	HEAD = 15,
	TAIL = 16,
	HUGE = 17,
	UNEVICTABLE = 18,
	NOPAGE = 20,
	KSM = 21,
	OFFLINE = 23,
	ZERO = 24,
	PGTABLE = 26,
	RESERVED = 32
};

#define FRAMES 200000u /* more than three batches */

struct machine {
	char dir[32];
	struct sysroot root;
	uint64_t *flags, *cgroups;
};

static void put(const struct machine *m, const char *name, const void *data, size_t len)
{
	int fd = openat(m->root.proc_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static struct machine *machine_create(void)
{
	struct machine *m = calloc(1, sizeof(*m));

	strcpy(m->dir, "/tmp/ossnap-frames.XXXXXX");
	assert_non_null(mkdtemp(m->dir));
	m->root = (struct sysroot){.root_fd = -1, .sys_fd = -1};
	m->root.proc_fd = open(m->dir, O_PATH | O_DIRECTORY);
	m->flags = calloc(FRAMES, 8);
	m->cgroups = calloc(FRAMES, 8);
	return m;
}

/* RAM: frames 16 … FRAMES − 1, with a gap of 100 from 1000 on. */
static struct frames *machine_open(struct machine *m)
{
	char iomem[256];
	struct frames *f;
	struct err e = {0};

	snprintf(iomem, sizeof(iomem),
		 "00010000-003e7fff : System RAM\n0044c000-%08x : System RAM\n  01000000-01ffffff "
		 ": Kernel code\n",
		 FRAMES * 4096 - 1);
	put(m, "iomem", iomem, strlen(iomem));
	put(m, "kpageflags", m->flags, FRAMES * 8);
	put(m, "kpagecgroup", m->cgroups, FRAMES * 8);
	assert_int_equal(frames_open(&f, &m->root, &e), 0);
	return f;
}

static void machine_destroy(struct machine *m, struct frames *f)
{
	frames_close(f);
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = {"iomem", "kpageflags", "kpagecgroup"};
		char path[64];

		snprintf(path, sizeof(path), "%s/%s", m->dir, names[i]);
		unlink(path);
	}
	rmdir(m->dir);
	close(m->root.proc_fd);
	free(m->flags);
	free(m->cgroups);
	free(m);
}

static uint64_t pages_of(struct frames *f, uint64_t cgroup, unsigned state)
{
	const struct frames_count *counts;
	size_t n = frames_counts(f, &counts);

	for (size_t i = 0; i < n; i++) {
		if (counts[i].cgroup_ino == cgroup && counts[i].state == state)
			return counts[i].pages;
	}
	return 0;
}

static void test_kinds(void **state)
{
	static const struct {
		uint64_t flags;
		enum page_kind kind;
		unsigned state;
	} rows[] = {
		{0, KIND_UNKNOWN, 0},
		{BIT(BUDDY), KIND_BUDDY, 0},
		{BIT(SLAB) | BIT(HEAD), KIND_SLAB, 0},
		{BIT(PGTABLE), KIND_PAGE_TABLE, 0},
		{BIT(RESERVED), KIND_RESERVED, 0},
		{BIT(ZERO) | BIT(RESERVED), KIND_RESERVED, 0},
		{BIT(OFFLINE), KIND_OFFLINE, 0},
		{BIT(HUGE) | BIT(HEAD) | BIT(UPTODATE), KIND_HUGETLB, 0},
		{BIT(ANON) | BIT(LRU) | BIT(SWAPBACKED) | BIT(MMAP), KIND_ANON, 0},
		{BIT(KSM) | BIT(ANON) | BIT(MMAP), KIND_ANON, 0},
		{BIT(ANON) | BIT(SWAPCACHE) | BIT(SWAPBACKED) | BIT(LRU), KIND_SWAP_CACHE, 0},
		{BIT(ANON) | BIT(SWAPCACHE) | BIT(MMAP) | BIT(LRU), KIND_ANON, 0},
		{BIT(SWAPCACHE) | BIT(SWAPBACKED) | BIT(LRU), KIND_SWAP_CACHE, 0},
		{BIT(LRU) | BIT(UPTODATE), KIND_FILE, 0},
		{BIT(LRU) | BIT(ACTIVE) | BIT(DIRTY), KIND_FILE, STATE_ACTIVE | STATE_DIRTY},
		{BIT(LRU) | BIT(WRITEBACK) | BIT(MMAP), KIND_FILE, STATE_WRITEBACK | STATE_MAPPED},
		{BIT(UNEVICTABLE) | BIT(UPTODATE), KIND_FILE, STATE_UNEVICTABLE},
		{BIT(UPTODATE), KIND_FILE, 0}, /* waits in a CPU's batch */
		{BIT(LRU) | BIT(SWAPBACKED) | BIT(DIRTY), KIND_SHMEM,
		 STATE_SWAPBACKED | STATE_DIRTY},
		{BIT(MMAP), KIND_OTHER, 0}, /* a driver's, mapped */
		{BIT(HEAD), KIND_OTHER, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned bits = 0;

		assert_string_equal(page_kind_name(frame_kind(rows[i].flags, &bits)),
				    page_kind_name(rows[i].kind));
		assert_int_equal(bits, rows[i].state);
	}
}

/* Tails show little of themselves on some kernels; the head speaks for them. */
static void make_folio(struct machine *m, uint32_t pfn, uint32_t n, uint64_t flags, uint64_t cgroup)
{
	m->flags[pfn] = flags | BIT(HEAD);
	m->cgroups[pfn] = cgroup;
	for (uint32_t i = 1; i < n; i++)
		m->flags[pfn + i] = BIT(TAIL);
}

static void test_full(void **state)
{
	struct machine *m = machine_create();
	struct scan_config c = {.one_in = 1, .seed = 7};
	const struct scan_result *q;
	struct frames *f;
	struct err e = {0};

	for (uint32_t i = 100; i < 150; i++) {
		m->flags[i] = BIT(LRU);
		m->cgroups[i] = 42;
	}
	for (uint32_t i = 150; i < 160; i++)
		m->flags[i] = BIT(LRU) | BIT(ACTIVE);
	m->flags[1050] = BIT(LRU); /* in the gap */
	m->flags[5] = BIT(LRU);	   /* before RAM */
	make_folio(m, 65536, 512, BIT(LRU) | BIT(SWAPBACKED), 43);
	make_folio(m, 131072 - 512, 512, BIT(SLAB), 0);
	m->flags[70000] = BIT(NOPAGE);
	m->cgroups[70001] = 99; /* not page cache: its group is nobody's business */
	f = machine_open(m);
	assert_true(frames_has_cgroups(f));
	assert_int_equal(frames_scan(f, &c, &e), 0);
	q = frames_result(f);
	assert_int_equal(q->pages_total, FRAMES - 16 - 100);
	assert_int_equal(q->strata_done, q->pages_total);
	assert_int_equal(q->pages_read, q->pages_total - 1);
	assert_int_equal(q->holes, 1);
	assert_true(q->finished);
	assert_int_equal(q->kinds[KIND_FILE], 60);
	assert_int_equal(q->kinds[KIND_SHMEM], 512);
	assert_int_equal(q->kinds[KIND_SLAB], 512);
	assert_int_equal(pages_of(f, 42, 0), 50);
	assert_int_equal(pages_of(f, 0, STATE_ACTIVE), 10);
	assert_int_equal(pages_of(f, 43, STATE_SWAPBACKED), 1);
	assert_int_equal(pages_of(f, 43, STATE_SWAPBACKED | STATE_TAIL), 511);
	assert_int_equal(frames_without_room(f), 0);
	machine_destroy(m, f);
}

static void test_sampled(void **state)
{
	struct machine *m = machine_create();
	double file = 0, folio = 0;
	const int runs = 40;

	for (uint32_t i = 20000; i < 30000; i++)
		m->flags[i] = BIT(LRU);
	for (uint32_t i = 0; i < 8; i++)
		make_folio(m, 40960 + i * 512, 512, BIT(LRU) | BIT(SWAPBACKED), 43);
	for (int r = 0; r < runs; r++) {
		struct scan_config c = {.one_in = 16, .seed = (uint64_t)r * 77 + 1};
		struct frames *f = machine_open(m);
		struct err e = {0};

		assert_int_equal(frames_scan(f, &c, &e), 0);
		assert_true(frames_result(f)->finished);
		assert_int_equal(frames_result(f)->strata_done, frames_result(f)->strata_total);
		file += (double)frames_result(f)->kinds[KIND_FILE] * 16;
		folio += (double)(pages_of(f, 43, STATE_SWAPBACKED) +
				  pages_of(f, 43, STATE_SWAPBACKED | STATE_TAIL)) *
			 16;
		frames_close(f);
	}
	assert_in_range((uint64_t)(file / runs), 9900, 10100);
	assert_in_range((uint64_t)(folio / runs), 4000, 4192);
	machine_destroy(m, NULL);
}

static bool stop_after(void *ctx)
{
	int *left = ctx;

	return (*left)-- <= 0;
}

static void test_stopped(void **state)
{
	struct machine *m = machine_create();
	int left = 2;
	struct scan_config c = {.one_in = 1, .seed = 3, .stop = stop_after, .stop_ctx = &left};
	struct frames *f = machine_open(m);
	struct err e = {0};

	assert_int_equal(frames_scan(f, &c, &e), 0);
	assert_false(frames_result(f)->finished);
	assert_in_range(frames_result(f)->strata_done, 1, 131072);
	machine_destroy(m, f);
}

/* The map of frames may end before RAM does: what is not there is a hole, not a page of zeros. */
static void test_short_map(void **state)
{
	struct machine *m = machine_create();
	struct scan_config c = {.one_in = 1, .seed = 3};
	struct frames *f = machine_open(m);
	struct err e = {0};

	put(m, "kpageflags", m->flags, 150000 * 8);
	assert_int_equal(frames_scan(f, &c, &e), 0);
	assert_int_equal(frames_result(f)->holes, FRAMES - 150000);
	assert_int_equal(frames_result(f)->pages_read, 150000 - 16 - 100);
	machine_destroy(m, f);
}

/* More groups than there is room for: pages are counted, without a group, and how many is said. */
static void test_many_groups(void **state)
{
	struct machine *m = machine_create();
	struct scan_config c = {.one_in = 1, .seed = 3};
	const struct frames_count *counts;
	uint64_t pages = 0;
	struct frames *f;
	struct err e = {0};
	size_t n;

	for (uint32_t i = 2000; i < 100000; i++) {
		m->flags[i] = BIT(LRU);
		m->cgroups[i] = i;
	}
	f = machine_open(m);
	assert_int_equal(frames_scan(f, &c, &e), 0);
	n = frames_counts(f, &counts);
	for (size_t i = 0; i < n; i++)
		pages += counts[i].pages;
	assert_int_equal(pages, 98000);
	assert_int_equal(pages_of(f, 0, 0), frames_without_room(f));
	assert_true(frames_without_room(f) > 0);
	machine_destroy(m, f);
}

static void test_without_cgroups(void **state)
{
	struct machine *m = machine_create();
	struct scan_config c = {.one_in = 1, .seed = 3};
	struct frames *f;
	struct err e = {0};
	char path[64];

	m->flags[500] = BIT(LRU);
	frames_close(machine_open(m));
	snprintf(path, sizeof(path), "%s/kpagecgroup", m->dir);
	unlink(path);
	assert_int_equal(frames_open(&f, &m->root, &e), 0);
	assert_false(frames_has_cgroups(f));
	assert_int_equal(frames_scan(f, &c, &e), 0);
	assert_int_equal(pages_of(f, 0, 0), 1);
	frames_close(f);
	snprintf(path, sizeof(path), "%s/kpageflags", m->dir);
	unlink(path);
	assert_int_equal(frames_open(&f, &m->root, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/proc/kpageflags"));
	machine_destroy(m, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),		cmocka_unit_test(test_full),
		cmocka_unit_test(test_sampled),		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_short_map),	cmocka_unit_test(test_many_groups),
		cmocka_unit_test(test_without_cgroups),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
