/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base/: proc.h and sysroot.h, with what the kernel and a hostile recording may say. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/base/proc.h"
#include "capture/base/sysroot.h"

#define TAIL                                                                                       \
	" S 1 2 3 34816 -1 4194560 100 200 3 4 50 60 7 8 -20 -19 9 0 12345 1000000 250 "           \
	"18446744073709551615 1 1 0 0\n"

static int stat_of(const char *text, struct proc_stat *ret)
{
	/* Exactly as long as it is, so that reading beyond shows. */
	size_t len = strlen(text);
	char *copy = malloc(len ? len : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, text, len);
	r = parse_proc_stat(copy, len, ret);
	free(copy);
	return r;
}

static void test_stat(void **state)
{
	static const char *const comms[] = {"bash", "a) R 1 (b", "new\nline", "",
					    " ",    ")",	 "(",	      "((",
					    "))",   "a b",	 ") S 1 2 3 "};
	struct proc_stat s;
	char text[512];

	for (size_t i = 0; i < sizeof(comms) / sizeof(comms[0]); i++) {
		snprintf(text, sizeof(text), "42 (%s)" TAIL, comms[i]);
		assert_int_equal(stat_of(text, &s), 0);
		assert_string_equal(s.comm, comms[i]);
		assert_int_equal(s.pid, 42);
		assert_int_equal(s.state, 'S');
		assert_int_equal(s.ppid, 1);
		assert_int_equal(s.pgrp, 2);
		assert_int_equal(s.session, 3);
		assert_int_equal(s.flags, 4194560);
		assert_int_equal(s.minflt, 100);
		assert_int_equal(s.majflt, 3);
		assert_int_equal(s.utime, 50);
		assert_int_equal(s.stime, 60);
		assert_int_equal(s.num_threads, 9);
		assert_int_equal(s.starttime, 12345);
		assert_int_equal(s.vsize, 1000000);
		assert_int_equal(s.rss, 250);
	}
	/* Kernel threads of workqueues have long names. */
	snprintf(text, sizeof(text), "42 (%0100d)" TAIL, 0);
	assert_int_equal(stat_of(text, &s), 0);
	assert_int_equal(strlen(s.comm), 63);
}

static void test_stat_malformed(void **state)
{
	static const char *const bad[] = {
		"",
		"42",
		"42 (x",
		"42 x)" TAIL,
		"42 )x(" TAIL,
		"(x)" TAIL,
		"42 (x)",
		"42 (x) ",
		"42 (x) S",
		"42 (x) S 1 2 3",
		"99999999999 (x)" TAIL,
		"4x (x)" TAIL,
		"42 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 "
		"99999999999999999999 1 1\n",
		"42 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20x 21\n",
	};
	char full[] = "42 (x)" TAIL;
	struct proc_stat s, untouched;

	memset(&s, 0x5a, sizeof(s));
	untouched = s;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (stat_of(bad[i], &s) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
	}
	/* Cut anywhere before rss is complete. */
	for (size_t len = 0; len < strlen(full) - strlen("250 18446744073709551615 1 1 0 0\n");
	     len++) {
		char *cut = strndup(full, len);

		assert_int_equal(stat_of(cut, &s), -EINVAL);
		free(cut);
	}
	assert_memory_equal(&s, &untouched, sizeof(s));
}

static void test_statm(void **state)
{
	struct proc_statm m;

	assert_int_equal(parse_proc_statm("100 50 20 5 0 30 0\n", &m), 0);
	assert_int_equal(m.size, 100);
	assert_int_equal(m.resident, 50);
	assert_int_equal(m.shared, 20);
	assert_int_equal(m.text, 5);
	assert_int_equal(m.data, 30);
	assert_int_equal(parse_proc_statm("", &m), -EINVAL);
	assert_int_equal(parse_proc_statm("1 2 3 4 5\n", &m), -EINVAL);
	assert_int_equal(parse_proc_statm("1 2 x 4 5 6\n", &m), -EINVAL);
	assert_int_equal(m.size, 100);
}

static void test_mountinfo(void **state)
{
	static const char *const optional[] = {"", "master:1 ",
					       "shared:1 master:2 propagate_from:3 "
					       "unbindable "};
	struct mountinfo m;
	char line[512];

	for (size_t i = 0; i < 3; i++) {
		snprintf(
			line, sizeof(line),
			"36 35 98:0 /mnt1 /mnt2 rw,noatime %s- ext3 /dev/root rw,errors=continue\n",
			optional[i]);
		assert_int_equal(parse_mountinfo_line(line, &m), 0);
		assert_int_equal(m.id, 36);
		assert_int_equal(m.parent, 35);
		assert_int_equal(m.major, 98);
		assert_int_equal(m.minor, 0);
		assert_string_equal(m.root, "/mnt1");
		assert_string_equal(m.mountpoint, "/mnt2");
		assert_string_equal(m.options, "rw,noatime");
		assert_string_equal(m.fstype, "ext3");
		assert_string_equal(m.source, "/dev/root");
		assert_string_equal(m.super_options, "rw,errors=continue");
	}
	strcpy(line, "1 0 0:20 /a\\040b\\134040 /m\\011\\012\\043\\303\\251 rw - tmpfs  rw");
	assert_int_equal(parse_mountinfo_line(line, &m), 0);
	assert_string_equal(m.root, "/a b\\040");
	assert_string_equal(m.mountpoint, "/m\t\n#\xc3\xa9");
	assert_string_equal(m.source, ""); /* mounted from nothing */
	assert_string_equal(m.super_options, "rw");

	/* What is no escape stays; a mount point that is called "-". */
	strcpy(line, "1 0 0:20 / /\\08\\4\\999\\ rw - fuse.a-b - ro,x=\\054");
	assert_int_equal(parse_mountinfo_line(line, &m), 0);
	assert_string_equal(m.mountpoint, "/\\08\\4\\999\\");
	assert_string_equal(m.fstype, "fuse.a-b");
	assert_string_equal(m.source, "-");
	assert_string_equal(m.super_options, "ro,x=,");
}

static void test_mountinfo_malformed(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"36",
		"36 35 98:0 / / rw",
		"36 35 98:0 / / rw master:1 ext3 x rw",
		"36 35 98:0 / / rw -",
		"36 35 98:0 / / rw - ext4",
		"36 35 98:0 / / rw - ext4 /dev/x",
		"36 35 98 / / rw - ext4 x rw",
		"36 35 98: / / rw - ext4 x rw",
		"36 35 a:0 / / rw - ext4 x rw",
		"x 35 98:0 / / rw - ext4 x rw",
		"36  98:0 / / rw - ext4 x rw",
		"99999999999 35 98:0 / / rw - ext4 x rw",
		"-1 35 98:0 / / rw - ext4 x rw",
		"36 35 98:0  / rw - ext4 x rw",
		"36 35 98:0 / / rw -  x rw",
	};
	struct mountinfo m = {.id = 4711};
	char line[128];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		strcpy(line, bad[i]);
		if (parse_mountinfo_line(line, &m) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
	}
	assert_int_equal(m.id, 4711);
}

static void test_cgroup(void **state)
{
	static const char *const bad[] = {
		"",	     "1",	   "1:",	"1:memory",
		"1:memory:", "x:memory:/", ":memory:/", "1:memory:relative",
		"-1:a:/"};
	struct cgroup_line c;
	char line[64];

	strcpy(line, "0::/init.scope\n");
	assert_int_equal(parse_cgroup_line(line, &c), 0);
	assert_int_equal(c.hierarchy, 0);
	assert_string_equal(c.controllers, "");
	assert_string_equal(c.path, "/init.scope");
	strcpy(line, "12:cpu,cpuacct:/a:b c/d");
	assert_int_equal(parse_cgroup_line(line, &c), 0);
	assert_int_equal(c.hierarchy, 12);
	assert_string_equal(c.controllers, "cpu,cpuacct");
	assert_string_equal(c.path, "/a:b c/d");
	strcpy(line, "1:name=systemd:/");
	assert_int_equal(parse_cgroup_line(line, &c), 0);
	assert_string_equal(c.controllers, "name=systemd");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		strcpy(line, bad[i]);
		assert_int_equal(parse_cgroup_line(line, &c), -EINVAL);
	}
}

static void test_lines(void **state)
{
	char text[] = "a\n\nb", last[] = "x\n", empty[] = "";
	char *pos = text;

	assert_string_equal(next_line(&pos), "a");
	assert_string_equal(next_line(&pos), "");
	assert_string_equal(next_line(&pos), "b");
	assert_null(next_line(&pos));
	assert_null(next_line(&pos));
	pos = last;
	assert_string_equal(next_line(&pos), "x");
	assert_null(next_line(&pos));
	pos = empty;
	assert_null(next_line(&pos));
}

static void put_file(const char *dir, const char *name, const char *text)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void test_sysroot(void **state)
{
	char dir[] = "/tmp/ossnap-test-XXXXXX", path[512], buf[16], longer[400];
	struct sysroot r = {.root_fd = -7}, live;
	struct err e = {0};

	assert_non_null(mkdtemp(dir));
	assert_int_equal(sysroot_open(&r, dir, &e), -ENOENT);
	snprintf(path, sizeof(path), "%s/proc: No such file or directory", dir);
	assert_string_equal(e.text, path);
	assert_int_equal(r.root_fd, -7);

	/* A recording's proc does not lead out of it. */
	snprintf(path, sizeof(path), "%s/proc", dir);
	assert_int_equal(symlink("/proc", path), 0);
	assert_true(sysroot_open(&r, dir, &e) < 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);

	assert_int_equal(sysroot_open(&r, dir, &e), 0);
	assert_true(r.recorded);
	assert_int_equal(r.sys_fd, -1);
	put_file(dir, "proc/f", "0123456789abcde");
	assert_int_equal(read_file_at(r.proc_fd, "f", buf, sizeof(buf)), 15);
	assert_string_equal(buf, "0123456789abcde");
	put_file(dir, "proc/f", "0123456789abcdef");
	assert_int_equal(read_file_at(r.proc_fd, "f", buf, sizeof(buf)), -E2BIG);
	assert_string_equal(buf, "0123456789abcde");
	put_file(dir, "proc/f", "");
	assert_int_equal(read_file_at(r.proc_fd, "f", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
	assert_int_equal(read_file_at(r.proc_fd, "f", buf, 0), -EINVAL);
	assert_int_equal(read_file_at(r.proc_fd, "absent", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(read_file_at(r.root_fd, "proc", buf, sizeof(buf)), -EISDIR);
	/* A FIFO that nobody writes to answers at once. */
	snprintf(path, sizeof(path), "%s/proc/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(read_file_at(r.proc_fd, "fifo", buf, sizeof(buf)), 0);
	sysroot_close(&r);
	assert_int_equal(r.proc_fd, -1);
	sysroot_close(&r);

	assert_int_equal(sysroot_open(&live, NULL, &e), 0);
	assert_false(live.recorded);
	assert_string_equal(live.path, "/");
	assert_true(read_file_at(live.proc_fd, "self/statm", longer, sizeof(longer)) > 0);
	sysroot_close(&live);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(sysroot_open(&live, longer, &e), -ENAMETOOLONG);

	snprintf(path, sizeof(path), "rm -rf %s", dir);
	assert_int_equal(system(path), 0);
}

static void test_keys(void **state)
{
	static const char text[] = "MemTotal:       16384 kB\nMem:x\nnr_free 7\nnr_free_cma 9\n"
				   "Big: 99999999999999999999\nLast:\t42";
	unsigned long long v = 1;

	assert_int_equal(find_key_u64(text, "MemTotal", &v), 0);
	assert_int_equal(v, 16384);
	assert_int_equal(find_key_u64(text, "nr_free", &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(find_key_u64(text, "nr_free_cma", &v), 0);
	assert_int_equal(v, 9);
	assert_int_equal(find_key_u64(text, "Last", &v), 0);
	assert_int_equal(v, 42);
	assert_int_equal(find_key_u64(text, "Mem", &v), -ENOENT);
	assert_int_equal(find_key_u64(text, "Total", &v), -ENOENT);
	assert_int_equal(find_key_u64(text, "Big", &v), -ENOENT);
	assert_int_equal(find_key_u64("", "x", &v), -ENOENT);
	assert_int_equal(v, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_stat_malformed),
		cmocka_unit_test(test_statm),
		cmocka_unit_test(test_mountinfo),
		cmocka_unit_test(test_mountinfo_malformed),
		cmocka_unit_test(test_cgroup),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_sysroot),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
