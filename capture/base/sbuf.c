/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sbuf.h"

#include <stdio.h>
#include <string.h>

#include "escape.h"

void sbuf_reset(struct sbuf *b)
{
	b->len = 0;
	b->truncated = false;
	if (b->cap)
		b->p[0] = '\0';
}

/* Whole or not at all, so that a cut never falls into an escape or a character. */
static void put_atom(struct sbuf *b, const void *data, size_t len)
{
	if (b->truncated || b->cap == 0 || len > b->cap - 1 - b->len) {
		b->truncated = true;
		return;
	}
	memcpy(b->p + b->len, data, len);
	b->len += len;
	b->p[b->len] = '\0';
}

void sbuf_putc(struct sbuf *b, char c)
{
	put_atom(b, &c, 1);
}

void sbuf_put(struct sbuf *b, const void *data, size_t len)
{
	size_t room;

	if (len == 0)
		return;
	if (b->truncated || b->cap == 0) {
		b->truncated = true;
		return;
	}
	room = b->cap - 1 - b->len;
	put_atom(b, data, len < room ? len : room);
	if (len > room)
		b->truncated = true;
}

void sbuf_puts(struct sbuf *b, const char *s)
{
	sbuf_put(b, s, strlen(s));
}

void sbuf_printf(struct sbuf *b, const char *fmt, ...)
{
	size_t room;
	va_list ap;
	int n;

	if (b->truncated || b->cap == 0) {
		b->truncated = true;
		return;
	}
	room = b->cap - b->len;
	va_start(ap, fmt);
	n = vsnprintf(b->p + b->len, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room) {
		b->truncated = true;
		b->p[b->cap - 1] = '\0';
		b->len += strlen(b->p + b->len);
		return;
	}
	b->len += (size_t)n;
}

void sbuf_u64(struct sbuf *b, uint64_t v)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	put_atom(b, digits + i, sizeof(digits) - i);
}

static const char hex[] = "0123456789abcdef";

void escape_hex(unsigned char c, char out[2])
{
	out[0] = hex[c >> 4];
	out[1] = hex[c & 15];
}

int utf8_len(const unsigned char *s, size_t avail)
{
	unsigned char lo = 0x80, hi = 0xbf;
	int n;

	if (avail == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if ((size_t)n > avail)
		return 0;
	/* Overlong forms, surrogates and what lies beyond U+10FFFF all show in the second byte. */
	if (s[0] == 0xe0)
		lo = 0xa0;
	else if (s[0] == 0xed)
		hi = 0x9f;
	else if (s[0] == 0xf0)
		lo = 0x90;
	else if (s[0] == 0xf4)
		hi = 0x8f;
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (int i = 2; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

void sbuf_tsv(struct sbuf *b, const void *data, size_t len)
{
	const unsigned char *s = data;
	size_t i = 0;

	while (i < len) {
		char esc[4] = {'\\', 'x'};
		size_t plain = i;
		int n;

		while (plain < len && s[plain] >= 0x20 && s[plain] < 0x7f && s[plain] != '\\')
			plain++;
		if (plain > i) {
			sbuf_put(b, s + i, plain - i);
			i = plain;
			continue;
		}
		n = s[i] < 0x80 ? 0 : utf8_len(s + i, len - i);
		if (n) {
			put_atom(b, s + i, (size_t)n);
			i += (size_t)n;
		} else if (s[i] == '\t' || s[i] == '\n' || s[i] == '\\') {
			esc[1] = s[i] == '\t' ? 't' : s[i] == '\n' ? 'n' : '\\';
			put_atom(b, esc, 2);
			i++;
		} else {
			escape_hex(s[i], esc + 2);
			put_atom(b, esc, 4);
			i++;
		}
	}
}

size_t escape_json(const unsigned char *s, size_t avail, char out[ESCAPE_MAX], size_t *ret_used)
{
	int n = utf8_len(s, avail);

	*ret_used = 1;
	if (n == 0) {
		out[0] = out[1] = '\\';
		out[2] = 'x';
		escape_hex(*s, out + 3);
		return 5;
	}
	if (*s == '"' || *s == '\\') {
		out[0] = '\\';
		out[1] = (char)*s;
		return 2;
	}
	if (*s < 0x20 || *s == 0x7f) {
		out[0] = '\\';
		out[1] = 'u';
		out[2] = out[3] = '0';
		escape_hex(*s, out + 4);
		return 6;
	}
	memcpy(out, s, (size_t)n);
	*ret_used = (size_t)n;
	return (size_t)n;
}

void sbuf_json(struct sbuf *b, const void *data, size_t len)
{
	const unsigned char *s = data;

	sbuf_putc(b, '"');
	while (len) {
		char out[ESCAPE_MAX];
		size_t used, n = escape_json(s, len, out, &used);

		put_atom(b, out, n);
		s += used;
		len -= used;
	}
	sbuf_putc(b, '"');
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

size_t tsv_unescape(char *s, size_t len)
{
	size_t out = 0;

	for (size_t i = 0; i < len; i++) {
		char next = i + 1 < len ? s[i + 1] : '\0';

		if (s[i] != '\\') {
			s[out++] = s[i];
		} else if (next == 't' || next == 'n' || next == '\\') {
			s[out++] = next == 't' ? '\t' : next == 'n' ? '\n' : '\\';
			i++;
		} else if (next == 'x' && i + 3 < len && hex_digit(s[i + 2]) >= 0 &&
			   hex_digit(s[i + 3]) >= 0) {
			s[out++] = (char)(hex_digit(s[i + 2]) << 4 | hex_digit(s[i + 3]));
			i += 3;
		} else {
			s[out++] = s[i];
		}
	}
	return out;
}
