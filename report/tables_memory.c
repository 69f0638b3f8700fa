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

/* ------------------------------------------------------------------ dentries */

static const struct column tree_columns[] = {
	{"Directory", CELL_PATH, false, "With all below it"},
	{"On", CELL_TEXT, false, "File system type"},
	{"Dentries", CELL_COUNT, true, "Cached names below it, by a sample of the cache's slabs"},
	{"Negative", CELL_COUNT, false, "Of these, names that were looked for and do not exist"},
	{"Directly in it", CELL_COUNT, false, "The rest is in directories below it"},
	{"Bytes", CELL_BYTES, false, "Of the dentry cache; the inodes come on top"},
};

static void tree_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_dentry_tree *d = &t->report->model->dentry_trees[row];

	switch (column) {
	case 0:
		c->text = d->path;
		break;
	case 1:
		c->text = d->fstype;
		break;
	case 2:
		c->value = round(d->dentries.bytes);
		break;
	case 3:
		c->value = round(d->negative.bytes);
		break;
	case 4:
		c->value = round(d->own);
		break;
	default:
		c->value = d->bytes;
		if (d->dentries.bytes > 0) {
			c->low = d->bytes * d->dentries.low / d->dentries.bytes;
			c->high = d->bytes * d->dentries.high / d->dentries.bytes;
		}
	}
}

static int trees_open(struct table *t)
{
	const struct model *m = t->report->model;

	TABLE_COLUMNS_OF(t, tree_columns);
	t->caption = "Directory trees by what they have in the dentry cache";
	t->none = "No directory has a part worth showing.";
	t->sorted = 2;
	t->rows = m->dentry_tree_count;
	t->captured = m->dentry_slabs_read > 0;
	t->cell = tree_cell;
	return 0;
}

const struct table_def tables_memory[] = {
	{"slabs", slabs_open},
	{"dentry-trees", trees_open},
	{0},
};
