/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounded string builder over memory the caller owns.  It never allocates and never writes
 * past cap; what does not fit sets `truncated` and is dropped, so that one check at the end
 * replaces a check after every call.  p is always NUL-terminated when cap > 0.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sbuf {
	char *p;
	size_t len, cap;
	bool truncated;
};

#define SBUF(array)                                                                                \
	(struct sbuf)                                                                              \
	{                                                                                          \
		.p = (array), .cap = sizeof(array)                                                 \
	}

void sbuf_reset(struct sbuf *b);
void sbuf_putc(struct sbuf *b, char c);
void sbuf_put(struct sbuf *b, const void *data, size_t len);
void sbuf_puts(struct sbuf *b, const char *s);
void sbuf_printf(struct sbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sbuf_u64(struct sbuf *b, uint64_t v); /* decimal, several times faster than printf */

/* TSV field: \t \n \\ as such, other control bytes and bytes >= 0x80 that are not valid UTF-8 as
 * \xNN.  The empty string stays empty.  tsv_unescape() is its exact inverse. */
void sbuf_tsv(struct sbuf *b, const void *data, size_t len);

/* JSON string with its quotes.  Bytes that are not valid UTF-8 become the text \xNN (JSON cannot
 * carry them); control characters become \uNNNN. */
void sbuf_json(struct sbuf *b, const void *data, size_t len);

/* In place; returns the new length.  A malformed escape is kept as it stands. */
size_t tsv_unescape(char *s, size_t len);

/* Length of the valid UTF-8 sequence at s (1..4), or 0 when it is not one (overlong, surrogate,
 * beyond U+10FFFF, cut).  NUL is a valid sequence of length 1. */
int utf8_len(const unsigned char *s, size_t avail);
