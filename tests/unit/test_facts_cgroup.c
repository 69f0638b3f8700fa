/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "facts_rows.h"

static const struct fact_cgroup *find(const struct facts *f, const char *path)
{
	for (size_t i = 0; i < f->cgroups.count; i++)
		if (!strcmp(f->cgroups.rows[i].path, path))
			return &f->cgroups.rows[i];
	fail_msg("no cgroup %s", path);
	return NULL;
}

static void v1_is_hierarchical(void **state)
{
	struct facts_rows t = facts_rows_start();
	const struct fact_cgroup *g;
	struct facts *f;

	facts_rows_pack(&t, "raw/cgroups.000000001", "memory/a/b/memory.usage_in_bytes", "100\n",
			"memory/a/b/memory.failcnt", "3\n", "memory/gone/memory.usage_in_bytes",
			"1\n", NULL);
	facts_rows_pack(&t, "raw/cgroups.000010001", "memory/memory.usage_in_bytes", "9000\n",
			"memory/memory.limit_in_bytes", "9223372036854771712\n",
			"memory/a/memory.limit_in_bytes", "5000\n",
			"memory/a/b/memory.usage_in_bytes", "200\n",
			"memory/a/b/memory.limit_in_bytes", "9223372036854710272\n",
			"memory/a/b/memory.stat",
			"cache 1\nrss 2\nhierarchical_memory_limit 4096\ntotal_cache 30\n"
			"total_rss 40\ntotal_shmem 5\ntotal_active_file 6\ntotal_inactive_file 7\n"
			"total_dirty 8\ntotal_mapped_file 9\ntotal_swap 10\n",
			"memory/a/b/memory.failcnt", "11\n", "memory/a/b/memory.oom_control",
			"oom_kill_disable 0\nunder_oom 0\noom_kill 12\n",
			"memory/a/b/memory.kmem.usage_in_bytes", "13\n", NULL);
	f = facts_rows_end(&t);
	assert_int_equal(f->cgroups.count, 4);
	assert_int_equal(find(f, "/gone")->vanished, 1);
	g = find(f, "/a/b");
	assert_int_equal(g->vanished, 0);
	assert_int_equal(g->max_events_first, 3);
	assert_true(g->oom_kills_first == FACT_NONE); /* not read at the start */
	assert_int_equal(g->version, 1);
	assert_int_equal(g->usage_bytes, 200);
	assert_int_equal(g->usage_first_bytes, 100);
	assert_true(g->limit_bytes == FACT_NONE);
	assert_int_equal(g->limit_known, 1);
	assert_int_equal(g->effective_limit_bytes, 4096); /* an ancestor that is not in sight */
	assert_int_equal(g->anon_bytes, 40);
	assert_int_equal(g->file_bytes, 30);
	assert_int_equal(g->shmem_bytes, 5);
	assert_int_equal(g->active_file_bytes, 6);
	assert_int_equal(g->inactive_file_bytes, 7);
	assert_int_equal(g->dirty_bytes, 8);
	assert_int_equal(g->mapped_bytes, 9);
	assert_int_equal(g->swap_bytes, 10);
	assert_int_equal(g->max_events, 11);
	assert_int_equal(g->oom_kills, 12);
	assert_int_equal(g->kernel_bytes, 13);
	assert_true(g->slab_bytes == FACT_NONE);
	assert_true(g->dying_descendants == FACT_NONE);
	assert_int_equal(g->children, 0);
	g = find(f, "/a");
	assert_int_equal(g->limit_bytes, 5000);
	assert_int_equal(g->effective_limit_bytes, 5000);
	assert_int_equal(g->children, 1);
	assert_true(g->usage_bytes == FACT_NONE);
	g = find(f, "/");
	assert_int_equal(g->children, 2);
	assert_true(g->effective_limit_bytes == FACT_NONE);
	assert_int_equal(g->limit_known, 1);
	facts_destroy(f);
}

static void v2_takes_the_lowest_limit_above(void **state)
{
	struct facts_rows t = facts_rows_start();
	const struct fact_cgroup *g;
	struct facts *f;

	facts_rows_pack(&t, "raw/cgroups.000000000", "unified/cgroup.stat",
			"nr_descendants 4\nnr_dying_descendants 1\n", "unified/k/p/c/memory.events",
			"low 0\nhigh 0\nmax 20\noom 3\noom_kill 3\n",
			"unified/k/p/c/memory.pressure",
			"some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n"
			"full avg10=0.00 avg60=0.00 avg300=0.00 total=10\n",
			NULL);
	facts_rows_pack(&t, "raw/cgroups.000000001", "unified/memory.stat",
			"anon 1\nfile 2\nkernel_stack 3\npagetables 4\npercpu 5\nslab 6\nshmem 7\n",
			"unified/cgroup.stat", "nr_descendants 4\nnr_dying_descendants 3\n",
			"unified/k/memory.max", "300\n", "unified/k/p/memory.max", "400\n",
			"unified/k/p/c/memory.max", "max\n", "unified/k/p/c/memory.current", "77\n",
			"unified/k/p/c/memory.stat",
			"anon 1\nkernel 99\nslab 6\nslab_reclaimable 5\nsock 12\n",
			"unified/k/p/c/memory.high", "290\n", "unified/k/p/c/memory.pressure",
			"some avg10=0.00 avg60=0.00 avg300=0.00 total=5000\n"
			"full avg10=0.00 avg60=0.00 avg300=0.00 total=20\n",
			"unified/k/p/memory.events", "low 0\nhigh 1\nmax 21\noom 3\noom_kill 4\n",
			"unified/k/p/c/cgroup.procs.count", "8\n", "unified/k/p/c/memory.events",
			"low 0\nhigh 1\nmax 21\noom 3\noom_kill 4\n",
			"unified/k/p/c/memory.swap.current", "55\n", NULL);
	f = facts_rows_end(&t);
	g = find(f, "/");
	assert_int_equal(g->version, 2);
	assert_int_equal(g->kernel_bytes, 18);
	assert_int_equal(g->dying_descendants, 3);
	assert_int_equal(g->limit_known, 0);
	g = find(f, "/k/p/c");
	assert_true(g->limit_bytes == FACT_NONE);
	assert_int_equal(g->limit_known, 1);
	assert_int_equal(g->effective_limit_bytes, 300);
	assert_int_equal(g->kernel_bytes, 99);
	assert_int_equal(g->slab_reclaimable_bytes, 5);
	assert_int_equal(g->max_events, 21);
	assert_int_equal(g->max_events_first, 20);
	assert_int_equal(g->oom_kills, 4);
	assert_int_equal(g->oom_kills_first, 3);
	assert_int_equal(g->high_events, 1);
	assert_int_equal(g->high_events_first, 0);
	assert_int_equal(g->high_bytes, 290);
	assert_true(g->low_bytes == FACT_NONE);
	assert_int_equal(g->sock_bytes, 12);
	assert_int_equal(g->processes, 8);
	assert_int_equal(g->pressure_some_first_us, 1000);
	assert_int_equal(g->pressure_some_us, 5000);
	assert_int_equal(g->pressure_full_us, 20);
	/* Not there at the start: nobody knows what of it is the window's. */
	assert_true(find(f, "/k/p")->oom_kills_first == FACT_NONE);
	assert_int_equal(find(f, "/")->dying_first, 1);
	assert_int_equal(g->swap_bytes, 55);
	facts_destroy(f);
}

/* On a hybrid machine the unified groups have no memory files, and are no rows. */
static void hybrid_shows_v1_only(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct facts *f;

	facts_rows_pack(&t, "raw/cgroups.000000001", "memory/x/memory.usage_in_bytes", "1\n",
			"unified/x/cgroup.stat", "nr_dying_descendants 0\n", "systemd/x/tasks", "1",
			NULL);
	facts_rows_member(&t, "raw/host/cgroups.000000001",
			  "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t3\t1\t1\n"
			  "memory\t4\t14\t1\nbroken\n");
	f = facts_rows_end(&t);
	assert_int_equal(f->cgroups.count, 1);
	assert_int_equal(f->cgroups.rows[0].version, 1);
	assert_int_equal(f->controllers.count, 2);
	assert_string_equal(f->controllers.rows[1].name, "memory");
	assert_int_equal(f->controllers.rows[1].hierarchy, 4);
	assert_int_equal(f->controllers.rows[1].groups, 14);
	facts_destroy(f);
}

static void odd_names_do_no_harm(void **state)
{
	struct facts_rows t = facts_rows_start();
	char deep[9000] = "unified";
	struct facts *f;

	for (size_t i = 7; i < 8900; i += 2)
		memcpy(deep + i, "/d", 3);
	strcat(deep, "/memory.max");
	facts_rows_pack(&t, "raw/cgroups.000000001", "unified", "", "unified/", "", "", "", "/", "",
			"unified//memory.max", "1\n", deep, "1\n", "unified/a/memory.max", "",
			NULL);
	f = facts_rows_end(&t);
	assert_int_equal(find(f, "/")->limit_bytes, 1);
	for (size_t i = 0; i < f->cgroups.count; i++)
		assert_true(strlen(f->cgroups.rows[i].path) <= 4096);
	facts_destroy(f);
}

/* As 5.4 prints it, with two lines of heading. */
static void test_slabinfo(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct facts *f;

	facts_rows_pack(
		&t, "raw/cgroups.000000009", "memory/a/memory.usage_in_bytes", "1\n",
		"memory/a/memory.kmem.slabinfo",
		"slabinfo - version: 2.1\n"
		"# name            <active_objs> <num_objs> <objsize> <objperslab> "
		"<pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata "
		"<active_slabs> <num_slabs> <sharedavail>\n"
		"dentry              2100   2100    192   21    1 : tunables    0    0    0 "
		": slabdata    100    100      0\n"
		"kmalloc-4k             16     16   4096    8    8 : tunables    0    0    "
		"0 : slabdata      2      2      0\n"
		"torn 1 2\n",
		"memory/b/memory.usage_in_bytes", "1\n", "memory/b/memory.kmem.slabinfo", "", NULL);
	f = facts_rows_end(&t);
	assert_int_equal(find(f, "/a")->slab_bytes, (100 + 16) * 4096);
	assert_string_equal(find(f, "/a")->slab_top, "dentry");
	assert_int_equal(find(f, "/a")->slab_top_bytes, 100 * 4096);
	/* Empty: not measured, and not 0. */
	assert_true(find(f, "/b")->slab_bytes == FACT_NONE);
	assert_null(find(f, "/b")->slab_top);
	facts_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slabinfo),
		cmocka_unit_test(v1_is_hierarchical),
		cmocka_unit_test(v2_takes_the_lowest_limit_above),
		cmocka_unit_test(hybrid_shows_v1_only),
		cmocka_unit_test(odd_names_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
