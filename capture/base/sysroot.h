/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where /proc and /sys are.  Everything that reads them takes this as an argument, so that the
 * same code reads the live machine, a recorded one (--root DIR) and a fake tree in a test.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "err.h"

struct sysroot {
	int root_fd, proc_fd, sys_fd; /* O_PATH directories; sys_fd may be -1 */
	bool recorded;		      /* not the live machine: pids mean nothing to the kernel */
	char path[256];		      /* "/" or the --root DIR, for messages */
};

int sysroot_open(struct sysroot *ret, const char *dir, struct err *e);
void sysroot_close(struct sysroot *r);

/*
 * Read a whole small file (procfs: until EOF, EINTR-safe) into buf, NUL-terminated.
 * Returns the length, or a negative errno; -E2BIG when cap-1 bytes were read and more was there
 * (buf then holds the first cap-1).
 */
ssize_t read_file_at(int dirfd, const char *path, char *buf, size_t cap);

/* The number after "KEY:" or "KEY " at the start of a line, 0 with *ret set, or -ENOENT.
 * No unit conversion: /proc/meminfo gives kB. */
int find_key_u64(const char *text, const char *key, unsigned long long *ret);
