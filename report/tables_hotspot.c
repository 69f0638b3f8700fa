/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What processes did and waited for: system calls, /proc, reclaim. */
#include "figures.h"
#include "tables.h"

#include <math.h>
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

/* ------------------------------------------------------------------ waiting for CPU, disk, network
 */

/* A bar for each power of four: how many of those are as long. */
static void histogram_cell(struct cell *c, const struct model_delay *d)
{
	static const char *const bars[] = {"\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83",
					   "\xe2\x96\x84", "\xe2\x96\x85", "\xe2\x96\x86",
					   "\xe2\x96\x87", "\xe2\x96\x88"};
	double h[DELAY_HISTOGRAM], bar[DELAY_HISTOGRAM / 2] = {0}, most = 0;
	size_t first = DELAY_HISTOGRAM, last = 0, len = 0;
	char low[FIGURE], high[FIGURE];

	if (!model_delay_histogram(d->fact, h))
		return;
	for (size_t i = 0; i < DELAY_HISTOGRAM; i++) {
		if (h[i] <= 0)
			continue;
		first = first < i ? first : i;
		last = i;
		bar[i / 2] += h[i];
		most = bar[i / 2] > most ? bar[i / 2] : most;
	}
	if (!(most > 0))
		return;
	for (size_t i = first / 2; i <= last / 2; i++) {
		/* By magnitude: the few long ones are what one looks for. */
		double share = bar[i] > 0 ? log1p(bar[i]) / log1p(most) * 7 : -1;

		len += (size_t)snprintf(c->scratch + len, sizeof(c->scratch) - len, "%s",
					share < 0 ? "\xc2\xa0" : bars[(int)(share + 0.5)]);
	}
	c->text = c->scratch;
	c->sub = c->scratch + ++len;
	snprintf(c->scratch + len, sizeof(c->scratch) - len, "%s \xe2\x80\x93 %s",
		 figure_seconds(delay_bucket_low(first), low),
		 last + 1 < DELAY_HISTOGRAM ? figure_seconds(delay_bucket_high(last), high)
					    : "longer");
}

static double quantile(const struct model_delay *d, double q)
{
	double h[DELAY_HISTOGRAM];

	return model_delay_histogram(d->fact, h) ? delay_quantile(h, q) : (double)NAN;
}

#define P99 "One in a hundred takes longer; the upper limit of a power of two"
#define SPREAD                                                                                     \
	"How many are how long: one bar for each power of four, high by the logarithm of the "     \
	"number"

/* How long each was: columns 3 to 6 of wait_cell(). */
#define WAIT_LENGTHS                                                                               \
	{"Mean", CELL_SECONDS, false, NULL}, {"99 %", CELL_SECONDS, false, P99},                   \
		{"Longest", CELL_SECONDS, false, NULL},                                            \
	{                                                                                          \
		"Spread", CELL_TEXT, false, SPREAD                                                 \
	}

/* The columns that they share, from the first one on: number, its doubt, time, WAIT_LENGTHS. */
static void wait_cell(const struct model_delay *d, size_t column, struct cell *c)
{
	switch (column) {
	case 0:
		c->value = d->count.value;
		break;
	case 1:
		c->value = doubt(d->count);
		break;
	case 2:
		c->value = d->seconds.value;
		break;
	case 3:
		if (d->count.value > 0)
			c->value = d->seconds.value / d->count.value;
		break;
	case 4:
		c->value = quantile(d, 0.99);
		break;
	case 5:
		c->value = longest(d);
		break;
	default:
		histogram_cell(c, d);
	}
}

static const struct column sched_columns[] = {
	{"Process", CELL_TEXT, false, NULL},
	{"PID", CELL_ID, false, NULL},
	{"Cgroup", CELL_PATH, false, NULL},
	{"Waits", CELL_COUNT, false, NULL},
	{"\xc2\xb1", CELL_SHARE, false, DOUBT},
	{"Waited", CELL_SECONDS, true, "Added up over all threads"},
	WAIT_LENGTHS,
};

static void sched_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_delay *d = delays(t, DELAY_SCHED)->rows[row];

	if (column == 0)
		process_cell(c, d);
	else if (column == 1)
		c->value = measured(d->fact->pid);
	else if (column == 2)
		c->text = d->cgroup;
	else
		wait_cell(d, column - 3, c);
}

static int sched_open(struct table *t)
{
	TABLE_COLUMNS_OF(t, sched_columns);
	delays_open(t, DELAY_SCHED, "Processes by how long they waited for a CPU", 5);
	t->cell = sched_cell;
	return 0;
}

static const struct column block_columns[] = {
	{"Device", CELL_TEXT, false, "Major and minor number; lsblk on the machine tells the name"},
	{"Operation", CELL_STATE, false, NULL},
	{"Requests", CELL_COUNT, false, NULL},
	{"\xc2\xb1", CELL_SHARE, false, DOUBT},
	{"Time", CELL_SECONDS, true, "Added up; many are under way at once"},
	WAIT_LENGTHS,
	{"In the device", CELL_SHARE, false, "Of the time; the rest in the kernel's queue"},
	{"Bytes", CELL_BYTES, false, NULL},
};

static void block_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_delay *d = delays(t, DELAY_BLOCK)->rows[row];

	if (column == 0)
		c->text = d->fact->object && *d->fact->object ? d->fact->object : NULL;
	else if (column == 1)
		c->text = d->name;
	else if (column < 9)
		wait_cell(d, column - 2, c);
	else if (column == 9 && d->fact->ns)
		c->value = measured(d->fact->inner_ns) / measured(d->fact->ns) * 100;
	else if (column == 10)
		c->value = measured(d->fact->amount);
}

static int block_open(struct table *t)
{
	TABLE_COLUMNS_OF(t, block_columns);
	delays_open(t, DELAY_BLOCK, "Requests to disks by device and operation", 4);
	t->cell = block_cell;
	return 0;
}

static const struct column net_columns[] = {
	{"Process", CELL_TEXT, false, NULL},
	{"PID", CELL_ID, false, NULL},
	{"Protocol", CELL_STATE, false, NULL},
	{"Reads", CELL_COUNT, false, "A packet that is read in parts counts for each"},
	{"\xc2\xb1", CELL_SHARE, false, DOUBT},
	{"Lay", CELL_SECONDS, true, "Added up over all packets"},
	WAIT_LENGTHS,
	{"Bytes", CELL_BYTES, false, NULL},
};

static void net_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct model_delay *d = delays(t, DELAY_NET)->rows[row];

	if (column == 0)
		process_cell(c, d);
	else if (column == 1)
		c->value = measured(d->fact->pid);
	else if (column == 2)
		c->text = d->name;
	else if (column < 10)
		wait_cell(d, column - 3, c);
	else
		c->value = measured(d->fact->amount);
}

static int net_open(struct table *t)
{
	TABLE_COLUMNS_OF(t, net_columns);
	delays_open(t, DELAY_NET, "Processes by how long packets lay in their sockets", 5);
	t->cell = net_cell;
	return 0;
}

const struct table_def tables_hotspot[] = {
	{"sched-delay", sched_open},
	{"block-io", block_open},
	{"net-receive", net_open},
	{"syscalls", syscalls_open},
	{"proc-files", proc_open},
	{"reclaim", reclaim_open},
	{0},
};
