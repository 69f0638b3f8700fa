/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/proc.h"
#include "../base/sysroot.h"
#include "sys.h"

static void read_cmdline(int proc_fd, pid_t pid, struct identity *out)
{
	char path[40];
	ssize_t n = read_file_at(proc_fd, pid_path(path, pid, "cmdline"), out->cmdline,
				 sizeof(out->cmdline));

	if (n == -E2BIG)
		n = sizeof(out->cmdline) - 1;
	if (n < 0)
		n = 0;
	while (n > 0 && out->cmdline[n - 1] == '\0')
		n--;
	for (ssize_t i = 0; i < n; i++) {
		if (out->cmdline[i] == '\0')
			out->cmdline[i] = ' ';
	}
	out->cmdline[n] = '\0';
	out->cmdline_len = (size_t)n;
}

static void read_cgroup(int proc_fd, pid_t pid, bool v2, struct identity *out)
{
	char path[40], text[2048], *pos = text, *line;

	out->cgroup[0] = '\0';
	if (read_file_at(proc_fd, pid_path(path, pid, "cgroup"), text, sizeof(text)) < 0)
		return;
	while ((line = next_line(&pos))) {
		struct cgroup_line c;
		size_t n;

		if (parse_cgroup_line(line, &c) < 0)
			continue;
		if (v2 ? *c.controllers != '\0' : strcmp(c.controllers, "memory") != 0)
			continue;
		n = strlen(c.path);
		if (n >= sizeof(out->cgroup))
			n = sizeof(out->cgroup) - 1;
		memcpy(out->cgroup, c.path, n);
		out->cgroup[n] = '\0';
	}
}

static void read_identity(int proc_fd, bool v2, pid_t pid, struct identity *out)
{
	char path[40];
	ssize_t n;

	read_cgroup(proc_fd, pid, v2, out);
	n = readlinkat(proc_fd, pid_path(path, pid, "exe"), out->exe, sizeof(out->exe) - 1);
	out->exe[n > 0 ? n : 0] = '\0';
	read_cmdline(proc_fd, pid, out);
}

struct start {
	struct readers *all;
	unsigned index;
	_Atomic uint32_t taken;
};

static void *run(void *ctx)
{
	struct start *s = ctx;
	struct readers *all = s->all;
	struct reader *r = &all->all[s->index];
	uint32_t done = 0;

	atomic_store(&s->taken, 1);
	sys_wake(&s->taken);
	for (;;) {
		uint32_t asked = atomic_load(&r->asked);

		if (asked == done) {
			sys_wait(&r->asked, done, 3600 * NSEC_PER_SEC);
			continue;
		}
		read_identity(all->proc_fd, all->v2, r->pid, &r->answer);
		done = asked;
		atomic_store(&r->answered, done);
		sys_wake(&r->answered);
	}
	return NULL;
}

void readers_init(struct readers *r, int proc_fd, bool v2)
{
	memset(r, 0, sizeof(*r));
	r->proc_fd = proc_fd;
	r->v2 = v2;
}

int small_thread(pthread_t *ret, void *(*fn)(void *), void *ctx)
{
	pthread_attr_t attr;
	int r = pthread_attr_init(&attr);

	if (r)
		return -r;
	r = pthread_attr_setstacksize(&attr, READER_STACK);
	if (!r)
		r = pthread_create(ret, &attr, fn, ctx);
	pthread_attr_destroy(&attr);
	return -r;
}

int readers_start(struct readers *r)
{
	for (unsigned i = 0; i < READERS; i++) {
		struct start s = {.all = r, .index = i};
		int e = small_thread(&r->all[i].thread, run, &s);

		if (e < 0)
			return e;
		while (!atomic_load(&s.taken))
			sys_wait(&s.taken, 0, NSEC_PER_SEC);
		r->all[i].started = true;
	}
	return 0;
}

static bool idle(const struct reader *r)
{
	return atomic_load(&r->asked) == atomic_load(&r->answered);
}

int identity_of(struct readers *all, pid_t pid, uint64_t limit_ns, struct identity *ret)
{
	struct reader *r = &all->all[all->current];
	uint64_t end;
	uint32_t asked;

	if (!r->started) {
		read_identity(all->proc_fd, all->v2, pid, ret);
		return 0;
	}
	for (unsigned i = 0; i < READERS && !idle(r); i++) {
		all->current = (all->current + 1) % READERS;
		r = &all->all[all->current];
	}
	if (!idle(r))
		return -EBUSY;
	r->pid = pid;
	asked = atomic_fetch_add(&r->asked, 1) + 1;
	sys_wake(&r->asked);
	end = clock_ns(CLOCK_MONOTONIC) + limit_ns;
	for (;;) {
		uint32_t answered = atomic_load(&r->answered);
		uint64_t now;

		if (answered == asked) {
			memcpy(ret, &r->answer, sizeof(*ret));
			return 0;
		}
		now = clock_ns(CLOCK_MONOTONIC);
		if (now >= end)
			return -ETIMEDOUT;
		sys_wait(&r->answered, answered, end - now);
	}
}

unsigned readers_stuck(const struct readers *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < READERS; i++)
		n += r->all[i].started && !idle(&r->all[i]);
	return n;
}
