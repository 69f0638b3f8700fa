/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "procread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/proc.h"

static void read_stat(int proc_fd, pid_t pid, struct procread_answer *a)
{
	char path[48], text[1024];
	struct proc_stat st;
	ssize_t n;

	snprintf(path, sizeof(path), "%d/stat", (int)pid);
	n = read_file_at(proc_fd, path, text, sizeof(text));
	if (n < 0) {
		a->no = (int32_t)-n;
		return;
	}
	if (parse_proc_stat(text, (size_t)n, &st))
		return;
	a->ppid = st.ppid;
	snprintf(a->comm, sizeof(a->comm), "%.15s", st.comm);
}

static void read_cgroup(int proc_fd, pid_t pid, struct procread_answer *a)
{
	char path[48], text[8192], *pos = text, *line;

	snprintf(path, sizeof(path), "%d/cgroup", (int)pid);
	if (read_file_at(proc_fd, path, text, sizeof(text)) < 0)
		return;
	while ((line = next_line(&pos))) {
		struct cgroup_line c;

		if (parse_cgroup_line(line, &c))
			continue;
		/* "memory" may stand among others; the unified one has no names. */
		if (!c.controllers[0] ? !a->cgroup[0] : strstr(c.controllers, "memory") != NULL)
			snprintf(a->cgroup, sizeof(a->cgroup), "%s", c.path);
	}
}

/* "55d0c8a00000-55d0c8a02000 r-xp 00001000 fe:00 1234    /usr/bin/x" */
static bool is_executable(const char *line, size_t len)
{
	const char *space = memchr(line, ' ', len);

	return space && (size_t)(space - line) + 4 < len && space[3] == 'x';
}

static void take_lines(struct procread_answer *a, char *buf, size_t *len, bool end)
{
	size_t at = 0;

	for (;;) {
		char *newline = memchr(buf + at, '\n', *len - at);
		size_t line;

		if (!newline)
			break;
		line = (size_t)(newline - buf) + 1 - at;
		if (is_executable(buf + at, line)) {
			if (line > sizeof(a->text) - a->len) {
				a->cut = 1;
			} else {
				memcpy(a->text + a->len, buf + at, line);
				a->len += (uint32_t)line;
			}
		}
		at += line;
	}
	memmove(buf, buf + at, *len - at);
	*len -= at;
}

static void read_maps(int proc_fd, pid_t pid, struct procread_answer *a)
{
	char path[48], buf[16384];
	size_t len = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "%d/maps", (int)pid);
	_cleanup_fd_ int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		a->no = errno;
		return;
	}
	while ((n = read(fd, buf + len, sizeof(buf) - len)) > 0 || (n < 0 && errno == EINTR)) {
		len += n > 0 ? (size_t)n : 0;
		take_lines(a, buf, &len, false);
		if (len == sizeof(buf)) /* a line longer than any path */
			len = 0;
	}
	if (n < 0)
		a->no = errno;
}

static void serve(int proc_fd, void *shared)
{
	struct procread_answer *a = shared;
	pid_t pid = a->pid;

	memset(a, 0, offsetof(struct procread_answer, text));
	a->pid = pid;
	read_stat(proc_fd, pid, a);
	if (!a->no)
		read_cgroup(proc_fd, pid, a);
	if (!a->no)
		read_maps(proc_fd, pid, a);
}

int procread_create(struct helper **ret, const struct sysroot *root)
{
	return helper_create(ret, root, sizeof(struct procread_answer), serve);
}

int procread_ask(struct helper *h, pid_t pid, struct procread_answer **ret)
{
	struct procread_answer *a = helper_shared(h);
	int r;

	a->pid = pid;
	r = helper_ask(h);
	if (r < 0)
		return r;
	if (a->no)
		return a->no == ENOENT ? -ESRCH : -a->no;
	a->comm[sizeof(a->comm) - 1] = 0;
	a->cgroup[sizeof(a->cgroup) - 1] = 0;
	if (a->len > sizeof(a->text))
		return -EPROTO;
	*ret = a;
	return 0;
}
