/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text.h"

#include <string.h>

#include "facts.h"

bool text_until(struct text *t, char c, struct text *ret)
{
	const char *stop;

	if (t->p >= t->end)
		return false;
	stop = memchr(t->p, c, text_len(*t));
	*ret = (struct text){.p = t->p, .end = stop ? stop : t->end};
	t->p = stop ? stop + 1 : t->end;
	return true;
}

bool text_line(struct text *t, struct text *ret)
{
	return text_until(t, '\n', ret);
}

bool text_word(struct text *line, struct text *ret)
{
	const char *p = line->p, *stop;

	while (p < line->end && (*p == ' ' || *p == '\t'))
		p++;
	for (stop = p; stop < line->end && *stop != ' ' && *stop != '\t';)
		stop++;
	line->p = stop;
	if (p == stop)
		return false;
	*ret = (struct text){.p = p, .end = stop};
	return true;
}

bool text_starts(struct text t, const char *s)
{
	size_t len = strlen(s);

	return text_len(t) >= len && !memcmp(t.p, s, len);
}

bool text_is(struct text t, const char *s)
{
	return text_len(t) == strlen(s) && text_starts(t, s);
}

bool text_u64(struct text t, uint64_t *ret)
{
	uint64_t v = 0;

	if (t.p >= t.end)
		return false;
	for (const char *p = t.p; p < t.end; p++) {
		unsigned digit = (unsigned)(unsigned char)*p - '0';

		if (digit > 9 || v > UINT64_MAX / 10 || v * 10 > UINT64_MAX - digit)
			return false;
		v = v * 10 + digit;
	}
	*ret = v;
	return true;
}

bool text_i64(struct text t, int64_t *ret)
{
	bool negative = t.p < t.end && *t.p == '-';
	uint64_t v;

	if (negative)
		t.p++;
	if (!text_u64(t, &v) || v > INT64_MAX)
		return false;
	*ret = negative ? -(int64_t)v : (int64_t)v;
	return true;
}

bool text_word_u64(struct text *line, uint64_t *ret)
{
	struct text rest = *line, word;

	if (!text_word(&rest, &word) || !text_u64(word, ret))
		return false;
	*line = rest;
	return true;
}

uint64_t text_times(uint64_t a, uint64_t b)
{
	uint64_t v;

	if (a == UINT64_MAX || b == UINT64_MAX || __builtin_mul_overflow(a, b, &v))
		return UINT64_MAX;
	return v;
}

char *text_copy(struct text t, char *out, size_t cap)
{
	size_t len = text_len(t) < cap ? text_len(t) : cap - 1;

	memcpy(out, t.p, len);
	out[len] = '\0';
	return out;
}

uint64_t text_page_size(uint64_t v)
{
	return v >= 512 && v <= 1u << 30 && !(v & (v - 1)) ? v : FACT_NONE;
}
