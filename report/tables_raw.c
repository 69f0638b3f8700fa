/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel said, as it said it, and what the collectors did. */
#include "tables.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ counters */

static bool is_meminfo(const struct fact_counter *c)
{
	return c->file && !strcmp(c->file, "meminfo");
}

/* HugePages_Total and its like are counts among bytes. */
static bool is_count(const struct fact_counter *c)
{
	return !is_meminfo(c) || (c->key && !strncmp(c->key, "HugePages_", 10));
}

static const struct fact_counter *counter(const struct table *t, size_t row)
{
	return ((const struct fact_counter *const *)t->owned)[row];
}

static int pick_counters(struct table *t, bool (*pick)(const struct fact_counter *))
{
	const struct facts *f = t->report->facts;
	const struct fact_counter **rows;

	if (!f->counters.count)
		return 0;
	rows = calloc(f->counters.count, sizeof(struct fact_counter *));
	if (!rows)
		return -ENOMEM;
	t->owned = rows;
	for (size_t i = 0; i < f->counters.count; i++)
		if (pick(&f->counters.rows[i]))
			rows[t->rows++] = &f->counters.rows[i];
	t->captured = t->rows > 0;
	return 0;
}

static bool pick_bytes(const struct fact_counter *c)
{
	return !is_count(c);
}

static double change(const struct fact_counter *k)
{
	return measured(k->last) - measured(k->first);
}

static const struct column meminfo_columns[] = {
	{"Key", CELL_TEXT, false, "As in /proc/meminfo"},
	{"At the start", CELL_BYTES, false, NULL},
	{"At the end", CELL_BYTES, true, NULL},
	{"Change", CELL_CHANGE, false, NULL},
};

static void meminfo_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct fact_counter *k = counter(t, row);

	switch (column) {
	case 0:
		c->text = k->key;
		break;
	case 1:
		c->value = measured(k->first);
		break;
	case 2:
		c->value = measured(k->last);
		break;
	default:
		c->value = change(k);
	}
}

static int meminfo_open(struct table *t)
{
	TABLE_COLUMNS_OF(t, meminfo_columns);
	t->caption = "/proc/meminfo at both ends of the window";
	t->cell = meminfo_cell;
	return pick_counters(t, pick_bytes);
}

static const struct column event_columns[] = {
	{"File", CELL_TEXT, false, NULL},
	{"Key", CELL_TEXT, false, NULL},
	{"At the start", CELL_COUNT, false, NULL},
	{"At the end", CELL_COUNT, false, NULL},
	{"Change", CELL_COUNT, false, "Over the window"},
};

static void event_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct fact_counter *k = counter(t, row);

	switch (column) {
	case 0:
		c->text = k->file;
		break;
	case 1:
		c->text = k->key;
		break;
	case 2:
		c->value = measured(k->first);
		break;
	case 3:
		c->value = measured(k->last);
		break;
	default:
		c->value = change(k);
	}
}

static int events_open(struct table *t)
{
	TABLE_COLUMNS_OF(t, event_columns);
	t->caption = "Counters of the kernel at both ends of the window";
	t->cell = event_cell;
	return pick_counters(t, is_count);
}

/* ------------------------------------------------------------------ zones, vmalloc, page types */

static double pages(const struct table *t, uint64_t n)
{
	const struct facts *f = t->report->facts;
	uint64_t size = f->archive.count ? f->archive.rows[0].page_size : FACT_NONE;

	return measured(n) * measured(size);
}

static const struct column zone_columns[] = {
	{"Zone", CELL_TEXT, false, NULL},
	{"Node", CELL_COUNT, false, NULL},
	{"Managed", CELL_BYTES, false, NULL},
	{"Free", CELL_BYTES, true, NULL},
	{"On CPU lists", CELL_BYTES, false, "Free pages on per-CPU lists"},
	{"Low mark", CELL_BYTES, false, "Below it kswapd is woken"},
	{"Min mark", CELL_BYTES, false, "Below it allocations stall in direct reclaim"},
};

static void zone_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct fact_zone *z = &t->report->facts->zones.rows[row];

	switch (column) {
	case 0:
		c->text = z->zone;
		break;
	case 1:
		c->value = measured(z->node);
		break;
	case 2:
		c->value = pages(t, z->managed_pages);
		break;
	case 3:
		c->value = pages(t, z->free_pages);
		break;
	case 4:
		c->value = pages(t, z->percpu_pages);
		break;
	case 5:
		c->value = pages(t, z->low_pages);
		break;
	default:
		c->value = pages(t, z->min_pages);
	}
}

static int zones_open(struct table *t)
{
	TABLE_COLUMNS_OF(t, zone_columns);
	t->caption = "Memory zones and their marks";
	t->rows = t->report->facts->zones.count;
	t->captured = t->rows > 0;
	t->cell = zone_cell;
	return 0;
}

static const struct column vmalloc_columns[] = {
	{"Caller", CELL_TEXT, false, "The kernel function that asked for the area"},
	{"Areas", CELL_COUNT, false, NULL},
	{"Bytes", CELL_BYTES, true, NULL},
};

static int by_bytes(const void *a, const void *b)
{
	const struct fact_vmalloc *x = *(const struct fact_vmalloc *const *)a;
	const struct fact_vmalloc *y = *(const struct fact_vmalloc *const *)b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x < y ? -1 : x > y;
}

static void vmalloc_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct fact_vmalloc *v = ((const struct fact_vmalloc *const *)t->owned)[row];

	switch (column) {
	case 0:
		c->text = v->caller;
		break;
	case 1:
		c->value = measured(v->areas);
		break;
	default:
		c->value = measured(v->bytes);
	}
}

static int vmalloc_open(struct table *t)
{
	const struct facts *f = t->report->facts;
	const struct fact_vmalloc **rows;

	TABLE_COLUMNS_OF(t, vmalloc_columns);
	t->caption = "vmalloc areas by caller";
	t->cell = vmalloc_cell;
	t->sorted = 2;
	if (!f->vmalloc.count)
		return 0;
	rows = calloc(f->vmalloc.count, sizeof(struct fact_vmalloc *));
	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < f->vmalloc.count; i++)
		rows[i] = &f->vmalloc.rows[i];
	qsort(rows, f->vmalloc.count, sizeof(struct fact_vmalloc *), by_bytes);
	t->owned = rows;
	t->rows = f->vmalloc.count;
	t->captured = true;
	return 0;
}

static const struct column page_type_columns[] = {
	{"Page frames", CELL_TEXT, false, "What the scan found a frame to be"},
	{"Examined", CELL_COUNT, false, NULL},
	{"Stands for", CELL_BYTES, true, "Examined frames × the sampling rate × the page size"},
};

static void page_type_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct facts *f = t->report->facts;
	const struct fact_page_type *p = &f->page_types.rows[row];
	uint64_t one_in = f->scan.count ? f->scan.rows[0].one_in : FACT_NONE;

	switch (column) {
	case 0:
		c->text = p->kind;
		break;
	case 1:
		c->value = measured(p->pages);
		break;
	default:
		c->value = pages(t, p->pages) * measured(one_in);
	}
}

static int page_types_open(struct table *t)
{
	TABLE_COLUMNS_OF(t, page_type_columns);
	t->caption = "Page frames by kind, as the scan saw them";
	t->rows = t->report->facts->page_types.count;
	t->captured = t->rows > 0;
	t->cell = page_type_cell;
	return 0;
}

/* ------------------------------------------------------------------ collectors */

static const struct column collector_columns[] = {
	{"Collector", CELL_TEXT, false, NULL},
	{"Status", CELL_STATE, false, NULL},
	{"Reason", CELL_TEXT, false, "Below it, what it lost and what it noted"},
	{"CPU", CELL_SECONDS, false, "CPU time it used on the machine"},
	{"Memory", CELL_BYTES, false, "Its largest resident set"},
	{"Dropped", CELL_COUNT, false, "Events or entries it lost"},
};

static void collector_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct fact_collector *k = &t->report->facts->collectors.rows[row];

	switch (column) {
	case 0:
		c->text = k->name;
		break;
	case 1:
		c->text = k->status;
		break;
	case 2:
		c->text = k->reason ? k->reason : "";
		c->sub = k->notes && *k->notes ? k->notes : NULL;
		if (k->loss && *k->loss) {
			snprintf(c->scratch, sizeof(c->scratch), "lost: %s%s%s", k->loss,
				 c->sub ? "; " : "", c->sub ? c->sub : "");
			c->sub = c->scratch;
		}
		break;
	case 3:
		c->value = k->cpu_s;
		break;
	case 4:
		c->value = measured(k->max_rss_bytes);
		break;
	default:
		c->value = measured(k->dropped);
	}
}

static int collectors_open(struct table *t)
{
	TABLE_COLUMNS_OF(t, collector_columns);
	t->caption = "What each collector did, and what it cost the machine";
	t->rows = t->report->facts->collectors.count;
	t->captured = t->rows > 0;
	t->cell = collector_cell;
	return 0;
}

const struct table_def tables_raw[] = {
	{"meminfo", meminfo_open},
	{"events", events_open},
	{"zones", zones_open},
	{"vmalloc", vmalloc_open},
	{"page-types", page_types_open},
	{"collectors", collectors_open},
	{0},
};
