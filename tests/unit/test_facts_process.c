/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "facts_rows.h"

/* pid (comm) state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime
 * cutime cstime priority nice threads itrealvalue starttime vsize rss */
#define STAT(pid, comm, flags, utime, stime, start)                                                \
	pid " (" comm ") S 1 1 1 0 -1 " flags " 1 0 2 0 " utime " " stime " 0 0 20 0 3 0 " start   \
	    " 1000000 500 18446744073709551615\n"

static const char status_text[] = "Name:\tx\nVmLck:\t       4 kB\nVmRSS:\t  1000 kB\n"
				  "RssAnon:\t     600 kB\nRssFile:\t     300 kB\n"
				  "RssShmem:\t     100 kB\nVmPTE:\t      52 kB\nVmSwap:\t  7 kB\n"
				  "HugetlbPages:\t    4096 kB\n";

static const char smaps_text[] = "55d2a000-7ffd2000 ---p 00000000 00:00 0   [rollup]\n"
				 "Rss:    1000 kB\nPss:     700 kB\nPss_Anon:  1 kB\n"
				 "Private_Clean:  20 kB\nPrivate_Dirty: 500 kB\n"
				 "AnonHugePages:  512 kB\n";

static void readings_are_joined(void **state)
{
	struct facts_rows t = facts_rows_start();
	const struct fact_process *p;
	struct facts *f;

	facts_rows_pack(&t, "raw/processes.000000002", "7/stat",
			STAT("7", "my (odd) )name", "4194560", "10", "5", "100"), "7/statm",
			"900 200 50 1 0 100 0\n", "7/cgroup", "4:memory:/a\n0::/b\n", NULL);
	facts_rows_pack(&t, "raw/processes.000010002", "7/stat",
			STAT("7", "my (odd) )name", "4194560", "110", "25", "100"), "7/statm",
			"900 250 100 1 0 100 0\n", "7/status", status_text, "7/oom_score_adj",
			"-998\n", NULL);
	facts_rows_pack(&t, "raw/processes.000010060", "7/smaps_rollup", smaps_text, NULL);
	facts_rows_member_n(&t, "raw/processes.000010050",
			    "@9 12 0\n7/cmdline\na\0-x\0b c\0\0\0\0\n", 9 + 8 + 12 + 2);
	facts_rows_member(&t, "tables/mount_namespaces.tsv", "mntns\tpid\n4026531840\t7\n");
	f = facts_rows_end(&t);
	assert_int_equal(f->processes.count, 1);
	p = &f->processes.rows[0];
	assert_int_equal(p->pid, 7);
	assert_int_equal(p->ppid, 1);
	assert_int_equal(p->starttime, 100);
	assert_int_equal(p->threads, 3);
	assert_int_equal(p->kernel_thread, 0);
	assert_string_equal(p->comm, "my (odd) )name");
	assert_string_equal(p->cmdline, "a -x b c");
	assert_string_equal(p->cgroup, "/a");
	assert_string_equal(p->state, "S");
	assert_int_equal(p->heap_bytes, 600 << 10);
	assert_int_equal(p->file_bytes, 300 << 10);
	assert_int_equal(p->shmem_bytes, 100 << 10);
	assert_int_equal(p->swap_bytes, 7 << 10);
	assert_int_equal(p->rss_bytes, 1000 << 10);
	assert_int_equal(p->locked_bytes, 4 << 10);
	assert_int_equal(p->page_table_bytes, 52 << 10);
	assert_int_equal(p->heap_first_bytes, 150 * 4096);
	assert_int_equal(p->rss_first_bytes, 200 * 4096);
	assert_int_equal(p->hugetlb_bytes, 4096 << 10);
	assert_int_equal(p->anon_huge_bytes, 512 << 10);
	assert_int_equal(p->pss_bytes, 700 << 10);
	assert_int_equal(p->private_bytes, 520 << 10);
	assert_int_equal(p->oom_score_adj, -998);
	assert_int_equal(p->utime_ticks, 100);
	assert_int_equal(p->stime_ticks, 20);
	assert_int_equal(p->mntns, 4026531840);
	assert_int_equal(p->vanished, 0);
	facts_destroy(f);
}

static void what_was_not_measured_is_not_zero(void **state)
{
	struct facts_rows t = facts_rows_start();
	const struct fact_process *p;
	struct facts *f;

	facts_rows_pack(&t, "raw/processes.000000002", "2/stat",
			STAT("2", "kthreadd", "2129984", "0", "0", "1"), NULL);
	f = facts_rows_end(&t);
	p = &f->processes.rows[0];
	assert_int_equal(p->kernel_thread, 1);
	assert_true(p->heap_bytes == FACT_NONE);
	assert_true(p->rss_bytes == FACT_NONE);
	assert_true(p->anon_huge_bytes == FACT_NONE);
	assert_true(p->private_bytes == FACT_NONE);
	assert_true(p->mntns == FACT_NONE);
	assert_true(p->utime_ticks == FACT_NONE); /* read once: nothing was spent that we know of */
	assert_true(p->oom_score_adj == INT64_MIN);
	assert_null(p->cmdline);
	assert_null(p->cgroup);
	facts_destroy(f);
}

static const struct fact_process *find(const struct facts *f, uint64_t pid, uint64_t start)
{
	for (size_t i = 0; i < f->processes.count; i++)
		if (f->processes.rows[i].pid == pid && f->processes.rows[i].starttime == start)
			return &f->processes.rows[i];
	fail();
	return NULL;
}

static void processes_come_and_go(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct facts *f;

	facts_rows_pack(&t, "raw/processes.000000002.0000", "5/stat",
			STAT("5", "gone", "0", "1", "1", "50"), "5/statm", "9 8 2 0 0 0 0\n",
			"6/stat", STAT("6", "old", "0", "1", "1", "60"), NULL);
	/* one process across two parts */
	facts_rows_pack(&t, "raw/processes.000000002.0001", "6/statm", "9 8 2 0 0 0 0\n", NULL);
	facts_rows_pack(&t, "raw/processes.000010002", "6/stat",
			STAT("6", "reused", "0", "1", "1", "999"), "6/statm", "9 8 1 0 0 0 0\n",
			"8/stat", STAT("8", "new", "0", "9", "1", "1000"), "8/statm",
			"9 8 3 0 0 0 0\n", NULL);
	facts_rows_pack(&t, "raw/processes.000010050", "6/cmdline", "r", "9/cmdline", "late", NULL);
	f = facts_rows_end(&t);
	assert_int_equal(f->processes.count, 5);
	assert_int_equal(find(f, 5, 50)->vanished, 1);
	assert_int_equal(find(f, 5, 50)->heap_bytes, 6 * 4096);
	assert_int_equal(find(f, 5, 50)->heap_first_bytes, 6 * 4096);
	assert_int_equal(find(f, 6, 60)->vanished, 1);
	assert_string_equal(find(f, 6, 60)->comm, "old");
	assert_int_equal(find(f, 6, 60)->heap_bytes, 6 * 4096);
	assert_null(find(f, 6, 60)->cmdline);
	assert_int_equal(find(f, 6, 999)->vanished, 0);
	assert_string_equal(find(f, 6, 999)->cmdline, "r");
	assert_int_equal(find(f, 6, 999)->heap_bytes, 7 * 4096);
	assert_true(find(f, 6, 999)->heap_first_bytes == FACT_NONE);
	assert_true(find(f, 8, 1000)->utime_ticks == FACT_NONE);
	assert_int_equal(find(f, 9, FACT_NONE)->vanished, 0);
	facts_destroy(f);
}

static void empty_and_cut_command_lines_are_known(void **state)
{
	static const char pack[] = "@9 0 0\n2/cmdline\n\n@9 3 27\n3/cmdline\na\0b\n"
				   "@9 0 3\n4/cmdline\n\n";
	struct facts_rows t = facts_rows_start();
	struct facts *f;

	facts_rows_member_n(&t, "raw/processes.000000002", pack, sizeof(pack) - 1);
	f = facts_rows_end(&t);
	assert_int_equal(f->processes.count, 3);
	assert_string_equal(f->processes.rows[0].cmdline, "");
	assert_string_equal(f->processes.rows[1].cmdline, "a b");
	assert_null(f->processes.rows[2].cmdline);
	facts_destroy(f);
}

static const char *cgroup_of(const char *text)
{
	struct facts_rows t = facts_rows_start();
	static char out[256];
	struct facts *f;

	facts_rows_pack(&t, "raw/processes.000000002", "5/cgroup", text, NULL);
	f = facts_rows_end(&t);
	snprintf(out, sizeof(out), "%s",
		 f->processes.rows[0].cgroup ? f->processes.rows[0].cgroup : "(none)");
	facts_destroy(f);
	return out;
}

static void the_cgroup_is_the_memory_hierarchys(void **state)
{
	assert_string_equal(cgroup_of("0::/x\n"), "/x");
	assert_string_equal(cgroup_of("9:name=memory:/no\n0::/\n"), "/");
	assert_string_equal(cgroup_of("0::/v2\n3:cpu,memory:/v1:with:colons\n"), "/v1:with:colons");
	assert_string_equal(cgroup_of("3:cpuset:/a\n"), "(none)");
	assert_string_equal(cgroup_of("0:\n:\n::\n\n3:memory\n"), "(none)");
}

static void malformed_entries_are_counted(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct facts *f;

	facts_rows_pack(&t, "raw/processes.000000002", "x/stat", "", "-1/stat", "", "/", "", "5",
			"", "99999999999999999999/stat", "1", "5/stat", "5 (x", "5/statm", "1 2",
			"5/status", "RssAnon:\nVmRSS:\tx kB\n", NULL);
	facts_rows_member(&t, "raw/processes.000000003", "@5 10 0\n1/stat\nshort");
	assert_true(t.p->bad >= 9);
	f = facts_rows_end(&t);
	assert_int_equal(f->processes.count, 1);
	facts_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readings_are_joined),
		cmocka_unit_test(what_was_not_measured_is_not_zero),
		cmocka_unit_test(processes_come_and_go),
		cmocka_unit_test(empty_and_cut_command_lines_are_known),
		cmocka_unit_test(the_cgroup_is_the_memory_hierarchys),
		cmocka_unit_test(malformed_entries_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
