/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Handing members over: one part buffer, grown on demand up to part_size.  A part is sent
 * only when the next byte does not fit, so that a member that fits keeps its plain name.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/sbuf.h"
#include "emit.h"
#include "emit_private.h"
#include "frame.h"

#define PART_FIRST (16u << 10)
#define PARTS_MAX 9999u

struct emit *emit_create(int fd, size_t part)
{
	struct emit *out = calloc(1, sizeof(*out));

	if (!out)
		return NULL;
	out->fd = fd;
	out->part_size = part && part < BUNDLE_PART_SIZE ? part : BUNDLE_PART_SIZE;
	return out;
}

void emit_destroy(struct emit *out)
{
	if (!out)
		return;
	free(out->buf);
	free(out->header);
	free(out);
}

bool emit_has_status(const struct emit *out)
{
	return out->has_status;
}

int emit_finish(struct emit *out)
{
	if (out->open)
		member_close(out, true);
	return out->error;
}

/* ------------------------------------------------------------------ frames */

static int fail(struct emit *out, int error)
{
	if (!out->error)
		out->error = error;
	return out->error;
}

static int send_frame(struct emit *out, struct frame_header *h, const void *name, const void *data)
{
	if (out->error == -EPIPE)
		return out->error;
	h->magic = FRAME_MAGIC;
	int rc = frame_write(out->fd, h, name, data);
	return rc ? fail(out, rc) : 0;
}

static int send_part(struct emit *out, size_t len, bool numbered, bool truncated)
{
	char name[FRAME_NAME_MAX + 8];
	struct frame_header h = {.type = FRAME_MEMBER, .value = truncated};
	int n;

	if (numbered)
		n = snprintf(name, sizeof(name), "%s.%04u", out->name, out->part);
	else
		n = snprintf(name, sizeof(name), "%s", out->name);
	h.name_len = (uint16_t)n;
	h.data_len = (uint32_t)len;
	out->part++;
	return send_frame(out, &h, name, out->buf);
}

/* ------------------------------------------------------------------ members */

static int grow(struct emit *out, size_t need)
{
	size_t cap = out->cap ? out->cap : PART_FIRST;
	char *buf;

	if (need <= out->cap)
		return 0;
	while (cap < need)
		cap *= 2;
	if (cap > out->part_size)
		cap = out->part_size;
	buf = realloc(out->buf, cap);
	if (!buf)
		return fail(out, -ENOMEM);
	out->buf = buf;
	out->cap = cap;
	return 0;
}

int member_open(struct emit *out, const char *name, const char *header)
{
	/* Room for the number of a part behind the name. */
	if (out->open)
		return fail(out, -EBUSY);
	if (strlen(name) > FRAME_NAME_MAX - 5 || !frame_member_name_ok(name))
		return fail(out, -EINVAL);
	if (out->error)
		return out->error;
	size_t len = header ? strlen(header) : 0;
	if (len > out->part_size / 2)
		return fail(out, -EINVAL);
	free(out->header);
	out->header = NULL;
	if (len) {
		out->header = strdup(header);
		if (!out->header)
			return fail(out, -ENOMEM);
		int rc = grow(out, len);
		if (rc)
			return rc;
		memcpy(out->buf, header, len);
	}
	snprintf(out->name, sizeof(out->name), "%s", name);
	out->header_len = out->len = out->mark = len;
	out->part = 0;
	out->open = true;
	out->row_started = false;
	return 0;
}

/* Send what stands before the last mark, or all of it where there is none. */
static int flush_part(struct emit *out)
{
	size_t end = out->mark > out->header_len ? out->mark : out->len;
	size_t rest = out->len - end;

	if (out->part >= PARTS_MAX)
		return fail(out, -E2BIG);
	int rc = send_part(out, end, true, false);
	if (rc)
		return rc;
	/* The header still stands at the start of the buffer. */
	memmove(out->buf + out->header_len, out->buf + end, rest);
	out->len = out->header_len + rest;
	out->mark = out->header_len;
	return 0;
}

int member_put(struct emit *out, const void *data, size_t len)
{
	const char *p = data;

	if (!out->open)
		return fail(out, -EINVAL);
	if (!out->error && len <= out->cap - out->len) { /* as nearly always */
		memcpy(out->buf + out->len, p, len);
		out->len += len;
		return 0;
	}
	while (len) {
		if (out->error)
			return out->error;
		size_t room = out->part_size - out->len;
		if (len > room && out->mark > out->header_len) {
			flush_part(out);
			continue;
		}
		size_t take = len < room ? len : room;
		if (grow(out, out->len + take))
			return out->error;
		memcpy(out->buf + out->len, p, take);
		out->len += take;
		p += take;
		len -= take;
		if (len)
			flush_part(out);
	}
	return out->error;
}

int member_break(struct emit *out)
{
	out->mark = out->len;
	return out->error;
}

int member_close(struct emit *out, bool truncated)
{
	if (!out->open)
		return out->error;
	out->open = false;
	if (out->error)
		return out->error;
	/* The last part of many may have nothing but the header left. */
	if (out->part && out->len == out->header_len && !truncated)
		return 0;
	return send_part(out, out->len, out->part > 0, truncated);
}

/* ------------------------------------------------------------------ rows */

static void field_begin(struct emit *out)
{
	if (out->row_started)
		member_put(out, "\t", 1);
	out->row_started = true;
}

void row_str(struct emit *out, const void *s, size_t len)
{
	char stack[1024];
	size_t need = 4 * len + 1;

	field_begin(out);
	char *p = need <= sizeof(stack) ? stack : malloc(need);
	if (!p) {
		fail(out, -ENOMEM);
		return;
	}
	struct sbuf b = {.p = p, .cap = need};
	sbuf_tsv(&b, s, len);
	member_put(out, b.p, b.len);
	if (p != stack)
		free(p);
}

void row_cstr(struct emit *out, const char *s)
{
	row_str(out, s, strlen(s));
}

void row_u64(struct emit *out, uint64_t v)
{
	char text[24], *end = text + sizeof(text), *p = end;

	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	if (out->row_started)
		*--p = '\t';
	out->row_started = true;
	member_put(out, p, (size_t)(end - p));
}

void row_f64(struct emit *out, double v)
{
	char text[40];

	if (!isfinite(v)) {
		row_none(out);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	field_begin(out);
	member_put(out, text, strlen(text));
}

void row_none(struct emit *out)
{
	field_begin(out);
}

int row_end(struct emit *out)
{
	out->row_started = false;
	member_put(out, "\n", 1);
	return member_break(out);
}

/* ------------------------------------------------------------------ for the manifest */

static uint32_t text_len(int n)
{
	if (n < 0)
		return 0;
	return n > FRAME_TEXT_MAX ? FRAME_TEXT_MAX : (uint32_t)n;
}

void emit_status(struct emit *out, enum collector_status s, int no, const char *fmt, ...)
{
	struct frame_header h = {.type = FRAME_STATUS, .value = (uint8_t)s};
	char text[FRAME_TEXT_MAX + 1];
	va_list ap;

	va_start(ap, fmt);
	h.data_len = text_len(vsnprintf(text, sizeof(text), fmt, ap));
	va_end(ap);
	h.no = no < 0 ? -no : no;
	out->has_status = true;
	send_frame(out, &h, NULL, text);
}

void emit_started(struct emit *out)
{
	struct frame_header h = {.type = FRAME_STARTED};

	if (!out->started)
		send_frame(out, &h, NULL, NULL);
	out->started = true;
}

void emit_loss(struct emit *out, const char *cause, uint64_t count)
{
	struct frame_header h = {.type = FRAME_LOSS, .count = count};

	h.name_len = (uint16_t)strnlen(cause, sizeof(((struct collector_loss *)0)->cause) - 1);
	if (h.name_len && count)
		send_frame(out, &h, cause, NULL);
}

void emit_note(struct emit *out, const char *fmt, ...)
{
	struct frame_header h = {.type = FRAME_NOTE};
	char text[FRAME_TEXT_MAX + 1];
	va_list ap;

	va_start(ap, fmt);
	h.data_len = text_len(vsnprintf(text, sizeof(text), fmt, ap));
	va_end(ap);
	send_frame(out, &h, NULL, text);
}

void emit_redacted(struct emit *out, const char *kind, const char *where, uint64_t count)
{
	struct frame_header h = {.type = FRAME_REDACTED, .count = count};

	h.name_len = (uint16_t)strnlen(kind, sizeof(((struct redaction_count *)0)->kind) - 1);
	h.data_len = (uint32_t)strnlen(where, sizeof(((struct redaction_count *)0)->where) - 1);
	if (h.name_len && count)
		send_frame(out, &h, kind, where);
}
