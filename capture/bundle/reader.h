/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading an archive without trusting a byte of it and without extracting anything.
 *
 * bundle_read() walks the file once, front to back, and hands every acceptable member to the
 * callback, whole and hashed.  zstd is decoded by libzstd under a window limit, tar by libarchive
 * with only its tar reader enabled, and only plain regular ustar members get that far: pax, GNU
 * extensions, sparse files, links, devices and directories are refused by their header.  Damage
 * ends a member, not the walk: reading goes on at the next frame.  A member whose frame fails its
 * checksum is never handed out.  Archives that were compressed anew as one frame are read, too.
 *
 * Allocates at most limits.member + 12 MiB (the window of 8 MiB, buffers, names).  System calls
 * after bundle_warm_up(): pread64, and what malloc needs (brk, mmap, munmap, mremap, madvise).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/err.h"
#include "writer.h"

struct bundle_limits {
	uint64_t input;	       /* bytes of the file, 2 GiB */
	uint64_t decompressed; /* bytes out of zstd, 4 GiB */
	uint64_t ratio;	       /* decompressed : compressed, 1000, beyond the first 8 MiB decoded */
	uint64_t member;       /* bytes of one member, 64 MiB */
	uint32_t members;      /* 4,096, refused ones included */
	uint32_t window_log;   /* 23: 8 MiB */
	uint32_t path;	       /* bytes of a member's path, 255 */
};
extern const struct bundle_limits bundle_default_limits;

/* What reading found out about the file as a whole. */
struct bundle_outcome {
	uint32_t members;  /* handed to the callback */
	uint32_t refused;  /* bad name, another top directory, not a regular file, duplicate */
	uint32_t damaged;  /* places where frames did not decode or held no tar */
	bool has_manifest; /* a manifest was seen, and it was the last member */
	bool cut;	   /* the file ends inside a frame, before the end of the tar, or the last
			      member is no manifest */
	bool between;	   /* what there is are whole members, and then nothing, not even the end of
			      the tar: so a writer that was killed leaves it, and hardly a transfer */
	bool trailing;	   /* bytes other than zeros after the end of the tar; they are not read */
	uint64_t decompressed;
	char top[256];	  /* the top directory */
	char damage[256]; /* the first damage, in words; "" when none */
};

/*
 * The callback gets a member as the archive has it (sha256 computed here).  data is valid during
 * the call.  Return 0 to go on, a negative errno to stop.
 */
typedef int (*bundle_member_fn)(void *ctx, const struct bundle_member *m, const void *data);

/*
 * fd: a regular file, read with pread from 0.  Returns 0 even for a damaged file (see outcome);
 * -EINVAL: not an archive, or none of its members could be read; -E2BIG: a limit was exceeded (e
 * says which; members may have been handed out before); -EPROTONOSUPPORT: (from the manifest
 * layer); or the callback's error.  Messages begin with "archive: ": the caller knows the path.
 */
int bundle_read(int fd, const struct bundle_limits *limits, bundle_member_fn fn, void *ctx,
		struct bundle_outcome *ret, struct err *e);

/* Open path for reading: a descriptor, or a negative errno.  -EINVAL: not a regular file.  Never
 * blocks, whatever path is. */
int bundle_open(const char *path, struct err *e);

/* Let the libraries open now what they would open at their first use.  Call it after setlocale()
 * and before a sandbox forbids open(). */
void bundle_warm_up(void);

/* Iterate a pack.  entry points into data.  Returns 1 with *ret set, 0 at the end, -EBADMSG when
 * the pack is malformed from here on. */
struct pack_entry {
	const char *name, *data;
	size_t name_len, data_len;
	int no; /* errno */
};
int pack_next(const char *data, size_t size, size_t *pos, struct pack_entry *ret);
