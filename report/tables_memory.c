/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rankings of who holds memory: cgroups, slabs. */
#include "tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------ cgroups */

static const struct column cgroup_columns[] = {
	{"Container or cgroup", CELL_PATH, false,
	 "What people call it; below it, the cgroup's path"},
	{"State", CELL_STATE, false, "dying: removed, but memory is still charged to it"},
	{"Usage", CELL_BYTES, true, "All memory charged to it and to the groups below it"},
	{"Limit", CELL_BYTES, false, "The tightest of its own and its ancestors'"},
	{"Of limit", CELL_SHARE, false, NULL},
	{"Working set", CELL_BYTES, false,
	 "Usage without inactive file pages, as the kubelet counts"},
	{"Heap", CELL_BYTES, false, "Anonymous memory"},
	{"File", CELL_BYTES, false, "Page cache, shared memory included"},
	{"Active file", CELL_BYTES, false, NULL},
	{"Shared", CELL_BYTES, false, "tmpfs, System V and anonymous shared memory"},
	{"Slab", CELL_BYTES, false, "Kernel objects charged to it"},
};

static void cgroup_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_cgroup *g = &t->report->model->cgroups[row];
	const struct fact_cgroup *f = g->fact;

	switch (column) {
	case 0:
		c->text = g->name ? g->name : g->path;
		c->sub = g->path && c->text && strcmp(g->path, c->text) != 0 ? g->path : NULL;
		/* So that nobody wonders how a group can be larger than the root above it. */
		if (f && f->version == 1 && g->path && !strcmp(g->path, "/"))
			c->sub = "version 1 counts only heap and files at the root, no kernel "
				 "memory";
		return;
	case 1:
		c->text = g->dying ? "dying" : "online";
		return;
	case 3:
		c->value = measured(g->limit_bytes);
		if (g->limit_bytes == FACT_NONE && f && f->limit_known == 1)
			c->text = "none";
		return;
	case 5:
		c->value = measured(g->workingset_bytes);
		return;
	default:
		break;
	}
	if (!f) { /* known from the page cache only */
		if (column == 7)
			cell_estimate(c, g->cached);
		return;
	}
	switch (column) {
	case 2:
		c->value = measured(f->usage_bytes);
		break;
	case 4:
		if (g->limit_bytes && g->limit_bytes != FACT_NONE)
			c->value = measured(f->usage_bytes) / (double)g->limit_bytes * 100;
		else if (f->limit_known == 1)
			c->text = "none";
		break;
	case 6:
		c->value = measured(f->anon_bytes);
		break;
	case 7:
		c->value = measured(f->file_bytes);
		break;
	case 8:
		c->value = measured(f->active_file_bytes);
		break;
	case 9:
		c->value = measured(f->shmem_bytes);
		break;
	default:
		c->value = measured(f->slab_bytes);
	}
}

static int cgroups_open(struct table *t)
{
	const struct model *m = t->report->model;

	TABLE_COLUMNS_OF(t, cgroup_columns);
	t->caption = "Containers and cgroups by memory usage";
	t->sorted = 2;
	t->rows = m->cgroup_count;
	for (size_t i = 0; i < m->cgroup_count; i++)
		if (!m->cgroups[i].fact) { /* no usage to sort by: the kernel shows them no more */
			t->caption = "Containers and cgroups by memory usage, dying ones by the "
				     "file cache that is still charged to them";
			t->sorted = -1;
		}
	t->captured = m->cgroup_count > 0;
	t->cell = cgroup_cell;
	return 0;
}

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
	{"cgroups", cgroups_open},
	{"slabs", slabs_open},
	{0},
};
