/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard_journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../redact.h"
#include "gather.h"

#define LINE_MAX_BYTES 8192 /* fastoom's longest is 6 KiB */
#define LINE_CAP (2 * LINE_MAX_BYTES)

/* The end of a JSON string that starts at s (behind its quote), or NULL. */
static char *string_end(char *s, const char *end)
{
	for (; s < end; s++) {
		if (*s == '\\')
			s++;
		else if (*s == '"')
			return s;
	}
	return NULL;
}

/* As it stands in the line it must still be one string. */
static bool is_string(char *s, size_t len)
{
	const char *end = s + len;

	for (; s < end; s++) {
		if (*s == '"' || (*s == '\\' && ++s == end))
			return false;
	}
	return true;
}

/* The journal joins arguments by blanks; the redactor knows them by NUL. */
static size_t redact_value(const struct redactor *r, char *value, size_t len, size_t cap,
			   uint64_t *ret_count)
{
	static const char all[] = "<redacted>";

	for (size_t i = 0; i < len; i++)
		value[i] = value[i] == ' ' ? '\0' : value[i];
	len = redact_cmdline(r, value, len, cap, ret_count);
	for (size_t i = 0; i < len; i++)
		value[i] = value[i] == '\0' ? ' ' : value[i];
	if (!is_string(value, len) && cap >= sizeof(all)) {
		len = sizeof(all) - 1;
		memcpy(value, all, len);
		++*ret_count;
	}
	return len;
}

size_t journal_redact(const struct redactor *r, char *line, size_t len, size_t cap,
		      uint64_t *ret_count)
{
	static const char key[] = "\"cmdline\":\"";
	char copy[LINE_CAP];
	char *at = memmem(line, len, key, sizeof(key) - 1), *end;
	size_t head, n, tail;

	*ret_count = 0;
	if (!r || !at)
		return len;
	at += sizeof(key) - 1;
	end = string_end(at, line + len);
	if (!end)
		return 0; /* no line of a journal */
	head = (size_t)(at - line);
	n = (size_t)(end - at);
	tail = len - head - n;
	if (n >= sizeof(copy) || head + tail >= cap)
		return 0;
	memcpy(copy, at, n);
	n = redact_value(r, copy, n, sizeof(copy), ret_count);
	if (head + n + tail > cap)
		return 0;
	memmove(at + n, end, tail);
	memcpy(at, copy, n);
	return head + n + tail;
}

struct taking {
	const struct collect *c;
	struct journal_taken *taken;
	char line[LINE_CAP];
	size_t len;
	bool too_long;
};

static int end_line(struct taking *t)
{
	uint64_t redacted = 0;
	size_t len = t->too_long ? 0
				 : journal_redact(t->c->redactor, t->line, t->len,
						  sizeof(t->line) - 1, &redacted);
	int r;

	t->taken->left_out += len == 0 && (t->len || t->too_long);
	t->len = 0;
	t->too_long = false;
	if (!len)
		return 0;
	t->line[len++] = '\n';
	t->taken->lines++;
	t->taken->redacted += redacted;
	r = member_put(t->c->out, t->line, len);
	return r < 0 ? r : member_break(t->c->out);
}

static int take_bytes(struct taking *t, const char *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (data[i] == '\n') {
			int r = end_line(t);

			if (r < 0)
				return r;
		} else if (t->len < LINE_MAX_BYTES) {
			t->line[t->len++] = data[i];
		} else {
			t->too_long = true;
		}
	}
	return 0;
}

int journal_member(const struct collect *c, int fd, const char *name, struct journal_taken *ret,
		   int *ret_no)
{
	struct taking *t = calloc(1, sizeof(*t));
	char chunk[16384];
	struct stat st;
	off_t at = 0, end;
	bool inside = false;
	int r;

	*ret = (struct journal_taken){0};
	*ret_no = 0;
	if (!t)
		return -ENOMEM;
	t->c = c;
	t->taken = ret;
	/* What is written while we read is for the next capture. */
	end = fstat(fd, &st) == 0 ? st.st_size : 0;
	if (end > (off_t)JOURNAL_TAIL) {
		at = end - (off_t)JOURNAL_TAIL;
		ret->skipped_bytes = (uint64_t)at;
		inside = true;
	}
	r = member_open(c->out, name, NULL);
	while (r >= 0 && at < end) {
		size_t want = end - at < (off_t)sizeof(chunk) ? (size_t)(end - at) : sizeof(chunk);
		ssize_t n = pread(fd, chunk, want, at);
		const char *data = chunk;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			*ret_no = n < 0 ? errno : 0;
			break;
		}
		at += n;
		if (inside) { /* the first line is cut */
			data = memchr(chunk, '\n', (size_t)n);
			if (!data)
				continue;
			inside = false;
			n -= data + 1 - chunk;
			data++;
		}
		r = take_bytes(t, data, (size_t)n);
	}
	/* A line without its end is still being written. */
	free(t);
	return r < 0 ? r : member_close(c->out, ret->skipped_bytes || *ret_no);
}
