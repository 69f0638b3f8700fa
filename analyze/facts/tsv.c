/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tsv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../capture/base/sbuf.h"

int tsv_init(struct tsv *t, const char *data, size_t len)
{
	*t = (struct tsv){.rest = TEXT(data, len)};
	t->line = malloc(TSV_LINE);
	if (!t->line)
		return -ENOMEM;
	text_line(&t->rest, &t->header);
	return 0;
}

void tsv_deinit(struct tsv *t)
{
	free(t->line);
	t->line = NULL;
}

int tsv_column(const struct tsv *t, const char *name)
{
	struct text rest = t->header, word;

	for (int i = 0; i < TSV_COLUMNS && text_until(&rest, '\t', &word); i++)
		if (text_is(word, name))
			return i;
	return -1;
}

bool tsv_next(struct tsv *t)
{
	struct text line;
	char *p, *end;

	for (;;) {
		if (!text_line(&t->rest, &line))
			return false;
		if (text_len(line) < TSV_LINE)
			break;
		t->bad++;
	}
	memcpy(t->line, line.p, text_len(line));
	p = t->line;
	end = t->line + text_len(line);
	*end = '\0';
	for (t->fields = 0; t->fields < TSV_COLUMNS; t->fields++) {
		char *stop = memchr(p, '\t', (size_t)(end - p));

		if (!stop)
			stop = end;
		/* Unescaping never makes a field longer: the NUL has room. */
		p[tsv_unescape(p, (size_t)(stop - p))] = '\0';
		t->field[t->fields] = p;
		if (stop == end) {
			t->fields++;
			break;
		}
		p = stop + 1;
	}
	return true;
}

const char *tsv_str(const struct tsv *t, int column)
{
	if (column < 0 || (size_t)column >= t->fields)
		return NULL;
	return t->field[column];
}

uint64_t tsv_u64(const struct tsv *t, int column)
{
	const char *s = tsv_str(t, column);
	uint64_t v;

	if (!s || !text_u64(TEXT(s, strlen(s)), &v))
		return FACT_NONE;
	return v;
}

void tsv_dev(const struct tsv *t, int column, uint64_t *ret_major, uint64_t *ret_minor)
{
	const char *s = tsv_str(t, column);
	struct text rest, major;
	uint64_t a, b;

	*ret_major = *ret_minor = FACT_NONE;
	if (!s)
		return;
	rest = TEXT(s, strlen(s));
	if (text_until(&rest, ':', &major) && text_u64(major, &a) && text_u64(rest, &b)) {
		*ret_major = a;
		*ret_minor = b;
	}
}
