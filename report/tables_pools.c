/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pools of huge pages, and what each place in the kernel's code has allocated. */
#include "tables.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct column pool_columns[] = {
	{"Page size", CELL_BYTES, false, NULL},
	{"Node", CELL_TEXT, false, NULL},
	{"Pages", CELL_COUNT, false, "nr_hugepages"},
	{"Bytes", CELL_BYTES, true, NULL},
	{"Free", CELL_BYTES, false, "In the pool and not in use"},
	{"Reserved", CELL_BYTES, false, "Of the free ones: promised to who has mapped them"},
	{"Surplus", CELL_BYTES, false, "Beyond nr_hugepages, given back when free"},
};

static void pool_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct fact_huge_pool *p = &t->report->facts->huge_pools.rows[row];
	double size = measured(p->page_bytes);

	switch (column) {
	case 0:
		c->value = size;
		break;
	case 1:
		c->text = "all";
		if (p->node != FACT_NONE) {
			snprintf(c->scratch, sizeof(c->scratch), "%" PRIu64, p->node);
			c->text = c->scratch;
		}
		break;
	case 2:
		c->value = measured(p->pages);
		break;
	case 3:
		c->value = measured(p->pages) * size;
		break;
	case 4:
		c->value = measured(p->free_pages) * size;
		break;
	case 5:
		c->value = measured(p->reserved) * size;
		break;
	default:
		c->value = measured(p->surplus) * size;
	}
}

int huge_pools_open(struct table *t)
{
	TABLE_COLUMNS_OF(t, pool_columns);
	t->caption = "Pools of huge pages by size and node";
	t->rows = t->report->facts->huge_pools.count;
	t->captured = t->rows > 0;
	t->cell = pool_cell;
	return 0;
}

static const struct column allocation_columns[] = {
	{"Function", CELL_TEXT, false, "Below it, its place in the kernel’s source"},
	{"Module", CELL_TEXT, false, NULL},
	{"Bytes", CELL_BYTES, true,
	 "Allocated there and not freed; slab pages also stand at mm/slub.c"},
	{"Allocations", CELL_COUNT, false, NULL},
};

static int by_bytes(const void *a, const void *b)
{
	const struct fact_allocation *x = *(const struct fact_allocation *const *)a;
	const struct fact_allocation *y = *(const struct fact_allocation *const *)b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x < y ? -1 : x > y;
}

static void allocation_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct fact_allocation *a = ((const struct fact_allocation *const *)t->owned)[row];

	switch (column) {
	case 0:
		c->text = a->function ? a->function : "?";
		c->sub = a->place;
		break;
	case 1:
		c->text = a->module ? a->module : "";
		break;
	case 2:
		c->value = measured(a->bytes);
		break;
	default:
		c->value = measured(a->calls);
	}
}

int allocations_open(struct table *t)
{
	const struct facts *f = t->report->facts;
	const struct fact_allocation **rows;

	TABLE_COLUMNS_OF(t, allocation_columns);
	t->caption = "What the kernel’s code allocated, by place (/proc/allocinfo) or by function "
		     "(page_owner)";
	t->cell = allocation_cell;
	t->sorted = 2;
	if (!f->allocations.count)
		return 0;
	rows = calloc(f->allocations.count, sizeof(struct fact_allocation *));
	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < f->allocations.count; i++)
		rows[i] = &f->allocations.rows[i];
	qsort(rows, f->allocations.count, sizeof(struct fact_allocation *), by_bytes);
	t->owned = rows;
	t->rows = f->allocations.count;
	t->captured = true;
	return 0;
}
