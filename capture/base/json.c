/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"

void json_init(struct json *j, int (*write)(void *, const void *, size_t), void *ctx)
{
	*j = (struct json){.write = write, .ctx = ctx};
}

static void flush(struct json *j)
{
	int r;

	if (j->len && !j->error) {
		r = j->write(j->ctx, j->buf, j->len);
		if (r < 0)
			j->error = r;
	}
	j->len = 0;
}

static void put(struct json *j, const void *data, size_t len)
{
	const char *p = data;

	while (len && !j->error) {
		size_t room = sizeof(j->buf) - j->len;
		size_t n = len < room ? len : room;

		memcpy(j->buf + j->len, p, n);
		j->len += n;
		p += n;
		len -= n;
		if (j->len == sizeof(j->buf))
			flush(j);
	}
}

static void fail(struct json *j, int no)
{
	if (!j->error)
		j->error = -no;
}

static void newline(struct json *j)
{
	static const char blanks[2 * JSON_DEPTH] = "                                "
						   "                                ";

	if (!j->pretty)
		return;
	put(j, "\n", 1);
	put(j, blanks, (size_t)2 * j->depth);
}

/* What stands before a value or a key: nothing after a key, else a comma and a new line. */
static void lead(struct json *j)
{
	if (j->after_key) {
		j->after_key = false;
		return;
	}
	if (j->depth == 0)
		return;
	if (j->comma[j->depth - 1])
		put(j, ",", 1);
	j->comma[j->depth - 1] = true;
	newline(j);
}

static void literal(struct json *j, const char *text, size_t len)
{
	lead(j);
	put(j, text, len);
}

static void opening(struct json *j, const char *bracket)
{
	literal(j, bracket, 1);
	if (j->depth == JSON_DEPTH) {
		fail(j, E2BIG);
		return;
	}
	j->comma[j->depth++] = false;
}

static void closing(struct json *j, const char *bracket)
{
	bool any;

	if (j->depth == 0 || j->after_key) {
		/* A depth that was refused has already set the error. */
		fail(j, EINVAL);
		return;
	}
	any = j->comma[--j->depth];
	if (any)
		newline(j);
	put(j, bracket, 1);
}

int json_end(struct json *j)
{
	if (j->depth || j->after_key)
		fail(j, EINVAL);
	flush(j);
	return j->error;
}

void json_object(struct json *j)
{
	opening(j, "{");
}

void json_object_end(struct json *j)
{
	closing(j, "}");
}

void json_array(struct json *j)
{
	opening(j, "[");
}

void json_array_end(struct json *j)
{
	closing(j, "]");
}

static void quoted(struct json *j, const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;

	put(j, "\"", 1);
	while (len && !j->error) {
		char out[ESCAPE_MAX];
		size_t plain = 0, used, n;

		while (plain < len && p[plain] >= 0x20 && p[plain] < 0x7f && p[plain] != '"' &&
		       p[plain] != '\\')
			plain++;
		if (plain) {
			put(j, p, plain);
			used = plain;
		} else {
			n = escape_json(p, len, out, &used);
			put(j, out, n);
		}
		p += used;
		len -= used;
	}
	put(j, "\"", 1);
}

void json_key(struct json *j, const char *key)
{
	if (j->depth == 0 || j->after_key) {
		fail(j, EINVAL);
		return;
	}
	lead(j);
	quoted(j, key, strlen(key));
	put(j, ": ", j->pretty ? 2 : 1);
	j->after_key = true;
}

void json_null(struct json *j)
{
	literal(j, "null", 4);
}

void json_bool(struct json *j, bool v)
{
	if (v)
		literal(j, "true", 4);
	else
		literal(j, "false", 5);
}

static size_t decimal(uint64_t v, char out[20])
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	memcpy(out, digits + i, sizeof(digits) - i);
	return sizeof(digits) - i;
}

void json_u64(struct json *j, uint64_t v)
{
	char out[20];

	literal(j, out, decimal(v, out));
}

void json_i64(struct json *j, int64_t v)
{
	char out[21];

	if (v >= 0) {
		json_u64(j, (uint64_t)v);
		return;
	}
	out[0] = '-';
	literal(j, out, 1 + decimal(-(uint64_t)v, out + 1));
}

/* The fewest significant digits that read back as v, and the power of ten of the first one. */
static size_t shortest(double v, char digits[18], int *ret_exponent)
{
	/* Up to DBL_DIG digits survive the way there and back, so the shortest form is the
	 * 15-digit one without its zeros, if that reads back at all; subnormals have less. */
	int precision = v < DBL_MIN ? 1 : DBL_DIG;
	char text[40];
	size_t n = 0;
	char *p;

	for (; precision <= DBL_DECIMAL_DIG; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision - 1, v);
		if (strtod(text, NULL) == v)
			break;
	}
	/* The decimal point is whatever the locale says: take digits only. */
	for (p = text; *p && *p != 'e'; p++) {
		if (*p >= '0' && *p <= '9' && n < 17)
			digits[n++] = *p;
	}
	while (n > 1 && digits[n - 1] == '0')
		n--;
	*ret_exponent = *p == 'e' ? (int)strtol(p + 1, NULL, 10) : 0;
	return n;
}

void json_f64(struct json *j, double v)
{
	char digits[18] = "", out[48];
	size_t n, len = 0;
	int exponent;

	if (!isfinite(v)) {
		json_null(j);
		return;
	}
	if (signbit(v)) {
		out[len++] = '-';
		v = -v;
	}
	if (v == 0) {
		out[len++] = '0';
		literal(j, out, len);
		return;
	}
	n = shortest(v, digits, &exponent);
	if (exponent < -5 || exponent > 20) {
		out[len++] = digits[0];
		if (n > 1) {
			out[len++] = '.';
			memcpy(out + len, digits + 1, n - 1);
			len += n - 1;
		}
		len += (size_t)snprintf(out + len, sizeof(out) - len, "e%d", exponent);
	} else if (exponent < 0) {
		out[len++] = '0';
		out[len++] = '.';
		for (int i = -1; i > exponent; i--)
			out[len++] = '0';
		memcpy(out + len, digits, n);
		len += n;
	} else {
		for (size_t i = 0; i < n || i <= (size_t)exponent; i++) {
			if (i == (size_t)exponent + 1)
				out[len++] = '.';
			out[len++] = i < n ? digits[i] : '0';
		}
	}
	literal(j, out, len);
}

void json_strn(struct json *j, const char *s, size_t len)
{
	lead(j);
	quoted(j, s, len);
}

void json_str(struct json *j, const char *s)
{
	if (s)
		json_strn(j, s, strlen(s));
	else
		json_null(j);
}

void json_kstr(struct json *j, const char *key, const char *s)
{
	json_key(j, key);
	json_str(j, s);
}

void json_ku64(struct json *j, const char *key, uint64_t v)
{
	json_key(j, key);
	json_u64(j, v);
}

void json_ki64(struct json *j, const char *key, int64_t v)
{
	json_key(j, key);
	json_i64(j, v);
}

void json_kf64(struct json *j, const char *key, double v)
{
	json_key(j, key);
	json_f64(j, v);
}

void json_kbool(struct json *j, const char *key, bool v)
{
	json_key(j, key);
	json_bool(j, v);
}

void json_knull(struct json *j, const char *key)
{
	json_key(j, key);
	json_null(j);
}
