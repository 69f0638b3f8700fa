/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ask.h"
#include "../base/cleanup.h"
#include "../base/clock.h"
#include "../base/units.h"
#include "guest.h"
#include "child_main.h"

#define HURRY_NS (100 * NSEC_PER_MSEC) /* still given to the others when cancelled */
#define DIE_NS (200 * NSEC_PER_MSEC)

struct asked {
	pid_t pid;
	int fd;
	size_t got;
	char *buf;
};

static _Noreturn void answer(const struct question *q, const struct sysroot *root, int fd,
			     pid_t parent)
{
	struct sysroot r = *root;
	int *keep[] = {&fd, &r.root_fd, &r.proc_fd, &r.sys_fd};
	char *ret = calloc(1, q->size);

	child_detach(parent, keep, ARRAY_SIZE(keep));
	guest_enter();
	if (!ret)
		_exit(1);
	q->answer(q->ctx, &r, ret);
	for (size_t done = 0; done < q->size;) {
		ssize_t n = write(fd, ret + done, q->size - done);

		if (n < 0 && errno != EINTR)
			_exit(1);
		if (n > 0)
			done += (size_t)n;
	}
	_exit(0);
}

static void begin(struct question *q, struct asked *a, const struct sysroot *root)
{
	pid_t parent = getpid();
	int fds[2];

	*a = (struct asked){.fd = -1};
	a->buf = malloc(q->size);
	if (!a->buf || pipe2(fds, O_CLOEXEC)) {
		snprintf(q->problem, sizeof(q->problem), "%s", strerror(errno));
		return;
	}
	a->pid = fork();
	if (a->pid == 0)
		answer(q, root, fds[1], parent);
	if (a->pid < 0)
		snprintf(q->problem, sizeof(q->problem), "fork: %s", strerror(errno));
	close(fds[1]);
	if (a->pid < 0) {
		a->pid = 0;
		close(fds[0]);
		return;
	}
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	a->fd = fds[0];
}

/* Take what is there; closes fd at the end of the pipe. */
static void listen_to(struct question *q, struct asked *a)
{
	for (;;) {
		char extra;
		bool full = a->got == q->size;
		ssize_t n = full ? read(a->fd, &extra, 1)
				 : read(a->fd, a->buf + a->got, q->size - a->got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || full)
			break;
		a->got += (size_t)n;
	}
	close(a->fd);
	a->fd = -1;
}

static void finish(struct question *q, struct asked *a, bool timed_out, uint64_t waited_ns)
{
	int status = 0;
	char text[24];
	pid_t rc = 0;

	if (!a->pid)
		return;
	if (a->fd >= 0)
		listen_to(q, a);
	if (a->got == q->size) {
		memcpy(q->ret, a->buf, q->size);
		q->answered = true;
	}
	/* It has nothing more to say to us, and must not linger. */
	kill(a->pid, SIGKILL);
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + DIE_NS;
	while ((rc = waitpid(a->pid, &status, WNOHANG)) == 0 || (rc < 0 && errno == EINTR)) {
		const struct timespec ms = {.tv_nsec = 1000000};

		if (clock_ns(CLOCK_MONOTONIC) > until)
			break;
		nanosleep(&ms, NULL);
	}
	if (a->fd >= 0)
		close(a->fd);
	if (rc == 0)
		q->left_behind = a->pid;
	if (q->answered)
		return;
	if (timed_out)
		snprintf(q->problem, sizeof(q->problem), "no answer within %s%s",
			 format_duration(waited_ns, text),
			 rc == 0 ? "; its process does not die" : "");
	else if (rc > 0 && WIFSIGNALED(status))
		snprintf(q->problem, sizeof(q->problem), "killed by SIG%s",
			 sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?");
	else
		snprintf(q->problem, sizeof(q->problem), "ended without an answer");
}

size_t ask_all(struct question *q, size_t n, const struct sysroot *root, uint64_t limit_ns,
	       int cancel_fd)
{
	struct asked a[ASK_MAX];
	uint64_t start = clock_ns(CLOCK_MONOTONIC), end = start + limit_ns;
	size_t answered = 0;
	bool open;

	if (n > ASK_MAX)
		n = ASK_MAX;
	for (size_t i = 0; i < n; i++) {
		q[i].answered = false;
		q[i].left_behind = 0;
		q[i].problem[0] = 0;
		begin(&q[i], &a[i], root);
	}
	do {
		struct pollfd p[ASK_MAX + 1];
		uint64_t now = clock_ns(CLOCK_MONOTONIC);

		open = false;
		for (size_t i = 0; i < n; i++) {
			p[i] = (struct pollfd){.fd = a[i].fd, .events = POLLIN};
			open |= a[i].fd >= 0;
		}
		p[n] = (struct pollfd){.fd = cancel_fd, .events = POLLIN};
		if (!open || now >= end)
			break;
		int ms = (int)((end - now) / NSEC_PER_MSEC) + 1;
		if (poll(p, n + 1, ms) <= 0)
			continue;
		for (size_t i = 0; i < n; i++)
			if (a[i].fd >= 0 && p[i].revents)
				listen_to(&q[i], &a[i]);
		if (p[n].revents) {
			cancel_fd = -1;
			if (end > now + HURRY_NS)
				end = now + HURRY_NS;
		}
	} while (open);

	uint64_t waited = clock_ns(CLOCK_MONOTONIC) - start;
	for (size_t i = 0; i < n; i++) {
		finish(&q[i], &a[i], a[i].fd >= 0, waited);
		answered += q[i].answered;
		free(a[i].buf);
	}
	return answered;
}
