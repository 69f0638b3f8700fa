/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "page.h"

#include <math.h>
#include <stdio.h>

#include "figures.h"

static void pair(struct tree *t, xmlNodePtr dl, const char *name, const char *value)
{
	xmlNodePtr div;

	if (!value || !*value)
		return;
	div = tree_add(t, dl, "div", NULL);
	tree_say(t, div, "dt", NULL, name);
	tree_say(t, div, "dd", NULL, value);
}

static xmlNodePtr group(struct tree *t, xmlNodePtr parent, const char *title)
{
	xmlNodePtr div = tree_add(t, parent, "div", "group");

	tree_say(t, div, "h3", NULL, title);
	return tree_add(t, div, "dl", "pairs");
}

static void archive(struct tree *t, xmlNodePtr list, const struct report *r)
{
	const struct fact_archive *a = r->facts->archive.rows;
	xmlNodePtr dl = group(t, list, "Archive");
	char text[256], n[FIGURE];

	pair(t, dl, "Name", a->name);
	pair(t, dl, "SHA-256", a->sha256);
	pair(t, dl, "State", words_archive_state(r));
	pair(t, dl, "Damage", a->damage);
	if (a->salvaged == 1)
		pair(t, dl, "Salvaged", "members whose hash does not match were used");
	if (a->bytes_written != FACT_NONE) {
		snprintf(text, sizeof(text), "%s bytes", figure_count(a->bytes_written, n));
		pair(t, dl, "Written", text);
	}
	pair(t, dl, "Redaction", a->redaction);
	pair(t, dl, "Label", a->label);
	pair(t, dl, "Ticket", a->ticket);
	pair(t, dl, "Arguments", a->arguments);
	pair(t, dl, "Format", a->format_version);
	pair(t, dl, "Captured by", a->tool);
	pair(t, dl, "Read by", "ossnap-analyze " OSSNAP_VERSION);
}

static void machine(struct tree *t, xmlNodePtr list, const struct fact_archive *a)
{
	xmlNodePtr dl = group(t, list, "Machine");
	char n[FIGURE];

	pair(t, dl, "Host", a->hostname);
	pair(t, dl, "System", a->os);
	pair(t, dl, "Kernel", a->kernel);
	pair(t, dl, "Architecture", a->arch);
	if (a->cpus != FACT_NONE)
		pair(t, dl, "CPUs", figure_count(a->cpus, n));
	if (a->page_size != FACT_NONE)
		pair(t, dl, "Page size", figure_bytes((double)a->page_size, n));
	if (a->euid != FACT_NONE)
		pair(t, dl, "Captured as", a->euid ? "an unprivileged user" : "root");
	pair(t, dl, "Capabilities", a->capabilities);
	pair(t, dl, "Lockdown", a->lockdown);
	if (a->in_container == 1)
		pair(t, dl, "Place", "inside a container");
}

static void cost(struct tree *t, xmlNodePtr list, const struct fact_archive *a)
{
	xmlNodePtr dl = group(t, list, "Window and cost");
	char n[FIGURE];

	pair(t, dl, "Start", figure_time(a->captured_at, n));
	if (a->window_s >= 0)
		pair(t, dl, "Window", figure_seconds(a->window_s, n));
	if (a->planned_s >= 0)
		pair(t, dl, "Planned", figure_seconds(a->planned_s, n));
	pair(t, dl, "Interrupted by", a->interrupted);
	if (a->observer_cpu_s >= 0)
		pair(t, dl, "CPU used", figure_seconds(a->observer_cpu_s, n));
	if (a->observer_wall_s >= 0)
		pair(t, dl, "Whole run", figure_seconds(a->observer_wall_s, n));
	if (a->observer_max_rss_bytes != FACT_NONE)
		pair(t, dl, "Memory used", figure_bytes((double)a->observer_max_rss_bytes, n));
}

static void scan(struct tree *t, xmlNodePtr list, const struct fact_scan *s)
{
	xmlNodePtr dl = group(t, list, "Page-cache scan");
	char text[128], n[FIGURE], all[FIGURE];

	pair(t, dl, "Read through", s->source);
	pair(t, dl, "Why not a better way", s->reason);
	if (s->one_in != FACT_NONE) {
		if (s->one_in == 1)
			snprintf(text, sizeof(text), "every page");
		else
			snprintf(text, sizeof(text), "one page in %s", figure_count(s->one_in, n));
		pair(t, dl, "Sampling", text);
	}
	if (s->pages_read != FACT_NONE && s->pages_total != FACT_NONE) {
		snprintf(text, sizeof(text), "%s of %s", figure_count(s->pages_read, n),
			 figure_count(s->pages_total, all));
		pair(t, dl, "Pages", text);
	}
	if (s->finished != FACT_NONE)
		pair(t, dl, "Finished", s->finished ? "yes" : "no");
	if (s->holes != FACT_NONE && s->holes)
		pair(t, dl, "Unreadable frames", figure_count(s->holes, n));
	if (s->discarded != FACT_NONE && s->discarded)
		pair(t, dl, "Changed while read", figure_count(s->discarded, n));
	if (s->files_dropped != FACT_NONE && s->files_dropped)
		pair(t, dl, "Files dropped", figure_count(s->files_dropped, n));
	if (s->scan_cpu_s >= 0)
		pair(t, dl, "CPU, reading", figure_seconds(s->scan_cpu_s, n));
	if (s->resolve_cpu_s >= 0)
		pair(t, dl, "CPU, naming", figure_seconds(s->resolve_cpu_s, n));
}

void page_provenance(struct tree *t, xmlNodePtr list, const struct report *r)
{
	if (r->facts->archive.count) {
		archive(t, list, r);
		machine(t, list, r->facts->archive.rows);
		cost(t, list, r->facts->archive.rows);
	}
	if (r->facts->scan.count)
		scan(t, list, r->facts->scan.rows);
}
