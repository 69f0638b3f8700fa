/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "visible.h"

#define WIDE_TEXT 40  /* characters that want a wider column; table.js has both */
#define LONG_SUB 100  /* characters of a second line of which two lines are shown */
#define FILTER_FROM 8 /* rows that the eye does not filter by itself */

static const char *const kind_names[] = {
	[CELL_PATH] = "path",	[CELL_TEXT] = "text",	  [CELL_STATE] = "state",
	[CELL_BYTES] = "bytes", [CELL_CHANGE] = "change", [CELL_COUNT] = "count",
	[CELL_ID] = "id",	[CELL_SHARE] = "share",	  [CELL_SECONDS] = "seconds",
};

static bool is_text(enum cell_kind kind)
{
	return kind == CELL_PATH || kind == CELL_TEXT || kind == CELL_STATE;
}

void table_cell(const struct table *t, size_t row, size_t col, struct cell *c)
{
	c->text = c->sub = NULL;
	c->value = NAN;
	c->low = c->high = NAN;
	t->cell(t, row, col, c);
	if (isnan(c->low) || isnan(c->high))
		c->low = c->high = c->value;
}

static double largest(const struct table *t, size_t col)
{
	double max = 0;
	struct cell c;

	if (t->columns[col].kind == CELL_SHARE)
		return 100;
	for (size_t row = 0; row < t->rows && row < REPORT_MAX_ROWS; row++) {
		table_cell(t, row, col, &c);
		if (c.value > max)
			max = c.value;
	}
	return max;
}

/* Words of ours get a class; anything else that stands in the archive does not. */
static const char *state_class(const char *s)
{
	static const char *const known[] = {
		"linked",  "deleted", "unnamed", "unresolved", "online",  "dying",
		"ok",	   "partial", "timeout", "denied",     "error",	  "unsupported",
		"skipped", "yes",     "no",	 "info",       "warning", "critical",
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!strcmp(s, known[i]))
			return known[i];
	return "other";
}

static size_t characters(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void text_cell(struct out *o, enum cell_kind kind, const struct cell *c)
{
	char *quoted;

	if (!c->text) {
		out_str(o, "<span class=\"none\" title=\"not measured\">\xe2\x80\x93</span>");
		return;
	}
	if (kind == CELL_STATE) {
		out_fmt(o, "<span class=\"state is-%s\">", state_class(c->text));
		out_text(o, c->text);
		out_str(o, "</span>");
		return;
	}
	out_str(o, characters(c->text) > WIDE_TEXT ? "<bdi class=\"p wide\"" : "<bdi class=\"p\"");
	if (kind == CELL_PATH && visible_needs_quoting(c->text)) {
		quoted = visible_shell_quote(c->text);
		out_str(o, " data-copy=\"");
		out_text(o, quoted ? quoted : "");
		out_str(o, "\"");
		free(quoted);
	}
	out_str(o, ">");
	out_name(o, c->text);
	out_str(o, "</bdi>");
	if (c->sub) {
		/* what can be focused is shown whole where it is, without a script */
		out_str(o, characters(c->sub) > LONG_SUB ? "<bdi class=\"sub long\" tabindex=\"0\">"
							 : "<bdi class=\"sub\">");
		out_name(o, c->sub);
		out_str(o, "</bdi>");
	}
}

static void bar(struct out *o, double value, double max)
{
	double width = max > 0 && value > 0 ? fmin(100, value / max * 100) : 0;

	/* Rounded here, as table.js does: printf and toFixed disagree on ties. */
	out_fmt(o,
		"<svg class=\"bar\" viewBox=\"0 0 100 4\" preserveAspectRatio=\"none\" "
		"aria-hidden=\"true\"><rect width=\"%.1f\" height=\"4\"></rect></svg>",
		floor(width * 10 + 0.5) / 10);
}

static uint64_t whole(double v)
{
	v = floor(fabs(v) + 0.5);
	return v < 18446744073709549568.0 ? (uint64_t)v : UINT64_MAX;
}

static void figure(enum cell_kind kind, double v, char text[FIGURE])
{
	char digits[FIGURE];

	switch (kind) {
	case CELL_BYTES:
		figure_bytes(v, text);
		break;
	case CELL_CHANGE:
		figure_change(v, text);
		break;
	case CELL_SHARE:
		figure_share(v, text);
		break;
	case CELL_SECONDS:
		figure_seconds(v, text);
		break;
	case CELL_ID:
		snprintf(text, FIGURE, "%.0f", v);
		break;
	default:
		/* oom_score_adj and changes may be negative */
		snprintf(text, FIGURE, "%s%.40s", v < 0 ? "\xe2\x88\x92" : "",
			 figure_count(whole(v), digits));
	}
}

static void interval(struct out *o, enum cell_kind kind, const struct cell *c)
{
	char low[FIGURE], high[FIGURE];

	out_str(o, "<span class=\"sub\">");
	if (kind == CELL_BYTES) {
		out_str(o, figure_interval(c->low, c->high, low));
	} else {
		figure(kind, c->low, low);
		figure(kind, c->high, high);
		out_fmt(o, "%s \xe2\x80\x93 %s", low, high);
	}
	out_str(o, "</span>");
}

static void number_cell(struct out *o, const struct column *col, const struct cell *c, double max)
{
	char text[FIGURE], exact[FIGURE];

	if (c->text) {
		out_str(o, "<span class=\"none\">");
		out_text(o, c->text);
		out_str(o, "</span>");
		return;
	}
	if (!isfinite(c->value)) {
		out_str(o, "<span class=\"none\" title=\"not measured\">\xe2\x80\x93</span>");
		return;
	}
	if (c->value == 0 && c->high <= 0) {
		out_str(o, "<span class=\"none\">0</span>");
		return;
	}
	figure(col->kind, c->value, text);
	if (col->kind == CELL_BYTES && fabs(c->value) >= 1024)
		out_fmt(o, "<span title=\"%s%s bytes\">%s</span>", c->value < 0 ? "-" : "",
			figure_count(whole(c->value), exact), text);
	else
		out_str(o, text);
	if (col->bar)
		bar(o, c->value, max);
	if (c->low < c->value || c->high > c->value)
		interval(o, col->kind, c);
}

static void head(struct out *o, const struct table *t)
{
	out_str(o, "<thead><tr>");
	for (size_t i = 0; i < t->column_count; i++) {
		const struct column *col = &t->columns[i];

		out_fmt(o, "<th scope=\"col\" data-kind=\"%s\"", kind_names[col->kind]);
		if (!is_text(col->kind))
			out_str(o, " class=\"n\"");
		if (col->bar)
			out_str(o, " data-bar=\"1\"");
		if ((int)i == t->sorted)
			out_str(o, " aria-sort=\"descending\"");
		if (col->about)
			out_fmt(o, " title=\"%s\"", col->about);
		out_fmt(o, ">%s</th>", col->title);
	}
	out_str(o, "</tr></thead>");
}

static void body(struct out *o, const struct table *t, size_t shown)
{
	double max[TABLE_COLUMNS] = {0};
	struct cell c;

	for (size_t i = 0; i < t->column_count; i++)
		if (t->columns[i].bar)
			max[i] = largest(t, i);
	out_str(o, "<tbody>");
	for (size_t row = 0; row < shown; row++) {
		out_str(o, "<tr>");
		for (size_t i = 0; i < t->column_count; i++) {
			const struct column *col = &t->columns[i];

			table_cell(t, row, i, &c);
			if (!i)
				out_fmt(o, "<th scope=\"row\" class=\"%s\">",
					kind_names[col->kind]);
			else
				out_fmt(o, "<td class=\"%s%s\" data-label=\"%s\">",
					is_text(col->kind) ? "" : "n ", kind_names[col->kind],
					col->title);
			if (is_text(col->kind))
				text_cell(o, col->kind, &c);
			else
				number_cell(o, col, &c, max[i]);
			out_str(o, i ? "</td>" : "</th>");
		}
		out_str(o, "</tr>\n");
	}
	out_str(o, "</tbody>");
}

void table_write(struct out *o, const struct table *t, const char *prefix, unsigned top)
{
	size_t shown = t->rows < top ? t->rows : top;
	char total[FIGURE];

	if (!t->captured) {
		out_fmt(o,
			"<p class=\"absent\">Not captured. <a href=\"#%snot-seen\">What could not "
			"be "
			"seen</a> says why.</p>",
			prefix);
		return;
	}
	if (!t->rows) {
		out_fmt(o, "<p class=\"absent\">%s</p>", t->none);
		return;
	}
	figure_count(t->rows, total);
	out_fmt(o, "<div class=\"rank\" data-top=\"%u\" data-rows=\"%zu\">", top, t->rows);
	if (t->rows >= FILTER_FROM)
		out_fmt(o,
			"<div class=\"tools\" hidden=\"\"><label>Filter <input type=\"search\" "
			"autocomplete=\"off\" spellcheck=\"false\"></label><output></output>"
			"<button type=\"button\" class=\"all\" aria-pressed=\"false\">Show all "
			"%s</button></div>",
			total);
	out_fmt(o, "<div class=\"scroll\"><table><caption>%s <span class=\"shown\">", t->caption);
	if (shown < t->rows)
		out_fmt(o, "%zu of %s shown", shown, total);
	else
		out_fmt(o, "%s shown", total);
	out_str(o, "</span></caption>");
	head(o, t);
	body(o, t, shown);
	out_str(o, "</table></div>\n<template>");
	columns_write(o, t);
	out_str(o, "</template></div>\n");
}
