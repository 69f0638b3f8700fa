/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "collect_run.h"

extern const struct collector collector_processes;

static void put_process(unsigned pid, const char *comm, const char *cgroup, const char *cmdline,
			size_t cmdline_len)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "proc/%u/stat", pid);
	snprintf(text, sizeof(text),
		 "%u (%s) S 1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n", pid, comm);
	tree_put(path, text);
	snprintf(path, sizeof(path), "proc/%u/statm", pid);
	tree_put(path, "100 50 25 1 0 30 0\n");
	snprintf(path, sizeof(path), "proc/%u/status", pid);
	tree_put(path, "Name:\tx\nVmRSS:\t200 kB\n");
	snprintf(path, sizeof(path), "proc/%u/cgroup", pid);
	tree_put(path, cgroup);
	snprintf(path, sizeof(path), "proc/%u/oom_score_adj", pid);
	tree_put(path, "0\n");
	snprintf(path, sizeof(path), "proc/%u/limits", pid);
	tree_put(path, "Limit\n");
	snprintf(path, sizeof(path), "proc/%u/cmdline", pid);
	tree_data(path, cmdline, cmdline_len);
	snprintf(path, sizeof(path), "proc/%u/exe", pid);
	tree_link(path, "/usr/bin/a b");
}

static void four_packs_with_their_files(void **state)
{
	size_t len;

	put_process(1, "init) R (", "0::/init.scope\n", "/sbin/init\0splash\0", 18);
	put_process(42, "new\nline", "0::/\n", "", 0);
	tree_put("proc/007/stat", "not a pid");
	tree_put("proc/1x/stat", "not a pid");
	run_collector(&collector_processes, NULL);
	assert_int_equal(out.result, 0);
	assert_int_equal(out.status, COLLECTOR_OK);
	assert_string_equal(out.reason, "");
	/* No window, so nothing in between: start, end, limits and exe, cmdline. */
	assert_int_equal(out.member_count, 4);
	assert_int_equal(out_entries(out_member("raw/processes", 0)), 2 * 3);
	assert_int_equal(out_entries(out_member("raw/processes", 1)), 2 * 5);
	assert_int_equal(out_entries(out_member("raw/processes", 2)), 2 * 2);
	assert_int_equal(out_entries(out_member("raw/processes", 3)), 2);
	assert_non_null(strstr(out_find("raw/processes", "42/stat", NULL, NULL), "(new\nline)"));
	assert_string_equal(out_find("raw/processes", "1/exe", NULL, NULL), "/usr/bin/a b");
	assert_memory_equal(out_find("raw/processes", "1/cmdline", &len, NULL),
			    "/sbin/init\0splash", 18);
	assert_int_equal(len, 18);
}

/* A directory that is empty when it is opened: the process is gone. */
static void one_that_vanishes_is_a_note_not_an_error(void **state)
{
	put_process(1, "init", "0::/\n", "i", 1);
	mkdir(tree_path("proc/77"), 0555);
	run_collector(&collector_processes, NULL);
	assert_int_equal(out.status, COLLECTOR_OK);
	assert_non_null(strstr(out.notes, "1 processes vanished"));
	assert_null(out_find("raw/processes", "77/stat", NULL, NULL));
}

static void command_lines_are_redacted_and_counted(void **state)
{
	static const char line[] = "mysql\0--password=hunter2\0-h\0db\0";
	const char *text;
	size_t len;

	put_process(9, "mysql", "0::/\n", line, sizeof(line) - 1);
	run_collector(&collector_processes, NULL);
	text = out_find("raw/processes", "9/cmdline", &len, NULL);
	assert_non_null(text);
	assert_null(memmem(text, len, "hunter2", 7));
	assert_non_null(memmem(text, len, "--password=", 11));
	assert_non_null(memmem(text, len, "-h\0db", 5));
	assert_int_equal(out.redacted, 1);
}

/* smaps_rollup costs its process something: read of the sixteen largest, and of none that is small.
 */
static void smaps_of_the_largest_only(void **state)
{
	const struct capture_options o = {.pid = 105, .redact = REDACT_DEFAULT};
	char path[64], text[512];

	for (unsigned pid = 100; pid < 140; pid++) {
		put_process(pid, "x", "0::/\n", "x", 1);
		snprintf(path, sizeof(path), "proc/%u/stat", pid);
		/* the larger the pid, the larger the process; those up to 109 are small */
		snprintf(text, sizeof(text),
			 "%u (x) S 1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 5 0 %u\n", pid,
			 pid < 110 ? 10 : 5000 + pid);
		tree_put(path, text);
		snprintf(path, sizeof(path), "proc/%u/smaps_rollup", pid);
		tree_put(path, "Pss: 1 kB\n");
		snprintf(path, sizeof(path), "proc/%u/maps", pid);
		tree_put(path, "1000-2000 r-xp 00000000 08:01 5    /bin/x\n"
			       "3000-4000 rw-s 00000000 00:01 6    /memfd:a (deleted)\n"
			       "5000-6000 rw-p 00000000 00:00 0\n"
			       "7000-8000 rw-s 00000000 08:01 7    /data\n");
	}
	run_collector(&collector_processes, NULL);
	assert_int_equal(out.status, COLLECTOR_OK);
	for (unsigned pid = 100; pid < 140; pid++) {
		snprintf(path, sizeof(path), "%u/smaps_rollup", pid);
		if (pid >= 140 - 16)
			assert_non_null(out_find("raw/processes", path, NULL, NULL));
		else
			assert_null(out_find("raw/processes", path, NULL, NULL));
	}
	assert_string_equal(out_find("raw/shm_maps", "139/maps", NULL, NULL),
			    "3000-4000 rw-s 00000000 00:01 6    /memfd:a (deleted)\n");
	assert_null(out_find("raw/shm_maps", "105/maps", NULL, NULL));
	/* One that was named is read however small it is. */
	run_collector(&collector_processes, &o);
	assert_non_null(out_find("raw/processes", "105/smaps_rollup", NULL, NULL));
}

static void a_huge_command_line_is_cut_and_says_so(void **state)
{
	size_t size = 200 << 10, len;
	char *line = malloc(size);
	int no;

	memset(line, 'a', size);
	put_process(9, "java", "0::/\n", line, size);
	run_collector(&collector_processes, NULL);
	out_find("raw/processes", "9/cmdline", &len, &no);
	assert_int_equal(no, EFBIG);
	assert_in_range(len, 1024, 48 << 10);
	free(line);
}

static void pid_narrows(void **state)
{
	const struct capture_options o = {.pid = 42, .redact = REDACT_DEFAULT};

	put_process(1, "init", "0::/\n", "i", 1);
	put_process(42, "x", "0::/\n", "x", 1);
	run_collector(&collector_processes, &o);
	assert_int_equal(out.status, COLLECTOR_OK);
	assert_non_null(out_find("raw/processes", "42/stat", NULL, NULL));
	assert_null(out_find("raw/processes", "1/stat", NULL, NULL));
	assert_null(out_find("raw/processes", "1/cmdline", NULL, NULL));
}

static void a_pid_that_is_not_there_is_named(void **state)
{
	const struct capture_options o = {.pid = 4711, .redact = REDACT_DEFAULT};

	put_process(1, "init", "0::/\n", "i", 1);
	run_collector(&collector_processes, &o);
	assert_int_equal(out.status, COLLECTOR_PARTIAL);
	assert_string_equal(out.reason, "/proc/4711: No such process");
}

static void cgroup_narrows_to_the_group_and_below(void **state)
{
	struct capture_options o = {.cgroup = "/sys/fs/cgroup/memory/kubepods/pod1",
				    .redact = REDACT_DEFAULT};
	static const char *const spellings[] = {"/sys/fs/cgroup/memory/kubepods/pod1/",
						"kubepods/pod1", "/kubepods//pod1"};

	tree_put("proc/self/mountinfo",
		 "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
		 "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
	put_process(1, "init", "4:memory:/\n0::/\n", "i", 1);
	put_process(2, "in", "9:cpu:/other\n4:memory:/kubepods/pod1\n0::/\n", "i", 1);
	put_process(3, "below", "4:memory:/kubepods/pod1/c\n0::/\n", "i", 1);
	put_process(4, "beside", "4:memory:/kubepods/pod10\n0::/\n", "i", 1);
	put_process(5, "cpu", "4:cpu:/kubepods/pod1\n4:memory:/\n0::/\n", "i", 1);
	for (size_t i = 0; i < 3; i++) {
		const struct out_member *m;

		o.cgroup = spellings[i];
		run_collector(&collector_processes, &o);
		m = out_member("raw/processes", 1);
		assert_non_null(out_entry(m, "2/stat", NULL, NULL));
		assert_non_null(out_entry(m, "3/stat", NULL, NULL));
		assert_int_equal(out_entries(m), 2 * 5);
		assert_int_equal(out_entries(out_member("raw/processes", 2)), 2 * 2);
		assert_int_equal(out_entries(out_member("raw/processes", 3)), 2);
	}
	o.cgroup = "/a/../b";
	run_collector(&collector_processes, &o);
	assert_int_equal(out.status, COLLECTOR_ERROR);
	o.cgroup = "/nobody";
	run_collector(&collector_processes, &o);
	assert_int_equal(out.status, COLLECTOR_PARTIAL);
	assert_string_equal(out.reason, "--cgroup /nobody: no process is in it");
}

static void refused_files_make_it_partial(void **state)
{
	int no;

	if (geteuid() != 0)
		skip();
	put_process(1, "init", "0::/\n", "i", 1);
	tree_mode("proc/1/status", 0);
	assert_int_equal(seteuid(65534), 0);
	run_collector(&collector_processes, NULL);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(out.status, COLLECTOR_PARTIAL);
	assert_string_equal(out.reason, "/proc/PID/status: Permission denied (1 files)");
	out_find("raw/processes", "1/status", NULL, &no);
	assert_int_equal(no, EACCES);
}

/* A recording is not trusted: its files may be links out, FIFOs, directories. */
static void hostile_recording(void **state)
{
	put_process(1, "init", "0::/\n", "i", 1);
	tree_link("proc/2/stat", "/etc/passwd");
	tree_fifo("proc/3/stat");
	tree_link("proc/4", "1");
	tree_put("proc/5/stat/x", "");
	run_collector(&collector_processes, NULL);
	assert_int_equal(out.status, COLLECTOR_PARTIAL);
	for (size_t i = 0; i < out.member_count; i++)
		assert_null(memmem(out.members[i].data, out.members[i].len, "root:", 5));
	assert_null(out_find("raw/processes", "4/stat", NULL, NULL));
}

static unsigned count_of(const char *name)
{
	const struct out_member *m;
	unsigned count = 0;

	for (size_t n = 0; (m = out_member("raw/processes", n)); n++)
		count += out_entry(m, name, NULL, NULL) != NULL;
	return count;
}

/* With a window, what does not change is read in it, and once; of those that come, or are not
 * what they were, at the end. */
static void fixed_files_are_read_once_and_early(void **state)
{
	const struct capture_options o = {.redact = REDACT_DEFAULT};
	const struct redactor redactor = {.level = REDACT_DEFAULT};
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct sysroot root;
	FILE *file = tmpfile();
	struct collect c = {.options = &o,
			    .root = &root,
			    .redactor = &redactor,
			    .window_start_ns = now,
			    .window_end_ns = now + 60 * NSEC_PER_SEC,
			    .deadline_ns = now + 70 * NSEC_PER_SEC,
			    .stop_fd = -1};

	put_process(1, "init", "0::/\n", "i", 1);
	put_process(2, "sh", "0::/\n", "sh", 2);
	assert_int_equal(sysroot_open(&root, tree, NULL), 0);
	c.out = emit_create(fileno(file), 0);
	assert_int_equal(collector_processes.start(&c), 0);
	put_process(3, "new", "0::/\n", "new", 3);
	tree_put("proc/2/stat", "2 (exec) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n");
	tree_put("proc/2/cmdline", "exec");
	assert_int_equal(collector_processes.write(&c), 0);
	assert_int_equal(emit_finish(c.out), 0);
	emit_destroy(c.out);
	out_clear();
	out_read(fileno(file));
	fclose(file);
	sysroot_close(&root);

	assert_int_equal(out.status, COLLECTOR_OK);
	assert_int_equal(out.member_count, 6);
	assert_int_equal(count_of("1/stat"), 2);
	assert_int_equal(count_of("1/cmdline"), 1);
	assert_int_equal(count_of("1/limits"), 1);
	assert_int_equal(count_of("1/exe"), 1);
	assert_int_equal(count_of("2/cmdline"), 2);
	assert_string_equal(out_find("raw/processes", "2/cmdline", NULL, NULL), "exec");
	assert_int_equal(count_of("3/stat"), 1);
	assert_int_equal(count_of("3/cmdline"), 1);
	assert_non_null(out_entry(out_member("raw/processes", 2), "1/cmdline", NULL, NULL));
	assert_int_equal(out_entries(out_member("raw/processes", 4)), 2 * 2);
}

static void kernel_threads_have_no_command_line(void **state)
{
	put_process(2, "kthreadd", "0::/\n", "", 0);
	tree_put("proc/2/stat",
		 "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n");
	run_collector(&collector_processes, NULL);
	assert_int_equal(out.status, COLLECTOR_OK);
	assert_int_equal(count_of("2/stat"), 2);
	assert_int_equal(count_of("2/cmdline"), 0);
	assert_int_equal(count_of("2/limits"), 0);
}

static void five_thousand(void **state)
{
	size_t count = 0;

	for (unsigned pid = 1; pid <= 5000; pid++) {
		char path[64];

		snprintf(path, sizeof(path), "proc/%u/stat", pid);
		tree_put(path, "1 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n");
		snprintf(path, sizeof(path), "proc/%u/cmdline", pid);
		tree_put(path, "x");
	}
	run_collector(&collector_processes, NULL);
	assert_int_equal(out.status, COLLECTOR_OK);
	for (size_t i = 0; i < out.member_count; i++)
		count += out_entries(&out.members[i]);
	assert_int_equal(count, 3 * 5000);
}

/* The window is ended early at once: what there is comes within a second, and says what is not. */
static void out_of_time_is_partial(void **state)
{
	put_process(1, "init", "0::/\n", "i", 1);
	run_collector_for(&collector_processes, NULL, tree, -1, 0);
	assert_int_equal(out.result, 0);
	assert_int_equal(out.status, COLLECTOR_PARTIAL);
	assert_int_equal(out.no, ETIME);
	assert_true(out.lost > 0);
}

/* The live /proc: we are in it, with our own name, state and command line. */
static void finds_itself_on_the_live_machine(void **state)
{
	const struct capture_options o = {.pid = getpid(), .redact = REDACT_DEFAULT};
	char name[64], own[4096];
	size_t len;
	FILE *f;

	run_collector_for(&collector_processes, &o, "/", -1, 20000);
	assert_int_equal(out.status, COLLECTOR_OK);
	f = fopen("/proc/self/cmdline", "r");
	len = fread(own, 1, sizeof(own), f);
	fclose(f);
	snprintf(name, sizeof(name), "%d/cmdline", (int)getpid());
	assert_memory_equal(out_find("raw/processes", name, NULL, NULL), own, len);
	len = (size_t)readlink("/proc/self/exe", own, sizeof(own) - 1);
	own[len] = 0;
	snprintf(name, sizeof(name), "%d/exe", (int)getpid());
	assert_string_equal(out_find("raw/processes", name, NULL, NULL), own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(four_packs_with_their_files),
		TREE_TEST(one_that_vanishes_is_a_note_not_an_error),
		TREE_TEST(command_lines_are_redacted_and_counted),
		TREE_TEST(smaps_of_the_largest_only),
		TREE_TEST(a_huge_command_line_is_cut_and_says_so),
		TREE_TEST(pid_narrows),
		TREE_TEST(a_pid_that_is_not_there_is_named),
		TREE_TEST(cgroup_narrows_to_the_group_and_below),
		TREE_TEST(refused_files_make_it_partial),
		TREE_TEST(hostile_recording),
		TREE_TEST(fixed_files_are_read_once_and_early),
		TREE_TEST(kernel_threads_have_no_command_line),
		TREE_TEST(five_thousand),
		TREE_TEST(out_of_time_is_partial),
		TREE_TEST(finds_itself_on_the_live_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
