/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What heaps are made of. */
#include "tables.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ heaps */

static const struct column heap_columns[] = {
	{"Process", CELL_TEXT, false, "Name; below it, what could not be seen of it"},
	{"PID", CELL_ID, false, NULL},
	{"Runtime", CELL_TEXT, false, "With its version; below it, the allocator"},
	{"Heap", CELL_BYTES, true, "Anonymous resident memory (RssAnon)"},
	{"Grown", CELL_CHANGE, false, "Change of the heap between the two readings"},
	{"Of known type", CELL_SHARE, false, "Share of the heap that objects of a type explain"},
	{"malloc in use", CELL_BYTES, false, "Blocks of glibc's heap and arenas that are in use"},
	{"malloc free", CELL_BYTES, false, "Freed, but kept by malloc"},
	{"Trimmable", CELL_BYTES, false,
	 "Whole resident pages inside free blocks: what malloc_trim(3) would give back"},
	{"Read", CELL_TEXT, false, "How much of the heap was looked at"},
};

static void heap_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_heap *h = &t->report->model->heaps[row];
	const struct fact_heap *f = h->fact;

	switch (column) {
	case 0:
		c->text = f->comm ? f->comm : "?";
		c->sub = f->reason;
		break;
	case 1:
		c->value = measured(f->pid);
		break;
	case 2:
		snprintf(c->scratch, sizeof(c->scratch), "%s%s%s", f->runtime ? f->runtime : "?",
			 f->version ? " " : "", f->version ? f->version : "");
		c->text = c->scratch;
		c->sub = f->allocator;
		break;
	case 3:
		c->value = measured(h->anon_bytes);
		break;
	case 4:
		c->value = h->grown_bytes;
		break;
	case 5:
		if (h->explained_bytes != FACT_NONE && h->anon_bytes)
			c->value = measured(h->explained_bytes) / (double)h->anon_bytes * 100;
		break;
	case 6:
		c->value = measured(f->malloc_used);
		break;
	case 7:
		c->value = measured(f->malloc_free);
		break;
	case 8:
		c->value = measured(f->malloc_trimmable);
		break;
	default:
		if (h->anon_bytes == FACT_NONE)
			return;
		if (f->one_in > 1 && f->one_in != FACT_NONE)
			snprintf(c->scratch, sizeof(c->scratch), "one MiB of %" PRIu64 "%s",
				 f->one_in, f->cut == 1 ? ", cut short" : "");
		else
			snprintf(c->scratch, sizeof(c->scratch), "%s",
				 f->cut == 1 ? "cut short" : "all");
		c->text = c->scratch;
	}
}

static int heaps_open(struct table *t)
{
	const struct model *m = t->report->model;

	TABLE_COLUMNS_OF(t, heap_columns);
	t->caption = "Heaps that were looked into";
	t->sorted = 3;
	t->rows = m->heap_count;
	t->captured = m->heaps_captured;
	t->cell = heap_cell;
	return 0;
}

/* ------------------------------------------------------------------ what is in them */

/* Rows of all heaps in one table, largest first: t->owned has (heap, row) for each. */
struct place {
	uint32_t heap, row;
	uint64_t bytes;
};

static int by_bytes(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	if (x->heap != y->heap)
		return x->heap < y->heap ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

static uint64_t last_of(uint64_t start, uint64_t end)
{
	return end != FACT_NONE ? end : start;
}

static uint64_t weight_of(uint64_t start, uint64_t end)
{
	uint64_t v = last_of(start, end);

	return v == FACT_NONE ? 0 : v;
}

static struct cell *process_cell(const struct model_heap *h, struct cell *c)
{
	snprintf(c->scratch, sizeof(c->scratch), "%s (%" PRIu64 ")",
		 h->fact->comm ? h->fact->comm : "?", h->fact->pid);
	c->text = c->scratch;
	return c;
}

static const struct column type_columns[] = {
	{"Type", CELL_TEXT, false, "Of objects; or what an allocator or a kind of mapping holds"},
	{"Kind", CELL_STATE, false,
	 "object: of the runtime; allocator: blocks that belong to no object; mapping: resident "
	 "memory by kind of mapping, which contains the two others"},
	{"Process", CELL_TEXT, false, NULL},
	{"Count", CELL_COUNT, false, NULL},
	{"More", CELL_COUNT, false, "Than at the start of the window"},
	{"Bytes", CELL_BYTES, true, "Their blocks, and those they hold beside: tables, buffers"},
	{"Grown", CELL_CHANGE, false, "Change of the bytes over the window"},
};

static void type_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct place *p = (const struct place *)t->owned + row;
	const struct model_heap *h = &t->report->model->heaps[p->heap];
	const struct fact_heap_entry *e = h->entries[p->row];

	switch (column) {
	case 0:
		c->text = e->type;
		break;
	case 1:
		c->text = e->kind;
		break;
	case 2:
		process_cell(h, c);
		break;
	case 3:
		c->value = measured(last_of(e->count_start, e->count_end));
		break;
	case 4:
		c->value = measured(e->count_end) - measured(e->count_start);
		break;
	case 5:
		c->value = measured(last_of(e->bytes_start, e->bytes_end));
		break;
	default:
		c->value = measured(e->bytes_end) - measured(e->bytes_start);
	}
}

static int types_open(struct table *t)
{
	const struct model *m = t->report->model;
	struct place *places;
	size_t count = 0, n = 0;

	for (size_t i = 0; i < m->heap_count; i++)
		count += m->heaps[i].entry_count;
	places = calloc(count + 1, sizeof(*places));
	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < m->heap_count; i++)
		for (size_t k = 0; k < m->heaps[i].entry_count; k++) {
			const struct fact_heap_entry *e = m->heaps[i].entries[k];

			places[n++] = (struct place){(uint32_t)i, (uint32_t)k,
						     weight_of(e->bytes_start, e->bytes_end)};
		}
	qsort(places, n, sizeof(*places), by_bytes);
	TABLE_COLUMNS_OF(t, type_columns);
	t->caption = "What they are made of, by type";
	t->sorted = 5;
	t->owned = places;
	t->rows = n;
	t->captured = m->heaps_captured;
	t->cell = type_cell;
	return 0;
}

static const struct column container_columns[] = {
	{"Type", CELL_TEXT, false, NULL},
	{"Process", CELL_TEXT, false, NULL},
	{"Length", CELL_COUNT, false, "Entries, items, characters"},
	{"Longer", CELL_COUNT, false, "Than at the start of the window"},
	{"Bytes", CELL_BYTES, true, "Its block and its table or buffer, without what it refers to"},
	{"Grown", CELL_CHANGE, false, "Change of the bytes over the window"},
};

static void container_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct place *p = (const struct place *)t->owned + row;
	const struct model_heap *h = &t->report->model->heaps[p->heap];
	const struct fact_heap_container *k = h->containers[p->row];

	switch (column) {
	case 0:
		c->text = k->type;
		break;
	case 1:
		process_cell(h, c);
		break;
	case 2:
		c->value = measured(last_of(k->length_start, k->length_end));
		break;
	case 3:
		c->value = measured(k->length_end) - measured(k->length_start);
		break;
	case 4:
		c->value = measured(last_of(k->bytes_start, k->bytes_end));
		break;
	default:
		c->value = measured(k->bytes_end) - measured(k->bytes_start);
	}
}

static int containers_open(struct table *t)
{
	const struct model *m = t->report->model;
	struct place *places;
	size_t count = 0, n = 0;

	for (size_t i = 0; i < m->heap_count; i++)
		count += m->heaps[i].container_count;
	places = calloc(count + 1, sizeof(*places));
	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < m->heap_count; i++)
		for (size_t k = 0; k < m->heaps[i].container_count; k++) {
			const struct fact_heap_container *x = m->heaps[i].containers[k];

			places[n++] = (struct place){(uint32_t)i, (uint32_t)k,
						     weight_of(x->bytes_start, x->bytes_end)};
		}
	qsort(places, n, sizeof(*places), by_bytes);
	TABLE_COLUMNS_OF(t, container_columns);
	t->caption = "The largest single objects";
	t->none = "No Python heap was read: only there single objects can be told apart.";
	t->sorted = 4;
	t->owned = places;
	t->rows = n;
	t->captured = m->heaps_captured;
	t->cell = container_cell;
	return 0;
}

const struct table_def tables_heaps[] = {
	{"heaps", heaps_open},
	{"heap-types", types_open},
	{"heap-containers", containers_open},
	{0},
};
