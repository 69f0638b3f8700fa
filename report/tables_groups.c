/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rankings of control groups: what they use, what happened to them, what is left of deleted ones.
 */
#include "tables.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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
		if (column == 10 && g->slab_count)
			cell_estimate(c, g->slab);
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
		c->sub = f->slab_top;
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

/* ------------------------------------------------------------------ events */

static const struct column event_columns[] = {
	{"Container or cgroup", CELL_PATH, false, "Below it, the cgroup's path"},
	{"QoS", CELL_STATE, false, "Of its pod"},
	{"Request", CELL_BYTES, false,
	 "As the kubelet was told it; of Burstable pods from oom_score_adj, to 0.1% of memory"},
	{"OOM kills", CELL_COUNT, true, "Since the group was made"},
	{"In the window", CELL_COUNT, false, "OOM kills between the two readings"},
	{"At its limit", CELL_COUNT, false,
	 "Times it ran into its limit in the window (memory.events: max; v1: failcnt)"},
	{"Over high", CELL_COUNT, false, "Times it was over memory.high in the window"},
	{"Waited", CELL_SHARE, false,
	 "Part of the window in which some of its processes waited for memory (memory.pressure)"},
	{"Grown", CELL_CHANGE, false, "Change of its usage over the window"},
	{"Kernel", CELL_BYTES, false,
	 "Kernel memory charged to it: slab, stacks, page tables, per-CPU data"},
	{"Sockets", CELL_BYTES, false, "Buffers of sockets; in v1 of TCP only"},
	{"Swap", CELL_BYTES, false, NULL},
};

static double counted(uint64_t first, uint64_t last)
{
	return first == FACT_NONE || last == FACT_NONE || last < first ? (double)NAN
								       : (double)(last - first);
}

static double window_s(const struct report *r)
{
	return r->facts->archive.count ? r->facts->archive.rows[0].window_s : (double)NAN;
}

static void event_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_cgroup *g = ((const struct model_cgroup *const *)t->owned)[row];
	const struct fact_cgroup *f = g->fact;
	double waited;

	switch (column) {
	case 0:
		c->text = g->name ? g->name : g->path;
		c->sub = g->path && c->text && strcmp(g->path, c->text) != 0 ? g->path : NULL;
		break;
	case 1:
		c->text = g->qos;
		break;
	case 2:
		c->value = g->qos ? measured(g->request_bytes) : (double)NAN;
		break;
	case 3:
		c->value = measured(f->oom_kills);
		break;
	case 4:
		c->value = counted(f->oom_kills_first, f->oom_kills);
		break;
	case 5:
		c->value = counted(f->max_events_first, f->max_events);
		break;
	case 6:
		c->value = counted(f->high_events_first, f->high_events);
		break;
	case 7:
		waited = counted(f->pressure_some_first_us, f->pressure_some_us);
		if (!isnan(waited) && window_s(t->report) > 0)
			c->value = fmin(100, waited / 1e4 / window_s(t->report));
		break;
	case 8:
		c->value = measured(f->usage_bytes) - measured(f->usage_first_bytes);
		break;
	case 9:
		c->value = measured(f->kernel_bytes);
		break;
	case 10:
		c->value = measured(f->sock_bytes);
		break;
	default:
		c->value = measured(f->swap_bytes);
	}
}

static double weight(const struct model_cgroup *g)
{
	double kills = measured(g->fact->oom_kills);

	return isnan(kills) ? -1 : kills;
}

/* The most kills first, then the largest: the model's order. */
static int most_kills_first(const void *a, const void *b)
{
	const struct model_cgroup *x = *(const struct model_cgroup *const *)a;
	const struct model_cgroup *y = *(const struct model_cgroup *const *)b;

	if (weight(x) != weight(y))
		return weight(x) > weight(y) ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int events_open(struct table *t)
{
	const struct model *m = t->report->model;
	const struct model_cgroup **rows =
		calloc(m->cgroup_count + 1, sizeof(struct model_cgroup *));

	if (!rows)
		return -ENOMEM;
	TABLE_COLUMNS_OF(t, event_columns);
	t->caption = "What happened to containers and cgroups: kills, limits, waiting";
	t->sorted = 3;
	t->captured = m->cgroup_count > 0;
	t->cell = event_cell;
	t->owned = rows;
	for (size_t i = 0; i < m->cgroup_count; i++)
		if (m->cgroups[i].fact)
			rows[t->rows++] = &m->cgroups[i];
	if (t->rows)
		qsort(rows, t->rows, sizeof(struct model_cgroup *), most_kills_first);
	return 0;
}

/* ------------------------------------------------------------------ dying */

static const struct column dying_columns[] = {
	{"Parent", CELL_PATH, false, "Deleted groups were directly below it"},
	{"Deleted groups", CELL_COUNT, true,
	 "That are still there; in cgroup v1, those the scan met"},
	{"Grown", CELL_COUNT, false, "More of them than at the start of the window"},
	{"Found by the scan", CELL_COUNT, false, "Of these, with file cache still charged to them"},
	{"File cache", CELL_BYTES, false, "Charged to those"},
};

static void dying_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_dying_parent *p = &t->report->model->dying_parents[row];

	switch (column) {
	case 0:
		c->text = p->path;
		break;
	case 1:
		c->value = measured(p->groups);
		break;
	case 2:
		c->value = measured(p->groups) - measured(p->groups_first);
		break;
	case 3:
		c->value = t->report->model->scanned ? measured(p->found) : (double)NAN;
		break;
	default:
		c->value = p->cached;
	}
}

static int dying_open(struct table *t)
{
	const struct model *m = t->report->model;

	TABLE_COLUMNS_OF(t, dying_columns);
	t->caption = "Deleted cgroups that cannot go, by the parent they were below";
	t->none = "No deleted cgroup was seen.";
	t->sorted = 1;
	t->rows = m->dying_parent_count;
	t->captured = m->dying_cgroups != FACT_NONE;
	t->cell = dying_cell;
	return 0;
}

const struct table_def tables_groups[] = {
	{"cgroups", cgroups_open},
	{"cgroup-events", events_open},
	{"dying-cgroups", dying_open},
	{0},
};
