/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "signals.h"

/* A handler is given no argument of ours: these two are the only way to reach it. */
static volatile sig_atomic_t first_signal;
static volatile sig_atomic_t event_fd = -1;

static void on_signal(int sig)
{
	const unsigned long long one = 1;
	int saved = errno;

	if (first_signal)
		_exit(128 + sig);
	first_signal = sig;
	if (write(event_fd, &one, sizeof(one)) < 0) {
		/* An eventfd at 1 takes it; there is nobody to tell otherwise. */
	}
	errno = saved;
}

int signals_install(void)
{
	static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	first_signal = 0;
	event_fd = fd;
	sigemptyset(&sa.sa_mask);
	for (unsigned i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
		sigaddset(&sa.sa_mask, ending[i]);
	for (unsigned i = 0; i < sizeof(ending) / sizeof(ending[0]); i++) {
		sigset_t set;

		if (ending[i] == SIGHUP && !sigaction(SIGHUP, NULL, &old) &&
		    old.sa_handler == SIG_IGN)
			continue;
		sigaction(ending[i], &sa, NULL);
		sigemptyset(&set);
		sigaddset(&set, ending[i]);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	return fd;
}

int signals_first(void)
{
	return first_signal;
}
