/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A table of the archive, row by row.  Columns go by name; one that is not there reads as "not
 * measured", one that is not known is ignored. */
#pragma once

#include "facts.h"
#include "text.h"

#define TSV_COLUMNS 64
#define TSV_LINE (256u << 10) /* a longer row is counted in `bad` and left out */

struct tsv {
	struct text rest, header;
	char *line; /* the current row, unescaped in place */
	const char *field[TSV_COLUMNS];
	size_t fields;
	uint64_t bad;
};

/* -ENOMEM.  data must outlive t. */
int tsv_init(struct tsv *t, const char *data, size_t len);
void tsv_deinit(struct tsv *t);
/* True with the next row; false at the end. */
bool tsv_next(struct tsv *t);
/* The column's number, or −1. */
int tsv_column(const struct tsv *t, const char *name);
/* NULL when there is no such column or field.  Valid until tsv_next(). */
const char *tsv_str(const struct tsv *t, int column);
/* FACT_NONE when it is empty, missing or not a number. */
uint64_t tsv_u64(const struct tsv *t, int column);
/* "MAJOR:MINOR"; both FACT_NONE when it is not that. */
void tsv_dev(const struct tsv *t, int column, uint64_t *ret_major, uint64_t *ret_minor);
