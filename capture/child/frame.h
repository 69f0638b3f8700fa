/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a collector's child says to the parent, over its pipe: frames of a fixed header, a name
 * and data.  The child is not trusted: it may have been fed anything by a sick kernel or a
 * hostile file, so the reader checks every length before it allocates for it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bundle/format.h"

#define FRAME_MAGIC 0x6e73736fu /* "ossn" */
#define FRAME_NAME_MAX 199	/* as in struct bundle_member, without the NUL */
#define FRAME_TEXT_MAX 511	/* as in struct collector_result */

enum frame_type {
	FRAME_MEMBER = 1, /* name, data; value: 1 when truncated */
	FRAME_STATUS,	  /* data: reason; value: enum collector_status; no: errno */
	FRAME_LOSS,	  /* name: cause; count */
	FRAME_NOTE,	  /* data: text */
	FRAME_REDACTED,	  /* name: kind; data: where; count */
	FRAME_STARTED,	  /* what was needed for a moment is given back */
};

struct frame_header {
	uint32_t magic;
	uint8_t type, value;
	uint16_t name_len;
	uint32_t data_len;
	int32_t no;
	uint64_t count;
};

/* All of it, blocking.  0, or -EPIPE when the parent is gone, or another negative errno. */
int frame_write(int fd, const struct frame_header *h, const void *name, const void *data);

/* What all children together may have under way in the parent. */
struct frame_pool {
	size_t used, limit;
};

struct frame_reader {
	struct frame_header h;
	size_t header_got, name_got, data_got;
	char name[FRAME_NAME_MAX + 1]; /* NUL-terminated once complete */
	char *data;		       /* NUL-terminated once complete */
};

/*
 * Take what the pipe has.  1: one frame is complete in *r, until frame_done(); 0: nothing more at
 * the moment; -ENODATA: the pipe ended between frames; -ECONNRESET: it ended inside one (a name,
 * when known, is in r->name); -ENOBUFS: the pool has no room now, ask again later; -EPROTO: not
 * our protocol, or out of bounds; or another negative errno.  fd is O_NONBLOCK.
 */
int frame_read(struct frame_reader *r, int fd, struct frame_pool *pool);
void frame_done(struct frame_reader *r, struct frame_pool *pool);
/* True while the next bytes would need room that the pool does not have. */
bool frame_waits_for_room(const struct frame_reader *r, const struct frame_pool *pool);

/* A member's name: relative segments of [A-Za-z0-9._-], none of them "." or "..". */
bool frame_member_name_ok(const char *name);
