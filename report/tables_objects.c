/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel objects that hold memory, and who holds them. */
#include "tables.h"

#include <inttypes.h>
#include <stdio.h>

static const struct column columns[] = {
	{"Kind", CELL_STATE, false, NULL},
	{"Held by", CELL_TEXT, false,
	 "The process with most descriptors of them; below it, its cgroup"},
	{"PID", CELL_ID, false, NULL},
	{"Also open in", CELL_COUNT, false, "Other processes that have some of them open"},
	{"Objects", CELL_COUNT, false, NULL},
	{"Bytes", CELL_BYTES, true, "Of all of them"},
	{"Waiting", CELL_BYTES, false, "Data that nobody has read yet"},
	{"The largest", CELL_TEXT, false, NULL},
	{"Its bytes", CELL_BYTES, false, NULL},
	{"Lies in", CELL_STATE, false,
	 "pages: in no counter of /proc/meminfo; else where it is counted as well"},
};

static void cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_holding *h = &t->report->model->holdings[row];
	const struct fact_kernel_object *o = h->largest;

	switch (column) {
	case 0:
		c->text = h->kind;
		break;
	case 1:
		if (h->pid == FACT_NONE)
			c->text = o && o->id == FACT_NONE ? "many, small ones" : "no open file";
		else
			c->text = h->process && h->process->comm ? h->process->comm : "?";
		c->sub = h->cgroup ? h->cgroup->name : NULL;
		break;
	case 2:
		c->value = measured(h->pid);
		break;
	case 3:
		c->value = (double)h->shared_with;
		break;
	case 4:
		c->value = measured(h->objects);
		break;
	case 5:
		c->value = measured(h->bytes);
		break;
	case 6:
		c->value = measured(h->waiting);
		break;
	case 7:
		c->text = o && o->name ? o->name : "";
		c->sub = o ? o->detail : NULL;
		break;
	case 8:
		c->value = o ? measured(o->bytes) : (double)NAN;
		break;
	default:
		c->text = o && o->memory ? o->memory : NULL;
	}
}

static int kernel_objects_open(struct table *t)
{
	const struct model *m = t->report->model;

	TABLE_COLUMNS_OF(t, columns);
	t->caption = "Memory that the kernel holds for somebody, by kind and holder";
	t->sorted = 5;
	t->rows = m->holding_count;
	t->captured = m->holding_count > 0;
	t->cell = cell;
	return 0;
}

const struct table_def tables_objects[] = {
	{"kernel-objects", kernel_objects_open},
	{0},
};
