/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was on the CPUs: functions, and who was hot in each second. */
#include "tables.h"

#include <stdio.h>

#include "figures.h"

static const struct column function_columns[] = {
	{"Function", CELL_TEXT, false, "[unknown]: no symbol there"},
	{"Module", CELL_TEXT, false, "The program, library or module; of Python the file"},
	{"Language", CELL_TEXT, false, "native: what a compiler made"},
	{"Self", CELL_COUNT, true, "Samples in which it ran itself"},
	{"Self share", CELL_SHARE, false, "Of all samples on the CPUs"},
	{"Total", CELL_COUNT, false,
	 "Samples in which it or what it called ran; recursion counts once"},
	{"Total share", CELL_SHARE, false, "Of all samples on the CPUs"},
};

static double share(const struct hotspot *h, uint64_t samples)
{
	return h->on_cpu ? 100.0 * (double)samples / (double)h->on_cpu : (double)NAN;
}

static void function_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct hotspot *h = t->report->model->hotspot;
	const struct hot_function *f = &h->functions[row];

	switch (column) {
	case 0:
		c->text = h->names[f->name].function;
		break;
	case 1:
		c->text = h->names[f->name].module;
		break;
	case 2:
		c->text = hot_language(&h->names[f->name]);
		break;
	case 3:
		c->value = (double)f->self;
		break;
	case 4:
		c->value = share(h, f->self);
		break;
	case 5:
		c->value = (double)f->total;
		break;
	default:
		c->value = share(h, f->total);
	}
}

static int functions_open(struct table *t)
{
	const struct hotspot *h = t->report->model->hotspot;

	TABLE_COLUMNS_OF(t, function_columns);
	t->caption = "Functions on the CPUs, by the samples in which they ran themselves";
	t->none = "No sample met anything but idle CPUs.";
	t->sorted = 3;
	t->rows = h ? h->function_count : 0;
	t->captured = h != NULL;
	t->cell = function_cell;
	return 0;
}

static const struct column second_columns[] = {
	{"Second", CELL_TEXT, false, "UTC"},
	{"Process", CELL_TEXT, false, "The one that used the CPUs most in that second"},
	{"PID", CELL_ID, false, NULL},
	{"CPU", CELL_SHARE, false, "Of one CPU, by the samples that met it"},
	{"Function", CELL_TEXT, false, "The one of this process that most samples met"},
	{"Module", CELL_TEXT, false, NULL},
};

static void second_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct facts *f = t->report->facts;
	const struct hotspot *h = t->report->model->hotspot;
	const struct hot_second *s = &h->seconds[row];
	double start = f->archive.count ? f->archive.rows[0].captured_at : (double)NAN;
	char time[FIGURE];

	switch (column) {
	case 0:
		c->text = c->scratch;
		if (figure_time(start + (double)s->second, time))
			snprintf(c->scratch, sizeof(c->scratch), "%s", time);
		else
			snprintf(c->scratch, sizeof(c->scratch), "second %llu",
				 (unsigned long long)s->second);
		break;
	case 1:
		c->text = h->threads[s->thread].process_comm;
		break;
	case 2:
		c->value = measured(h->threads[s->thread].pid);
		break;
	case 3:
		c->value = s->cpu_percent;
		break;
	case 4:
		c->text = s->name < h->name_count ? h->names[s->name].function : NULL;
		break;
	default:
		c->text = s->name < h->name_count ? h->names[s->name].module : NULL;
	}
}

static int seconds_open(struct table *t)
{
	const struct hotspot *h = t->report->model->hotspot;

	TABLE_COLUMNS_OF(t, second_columns);
	t->caption = "The process and the function that were hot in each second";
	t->none = "No sample met anything but idle CPUs.";
	t->rows = h ? h->second_count : 0;
	t->captured = h != NULL;
	t->cell = second_cell;
	return 0;
}

const struct table_def tables_stacks[] = {
	{"functions", functions_open},
	{"seconds", seconds_open},
	{0},
};
