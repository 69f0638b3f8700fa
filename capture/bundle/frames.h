/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the bytes of a file to the bytes inside its zstd frames, under limits.  The last bytes of a
 * frame are handed out only after its checksum was found right, so that a member that fills its
 * frame is never whole before it is known to be good.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zstd.h>

#include "../base/err.h"
#include "reader.h"

#define FRAMES_IN (64u << 10)
/* At least a tar block: a member ends less than that before its frame does. */
#define FRAMES_HELD 512
#define FRAMES_OUT (128u << 10)

struct frames {
	int fd;
	const struct bundle_limits *limits;
	ZSTD_DCtx *zstd;
	uint64_t frame_start; /* file offset of the frame being read */
	bool in_frame;
	bool first_chunk;    /* the last chunk was the first of its frame */
	bool window_refused; /* a frame wanted a larger window than the limit */
	bool gave_up;	     /* too much damage to go on looking */
	uint32_t resyncs;
	uint64_t decompressed;
	uint64_t farthest;  /* file offset up to which bytes have been used */
	uint64_t work;	    /* bytes looked at, again and again where frames are damaged */
	uint64_t in_offset; /* of in[0] in the file */
	size_t in_pos, in_len;
	bool at_eof;
	size_t out_len, out_given;
	int postponed; /* what the next call returns */
	uint8_t in[FRAMES_IN];
	uint8_t out[FRAMES_OUT];
	char why[128]; /* of the last -EBADMSG */
};

/* -ENOMEM. */
int frames_init(struct frames *f, int fd, const struct bundle_limits *limits);
void frames_deinit(struct frames *f);

/*
 * The next bytes, valid until the next call: 1.  0: the file ended between frames.  -EBADMSG: the
 * frame does not decode (why says what is wrong); -ENODATA: the file ended inside the frame;
 * -E2BIG with e: a limit; -EIO …: reading failed.
 */
int frames_read(struct frames *f, const uint8_t **ret_data, size_t *ret_len, struct err *e);

/* After -EBADMSG or -ENODATA: go to the next thing behind the start of the damaged frame that
 * looks like a frame.  1, or 0 when there is none, or a negative errno with e. */
int frames_resync(struct frames *f, struct err *e);
