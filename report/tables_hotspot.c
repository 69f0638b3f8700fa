/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What processes did and waited for: system calls, /proc, reclaim. */
#include "tables.h"

#include <stdio.h>
#include <string.h>

#define DOUBT                                                                                      \
	"Half the 95% interval, of the number beside it; empty where all of the time was watched"

/* Half the width of the 95% interval, in percent; nothing where nothing was estimated. */
static double doubt(struct interval v)
{
	return v.value > 0 && v.high > v.value ? (v.high - v.value) / v.value * 100 : (double)NAN;
}

static const struct model_delays *delays(const struct table *t, enum delay_table which)
{
	return &t->report->model->delays[which];
}

static double per_second(const struct model_delays *m, double v)
{
	return m->covered_s > 0 ? v / m->covered_s : (double)NAN;
}

static double longest(const struct model_delay *d)
{
	return measured(d->fact->max_ns) / 1e9;
}

static void process_cell(struct cell *c, const struct model_delay *d)
{
	c->text = d->comm;
	if (d->fact->own == 1)
		c->sub = "of this capture";
	else if (d->fact->kthread == 1)
		c->sub = "kernel thread";
}

static void delays_open(struct table *t, enum delay_table which, const char *caption, int sorted)
{
	const struct model_delays *m = delays(t, which);

	t->caption = caption;
	t->sorted = sorted;
	t->rows = m->count;
	t->captured = m->captured;
}

/* ------------------------------------------------------------------ system calls */

static const struct column syscall_columns[] = {
	{"Process", CELL_TEXT, false, NULL},
	{"PID", CELL_ID, false, NULL},
	{"Call", CELL_TEXT, false, NULL},
	{"Calls", CELL_COUNT, true,
	 "In the time that was covered; an estimate where it was sampled"},
	{"\xc2\xb1", CELL_SHARE, false, DOUBT},
	{"Per second", CELL_COUNT, false, NULL},
	{"Time in it", CELL_SECONDS, false,
	 "Added up over all threads; waiting included. At least this, where many calls are longer "
	 "than the slices that were watched"},
	{"Mean", CELL_SECONDS, false, NULL},
	{"Longest", CELL_SECONDS, false, "Of those seen from beginning to end"},
};

static void syscall_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_delays *m = delays(t, DELAY_SYSCALLS);
	const struct model_delay *d = m->rows[row];

	switch (column) {
	case 0:
		process_cell(c, d);
		break;
	case 1:
		c->value = measured(d->fact->pid);
		break;
	case 2:
		c->text = d->name;
		break;
	case 3:
		c->value = d->count.value;
		break;
	case 4:
		c->value = doubt(d->count);
		break;
	case 5:
		c->value = per_second(m, d->count.value);
		break;
	case 6:
		c->value = d->seconds.value;
		break;
	case 7:
		if (d->count.value > 0)
			c->value = d->seconds.value / d->count.value;
		break;
	default:
		c->value = longest(d);
	}
}

static int syscalls_open(struct table *t)
{
	TABLE_COLUMNS_OF(t, syscall_columns);
	delays_open(t, DELAY_SYSCALLS, "System calls by process and call, the most frequent first",
		    3);
	t->cell = syscall_cell;
	return 0;
}

/* ------------------------------------------------------------------ files below /proc */

static const struct column proc_columns[] = {
	{"Process", CELL_TEXT, false, NULL},
	{"PID", CELL_ID, false, NULL},
	{"File", CELL_PATH, false, "* stands for numbers: of processes, threads and descriptors"},
	{"Operation", CELL_STATE, false, NULL},
	{"Times", CELL_COUNT, true, NULL},
	{"\xc2\xb1", CELL_SHARE, false, DOUBT},
	{"Per second", CELL_COUNT, false, NULL},
	{"Time in it", CELL_SECONDS, false, "What the kernel took to answer"},
	{"Bytes", CELL_BYTES, false, "Read"},
};

static void proc_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_delays *m = delays(t, DELAY_PROC_FILES);
	const struct model_delay *d = m->rows[row];

	switch (column) {
	case 0:
		process_cell(c, d);
		break;
	case 1:
		c->value = measured(d->fact->pid);
		break;
	case 2:
		c->text = d->fact->object;
		break;
	case 3:
		c->text = d->name;
		break;
	case 4:
		c->value = d->count.value;
		break;
	case 5:
		c->value = doubt(d->count);
		break;
	case 6:
		c->value = per_second(m, d->count.value);
		break;
	case 7:
		c->value = d->seconds.value;
		break;
	default:
		if (!strcmp(d->name, "read"))
			c->value = measured(d->fact->amount);
	}
}

static int proc_open(struct table *t)
{
	TABLE_COLUMNS_OF(t, proc_columns);
	delays_open(t, DELAY_PROC_FILES, "Files below /proc by who opens and reads them", 4);
	t->cell = proc_cell;
	return 0;
}

/* ------------------------------------------------------------------ reclaim */

static const struct column reclaim_columns[] = {
	{"Process", CELL_TEXT, false, NULL},
	{"PID", CELL_ID, false, NULL},
	{"Kind", CELL_STATE, false,
	 "direct: an allocation had to free memory first, for the machine was short; memcg: for "
	 "its "
	 "cgroup was at its limit; kswapd: in the background"},
	{"Cgroup", CELL_PATH, false, NULL},
	{"Times", CELL_COUNT, false, NULL},
	{"Stalled", CELL_SECONDS, true, "Added up over all threads"},
	{"Longest", CELL_SECONDS, false, NULL},
	{"Pages freed", CELL_COUNT, false, NULL},
};

static void reclaim_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_delay *d = delays(t, DELAY_RECLAIM)->rows[row];

	switch (column) {
	case 0:
		process_cell(c, d);
		break;
	case 1:
		c->value = measured(d->fact->pid);
		break;
	case 2:
		c->text = d->name;
		break;
	case 3:
		c->text = !strcmp(d->name, "kswapd") ? d->fact->object : d->cgroup;
		break;
	case 4:
		c->value = d->count.value;
		break;
	case 5:
		c->value = d->seconds.value;
		break;
	case 6:
		c->value = longest(d);
		break;
	default:
		if (strcmp(d->name, "kswapd") != 0)
			c->value = measured(d->fact->amount);
	}
}

static int reclaim_open(struct table *t)
{
	TABLE_COLUMNS_OF(t, reclaim_columns);
	delays_open(t, DELAY_RECLAIM, "Stalls in reclaim by process and cgroup", 5);
	t->none = "Nobody had to free memory, and kswapd did not run.";
	t->cell = reclaim_cell;
	return 0;
}

const struct table_def tables_hotspot[] = {
	{"syscalls", syscalls_open},
	{"proc-files", proc_open},
	{"reclaim", reclaim_open},
	{0},
};
