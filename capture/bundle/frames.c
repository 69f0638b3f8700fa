/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zstd_errors.h>

#include "frames.h"

#define MAGIC_SIZE 4
static const uint8_t zstd_magic[MAGIC_SIZE] = {0x28, 0xb5, 0x2f, 0xfd};

/* The ratio counts above this, so that one member of zeros is not a bomb. */
#define RATIO_FREE (8u << 20)

int frames_init(struct frames *f, int fd, const struct bundle_limits *limits)
{
	f->fd = fd;
	f->limits = limits;
	f->zstd = ZSTD_createDCtx();
	if (!f->zstd)
		return -ENOMEM;
	ZSTD_DCtx_setParameter(f->zstd, ZSTD_d_windowLogMax, (int)limits->window_log);
	return 0;
}

void frames_deinit(struct frames *f)
{
	ZSTD_freeDCtx(f->zstd);
	f->zstd = NULL;
}

/* Keep the unused input and read more behind it.  1: more is there; 0: the file has ended. */
static int fill(struct frames *f, struct err *e)
{
	size_t left = f->in_len - f->in_pos;
	ssize_t n;

	if (f->at_eof || left == sizeof(f->in))
		return !f->at_eof;
	memmove(f->in, f->in + f->in_pos, left);
	f->in_offset += f->in_pos;
	f->in_pos = 0;
	f->in_len = left;
	do {
		n = pread(f->fd, f->in + left, sizeof(f->in) - left, (off_t)(f->in_offset + left));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(e, errno, "archive");
	if (n == 0) {
		f->at_eof = true;
		return 0;
	}
	f->in_len += (size_t)n;
	if (f->in_offset + f->in_len > f->limits->input)
		return err_set(e, E2BIG, "archive: larger than the limit of %llu bytes",
			       (unsigned long long)f->limits->input);
	return 1;
}

static uint64_t position(const struct frames *f)
{
	return f->in_offset + f->in_pos;
}

static int damaged(struct frames *f, const char *why)
{
	snprintf(f->why, sizeof(f->why), "frame at byte %llu: %s",
		 (unsigned long long)f->frame_start, why);
	return -EBADMSG;
}

/* libzstd would take frames of its old formats, too; those decoders are not for hostile input. */
static int begin_frame(struct frames *f, struct err *e)
{
	const uint8_t *p;
	int r;

	while (f->in_len - f->in_pos < MAGIC_SIZE) {
		r = fill(f, e);
		if (r < 0)
			return r;
		if (r == 0)
			break;
	}
	f->frame_start = position(f);
	if (f->in_len == f->in_pos)
		return 0;
	p = f->in + f->in_pos;
	f->in_frame = true;
	f->first_chunk = true;
	if (f->in_len - f->in_pos < MAGIC_SIZE)
		return -ENODATA;
	if (memcmp(p, zstd_magic, MAGIC_SIZE) != 0 &&
	    !((p[0] & 0xf0) == 0x50 && p[1] == 0x2a && p[2] == 0x4d && p[3] == 0x18))
		return damaged(f, "does not start like a frame");
	return 1;
}

static int check_limits(struct frames *f, struct err *e)
{
	const struct bundle_limits *l = f->limits;

	if (f->decompressed > l->decompressed)
		return err_set(e, E2BIG, "archive: decompresses to more than %llu bytes",
			       (unsigned long long)l->decompressed);
	if (f->decompressed > RATIO_FREE && (f->decompressed - RATIO_FREE) / l->ratio > f->farthest)
		return err_set(e, E2BIG,
			       "archive: decompresses to more than %llu times its size "
			       "(%llu bytes out of %llu)",
			       (unsigned long long)l->ratio, (unsigned long long)f->decompressed,
			       (unsigned long long)f->farthest);
	return 0;
}

/* One call of the decoder.  1: the frame has ended; 0: it goes on. */
static int decode(struct frames *f, struct err *e)
{
	ZSTD_inBuffer in = {.src = f->in, .size = f->in_len, .pos = f->in_pos};
	ZSTD_outBuffer out = {.dst = f->out, .size = sizeof(f->out), .pos = f->out_len};
	size_t left = ZSTD_decompressStream(f->zstd, &out, &in);
	bool progress = in.pos > f->in_pos || out.pos > f->out_len;
	int r;

	f->work += in.pos - f->in_pos;
	f->decompressed += out.pos - f->out_len;
	f->in_pos = in.pos;
	f->out_len = out.pos;
	if (position(f) > f->farthest)
		f->farthest = position(f);
	if (ZSTD_isError(left)) {
		if (ZSTD_getErrorCode(left) == ZSTD_error_frameParameter_windowTooLarge)
			f->window_refused = true;
		return damaged(f, ZSTD_getErrorName(left));
	}
	r = check_limits(f, e);
	if (r < 0)
		return r;
	if (left == 0)
		return 1;
	if (progress)
		return 0;
	if (f->in_pos < f->in_len && f->out_len < sizeof(f->out))
		return damaged(f, "the decoder stands still");
	r = fill(f, e);
	return r < 0 ? r : (r == 0 ? -ENODATA : 0);
}

int frames_read(struct frames *f, const uint8_t **ret_data, size_t *ret_len, struct err *e)
{
	int r;

	memmove(f->out, f->out + f->out_given, f->out_len - f->out_given);
	f->out_len -= f->out_given;
	f->out_given = 0;
	f->first_chunk = false;
	if (f->postponed) {
		r = f->postponed;
		f->postponed = 0;
		return r;
	}
	for (;;) {
		if (!f->in_frame) {
			r = begin_frame(f, e);
			if (r <= 0)
				return r;
		}
		r = decode(f, e);
		if ((r == -EBADMSG || r == -ENODATA) && f->out_len > FRAMES_HELD) {
			/* What came out before is as good as the chunks before it. */
			f->postponed = r;
			f->out_given = f->out_len - FRAMES_HELD;
			break;
		}
		if (r < 0)
			return r;
		if (r > 0)
			f->in_frame = false;
		f->out_given = f->in_frame
				       ? (f->out_len > FRAMES_HELD ? f->out_len - FRAMES_HELD : 0)
				       : f->out_len;
		/* Large chunks while a frame goes on; whatever there is at its end. */
		if (f->out_given && (!f->in_frame || f->out_len == sizeof(f->out)))
			break;
		f->out_given = 0;
	}
	*ret_data = f->out;
	*ret_len = f->out_given;
	return 1;
}

/* Damage must not buy unbounded work: a file of ours has a few thousand frames. */
static bool worth_going_on(struct frames *f)
{
	if (++f->resyncs <= 2 * f->limits->members + 64 &&
	    f->work < 4 * (f->in_offset + f->in_len) + (64u << 20))
		return true;
	f->gave_up = true;
	return false;
}

int frames_resync(struct frames *f, struct err *e)
{
	uint64_t from = f->frame_start + 1;

	ZSTD_DCtx_reset(f->zstd, ZSTD_reset_session_only);
	f->out_len = f->out_given = 0;
	f->in_frame = false;
	if (!worth_going_on(f))
		return 0;
	if (from >= f->in_offset && from <= f->in_offset + f->in_len) {
		f->in_pos = (size_t)(from - f->in_offset);
	} else {
		f->in_offset = from;
		f->in_pos = f->in_len = 0;
		f->at_eof = false;
	}
	for (;;) {
		const uint8_t *p = f->in + f->in_pos;
		const uint8_t *hit =
			memmem(p, f->in_len - f->in_pos, zstd_magic, sizeof(zstd_magic));
		int r;

		if (hit) {
			f->work += (uint64_t)(hit - p);
			f->in_pos = (size_t)(hit - f->in);
			return 1;
		}
		/* A magic may lie across the end of what is there. */
		if (f->in_len - f->in_pos >= MAGIC_SIZE) {
			f->work += f->in_len - f->in_pos;
			f->in_pos = f->in_len - (MAGIC_SIZE - 1);
		}
		r = fill(f, e);
		if (r <= 0)
			return r;
	}
}
