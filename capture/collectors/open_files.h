/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much is cached of the files that can be found without reading kernel memory: those that some
 * process has open or mapped, and all of tmpfs.
 *
 * Only local file systems are touched, and of them only regular files: a network file system or a
 * FUSE daemon may never answer, and opening a FIFO or a device does something.  Nothing is read, so
 * nothing comes into the cache by being looked at.  A process whose mappings are locked is passed
 * over; what else may hang (a daemon that watches files being opened) is for a child that can be
 * abandoned.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../base/err.h"
#include "../base/sysroot.h"
#include "../kmem/scan.h"

struct open_files_config {
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
	bool (*stop)(void *ctx);
	void *stop_ctx;
	int (*file)(void *ctx, const struct scan_file *f); /* each once, with pages in the cache */
	void *ctx;
};

struct open_files_result {
	uint64_t processes;	/* looked at */
	uint64_t stuck;		/* of these, so many did not let their mappings be read */
	uint64_t refused;	/* processes whose files may not be seen */
	uint64_t files, pages;	/* told */
	uint64_t files_refused; /* may not be opened, or not be asked */
	uint64_t files_foreign; /* times one was not touched: network, FUSE, /proc, unknown */
	uint64_t files_no_room; /* more than the table holds */
	bool no_time;		/* not all processes were looked at */
};

/* 0 or -ENOMEM, or what config->file returned. */
int open_files_walk(const struct sysroot *root, const struct open_files_config *config,
		    struct open_files_result *ret, struct err *e);
