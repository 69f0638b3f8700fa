/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters, zones, slabs, vmalloc: the kernel's own files. */
#include "facts_rows.h"

static void counters_have_two_readings(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct facts *f;

	/* The later one first: order of members is no promise. */
	facts_rows_member(&t, "raw/memory/meminfo.000010000",
			  "MemTotal:       1000 kB\nActive(anon):  20 kB\nHugePages_Total:  3\n");
	facts_rows_member(&t, "raw/memory/meminfo.000005000", "Active(anon):  15 kB\n");
	facts_rows_member(&t, "raw/memory/meminfo.000000003",
			  "MemTotal:       1000 kB\nActive(anon):  10 kB\nHugePages_Total:  2\n");
	facts_rows_member(&t, "raw/memory/vmstat.000000003", "nr_free_pages 77\n\nbroken\nx -1\n");
	facts_rows_member(&t, "raw/memory/stat.000000003",
			  "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 1 1 1\nintr 5 1\nctxt 99\nbtime 12\n");
	facts_rows_member(&t, "raw/memory/pressure-memory.000000003",
			  "some avg10=0.00 avg60=0.10 avg300=0.00 total=123\n"
			  "full avg10=0.00 avg60=0.00 avg300=0.00 total=45\n");
	facts_rows_member(&t, "raw/memory/arcstats.000000003",
			  "9 1 0x01 147 39984 8290482 9290482\n"
			  "name                            type data\n"
			  "size                            4    34359738368\n"
			  "memory_available_bytes          3    -5\n");
	f = facts_rows_end(&t);
	assert_int_equal(facts_counter(f, "arcstats", "size"), 34359738368);
	assert_true(facts_counter(f, "arcstats", "memory_available_bytes") == FACT_NONE);
	assert_true(facts_counter(f, "arcstats", "9") == FACT_NONE);
	assert_int_equal(facts_counter(f, "meminfo", "MemTotal"), 1000 << 10);
	assert_int_equal(facts_counter(f, "meminfo", "Active(anon)"), 20 << 10);
	assert_int_equal(facts_counter_first(f, "meminfo", "Active(anon)"), 10 << 10);
	assert_int_equal(facts_counter(f, "meminfo", "HugePages_Total"), 3);
	assert_int_equal(facts_counter_first(f, "meminfo", "HugePages_Total"), 2);
	assert_int_equal(facts_counter(f, "vmstat", "nr_free_pages"), 77);
	assert_int_equal(facts_counter_first(f, "vmstat", "nr_free_pages"), 77);
	assert_true(facts_counter(f, "vmstat", "broken") == FACT_NONE);
	assert_true(facts_counter(f, "vmstat", "x") == FACT_NONE);
	assert_true(facts_counter(f, "vmstat", "MemTotal") == FACT_NONE);
	assert_int_equal(facts_counter(f, "stat", "cpu_iowait"), 5);
	assert_int_equal(facts_counter(f, "stat", "ctxt"), 99);
	assert_int_equal(facts_counter(f, "pressure-memory", "some_total_us"), 123);
	assert_int_equal(facts_counter(f, "pressure-memory", "full_total_us"), 45);
	facts_destroy(f);
}

static const char zoneinfo[] =
	"Node 0, zone      DMA\n  per-node stats\n      nr_inactive_anon 2587\n  pages free     "
	"3840\n"
	"        boost    0\n        min      52\n        low      65\n        high     78\n"
	"        spanned  4095\n        present  3998\n        managed  3839\n"
	"      nr_free_pages 3840\n  pagesets\n    cpu: 0\n              count:    11\n"
	"              high:     1\n              batch:    1\n              high_min: 32\n"
	"    cpu: 1\n              count:    22\n              high:     2\n"
	"Node 1, zone   Normal\n  pages free     9\n";

static void zones_keep_their_watermarks(void **state)
{
	struct facts_rows t = facts_rows_start();
	const struct fact_zone *z;
	struct facts *f;

	facts_rows_member(&t, "raw/memory/zoneinfo.000000003",
			  "Node 0, zone DMA\n pages free 1\nNode 0, zone Old\n pages free 1\n");
	facts_rows_member(&t, "raw/memory/zoneinfo.000010003", zoneinfo);
	f = facts_rows_end(&t);
	assert_int_equal(f->zones.count, 2);
	z = &f->zones.rows[0];
	assert_int_equal(z->node, 0);
	assert_string_equal(z->zone, "DMA");
	assert_int_equal(z->free_pages, 3840);
	assert_int_equal(z->percpu_pages, 33);
	assert_int_equal(z->min_pages, 52);
	assert_int_equal(z->low_pages, 65);
	assert_int_equal(z->high_pages, 78);
	assert_int_equal(z->present_pages, 3998);
	assert_int_equal(z->managed_pages, 3839);
	z = &f->zones.rows[1];
	assert_int_equal(z->node, 1);
	assert_string_equal(z->zone, "Normal");
	assert_int_equal(z->free_pages, 9);
	assert_true(z->min_pages == FACT_NONE);
	assert_true(z->percpu_pages == FACT_NONE);
	facts_destroy(f);
}

#define SLABINFO_HEAD                                                                              \
	"slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize>\n"

static void slabs_are_whole_pages(void **state)
{
	struct facts_rows t = facts_rows_start();
	const struct fact_slab *s;
	struct facts *f;

	facts_rows_member(&t, "raw/memory/slabinfo.000000003",
			  SLABINFO_HEAD "dentry 1 21 192 21 2 : tunables 0 0 0 : slabdata 1 1 0\n");
	facts_rows_member(&t, "raw/memory/slabinfo.000010003",
			  SLABINFO_HEAD
			  "dentry 40 63 192 21 2 : tunables 0 0 0 : slabdata 3 3 0\n"
			  "kmalloc-64 5 64 64 64 1 : tunables 0 0 0 : slabdata 1 1 0\n"
			  "broken 1 2\n"
			  "huge 1 1 1 1 18446744073709551615 : tunables 0 0 0 : slabdata 9 9 0\n");
	facts_rows_member(&t, "tables/slab_caches.tsv",
			  "name\treclaimable\ndentry\t1\nunknown\t1\nkmalloc-64\t7\n");
	f = facts_rows_end(&t);
	assert_int_equal(f->slabs.count, 3);
	s = &f->slabs.rows[0];
	assert_string_equal(s->name, "dentry");
	assert_int_equal(s->bytes, 3 * 2 * 4096);
	assert_int_equal(s->bytes_first, 2 * 4096);
	assert_int_equal(s->objects, 63);
	assert_int_equal(s->active_objects, 40);
	assert_int_equal(s->object_bytes, 192);
	assert_int_equal(s->reclaimable, 1);
	assert_true(f->slabs.rows[1].reclaimable == FACT_NONE);
	assert_true(f->slabs.rows[2].bytes == FACT_NONE);
	facts_destroy(f);
}

static void no_page_size_no_bytes(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct facts *f;

	t.p->page_size = FACT_NONE;
	facts_rows_member(&t, "raw/memory/slabinfo.000000003",
			  "dentry 1 21 192 21 2 : tunables 0 0 0 : slabdata 1 1 0\n");
	f = facts_rows_end(&t);
	assert_true(f->slabs.rows[0].bytes == FACT_NONE);
	facts_destroy(f);
}

static void only_vmalloc_takes_memory(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct facts *f;

	facts_rows_member(
		&t, "raw/memory/vmallocinfo.000000003",
		"0x000000009eb2aa8a-0x000000000bb3991b   20480 irq_init+0xca/0x100 vmap\n"
		"0x000000000bb3991b-0x000000009718e125    8192 acpi_os_map+0x1bc/0x1e0 phys=0x0 "
		"ioremap\n"
		"0x00000000b07d7b10-0x0000000025ad6c06   20480 kernel_clone+0x94/0x3e0 pages=4 "
		"vmalloc N0=4\n"
		"0x00000000b07d7b10-0x0000000025ad6c06   20480 kernel_clone+0x11/0x3e0 pages=3 "
		"vmalloc vpages N0=3\n"
		"0x00000000b07d7b10-0x0000000025ad6c06   20480 vm_map_ram\n"
		"0x00000000b07d7b10-0x0000000025ad6c06   20480 bpf_prog_alloc pages=1 vmalloc\n\n"
		"broken\n");
	f = facts_rows_end(&t);
	assert_int_equal(f->vmalloc.count, 2);
	assert_string_equal(f->vmalloc.rows[0].caller, "kernel_clone");
	assert_int_equal(f->vmalloc.rows[0].bytes, 7 * 4096);
	assert_int_equal(f->vmalloc.rows[0].areas, 2);
	assert_string_equal(f->vmalloc.rows[1].caller, "bpf_prog_alloc");
	facts_destroy(f);
}

/* Members of newer captures are passed over; names that only look alike too. */
static void unknown_members_are_passed_over(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct facts *f;

	facts_rows_member(&t, "raw/memory/meminfo.00000003", "MemTotal: 1 kB\n");
	facts_rows_member(&t, "raw/memory/meminfo2.000000003", "MemTotal: 1 kB\n");
	facts_rows_member(&t, "raw/gpu/0", "x");
	facts_rows_member(&t, "", "x");
	f = facts_rows_end(&t);
	assert_int_equal(f->counters.count, 0);
	facts_destroy(f);
}

/* As zram and CMA print it, in the pack of small files. */
static void test_small_files(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct facts *f;

	facts_rows_pack(&t, "raw/memory/sys.000000009", "sys/block/zram0/mm_stat",
			"  104857600   52428800   54525952        0   54525952        0        0   "
			"     0        0\n",
			"sys/block/zram1/mm_stat", "12 many\n",
			"sys/kernel/mm/cma/reserved/total_pages", "16384\n",
			"sys/kernel/mm/cma/reserved/available_pages", "12000\n",
			"sys/kernel/debug/cma/cma-old/used", "77\n",
			"sys/kernel/debug/cma/new/used", "x\n", NULL);
	f = facts_rows_end(&t);
	assert_int_equal(facts_counter(f, "zram", "zram0"), 54525952);
	assert_true(facts_counter(f, "zram", "zram1") == FACT_NONE);
	assert_int_equal(facts_counter(f, "cma_total_pages", "reserved"), 16384);
	assert_int_equal(facts_counter(f, "cma_available_pages", "reserved"), 12000);
	assert_int_equal(facts_counter(f, "cma_used", "old"), 77);
	assert_true(facts_counter(f, "cma_used", "new") == FACT_NONE);
	facts_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_files),
		cmocka_unit_test(counters_have_two_readings),
		cmocka_unit_test(zones_keep_their_watermarks),
		cmocka_unit_test(slabs_are_whole_pages),
		cmocka_unit_test(no_page_size_no_bytes),
		cmocka_unit_test(only_vmalloc_takes_memory),
		cmocka_unit_test(unknown_members_are_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
