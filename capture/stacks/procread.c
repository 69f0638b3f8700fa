/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "procread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/proc.h"
#include "../child/child_main.h"

#define PATIENCE_MS 250
#define STUCK_MAX 3 /* then this machine's processes are not asked any more */

struct procread {
	const struct sysroot *root;
	struct procread_answer *shared;
	pid_t pid; /* 0: no helper */
	int fd;
	unsigned stuck;
	pid_t left_behind;
};

/* ------------------------------------------------------------------ the helper */

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

static _Noreturn void helper(int fd, int proc_fd, struct procread_answer *a, pid_t parent)
{
	int *keep[] = {&fd, &proc_fd};
	int32_t pid;

	child_detach(parent, keep, ARRAY_SIZE(keep));
	while (recv(fd, &pid, sizeof(pid), 0) == sizeof(pid)) {
		memset(a, 0, offsetof(struct procread_answer, text));
		read_stat(proc_fd, pid, a);
		if (!a->no)
			read_cgroup(proc_fd, pid, a);
		if (!a->no)
			read_maps(proc_fd, pid, a);
		if (send(fd, &pid, sizeof(pid), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

/* ------------------------------------------------------------------ the caller's side */

static int start(struct procread *p)
{
	pid_t self = getpid(), pid;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = fork();
	if (!pid)
		helper(pair[1], p->root->proc_fd, p->shared, self);
	close(pair[1]);
	if (pid < 0) {
		int no = errno;

		close(pair[0]);
		return -no;
	}
	p->pid = pid;
	p->fd = pair[0];
	return 0;
}

static void stop(struct procread *p)
{
	if (!p->pid)
		return;
	close(p->fd);
	kill(p->pid, SIGKILL);
	for (int i = 0; i < 50 && waitpid(p->pid, NULL, WNOHANG) == 0; i++) {
		usleep(1000);
		if (i == 49)
			p->left_behind = p->pid;
	}
	p->pid = 0;
}

int procread_create(struct procread **ret, const struct sysroot *root)
{
	struct procread *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->root = root;
	p->shared = mmap(NULL, sizeof(*p->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->shared == MAP_FAILED) {
		free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

void procread_destroy(struct procread *p)
{
	if (!p)
		return;
	stop(p);
	munmap(p->shared, sizeof(*p->shared));
	free(p);
}

pid_t procread_left_behind(const struct procread *p)
{
	return p->left_behind;
}

int procread_ask(struct procread *p, pid_t pid, struct procread_answer **ret)
{
	int32_t asked = pid, answered = 0;
	struct pollfd pf;
	int r;

	if (p->stuck >= STUCK_MAX)
		return -ETIMEDOUT;
	if (!p->pid) {
		r = start(p);
		if (r < 0)
			return r;
	}
	pf = (struct pollfd){.fd = p->fd, .events = POLLIN};
	if (send(p->fd, &asked, sizeof(asked), MSG_NOSIGNAL) == sizeof(asked)) {
		do {
			r = poll(&pf, 1, PATIENCE_MS);
		} while (r < 0 && errno == EINTR);
		if (r > 0 && recv(p->fd, &answered, sizeof(answered), 0) == sizeof(answered) &&
		    answered == asked) {
			if (p->shared->no == ENOENT)
				return -ESRCH;
			if (p->shared->no)
				return -p->shared->no;
			p->shared->comm[sizeof(p->shared->comm) - 1] = 0;
			p->shared->cgroup[sizeof(p->shared->cgroup) - 1] = 0;
			if (p->shared->len > sizeof(p->shared->text))
				return -EPROTO;
			*ret = p->shared;
			return 0;
		}
	}
	/* Stuck, or dead of it. */
	stop(p);
	p->stuck++;
	return -ETIMEDOUT;
}
