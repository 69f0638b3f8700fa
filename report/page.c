/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page: templates/page.xml is parsed and grown, serialised as HTML, and cut where a table
 * belongs; the tables are streamed there.  The tree holds what is bounded by the number of
 * findings, the stream what is bounded by the number of files.
 */
#include "page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/HTMLtree.h>
#include <libxml/parser.h>

#include "assets.h"
#include "figures.h"
#include "flame.h"
#include "out.h"
#include "table.h"

#define TABLE_MARK "<?table "

static bool has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && !strcmp(s + n - m, suffix);
}

/* ------------------------------------------------------------------ the head of the document */

static void policy(struct tree *t, xmlNodePtr meta)
{
	char scripts[1024] = "";
	size_t len = 0;

	for (const struct asset *a = assets; a->name; a++)
		if (has_suffix(a->name, ".js"))
			len += (size_t)snprintf(scripts + len, sizeof(scripts) - len, " '%s'",
						a->csp_hash);
	tree_attr(t, meta, "http-equiv", "Content-Security-Policy");
	tree_attrf(t, meta, "content",
		   "default-src 'none'; script-src%s; style-src '%s'; base-uri 'none'; "
		   "form-action 'none'",
		   scripts, asset_find("style.css")->csp_hash);
}

static void own_assets(struct tree *t, xmlNodePtr root)
{
	const struct asset *css = asset_find("style.css");
	xmlNodePtr body = tree_find(root, "main")->parent;

	tree_own_text(t, tree_find(root, "style"), css->data, css->size);
	for (const struct asset *a = assets; a->name; a++)
		if (has_suffix(a->name, ".js"))
			tree_own_text(t, tree_add(t, body, "script", NULL), a->data, a->size);
}

static int to_string(void *ctx, const void *data, size_t len)
{
	return fwrite(data, 1, len, ctx) == len ? 0 : -ENOMEM;
}

static int ticket_text(struct tree *t, xmlNodePtr root, const struct report *hosts, size_t count)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int r;

	if (!f)
		return -ENOMEM;
	r = report_text(hosts, count, to_string, f, NULL);
	if (fclose(f) && !r)
		r = -ENOMEM;
	if (!r) {
		/* line by line: a newline of ours is one, a newline in a name is made visible */
		xmlNodePtr pre = tree_find(root, "ticket-text");
		char *save = NULL;

		for (char *line = strtok_r(text, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			tree_text(t, pre, line);
			tree_own_text(t, pre, "\n", 1);
		}
	}
	free(text);
	return r;
}

/* ------------------------------------------------------------------ one machine or several */

static void fleet(struct tree *t, xmlNodePtr root, const struct report *hosts, size_t count)
{
	struct fleet_verdict v = words_fleet_verdict(hosts, count);
	size_t *order = words_fleet_order(hosts, count);
	xmlNodePtr table, tr, body, cell;
	char text[FIGURE];

	if (!order) {
		t->error = -ENOMEM;
		return;
	}
	page_verdict(t, tree_find(root, "fleet-answer"), "fleet-verdict", v.severity, v.text);
	table = tree_add(t, tree_find(root, "fleet-table"), "table", "fleet");
	tree_say(
		t, table, "caption", NULL,
		v.captures > v.machines
			? "Captures by machine, the worst machine first, its captures in the order "
			  "of time"
			: "Machines, the worst first");
	tr = tree_add(t, tree_add(t, table, "thead", NULL), "tr", NULL);
	static const char *const titles[] = {"Machine",	 "Severity", "Verdict",
					     "Captured", "Archive",  "File"};
	for (size_t i = 0; i < sizeof(titles) / sizeof(*titles); i++)
		tree_attr(t, tree_say(t, tr, "th", NULL, titles[i]), "scope", "col");
	body = tree_add(t, table, "tbody", NULL);
	for (size_t i = 0; i < count; i++) {
		const struct report *r = &hosts[order[i]];
		const struct fact_archive *a =
			r->facts->archive.count ? r->facts->archive.rows : NULL;

		tr = tree_add(t, body, "tr", NULL);
		cell = tree_add(t, tr, "th", NULL);
		tree_attr(t, cell, "scope", "row");
		tree_attrf(t, tree_say(t, cell, "a", NULL, words_fleet_name(r)), "href",
			   "#h%zu-host", order[i] + 1);
		page_severity(t, tree_add(t, tr, "td", NULL), r->findings->verdict.severity);
		tree_say(t, tr, "td", NULL, r->findings->verdict.text);
		tree_say(t, tr, "td", "when",
			 a && figure_time(a->captured_at, text) ? text : "\xe2\x80\x93");
		tree_say(t, tr, "td", NULL, words_archive_state(r));
		tree_say(t, tr, "td", NULL, r->file ? r->file : "\xe2\x80\x93");
	}
	free(order);
}

/* Every <?table ID?> below the host gets the host's number. */
static void number_tables(struct tree *t, xmlNodePtr n, size_t number)
{
	for (; n && !t->error; n = n->next) {
		char text[64];

		if (n->type == XML_PI_NODE) {
			snprintf(text, sizeof(text), "%.40s %zu", (const char *)n->content, number);
			xmlNodeSetContent(n, (const xmlChar *)text);
		}
		number_tables(t, n->children, number);
	}
}

static void machines(struct tree *t, xmlNodePtr root, const struct report *hosts, size_t count)
{
	xmlNodePtr model = tree_find(root, "host"), before = model;

	if (count == 1) {
		tree_remove(tree_find(root, "fleet"));
		number_tables(t, model->children, 0);
		page_host(t, model, &hosts[0]);
		return;
	}
	fleet(t, root, hosts, count);
	for (size_t i = 0; i < count && !t->error; i++) {
		xmlNodePtr copy = xmlDocCopyNode(model, t->doc, 1);
		char prefix[32];

		if (!copy) {
			t->error = -ENOMEM;
			return;
		}
		xmlAddNextSibling(before, copy);
		before = copy;
		number_tables(t, copy->children, i);
		page_host(t, copy, &hosts[i]);
		snprintf(prefix, sizeof(prefix), "h%zu-", i + 1);
		tree_prefix(t, copy, prefix);
	}
	tree_remove(model);
}

/* ------------------------------------------------------------------ out */

/* mark: "<?table ID HOST", len bytes. */
static int stream_table(struct out *o, const char *mark, size_t len, const struct report *hosts,
			size_t count, unsigned top)
{
	char text[64], prefix[32] = "", *number, *end;
	struct table table;
	size_t host;
	int r;

	mark += strlen(TABLE_MARK);
	len -= strlen(TABLE_MARK);
	if (len >= sizeof(text))
		return -EINVAL;
	memcpy(text, mark, len);
	text[len] = '\0';
	number = strchr(text, ' ');
	if (!number)
		return -EINVAL;
	*number++ = '\0';
	host = strtoul(number, &end, 10);
	if (end == number || *end || host >= count)
		return -EINVAL;
	if (count > 1)
		snprintf(prefix, sizeof(prefix), "h%zu-", host + 1);
	if (!strcmp(text, "flame")) {
		flame_write(o, &hosts[host], prefix);
		return o->error;
	}
	r = table_open(&table, text, &hosts[host]);
	if (r < 0)
		return r;
	table_write(o, &table, prefix, top);
	table_close(&table);
	return o->error;
}

static int stream(struct out *o, const char *html, const struct report *hosts, size_t count,
		  unsigned top)
{
	const char *mark;

	out_str(o, "<!DOCTYPE html>\n");
	/* text and attributes are escaped, so a "<?" can only be a mark of the skeleton's */
	while ((mark = strstr(html, TABLE_MARK))) {
		const char *end = strchr(mark, '>');
		int r;

		if (!end)
			return -EINVAL;
		out_raw(o, html, (size_t)(mark - html));
		r = stream_table(o, mark, (size_t)(end - mark), hosts, count, top);
		if (r < 0)
			return r;
		html = end + 1;
	}
	out_str(o, html);
	out_str(o, "\n");
	return out_end(o);
}

static int build(struct tree *t, const struct report *hosts, size_t count)
{
	xmlNodePtr root = xmlDocGetRootElement(t->doc);
	int r;

	policy(t, tree_find(root, "csp"));
	own_assets(t, root);
	tree_attr(t, tree_find(root, "generator"), "content", "ossnap-analyze " OSSNAP_VERSION);
	if (count == 1)
		tree_textf(t, tree_find(root, "title"), "%s: %s \xe2\x80\x93 ossnap",
			   words_hostname(hosts), hosts->findings->verdict.text);
	else
		tree_textf(t, tree_find(root, "title"), "%s \xe2\x80\x93 ossnap",
			   words_fleet_verdict(hosts, count).text);
	machines(t, root, hosts, count);
	tree_textf(t, tree_find(root, "colophon"),
		   "Made by ossnap-analyze %s. This page loads nothing and sends nothing.",
		   OSSNAP_VERSION);
	r = ticket_text(t, root, hosts, count);
	return t->error ? t->error : r;
}

int report_html(const struct report *hosts, size_t count, const struct report_options *options,
		report_write_fn write, void *ctx, struct err *e)
{
	const struct asset *page = asset_find("page.xml");
	struct tree t = {0};
	xmlBufferPtr html = NULL;
	struct out *o = NULL;
	int r = -ENOMEM;

	if (!count)
		return err_set(e, EINVAL, "report: no archive");
	t.doc = xmlReadMemory(page->data, (int)page->size, "page.xml", NULL, XML_PARSE_NONET);
	if (!t.doc)
		return err_set(e, EINVAL, "page.xml: not well-formed");
	r = build(&t, hosts, count);
	if (r < 0)
		goto out;
	r = -ENOMEM;
	html = xmlBufferCreate();
	o = malloc(sizeof(*o));
	if (!html || !o || htmlNodeDump(html, t.doc, xmlDocGetRootElement(t.doc)) < 0)
		goto out;
	xmlFreeDoc(t.doc);
	t.doc = NULL;
	out_init(o, write, ctx);
	r = stream(o, (const char *)xmlBufferContent(html), hosts, count,
		   options && options->top ? options->top : REPORT_TOP);
out:
	free(o);
	xmlBufferFree(html);
	xmlFreeDoc(t.doc);
	return r < 0 ? err_errno(e, -r, "HTML report") : 0;
}
