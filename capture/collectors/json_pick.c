/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json_pick.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <yajl/yajl_parse.h>

#define KEYS_MAX 1024 /* all keys of the path so far; a longer one matches nothing */

struct pick {
	const struct json_want *wants;
	size_t count;
	json_pick_fn fn;
	void *ctx;
	unsigned depth; /* objects and arrays that are open */
	unsigned lost;	/* of these, the innermost that are not in level[] */
	struct {
		size_t len; /* of keys[] before this level's key */
		bool array;
	} level[JSON_PICK_DEPTH];
	size_t len;
	bool overlong; /* the key of the current level did not fit */
	char keys[KEYS_MAX];
};

/* The key of the current level becomes key. */
static void set_key(struct pick *p, const char *key, size_t len)
{
	size_t base = p->level[p->depth - 1].len;

	p->overlong = base + len + 2 > sizeof(p->keys);
	p->len = base;
	if (p->overlong)
		return;
	if (p->depth > 1)
		p->keys[p->len++] = '\n';
	memcpy(p->keys + p->len, key, len);
	p->len += len;
}

static const struct json_want *wanted(const struct pick *p)
{
	if (p->lost || p->overlong)
		return NULL;
	for (size_t i = 0; i < p->count; i++)
		if (strlen(p->wants[i].path) == p->len &&
		    !memcmp(p->wants[i].path, p->keys, p->len))
			return &p->wants[i];
	return NULL;
}

static void value_begins(struct pick *p)
{
	if (!p->lost && p->depth && p->level[p->depth - 1].array)
		set_key(p, "*", 1);
}

static int opened(struct pick *p, bool array)
{
	value_begins(p);
	/* Below an overlong key or the depth bound nothing is wanted. */
	if (p->lost || p->overlong || p->depth == JSON_PICK_DEPTH) {
		p->lost++;
		return 1;
	}
	p->level[p->depth].len = p->len;
	p->level[p->depth].array = array;
	p->depth++;
	return 1;
}

static int closed(struct pick *p)
{
	const struct json_want *w;

	if (p->lost) {
		p->lost--;
		return 1;
	}
	p->depth--;
	p->len = p->level[p->depth].len;
	p->overlong = false;
	w = wanted(p);
	if (w)
		p->fn(p->ctx, w->what, NULL, 0);
	return 1;
}

static int scalar(struct pick *p, const char *text, size_t len)
{
	const struct json_want *w;

	value_begins(p);
	w = wanted(p);
	if (w && text)
		p->fn(p->ctx, w->what, text, len);
	return 1;
}

static int on_null(void *ctx)
{
	return scalar(ctx, NULL, 0);
}

static int on_boolean(void *ctx, int value)
{
	return scalar(ctx, NULL, 0);
}

static int on_number(void *ctx, const char *text, size_t len)
{
	return scalar(ctx, text, len);
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
	return scalar(ctx, (const char *)text, len);
}

static int on_key(void *ctx, const unsigned char *key, size_t len)
{
	struct pick *p = ctx;

	if (p->lost)
		return 1;
	/* A key with a newline or called "*" could pose as a path. */
	if (memchr(key, '\n', len) || (len == 1 && *key == '*'))
		set_key(p, "", 0);
	else
		set_key(p, (const char *)key, len);
	return 1;
}

static int on_open_map(void *ctx)
{
	return opened(ctx, false);
}

static int on_open_array(void *ctx)
{
	return opened(ctx, true);
}

static int on_closed(void *ctx)
{
	return closed(ctx);
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_open_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_closed,
	.yajl_start_array = on_open_array,
	.yajl_end_array = on_closed,
};

static int malformed(yajl_handle h, const char *chunk, size_t len, struct err *e)
{
	unsigned char *text = yajl_get_error(h, 0, (const unsigned char *)chunk, len);
	int r;

	if (text)
		text[strcspn((char *)text, "\n")] = 0;
	r = err_set(e, EBADMSG, "not JSON: %s", text ? (char *)text : "unknown");
	yajl_free_error(h, text);
	return r;
}

static yajl_handle pick_begin(struct pick *p, const struct json_want *wants, size_t count,
			      json_pick_fn fn, void *ctx)
{
	yajl_handle h;

	*p = (struct pick){.wants = wants, .count = count, .fn = fn, .ctx = ctx};
	h = yajl_alloc(&callbacks, NULL, p);
	/* File names in JSON are what the runtime made of them; do not refuse the whole file. */
	if (h)
		yajl_config(h, yajl_dont_validate_strings, 1);
	return h;
}

int json_pick_fd(int fd, size_t cap, const struct json_want *wants, size_t count, json_pick_fn fn,
		 void *ctx, struct err *e)
{
	struct pick p;
	char chunk[16 << 10];
	size_t done = 0;
	int r = 0;
	yajl_handle h = pick_begin(&p, wants, count, fn, ctx);

	if (!h)
		return err_errno(e, ENOMEM, "JSON parser");
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = err_errno(e, errno, "read");
			break;
		}
		if (n == 0) {
			if (yajl_complete_parse(h) != yajl_status_ok)
				r = malformed(h, NULL, 0, e);
			break;
		}
		done += (size_t)n;
		if (done > cap) {
			r = err_set(e, EFBIG, "longer than %zu bytes", cap);
			break;
		}
		if (yajl_parse(h, (const unsigned char *)chunk, (size_t)n) != yajl_status_ok) {
			r = malformed(h, chunk, (size_t)n, e);
			break;
		}
	}
	yajl_free(h);
	return r;
}

int json_pick_text(const char *text, size_t len, const struct json_want *wants, size_t count,
		   json_pick_fn fn, void *ctx, struct err *e)
{
	struct pick p;
	int r = 0;
	yajl_handle h = pick_begin(&p, wants, count, fn, ctx);

	if (!h)
		return err_errno(e, ENOMEM, "JSON parser");
	if (yajl_parse(h, (const unsigned char *)text, len) != yajl_status_ok ||
	    yajl_complete_parse(h) != yajl_status_ok)
		r = malformed(h, NULL, 0, e);
	yajl_free(h);
	return r;
}
