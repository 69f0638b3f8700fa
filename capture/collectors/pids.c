/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pids.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "gather.h"

/* A pid as the kernel prints it: no sign, no leading zero.  0: not one. */
static uint32_t pid_of(const char *name)
{
	uint32_t pid = 0;

	if (*name == '0')
		return 0;
	for (; *name; name++) {
		if (*name < '0' || *name > '9' || pid > 100000000)
			return 0;
		pid = pid * 10 + (uint32_t)(*name - '0');
	}
	return pid;
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool add(struct pids *p, size_t *cap, uint32_t pid)
{
	if (p->count == *cap) {
		size_t more = *cap ? *cap * 2 : 512;
		uint32_t *grown;

		if (more > PIDS_MAX)
			return false;
		grown = realloc(p->pid, more * sizeof(*grown));
		if (!grown)
			return false;
		p->pid = grown;
		*cap = more;
	}
	p->pid[p->count++] = pid;
	return true;
}

int pids_list(struct pids *ret, const struct capture_options *o, const struct sysroot *r,
	      struct err *e)
{
	_cleanup_dir_ DIR *dir = NULL;
	struct pids p = {0};
	struct dirent *d;
	size_t cap = 0;
	int fd;

	if (o->pid > 0) {
		if (!add(&p, &cap, (uint32_t)o->pid))
			return err_errno(e, ENOMEM, "the list of processes");
		*ret = p;
		return 0;
	}
	fd = gather_openat(r, r->proc_fd, ".", O_DIRECTORY);
	if (fd < 0)
		return err_errno(e, -fd, "/proc");
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return err_errno(e, ENOMEM, "/proc");
	}
	while ((d = readdir(dir))) {
		uint32_t pid = pid_of(d->d_name);

		if (pid && !add(&p, &cap, pid))
			p.beyond++;
	}
	if (p.count)
		qsort(p.pid, p.count, sizeof(*p.pid), ascending);
	*ret = p;
	return 0;
}

void pids_release(struct pids *p)
{
	free(p->pid);
	*p = (struct pids){0};
}
