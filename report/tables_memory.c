/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rankings of the kernel's own objects. */
#include "tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------ slabs */

static const struct column slab_columns[] = {
	{"Slab cache", CELL_TEXT, false, NULL},
	{"Reclaimable", CELL_STATE, false, "Whether the kernel can give it back under pressure"},
	{"Objects", CELL_COUNT, false, "Allocated"},
	{"In use", CELL_SHARE, false, "Active objects of those allocated"},
	{"Object size", CELL_BYTES, false, NULL},
	{"Bytes", CELL_BYTES, true, "Pages held"},
	{"Grown", CELL_CHANGE, false, "Change over the window"},
};

static void slab_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct fact_slab *s = t->report->model->slabs[row];

	switch (column) {
	case 0:
		c->text = s->name;
		break;
	case 1:
		c->text = s->reclaimable == FACT_NONE ? NULL : s->reclaimable ? "yes" : "no";
		break;
	case 2:
		c->value = measured(s->objects);
		break;
	case 3:
		if (s->objects)
			c->value = measured(s->active_objects) / measured(s->objects) * 100;
		break;
	case 4:
		c->value = measured(s->object_bytes);
		break;
	case 5:
		c->value = measured(s->bytes);
		break;
	default:
		c->value = measured(s->bytes) - measured(s->bytes_first);
	}
}

static int slabs_open(struct table *t)
{
	const struct model *m = t->report->model;

	TABLE_COLUMNS_OF(t, slab_columns);
	t->caption = "Slab caches by bytes";
	t->sorted = 5;
	t->rows = m->slab_count;
	t->captured = m->slab_count > 0;
	t->cell = slab_cell;
	return 0;
}

const struct table_def tables_memory[] = {
	{"slabs", slabs_open},
	{0},
};
