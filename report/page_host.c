/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "figures.h"

#define LONG_VERDICT 100 /* bytes; beyond it is no headline, but still a sentence */
#define NOT_MEASURED "\xe2\x80\x93"

/* ------------------------------------------------------------------ severity */

/* A shape for each, so that none depends on colour. */
static const struct severity_look {
	const char *word, *class_name, *shape, *glyph;
} looks[] = {
	[SEVERITY_OK] = {"OK", "ok", "M12 2a10 10 0 1 0 0 20a10 10 0 1 0 0-20z",
			 "M7 12.5l3.5 3.5l6.5-7.5"},
	[SEVERITY_INFO] =
		{"Info", "info",
		 "M5 3h14a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2h-14a2 2 0 0 1-2-2v-14a2 2 0 0 1 2-2z",
		 "M12 11v6M12 7v.5"},
	[SEVERITY_WARNING] = {"Warning", "warning", "M12 2.5l10.5 19h-21z", "M12 9v6M12 18v.5"},
	[SEVERITY_CRITICAL] = {"Critical", "critical", "M8 2h8l6 6v8l-6 6h-8l-6-6v-8z",
			       "M8.5 8.5l7 7M15.5 8.5l-7 7"},
};

static const struct severity_look *look(enum severity s)
{
	return &looks[s <= SEVERITY_CRITICAL ? s : SEVERITY_CRITICAL];
}

static void mark(struct tree *t, xmlNodePtr parent, const struct severity_look *l)
{
	xmlNodePtr svg = tree_add(t, parent, "svg", "mark");

	tree_attr(t, svg, "viewBox", "0 0 24 24");
	tree_attr(t, svg, "aria-hidden", "true");
	tree_attr(t, tree_add(t, svg, "path", "shape"), "d", l->shape);
	tree_attr(t, tree_add(t, svg, "path", "glyph"), "d", l->glyph);
}

void page_severity(struct tree *t, xmlNodePtr parent, enum severity s)
{
	const struct severity_look *l = look(s);
	char class_name[48];
	xmlNodePtr span;

	snprintf(class_name, sizeof(class_name), "severity is-%s", l->class_name);
	span = tree_add(t, parent, "span", class_name);
	mark(t, span, l);
	tree_text(t, span, l->word);
}

void page_verdict(struct tree *t, xmlNodePtr parent, const char *id, enum severity s,
		  const char *text)
{
	xmlNodePtr h1;

	page_severity(t, tree_add(t, parent, "p", "verdict-severity"), s);
	h1 = tree_say(t, parent, "h1", strlen(text) > LONG_VERDICT ? "verdict long" : "verdict",
		      text);
	tree_attr(t, h1, "id", id);
}

/* ------------------------------------------------------------------ the answer */

static xmlNodePtr tile(struct tree *t, xmlNodePtr dl, const char *name, const char *value)
{
	xmlNodePtr div = tree_add(t, dl, "div", NULL);

	tree_say(t, div, "dt", NULL, name);
	tree_say(t, div, "dd", NULL, value);
	return div;
}

static void bytes_tile(struct tree *t, xmlNodePtr dl, const char *name, double bytes,
		       double share_of)
{
	char text[FIGURE], share[FIGURE];
	xmlNodePtr div;

	if (!isfinite(bytes)) {
		tile(t, dl, name, NOT_MEASURED);
		return;
	}
	div = tile(t, dl, name, figure_bytes(bytes, text));
	if (share_of > 0) {
		snprintf(text, sizeof(text), "%s of memory",
			 figure_share(bytes / share_of * 100, share));
		tree_say(t, div, "dd", "minor", text);
	}
}

static double known(uint64_t v)
{
	return v == FACT_NONE ? (double)NAN : (double)v;
}

static void answer(struct tree *t, xmlNodePtr div, const struct report *r)
{
	const struct fact_archive *a = r->facts->archive.count ? r->facts->archive.rows : NULL;
	const struct model *m = r->model;
	xmlNodePtr dl, p, d;
	char text[FIGURE];

	p = tree_add(t, div, "p", "eyebrow");
	tree_say(t, p, "b", NULL, words_fleet_name(r));
	if (r->file && strcmp(r->file, words_fleet_name(r)) != 0)
		tree_say(t, p, "span", NULL, r->file);
	if (a && a->os)
		tree_say(t, p, "span", NULL, a->os);
	if (a && a->kernel)
		tree_textf(t, tree_add(t, p, "span", NULL), "Linux %s", a->kernel);
	if (a && figure_time(a->captured_at, text)) {
		xmlNodePtr time = tree_add(t, tree_add(t, p, "span", NULL), "time", NULL);

		tree_attr(t, time, "datetime", text);
		tree_textf(t, time, "%.10s %.8s UTC", text, text + 11);
	}
	page_verdict(t, div, "verdict", r->findings->verdict.severity, r->findings->verdict.text);

	dl = tree_add(t, div, "dl", "tiles");
	bytes_tile(t, dl, "Memory", known(m->memory_total), 0);
	bytes_tile(t, dl, "Available", known(m->memory_available), known(m->memory_total));
	bytes_tile(t, dl, "Found in files", m->scanned ? m->found_bytes : (double)NAN,
		   known(m->memory_total));
	if (a && a->window_s >= 0)
		tile(t, dl, "Watched for", figure_seconds(a->window_s, text));
	d = tile(t, dl, "Archive", words_archive_state(r));
	if (a && a->interrupted) {
		tree_textf(t, tree_add(t, d, "dd", "minor"), "interrupted by %s", a->interrupted);
	}
}

/* ------------------------------------------------------------------ findings */

static const struct anchor {
	const char *id, *label;
} anchors[] = {
	{"memory", "memory"},
	{"functions", "functions on the CPUs"},
	{"seconds", "what was hot in each second"},
	{"files", "files"},
	{"container-files", "files per container"},
	{"file-systems", "file systems"},
	{"shared-memory", "shared memory"},
	{"shared-files", "files of shared memory"},
	{"cgroups", "containers"},
	{"processes", "processes"},
	{"heaps", "heaps"},
	{"heap-growth", "where heaps grew"},
	{"slabs", "slab caches"},
	{"kernel-objects", "kernel memory by holder"},
	{"accounts", "the second account"},
	{"syscalls", "system calls"},
	{"proc-files", "who reads /proc"},
	{"off-cpu", "off the CPU"},
	{"reclaim", "reclaim"},
	{"guard", "the guard"},
	{"sched-delay", "waiting for a CPU"},
	{"block-io", "disks"},
	{"net-receive", "receive delay"},
	{"counters", "meminfo"},
	{"events", "counters"},
	{"zones", "zones"},
	{"vmalloc", "vmalloc"},
	{"huge-pools", "huge pages"},
	{"allocations", "allocations"},
	{"page-types", "page frames"},
	{"collectors", "collectors"},
	{"not-seen", "what could not be seen"},
	{"provenance", "provenance"},
};

/* What a finding refers to, as a link; refs are bounded to what the page has. */
static void evidence(struct tree *t, xmlNodePtr li, xmlNodePtr host, const char *ref)
{
	const char *label = NULL;
	xmlNodePtr link;

	if (!ref || ref[0] != '#')
		return;
	for (size_t i = 0; i < sizeof(anchors) / sizeof(*anchors); i++)
		if (!strcmp(anchors[i].id, ref + 1))
			label = anchors[i].label;
	if (!label && !strncmp(ref, "#part-", 6))
		label = "memory";
	if (!label || !tree_find(host, ref + 1))
		return;
	tree_text(t, li, " ");
	link = tree_say(t, li, "a", "evidence", label);
	tree_attr(t, link, "href", ref);
}

static void finding(struct tree *t, xmlNodePtr section, xmlNodePtr host, const struct finding *f,
		    size_t number)
{
	char class_name[48];
	xmlNodePtr card, head, list, part;

	snprintf(class_name, sizeof(class_name), "finding is-%s", look(f->severity)->class_name);
	card = tree_add(t, section, "article", class_name);
	tree_attrf(t, card, "id", "finding-%zu", number);
	tree_attrf(t, card, "aria-labelledby", "finding-%zu-title", number);
	head = tree_add(t, card, "p", "finding-head");
	page_severity(t, head, f->severity);
	if (f->scope_kind && f->scope_name) {
		part = tree_add(t, head, "span", "scope");
		tree_textf(t, part, "%s ", f->scope_kind);
		tree_attr(t, part, "title", f->scope_name); /* where it is too long for the line */
		tree_say(t, part, "bdi", NULL, f->scope_name);
	}
	tree_say(t, head, "code", "rule", f->id);
	tree_attrf(t, tree_say(t, card, "h3", NULL, f->title), "id", "finding-%zu-title", number);
	part = tree_add(t, card, "div", "columns");
	if (f->because_count) {
		xmlNodePtr div = tree_add(t, part, "div", "because");

		tree_say(t, div, "h4", NULL, "Because");
		list = tree_add(t, div, "ul", NULL);
		for (size_t i = 0; i < f->because_count && i < FINDING_BECAUSE; i++) {
			xmlNodePtr li = tree_say(t, list, "li", NULL, f->because[i].text);

			evidence(t, li, host, f->because[i].ref);
		}
	}
	if (f->advice_count) {
		xmlNodePtr div = tree_add(t, part, "div", "advice");

		tree_say(t, div, "h4", NULL, "Do this");
		list = tree_add(t, div, "ol", NULL);
		for (size_t i = 0; i < f->advice_count && i < FINDING_ADVICE; i++)
			tree_say(t, list, "li", NULL, f->advice[i]);
	}
	part = tree_add(t, card, "p", "doubt");
	tree_textf(t, tree_add(t, part, "b", NULL), "Confidence: %s.",
		   confidence_name(f->confidence));
	if (f->wrong_if)
		tree_textf(t, part, " Would be wrong if %s.", f->wrong_if);
}

static void findings(struct tree *t, xmlNodePtr host, const struct report *r)
{
	xmlNodePtr section = tree_find(host, "findings");

	if (!r->findings->count)
		tree_say(t, section, "p", "absent",
			 r->facts->collectors.count
				 ? "No rule found anything wrong in what was captured."
				 : "Too little was captured to judge by.");
	for (size_t i = 0; i < r->findings->count; i++)
		finding(t, section, host, &r->findings->rows[i], i + 1);
}

/* ------------------------------------------------------------------ the rest */

static void not_seen(struct tree *t, xmlNodePtr section, const struct report *r)
{
	const struct model *m = r->model;
	xmlNodePtr dl;

	if (!m->not_seen_count) {
		tree_say(t, section, "p", "absent",
			 r->facts->collectors.count
				 ? "Everything that was looked at could be seen."
				 : "The archive does not say what was looked at.");
		return;
	}
	tree_say(
		t, section, "p", "note",
		"Nothing is concluded about these: not that they are fine, not that they are not.");
	dl = tree_add(t, section, "dl", "pairs");
	for (size_t i = 0; i < m->not_seen_count; i++) {
		xmlNodePtr div = tree_add(t, dl, "div", NULL);

		tree_say(t, div, "dt", NULL, m->not_seen[i].what);
		tree_say(t, div, "dd", NULL, m->not_seen[i].why ? m->not_seen[i].why : "");
	}
}

/* How much of the page cache the ranking explains, checked against the kernel's own count. */
static void files_note(struct tree *t, xmlNodePtr div, const struct report *r)
{
	const struct fact_scan *s = r->facts->scan.count ? r->facts->scan.rows : NULL;
	const struct model *m = r->model;
	char found[FIGURE], kernel[FIGURE], rest[FIGURE], low[FIGURE], high[FIGURE];
	xmlNodePtr p;

	if (!m->scanned || !isfinite(m->found_bytes))
		return;
	p = tree_add(t, div, "p", "note");
	tree_textf(t, p, "The scan found %s in files by itself",
		   figure_bytes(m->found_bytes, found));
	if (m->found_low < m->found_bytes || m->found_high > m->found_bytes)
		tree_textf(t, p, " (between %s and %s)", figure_bytes(m->found_low, low),
			   figure_bytes(m->found_high, high));
	if (isfinite(m->meminfo_bytes) && isfinite(m->residual_bytes))
		tree_textf(t, p, "; the kernel counts %s (Cached + Buffers), a difference of %s",
			   figure_bytes(m->meminfo_bytes, kernel),
			   figure_change(m->residual_bytes, rest));
	tree_text(t, p, ".");
	if (s && s->one_in > 1 && s->one_in != FACT_NONE)
		tree_textf(
			t, p,
			" One page in %llu was read: which list a page is on and who is charged "
			"for it are estimates with a 95%% interval; the size of a file is exact.",
			(unsigned long long)s->one_in);
	if (s && s->finished == 0)
		tree_text(t, p, " The scan did not reach the end of memory.");
}

void page_host(struct tree *t, xmlNodePtr host, const struct report *r)
{
	answer(t, tree_find(host, "answer"), r);
	page_memory(t, tree_find(host, "memory"), r);
	page_guard(t, host, r);
	not_seen(t, tree_find(host, "not-seen"), r);
	files_note(t, tree_find(host, "files-note"), r);
	page_provenance(t, tree_find(host, "provenance-list"), r);
	findings(t, host, r); /* last: its links lead to what stands by now */
}
