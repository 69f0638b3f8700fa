/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing JSON, in order, without a tree.  Commas and escaping are the writer's business; nesting
 * is bounded.  Output goes to a callback, so the same writer fills a member, a file or stdout.
 * A negative return of the callback is kept and returned by json_end().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH 32

struct json {
	int (*write)(void *ctx, const void *data, size_t len);
	void *ctx;
	int error;
	unsigned depth;
	bool comma[JSON_DEPTH];
	bool pretty; /* newline + indent for objects and arrays */
	bool after_key;
	size_t len;
	char buf[4096];
};

void json_init(struct json *j, int (*write)(void *, const void *, size_t), void *ctx);
/* Flushes; 0 or the first error. */
int json_end(struct json *j);

void json_object(struct json *j);
void json_object_end(struct json *j);
void json_array(struct json *j);
void json_array_end(struct json *j);
void json_key(struct json *j, const char *key);
void json_null(struct json *j);
void json_bool(struct json *j, bool v);
void json_u64(struct json *j, uint64_t v);
void json_i64(struct json *j, int64_t v);
void json_f64(struct json *j, double v);      /* shortest that round-trips; not finite → null */
void json_str(struct json *j, const char *s); /* NULL → null */
void json_strn(struct json *j, const char *s, size_t len);

/* key + value in one call */
void json_kstr(struct json *j, const char *key, const char *s);
void json_ku64(struct json *j, const char *key, uint64_t v);
void json_ki64(struct json *j, const char *key, int64_t v);
void json_kf64(struct json *j, const char *key, double v);
void json_kbool(struct json *j, const char *key, bool v);
void json_knull(struct json *j, const char *key);
