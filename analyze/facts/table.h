/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of the archive whose rows are facts as they stand: which column goes where. */
#pragma once

#include "parse.h"

struct fact_column {
	const char *name;
	enum {
		COLUMN_U64,
		COLUMN_STR,
		COLUMN_DEV,  /* "MAJOR:MINOR": minor follows major */
		COLUMN_WORD, /* one of words: its number; another word, or none, is FACT_NONE */
	} kind;
	size_t offset;
	const char *const *words; /* ends with NULL */
};

/* The first column is the key: a row without it is malformed. */
struct fact_table {
	const char *member;
	const struct fact_type *type;
	const struct fact_column *columns; /* ends with a NULL name */
	/* Before a row is handed over; may be NULL.  Negative errno ends. */
	int (*complete)(struct parse *p, void *row);
};

#define FACT_ROW_MAX 192u /* sizeof a row */
#define FACT_COLUMNS_MAX 24u

int fact_table_read(struct parse *p, const struct fact_table *table, const char *data, size_t len);
