/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The conclusions as plain text, at most 40 lines whatever was found: what does not fit is
 * counted, and the archive's name and hash always fit.
 */
#include "page.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "visible.h"

#define LINES 40
#define TAIL 4	  /* kept for the archive */
#define WIDE 2000 /* bytes of one line: a ticket is not the place for a longer path */

struct text {
	report_write_fn write;
	void *ctx;
	unsigned lines;
	int error;
};

/* One line: what the archive put into it stays on it. */
static void line(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void line(struct text *t, const char *fmt, ...)
{
	char *s = NULL, *visible = NULL;
	va_list ap;
	size_t len;
	int n, r;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n >= 0)
		visible = visible_dup(s);
	if (n < 0 || !visible) {
		t->error = t->error ? t->error : -ENOMEM;
	} else if (!t->error) {
		len = strlen(visible);
		if (len > WIDE) {
			len = WIDE;
			while (len && ((unsigned char)visible[len] & 0xc0) == 0x80)
				len--;
		}
		visible[len] = '\n';
		r = t->write(t->ctx, visible, len + 1);
		if (r < 0)
			t->error = r;
		t->lines++;
	}
	if (n >= 0)
		free(s);
	free(visible);
}

static unsigned left(const struct text *t)
{
	return t->lines + TAIL < LINES ? LINES - TAIL - t->lines : 0;
}

static void finding(struct text *t, const struct finding *f, unsigned number)
{
	size_t advised = 0;

	line(t, "%u. [%s] %s", number, severity_name(f->severity), f->title);
	for (size_t i = 0; i < f->because_count && i < FINDING_BECAUSE && i < 3 && left(t) > 6; i++)
		line(t, "   because: %s", f->because[i].text);
	/* All of it: what comes last is as a rule what to do when the first does not help. */
	for (; advised < f->advice_count && advised < FINDING_ADVICE && left(t) > 6; advised++)
		line(t, "   do this: %s", f->advice[advised]);
	if (advised < f->advice_count)
		line(t, "   … and %zu more to do in the report", f->advice_count - advised);
	if (left(t) > 4)
		line(t, "   confidence: %s%s%s", confidence_name(f->confidence),
		     f->wrong_if ? "; would be wrong if " : "", f->wrong_if ? f->wrong_if : "");
}

static void archive(struct text *t, const struct report *r)
{
	const struct fact_archive *a = r->facts->archive.rows;
	char time[FIGURE];

	if (!r->facts->archive.count)
		return;
	line(t, "Archive: %s (%s), captured %s", a->name ? a->name : "?", words_archive_state(r),
	     figure_time(a->captured_at, time) ? time : "at an unknown time");
	line(t, "SHA-256: %s", a->sha256 ? a->sha256 : "?");
}

static void machine(struct text *t, const struct report *r)
{
	const struct model *m = r->model;
	size_t shown = 0;

	line(t, "%s: %s: %s", words_hostname(r), severity_name(r->findings->verdict.severity),
	     r->findings->verdict.text);
	for (; shown < r->findings->count && left(t) > 8; shown++)
		finding(t, &r->findings->rows[shown], (unsigned)shown + 1);
	if (shown < r->findings->count)
		line(t, "… and %zu more findings in the report", r->findings->count - shown);
	if (m->not_seen_count) {
		size_t n = 0;

		line(t, "Could not be seen:");
		for (; n < m->not_seen_count && left(t) > 1; n++)
			line(t, " - %s: %s", m->not_seen[n].what,
			     m->not_seen[n].why ? m->not_seen[n].why : "");
		if (n < m->not_seen_count)
			line(t, " … and %zu more in the report", m->not_seen_count - n);
	}
	archive(t, r);
}

static void fleet(struct text *t, const struct report *hosts, size_t count)
{
	struct fleet_verdict v = words_fleet_verdict(hosts, count);
	size_t *order = words_fleet_order(hosts, count), shown = 0;

	if (!order) {
		t->error = -ENOMEM;
		return;
	}
	line(t, "%s: %s", severity_name(v.severity), v.text);
	for (; shown < count && left(t) > 1; shown++) {
		const struct report *r = &hosts[order[shown]];
		const struct fact_archive *a = r->facts->archive.rows;

		if (r->refused) {
			line(t, " - %s: refused: %s", words_fleet_name(r),
			     r->findings->verdict.text);
			continue;
		}
		line(t, " - %s: %s: %s (%s%s%s, sha256 %.12s)", words_fleet_name(r),
		     severity_name(r->findings->verdict.severity), r->findings->verdict.text,
		     r->file ? r->file : "", r->file ? ", " : "",
		     r->facts->archive.count && a->name ? a->name : "?",
		     r->facts->archive.count && a->sha256 ? a->sha256 : "?");
	}
	if (shown < count)
		line(t, " … and %zu more in the report", count - shown);
	free(order);
}

int report_text(const struct report *hosts, size_t count, report_write_fn write, void *ctx,
		struct err *e)
{
	struct text t = {.write = write, .ctx = ctx};

	if (!count)
		return err_set(e, EINVAL, "report: no archive");
	if (count == 1)
		machine(&t, hosts);
	else
		fleet(&t, hosts, count);
	return t.error ? err_errno(e, -t.error, "report") : 0;
}
