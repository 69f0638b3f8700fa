/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "../base/sbuf.h"
#include "shape.h"

#define MAX_LEVELS 8
#define MAX_SKIPPED 24 /* nesting inside what is not known */

struct level {
	const struct shape *shape;	 /* an object, or */
	const struct shape_field *list;	 /* an array */
	const struct shape_field *field; /* the key just read */
	char *base;
	uint64_t seen; /* bit per field */
};

struct parse {
	struct level levels[MAX_LEVELS];
	unsigned depth;
	unsigned skipping; /* open brackets inside something unknown */
	bool skip_value;   /* the key just read is unknown */
	const struct shape *root;
	char *base;
	void *scratch;
	int (*each)(void *ctx, const void *element);
	void *ctx;
	locale_t c_locale; /* numbers have a point, whatever the user's language */
	const char *what;
	struct err *err;
	int error;
};

static int refuse(struct parse *p, const char *why)
{
	char path[160] = "";
	struct sbuf b = SBUF(path);

	for (unsigned i = 0; i < p->depth; i++) {
		if (p->levels[i].field)
			sbuf_printf(&b, "%s%s", b.len ? "." : "", p->levels[i].field->key);
	}
	p->error = err_set(p->err, EBADMSG, "%s: %s%s%s", p->what, path, b.len ? ": " : "", why);
	return 0;
}

static struct level *top(struct parse *p)
{
	return p->depth ? &p->levels[p->depth - 1] : NULL;
}

/* The field that a value belongs to, or NULL. */
static const struct shape_field *current(struct parse *p)
{
	struct level *l = top(p);

	return l ? (l->list ? l->list : l->field) : NULL;
}

static void *at(struct parse *p, uint32_t offset)
{
	return top(p)->base + offset;
}

static void not_measured(const struct shape *shape, char *base)
{
	for (uint32_t i = 0; i < shape->field_count; i++) {
		const struct shape_field *f = &shape->fields[i];
		double none = NAN;

		if (f->kind == SHAPE_F64)
			memcpy(base + f->offset, &none, sizeof(none));
		else if (f->kind == SHAPE_OBJECT)
			not_measured(f->shape, base);
	}
}

static int push(struct parse *p, const struct shape *shape, const struct shape_field *list,
		char *base)
{
	if (p->depth == MAX_LEVELS)
		return refuse(p, "nested too deeply");
	p->levels[p->depth++] = (struct level){.shape = shape, .list = list, .base = base};
	return 1;
}

static int skip_open(struct parse *p)
{
	p->skip_value = false;
	return ++p->skipping > MAX_SKIPPED ? refuse(p, "nested too deeply") : 1;
}

/* Inside something unknown, or the value of an unknown key. */
static bool skipped_scalar(struct parse *p)
{
	bool skip = p->skipping || p->skip_value;

	p->skip_value = false;
	return skip;
}

static int append_text(struct parse *p, char *to, size_t cap, const char *text, size_t len)
{
	if (memchr(text, 0, len))
		return refuse(p, "has a NUL");
	if (len >= cap)
		return refuse(p, "too long");
	memcpy(to, text, len);
	to[len] = 0;
	return 1;
}

static int add_word(struct parse *p, const struct shape_field *f, const char *text, size_t len)
{
	char *to = at(p, f->offset);
	size_t have = strlen(to);

	/* levels[].seen counts the elements of an array. */
	if (top(p)->seen++) {
		if (have + 1 >= f->size)
			return refuse(p, "too long");
		to[have++] = f->separator;
		to[have] = 0;
	}
	return append_text(p, to + have, f->size - have, text, len);
}

static int add_text(struct parse *p, const struct shape_field *f, const char *text, size_t len)
{
	size_t *count = at(p, f->count_offset);

	if (*count >= f->max)
		return refuse(p, "too many");
	char *to = (char *)at(p, f->offset) + *count * f->size;

	++*count;
	return append_text(p, to, f->size, text, len);
}

static int digits(const char *text, size_t len, uint64_t *ret)
{
	uint64_t v = 0;

	if (!len || len > 19)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		v = v * 10 + (uint64_t)(text[i] - '0');
	}
	if (v > INT64_MAX)
		return -ERANGE;
	*ret = v;
	return 0;
}

static int on_string(void *ctx, const unsigned char *s, size_t len)
{
	struct parse *p = ctx;
	const struct shape_field *f;
	const char *text = (const char *)s;

	if (skipped_scalar(p))
		return 1;
	f = current(p);
	if (!f)
		return refuse(p, "not an object");
	switch (f->kind) {
	case SHAPE_WORDS:
		return top(p)->list ? add_word(p, f, text, len) : refuse(p, "not an array");
	case SHAPE_TEXTS:
		return top(p)->list ? add_text(p, f, text, len) : refuse(p, "not an array");
	case SHAPE_TEXT:
		return append_text(p, at(p, f->offset), f->size, text, len);
	case SHAPE_NS:
		return digits(text, len, at(p, f->offset)) == 0 ? 1 : refuse(p, "not a time");
	case SHAPE_CONVERT:
		return f->convert(text, len, at(p, f->offset)) == 0 ? 1
								    : refuse(p, "not understood");
	default:
		return refuse(p, "is a string");
	}
}

static int put_integer(struct parse *p, const struct shape_field *f, const char *text, size_t len)
{
	uint64_t v, max = f->max;

	if (digits(text, len, &v) < 0)
		return refuse(p, "out of range");
	if (f->kind == SHAPE_U32 && (!max || max > UINT32_MAX))
		max = UINT32_MAX;
	if (f->kind == SHAPE_INT && (!max || max > INT_MAX))
		max = INT_MAX;
	if (max && v > max)
		return refuse(p, "out of range");
	if (f->kind == SHAPE_U64)
		*(uint64_t *)at(p, f->offset) = v;
	else if (f->kind == SHAPE_U32)
		*(uint32_t *)at(p, f->offset) = (uint32_t)v;
	else
		*(int *)at(p, f->offset) = (int)v;
	return 1;
}

static int on_number(void *ctx, const char *text, size_t len)
{
	struct parse *p = ctx;
	const struct shape_field *f;
	char buf[64], *end;
	double v;

	if (skipped_scalar(p))
		return 1;
	f = current(p);
	if (!f)
		return refuse(p, "not an object");
	switch (f->kind) {
	case SHAPE_U64:
	case SHAPE_U32:
	case SHAPE_INT:
		return put_integer(p, f, text, len);
	case SHAPE_F64:
		if (len >= sizeof(buf))
			return refuse(p, "out of range");
		memcpy(buf, text, len);
		buf[len] = 0;
		v = strtod_l(buf, &end, p->c_locale);
		if (*end || !isfinite(v) || (v < 0 && !f->negative))
			return refuse(p, "out of range");
		*(double *)at(p, f->offset) = v;
		return 1;
	default:
		return refuse(p, "is a number");
	}
}

static int on_boolean(void *ctx, int v)
{
	struct parse *p = ctx;
	const struct shape_field *f;

	if (skipped_scalar(p))
		return 1;
	f = current(p);
	if (!f || f->kind != SHAPE_BOOL)
		return refuse(p, "is true or false");
	*(bool *)at(p, f->offset) = v != 0;
	return 1;
}

static int on_null(void *ctx)
{
	struct parse *p = ctx;
	const struct shape_field *f;

	if (skipped_scalar(p))
		return 1;
	f = current(p);
	if (!f || top(p)->list || !(f->nullable || f->kind == SHAPE_F64))
		return refuse(p, "is null");
	return 1;
}

static int open_element(struct parse *p, const struct shape_field *list)
{
	char *element;

	if (list->kind == SHAPE_STREAM) {
		if (top(p)->seen++ >= list->max)
			return refuse(p, "too many");
		element = p->scratch;
		memset(element, 0, list->shape->size);
	} else if (list->kind == SHAPE_LIST) {
		size_t *count = at(p, list->count_offset);

		if (*count >= list->max)
			return refuse(p, "too many");
		element = (char *)at(p, list->offset) + *count * list->shape->size;
		++*count;
	} else {
		return refuse(p, "is an object");
	}
	not_measured(list->shape, element);
	return push(p, list->shape, NULL, element);
}

static int on_open_object(void *ctx)
{
	struct parse *p = ctx;
	const struct shape_field *f;

	if (p->skipping || p->skip_value)
		return skip_open(p);
	if (!p->depth)
		return push(p, p->root, NULL, p->base);
	if (top(p)->list)
		return open_element(p, top(p)->list);
	f = top(p)->field;
	if (!f || f->kind != SHAPE_OBJECT)
		return refuse(p, "is an object");
	return push(p, f->shape, NULL, top(p)->base);
}

static int on_key(void *ctx, const unsigned char *s, size_t len)
{
	struct parse *p = ctx;
	struct level *l = top(p);

	if (p->skipping)
		return 1;
	l->field = NULL;
	for (uint32_t i = 0; i < l->shape->field_count; i++) {
		const struct shape_field *f = &l->shape->fields[i];

		if (strlen(f->key) != len || memcmp(f->key, s, len) != 0)
			continue;
		l->field = f;
		if (l->seen >> i & 1)
			return refuse(p, "given twice");
		l->seen |= 1ULL << i;
		return 1;
	}
	p->skip_value = true;
	return 1;
}

static int on_close_object(void *ctx)
{
	struct parse *p = ctx;
	struct level *l = top(p);
	int r;

	if (p->skipping) {
		p->skipping--;
		return 1;
	}
	for (uint32_t i = 0; i < l->shape->field_count; i++) {
		l->field = &l->shape->fields[i];
		if (l->field->required && !(l->seen >> i & 1))
			return refuse(p, "is missing");
	}
	p->depth--;
	l = top(p);
	if (l && l->list && l->list->kind == SHAPE_STREAM && p->each) {
		r = p->each(p->ctx, p->scratch);
		if (r < 0) {
			p->error = r;
			return 0;
		}
	}
	return 1;
}

static int on_open_array(void *ctx)
{
	struct parse *p = ctx;
	const struct shape_field *f;

	if (p->skipping || p->skip_value)
		return skip_open(p);
	f = p->depth && !top(p)->list ? top(p)->field : NULL;
	if (!f || (f->kind != SHAPE_WORDS && f->kind != SHAPE_TEXTS && f->kind != SHAPE_LIST &&
		   f->kind != SHAPE_STREAM))
		return refuse(p, "is an array");
	return push(p, NULL, f, top(p)->base);
}

static int on_close_array(void *ctx)
{
	struct parse *p = ctx;

	if (p->skipping)
		p->skipping--;
	else
		p->depth--;
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_open_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_close_object,
	.yajl_start_array = on_open_array,
	.yajl_end_array = on_close_array,
};

int shape_parse(const struct shape *shape, void *base, const char *what, const char *text,
		size_t len, void *scratch, int (*each)(void *ctx, const void *element), void *ctx,
		struct err *e)
{
	struct parse p = {.root = shape,
			  .base = base,
			  .scratch = scratch,
			  .each = each,
			  .ctx = ctx,
			  .what = what,
			  .err = e};
	yajl_handle y = yajl_alloc(&callbacks, NULL, &p);
	yajl_status status;
	int r = 0;

	p.c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!y || !p.c_locale) {
		r = err_errno(e, ENOMEM, what);
		goto out;
	}
	not_measured(shape, base);
	status = yajl_parse(y, (const unsigned char *)text, len);
	if (p.error)
		r = p.error;
	else if (status != yajl_status_ok)
		r = err_set(e, EBADMSG, "%s: not JSON (at byte %zu)", what,
			    yajl_get_bytes_consumed(y));
	else if (yajl_complete_parse(y) != yajl_status_ok)
		r = p.error ? p.error : err_set(e, EBADMSG, "%s: JSON that is cut short", what);
out:
	if (y)
		yajl_free(y);
	if (p.c_locale)
		freelocale(p.c_locale);
	return r;
}
