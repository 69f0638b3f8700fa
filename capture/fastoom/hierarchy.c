/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/proc.h"
#include "scope.h"

static bool has_option(const char *options, const char *name)
{
	size_t n = strlen(name);

	while (options && *options) {
		size_t len = strcspn(options, ",");

		if (len == n && strncmp(options, name, n) == 0)
			return true;
		options += len + (options[len] == ',');
	}
	return false;
}

/* In a hybrid the memory controller may be on either side: v1 shows itself by the mount's option,
 * v2 by the name in cgroup.controllers. */
static bool v2_has_memory(int fd)
{
	char text[512], *at;

	if (read_file_at(fd, "cgroup.controllers", text, sizeof(text)) < 0)
		return false;
	at = strstr(text, "memory");
	return at && (at == text || at[-1] == ' ') && strchr(" \n", at[6]);
}

static int open_mount(const struct sysroot *root, const char *mountpoint)
{
	return openat(root->root_fd, mountpoint[1] ? mountpoint + 1 : ".",
		      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* mountinfo may be long (one line per overlay): read it in pieces. */
struct lines {
	int fd;
	size_t len;
	char buf[8192];
};

static char *next(struct lines *l, size_t *used)
{
	for (;;) {
		char *newline;
		ssize_t n;

		if (*used) {
			memmove(l->buf, l->buf + *used, l->len - *used);
			l->len -= *used;
			*used = 0;
		}
		newline = memchr(l->buf, '\n', l->len);
		if (newline) {
			*newline = '\0';
			*used = (size_t)(newline - l->buf) + 1;
			return l->buf;
		}
		if (l->len == sizeof(l->buf)) /* no cgroup mount has such a line */
			l->len = 0;
		n = read(l->fd, l->buf + l->len, sizeof(l->buf) - l->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return NULL;
		l->len += (size_t)n;
	}
}

int hierarchy_open(struct hierarchy *h, const struct sysroot *root, struct err *e)
{
	_cleanup_fd_ int fd = openat(root->proc_fd, "self/mountinfo", O_RDONLY | O_CLOEXEC);
	struct hierarchy found = {.fd = -1};
	struct lines l = {.fd = fd};
	size_t used = 0;
	char *line;

	if (fd < 0)
		return err_errno(e, errno, "/proc/self/mountinfo");
	while ((line = next(&l, &used))) {
		struct mountinfo m;
		bool v1, v2;
		int dir;

		if (parse_mountinfo_line(line, &m) < 0 ||
		    strlen(m.mountpoint) >= sizeof(found.mount) ||
		    strlen(m.root) >= sizeof(found.root))
			continue;
		v1 = strcmp(m.fstype, "cgroup") == 0 && has_option(m.super_options, "memory");
		v2 = strcmp(m.fstype, "cgroup2") == 0;
		if ((!v1 && !v2) || (found.fd >= 0 && !found.v2))
			continue;
		dir = open_mount(root, m.mountpoint);
		if (dir < 0 || (v2 && (found.fd >= 0 || !v2_has_memory(dir)))) {
			if (dir >= 0)
				close(dir);
			continue;
		}
		hierarchy_close(&found);
		found = (struct hierarchy){.fd = dir, .v2 = v2};
		snprintf(found.mount, sizeof(found.mount), "%s", m.mountpoint);
		snprintf(found.root, sizeof(found.root), "%s", m.root);
	}
	if (found.fd < 0)
		return err_set(e, ENOENT,
			       "cgroups: no hierarchy with the memory controller is mounted");
	*h = found;
	return 0;
}

void hierarchy_close(struct hierarchy *h)
{
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
}

void scope_path(const struct hierarchy *h, const char *where, char out[256])
{
	size_t n = strlen(h->mount);

	/* The path in the file system is as good as the path in the hierarchy. */
	if (n > 1 && strncmp(where, h->mount, n) == 0 && (where[n] == '/' || where[n] == '\0'))
		where += n;
	while (*where == '/')
		where++;
	snprintf(out, 256, "/%s", where);
}
