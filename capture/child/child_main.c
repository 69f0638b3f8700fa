/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "guest.h"
#include "child_main.h"
#include "emit.h"

void child_detach(pid_t parent, int **keep, size_t keep_count)
{
	static const int ignored[] = {SIGINT, SIGHUP, SIGTERM, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2};
	int next = 3;
	/* Out of the way of the final places; no higher, for a low RLIMIT_NOFILE. */
	int above = next + (int)keep_count;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	/* A terminal's Ctrl-C reaches the whole group; the parent decides how a child ends. */
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);

	for (size_t i = 0; i < keep_count; i++) {
		if (*keep[i] < 0)
			continue;
		*keep[i] = fcntl(*keep[i], F_DUPFD_CLOEXEC, above);
		/* Without it we would say of a file that is there that it is not. */
		if (*keep[i] < 0)
			_exit(1);
	}
	/* A child that had to be abandoned must not hold up whoever reads our output.  A
	 * placeholder that can be neither read nor written: there may be no /dev/null. */
	int nothing = open("/", O_PATH | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		if (nothing < 0 || dup2(nothing, fd) < 0)
			close(fd);
	for (size_t i = 0; i < keep_count; i++) {
		if (*keep[i] < 0)
			continue;
		*keep[i] = dup3(*keep[i], next, O_CLOEXEC);
		next++;
	}
	closefrom(next);
}

_Noreturn void child_run(const struct collector *collector, const struct collect *t, int out_fd,
			 int stop_fd, pid_t parent)
{
	struct sysroot root = *t->root;
	struct collect c = *t;
	int rc = 0;

	int *keep[] = {&out_fd, &stop_fd, &root.root_fd, &root.proc_fd, &root.sys_fd};
	child_detach(parent, keep, ARRAY_SIZE(keep));
	guest_child(c.memory_limit);

	c.root = &root;
	c.stop_fd = stop_fd;
	c.out = emit_create(out_fd, c.part_size);
	if (!c.out)
		_exit(1);
	if (collector->start)
		rc = collector->start(&c);
	if (!rc) {
		emit_started(c.out);
		if (collector->run)
			rc = collector->run(&c);
		else if (collector->timed)
			collect_wait(&c);
		if (collector->stop) {
			int stop_rc = collector->stop(&c);

			rc = rc ? rc : stop_rc;
		}
		/* What was measured up to a failing stop is still worth having. */
		int write_rc = collector->write ? collector->write(&c) : 0;
		rc = rc ? rc : write_rc;
	}
	if (rc < 0 && !emit_has_status(c.out))
		emit_status(c.out, COLLECTOR_ERROR, rc, "%s: %s", collector->name,
			    strerrordesc_np(-rc) ? strerrordesc_np(-rc) : "unknown error");
	rc = emit_finish(c.out);
	_exit(rc ? 1 : 0);
}
