/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole files, verbatim, and the child's view of the window. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "emit.h"
#include "emit_private.h"

#define SCRATCH_FIRST (16u << 10)
#define ENTRY_OVERHEAD 320u		  /* "@NAMELEN DATALEN ERRNO\n", newlines, some name */
#define STOP_MARGIN (500 * NSEC_PER_MSEC) /* left before the deadline to hand over */

static ssize_t read_some(int fd, void *buf, size_t len)
{
	ssize_t n;

	do
		n = read(fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* procfs and sysfs only: O_NONBLOCK so that a FIFO in a recorded tree does not hold us up. */
static int open_input(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

static void note_missing(struct emit *out, const char *path)
{
	size_t used = strlen(out->missing), len = strlen(path);

	out->missing_count++;
	if (used + len + 3 > sizeof(out->missing)) {
		out->missing_unnamed++;
		return;
	}
	snprintf(out->missing + used, sizeof(out->missing) - used, "%s%s", used ? ", " : "", path);
}

int emit_file(struct emit *out, const char *member, int dirfd, const char *path, size_t cap)
{
	_cleanup_fd_ int fd = open_input(dirfd, path);
	char chunk[16 << 10];
	bool truncated = false;
	size_t total = 0;
	int error = 0;

	if (fd == -ENOENT) {
		note_missing(out, path);
		return 0;
	}
	if (fd < 0)
		return fd;
	/* Some files refuse at the first read; they leave no empty member behind. */
	ssize_t n = read_some(fd, chunk, sizeof(chunk));
	if (n < 0)
		return (int)n;
	int rc = member_open(out, member, NULL);
	if (rc)
		return rc;
	while (n > 0) {
		size_t take = (size_t)n;
		const char *newline;

		if (take > cap - total) {
			take = cap - total;
			truncated = true;
		}
		newline = memrchr(chunk, '\n', take);
		if (newline) {
			size_t upto = (size_t)(newline - chunk) + 1;

			member_put(out, chunk, upto);
			member_break(out);
			member_put(out, chunk + upto, take - upto);
		} else {
			member_put(out, chunk, take);
		}
		total += take;
		if (truncated || out->error)
			break;
		n = read_some(fd, chunk, sizeof(chunk));
		if (n < 0) {
			error = (int)n;
			truncated = true;
		}
	}
	rc = member_close(out, truncated);
	return rc ? rc : error;
}

/* ------------------------------------------------------------------ packs */

int pack_data(struct emit *out, const char *entry, const void *data, size_t len, int no)
{
	char line[64];
	size_t name_len = strlen(entry);

	/* An entry larger than a part could not be read back on its own: it is cut, and says so. */
	if (name_len > BUNDLE_PART_SIZE / 2)
		return -ENAMETOOLONG;
	if (len > BUNDLE_PART_SIZE - ENTRY_OVERHEAD - name_len) {
		len = BUNDLE_PART_SIZE - ENTRY_OVERHEAD - name_len;
		no = no ? no : EFBIG;
		emit_loss(out, "pack entries cut", 1);
	}
	if (no < 0)
		no = -no;
	int n = snprintf(line, sizeof(line), "@%zu %zu %d\n", name_len, len, no);
	member_put(out, line, (size_t)n);
	member_put(out, entry, name_len);
	member_put(out, "\n", 1);
	member_put(out, data, len);
	member_put(out, "\n", 1);
	return member_break(out);
}

static int scratch_grow(struct emit *out)
{
	size_t cap = out->scratch_cap ? out->scratch_cap * 2 : SCRATCH_FIRST;
	char *p = realloc(out->scratch, cap);

	if (!p)
		return -ENOMEM;
	out->scratch = p;
	out->scratch_cap = cap;
	return 0;
}

int pack_file(struct emit *out, const char *entry, int dirfd, const char *path, size_t cap)
{
	_cleanup_fd_ int fd = open_input(dirfd, path);
	size_t len = 0;
	int no = 0;

	if (fd < 0)
		return pack_data(out, entry, "", 0, fd);
	if (cap > BUNDLE_PART_SIZE)
		cap = BUNDLE_PART_SIZE;
	for (;;) {
		if (len == out->scratch_cap && scratch_grow(out)) {
			no = ENOMEM;
			break;
		}
		ssize_t n = read_some(fd, out->scratch + len, out->scratch_cap - len);
		if (n < 0) {
			no = (int)-n;
			break;
		}
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > cap) {
			len = cap;
			no = EFBIG;
			break;
		}
	}
	return pack_data(out, entry, out->scratch ? out->scratch : "", len, no);
}

/* ------------------------------------------------------------------ the window */

void member_time(const struct collect *c, char out[16])
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	uint64_t ms = now > c->window_start_ns ? (now - c->window_start_ns) / NSEC_PER_MSEC : 0;

	snprintf(out, 16, "%09u", (unsigned)(ms > 999999999 ? 999999999 : ms));
}

bool collect_stopping(const struct collect *c)
{
	struct pollfd p = {.fd = c->stop_fd, .events = POLLIN};

	if (clock_ns(CLOCK_MONOTONIC) + STOP_MARGIN >= c->deadline_ns)
		return true;
	return c->stop_fd >= 0 && poll(&p, 1, 0) > 0;
}

void collect_wait(const struct collect *c)
{
	for (;;) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		struct pollfd p = {.fd = c->stop_fd, .events = POLLIN};

		if (now >= c->window_end_ns)
			return;
		uint64_t ms = (c->window_end_ns - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
		if (poll(&p, 1, ms > 60000 ? 60000 : (int)ms) > 0)
			return;
	}
}
