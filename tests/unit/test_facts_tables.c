/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The archive's own tables, and mounts. */
#include "facts_rows.h"

static void the_scan_is_one_row(void **state)
{
	struct facts_rows t = facts_rows_start();
	const struct fact_scan *s;
	struct facts *f;

	facts_rows_member(&t, "tables/page_cache_scan.tsv",
			  "key\tvalue\nsource\tbpf\none_in\t64\npages_total\t1000\nfinished\t1\n"
			  "scan_cpu_ns\t1500000000\nmeminfo_cached_kb_before\t10\nholes\t\n"
			  "reason\t/proc/kcore: \\xff\\tno\nfuture\t1\n");
	f = facts_rows_end(&t);
	assert_int_equal(f->scan.count, 1);
	s = &f->scan.rows[0];
	assert_string_equal(s->source, "bpf");
	assert_string_equal(s->reason, "/proc/kcore: \xff\tno");
	assert_int_equal(s->one_in, 64);
	assert_int_equal(s->pages_total, 1000);
	assert_int_equal(s->finished, 1);
	assert_true(s->scan_cpu_s == 1.5);
	assert_int_equal(s->meminfo_cached_before_bytes, 10240);
	assert_true(s->meminfo_cached_after_bytes == FACT_NONE);
	assert_true(s->holes == FACT_NONE);
	assert_true(isnan(s->resolve_cpu_s));
	facts_destroy(f);
}

static void no_scan_no_row(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct facts *f = facts_rows_end(&t);

	assert_int_equal(f->scan.count, 0);
	facts_destroy(f);
}

static void columns_go_by_name(void **state)
{
	struct facts_rows t = facts_rows_start();
	const struct fact_cache_file *c;
	struct facts *f;

	facts_rows_member(&t, "tables/page_cache_files.tsv.0000",
			  "path\tnew\tdev\tfile\tino\tnrpages\trdev\tstate\ttype\n"
			  "/a\\tb\\nc\\\\d\\xff \"<script>=\tzz\t8:1\t1\t77\t5\t\tlinked\treg\n"
			  "\tzz\t0:5\t2\t78\t6\t8:16\tunnamed\tblk\n"
			  "no key\t\t\t\t\t\t\t\t\n"
			  "short\n"
			  "\n");
	facts_rows_member(&t, "tables/page_cache_files.tsv.0001", "file\tnrpages\n3\t9\n");
	facts_rows_member(&t, "tables/page_cache_samples.tsv",
			  "file\tcgroup\tstate\tpages\n1\t0\t3\t2\n1\tx\t\t-1\n");
	facts_rows_member(&t, "tables/page_cache_cgroups.tsv",
			  "cgroup\tino\tstate\tpath\n1\t5\tdying\t/kubepods/x\n");
	facts_rows_member(&t, "tables/page_cache_pairs.tsv",
			  "pairs\tfile\tcgroup\tstate\tfile2\tcgroup2\tstate2\n"
			  "4\t2\t0\t3\t1\t5\t0\n"
			  "9\t2\t0\t3\t\t\t\n"
			  "\t1\t1\t1\t1\t1\t1\n");
	facts_rows_member(&t, "tables/page_cache_blocks.tsv",
			  "blocks\tfile\tcgroup\tfile2\tcgroup2\tfile3\tcgroup3\tfile4\tcgroup4\n"
			  "2\t7\t1\t\t\t0\t0\t6\t3\n");
	facts_rows_member(&t, "tables/cgroup_slabs.tsv", "cgroup\tcache\tpages\n3\tdentry\t9\n");
	facts_rows_member(&t, "tables/page_types.tsv", "kind\tpages\nfree\t10\n");
	f = facts_rows_end(&t);
	assert_int_equal(f->cache_files.count, 3);
	c = f->cache_files.rows;
	assert_int_equal(c[0].file, 1);
	assert_int_equal(c[0].major, 8);
	assert_int_equal(c[0].minor, 1);
	assert_int_equal(c[0].ino, 77);
	assert_int_equal(c[0].nrpages, 5);
	assert_true(c[0].rdev_major == FACT_NONE);
	assert_true(c[0].size == FACT_NONE);
	assert_string_equal(c[0].path, "/a\tb\nc\\d\xff \"<script>=");
	assert_string_equal(c[0].state, "linked");
	assert_null(c[0].fstype);
	assert_int_equal(c[1].rdev_minor, 16);
	assert_string_equal(c[1].path, "");
	assert_int_equal(c[2].nrpages, 9);
	assert_null(c[2].path);
	assert_int_equal(f->cache_samples.count, 2);
	assert_int_equal(f->cache_samples.rows[0].pages, 2);
	assert_true(f->cache_samples.rows[1].cgroup == FACT_NONE);
	assert_true(f->cache_samples.rows[1].pages == FACT_NONE);
	assert_int_equal(f->cache_pairs.count, 2);
	assert_int_equal(f->cache_pairs.rows[0].pairs, 4);
	assert_int_equal(f->cache_pairs.rows[0].cgroup2, 5);
	assert_int_equal(f->cache_pairs.rows[1].state, 3);
	assert_true(f->cache_pairs.rows[1].file2 == FACT_NONE);
	assert_int_equal(f->cgroup_slabs.count, 1);
	assert_int_equal(f->cgroup_slabs.rows[0].cgroup, 3);
	assert_int_equal(f->cgroup_slabs.rows[0].pages, 9);
	assert_string_equal(f->cgroup_slabs.rows[0].cache, "dentry");
	assert_int_equal(f->cache_blocks.count, 1);
	assert_int_equal(f->cache_blocks.rows[0].blocks, 2);
	assert_int_equal(f->cache_blocks.rows[0].file, 7);
	assert_true(f->cache_blocks.rows[0].file2 == FACT_NONE);
	assert_int_equal(f->cache_blocks.rows[0].file3, 0);
	assert_int_equal(f->cache_blocks.rows[0].cgroup4, 3);
	assert_string_equal(f->cache_cgroups.rows[0].path, "/kubepods/x");
	assert_string_equal(f->page_types.rows[0].kind, "free");
	facts_destroy(f);
}

static void an_empty_table_is_no_trouble(void **state)
{
	static const char *const names[] = {"tables/page_cache_files.tsv",
					    "tables/containers.tsv",
					    "tables/page_cache_scan.tsv",
					    "tables/mount_namespaces.tsv",
					    "raw/mountinfo",
					    "raw/processes.000000001"};
	static const char *const texts[] = {
		"",	  "\n",	  "\t", "\t\t\t\n\t\n", "file\tfile\tpath",
		"\n\n\n", "id\n", "@",	"@1 1 0\n",	"@0 0 0\n\n\n"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
			struct facts_rows t = facts_rows_start();

			facts_rows_member(&t, names[i], texts[k]);
			facts_destroy(facts_rows_end(&t));
		}
	}
}

static void an_endless_row_is_left_out(void **state)
{
	struct facts_rows t = facts_rows_start();
	size_t len = 300 << 10;
	char *text = malloc(len + 64);
	struct facts *f;

	strcpy(text, "id\tname\n");
	memset(text + 8, 'x', len);
	strcpy(text + 8 + len, "\nc1\tweb\n");
	facts_rows_member(&t, "tables/containers.tsv", text);
	free(text);
	assert_int_equal(t.p->bad, 1);
	f = facts_rows_end(&t);
	assert_int_equal(f->containers.count, 1);
	assert_string_equal(f->containers.rows[0].id, "c1");
	assert_string_equal(f->containers.rows[0].name, "web");
	assert_null(f->containers.rows[0].pod);
	facts_destroy(f);
}

static void the_first_mount_table_is_the_hosts(void **state)
{
	struct facts_rows t = facts_rows_start();
	const struct fact_mount *m;
	struct facts *f;

	facts_rows_pack(&t, "raw/mountinfo", "400/1",
			"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,discard\n"
			"30 22 0:26 /sub /mnt/a\\040b\\011c rw - tmpfs tmp\\134fs rw\n",
			"500/77",
			"90 80 0:50 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u\n"
			"broken\n",
			NULL);
	f = facts_rows_end(&t);
	assert_int_equal(f->mounts.count, 3);
	m = f->mounts.rows;
	assert_int_equal(m[0].mntns, 400);
	assert_int_equal(m[0].pid, 1);
	assert_int_equal(m[0].host, 1);
	assert_int_equal(m[0].id, 22);
	assert_int_equal(m[0].major, 8);
	assert_string_equal(m[0].super_options, "rw,discard");
	assert_string_equal(m[1].mountpoint, "/mnt/a b\tc");
	assert_string_equal(m[1].root, "/sub");
	assert_string_equal(m[1].source, "tmp\\fs");
	assert_int_equal(m[2].host, 0);
	assert_string_equal(m[2].fstype, "overlay");
	facts_destroy(f);
}

static void dentries_by_directory(void **state)
{
	struct facts_rows t = facts_rows_start();
	const struct fact_dentries *d;
	struct facts *f;

	facts_rows_member(
		&t, "tables/page_cache_scan.tsv",
		"key\tvalue\ndentry_frames\t500\ndentry_slabs\t100\ndentry_objects\t16000\n");
	facts_rows_member(&t, "tables/dentries.tsv",
			  "dev\tfstype\tpath\tpositive\tnegative\ttruncated\n"
			  "8:1\text4\t/var/a\\tb\t16\t8\t0\n"
			  "nonsense\t\t\t-1\t\t1\n");
	facts_rows_member(&t, "raw/memory/dentry-state.000000001", "100\t90\t45\t0\t60\t0\n");
	facts_rows_member(&t, "raw/memory/dentry-state.000010001", "120\t95\t45\t0\t70\t0\n");
	facts_rows_member(&t, "raw/memory/inode-nr.000010001", "7\t5\n");
	f = facts_rows_end(&t);
	assert_int_equal(f->scan.rows[0].dentry_frames, 500);
	assert_int_equal(f->scan.rows[0].dentry_slabs, 100);
	assert_true(f->scan.rows[0].dentries_dropped == FACT_NONE);
	assert_int_equal(f->dentries.count, 2);
	d = f->dentries.rows;
	assert_int_equal(d[0].major, 8);
	assert_string_equal(d[0].path, "/var/a\tb");
	assert_int_equal(d[0].positive, 16);
	assert_int_equal(d[0].negative, 8);
	assert_true(d[1].major == FACT_NONE);
	assert_true(d[1].positive == FACT_NONE);
	assert_int_equal(facts_counter(f, "dentry-state", "nr_negative"), 70);
	assert_int_equal(facts_counter_first(f, "dentry-state", "nr_dentry"), 100);
	assert_int_equal(facts_counter(f, "inode-nr", "nr_unused"), 5);
	facts_destroy(f);
}

static void shared_memory_and_who_has_it(void **state)
{
	static const char head[] = "       key      shmid perms                  size  cpid  lpid "
				   "nattch   uid   gid  cuid  cgid      atime      dtime      "
				   "ctime                   rss                  swap\n";
	struct facts_rows t = facts_rows_start();
	char text[2048];
	struct facts *f;

	snprintf(text, sizeof(text), "%s%s", head, "1 1 600 9 9 9 9 0 0 0 0 1 1 1 9 9\n");
	facts_rows_member(&t, "raw/memory/sysvipc-shm.000000001", text);
	snprintf(text, sizeof(text), "%s%s", head,
		 "-559038737 7 600 524288 5654 77 2 1000 0 0 0 10 20 30 4096 8192\n"
		 "0 8 1600 1 2 3 0 0 0 0 0 0 0 5\n"
		 "0 9 broken\n");
	facts_rows_member(&t, "raw/memory/sysvipc-shm.000010001", text);
	facts_rows_pack(
		&t, "raw/shm_maps.000010002", "42/maps",
		"7f0000000000-7f0000100000 rw-s 00000000 00:01 1027     /memfd:x (deleted)\n"
		"7f0000200000-7f0000300000 rw-s 00100000 00:01 1027     /memfd:x (deleted)\n"
		"7f0000400000-7f0000401000 rw-s 00000000 00:1f 9        /dev/shm/a b\n"
		"nonsense\n"
		"7f0000400000-7f0000401000 rw-s 00000000 zz:1f 9\n",
		"x/maps", "", NULL);
	f = facts_rows_end(&t);
	assert_int_equal(f->shm.count, 2);
	assert_int_equal(f->shm.rows[0].shmid, 7);
	assert_int_equal(f->shm.rows[0].size, 524288);
	assert_int_equal(f->shm.rows[0].cpid, 5654);
	assert_int_equal(f->shm.rows[0].lpid, 77);
	assert_int_equal(f->shm.rows[0].nattch, 2);
	assert_int_equal(f->shm.rows[0].uid, 1000);
	assert_int_equal(f->shm.rows[0].ctime, 30);
	assert_int_equal(f->shm.rows[0].rss_bytes, 4096);
	assert_int_equal(f->shm.rows[0].swap_bytes, 8192);
	assert_true(f->shm.rows[1].rss_bytes == FACT_NONE); /* an old kernel's */
	assert_int_equal(f->shm_maps.count, 2);
	assert_int_equal(f->shm_maps.rows[0].pid, 42);
	assert_int_equal(f->shm_maps.rows[0].minor, 1);
	assert_int_equal(f->shm_maps.rows[0].ino, 1027);
	assert_int_equal(f->shm_maps.rows[0].bytes, 2 << 20);
	assert_int_equal(f->shm_maps.rows[1].minor, 0x1f);
	facts_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_scan_is_one_row),
		cmocka_unit_test(no_scan_no_row),
		cmocka_unit_test(columns_go_by_name),
		cmocka_unit_test(an_empty_table_is_no_trouble),
		cmocka_unit_test(an_endless_row_is_left_out),
		cmocka_unit_test(the_first_mount_table_is_the_hosts),
		cmocka_unit_test(dentries_by_directory),
		cmocka_unit_test(shared_memory_and_who_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
