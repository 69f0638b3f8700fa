/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading other processes' memory, on our own: mappings, exports, a JVM's counters, the census. */
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
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../capture/heap/exports.h"
#include "../../capture/heap/glibc.h"
#include "../../capture/heap/java.h"
#include "../../capture/heap/python.h"

static char buffer[64 << 10];

static void self(struct remote *r)
{
	int dir = open("/proc/self", O_PATH | O_DIRECTORY);

	assert_true(dir >= 0);
	assert_int_equal(remote_open(r, getpid(), dir), 0);
	close(dir);
}

static int regions_of(const char *smaps, struct regions *ret)
{
	char dir[] = "/tmp/ossnap-smaps-XXXXXX", path[64];
	int fd, r;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/smaps", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, smaps, strlen(smaps)), strlen(smaps));
	close(fd);
	fd = open(dir, O_PATH | O_DIRECTORY);
	r = regions_read(ret, fd, buffer, sizeof(buffer));
	close(fd);
	unlink(path);
	rmdir(dir);
	return r;
}

static void mappings_have_kinds(void **state)
{
	static const char smaps[] =
		"00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/a b\n"
		"Size:                328 kB\nRss:                  12 kB\nAnonymous:             "
		"0 kB\n"
		"01c00000-01d00000 rw-p 00000000 00:00 0           [heap]\n"
		"Rss:                1024 kB\nAnonymous:          1020 kB\nSwap:                 8 "
		"kB\n"
		"7f0000000000-7f0000200000 rw-p 00000000 00:00 0 \nRss:  40 kB\nAnonymous:  40 kB\n"
		"7f0000200000-7f0004000000 ---p 00000000 00:00 0 \n"
		"7f1000000000-7f1000001000 ---p 00000000 00:00 0 \n"
		"7f1000001000-7f1000801000 rw-p 00000000 00:00 0 \n"
		"7f2000000000-7f2000100000 rw-p 00000000 00:00 0 \n"
		"7f3000000000-7f3000100000 rw-s 00000000 00:01 1  /dev/shm/x\n"
		"7f3100000000-7f3100008000 rw-s 00000000 00:01 1  /tmp/hsperfdata_u/17\n"
		"7f4000000000-7f4000100000 rw-p 00001000 08:02 9  /lib/libc.so.6\n"
		"7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0  [stack]\n"
		"7ffc00100000-7ffc00102000 r-xp 00000000 00:00 0  [vdso]\n"
		"VmFlags: rd ex\n";
	static const enum region_kind kinds[] = {
		REGION_FILE,	  REGION_HEAP,	       REGION_MALLOC_ARENA, REGION_ANONYMOUS,
		REGION_ANONYMOUS, REGION_THREAD_STACK, REGION_ANONYMOUS,    REGION_SHARED,
		REGION_FILE,	  REGION_DATA,	       REGION_STACK,	    REGION_SPECIAL};
	struct regions r = {0};

	assert_int_equal(regions_of(smaps, &r), 0);
	assert_int_equal(r.count, sizeof(kinds) / sizeof(*kinds));
	for (size_t i = 0; i < r.count; i++)
		if (r.rows[i].kind != kinds[i])
			fail_msg("%zu: %s", i, region_kind_name(r.rows[i].kind));
	assert_string_equal(r.rows[0].name, "a b");
	assert_int_equal(r.rows[1].rss, 1 << 20);
	assert_int_equal(r.rows[1].anonymous, 1020 << 10);
	assert_int_equal(r.rows[1].swap, 8 << 10);
	assert_true(r.rows[8].perf_data);
	assert_false(r.rows[9].perf_data);
	assert_int_equal(r.rows[9].offset, 0x1000);
	assert_ptr_equal(regions_find(&r, 0x01c00000), &r.rows[1]);
	assert_ptr_equal(regions_find(&r, 0x01cfffff), &r.rows[1]);
	assert_null(regions_find(&r, 0x01d00000));
	assert_null(regions_find(&r, 0));
	assert_null(regions_find(&r, UINT64_MAX));
	regions_free(&r);
}

static void nonsense_has_no_mappings(void **state)
{
	struct regions r = {0};

	assert_int_equal(regions_of("Rss: 5 kB\n\nabc\n12345\n7f00-7e00 rw-p 0 0 0\n-\n7f00-7f10\n"
				    "fffffffffffffffff-0 rw-p 00000000 00:00 0 \nSwap: x\n",
				    &r),
			 0);
	assert_int_equal(r.count, 0);
	regions_free(&r);
}

static void exports_are_found(void **state)
{
	struct regions regions = {0};
	int dir = open("/proc/self", O_PATH | O_DIRECTORY);
	struct remote r;
	struct exports e;
	uint64_t found = 0;

	self(&r);
	assert_int_equal(regions_read(&regions, dir, buffer, sizeof(buffer)), 0);
	close(dir);
	for (size_t i = 0; i < regions.count && !found; i++)
		if (!strncmp(regions.rows[i].name, "libcmocka", 9) && !regions.rows[i].offset &&
		    exports_open(&e, &r, regions.rows[i].start) == 0) {
			found = exports_find(&e, &r, "_cmocka_run_group_tests");
			assert_int_equal(exports_find(&e, &r, "no_such_symbol"), 0);
			/* Undefined there: not its own. */
			assert_int_equal(exports_find(&e, &r, "malloc"), 0);
		}
	assert_true(found == (uint64_t)(uintptr_t)_cmocka_run_group_tests);
	/* Not ELF, not mapped. */
	assert_int_equal(exports_open(&e, &r, (uint64_t)(uintptr_t)buffer), -ENOEXEC);
	assert_int_equal(exports_open(&e, &r, 0), -ENOEXEC);
	assert_int_equal(exports_open(&e, &r, UINT64_MAX - 100), -ENOEXEC);
	regions_free(&regions);
	remote_close(&r);
}

/* Pages that were never touched are not brought in. */
static void untouched_pages_stay_so(void **state)
{
	size_t len = 64 * REMOTE_PAGE, read;
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t present[64];
	uint64_t heads[64][2];
	struct remote r;

	assert_true(p != MAP_FAILED);
	madvise(p, len, MADV_NOHUGEPAGE);
	memset(p + 5 * REMOTE_PAGE, 'x', 2 * REMOTE_PAGE);
	self(&r);
	memset(buffer, 1, sizeof(buffer));
	read = remote_read_resident(&r, (uint64_t)(uintptr_t)p, buffer, 16 * REMOTE_PAGE, present);
	assert_int_equal(read, 2);
	for (size_t i = 0; i < 16; i++) {
		assert_int_equal(present[i], i == 5 || i == 6);
		assert_int_equal(buffer[i * REMOTE_PAGE], i == 5 || i == 6 ? 'x' : 0);
	}
	remote_read_heads(&r, (uint64_t)(uintptr_t)p, 64, heads);
	assert_int_equal(heads[5][0], UINT64_C(0x7878787878787878));
	assert_int_equal(heads[4][1], 0);
	assert_int_equal(
		remote_read_resident(&r, (uint64_t)(uintptr_t)p, buffer, 16 * REMOTE_PAGE, NULL),
		2);
	munmap(p, len);
	assert_int_equal(remote_read(&r, (uint64_t)(uintptr_t)p, buffer, 16), 0);
	assert_false(remote_get(&r, UINT64_MAX - 4, buffer, 16));
	remote_close(&r);
}

static void a_mapped_chunk_is_told(void **state)
{
	assert_int_equal(glibc_mapped_chunk((uint64_t[]){0, 0x21000 | 2}, 0x21000), 0x21000);
	assert_int_equal(glibc_mapped_chunk((uint64_t[]){0, 0x21000 | 2}, 0x20000), 0);
	assert_int_equal(glibc_mapped_chunk((uint64_t[]){0, 0x21000 | 3}, 0x21000), 0);
	assert_int_equal(glibc_mapped_chunk((uint64_t[]){1, 0x21000 | 2}, 0x21000), 0);
	assert_int_equal(glibc_mapped_chunk((uint64_t[]){0, 0x21010 | 2}, 0x30000), 0);
	assert_int_equal(glibc_mapped_chunk((uint64_t[]){0, 2}, 0x30000), 0);
	assert_int_equal(glibc_mapped_chunk((uint64_t[]){0, 0}, 0x30000), 0);
}

/* A heap as glibc lays it out, in a mapping of ours. */
static void chunks_are_walked(void **state)
{
	size_t len = 1 << 20;
	uint64_t *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t at = 0, used = 0, is_free = 0;
	struct glibc_sum sum = {0};
	struct region region = {.kind = REGION_HEAP, .readable = true, .writable = true};
	struct remote r;

	assert_true((void *)p != MAP_FAILED);
	self(&r);
	for (unsigned i = 0; at < len - 4096; i++) {
		uint64_t size = 32 + i % 50 * 16;
		bool before_used = i == 0 || (i - 1) % 3 != 0;

		p[at / 8 + 1] = size | before_used;
		*(i % 3 ? &used : &is_free) += size;
		at += size;
	}
	p[at / 8 + 1] = (len - at) | 1; /* the top */
	is_free += len - at;
	region.start = (uint64_t)(uintptr_t)p;
	region.end = region.start + len;
	assert_int_equal(
		glibc_walk(&r, &region, (uint8_t *)buffer, sizeof(buffer), &sum, NULL, NULL), 0);
	assert_int_equal(sum.broken, 0);
	assert_int_equal(sum.walked_bytes, len);
	/* The last block before the top: whether it is used stands in the top. */
	assert_in_range(sum.used_bytes, used - 1024, used + 1024);
	assert_in_range(sum.free_bytes, is_free - 1024, is_free + 1024);

	/* A size that leads out of the heap ends the walk, and is said. */
	sum = (struct glibc_sum){0};
	p[32768 / 8] = p[32768 / 8 + 1] = 0;
	for (size_t i = 32768 / 8; i < 40960 / 8; i++)
		p[i] = UINT64_MAX;
	assert_int_equal(
		glibc_walk(&r, &region, (uint8_t *)buffer, sizeof(buffer), &sum, NULL, NULL), 0);
	assert_int_equal(sum.broken, 1);
	assert_int_equal(sum.walked_bytes + sum.unwalked_bytes, len);

	/* No heap at all. */
	memset(p, 0x5a, len);
	assert_int_equal(
		glibc_walk(&r, &region, (uint8_t *)buffer, sizeof(buffer), &sum, NULL, NULL),
		-ENOEXEC);
	munmap(p, len);
	remote_close(&r);
}

/* ------------------------------------------------------------------ a JVM's counters */

static size_t perf_entry(char *p, char type, const char *name, const void *data, int32_t vector,
			 size_t bytes)
{
	int32_t head[5], name_len = (int32_t)strlen(name) + 1, at = (20 + name_len + 7) & ~7;

	head[0] = (at + (int32_t)bytes + 7) & ~7;
	head[1] = 20;
	head[2] = vector;
	head[3] = type;
	head[4] = at;
	memcpy(p, head, sizeof(head));
	memcpy(p + 20, name, (size_t)name_len);
	memcpy(p + at, data, bytes);
	return (size_t)head[0];
}

static size_t perf_data(char *p)
{
	int64_t used = 5000, capacity = 9000, collections = 7;
	int32_t tail[2];
	size_t at = 32;
	int32_t entries = 0;

	memset(p, 0, 4096);
	memcpy(p, "\xca\xfe\xc0\xc0\x01\x02\x00\x01", 8);
	at += perf_entry(p + at, 'B', "sun.gc.generation.0.name", "young", 6, 6), entries++;
	at += perf_entry(p + at, 'B', "sun.gc.generation.0.space.0.name", "eden", 5, 5), entries++;
	at += perf_entry(p + at, 'J', "sun.gc.generation.0.space.0.used", &used, 0, 8), entries++;
	at += perf_entry(p + at, 'J', "sun.gc.generation.0.space.0.capacity", &capacity, 0, 8);
	entries++;
	at += perf_entry(p + at, 'B', "sun.gc.collector.0.name", "G1", 3, 3), entries++;
	at += perf_entry(p + at, 'J', "sun.gc.collector.0.invocations", &collections, 0, 8);
	entries++;
	at += perf_entry(p + at, 'B', "java.property.java.vm.version", "17.0.1", 7, 7), entries++;
	tail[0] = 32;
	tail[1] = entries;
	memcpy(p + 24, tail, sizeof(tail));
	return at;
}

static const struct census_entry *entry_of(const struct census *c, const char *name)
{
	for (size_t i = 0; i < c->count; i++)
		if (!strcmp(c->entries[i].name, name))
			return &c->entries[i];
	return NULL;
}

static void a_jvms_counters(void **state)
{
	char *p = aligned_alloc(REMOTE_PAGE, REMOTE_PAGE);
	struct region row = {.start = (uint64_t)(uintptr_t)p, .end = (uint64_t)(uintptr_t)p + 4096};
	struct regions regions = {.rows = &row, .count = 1};
	struct census c = {0};
	struct remote r;
	char version[64];
	size_t len;

	assert_non_null(p);
	self(&r);
	len = perf_data(p);
	assert_int_equal(java_counters(&r, &regions, &c, version, sizeof(version)), -ENOENT);
	row.perf_data = true;
	assert_int_equal(java_counters(&r, &regions, &c, version, sizeof(version)), 0);
	assert_string_equal(version, "17.0.1");
	assert_int_equal(entry_of(&c, "Java heap, young eden: in use")->bytes[0], 5000);
	assert_int_equal(entry_of(&c, "Java heap, young eden: committed, free")->bytes[0], 4000);
	assert_int_equal(entry_of(&c, "collections: G1")->count[0], 7);
	census_free(&c);

	/* Whatever stands there, it is read within its bounds. */
	srand(17);
	for (int i = 0; i < 20000; i++) {
		size_t at = (size_t)rand() % len;

		perf_data(p);
		for (int k = 0; k < 3; k++)
			p[(at + (size_t)k) % len] = (char)rand();
		java_counters(&r, &regions, &c, version, sizeof(version));
		census_free(&c);
	}
	free(p);
	remote_close(&r);
}

/* ------------------------------------------------------------------ the census */

static void the_census_is_bounded(void **state)
{
	struct census c = {0};
	char name[CENSUS_NAME * 2];

	for (int i = 0; i < 20000; i++) {
		int entry;

		snprintf(name, sizeof(name), "type-%d", i);
		entry = census_entry(&c, CENSUS_OBJECT, name);
		assert_true(entry >= 0);
		census_add(&c, entry, 1, 10);
	}
	assert_in_range(c.count, 1000, CENSUS_MAX);
	assert_int_equal(entry_of(&c, "(other types)")->count[0], 20000 - c.count + 1);
	/* Kinds are apart, long names are cut and found again. */
	assert_int_not_equal(census_entry(&c, CENSUS_MAPPING, "type-1"),
			     census_entry(&c, CENSUS_OBJECT, "type-1"));
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = 0;
	assert_int_equal(census_entry(&c, CENSUS_MAPPING, name),
			 census_entry(&c, CENSUS_MAPPING, name));
	census_free(&c);
}

static void the_largest_are_kept(void **state)
{
	struct census c = {0};
	int entry = census_entry(&c, CENSUS_OBJECT, "list");

	for (uint64_t i = 1; i <= 100; i++)
		census_container(&c, entry, i * 16, i, i * 37 % 101 * 1000);
	assert_int_equal(c.container_count, CENSUS_CONTAINERS);
	for (size_t i = 0; i < c.container_count; i++)
		assert_int_equal(c.containers[i].bytes[0], (100 - i) * 1000);
	c.reading = 1;
	census_container(&c, entry, c.containers[15].address, 500, 200000);
	assert_int_equal(c.container_count, CENSUS_CONTAINERS);
	assert_int_equal(c.containers[0].bytes[1], 200000);
	assert_int_equal(c.containers[0].bytes[0], 85000);
	assert_int_equal(c.containers[0].length[1], 500);
	census_free(&c);
}

static void versions_of_python(void **state)
{
	assert_null(python_layout(7));
	assert_null(python_layout(15));
	for (unsigned minor = 8; minor <= 14; minor++) {
		const struct python_layout *l = python_layout(minor);

		assert_non_null(l);
		assert_int_equal(l->pool_bits, minor < 10 ? 12 : 14);
		assert_int_equal(l->short_refcount, minor == 14);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mappings_have_kinds),
		cmocka_unit_test(nonsense_has_no_mappings),
		cmocka_unit_test(exports_are_found),
		cmocka_unit_test(untouched_pages_stay_so),
		cmocka_unit_test(a_mapped_chunk_is_told),
		cmocka_unit_test(chunks_are_walked),
		cmocka_unit_test(a_jvms_counters),
		cmocka_unit_test(the_census_is_bounded),
		cmocka_unit_test(the_largest_are_kept),
		cmocka_unit_test(versions_of_python),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
