/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "collect_run.h"

extern const struct collector collector_mounts;

static void put_process(unsigned pid, const char *ns, const char *mountinfo)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%u/ns/mnt", pid);
	tree_link(path, ns);
	if (!mountinfo)
		return;
	snprintf(path, sizeof(path), "proc/%u/mountinfo", pid);
	tree_put(path, mountinfo);
}

static void one_mountinfo_for_each_namespace(void **state)
{
	const struct out_member *m;
	struct pack_entry first;
	size_t pos = 0;

	put_process(1, "mnt:[4026531840]", "host\n");
	put_process(2, "mnt:[4026531840]", "host again\n");
	put_process(30, "mnt:[4026532000]", "lowest of the second\n");
	put_process(200, "mnt:[4026532000]", "not this one\n");
	run_collector(&collector_mounts, NULL);
	assert_int_equal(out.status, COLLECTOR_OK);
	m = out_member("raw/mountinfo", 0);
	assert_int_equal(out_entries(m), 2);
	assert_string_equal(out_entry(m, "4026531840/1", NULL, NULL), "host\n");
	assert_string_equal(out_entry(m, "4026532000/30", NULL, NULL), "lowest of the second\n");
	assert_int_equal(pack_next(m->data, m->len, &pos, &first), 1);
	assert_memory_equal(first.name, "4026531840/1", 12);
	assert_string_equal(out_member("tables/mount_namespaces.tsv", 0)->data,
			    "mntns\tpid\n4026531840\t1\n4026531840\t2\n4026532000\t30\n"
			    "4026532000\t200\n");
}

static void a_password_in_what_is_mounted(void **state)
{
	put_process(1, "mnt:[1]", "1 0 0:3 / /m rw - fuse ftp://u:p4ss@h/ rw\n");
	run_collector(&collector_mounts, NULL);
	assert_int_equal(out.status, COLLECTOR_OK);
	assert_int_equal(out.redacted, 1);
	assert_string_equal(out_entry(out_member("raw/mountinfo", 0), "1/1", NULL, NULL),
			    "1 0 0:3 / /m rw - fuse ftp://u:<redacted>@h/ rw\n");
}

static void mounts_beyond_what_is_kept(void **state)
{
	char *text = malloc(3u << 20);

	assert_non_null(text);
	memset(text, 'x', (3u << 20) - 1);
	text[(3u << 20) - 1] = 0;
	put_process(1, "mnt:[1]", text);
	free(text);
	run_collector(&collector_mounts, NULL);
	assert_int_equal(out.status, COLLECTOR_PARTIAL);
}

/* The lowest one is gone when its mounts are read: the next one in the namespace stands in. */
static void the_next_process_stands_in(void **state)
{
	put_process(1, "mnt:[1]", "host\n");
	put_process(30, "mnt:[2]", NULL);
	put_process(31, "mnt:[2]", "here\n");
	run_collector(&collector_mounts, NULL);
	assert_int_equal(out.status, COLLECTOR_OK);
	assert_string_equal(out_entry(out_member("raw/mountinfo", 0), "2/31", NULL, NULL),
			    "here\n");
}

#define ROOT(id) id " 1 254:0 / / rw - ext4 /dev/vda rw\n"

static void a_recording_without_namespace_links(void **state)
{
	tree_put("proc/1/mountinfo", ROOT("22"));
	run_collector(&collector_mounts, NULL);
	assert_int_equal(out.status, COLLECTOR_OK);
	assert_string_equal(out_entry(out_member("raw/mountinfo", 0), "22/1", NULL, NULL),
			    ROOT("22"));
}

/* The link of pid 1 and of a container are refused; only the container's namespace is unknown. */
static void refused_links_are_told_by_the_first_mount(void **state)
{
	if (geteuid() != 0)
		skip();
	put_process(1, "mnt:[4026531840]", ROOT("22"));
	put_process(7, "mnt:[4026531840]", ROOT("22"));
	put_process(50, "mnt:[4026532000]", ROOT("300"));
	put_process(51, "mnt:[4026532000]", ROOT("300"));
	tree_mode("proc/1/ns", 0);
	tree_mode("proc/50/ns", 0);
	tree_mode("proc/51/ns", 0);
	assert_int_equal(seteuid(65534), 0);
	run_collector(&collector_mounts, NULL);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(out.status, COLLECTOR_OK);
	assert_int_equal(out_entries(out_member("raw/mountinfo", 0)), 2);
	assert_non_null(out_entry(out_member("raw/mountinfo", 0), "4026531840/1", NULL, NULL));
	assert_non_null(out_entry(out_member("raw/mountinfo", 0), "300/50", NULL, NULL));
	assert_string_equal(out_member("tables/mount_namespaces.tsv", 0)->data,
			    "mntns\tpid\n4026531840\t1\n4026531840\t7\n300\t50\n300\t51\n");
}

static void malformed_links_are_not_namespaces(void **state)
{
	put_process(1, "mnt:[1]", "host\n");
	put_process(2, "mnt:[]", "x\n");
	put_process(3, "net:[17]", "x\n");
	put_process(4, "mnt:[-1]", "x\n");
	put_process(5, "mnt:[99999999999999999999999]", "x\n");
	put_process(6, "/etc/passwd", "x\n");
	run_collector(&collector_mounts, NULL);
	assert_int_equal(out_entries(out_member("raw/mountinfo", 0)), 1);
	assert_string_equal(out_member("tables/mount_namespaces.tsv", 0)->data,
			    "mntns\tpid\n1\t1\n");
}

static void nothing_readable_is_an_error(void **state)
{
	put_process(1, "mnt:[1]", NULL);
	run_collector(&collector_mounts, NULL);
	assert_int_equal(out.status, COLLECTOR_ERROR);
	assert_non_null(strstr(out.reason, "mountinfo"));
}

static void pid_does_not_narrow_the_mounts(void **state)
{
	const struct capture_options o = {.pid = 2};

	put_process(1, "mnt:[1]", "host\n");
	put_process(2, "mnt:[2]", "other\n");
	run_collector(&collector_mounts, &o);
	assert_int_equal(out_entries(out_member("raw/mountinfo", 0)), 2);
}

static void the_live_machine(void **state)
{
	char link[64], name[64], *own;
	ssize_t n = readlink("/proc/self/ns/mnt", link, sizeof(link) - 1);

	assert_true(n > 0);
	link[n] = 0;
	run_collector_for(&collector_mounts, NULL, "/", -1, 20000);
	own = strndup(link + 5, strspn(link + 5, "0123456789"));
	snprintf(name, sizeof(name), "%s\t%d\n", own, (int)getpid());
	assert_non_null(strstr(out_member("tables/mount_namespaces.tsv", 0)->data, name));
	free(own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(one_mountinfo_for_each_namespace),
		TREE_TEST(a_password_in_what_is_mounted),
		TREE_TEST(mounts_beyond_what_is_kept),
		TREE_TEST(the_next_process_stands_in),
		TREE_TEST(a_recording_without_namespace_links),
		TREE_TEST(refused_links_are_told_by_the_first_mount),
		TREE_TEST(malformed_links_are_not_namespaces),
		TREE_TEST(nothing_readable_is_an_error),
		TREE_TEST(pid_does_not_narrow_the_mounts),
		TREE_TEST(the_live_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
