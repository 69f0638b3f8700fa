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

/* ------------------------------------------------------------------ the second account */

static const struct column account_columns[] = {
	{"Memory", CELL_TEXT, false, "Below it, what an honest difference may be"},
	{"By frames", CELL_BYTES, true, "What the scan saw in the page frames themselves"},
	{"By counters", CELL_BYTES, false, "What the kernel counts, at the end of the window"},
	{"Difference", CELL_CHANGE, false, "Frames less counters"},
	{"Within", CELL_BYTES, false,
	 "The interval of the sample, what the counters moved over the window, the capture’s own "
	 "memory, and 0.3% of memory"},
	{"Verdict", CELL_STATE, false, NULL},
	{"Frames of kind", CELL_TEXT, false, "As the kernel marks them"},
	{"Counters", CELL_TEXT, false, NULL},
};

static void account_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_account *a = &t->report->model->accounts[row];

	switch (column) {
	case 0:
		c->text = a->what;
		c->sub = a->agrees ? NULL : a->about;
		break;
	case 1:
		cell_estimate(c, a->frames);
		break;
	case 2:
		c->value = a->counted;
		break;
	case 3:
		c->value = a->difference;
		break;
	case 4:
		c->value = a->reach;
		break;
	case 5:
		c->text = isnan(a->difference) ? NULL : a->agrees ? "agree" : "differ";
		break;
	case 6:
		c->text = a->kinds;
		break;
	default:
		c->text = a->counters;
	}
}

static int accounts_open(struct table *t)
{
	const struct model *m = t->report->model;

	TABLE_COLUMNS_OF(t, account_columns);
	t->caption = "Memory by page frames, and by the kernel’s counters";
	t->rows = m->account_count;
	t->captured = m->account_count > 0;
	t->cell = account_cell;
	return 0;
}

const struct table_def tables_objects[] = {
	{"accounts", accounts_open},
	{"huge-pools", huge_pools_open},
	{"allocations", allocations_open},
	{"kernel-objects", kernel_objects_open},
	{0},
};
