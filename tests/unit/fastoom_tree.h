/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fake /proc trees for the guard: made in a directory of the test's own, taken away at the end. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/base/sysroot.h"

struct tree {
	char dir[64];
	struct sysroot root;
};

static inline int tree_remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

static inline void tree_file(const struct tree *t, const char *path, const void *data, size_t len)
{
	char full[512];
	int fd;

	snprintf(full, sizeof(full), "%s/%s", t->dir, path);
	for (char *slash = strchr(full + strlen(t->dir) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	close(fd);
}

static inline void tree_text(const struct tree *t, const char *path, const char *text)
{
	tree_file(t, path, text, strlen(text));
}

static inline void tree_open(struct tree *t)
{
	struct err e = {0};

	/* memory, not disk: 30,000 processes are made */
	snprintf(t->dir, sizeof(t->dir), "%s/fastoom-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(t->dir));
	tree_text(t, "proc/meminfo",
		  "MemTotal: 1000000 kB\nMemFree: 500000 kB\nMemAvailable: 600000 kB\n");
	tree_text(t, "sys/x", "");
	assert_int_equal(sysroot_open(&t->root, t->dir, &e), 0);
}

static inline void tree_close(struct tree *t)
{
	sysroot_close(&t->root);
	nftw(t->dir, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct fake {
	int pid, ppid, pgrp, adj;
	unsigned mib; /* heap */
	const char *comm, *cmdline, *cgroup;
	char state;
	unsigned flags, threads;
	unsigned long start;
	const char *nspid; /* NULL: the same as pid */
};

static inline void tree_process(const struct tree *t, const struct fake *f)
{
	char path[64], text[512];
	unsigned long pages = (unsigned long)f->mib * 256;
	int n;

	snprintf(path, sizeof(path), "proc/%d/statm", f->pid);
	if (f->state == 'Z' || (f->flags & 0x200000))
		snprintf(text, sizeof(text), "0 0 0 0 0 0 0\n");
	else
		snprintf(text, sizeof(text), "%lu %lu 100 10 0 %lu 0\n", pages + 500, pages + 100,
			 pages);
	tree_text(t, path, text);
	snprintf(path, sizeof(path), "proc/%d/stat", f->pid);
	n = snprintf(text, sizeof(text),
		     "%d (%s) %c %d %d 3 0 -1 %u 100 0 0 0 1 1 0 0 20 0 %u 0 %lu 1000 %lu 0\n",
		     f->pid, f->comm ? f->comm : "x", f->state ? f->state : 'S', f->ppid, f->pgrp,
		     f->flags, f->threads ? f->threads : 1,
		     f->start ? f->start : (unsigned long)f->pid, pages);
	tree_file(t, path, text, (size_t)n);
	snprintf(path, sizeof(path), "proc/%d/oom_score_adj", f->pid);
	snprintf(text, sizeof(text), "%d\n", f->adj);
	tree_text(t, path, text);
	snprintf(path, sizeof(path), "proc/%d/cmdline", f->pid);
	n = snprintf(text, sizeof(text), "%s", f->cmdline ? f->cmdline : "");
	for (int i = 0; i < n; i++) {
		if (text[i] == ' ')
			text[i] = '\0';
	}
	tree_file(t, path, text, (size_t)(n ? n + 1 : 0));
	snprintf(path, sizeof(path), "proc/%d/cgroup", f->pid);
	snprintf(text, sizeof(text), "4:memory:%s\n0::/\n", f->cgroup ? f->cgroup : "/");
	tree_text(t, path, text);
	snprintf(path, sizeof(path), "proc/%d/status", f->pid);
	snprintf(text, sizeof(text), "Name:\tx\nNSpid:\t%d%s%s\nShdPnd:\t0000000000000000\n",
		 f->pid, f->nspid ? "\t" : "", f->nspid ? f->nspid : "");
	tree_text(t, path, text);
}
