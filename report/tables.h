/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of the page: one row here and one function each. */
#pragma once

#include <math.h>

#include "table.h"

struct table_def {
	const char *id;
	/* Fills everything but id and report.  0 or -ENOMEM. */
	int (*open)(struct table *t);
};

extern const struct table_def tables_stacks[]; /* tables_stacks.c */
extern const struct table_def tables_cache[];  /* tables_cache.c; each ends with a NULL id */
extern const struct table_def tables_memory[]; /* tables_memory.c */
extern const struct table_def tables_groups[];
extern const struct table_def tables_processes[];
extern const struct table_def tables_guard[]; /* tables_guard.c */
extern const struct table_def tables_raw[];   /* tables_raw.c */
extern const struct table_def tables_objects[];
extern const struct table_def tables_heaps[];
extern const struct table_def tables_growth[];
extern const struct table_def tables_hotspot[];
extern const struct table_def tables_offcpu[];

/* tables_pools.c: of tables_objects. */
int huge_pools_open(struct table *t);
int allocations_open(struct table *t);

#define TABLE_COLUMNS_OF(t, array)                                                                 \
	((t)->columns = (array), (t)->column_count = sizeof(array) / sizeof((array)[0]))

/* FACT_NONE becomes NaN */
static inline double measured(uint64_t v)
{
	return v == FACT_NONE ? (double)NAN : (double)v;
}

static inline void cell_estimate(struct cell *c, struct estimate e)
{
	c->value = e.bytes;
	c->low = e.low;
	c->high = e.high;
}
