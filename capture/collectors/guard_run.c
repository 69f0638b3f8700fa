/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"

#define START_NS (3 * NSEC_PER_SEC) /* a machine in trouble takes its time */
#define POLL_NS (5 * NSEC_PER_MSEC)

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* Since 6.3 a memory file may have to say that it wants to be executed; before, it may not. */
static int memory_file(const char *name, unsigned flags)
{
	int fd = (int)syscall(SYS_memfd_create, name, flags);

	if (fd < 0 && errno == EINVAL)
		fd = (int)syscall(SYS_memfd_create, name, flags & ~MFD_EXEC);
	return fd < 0 ? -errno : fd;
}

static int write_image(int fd)
{
	size_t len, done = 0;
	const char *image = guard_image(&len);

	while (done < len) {
		ssize_t n = write(fd, image + done, len - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* In the new process.  What the capture has made of us is undone by fastoom itself, as far as it
 * is let. */
static _Noreturn void become(int image, int journal, int errors, const char *config, pid_t parent)
{
	const struct rlimit file = {GUARD_JOURNAL_MAX, GUARD_JOURNAL_MAX};
	char path[32];
	char *argv[8] = {(char *)"fastoom", (char *)"--journal", path};
	char *none[] = {NULL};
	unsigned n = 3;
	int at;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(4);
	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_DFL);
	setrlimit(RLIMIT_FSIZE, &file);
	/* Without close-on-exec: it is opened again by its name there. */
	at = dup(journal);
	if (at < 0 || dup2(errors, STDERR_FILENO) < 0)
		_exit(4);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", at);
	if (config) {
		argv[n++] = (char *)"--config";
		argv[n++] = (char *)config;
	}
	syscall(SYS_execveat, image, "", argv, none, AT_EMPTY_PATH);
	dprintf(STDERR_FILENO, "execution from memory: %s\n", strerror(errno));
	_exit(4);
}

static void listen_to(struct guard_run *g)
{
	for (;;) {
		size_t room = sizeof(g->said) - 1 - g->said_len;
		char rest[256];
		ssize_t n = room ? read(g->errors, g->said + g->said_len, room)
				 : read(g->errors, rest, sizeof(rest));

		if (n <= 0)
			return;
		if (room)
			g->said_len += (size_t)n;
		g->said[g->said_len] = '\0';
	}
}

bool guard_ended(struct guard_run *g)
{
	listen_to(g);
	if (!g->pid || waitpid(g->pid, &g->status, WNOHANG) != g->pid)
		return !g->pid;
	g->pid = 0;
	listen_to(g);
	return true;
}

static int wait_until(struct guard_run *g, uint64_t limit_ns, bool (*done)(struct guard_run *g))
{
	const struct timespec pause = {.tv_nsec = POLL_NS};
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + limit_ns;

	while (!done(g)) {
		if (clock_ns(CLOCK_MONOTONIC) >= end)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* The first line of the journal is written when everything else is done. */
static bool stands(struct guard_run *g)
{
	struct stat st;

	return guard_ended(g) || (fstat(g->journal, &st) == 0 && st.st_size > 0);
}

static int failed(struct guard_run *g, struct err *e)
{
	size_t n = strcspn(g->said, "\n");
	int code = WIFEXITED(g->status) ? WEXITSTATUS(g->status) : 0;

	if (WIFSIGNALED(g->status))
		return err_set(e, ECHILD, "fastoom: killed by SIG%s as it started",
			       sigabbrev_np(WTERMSIG(g->status)));
	return err_set(e, code == 2 ? EINVAL : ENOTSUP, "%s%.*s",
		       strncmp(g->said, "fastoom: ", 9) == 0 ? "" : "fastoom: ", (int)n,
		       n ? g->said : "it ended as it started and did not say why");
}

int guard_start_run(struct guard_run *g, const char *config, struct err *e)
{
	_cleanup_fd_ int image = memory_file("fastoom", MFD_CLOEXEC | MFD_EXEC);
	pid_t parent = getpid();
	int pipes[2], r;

	*g = (struct guard_run){.journal = -1, .errors = -1};
	if (image < 0)
		return err_errno(e, image, "memfd_create");
	r = write_image(image);
	if (r < 0)
		return err_errno(e, r, "fastoom's executable in memory");
	g->journal = memory_file("fastoom-journal", MFD_CLOEXEC);
	if (g->journal < 0)
		return err_errno(e, g->journal, "memfd_create");
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_errno(e, errno, "pipe");
	g->errors = pipes[0];
	g->pid = fork();
	if (g->pid == 0)
		become(image, g->journal, pipes[1], config, parent);
	close(pipes[1]);
	if (g->pid < 0) {
		g->pid = 0;
		return err_errno(e, errno, "fork");
	}
	r = wait_until(g, START_NS, stands);
	if (r == 0 && !g->pid)
		return failed(g, e);
	/* Slow is not gone: it may yet be in time. */
	return 0;
}

int guard_stop_run(struct guard_run *g, uint64_t patience_ns)
{
	if (g->pid)
		kill(g->pid, SIGTERM);
	return wait_until(g, patience_ns, guard_ended);
}

void guard_release(struct guard_run *g)
{
	if (g->pid && kill(g->pid, SIGKILL) == 0)
		waitpid(g->pid, NULL, WNOHANG);
	if (g->journal >= 0)
		close(g->journal);
	if (g->errors >= 0)
		close(g->errors);
	*g = (struct guard_run){.journal = -1, .errors = -1};
}
