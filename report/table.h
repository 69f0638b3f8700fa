/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A ranking: the first rows as HTML that needs no script, all rows as compressed columns that the
 * page's script sorts, filters and shows through a window.  Both come from one cell function, so
 * they cannot disagree.  templates/table.js draws the same cells.
 */
#pragma once

#include "out.h"

enum cell_kind {
	CELL_PATH,   /* text to be copied, and a second line */
	CELL_TEXT,   /* text, and a second line */
	CELL_STATE,  /* one of a few words */
	CELL_BYTES,  /* with an interval when it was estimated */
	CELL_CHANGE, /* bytes, signed */
	CELL_COUNT,
	CELL_ID,    /* a number that is a name: a PID */
	CELL_SHARE, /* percent */
	CELL_SECONDS,
};

struct column {
	const char *title;
	enum cell_kind kind;
	bool bar;	   /* draw the proportion to the largest of the column */
	const char *about; /* one sentence for whoever hovers over the title, or NULL */
};

struct cell {
	const char *text;   /* NULL: not measured; of a number: said in its place ("none") */
	const char *sub;    /* second line, or NULL */
	double value;	    /* NaN: not measured */
	double low, high;   /* equal when exact */
	char scratch[3584]; /* a reason with notes and losses */
};

#define TABLE_COLUMNS 12

struct table {
	const char *id, *caption;
	const char *none; /* said when it was captured and there are no rows */
	const struct column *columns;
	size_t column_count;
	int sorted; /* the column the rows are sorted by, descending; -1: their own order */
	size_t rows;
	bool captured;
	const struct report *report;
	void *owned; /* from malloc, freed by table_close() */
	void (*cell)(const struct table *t, size_t row, size_t column, struct cell *ret);
};

/* One cell; low and high are always set where value is. */
void table_cell(const struct table *t, size_t row, size_t column, struct cell *ret);

/* tables.c: the n-th id; NULL after the last. */
const char *table_id(size_t n);
/* By the id that page.xml names.  -ENOENT, -ENOMEM. */
int table_open(struct table *ret, const char *id, const struct report *r);
void table_close(struct table *t);

/* prefix goes before ids ("" or "h3-"). */
void table_write(struct out *o, const struct table *t, const char *prefix, unsigned top);

/* columns.c: gzip and base64 of the columns as JSON, at most REPORT_MAX_ROWS rows. */
void columns_write(struct out *o, const struct table *t);
