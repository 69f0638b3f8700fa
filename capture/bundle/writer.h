/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing an archive: one member at a time, each complete in memory (at most BUNDLE_PART_SIZE),
 * each its own zstd frame and hashed.  The file is NAME.tar.zst.partial with mode 0600 until
 * bundle_finish() has written the manifest, fsynced it and renamed it; written pages are dropped
 * from the page cache as they reach the disk.  The process may be killed at any moment: every
 * member whose bundle_add() returned is readable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/err.h"

struct bundle_writer;

/* What a bundle says of one of its members. */
struct bundle_member {
	char name[200]; /* relative to the top directory */
	uint64_t size;
	uint8_t sha256[32];
	bool truncated;
};

/*
 * output: NULL or "" (current directory), a directory, a file name ending in ".tar.zst", or "-".
 * name: the generated NAME, also the top directory, at most 155 bytes of [A-Za-z0-9._-].
 * max_size: bytes of the file after which bundle_add() refuses with -EFBIG (room for the manifest
 * is kept back); 0: no budget, else at least 64 KiB.  An existing target file or .partial is never
 * overwritten: -EEXIST.  -ENOTDIR: output is neither.  Standard output must not be a terminal.
 *
 * The writer keeps at most 9 MiB: the largest frame (4 MiB), zstd's tables and window, and the
 * members' names and hashes (1.5 MiB for 4,096).
 */
int bundle_create(struct bundle_writer **ret, const char *output, const char *name,
		  uint64_t max_size, struct err *e);

/*
 * Add one whole member.  name: [A-Za-z0-9._-]+ segments, at most 100 bytes, 255 with the top
 * directory (-EINVAL), given once (-EEXIST).  -EFBIG: the size budget, or more than
 * BUNDLE_PART_SIZE; -EMFILE: BUNDLE_MAX_MEMBERS; -ENOSPC, -EIO …: the disk.  After an I/O error the
 * archive is cut back to the last whole member and further calls may be tried again; a stream
 * cannot be cut and stays failed (-EPIPE; SIGPIPE is kept off the process).  A stream whose reader
 * does not read blocks.
 */
int bundle_add(struct bundle_writer *w, const char *name, const void *data, size_t size,
	       bool truncated, struct err *e);

/* The capture was interrupted: from now on a stream (-o -) whose reader does not read is given up
 * after half a second, not after half a minute. */
void bundle_hurry(struct bundle_writer *w);

/* Members so far, for the manifest.  Valid until the next call. */
const struct bundle_member *bundle_members(const struct bundle_writer *w, size_t *ret_count);
uint64_t bundle_bytes_written(const struct bundle_writer *w);
/* What the user should know about this file system, or NULL. */
const char *bundle_remark(const struct bundle_writer *w);

/* Add the manifest as the last member, end the tar, fsync, rename.  *ret_path is the final path
 * ("-" for stdout), owned by the writer.  Uses a reserve of 512 KiB of the disk kept back by
 * bundle_create(), so that it works on a disk that has filled up meanwhile.  After a failure it
 * may be called again with the same manifest. */
int bundle_finish(struct bundle_writer *w, const void *manifest, size_t size, const char **ret_path,
		  struct err *e);

/* Close.  Without bundle_finish() the .partial stays, unless it has no member. */
void bundle_destroy(struct bundle_writer *w);

static inline void cleanup_bundle_writer(struct bundle_writer **w)
{
	bundle_destroy(*w);
}
