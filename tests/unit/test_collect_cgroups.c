/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "collect_run.h"

extern const struct collector collector_cgroups;

#define TMPFS "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
#define V1 "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
#define HYBRID_V2 "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
#define V2 "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"

static void put_v1(const char *group, const char *usage)
{
	char path[512];

	snprintf(path, sizeof(path), "sys/fs/cgroup/memory%s/memory.usage_in_bytes", group);
	tree_put(path, usage);
	snprintf(path, sizeof(path), "sys/fs/cgroup/memory%s/memory.limit_in_bytes", group);
	tree_put(path, "9223372036854771712\n");
	snprintf(path, sizeof(path), "sys/fs/cgroup/memory%s/memory.stat", group);
	tree_put(path, "cache 1\ntotal_cache 2\n");
	snprintf(path, sizeof(path), "sys/fs/cgroup/memory%s/cgroup.procs", group);
	tree_put(path, "1\n2\n3\n");
}

static void v1_every_group_at_the_end_usage_at_the_start(void **state)
{
	const struct out_member *first, *last;

	tree_put("proc/self/mountinfo", TMPFS V1);
	tree_put("proc/cgroups",
		 "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t4\t14\t1\n");
	put_v1("", "100\n");
	put_v1("/kubepods/burstable/podx", "42\n");
	run_collector(&collector_cgroups, NULL);
	assert_int_equal(out.result, 0);
	assert_int_equal(out.status, COLLECTOR_OK);
	first = out_member("raw/cgroups", 0);
	last = out_member("raw/cgroups", 1);
	assert_int_equal(out_entries(first), 2);
	assert_string_equal(out_entry(first, "memory/memory.usage_in_bytes", NULL, NULL), "100\n");
	assert_string_equal(
		out_entry(last, "memory/kubepods/burstable/podx/memory.usage_in_bytes", NULL, NULL),
		"42\n");
	assert_string_equal(out_entry(last, "memory/memory.stat", NULL, NULL),
			    "cache 1\ntotal_cache 2\n");
	assert_string_equal(out_entry(last, "memory/cgroup.procs.count", NULL, NULL), "3\n");
	assert_int_equal(out_entries(last), 8);
	assert_non_null(out_member("raw/host/cgroups", 1));
}

/* Reading or even opening some files of a cgroup does something. */
static void only_listed_files_are_touched(void **state)
{
	struct stat st;
	const char *path = "sys/fs/cgroup/memory/memory.force_empty";

	tree_put("proc/self/mountinfo", TMPFS V1);
	put_v1("", "100\n");
	tree_put(path, "opened\n");
	tree_put("sys/fs/cgroup/memory/memory.reclaim", "opened\n");
	tree_put("sys/fs/cgroup/memory/cgroup.kill", "opened\n");
	tree_put("sys/fs/cgroup/memory/memory.pressure_level", "opened\n");
	/* An access time older than the data's makes the next read show under relatime too. */
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
	assert_int_equal(utimensat(AT_FDCWD, tree_path(path), old, 0), 0);
	run_collector(&collector_cgroups, NULL);
	for (size_t i = 0; i < out.member_count; i++)
		assert_null(memmem(out.members[i].data, out.members[i].len, "opened", 6));
	assert_int_equal(stat(tree_path(path), &st), 0);
	assert_int_equal(st.st_atime, 1000);
}

static void v2_files(void **state)
{
	const struct out_member *last;

	tree_put("proc/1/mountinfo", V2); /* a recording without "self" */
	tree_put("sys/fs/cgroup/cgroup.stat", "nr_descendants 1\nnr_dying_descendants 7\n");
	tree_put("sys/fs/cgroup/a.slice/memory.current", "5\n");
	tree_put("sys/fs/cgroup/a.slice/memory.max", "max\n");
	tree_put("sys/fs/cgroup/a.slice/memory.events.local", "oom_kill 1\n");
	tree_put("sys/fs/cgroup/a.slice/memory.vendor_thing", "not listed\n");
	run_collector(&collector_cgroups, NULL);
	last = out_member("raw/cgroups", 1);
	assert_string_equal(out_entry(out_member("raw/cgroups", 0),
				      "unified/a.slice/memory.current", NULL, NULL),
			    "5\n");
	assert_non_null(out_entry(last, "unified/cgroup.stat", NULL, NULL));
	assert_string_equal(out_entry(last, "unified/a.slice/memory.max", NULL, NULL), "max\n");
	assert_non_null(out_entry(last, "unified/a.slice/memory.events.local", NULL, NULL));
	assert_int_equal(out_entries(last), 4);
}

static void hybrid_has_both(void **state)
{
	const struct out_member *last;

	tree_put("proc/self/mountinfo", TMPFS V1 HYBRID_V2);
	put_v1("", "100\n");
	tree_put("sys/fs/cgroup/unified/cgroup.stat", "nr_dying_descendants 1\n");
	run_collector(&collector_cgroups, NULL);
	last = out_member("raw/cgroups", 1);
	assert_non_null(out_entry(last, "memory/memory.stat", NULL, NULL));
	assert_non_null(out_entry(last, "unified/cgroup.stat", NULL, NULL));
}

/* Inside a container only a subtree is mounted; PATH stays the kernel's. */
static void a_mounted_subtree_keeps_its_path(void **state)
{
	tree_put("proc/self/mountinfo",
		 "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
	put_v1("", "7\n");
	put_v1("/child", "8\n");
	run_collector(&collector_cgroups, NULL);
	assert_string_equal(out_entry(out_member("raw/cgroups", 1),
				      "memory/docker/abc/memory.usage_in_bytes", NULL, NULL),
			    "7\n");
	assert_string_equal(out_entry(out_member("raw/cgroups", 1),
				      "memory/docker/abc/child/memory.usage_in_bytes", NULL, NULL),
			    "8\n");
}

static void the_whole_mount_is_preferred(void **state)
{
	tree_put("proc/self/mountinfo",
		 "30 31 0:32 /docker/abc /var/x rw - cgroup cgroup rw,memory\n" V1);
	put_v1("", "7\n");
	run_collector(&collector_cgroups, NULL);
	assert_non_null(out_entry(out_member("raw/cgroups", 1), "memory/memory.usage_in_bytes",
				  NULL, NULL));
}

/* No mountinfo in the recording: the usual places. */
static void without_mountinfo(void **state)
{
	put_v1("", "7\n");
	run_collector(&collector_cgroups, NULL);
	assert_non_null(out_entry(out_member("raw/cgroups", 1), "memory/memory.usage_in_bytes",
				  NULL, NULL));
}

static void nothing_mounted_is_unsupported(void **state)
{
	struct probe_result p;
	struct sysroot root;

	tree_put("proc/self/mountinfo", "1 0 0:1 / / rw - ext4 /dev/vda rw\n");
	assert_int_equal(sysroot_open(&root, tree, NULL), 0);
	collector_cgroups.probe(NULL, &root, &p);
	assert_int_equal(p.status, COLLECTOR_UNSUPPORTED);
	assert_non_null(strstr(p.reason, "/proc/self/mountinfo"));
	sysroot_close(&root);
}

static void cgroup_option_takes_the_way_and_what_is_below(void **state)
{
	const struct capture_options o = {.cgroup = "/kubepods/pod1"};
	const struct capture_options wrong = {.cgroup = "/kubepods/pod3"};
	const struct out_member *last;

	tree_put("proc/self/mountinfo", TMPFS V1);
	put_v1("", "1\n");
	put_v1("/kubepods", "2\n");
	put_v1("/kubepods/pod1", "3\n");
	put_v1("/kubepods/pod1/c", "4\n");
	put_v1("/kubepods/pod2", "5\n");
	put_v1("/system.slice", "6\n");
	run_collector(&collector_cgroups, &o);
	last = out_member("raw/cgroups", 1);
	assert_int_equal(out.status, COLLECTOR_OK);
	assert_int_equal(out_entries(last), 4 * 4);
	assert_non_null(out_entry(last, "memory/memory.usage_in_bytes", NULL, NULL));
	assert_non_null(out_entry(last, "memory/kubepods/memory.usage_in_bytes", NULL, NULL));
	assert_non_null(
		out_entry(last, "memory/kubepods/pod1/c/memory.usage_in_bytes", NULL, NULL));
	run_collector(&collector_cgroups, &wrong);
	assert_int_equal(out.status, COLLECTOR_PARTIAL);
	assert_string_equal(out.reason, "--cgroup /kubepods/pod3: No such file or directory");
}

static void odd_names_and_depth(void **state)
{
	char deep[512] = "";

	tree_put("proc/self/mountinfo", TMPFS V1);
	put_v1("", "1\n");
	put_v1("/new\nline \"and\" <b>", "2\n");
	for (int i = 0; i < 70; i++)
		strcat(deep, "/d");
	put_v1(deep, "3\n");
	tree_link("sys/fs/cgroup/memory/loop", "..");
	run_collector(&collector_cgroups, NULL);
	assert_non_null(out_entry(out_member("raw/cgroups", 1),
				  "memory/new\nline \"and\" <b>/memory.usage_in_bytes", NULL,
				  NULL));
	assert_int_equal(out.status, COLLECTOR_PARTIAL);
	assert_int_equal(out.no, E2BIG);
	assert_int_equal(out.lost, 1);
}

static void out_of_time_names_what_is_missing(void **state)
{
	tree_put("proc/self/mountinfo", TMPFS V1);
	put_v1("", "1\n");
	put_v1("/a", "2\n");
	run_collector_for(&collector_cgroups, NULL, tree, -1, 0);
	assert_int_equal(out.status, COLLECTOR_PARTIAL);
	assert_int_equal(out.no, ETIME);
	assert_non_null(out_entry(out_member("raw/cgroups", 1), "memory/memory.stat", NULL, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(v1_every_group_at_the_end_usage_at_the_start),
		TREE_TEST(only_listed_files_are_touched),
		TREE_TEST(v2_files),
		TREE_TEST(hybrid_has_both),
		TREE_TEST(a_mounted_subtree_keeps_its_path),
		TREE_TEST(the_whole_mount_is_preferred),
		TREE_TEST(without_mountinfo),
		TREE_TEST(nothing_mounted_is_unsupported),
		TREE_TEST(cgroup_option_takes_the_way_and_what_is_below),
		TREE_TEST(odd_names_and_depth),
		TREE_TEST(out_of_time_names_what_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
