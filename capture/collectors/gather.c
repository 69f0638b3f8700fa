/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gather.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"

#define LINES_PIECE (16u << 10)
#define AFTER_STOP_NS (700 * NSEC_PER_MSEC) /* a second later the parent kills */

/* Before Linux 5.6: component by component, and no symlink at all. */
static int open_stepwise(int dirfd, const char *path, int flags)
{
	_cleanup_fd_ int at = -1;
	int parent = dirfd;

	for (;;) {
		char name[256];
		const char *slash = strchr(path, '/');
		size_t len = slash ? (size_t)(slash - path) : strlen(path);

		if (len >= sizeof(name))
			return -ENAMETOOLONG;
		memcpy(name, path, len);
		name[len] = 0;
		if (!strcmp(name, ".."))
			return -EXDEV;
		if (!slash) {
			int fd = openat(parent, len ? name : ".", flags | O_NOFOLLOW);

			return fd < 0 ? -errno : fd;
		}
		if (len) {
			int fd =
				openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (fd < 0)
				return -errno;
			if (at >= 0)
				close(at);
			at = parent = fd;
		}
		path = slash + 1;
	}
}

static int open_inside(int dirfd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)flags,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	for (int tries = 0; tries < 16; tries++) {
		int fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

		if (fd >= 0)
			return fd;
		if (errno == ENOSYS ||
		    errno == EPERM) /* EPERM: a seccomp filter that does not know it */
			return open_stepwise(dirfd, path, flags);
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

int gather_openat(const struct sysroot *r, int dirfd, const char *path, int flags)
{
	struct stat st;
	int fd;

	flags |= O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	if (dirfd < 0)
		return -ENOENT;
	if (r->recorded) {
		fd = open_inside(dirfd, path, flags);
	} else {
		fd = openat(dirfd, path, flags);
		if (fd < 0)
			fd = -errno;
	}
	if (fd < 0 || flags & (O_DIRECTORY | O_PATH))
		return fd;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

int gather_open(const struct sysroot *r, const char *path, int flags)
{
	if (!strncmp(path, "proc/", 5))
		return gather_openat(r, r->proc_fd, path + 5, flags);
	if (!strncmp(path, "sys/", 4))
		return gather_openat(r, r->sys_fd, path + 4, flags);
	return gather_openat(r, r->root_fd, path, flags);
}

ssize_t gather_read_fd(int fd, char *buf, size_t cap, bool *ret_cut)
{
	size_t len = 0;
	char more;

	while (len < cap - 1) {
		ssize_t n = read(fd, buf + len, cap - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	buf[len] = 0;
	if (ret_cut)
		*ret_cut = len == cap - 1 && read(fd, &more, 1) > 0;
	return (ssize_t)len;
}

ssize_t gather_read(const struct sysroot *r, const char *path, char *buf, size_t cap, bool *ret_cut)
{
	_cleanup_fd_ int fd = gather_open(r, path, 0);

	return fd < 0 ? fd : gather_read_fd(fd, buf, cap, ret_cut);
}

/* EOPNOTSUPP: /proc/pressure with psi=0; ENODEV, ENXIO: a driver without its device. */
bool gather_absent(int no)
{
	return no == ENOENT || no == ENOTDIR || no == EOPNOTSUPP || no == ENODEV || no == ENXIO;
}

int gather_init(struct gather *g, const struct collect *c)
{
	*g = (struct gather){.c = c, .chunk = malloc(GATHER_CHUNK)};
	if (!g->chunk)
		return -ENOMEM;
	g->denied_names = SBUF(g->denied_text);
	g->broken_names = SBUF(g->broken_text);
	g->absent_names = SBUF(g->absent_text);
	return 0;
}

void gather_deinit(struct gather *g)
{
	free(g->chunk);
	g->chunk = NULL;
}

/* Whole names only; the count beside them says how many there are. */
static void add_name(struct sbuf *b, const char *name)
{
	if (b->len + strlen(name) + 9 > b->cap) {
		if (!b->truncated)
			sbuf_puts(b, ", …");
		b->truncated = true;
		return;
	}
	if (b->len)
		sbuf_puts(b, ", ");
	if (strchr(name, '/')) /* a path from the root */
		sbuf_putc(b, '/');
	sbuf_puts(b, name);
}

void gather_count(struct gather *g, const char *name, int no)
{
	if (gather_absent(no)) {
		g->absent++;
		add_name(&g->absent_names, name);
	} else if (no == EACCES || no == EPERM) {
		g->denied++;
		if (!g->denied_no)
			g->denied_no = no;
		add_name(&g->denied_names, name);
	} else {
		g->broken++;
		if (!g->broken_no)
			g->broken_no = no;
		add_name(&g->broken_names, name);
	}
}

static ssize_t read_chunk(int fd, char *buf, size_t len)
{
	for (;;) {
		ssize_t n = read(fd, buf, len);

		if (n >= 0)
			return n;
		if (errno != EINTR)
			return -errno;
	}
}

static size_t chunk_size(size_t left)
{
	return left < GATHER_CHUNK ? left : GATHER_CHUNK;
}

int gather_lines(struct emit *out, const char *data, size_t len)
{
	int r = 0;

	while (len && r >= 0) {
		size_t piece = len < LINES_PIECE ? len : LINES_PIECE;
		const char *newline = memrchr(data, '\n', piece);
		size_t upto = newline ? (size_t)(newline - data) + 1 : piece;

		r = member_put(out, data, upto);
		if (newline)
			r = member_break(out);
		data += upto;
		len -= upto;
	}
	return r;
}

int gather_member(struct gather *g, const char *member, const char *path, size_t cap)
{
	_cleanup_fd_ int fd = gather_open(g->c->root, path, 0);
	bool cut = false;
	size_t done = 0;
	ssize_t n;
	int r;

	/* The first read decides: many files of /proc open and then refuse to be read. */
	n = fd < 0 ? fd : read_chunk(fd, g->chunk, chunk_size(cap));
	if (n < 0) {
		gather_count(g, path, (int)-n);
		return 0;
	}
	r = member_open(g->c->out, member, NULL);
	while (r >= 0 && n > 0) {
		r = gather_lines(g->c->out, g->chunk, (size_t)n);
		done += (size_t)n;
		if (r < 0)
			break;
		if (done == cap) {
			cut = read_chunk(fd, g->chunk, 1) > 0;
			if (cut)
				gather_count(g, path, EFBIG);
			break;
		}
		n = read_chunk(fd, g->chunk, chunk_size(cap - done));
		if (n < 0) {
			gather_count(g, path, (int)-n);
			cut = true;
		}
	}
	if (r >= 0)
		r = member_close(g->c->out, cut);
	g->delivered++;
	return r < 0 ? r : 0;
}

int gather_entry(struct gather *g, const char *entry, const char *path, size_t cap)
{
	bool cut = false;
	ssize_t n;

	if (cap >= GATHER_CHUNK)
		cap = GATHER_CHUNK - 1;
	n = gather_read(g->c->root, path, g->chunk, cap + 1, &cut);
	if (n < 0) {
		gather_count(g, path, (int)-n);
		return gather_absent((int)-n) ? 0 : pack_data(g->c->out, entry, "", 0, (int)-n);
	}
	g->delivered++;
	return pack_data(g->c->out, entry, g->chunk, (size_t)n, cut ? EFBIG : 0);
}

void gather_report(struct gather *g, const char *needs)
{
	if (g->absent)
		emit_note(g->c->out, "not on this machine: %s", g->absent_text);
	if (g->denied) {
		emit_status(g->c->out, g->delivered ? COLLECTOR_PARTIAL : COLLECTOR_DENIED,
			    g->denied_no, "%s: %s (needs %s)", g->denied_text,
			    strerror(g->denied_no), needs);
		if (g->broken)
			emit_note(g->c->out, "%s: %s", g->broken_text, strerror(g->broken_no));
	} else if (g->broken) {
		emit_status(g->c->out, g->delivered ? COLLECTOR_PARTIAL : COLLECTOR_ERROR,
			    g->broken_no, "%s: %s", g->broken_text, strerror(g->broken_no));
	}
}

int gather_pack_open(const struct collect *c, const char *prefix)
{
	char member[128], ms[16];

	gather_next_time(c);
	member_time(c, ms);
	snprintf(member, sizeof(member), "%s.%s", prefix, ms);
	return member_open(c->out, member, NULL);
}

void gather_next_time(const struct collect *c)
{
	char before[16], now[16];

	member_time(c, before);
	for (int i = 0; i < 4; i++) {
		usleep(400);
		member_time(c, now);
		if (strcmp(before, now) != 0)
			return;
	}
}

void gather_clock_init(struct gather_clock *k, const struct collect *c)
{
	const uint64_t margin = 300 * NSEC_PER_MSEC;

	*k = (struct gather_clock){.c = c, .until_ns = UINT64_MAX};
	if (c->deadline_ns)
		k->until_ns = c->deadline_ns > margin ? c->deadline_ns - margin : 0;
}

bool gather_expired(struct gather_clock *k)
{
	struct pollfd p = {.fd = k->c->stop_fd, .events = POLLIN};
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (!k->stopped && k->c->stop_fd >= 0 && poll(&p, 1, 0) == 1) {
		k->stopped = true;
		if (k->until_ns > now + AFTER_STOP_NS)
			k->until_ns = now + AFTER_STOP_NS;
	}
	return now >= k->until_ns;
}
