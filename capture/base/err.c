/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sbuf.h"

/* A message may carry a name that somebody else chose, and ends on a terminal. */
static void sanitize(char *text)
{
	unsigned char *s = (unsigned char *)text;
	size_t left = strlen(text);

	while (left) {
		int n = utf8_len(s, left);

		if (n == 0 || *s < 0x20 || *s == 0x7f) {
			*s = '?';
			n = 1;
		} else if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0) {
			s[0] = s[1] = '?'; /* C1 controls: terminals obey them too */
		}
		s += n;
		left -= (size_t)n;
	}
}

static const char *describe(int no, char *buf, size_t cap)
{
	const char *text = strerrordesc_np(no);

	if (text)
		return text;
	snprintf(buf, cap, "error %d", no);
	return buf;
}

int err_errno(struct err *e, int no, const char *object)
{
	char number[32];

	if (no < 0)
		no = -no;
	if (no == 0)
		no = EIO;
	return err_set(e, no, "%s: %s", object ? object : "?",
		       describe(no, number, sizeof(number)));
}

int err_set(struct err *e, int no, const char *fmt, ...)
{
	char text[ERR_TEXT]; /* what is said may quote what was said before */
	va_list ap;

	if (no < 0)
		no = -no;
	if (no == 0)
		no = EIO;
	if (!e)
		return -no;
	e->no = no;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sanitize(text);
	memcpy(e->text, text, strlen(text) + 1);
	return -no;
}

int err_add(struct err *e, const char *fmt, ...)
{
	char text[ERR_TEXT];
	size_t len;
	va_list ap;

	if (!e || e->no == 0)
		return 0;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	len = strlen(e->text);
	snprintf(e->text + len, sizeof(e->text) - len, " (%s)", text);
	sanitize(e->text + len);
	return -e->no;
}
