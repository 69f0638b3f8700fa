/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pids of a scope: of the whole machine, or of a group and those below it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "choice.h"
#include "sys.h"

struct pid_names {
	int (*fn)(void *ctx, pid_t pid);
	void *ctx;
};

static int name_is_pid(void *ctx, const char *name)
{
	const struct pid_names *p = ctx;
	long v = 0;

	for (const char *s = name; *s; s++) {
		if (*s < '0' || *s > '9' || v > 100000000)
			return 0;
		v = v * 10 + (*s - '0');
	}
	return p->fn(p->ctx, (pid_t)v);
}

/* The pids of one group, as cgroup.procs lists them. */
static void group_pids(int dir, const struct pid_names *p)
{
	int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char buf[1024];
	long v = 0;
	bool digits = false;
	ssize_t n;

	if (fd < 0)
		return;
	while ((n = read(fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)) {
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] >= '0' && buf[i] <= '9') {
				v = v * 10 + (buf[i] - '0');
				digits = true;
				continue;
			}
			/* 0: a process that our pid namespace does not show */
			if (digits && v > 0)
				p->fn(p->ctx, (pid_t)v);
			v = 0;
			digits = false;
		}
	}
	close(fd);
}

struct walk {
	const struct pid_names *pids;
	int dir;
	unsigned depth;
};

static int walk_child(void *ctx, const char *name);

static void walk_group(const struct pid_names *p, int dir, unsigned depth)
{
	struct walk w = {.pids = p, .dir = dir, .depth = depth};
	char buf[1024];

	group_pids(dir, p);
	if (depth < 10)
		each_name(dir, DT_DIR, buf, sizeof(buf), walk_child, &w);
}

static int walk_child(void *ctx, const char *name)
{
	struct walk *w = ctx;
	int dir = openat(w->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir >= 0) {
		walk_group(w->pids, dir, w->depth + 1);
		close(dir);
	}
	return 0;
}

int each_pid(const struct chooser *c, const struct scope *scope, int (*fn)(void *ctx, pid_t pid),
	     void *ctx)
{
	struct pid_names p = {.fn = fn, .ctx = ctx};
	char buf[4096];

	if (scope->kind == SCOPE_NODE)
		return each_name(c->proc_dir, DT_UNKNOWN, buf, sizeof(buf), name_is_pid, &p);
	walk_group(&p, scope->dir, 0);
	return 0;
}
