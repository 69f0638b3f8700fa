/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "helper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../child/child_main.h"

#define PATIENCE_MS 250
#define STUCK_MAX 3 /* then this machine's processes are not asked any more */

struct helper {
	const struct sysroot *root;
	void (*serve)(int proc_fd, void *shared);
	void *shared;
	size_t bytes;
	pid_t pid; /* 0: none runs */
	int fd;
	unsigned stuck;
	uint32_t serial;
	pid_t left_behind;
};

static _Noreturn void life(const struct helper *h, int fd, int proc_fd, pid_t parent)
{
	int *keep[] = {&fd, &proc_fd};
	uint32_t serial;

	child_detach(parent, keep, ARRAY_SIZE(keep));
	while (recv(fd, &serial, sizeof(serial), 0) == sizeof(serial)) {
		h->serve(proc_fd, h->shared);
		if (send(fd, &serial, sizeof(serial), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

static int start(struct helper *h)
{
	pid_t self = getpid(), pid;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = fork();
	if (!pid)
		life(h, pair[1], h->root->proc_fd, self);
	close(pair[1]);
	if (pid < 0) {
		int no = errno;

		close(pair[0]);
		return -no;
	}
	h->pid = pid;
	h->fd = pair[0];
	return 0;
}

static void stop(struct helper *h)
{
	if (!h->pid)
		return;
	close(h->fd);
	kill(h->pid, SIGKILL);
	for (int i = 0; i < 50 && waitpid(h->pid, NULL, WNOHANG) == 0; i++) {
		usleep(1000);
		if (i == 49)
			h->left_behind = h->pid;
	}
	h->pid = 0;
}

int helper_create(struct helper **ret, const struct sysroot *root, size_t shared_bytes,
		  void (*serve)(int proc_fd, void *shared))
{
	struct helper *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->root = root;
	h->serve = serve;
	h->bytes = shared_bytes;
	h->shared =
		mmap(NULL, shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (h->shared == MAP_FAILED) {
		free(h);
		return -ENOMEM;
	}
	*ret = h;
	return 0;
}

void helper_destroy(struct helper *h)
{
	if (!h)
		return;
	stop(h);
	munmap(h->shared, h->bytes);
	free(h);
}

void *helper_shared(const struct helper *h)
{
	return h->shared;
}

pid_t helper_left_behind(struct helper *h)
{
	if (h->left_behind && waitpid(h->left_behind, NULL, WNOHANG) != 0)
		h->left_behind = 0;
	return h->left_behind;
}

int helper_ask(struct helper *h)
{
	struct pollfd pf;
	uint32_t answered;
	int r;

	if (h->stuck >= STUCK_MAX)
		return -ETIMEDOUT;
	if (!h->pid) {
		r = start(h);
		if (r < 0)
			return r;
	}
	pf = (struct pollfd){.fd = h->fd, .events = POLLIN};
	h->serial++;
	if (send(h->fd, &h->serial, sizeof(h->serial), MSG_NOSIGNAL) == sizeof(h->serial)) {
		do {
			r = poll(&pf, 1, PATIENCE_MS);
		} while (r < 0 && errno == EINTR);
		if (r > 0 && recv(h->fd, &answered, sizeof(answered), 0) == sizeof(answered) &&
		    answered == h->serial)
			return 0;
	}
	/* Stuck, or dead of it. */
	stop(h);
	h->stuck++;
	return -ETIMEDOUT;
}
