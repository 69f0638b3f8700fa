/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rankings of processes, one by one and by name. */
#include "tables.h"

/* ------------------------------------------------------------------ processes */

static const struct column process_columns[] = {
	{"Process", CELL_TEXT, false, "Name; below it, its command line"},
	{"PID", CELL_ID, false, NULL},
	{"Container or cgroup", CELL_TEXT, false, "Of the memory hierarchy; below it, its path"},
	{"Heap", CELL_BYTES, true, "Anonymous resident memory (RssAnon)"},
	{"Grown", CELL_CHANGE, false, "Change of the heap over the window"},
	{"File", CELL_BYTES, false, "Mapped files that are resident (RssFile)"},
	{"Shared", CELL_BYTES, false, "Shared memory that is resident (RssShmem)"},
	{"Swap", CELL_BYTES, false, "Swapped out; not part of resident memory"},
	{"Huge", CELL_BYTES, false,
	 "Transparent huge pages of the heap (read of the largest processes only) and pages of "
	 "hugetlbfs, which are not part of resident memory"},
	{"Resident", CELL_BYTES, false, "RssAnon + RssFile + RssShmem"},
	{"Threads", CELL_COUNT, false, NULL},
	{"oom_score_adj", CELL_COUNT, false,
	 "From â"
	 "1000 (never killed) to 1000 (first)"},
};

static double huge(const struct fact_process *p)
{
	double anon = measured(p->anon_huge_bytes), tlb = measured(p->hugetlb_bytes);

	if (isnan(anon))
		return tlb > 0 ? tlb : (double)NAN; /* nothing was asked of the heap */
	return anon + (isnan(tlb) ? 0 : tlb);
}

static void group_cell(const struct model *m, size_t row, struct cell *c)
{
	const struct fact_process *p = m->processes[row];
	const struct model_cgroup *g = m->process_cgroups ? m->process_cgroups[row] : NULL;

	c->text = p->cgroup;
	if (!g || (!g->container && !g->pod))
		return;
	c->text = g->name;
	c->sub = p->cgroup;
}

static void process_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct fact_process *p = t->report->model->processes[row];

	switch (column) {
	case 0:
		c->text = p->comm ? p->comm : "?";
		c->sub = p->cmdline && *p->cmdline ? p->cmdline : NULL;
		break;
	case 1:
		c->value = measured(p->pid);
		break;
	case 2:
		group_cell(t->report->model, row, c);
		break;
	case 3:
		c->value = measured(p->heap_bytes);
		break;
	case 4:
		c->value = measured(p->heap_bytes) - measured(p->heap_first_bytes);
		break;
	case 5:
		c->value = measured(p->file_bytes);
		break;
	case 6:
		c->value = measured(p->shmem_bytes);
		break;
	case 7:
		c->value = measured(p->swap_bytes);
		break;
	case 8:
		c->value = huge(p);
		break;
	case 9:
		c->value = measured(p->rss_bytes);
		break;
	case 10:
		c->value = measured(p->threads);
		break;
	default:
		if (p->oom_score_adj != INT64_MIN)
			c->value = (double)p->oom_score_adj;
	}
}

static int processes_open(struct table *t)
{
	const struct model *m = t->report->model;

	TABLE_COLUMNS_OF(t, process_columns);
	t->caption = "Processes by heap and swap";
	t->rows = m->process_count;
	t->captured = m->process_count > 0;
	t->cell = process_cell;
	return 0;
}

/* ------------------------------------------------------------------ programs */

static const struct column program_columns[] = {
	{"Program", CELL_TEXT, false,
	 "Processes of one name; below it, the command line of the largest"},
	{"Processes", CELL_COUNT, false, NULL},
	{"Threads", CELL_COUNT, false, NULL},
	{"Cgroup", CELL_TEXT, false, "All of them are in it"},
	{"Heap", CELL_BYTES, true,
	 "Sum of RssAnon; pages that are still shared after fork() count in each process"},
	{"Grown", CELL_CHANGE, false,
	 "Change of the heap over the window, of those that were there at both ends"},
	{"Largest", CELL_BYTES, false, "Heap of the largest process"},
	{"Swap", CELL_BYTES, false, "Swapped out"},
	{"File", CELL_BYTES, false, "Sum of RssFile: a file that several map counts in each"},
	{"Shared", CELL_BYTES, false, "Sum of RssShmem: memory that several map counts in each"},
	{"Huge pages", CELL_BYTES, false, "Of hugetlbfs"},
};

static void program_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_program *p = &t->report->model->programs[row];

	switch (column) {
	case 0:
		c->text = p->comm;
		c->sub = p->largest->cmdline && *p->largest->cmdline ? p->largest->cmdline : NULL;
		break;
	case 1:
		c->value = (double)p->count;
		break;
	case 2:
		c->value = measured(p->threads);
		break;
	case 3:
		c->text = p->cgroup ? p->cgroup : p->count > 1 ? "several" : NULL;
		break;
	case 4:
		c->value = measured(p->heap_bytes);
		break;
	case 5:
		c->value = p->heap_grown;
		break;
	case 6:
		c->value = measured(p->largest->heap_bytes);
		break;
	case 7:
		c->value = measured(p->swap_bytes);
		break;
	case 8:
		c->value = measured(p->file_bytes);
		break;
	case 9:
		c->value = measured(p->shmem_bytes);
		break;
	default:
		c->value = measured(p->hugetlb_bytes);
	}
}

static int programs_open(struct table *t)
{
	const struct model *m = t->report->model;

	TABLE_COLUMNS_OF(t, program_columns);
	t->caption = "Programs: processes of one name together, by heap and swap";
	t->rows = m->program_count;
	t->captured = m->program_count > 0;
	t->cell = program_cell;
	return 0;
}

const struct table_def tables_processes[] = {
	{"processes", processes_open},
	{"programs", programs_open},
	{0},
};
