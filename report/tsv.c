/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page's tables as files for other tools: one table each, with the fields of the archive's own
 * (\t \n \\ \xNN; what was not measured is an empty field).  A column is called by its title with
 * the unit behind it; text has its second line in a column of its own (_more), and bytes that
 * were estimated the ends of their 95% interval (_low, _high).
 */
#include "tsv.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "out.h"
#include "tables.h"

#define NAME_MAX_LEN 64

static const char *const units[] = {
	[CELL_BYTES] = "_bytes", [CELL_CHANGE] = "_bytes", [CELL_SHARE] = "_percent",
	[CELL_SECONDS] = "_s",	 [CELL_COUNT] = "",	   [CELL_ID] = "",
	[CELL_PATH] = "",	 [CELL_TEXT] = "",	   [CELL_STATE] = "",
};

void tsv_column_name(const struct column *c, char out[TSV_COLUMN_NAME])
{
	size_t len = 0;

	for (const unsigned char *p = (const unsigned char *)c->title; *p && len + 1 < NAME_MAX_LEN;
	     p++) {
		if (*p < 0x80 && isalnum(*p))
			out[len++] = (char)tolower(*p);
		else if (len && out[len - 1] != '_')
			out[len++] = '_';
	}
	while (len && out[len - 1] == '_')
		len--;
	/* ± stands beside the figure that it is of. */
	snprintf(out + len, TSV_COLUMN_NAME - len, "%s%s", len ? "" : "half_interval",
		 units[c->kind]);
}

static bool has_more(enum cell_kind kind)
{
	return kind == CELL_PATH || kind == CELL_TEXT;
}

static bool has_interval(enum cell_kind kind)
{
	return kind == CELL_BYTES;
}

static void field(struct out *o, const char *s)
{
	for (; s && *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '\t')
			out_str(o, "\\t");
		else if (c == '\n')
			out_str(o, "\\n");
		else if (c == '\\')
			out_str(o, "\\\\");
		else if (c < ' ' || c == 127)
			out_fmt(o, "\\x%02x", c);
		else
			out_raw(o, s, 1);
	}
}

static void number(struct out *o, double v)
{
	if (!isfinite(v))
		return;
	if (v == floor(v) && fabs(v) < 9007199254740992.0)
		out_fmt(o, "%.0f", v);
	else
		out_fmt(o, "%.17g", v);
}

static void header(struct out *o, const struct table *t)
{
	char name[TSV_COLUMN_NAME];

	for (size_t i = 0; i < t->column_count; i++) {
		enum cell_kind kind = t->columns[i].kind;

		tsv_column_name(&t->columns[i], name);
		out_fmt(o, "%s%s", i ? "\t" : "", name);
		if (has_more(kind))
			out_fmt(o, "\t%s_more", name);
		if (has_interval(kind))
			out_fmt(o, "\t%s_low\t%s_high", name, name);
	}
	out_str(o, "\n");
}

static void row(struct out *o, const struct table *t, size_t i)
{
	for (size_t k = 0; k < t->column_count; k++) {
		enum cell_kind kind = t->columns[k].kind;
		struct cell c;

		table_cell(t, i, k, &c);
		if (k)
			out_str(o, "\t");
		if (c.text || has_more(kind) || kind == CELL_STATE)
			field(o, c.text);
		else
			number(o, c.value);
		if (has_more(kind)) {
			out_str(o, "\t");
			field(o, c.sub);
		}
		if (!has_interval(kind))
			continue;
		out_str(o, "\t");
		number(o, c.low < c.value ? c.low : (double)NAN);
		out_str(o, "\t");
		number(o, c.high > c.value ? c.high : (double)NAN);
	}
	out_str(o, "\n");
}

/* ------------------------------------------------------------------ what is no table of the page
 */

static void findings(struct out *o, const struct report *r)
{
	out_str(o, "id\tseverity\tconfidence\tscope_kind\tscope\ttitle\tbecause\tadvice\n");
	for (size_t i = 0; i < r->findings->count; i++) {
		const struct finding *f = &r->findings->rows[i];

		out_fmt(o, "%s\t%s\t%s\t", f->id, severity_name(f->severity),
			confidence_name(f->confidence));
		field(o, f->scope_kind);
		out_str(o, "\t");
		field(o, f->scope_name);
		out_str(o, "\t");
		field(o, f->title);
		for (size_t k = 0; k < f->because_count; k++) {
			out_str(o, k ? "\\n" : "\t");
			field(o, f->because[k].text);
		}
		if (!f->because_count)
			out_str(o, "\t");
		for (size_t k = 0; k < f->advice_count; k++) {
			out_str(o, k ? "\\n" : "\t");
			field(o, f->advice[k]);
		}
		out_str(o, f->advice_count ? "\n" : "\t\n");
	}
}

static void not_seen(struct out *o, const struct report *r)
{
	out_str(o, "what\twhy\n");
	for (size_t i = 0; i < r->model->not_seen_count; i++) {
		field(o, r->model->not_seen[i].what);
		out_str(o, "\t");
		field(o, r->model->not_seen[i].why);
		out_str(o, "\n");
	}
}

static const struct {
	const char *name;
	void (*write)(struct out *o, const struct report *r);
} others[] = {{"findings", findings}, {"not-seen", not_seen}};

#define OTHERS (sizeof(others) / sizeof(*others))

/* ------------------------------------------------------------------ all of them */

const char *report_tsv_name(size_t i)
{
	return i < OTHERS ? others[i].name : table_id(i - OTHERS);
}

static int write_table(struct out *o, const struct report *r, const char *id, struct err *e)
{
	struct table t;
	int rc = table_open(&t, id, r);

	if (rc < 0)
		return err_errno(e, rc, id);
	if (!t.captured) {
		rc = -ENODATA;
	} else {
		header(o, &t);
		for (size_t i = 0; i < t.rows && i < REPORT_MAX_ROWS; i++)
			row(o, &t, i);
	}
	table_close(&t);
	return rc;
}

int report_tsv(const struct report *r, size_t i, report_write_fn write, void *ctx, struct err *e)
{
	struct out o;
	int rc = 0, end;

	out_init(&o, write, ctx);
	if (i < OTHERS)
		others[i].write(&o, r);
	else
		rc = write_table(&o, r, table_id(i - OTHERS), e);
	end = out_end(&o);
	return rc ? rc : end;
}
