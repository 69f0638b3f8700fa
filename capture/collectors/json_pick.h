/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A few strings out of a JSON file, read as a stream.  Nothing but what was asked for is kept:
 * the runtimes' files hold the containers' environment, which is none of our business.
 */
#pragma once

#include <stddef.h>

#include "../base/err.h"

#define JSON_PICK_DEPTH 16

struct json_want {
	/* Keys from the top, each followed by '\n' but the last; "*" is any element of an array.
	 * Keys may hold any other character: "annotations\nio.kubernetes.pod.name". */
	const char *path;
	int what; /* the caller's own name for it */
};

/* value NULL: the object or array at this path has ended. */
typedef void (*json_pick_fn)(void *ctx, int what, const char *value, size_t len);

/*
 * Reads fd from where it stands, at most cap bytes.  Strings and numbers are handed over, the
 * numbers as they are written.  0; -EFBIG: longer than cap; -EBADMSG: not JSON (e says where);
 * or the errno of the read.  What came before an error has been handed over.
 */
int json_pick_fd(int fd, size_t cap, const struct json_want *wants, size_t count, json_pick_fn fn,
		 void *ctx, struct err *e);
/* The same from memory. */
int json_pick_text(const char *text, size_t len, const struct json_want *wants, size_t count,
		   json_pick_fn fn, void *ctx, struct err *e);
