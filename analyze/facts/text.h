/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walking through text that is neither NUL-terminated nor trusted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	const char *p, *end;
};

#define TEXT(data, size) ((struct text){.p = (data), .end = (data) + (size)})

static inline size_t text_len(struct text t)
{
	return (size_t)(t.end - t.p);
}

/* The next line, without its newline; a last line without one counts. */
bool text_line(struct text *t, struct text *ret);
/* The next word between spaces and tabs. */
bool text_word(struct text *line, struct text *ret);
/* What stands before the next c, and c is skipped; without a c the whole rest. */
bool text_until(struct text *t, char c, struct text *ret);
bool text_is(struct text t, const char *s);
bool text_starts(struct text t, const char *s);
/* Decimal digits and nothing else; false when they do not fit. */
bool text_u64(struct text t, uint64_t *ret);
bool text_i64(struct text t, int64_t *ret);
/* A word that is a number, skipped; false leaves line as it was. */
bool text_word_u64(struct text *line, uint64_t *ret);
/* a × b, or UINT64_MAX (not measured) when that does not fit or one of them is not measured. */
uint64_t text_times(uint64_t a, uint64_t b);
/* v if it can be a page's size: a power of two from 512 to 2^30; else FACT_NONE. */
uint64_t text_page_size(uint64_t v);
/* Copied and NUL-terminated; cut to cap − 1 bytes.  Returns out. */
char *text_copy(struct text t, char *out, size_t cap);
