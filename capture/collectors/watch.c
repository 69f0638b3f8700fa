/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/clock.h"

/* What the helper writes before each result. */
struct result {
	uint32_t len;
	int32_t no;
	uint32_t mark;
};

struct helper {
	pid_t pid;
	int fd; /* to read from */
};

static bool kept(const struct watch *w, int fd, int pipe_fd)
{
	for (size_t i = 0; i < w->keep_count; i++)
		if (w->keep[i] == fd)
			return true;
	return fd == pipe_fd;
}

/*
 * A stuck helper holds what it has open for as long as it lives: the collector's pipe must not be
 * among it, or the parent would wait for its end.
 */
static void close_others(const struct watch *w, int pipe_fd)
{
	int top = pipe_fd;
	struct rlimit limit;
	int end = 4096;

	for (size_t i = 0; i < w->keep_count; i++)
		if (w->keep[i] > top)
			top = w->keep[i];
	for (int fd = 3; fd <= top; fd++)
		if (!kept(w, fd, pipe_fd))
			close(fd);
#ifdef SYS_close_range
	if (!syscall(SYS_close_range, (unsigned)top + 1, ~0U, 0))
		return;
#endif
	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < 4096)
		end = (int)limit.rlim_cur;
	for (int fd = top + 1; fd < end; fd++)
		close(fd);
}

static bool write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static _Noreturn void helper_main(const struct watch *w, size_t from, int fd, pid_t parent,
				  char *buf)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGPIPE, SIG_DFL);
	close_others(w, fd);
	for (size_t i = from; i < w->count; i++) {
		char *data = buf + sizeof(struct result);
		struct result r = {0};
		ssize_t n = w->read(w->ctx, i, data, w->cap, &r.mark);

		r.no = n < 0 ? (int32_t)-n : 0;
		r.len = n < 0 ? 0 : (uint32_t)n;
		memcpy(buf, &r, sizeof(r));
		if (!write_all(fd, buf, sizeof(r) + r.len))
			_exit(1);
	}
	_exit(0);
}

static int helper_start(const struct watch *w, size_t from, char *buf, struct helper *ret)
{
	pid_t self = getpid(), pid;
	int p[2];

	if (pipe2(p, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid < 0) {
		int no = errno;

		close(p[0]);
		close(p[1]);
		return -no;
	}
	if (!pid)
		helper_main(w, from, p[1], self, buf);
	close(p[1]);
	*ret = (struct helper){.pid = pid, .fd = p[0]};
	return 0;
}

/* The pid when it cannot be killed: it is in the kernel and does not come back. */
static pid_t helper_stop(struct helper *h)
{
	pid_t pid = h->pid;

	close(h->fd);
	kill(pid, SIGKILL);
	for (int i = 0; i < 50; i++) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return 0;
		usleep(1000);
	}
	return pid;
}

/* len bytes before the time until.  0, -ETIMEDOUT, or -EPIPE when the helper is gone. */
static int take(int fd, void *data, size_t len, uint64_t until)
{
	char *p = data;

	while (len) {
		struct pollfd pf = {.fd = fd, .events = POLLIN};
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		uint64_t ms = now < until ? (until - now) / NSEC_PER_MSEC + 1 : 0;
		int got = poll(&pf, 1, ms > 3600000 ? 3600000 : (int)ms);
		ssize_t n;

		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0 && now >= until)
			return -ETIMEDOUT;
		if (got <= 0)
			continue;
		n = read(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int watch_each(const struct watch *w, struct watch_outcome *ret)
{
	char *buf = malloc(sizeof(struct result) + w->cap);
	struct watch_outcome out = {0};
	struct helper h = {.fd = -1};
	pid_t left;
	int r = 0;

	if (!buf)
		return -ENOMEM;
	while (r >= 0 && out.done < w->count && out.stuck < w->max_stuck) {
		uint64_t until;
		struct result res;

		if (h.fd < 0) {
			r = helper_start(w, out.done, buf, &h);
			if (r < 0)
				break;
		}
		until = clock_ns(CLOCK_MONOTONIC) + w->patience_ns;
		r = take(h.fd, &res, sizeof(res), until);
		if (!r && res.len > w->cap)
			r = -EPIPE;
		if (!r)
			r = take(h.fd, buf, res.len, until);
		if (!r) {
			r = w->sink(w->ctx, out.done, buf, res.len, res.no, res.mark);
			out.done += r >= 0;
			continue;
		}
		/* Stuck, or it died on this one: the next helper starts behind it. */
		left = helper_stop(&h);
		h.fd = -1;
		if (left)
			out.abandoned = left;
		out.stuck++;
		r = w->sink(w->ctx, out.done, "", 0, r == -EPIPE ? ECHILD : ETIMEDOUT, 0);
		out.done += r >= 0;
	}
	if (h.fd >= 0) {
		left = helper_stop(&h);
		if (left)
			out.abandoned = left;
	}
	free(buf);
	*ret = out;
	return r < 0 ? r : 0;
}
