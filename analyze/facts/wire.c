/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../capture/base/cleanup.h"
#include "../../capture/base/sbuf.h"
#include "../arena.h"
#include "parse.h"

#define WIRE_HEADER 8
#define WIRE_BUFFER (256u << 10)
#define WIRE_TYPES 64 /* tags are below this */
#define WIRE_MESSAGE 2048

/* The last record is a row like any other, of a type of its own. */
struct wire_end {
	uint64_t exit_code;
	const char *message;
};
static const struct fact_field fields_wire_end[] = {
	FACT_U64(wire_end, exit_code),
	FACT_STR(wire_end, message, WIRE_MESSAGE),
};
static const struct fact_type wire_end_type = {
	.name = "done",
	.tag = WIRE_TAG_DONE,
	.size = sizeof(struct wire_end),
	.max_rows = 1,
	.fields = fields_wire_end,
	.field_count = ARRAY_SIZE(fields_wire_end),
};

/* ------------------------------------------------------------------ the worker's side */

struct wire_out {
	int fd, error;
	uint32_t rows[WIRE_TYPES];
	size_t len;
	unsigned char buf[WIRE_BUFFER];
};

int wire_open(struct wire_out **ret, int fd)
{
	struct wire_out *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->fd = fd;
	*ret = w;
	return 0;
}

void wire_close(struct wire_out *w)
{
	free(w);
}

static int flush(struct wire_out *w)
{
	size_t done = 0;

	while (!w->error && done < w->len) {
		ssize_t n = write(w->fd, w->buf + done, w->len - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			w->error = -errno;
	}
	w->len = 0;
	return w->error;
}

static void put_number(unsigned char *p, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static uint64_t get_number(const unsigned char *p, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

/* One byte more than the renderer keeps, so that it sees that there was more. */
static size_t string_length(const struct fact_field *f, const char *s)
{
	return s ? strnlen(s, (size_t)f->max + 1) : 0;
}

static size_t row_length(const struct fact_type *t, const void *row)
{
	size_t len = 0;

	for (uint32_t i = 0; i < t->field_count; i++) {
		const struct fact_field *f = &t->fields[i];

		if (f->kind == FIELD_STR)
			len += 4 + string_length(f, *(const char *const *)((const char *)row +
									   f->offset));
		else
			len += 8;
	}
	return len;
}

static int put_row(struct wire_out *w, const struct fact_type *t, const void *row)
{
	size_t len = row_length(t, row);
	unsigned char *p;

	if (WIRE_HEADER + len > sizeof(w->buf))
		return -EMSGSIZE;
	if (WIRE_HEADER + len > sizeof(w->buf) - w->len && flush(w) < 0)
		return w->error;
	p = w->buf + w->len;
	w->len += WIRE_HEADER + len;
	put_number(p, t->tag, 2);
	put_number(p + 2, t->field_count, 2);
	put_number(p + 4, len, 4);
	p += WIRE_HEADER;
	for (uint32_t i = 0; i < t->field_count; i++) {
		const struct fact_field *f = &t->fields[i];
		const char *from = (const char *)row + f->offset;

		if (f->kind == FIELD_STR) {
			const char *s = *(const char *const *)from;
			size_t n = string_length(f, s);

			put_number(p, s ? n : UINT32_MAX, 4);
			if (s)
				memcpy(p + 4, s, n);
			p += 4 + n;
		} else {
			uint64_t v;

			memcpy(&v, from, sizeof(v));
			put_number(p, v, 8);
			p += 8;
		}
	}
	return w->error;
}

int wire_row(struct wire_out *w, const struct fact_type *t, const void *row)
{
	if (t->tag >= WIRE_TYPES)
		return -EINVAL;
	if (w->rows[t->tag] >= t->max_rows)
		return 0; /* the table is cut; that it is full tells the renderer so */
	w->rows[t->tag]++;
	return put_row(w, t, row);
}

int wire_done(struct wire_out *w, int exit_code, const char *message)
{
	struct wire_end end = {.exit_code = (uint64_t)exit_code, .message = message};
	int r = put_row(w, &wire_end_type, &end);

	return r < 0 ? r : flush(w);
}

/* ------------------------------------------------------------------ the renderer's side */

struct wire_in {
	int fd;
	uint64_t left;		      /* of max_bytes */
	const struct fact_type *type; /* of the record before */
	size_t at, end;
	unsigned char buf[64 << 10];
	unsigned char record[WIRE_MAX_RECORD];
	char text[WIRE_MAX_RECORD + 1]; /* one sanitised string */
};

static int refuse(struct err *e, const char *what)
{
	return err_set(e, EPROTO, "the worker's answer: %s", what);
}

/* 1 with len bytes in data, 0 at the end of the stream before the first of them, -EPIPE when it
 * ends among them. */
static int get(struct wire_in *in, void *data, size_t len, struct err *e)
{
	size_t done = 0;

	if (len > in->left)
		return refuse(e, "more bytes than an archive can need");
	while (done < len) {
		size_t n = in->end - in->at;

		if (n == 0) {
			ssize_t r = read(in->fd, in->buf, sizeof(in->buf));

			if (r < 0 && errno == EINTR)
				continue;
			if (r < 0)
				return err_errno(e, errno, "the worker's answer");
			if (r == 0)
				return done ? err_set(e, EPIPE,
						      "the worker's answer: it ends early")
					    : 0;
			in->at = 0;
			in->end = (size_t)r;
			continue;
		}
		if (n > len - done)
			n = len - done;
		memcpy((char *)data + done, in->buf + in->at, n);
		in->at += n;
		done += n;
	}
	in->left -= len;
	return 1;
}

/* Valid UTF-8 without NUL, at most max bytes: bytes that are neither become the text \xNN, and what
 * does not fit is cut on a character and marked.  out has room for max + 1. */
static size_t sanitise(const unsigned char *s, size_t len, uint32_t max, char *out)
{
	static const char mark[] = "…";
	size_t n = 0, cut = 0; /* cut: where the mark still fits */

	for (size_t i = 0; i < len;) {
		char piece[8];
		size_t size = (size_t)utf8_len(s + i, len - i), used = size;

		if (size == 0 || s[i] == '\0') {
			snprintf(piece, sizeof(piece), "\\x%02x", s[i]);
			size = 4;
			used = 1;
		} else {
			memcpy(piece, s + i, size);
		}
		if (n + size > max) {
			n = cut;
			if (n + sizeof(mark) - 1 <= max) {
				memcpy(out + n, mark, sizeof(mark) - 1);
				n += sizeof(mark) - 1;
			}
			break;
		}
		memcpy(out + n, piece, size);
		n += size;
		i += used;
		if (n + sizeof(mark) - 1 <= max)
			cut = n;
	}
	out[n] = '\0';
	return n;
}

static int decode_string(struct wire_in *in, const struct fact_field *f, const unsigned char **p,
			 const unsigned char *end, struct arena *arena, const char *before,
			 const char **ret, struct err *e)
{
	uint64_t len;
	size_t n;

	if (end - *p < 4)
		return refuse(e, "a row ends within a field");
	len = get_number(*p, 4);
	*p += 4;
	if (len == UINT32_MAX) {
		*ret = NULL;
		return 0;
	}
	if (len > (uint64_t)f->max + 1 || len > (uint64_t)(end - *p))
		return refuse(e, "a string is longer than its field or its row");
	n = sanitise(*p, (size_t)len, f->max, in->text);
	*p += len;
	/* Types, states and devices repeat from row to row. */
	*ret = before && !strcmp(before, in->text) ? before : arena_strndup(arena, in->text, n);
	return arena_exhausted(arena) ? err_set(e, ENOMEM, "facts: out of memory") : 0;
}

static int decode_row(struct wire_in *in, const struct fact_type *t, size_t len,
		      struct arena *arena, const void *before, void *row, struct err *e)
{
	const unsigned char *p = in->record, *end = p + len;

	for (uint32_t i = 0; i < t->field_count; i++) {
		const struct fact_field *f = &t->fields[i];
		char *to = (char *)row + f->offset;
		uint64_t v;
		int r;

		if (f->kind == FIELD_STR) {
			r = decode_string(
				in, f, &p, end, arena,
				before ? *(const char *const *)((const char *)before + f->offset)
				       : NULL,
				(const char **)to, e);
			if (r < 0)
				return r;
			continue;
		}
		if (end - p < 8)
			return refuse(e, "a row ends within a field");
		v = get_number(p, 8);
		p += 8;
		memcpy(to, &v, sizeof(v));
		if (f->kind == FIELD_F64 && !isfinite(*(double *)to))
			*(double *)to = FACT_NONE_F;
	}
	return p == end ? 0 : refuse(e, "a row is longer than its fields");
}

static const struct fact_type *type_of(uint64_t tag)
{
	if (tag == WIRE_TAG_DONE)
		return &wire_end_type;
	for (const struct fact_slot *s = fact_slots; s->type; s++)
		if (s->type->tag == tag)
			return s->type;
	return NULL;
}

/* 1 after a row, 0 after the last record. */
static int receive_record(struct wire_in *in, struct facts *f, int *ret_exit, struct err *e)
{
	unsigned char header[WIRE_HEADER] = {0};
	const struct fact_type *t;
	struct wire_end end = {0};
	uint64_t len;
	void *row;
	int r;

	r = get(in, header, sizeof(header), e);
	if (r <= 0)
		return r < 0 ? r : err_set(e, EPIPE, "the worker's answer: it ends early");
	t = type_of(get_number(header, 2));
	if (!t)
		return refuse(e, "a row of a type that does not exist");
	if (get_number(header + 2, 2) != t->field_count)
		return refuse(e, "a row with a wrong number of fields");
	len = get_number(header + 4, 4);
	if (len > WIRE_MAX_RECORD)
		return refuse(e, "a row that is too long");
	r = get(in, in->record, (size_t)len, e);
	if (r == 0 && len > 0)
		r = err_set(e, EPIPE, "the worker's answer: it ends early");
	if (r < 0)
		return r;
	row = t == &wire_end_type ? (void *)&end : facts_add(f, t);
	if (!row && !arena_exhausted(f->arena))
		return refuse(e, "too many rows");
	if (!row)
		return err_set(e, ENOMEM, "facts: out of memory");
	/* Rows of one type mostly follow each other; the first has a row of no other type before.
	 */
	r = decode_row(in, t, (size_t)len, f->arena,
		       t == in->type ? (const char *)row - t->size : NULL, row, e);
	in->type = t;
	if (r < 0)
		return r;
	if (t != &wire_end_type)
		return 1;
	if (get(in, header, 1, NULL) != 0)
		return refuse(e, "bytes after its end");
	if (end.exit_code > 255)
		return refuse(e, "an exit code that does not exist");
	*ret_exit = (int)end.exit_code;
	if (e && end.message && *end.message)
		err_set(e, EBADMSG, "%s", end.message);
	return 0;
}

int wire_receive(int fd, struct facts *f, uint64_t max_bytes, int *ret_exit, struct err *e)
{
	struct wire_in *in = malloc(sizeof(*in));
	int r;

	if (!in)
		return err_set(e, ENOMEM, "facts: out of memory");
	in->fd = fd;
	in->left = max_bytes;
	in->at = in->end = 0;
	in->type = NULL;
	do
		r = receive_record(in, f, ret_exit, e);
	while (r > 0);
	free(in);
	return r;
}
