/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The panorama: disjoint parts that add up. */
#include "model_fixture.h"

static uint64_t part(const struct model *m, const char *id)
{
	for (size_t i = 0; i < m->part_count; i++)
		if (!strcmp(m->parts[i].id, id))
			return m->parts[i].bytes;
	return FACT_NONE;
}

static void adds_up(const struct model *m)
{
	__int128 sum = m->unaccounted;

	for (size_t i = 0; i < m->part_count; i++)
		sum += m->parts[i].bytes;
	assert_true(sum == m->memory_total);
}

static void test_parts(void **state)
{
	struct facts *f = healthy();
	struct fact_zone *z = ADD(f, zones);
	struct judged j;

	z->percpu_pages = 256;
	meminfo_is(f, "SecPageTables", 2 * MI);
	meminfo_is(f, "Hugetlb", 64 * MI);
	j = judge(f);
	adds_up(j.m);
	assert_int_equal(part(j.m, "free"), 10 * GI + 101 * MI);
	assert_int_equal(part(j.m, "heap"), 2 * GI);
	/* No processes were seen: all of Shmem may be mapped, so no more than this are files. */
	assert_int_equal(part(j.m, "file-mapped"), 200 * MI);
	assert_int_equal(part(j.m, "page-cache"), 3 * GI - 200 * MI - 200 * MI);
	assert_int_equal(part(j.m, "shared-memory"), 200 * MI);
	assert_int_equal(part(j.m, "page-tables"), 32 * MI);
	/* The stacks of vmallocinfo: there are more than KernelStack says. */
	assert_int_equal(part(j.m, "kernel-stacks"), 12 * MI);
	assert_int_equal(part(j.m, "bpf"), 50 * MI);
	assert_int_equal(part(j.m, "vmalloc"), 0);
	/* Nobody looked at the pages of sockets and pipes. */
	assert_int_equal(part(j.m, "network"), FACT_NONE);
	assert_int_equal(part(j.m, "pipes"), FACT_NONE);
	assert_int_equal(part(j.m, "huge-pages"), 64 * MI);
	assert_int_equal(part(j.m, "swap-cache"), 0);
	/* Not measured is not a part. */
	assert_int_equal(part(j.m, "zswap"), FACT_NONE);
	assert_int_equal(part(j.m, "balloon"), FACT_NONE);
	assert_int_equal(part(j.m, "gpu"), FACT_NONE);
	done(j, f);
}

static void test_shared_mappings(void **state)
{
	struct facts *f = healthy();
	struct fact_process *p = ADD(f, processes);

	/* The processes map 50 MiB of shared memory at most, so the rest of Mapped is files. */
	p->pid = 1;
	p->comm = "a";
	p->shmem_bytes = 50 * MI;
	struct judged j = judge(f);

	assert_int_equal(part(j.m, "file-mapped"), 350 * MI);
	adds_up(j.m);
	/* One whose share is not known may map all of it. */
	p = ADD(f, processes);
	p->pid = 2;
	model_destroy(j.m);
	findings_destroy(j.f);
	j = judge(f);
	assert_int_equal(part(j.m, "file-mapped"), 200 * MI);
	adds_up(j.m);
	done(j, f);
}

static void test_swap_zram_balloon(void **state)
{
	struct facts *f = healthy();
	struct fact_zone *z;

	meminfo_is(f, "SwapCached", 100 * MI);
	meminfo_is(f, "Active(anon)", 1 * GI);
	meminfo_is(f, "Inactive(anon)", 1 * GI + 230 * MI);
	meminfo_is(f, "Zswap", 10 * MI);
	counter2(f, "vmstat", "nr_zspages", 0, 30 * 256);
	meminfo_is(f, "Balloon", 1 * GI);
	struct judged j = judge(f);

	/* 2 GiB + 230 MiB on the lists, less 2 GiB heap and 200 MiB shared memory. */
	assert_int_equal(part(j.m, "swap-cache"), 30 * MI);
	assert_int_equal(part(j.m, "zswap"), 10 * MI);
	assert_int_equal(part(j.m, "zram"), 20 * MI);
	/* No zones, so nothing says that the balloon is outside MemTotal. */
	assert_int_equal(part(j.m, "balloon"), 1 * GI);
	adds_up(j.m);
	model_destroy(j.m);
	findings_destroy(j.f);
	z = ADD(f, zones);
	z->present_pages = 17 * GI / 4096;
	z->managed_pages = 16 * GI / 4096;
	j = judge(f);
	assert_int_equal(part(j.m, "balloon"), FACT_NONE);
	adds_up(j.m);
	done(j, f);
}

/* ZFS's cache has no counter of the kernel, but one of its own. */
static void test_arc(void **state)
{
	struct facts *f = healthy();

	meminfo_is(f, "MemFree", 2 * GI + 100 * MI);
	counter2(f, "arcstats", "size", 8 * GI, 8 * GI + 300 * MI);
	counter2(f, "arcstats", "c_min", GI, GI);
	counter2(f, "arcstats", "data_size", 7 * GI, 7 * GI);
	counter2(f, "arcstats", "metadata_size", GI, GI);
	struct judged j = judge(f);

	assert_int_equal(part(j.m, "arc"), 8 * GI);
	adds_up(j.m);
	assert_null(find_finding(j, "memory.unaccounted"));
	model_destroy(j.m);
	findings_destroy(j.f);
	/* It does not count as available, but is given back. */
	meminfo_is(f, "MemAvailable", 300 * MI);
	j = judge(f);
	assert_null(find_finding(j, "memory.near-oom"));
	model_destroy(j.m);
	findings_destroy(j.f);
	f->counters.rows[f->counters.count - 3].last = 8 * GI; /* c_min: none of it can go */
	j = judge(f);
	assert_non_null(find_finding(j, "memory.near-oom"));
	done(j, f);
}

/* What has counters of its own, beside those of /proc/meminfo. */
static void test_own_counters(void **state)
{
	struct facts *f = healthy();

	counter2(f, "vmstat", "nr_zspages", 0, 30 * 256);
	meminfo_is(f, "Zswap", 10 * MI);
	counter2(f, "zram", "zram0", 0, 15 * MI);
	counter2(f, "zram", "zram1", 0, 4 * MI);
	/* 64 MiB set aside: 10 MiB a camera's, the rest lent; then an area of huge pages; one that
	 * only tells what ever came and went; and one of debugfs. */
	counter2(f, "cma_total_pages", "reserved", 64 * 256, 64 * 256);
	counter2(f, "cma_available_pages", "reserved", 64 * 256, 54 * 256);
	counter2(f, "cma_total_pages", "hugetlb0", 1024 * 256, 1024 * 256);
	counter2(f, "cma_available_pages", "hugetlb0", 0, 0);
	counter2(f, "cma_total_pages", "old", 64 * 256, 64 * 256);
	counter2(f, "cma_alloc_pages_success", "old", 900, 1256);
	counter2(f, "cma_release_pages_success", "old", 900, 1000);
	counter2(f, "cma_used", "debug", 0, 512);
	counter2(f, "vmstat", "balloon_inflate", 700, 1000);
	counter2(f, "vmstat", "balloon_deflate", 0, 744);
	struct judged j = judge(f);

	assert_int_equal(part(j.m, "zram"), 19 * MI);
	assert_int_equal(part(j.m, "cma"), 10 * MI + MI + 2 * MI);
	assert_int_equal(part(j.m, "balloon"), MI);
	assert_true(part(j.m, "kvm") == FACT_NONE);
	adds_up(j.m);
	done(j, f);

	/* 6.11 tells a guest's page tables from an IOMMU's. */
	f = healthy();
	meminfo_is(f, "SecPageTables", 50 * MI);
	counter2(f, "vmstat", "nr_iommu_pages", 256, 256);
	j = judge(f);
	assert_int_equal(part(j.m, "kvm"), 49 * MI);
	assert_int_equal(part(j.m, "page-tables"), 31 * MI);
	adds_up(j.m);
	done(j, f);
}

/* Counters that contradict each other give an account that still adds up. */
static void test_contradictory(void **state)
{
	struct facts *f = healthy();

	meminfo_is(f, "Shmem", 100 * GI);
	meminfo_is(f, "Mapped", FACT_NONE - 1);
	meminfo_is(f, "MemFree", 20 * GI);
	meminfo_is(f, "KernelStack", 5 * GI);
	struct judged j = judge(f);

	adds_up(j.m);
	assert_true(j.m->unaccounted < 0);
	assert_int_equal(part(j.m, "page-cache"), 0);
	model_destroy(j.m);
	findings_destroy(j.f);
	for (size_t i = 0; i < f->counters.count; i++)
		f->counters.rows[i].first = f->counters.rows[i].last = FACT_NONE - 1;
	j = judge(f);
	/* A sum that does not fit is none; a saturated one would not add up. */
	assert_true(j.m->unaccounted == INT64_MIN);
	model_destroy(j.m);
	findings_destroy(j.f);
	for (size_t i = 0; i < f->counters.count; i++)
		f->counters.rows[i].last = 0;
	j = judge(f);
	assert_int_equal(j.m->memory_total, 0);
	done(j, f);
}

static void test_nothing(void **state)
{
	struct facts *f = no_facts();
	struct judged j = judge(f);

	assert_int_equal(j.m->memory_total, FACT_NONE);
	assert_int_equal(j.m->unaccounted, INT64_MIN);
	assert_int_equal(j.m->part_count, 0);
	assert_false(j.m->scanned);
	assert_true(isnan(j.m->found_bytes) && isnan(j.m->residual_bytes));
	assert_int_equal(j.f->count, 0);
	/* Not "nothing wrong": nothing was seen. */
	assert_int_equal(j.f->verdict.severity, SEVERITY_INFO);
	assert_contains(j.f->verdict.text, "Nothing can be said");
	done(j, f);
}

/* One row with nothing measured in every table. */
static void test_none_everywhere(void **state)
{
	struct facts *f = no_facts();

	for (size_t i = 0; fact_slots[i].type; i++)
		for (int k = 0; k < 3; k++)
			fixture_add(f, fact_slots[i].table_offset);
	for (size_t i = 0; i < f->counters.count; i++)
		f->counters.rows[i].file = f->counters.rows[i].key = "";
	struct judged j = judge(f);

	assert_int_equal(j.m->file_count, 3);
	done(j, f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_shared_mappings),
		cmocka_unit_test(test_swap_zram_balloon),
		cmocka_unit_test(test_arc),
		cmocka_unit_test(test_own_counters),
		cmocka_unit_test(test_contradictory),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_none_everywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
