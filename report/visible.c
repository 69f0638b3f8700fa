/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "visible.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../capture/base/sbuf.h"

static uint32_t decode(const unsigned char *s, int len)
{
	switch (len) {
	case 1:
		return s[0];
	case 2:
		return (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
	case 3:
		return (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
	default:
		return (s[0] & 0x07u) << 18 | (s[1] & 0x3fu) << 12 | (s[2] & 0x3fu) << 6 |
		       (s[3] & 0x3fu);
	}
}

/* Characters that have no shape of their own, or change the order of others.  templates/text.js
 * has the same list. */
static bool deceptive(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0x00, 0x1f},	  {0x7f, 0x9f},	      {0xad, 0xad},	  {0x34f, 0x34f},
		{0x61c, 0x61c},	  {0x115f, 0x1160},   {0x17b4, 0x17b5},	  {0x180b, 0x180f},
		{0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},	  {0x3164, 0x3164},
		{0xfe00, 0xfe0f}, {0xfeff, 0xfeff},   {0xffa0, 0xffa0},	  {0xfff0, 0xfffb},
		{0xfffe, 0xffff}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

static void write_out(uint32_t c, struct visible *v)
{
	static const char letters[] = "abtnvfr"; /* from 0x07 */

	if (c >= 0x07 && c <= 0x0d)
		snprintf(v->buf, sizeof(v->buf), "\\%c", letters[c - 0x07]);
	else if (c < 0x20 || c == 0x7f)
		snprintf(v->buf, sizeof(v->buf), "\\x%02x", c);
	else
		snprintf(v->buf, sizeof(v->buf), "<U+%04X>", c);
	v->text = v->buf;
	v->len = strlen(v->buf);
	v->changed = true;
}

size_t visible_next(const char *s, struct visible *ret)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t run = 0;

	while (p[run]) {
		/* a NUL ends the sequence, so four bytes are never read past the end */
		int len = utf8_len(p + run, strnlen(s + run, 4));
		uint32_t c = len > 0 ? decode(p + run, len) : 0;

		if (len > 0 && !deceptive(c)) {
			run += (size_t)len;
			continue;
		}
		if (run)
			break;
		if (len > 0) {
			write_out(c, ret);
			return (size_t)len;
		}
		snprintf(ret->buf, sizeof(ret->buf), "\\x%02x", *p);
		ret->text = ret->buf;
		ret->len = 4;
		ret->changed = true;
		return 1;
	}
	ret->text = s;
	ret->len = run;
	ret->changed = false;
	return run;
}

char *visible_dup(const char *s)
{
	/* the longest: one byte (of invalid UTF-8 or a control) becomes four, two become eight */
	size_t cap = strlen(s) * 4 + 1, len = 0, n;
	char *out = malloc(cap);
	struct visible v;

	if (!out)
		return NULL;
	while ((n = visible_next(s, &v))) {
		memcpy(out + len, v.text, v.len);
		len += v.len;
		s += n;
	}
	out[len] = '\0';
	return out;
}

bool visible_needs_quoting(const char *s)
{
	struct visible v;
	size_t n;

	for (; (n = visible_next(s, &v)); s += n)
		if (v.changed)
			return true;
	return false;
}

char *visible_shell_quote(const char *s)
{
	char *out = malloc(strlen(s) * 4 + 4), *p = out;
	struct visible v;
	size_t n;

	if (!out)
		return NULL;
	*p++ = '$';
	*p++ = '\'';
	for (; (n = visible_next(s, &v)); s += n) {
		for (size_t i = 0; i < n; i++) {
			unsigned char c = (unsigned char)s[i];

			if (v.changed) {
				p += sprintf(p, "\\x%02x", c);
			} else {
				if (c == '\'' || c == '\\')
					*p++ = '\\';
				*p++ = (char)c;
			}
		}
	}
	*p++ = '\'';
	*p = '\0';
	return out;
}
