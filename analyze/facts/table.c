/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "table.h"
#include "tsv.h"

static uint64_t word_number(const char *word, const char *const *words)
{
	for (uint64_t i = 0; word && words[i]; i++)
		if (!strcmp(word, words[i]))
			return i;
	return FACT_NONE;
}

static void read_row(const struct tsv *t, const struct fact_column *columns, const int *at,
		     char *row)
{
	for (size_t i = 0; columns[i].name; i++) {
		char *field = row + columns[i].offset;

		/* The row is clear; two columns may be older and newer names of one field. */
		if (at[i] < 0)
			continue;
		switch (columns[i].kind) {
		case COLUMN_U64:
			*(uint64_t *)field = tsv_u64(t, at[i]);
			break;
		case COLUMN_STR:
			*(const char **)field = tsv_str(t, at[i]);
			break;
		case COLUMN_DEV:
			tsv_dev(t, at[i], (uint64_t *)field, (uint64_t *)field + 1);
			break;
		case COLUMN_WORD:
			*(uint64_t *)field = word_number(tsv_str(t, at[i]), columns[i].words);
			break;
		}
	}
}

int fact_table_read(struct parse *p, const struct fact_table *table, const char *data, size_t len)
{
	_Alignas(16) char row[FACT_ROW_MAX];
	int at[FACT_COLUMNS_MAX] = {0}, r = 0;
	struct tsv t;

	if (tsv_init(&t, data, len) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < FACT_COLUMNS_MAX && table->columns[i].name; i++)
		at[i] = tsv_column(&t, table->columns[i].name);
	while (r >= 0 && tsv_next(&t)) {
		const char *key = tsv_str(&t, at[0]);

		if (!key || !*key) {
			p->bad++;
			continue;
		}
		fact_clear(table->type, row);
		read_row(&t, table->columns, at, row);
		r = table->complete ? table->complete(p, row) : 0;
		if (r >= 0)
			r = parse_emit(p, table->type, row);
	}
	p->bad += t.bad;
	tsv_deinit(&t);
	return r;
}
