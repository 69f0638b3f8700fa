/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "collect_run.h"

extern const struct collector collector_memory;

static void both_readings_verbatim(void **state)
{
	const char *text = "nr_free_pages 12\nnr_zone_active_file 7\n";

	tree_put("proc/vmstat", text);
	tree_put("proc/pressure/memory", "some avg10=0.00\n");
	tree_put("proc/net/softnet_stat", "00000001\n");
	run_collector(&collector_memory, NULL);
	assert_int_equal(out.result, 0);
	assert_int_equal(out.status, COLLECTOR_OK);
	for (size_t n = 0; n < 2; n++) {
		assert_string_equal(out_member("raw/memory/vmstat", n)->data, text);
		assert_non_null(out_member("raw/memory/meminfo", n));
		assert_non_null(out_member("raw/memory/pressure-memory", n));
		assert_non_null(out_member("raw/memory/softnet_stat", n));
	}
	assert_null(out_member("raw/memory/vmstat", 2));
	/* "raw/memory/vmstat." and nine digits */
	assert_int_equal(strlen(out_member("raw/memory/vmstat", 0)->name), 18 + 9);
}

static void what_is_missing_is_one_note(void **state)
{
	unsigned lines = 0;

	run_collector(&collector_memory, NULL);
	for (const char *p = out.notes; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 1);
	assert_non_null(strstr(out.notes, " /proc/slabinfo,"));
	assert_true(strlen(out.notes) < 256);
}

static void denied_files_make_it_partial_and_are_named(void **state)
{
	if (geteuid() != 0)
		skip();
	tree_put("proc/slabinfo", "slabinfo - version: 2.1\n");
	tree_put("proc/vmstat", "nr_free_pages 12\n");
	tree_put("proc/vmallocinfo", "0x0\n");
	tree_mode("proc/slabinfo", 0);
	tree_mode("proc/vmallocinfo", 0);
	assert_int_equal(seteuid(65534), 0);
	run_collector(&collector_memory, NULL);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(out.status, COLLECTOR_PARTIAL);
	assert_int_equal(out.no, EACCES);
	assert_non_null(strstr(out.reason, "/proc/slabinfo, /proc/vmallocinfo: Permission denied"));
	assert_non_null(out_member("raw/memory/meminfo", 1));
	assert_non_null(out_member("raw/memory/vmstat", 1));
	assert_null(out_member("raw/memory/slabinfo", 0));
}

static void nothing_readable_is_denied(void **state)
{
	if (geteuid() != 0)
		skip();
	tree_mode("proc/meminfo", 0);
	assert_int_equal(seteuid(65534), 0);
	run_collector(&collector_memory, NULL);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(out.status, COLLECTOR_DENIED);
}

static void probe_names_what_root_is_needed_for(void **state)
{
	struct probe_result p;
	struct sysroot root;

	assert_int_equal(sysroot_open(&root, tree, NULL), 0);
	collector_memory.probe(NULL, &root, &p);
	assert_int_equal(p.status, COLLECTOR_OK);
	assert_string_equal(p.reason, "");
	assert_int_equal(unlink(tree_path("proc/meminfo")), 0);
	collector_memory.probe(NULL, &root, &p);
	assert_int_equal(p.status, COLLECTOR_UNSUPPORTED);
	assert_string_equal(p.reason, "/proc/meminfo: No such file or directory");
	sysroot_close(&root);
}

static void nodes_and_huge_pages_are_in_the_pack(void **state)
{
	const struct out_member *m;

	tree_put("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal: 1 kB\n");
	tree_put("sys/devices/system/node/node1/meminfo", "Node 1 MemTotal: 2 kB\n");
	tree_put("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "5\n");
	run_collector(&collector_memory, NULL);
	m = out_member("raw/memory/sys", 1);
	assert_string_equal(out_entry(m, "sys/devices/system/node/node1/meminfo", NULL, NULL),
			    "Node 1 MemTotal: 2 kB\n");
	assert_non_null(
		out_entry(m, "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", NULL, NULL));
}

static void slab_caches_say_what_is_reclaimable(void **state)
{
	const char *text;

	tree_put("sys/kernel/slab/dentry/reclaim_account", "1\n");
	tree_put("sys/kernel/slab/:0000192/reclaim_account", "0\n");
	tree_link("sys/kernel/slab/kmalloc-192", ":0000192");
	tree_put("sys/kernel/slab/odd\tname/reclaim_account", "0\n");
	tree_put("sys/kernel/slab/half/objects", "no reclaim_account here\n");
	run_collector(&collector_memory, NULL);
	text = out_member("tables/slab_caches.tsv", 0)->data;
	assert_ptr_equal(strstr(text, "name\treclaimable\n"), text);
	assert_non_null(strstr(text, "\ndentry\t1\n"));
	assert_non_null(strstr(text, "\nkmalloc-192\t0\n"));
	assert_non_null(strstr(text, "\nodd\\tname\t0\n"));
	assert_null(strstr(text, "half"));
	assert_null(strstr(text, ":0000192"));
}

static void without_slub_there_is_no_table(void **state)
{
	run_collector(&collector_memory, NULL);
	assert_null(out_member("tables/slab_caches.tsv", 0));
}

static void large_files_are_split_at_a_line(void **state)
{
	size_t size = 5 << 20, line = 64, joined = 0;
	char *text = malloc(size);
	const struct out_member *m;

	memset(text, 'v', size);
	for (size_t i = line - 1; i < size; i += line)
		text[i] = '\n';
	tree_data("proc/vmallocinfo", text, size);
	run_collector(&collector_memory, NULL);
	m = out_member("raw/memory/vmallocinfo", 0);
	assert_string_equal(m->name + strlen(m->name) - 5, ".0000");
	assert_int_equal(m->data[m->len - 1], '\n');
	for (size_t i = 0; (m = out_member("raw/memory/vmallocinfo", i)); i++)
		joined += m->len;
	assert_int_equal(joined, 2 * size);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(both_readings_verbatim),
		TREE_TEST(what_is_missing_is_one_note),
		TREE_TEST(denied_files_make_it_partial_and_are_named),
		TREE_TEST(nothing_readable_is_denied),
		TREE_TEST(probe_names_what_root_is_needed_for),
		TREE_TEST(nodes_and_huge_pages_are_in_the_pack),
		TREE_TEST(slab_caches_say_what_is_reclaimable),
		TREE_TEST(without_slub_there_is_no_table),
		TREE_TEST(large_files_are_split_at_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
