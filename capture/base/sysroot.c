/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sysroot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

int sysroot_open(struct sysroot *ret, const char *dir, struct err *e)
{
	const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
	struct sysroot r = {.root_fd = -1, .proc_fd = -1, .sys_fd = -1};
	_cleanup_fd_ int live = -1;

	if (!dir)
		dir = "/";
	if (strlen(dir) >= sizeof(r.path))
		return err_errno(e, ENAMETOOLONG, dir);
	snprintf(r.path, sizeof(r.path), "%s", dir);
	r.root_fd = open(dir, flags);
	if (r.root_fd < 0)
		return err_errno(e, errno, dir);
	/* A recording may come from anywhere: its proc and sys are not followed elsewhere. */
	r.proc_fd = openat(r.root_fd, "proc", flags | O_NOFOLLOW);
	if (r.proc_fd < 0) {
		int no = errno;

		sysroot_close(&r);
		return err_set(e, no, "%s%sproc: %s", dir,
			       *dir && dir[strlen(dir) - 1] == '/' ? "" : "/", strerrordesc_np(no));
	}
	r.sys_fd = openat(r.root_fd, "sys", flags | O_NOFOLLOW);
	live = open("/", flags);
	r.recorded = live >= 0 && !same_file(r.root_fd, live);
	*ret = r;
	return 0;
}

void sysroot_close(struct sysroot *r)
{
	cleanup_fd(&r->root_fd);
	cleanup_fd(&r->proc_fd);
	cleanup_fd(&r->sys_fd);
	r->root_fd = r->proc_fd = r->sys_fd = -1;
}

static ssize_t read_some(int fd, char *buf, size_t len)
{
	ssize_t n;

	do {
		n = read(fd, buf, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t read_file_at(int dirfd, const char *path, char *buf, size_t cap)
{
	_cleanup_fd_ int fd = -1;
	size_t len = 0;
	ssize_t n;
	char more;

	if (cap == 0)
		return -EINVAL;
	buf[0] = '\0';
	/* O_NONBLOCK: a FIFO in a recorded tree must not hold us. */
	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	while (len < cap - 1) {
		n = read_some(fd, buf + len, cap - 1 - len);
		if (n <= 0) {
			buf[len] = '\0';
			return n < 0 ? n : (ssize_t)len;
		}
		len += (size_t)n;
	}
	buf[len] = '\0';
	n = read_some(fd, &more, 1);
	if (n < 0)
		return n;
	return n > 0 ? -E2BIG : (ssize_t)len;
}

/* Digits after blanks; *ret untouched unless there is a number that fits. */
static int number_after(const char *s, unsigned long long *ret)
{
	unsigned long long v = 0;

	while (*s == ' ' || *s == '\t')
		s++;
	if (*s < '0' || *s > '9')
		return -ENOENT;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (unsigned long long)(*s - '0'), &v))
			return -ENOENT;
	}
	*ret = v;
	return 0;
}

int find_key_u64(const char *text, const char *key, unsigned long long *ret)
{
	size_t len = strlen(key);

	for (const char *line = text; line && *line;) {
		if (strncmp(line, key, len) == 0 && (line[len] == ':' || line[len] == ' '))
			return number_after(line + len + 1, ret);
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return -ENOENT;
}
