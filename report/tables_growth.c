/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where heaps grew. */
#include "tables.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define CALLERS_SHOWN 4u

struct place {
	double kept;
	uint32_t process, site;
};

static int by_kept(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->kept != y->kept)
		return x->kept > y->kept ? -1 : 1;
	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return (x->site > y->site) - (x->site < y->site);
}

static const struct column columns[] = {
	{"Function", CELL_TEXT, false,
	 "The innermost one of the program's own; below it, who called it"},
	{"Module", CELL_TEXT, false, NULL},
	{"Process", CELL_TEXT, false, NULL},
	{"By", CELL_STATE, false,
	 "page faults: it touched the new memory first; allocations: it asked for it"},
	{"Stayed", CELL_BYTES, true,
	 "Came in the window and was there when it ended; an estimate from a sample"},
	{"Came", CELL_BYTES, false, "In the window, whatever became of it"},
	{"Of the growth", CELL_SHARE, false, "Share of what stayed of the process' new memory"},
};

/* Who called the function, innermost first. */
static void callers(const struct hotspot *h, const struct model_site *s, struct cell *c)
{
	const struct hot_stack *k = &h->stacks[s->stack];
	uint32_t i = k->count, shown = 0;
	size_t len = 0;

	while (i > 0 && s->name != UINT32_MAX && h->frames[k->first + i - 1] != s->name)
		i--;
	i -= i > 0 && s->name != UINT32_MAX;
	for (; i > 0 && shown < CALLERS_SHOWN; i--, shown++) {
		int n = snprintf(c->scratch + len, sizeof(c->scratch) - len, "%s%.120s",
				 shown ? " \xe2\x86\x90 " : "",
				 h->names[h->frames[k->first + i - 1]].function);

		if (n < 0 || (size_t)n >= sizeof(c->scratch) - len)
			break;
		len += (size_t)n;
	}
	c->scratch[len] = 0;
	if (len)
		c->sub = c->scratch;
}

static void growth_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct place *p = (const struct place *)t->owned + row;
	const struct model *m = t->report->model;
	const struct model_growth *g = &m->growth[p->process];
	const struct model_site *s = &g->sites[p->site];
	const struct hot_name *name = s->name == UINT32_MAX ? NULL : &m->hotspot->names[s->name];

	switch (column) {
	case 0:
		c->text = name ? name->function : "[no function of the program's]";
		callers(m->hotspot, s, c);
		break;
	case 1:
		c->text = name ? name->module : NULL;
		break;
	case 2:
		snprintf(c->scratch, sizeof(c->scratch), "%s (%" PRIu64 ")", g->comm, g->pid);
		c->text = c->scratch;
		break;
	case 3:
		c->text = g->kind == GROWTH_ALLOC ? "allocations" : "page faults";
		break;
	case 4:
		c->value = s->kept;
		c->low = s->kept > s->error ? s->kept - s->error : 0;
		c->high = s->kept + s->error;
		break;
	case 5:
		c->value = s->came;
		break;
	default:
		if (g->kept > 0)
			c->value = s->kept / g->kept * 100;
	}
}

static int growth_open(struct table *t)
{
	const struct model *m = t->report->model;
	struct place *places;
	size_t count = 0, n = 0;

	for (size_t i = 0; i < m->growth_count; i++)
		count += m->growth[i].site_count;
	places = calloc(count + 1, sizeof(*places));
	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < m->growth_count; i++)
		for (size_t k = 0; k < m->growth[i].site_count; k++)
			places[n++] = (struct place){
				isnan(m->growth[i].sites[k].kept) ? -1 : m->growth[i].sites[k].kept,
				(uint32_t)i, (uint32_t)k};
	qsort(places, n, sizeof(*places), by_kept);
	TABLE_COLUMNS_OF(t, columns);
	t->caption = "Where heaps grew, by function";
	t->none = "No heap grew.";
	t->sorted = 4;
	t->owned = places;
	t->rows = n;
	t->captured = m->growth_captured;
	t->cell = growth_cell;
	return 0;
}

const struct table_def tables_growth[] = {
	{"heap-growth", growth_open},
	{0},
};
