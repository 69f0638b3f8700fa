/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal on a full disk, with a reader that does not read, and beside another guard. */
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
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/base/clock.h"
#include "capture/fastoom/journal.h"

/* Each with a thread that never ends. */
static struct journal journals[4], other, *journal = journals;
static char dir[64], path[128];

static int setup(void **state)
{
	static unsigned next;

	journal = &journals[next++];
	snprintf(dir, sizeof(dir), "/tmp/fastoom-journal-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log/journal.jsonl", dir);
	return 0;
}

static int teardown(void **state)
{
	char log[128], cmd[160];

	snprintf(log, sizeof(log), "%s/log", dir);
	umount2(log, MNT_DETACH);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd); /* NOLINT(cert-env33-c) */
}

static size_t lines_with(const char *what)
{
	static char text[4 << 20];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	size_t count = 0;

	close(fd);
	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(strlen(text), n); /* what is preallocated does not show */
	for (char *at = text; (at = strstr(at, what)); at++)
		count++;
	return count;
}

static void test_plain(void **state)
{
	struct err e = {0};
	struct stat st;
	int fd;

	/* the last guard died in the middle of a line */
	snprintf(path, sizeof(path), "%s/log", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/log/journal.jsonl", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "{\"cut", 5), 5);
	close(fd);
	assert_int_equal(journal_open(journal, path, &e), 0);
	/* one file, one guard */
	assert_int_equal(journal_open(&other, path, &e), -EBUSY);
	assert_int_equal(journal_start(journal), 0);
	for (int i = 0; i < 100; i++) {
		assert_true(journal_put(journal, "{\"x\":1}", 7, i % 2));
		if (i % 20 == 0)
			journal_flush(journal, NSEC_PER_SEC);
	}
	assert_true(journal_flush(journal, 5 * NSEC_PER_SEC));
	assert_int_equal(lines_with("{\"cut\n{\"x\":1}\n"), 1);
	assert_int_equal(lines_with("{\"x\":1}\n"), 100);
	assert_true(journal->preallocated);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_blocks * 512 >= (long)JOURNAL_RESERVE);
}

static void fill(const char *where)
{
	static char block[65536];
	int fd = open(where, O_WRONLY | O_CREAT, 0600);

	for (size_t n = sizeof(block); n; n /= 2) {
		while (write(fd, block, n) == (ssize_t)n)
			;
	}
	close(fd);
}

/* Full before the guard starts would leave nothing; full after it leaves its reserve. */
static void test_full_disk(void **state)
{
	char record[1000], name[128];
	struct err e = {0};
	unsigned kills = 0;

	snprintf(name, sizeof(name), "%s/log", dir);
	mkdir(name, 0700);
	if (mount("tmpfs", name, "tmpfs", 0, "size=2m") < 0)
		skip();
	assert_int_equal(journal_open(journal, path, &e), 0);
	assert_true(journal->preallocated);
	assert_int_equal(journal_start(journal), 0);
	snprintf(name, sizeof(name), "%s/log/full", dir);
	fill(name);
	memset(record, 's', sizeof(record));
	/* more states than the reserve holds */
	for (int i = 0; i < 3000; i++) {
		journal_put(journal, record, sizeof(record), false);
		if (i % 10 == 0)
			assert_true(journal_flush(journal, 5 * NSEC_PER_SEC));
	}
	assert_true(atomic_load(&journal->lost_states) > 0);
	memset(record, 'K', sizeof(record));
	for (int i = 0; i < 100; i++) {
		kills += journal_put(journal, record, sizeof(record), true);
		assert_true(journal_flush(journal, 5 * NSEC_PER_SEC));
	}
	assert_int_equal(kills, 100);
	assert_int_equal(lines_with("KKs"), 0);
	assert_int_equal(lines_with("K\n"), 100);
	assert_int_equal(atomic_load(&journal->lost_important), 0);
	/* nothing left at all: the writer waits, the guard does not */
	for (int i = 0; i < 3000 && !atomic_load(&journal->error); i++) {
		journal_put(journal, record, sizeof(record), true);
		journal_flush(journal, 100 * NSEC_PER_MSEC);
	}
	for (int i = 0; i < 100; i++) {
		uint64_t start = clock_ns(CLOCK_MONOTONIC);

		journal_put(journal, record, sizeof(record), true);
		assert_true(clock_ns(CLOCK_MONOTONIC) - start < NSEC_PER_SEC);
	}
	assert_false(journal_flush(journal, 100 * NSEC_PER_MSEC));
	assert_int_equal(atomic_load(&journal->error), ENOSPC);
	assert_true(atomic_load(&journal->lost_important) > 0);
	/* and goes on when there is room */
	assert_int_equal(unlink(name), 0);
	assert_true(journal_flush(journal, 5 * NSEC_PER_SEC));
	assert_int_equal(atomic_load(&journal->error), 0);
}

/* A pipe that nobody reads: its writer hangs for ever, as on a dead disk. */
static void test_stalled(void **state)
{
	static char record[2000];
	struct err e = {0};
	unsigned states = 0, lost = 0, kills = 0;

	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(journal_open(journal, path, &e), 0);
	assert_int_equal(journal_start(journal), 0);
	memset(record, 's', sizeof(record));
	/* until the pipe is full, and the writer hangs in it */
	while (journal_flush(journal, 200 * NSEC_PER_MSEC) && states < 500)
		states += journal_put(journal, record, sizeof(record), false);
	assert_true(states < 500);
	for (int i = 0; i < 100; i++)
		lost += !journal_put(journal, record, sizeof(record), false);
	/* states did not take the room of kills */
	for (int i = 0; i < 10; i++)
		kills += journal_put(journal, record, sizeof(record), true);
	assert_int_equal(kills, 10);
	assert_true(lost > 0);
	assert_int_equal(atomic_load(&journal->lost_states), lost);
}

static void test_refused(void **state)
{
	struct err e = {0};

	assert_true(journal_open(journal, "/proc/none/journal", &e) < 0);
	assert_true(e.text[0]);
	assert_true(journal_open(journal, dir, &e) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_plain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stalled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
