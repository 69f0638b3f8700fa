/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that does nothing but open files that others have mapped: the one thing that needs the
 * privilege, and one that may hang (FUSE, NFS) or have side effects (devices).  Asked over a
 * seqpacket socket, one question at a time; whoever asks may be without any privilege.
 *
 * Only regular files are handed out, opened for reading and never before they were known to be
 * regular; paths of other mount namespaces are resolved below /proc/PID/root.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/sysroot.h"

#define OPEN_PATH_MAX 4096

enum opening {
	OPEN_MAP_FILES, /* /proc/PID/map_files/START-END */
	OPEN_ROOT,	/* /proc/PID/root/PATH */
	OPEN_HOST,	/* PATH in our own root */
	OPEN_NAMESPACE, /* PATH in the nth other mount namespace; -ENODATA: there are no more */
	OPEN_DEBUG,	/* the debug file of build_id: nth 0 our own root, 1 that of pid */
	OPEN_PERF_MAP,	/* /tmp/perf-PID.map of pid, which must be its own or root's */
};

struct open_question {
	enum opening how;
	uint32_t nth;
	uint32_t pid;
	uint64_t start, end; /* OPEN_MAP_FILES */
	/* OPEN_MAP_FILES to OPEN_NAMESPACE: what it must be; ino 0: anything goes, the caller knows
	 * a build-id to check.  A file of overlayfs is known to mappings by the inode below it. */
	uint32_t major, minor;
	uint64_t ino;
	uint64_t seen_ns; /* CLOCK_REALTIME: a file whose inode has changed since, and which is only
			     known by its path, may be another one that was given the same number;
			     0: the caller knows a build-id to check */
	uint8_t build_id[20]; /* OPEN_DEBUG */
	uint8_t build_id_len;
	uint32_t path_len;
	char path[OPEN_PATH_MAX]; /* only path_len bytes are sent */
};

struct open_answer {
	int32_t no; /* 0, or negative: -ESTALE: there is a file of that name, but another one */
	uint64_t size;
};

/* The opener's life: answers on fd until the other end is closed.  Never returns. */
_Noreturn void opener_run(int fd, const struct sysroot *root);

/* Ask; blocks.  0 and *ret_fd (the caller's), or a negative errno. */
int opener_ask(int fd, const struct open_question *q, int *ret_fd, uint64_t *ret_size);
