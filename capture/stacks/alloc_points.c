/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alloc_points.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "../child/child_main.h"
#include "../heap/exports.h"

#define MAPS_BUFFER (64u << 10)

static const struct {
	const char *name;
	enum alloc_kind kind;
} functions[] = {
	{"malloc", ALLOC_MALLOC},
	{"calloc", ALLOC_CALLOC},
	{"realloc", ALLOC_REALLOC},
	{"memalign", ALLOC_MEMALIGN},
	{"aligned_alloc", ALLOC_MEMALIGN},
	{"posix_memalign", ALLOC_POSIX_MEMALIGN},
	{"free", ALLOC_FREE},
	{"cfree", ALLOC_FREE},
	/*
	 * C++: an allocator with operators of its own does not go through malloc().  Of them only
	 * those that do not throw: while a return is probed the return address is the kernel's, of
	 * which no unwinder knows, and a bad_alloc would find no handler and end the process.
	 */
	{"_ZnwmRKSt9nothrow_t", ALLOC_MALLOC},
	{"_ZnamRKSt9nothrow_t", ALLOC_MALLOC},
	{"_ZdlPv", ALLOC_FREE},
	{"_ZdaPv", ALLOC_FREE},
	{"_ZdlPvm", ALLOC_FREE},
	{"_ZdaPvm", ALLOC_FREE},
	{"_ZdlPvRKSt9nothrow_t", ALLOC_FREE},
	{"_ZdaPvRKSt9nothrow_t", ALLOC_FREE},
	{"sdallocx", ALLOC_FREE},
};

struct answer {
	int32_t r;
	struct alloc_point points[ALLOC_POINTS_MAX];
};

/* Two names of one place count once. */
static bool is_known(const struct answer *a, const struct alloc_point *p)
{
	for (int32_t i = 0; i < a->r; i++)
		if (a->points[i].offset == p->offset && !strcmp(a->points[i].file, p->file))
			return true;
	return false;
}

/* What one mapped file exports.  One without malloc() only calls it: libstdc++. */
static void look_into(struct answer *a, struct remote *remote, const struct regions *regions,
		      const struct exports *e, pid_t pid)
{
	if (!exports_find(e, remote, "malloc") || !exports_find(e, remote, "free"))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(functions) && a->r < (int32_t)ALLOC_POINTS_MAX; i++) {
		uint64_t address = exports_find(e, remote, functions[i].name);
		const struct region *at = address ? regions_find(regions, address) : NULL;
		struct alloc_point p = {.kind = functions[i].kind};

		if (!at || !at->executable)
			continue;
		p.offset = address - at->start + at->offset;
		snprintf(p.name, sizeof(p.name), "%s", functions[i].name);
		snprintf(p.file, sizeof(p.file), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64,
			 (int)pid, at->start, at->end);
		if (!is_known(a, &p))
			a->points[a->r++] = p;
	}
}

static int find(struct answer *a, int dir, pid_t pid)
{
	_cleanup_free_ char *buf = malloc(MAPS_BUFFER);
	struct regions regions = {0};
	struct remote remote;
	int r = buf ? regions_read_bare(&regions, dir, buf, MAPS_BUFFER) : -ENOMEM;

	if (!r)
		r = remote_open(&remote, pid, dir);
	if (r < 0)
		return r;
	for (size_t i = 0; i < regions.count; i++) {
		const struct region *x = &regions.rows[i];
		struct exports e;

		/* The loader has a malloc() of its own for its own use. */
		if (x->offset || !x->readable ||
		    (x->kind != REGION_FILE && x->kind != REGION_DATA) ||
		    !strncmp(x->name, "ld-", 3))
			continue;
		if (!exports_open(&e, &remote, x->start))
			look_into(a, &remote, &regions, &e, pid);
	}
	remote_close(&remote);
	regions_free(&regions);
	return a->r ? 0 : -ENOENT;
}

static _Noreturn void ask(struct answer *a, int dir, pid_t pid, pid_t parent)
{
	int *keep[] = {&dir};
	int r;

	child_detach(parent, keep, ARRAY_SIZE(keep));
	r = find(a, dir, pid);
	if (r < 0)
		a->r = r;
	_exit(0);
}

int alloc_points_find(struct alloc_point *ret, size_t max, const struct sysroot *root, pid_t pid,
		      uint64_t until_ns, int stop_fd, struct err *e)
{
	struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
	bool stopped = false;
	pid_t self = getpid(), child, done = 0;
	struct answer *a;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "%d", (int)pid);
	_cleanup_fd_ int dir = openat(root->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, errno, "/proc/%d: %s", (int)pid, strerror(errno));
	a = mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (a == MAP_FAILED)
		return err_errno(e, ENOMEM, "stacks");
	child = fork();
	if (!child)
		ask(a, dir, pid, self);
	while (child > 0 && !(done = waitpid(child, NULL, WNOHANG)) && !stopped &&
	       clock_ns(CLOCK_MONOTONIC) < until_ns)
		stopped = poll(&stop, 1, 1) > 0;
	if (child > 0 && !done) {
		kill(child, SIGKILL);
		for (int i = 0; i < 50 && !(done = waitpid(child, NULL, WNOHANG)); i++)
			usleep(1000);
	}
	r = child < 0 ? -EAGAIN : stopped ? -ECANCELED : !done ? -ETIMEDOUT : a->r ? a->r : -ECHILD;
	if (r > 0) {
		r = (size_t)r < max ? r : (int)max;
		memcpy(ret, a->points, (size_t)r * sizeof(*ret));
	}
	munmap(a, sizeof(*a));
	if (r == -ENOENT)
		return err_set(e, ENOENT,
			       "pid %d exports no malloc() (linked statically, or of a runtime of "
			       "its own)",
			       (int)pid);
	return r < 0 ? err_set(e, -r, "malloc() of pid %d: %s", (int)pid, strerror(-r)) : r;
}
