/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/clock.h"
#include "reader.h"
#include "sys.h"

#define HEADER 4 /* length and importance before each record in the ring */

static void reserve(struct journal *j)
{
	if (!j->regular || j->end + JOURNAL_KEEP < j->reserved)
		return;
	if (fallocate(j->fd, FALLOC_FL_KEEP_SIZE, (off_t)j->end, JOURNAL_RESERVE) == 0) {
		j->reserved = j->end + JOURNAL_RESERVE;
		j->preallocated = true;
	}
}

static int make_directory(const char *path, struct err *e)
{
	char dir[256];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	if (mkdir(dir, 0750) < 0 && errno != EEXIST)
		return err_errno(e, errno, dir);
	return 0;
}

/* A guard that died in the middle of a line: the next one begins on its own. */
static void end_last_line(struct journal *j)
{
	char last;

	if (j->end && pread(j->fd, &last, 1, (off_t)j->end - 1) == 1 && last != '\n' &&
	    pwrite(j->fd, "\n", 1, (off_t)j->end) == 1)
		j->end++;
}

static int open_file(struct journal *j, const char *path, struct err *e)
{
	struct stat st;
	bool fifo = stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
	int r = make_directory(path, e);

	if (r < 0)
		return r;
	/* Opened for reading too, a pipe needs nobody at its other end yet. */
	j->fd = open(path, (fifo ? 0 : O_CREAT) | O_RDWR | O_CLOEXEC | O_NOCTTY, 0640);
	if (j->fd < 0)
		return err_errno(e, errno, path);
	return 0;
}

int journal_open(struct journal *j, const char *path, struct err *e)
{
	struct stat st;
	int r;

	memset(j, 0, sizeof(*j));
	j->fd = STDOUT_FILENO;
	snprintf(j->path, sizeof(j->path), "%s", path);
	if (strcmp(path, "-") == 0)
		return 0;
	r = open_file(j, path, e);
	if (r < 0)
		return r;
	if (fstat(j->fd, &st) == 0 && S_ISREG(st.st_mode)) {
		if (flock(j->fd, LOCK_EX | LOCK_NB) < 0) {
			close(j->fd);
			return err_set(e, EBUSY, "%s: another fastoom writes this journal", path);
		}
		j->regular = true;
		j->end = (uint64_t)st.st_size;
		end_last_line(j);
		reserve(j);
	}
	return 0;
}

static void ring_copy_in(struct journal *j, uint32_t at, const void *data, size_t len)
{
	size_t start = at % JOURNAL_RING, first = JOURNAL_RING - start;

	if (first > len)
		first = len;
	memcpy(j->ring + start, data, first);
	memcpy(j->ring, (const char *)data + first, len - first);
}

static void ring_copy_out(const struct journal *j, uint32_t at, void *data, size_t len)
{
	size_t start = at % JOURNAL_RING, first = JOURNAL_RING - start;

	if (first > len)
		first = len;
	memcpy(data, j->ring + start, first);
	memcpy((char *)data + first, j->ring, len - first);
}

bool journal_put(struct journal *j, const char *line, size_t len, bool important)
{
	uint32_t head = atomic_load(&j->head), used = head - atomic_load(&j->tail);
	uint16_t header[2] = {(uint16_t)(len + 1), important};
	uint32_t need = (uint32_t)len + 1 + HEADER;

	/* States may fill half of it; kills have the rest for themselves. */
	if (len + 1 > JOURNAL_RECORD ||
	    used + need > (important ? JOURNAL_RING : JOURNAL_RING / 2)) {
		atomic_fetch_add(important ? &j->lost_important : &j->lost_states, 1);
		return false;
	}
	ring_copy_in(j, head, header, HEADER);
	ring_copy_in(j, head + HEADER, line, len);
	ring_copy_in(j, head + HEADER + (uint32_t)len, "\n", 1);
	atomic_store(&j->head, head + need);
	atomic_fetch_add(&j->work, 1);
	sys_wake(&j->work);
	return true;
}

/* When the file is too long, it is emptied into FILE.1. */
static void rotate(struct journal *j)
{
	char old[260];
	int fd;

	if (!j->regular || j->end < JOURNAL_FILE_MAX)
		return;
	snprintf(old, sizeof(old), "%s.1", j->path);
	if (rename(j->path, old) < 0)
		return;
	fd = open(j->path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0640);
	if (fd < 0)
		return;
	flock(fd, LOCK_EX | LOCK_NB);
	close(j->fd);
	j->fd = fd;
	j->end = j->reserved = 0;
	j->preallocated = false;
}

static int write_some(struct journal *j, const char *data, size_t len)
{
	ssize_t n = j->regular ? pwrite(j->fd, data, len, (off_t)j->end) : write(j->fd, data, len);

	if (n < 0)
		return -errno;
	j->end += (uint64_t)n;
	return (int)n;
}

static void write_record(struct journal *j, size_t len, bool important)
{
	const struct timespec retry = {.tv_nsec = 500 * NSEC_PER_MSEC};
	size_t done = 0;

	rotate(j);
	reserve(j);
	if (!important && j->preallocated && j->end + len + JOURNAL_KEEP > j->reserved) {
		atomic_fetch_add(&j->lost_states, 1);
		return;
	}
	while (done < len) {
		int n = write_some(j, j->line + done, len - done);

		if (n == -EINTR)
			continue;
		if (n >= 0) {
			done += (size_t)n;
			atomic_store(&j->error, 0);
			continue;
		}
		atomic_store(&j->error, -n);
		if (!important && done == 0) {
			atomic_fetch_add(&j->lost_states, 1);
			return;
		}
		/* Somebody may make room. */
		nanosleep(&retry, NULL);
	}
	if (important && j->regular)
		fdatasync(j->fd);
}

static void *run(void *ctx)
{
	struct journal *j = ctx;
	struct sched_param other = {0};
	uint64_t chore_at = clock_ns(CLOCK_MONOTONIC);
	uint32_t chores = 0;

	/* The guard may be a real-time task; who waits for a disk need not be. */
	sched_setscheduler(0, SCHED_OTHER, &other);
	for (;;) {
		uint32_t work = atomic_load(&j->work);
		uint32_t tail = atomic_load(&j->tail), head = atomic_load(&j->head);
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		uint32_t asked = atomic_load(&j->chore_asked);
		uint16_t header[2];

		if (head != tail) {
			ring_copy_out(j, tail, header, HEADER);
			ring_copy_out(j, tail + HEADER, j->line, header[0]);
			write_record(j, header[0], header[1]);
			atomic_store(&j->tail, tail + HEADER + header[0]);
			sys_wake(&j->tail);
		} else if (j->chore &&
			   (asked != chores || (j->chore_every_ns && now >= chore_at))) {
			chores = asked;
			chore_at = now + j->chore_every_ns;
			j->chore(j->chore_ctx);
		} else {
			uint64_t ns = 3600 * NSEC_PER_SEC;

			if (j->chore_every_ns)
				ns = chore_at - now;
			sys_wait(&j->work, work, ns);
		}
	}
	return NULL;
}

int journal_start(struct journal *j)
{
	int r = small_thread(&j->thread, run, j);

	j->started = r == 0;
	return r;
}

void journal_ask_chore(struct journal *j)
{
	atomic_fetch_add(&j->chore_asked, 1);
	atomic_fetch_add(&j->work, 1);
	sys_wake(&j->work);
}

bool journal_flush(struct journal *j, uint64_t limit_ns)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + limit_ns;

	while (j->started && atomic_load(&j->tail) != atomic_load(&j->head)) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);

		if (now >= end)
			return false;
		sys_wait(&j->tail, atomic_load(&j->tail), 10 * NSEC_PER_MSEC);
	}
	return true;
}
