/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where an archive's bytes go: a .partial file that is renamed at the end, or stdout.  The file
 * only ever grows by whole frames; behind its end a reserve of disk blocks is kept, which only
 * the last frames may use.  What has been written does not stay in the page cache.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/err.h"

/* Disk blocks kept back for the manifest of BUNDLE_MAX_MEMBERS members, compressed. */
#define OUTPUT_RESERVE (512u << 10)

struct output {
	int fd;
	int dir_fd;		    /* -1 for a stream */
	bool regular;		    /* a stream may be a regular file, too */
	bool no_reserve;	    /* the file system cannot reserve */
	bool renamed;		    /* finished */
	bool urgent;		    /* do not wait long for a stream's reader */
	int dead;		    /* a stream that failed stays failed: negative errno */
	uint64_t end;		    /* bytes of whole frames */
	uint64_t reserved;	    /* the offset up to which disk blocks are ours */
	uint64_t clean;		    /* up to here written back and dropped from the page cache */
	uint64_t started;	    /* up to here write-back has been started */
	char base[NAME_MAX + 1];    /* in dir_fd, without ".partial" */
	char partial[NAME_MAX + 1]; /* in dir_fd */
	char path[PATH_MAX];	    /* the final path, or "-" */
};

/* As bundle_create(); on failure nothing is left behind. */
int output_open(struct output *o, const char *output, const char *name, struct err *e);

/* Append whole frames.  A file is as before after a failure.  last: may use the reserve. */
int output_append(struct output *o, const void *data, size_t len, bool last, struct err *e);

/* Give the reserve back, fsync, rename. */
int output_finish(struct output *o, struct err *e);

/* An unfinished .partial stays, unless it is empty. */
void output_close(struct output *o);
