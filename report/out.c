/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "visible.h"

void out_init(struct out *o, report_write_fn write, void *ctx)
{
	o->write = write;
	o->ctx = ctx;
	o->error = 0;
	o->len = 0;
}

static void flush(struct out *o)
{
	if (o->len && !o->error) {
		int r = o->write(o->ctx, o->buf, o->len);

		if (r < 0)
			o->error = r;
	}
	o->len = 0;
}

int out_end(struct out *o)
{
	flush(o);
	return o->error;
}

void out_raw(struct out *o, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		size_t n = sizeof(o->buf) - o->len;

		if (n > len)
			n = len;
		memcpy(o->buf + o->len, p, n);
		o->len += n;
		p += n;
		len -= n;
		if (o->len == sizeof(o->buf))
			flush(o);
	}
}

void out_str(struct out *o, const char *markup)
{
	out_raw(o, markup, strlen(markup));
}

void out_fmt(struct out *o, const char *fmt, ...)
{
	char buf[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(buf)) {
		if (!o->error)
			o->error = -EOVERFLOW;
		return;
	}
	out_raw(o, buf, (size_t)n);
}

static void escape(struct out *o, const char *s, size_t len)
{
	size_t start = 0;

	for (size_t i = 0; i < len; i++) {
		const char *entity;

		switch (s[i]) {
		case '&':
			entity = "&amp;";
			break;
		case '<':
			entity = "&lt;";
			break;
		case '>':
			entity = "&gt;";
			break;
		case '"':
			entity = "&quot;";
			break;
		case '\'':
			entity = "&#39;";
			break;
		default:
			continue;
		}
		out_raw(o, s + start, i - start);
		out_str(o, entity);
		start = i + 1;
	}
	out_raw(o, s + start, len - start);
}

void out_text(struct out *o, const char *text)
{
	struct visible v;
	size_t n;

	for (; (n = visible_next(text, &v)); text += n)
		escape(o, v.text, v.len);
}

void out_name(struct out *o, const char *text)
{
	struct visible v;
	size_t n;

	for (; (n = visible_next(text, &v)); text += n) {
		if (v.changed)
			out_str(o, "<span class=\"ctl\">");
		escape(o, v.text, v.len);
		if (v.changed)
			out_str(o, "</span>");
	}
}
