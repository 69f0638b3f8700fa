/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard: for each scope the probability of running out and the share of memory available over
 * time, with a mark for everybody who died and for every time that nobody would have helped.
 */
#include "page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../capture/base/clock.h"
#include "../capture/base/sbuf.h"
#include "figures.h"

#define WIDTH 1120.0
#define HEIGHT 190.0
#define LEFT 44.0
#define TOP 34.0
#define BOTTOM 26.0
#define PLOT_W (WIDTH - LEFT - 12)
#define PLOT_H (HEIGHT - TOP - BOTTOM)
#define SCOPES 8
#define COLUMNS 720 /* of a line: more readings than that are drawn as their extremes */
#define MARKS 200
#define LONGEST_NS (600 * NSEC_PER_SEC) /* shown whole; of more, what is around the last act */
#define BEFORE_NS (240 * NSEC_PER_SEC)
#define AFTER_NS (60 * NSEC_PER_SEC)

struct series {
	const char *scope;
	uint64_t from, to;
	size_t acts, readings;
};

static bool is(const struct fact_guard *e, const char *event)
{
	return !strcmp(e->event, event);
}

static bool is_act(const struct fact_guard *e)
{
	return is(e, "kill") || is(e, "no-victim") || is(e, "intent");
}

static bool belongs(const struct series *s, const struct fact_guard *e)
{
	return e->scope && e->time_ns != FACT_NONE && !strcmp(e->scope, s->scope);
}

/* ------------------------------------------------------------------ what is shown */

static size_t find_series(const struct model *m, struct series *out)
{
	size_t n = 0;

	for (size_t i = 0; i < m->guard_count; i++) {
		const struct fact_guard *e = m->guard[i];
		size_t k = 0;

		if (!e->scope || e->time_ns == FACT_NONE || !(e->probability >= 0))
			continue;
		while (k < n && strcmp(out[k].scope, e->scope) != 0)
			k++;
		if (k == SCOPES)
			continue;
		if (k == n)
			out[n++] = (struct series){.scope = e->scope, .from = e->time_ns};
		out[k].to = e->time_ns;
		out[k].readings++;
		out[k].acts += is_act(e);
	}
	return n;
}

/* Days of a service are not one picture: the time around the last act is. */
static void shorten(const struct model *m, struct series *s)
{
	uint64_t last = s->to;

	if (s->to - s->from <= LONGEST_NS)
		return;
	for (size_t i = 0; i < m->guard_count; i++)
		if (belongs(s, m->guard[i]) && is_act(m->guard[i]))
			last = m->guard[i]->time_ns;
	if (last > s->from + BEFORE_NS)
		s->from = last - BEFORE_NS;
	if (s->to > last + AFTER_NS)
		s->to = last + AFTER_NS;
}

static double at_x(const struct series *s, uint64_t ns)
{
	double span = s->to > s->from ? (double)(s->to - s->from) : 1;

	return LEFT + PLOT_W * (double)(ns - s->from) / span;
}

static double at_y(double share)
{
	return TOP + PLOT_H * (1 - fmin(fmax(share, 0), 1));
}

/* ------------------------------------------------------------------ drawing */

static void attr_d(struct tree *t, xmlNodePtr n, const char *name, double v)
{
	tree_attrf(t, n, name, "%.1f", v);
}

static xmlNodePtr word(struct tree *t, xmlNodePtr svg, const char *class_name, double x, double y,
		       const char *anchor, const char *text)
{
	xmlNodePtr n = tree_say(t, svg, "text", class_name, text);

	attr_d(t, n, "x", x);
	attr_d(t, n, "y", y);
	tree_attr(t, n, "text-anchor", anchor);
	return n;
}

static void grid(struct tree *t, xmlNodePtr svg, const struct series *s)
{
	char text[FIGURE];

	for (int i = 0; i <= 2; i++) {
		xmlNodePtr line = tree_add(t, svg, "line", "grid");

		attr_d(t, line, "x1", LEFT);
		attr_d(t, line, "x2", LEFT + PLOT_W);
		attr_d(t, line, "y1", at_y(i / 2.0));
		attr_d(t, line, "y2", at_y(i / 2.0));
		snprintf(text, sizeof(text), "%d %%", i * 50);
		word(t, svg, "axis", LEFT - 6, at_y(i / 2.0) + 4, "end", text);
	}
	if (figure_time((double)s->from / 1e9, text))
		word(t, svg, "axis", LEFT, HEIGHT - 8, "start", text);
	if (figure_time((double)s->to / 1e9, text))
		word(t, svg, "axis", LEFT + PLOT_W, HEIGHT - 8, "end", text);
}

/* A reading holds until the next: steps.  Of many in one column of the picture the worst. */
static void line(struct tree *t, xmlNodePtr svg, const struct model *m, const struct series *s,
		 bool probability)
{
	char path[COLUMNS * 2 * 16 + 64];
	struct sbuf b = SBUF(path);
	double held = (double)NAN;
	int column = -1;

	sbuf_reset(&b);
	for (size_t i = 0; i < m->guard_count; i++) {
		const struct fact_guard *e = m->guard[i];
		double v = probability ? e->probability : e->available_share, x;

		/* a kill tells what was so when it was decided on */
		if (!belongs(s, e) || is(e, "kill") || !isfinite(v) || e->time_ns < s->from ||
		    e->time_ns > s->to)
			continue;
		x = at_x(s, e->time_ns);
		int at = (int)((x - LEFT) / PLOT_W * COLUMNS);

		if (at == column && isfinite(held) && (probability ? v <= held : v >= held))
			continue;
		if (b.len + 64 > sizeof(path))
			break;
		if (!isfinite(held))
			sbuf_printf(&b, "M%.1f %.1f", x, at_y(v));
		else
			sbuf_printf(&b, "H%.1fV%.1f", x, at_y(v));
		held = v;
		column = at;
	}
	if (!isfinite(held))
		return;
	sbuf_printf(&b, "H%.1f", LEFT + PLOT_W);
	tree_attr(t, tree_add(t, svg, "path", probability ? "line p" : "line a"), "d", path);
}

static void mark_title(struct tree *t, xmlNodePtr g, const struct fact_guard *e)
{
	char when[31], heap[FIGURE] = "", freed[FIGURE] = "";

	clock_format_rfc3339(e->time_ns, when);
	if (e->heap_bytes != FACT_NONE)
		figure_bytes((double)e->heap_bytes, heap);
	if (e->freed_bytes != FACT_NONE)
		figure_bytes((double)e->freed_bytes, freed);
	xmlNodePtr title = tree_add(t, g, "title", NULL);

	if (is(e, "no-victim")) {
		tree_textf(t, title, "%.23s: nobody whose end would help", when);
		return;
	}
	tree_textf(t, title, "%.23s: %s%s %s %s%s%s", when,
		   e->dry_run == 1 ? "would have had " : "", e->signal ? e->signal : "signal",
		   e->comm ? e->comm : "?", heap, *freed ? ", freed " : "", freed);
	if (e->rule)
		tree_textf(t, title, " (%s)", e->rule);
}

static void marks(struct tree *t, xmlNodePtr svg, const struct model *m, const struct series *s)
{
	size_t drawn = 0;

	for (size_t i = 0; i < m->guard_count && drawn < MARKS; i++) {
		const struct fact_guard *e = m->guard[i];
		bool kill = is(e, "kill") || (is(e, "intent") && e->dry_run == 1);
		xmlNodePtr g, shape;
		double x;

		if (!belongs(s, e) || e->time_ns < s->from || e->time_ns > s->to ||
		    (!kill && !is(e, "no-victim")))
			continue;
		drawn++;
		x = at_x(s, e->time_ns);
		g = tree_add(t, svg, "g", kill ? "act kill" : "act nobody");
		mark_title(t, g, e);
		shape = tree_add(t, g, "line", NULL);
		attr_d(t, shape, "x1", x);
		attr_d(t, shape, "x2", x);
		attr_d(t, shape, "y1", TOP - 8);
		attr_d(t, shape, "y2", TOP + PLOT_H);
		shape = tree_add(t, g, "path", "shape");
		/* an octagon or a triangle, as for the severities */
		if (kill)
			tree_attrf(t, shape, "d", "M%.1f %.1fh5l3.5 3.5v5l-3.5 3.5h-5l-3.5-3.5v-5z",
				   x - 2.5, TOP - 24);
		else
			tree_attrf(t, shape, "d", "M%.1f %.1fl7 12h-14z", x, TOP - 23);
	}
}

static void picture(struct tree *t, xmlNodePtr section, const struct model *m, struct series *s)
{
	xmlNodePtr figure = tree_add(t, section, "figure", "timeline"), svg, caption;
	char from[FIGURE] = "", span[FIGURE] = "";
	uint64_t all = s->to - s->from;

	shorten(m, s);
	caption = tree_add(t, figure, "figcaption", NULL);
	tree_say(t, caption, "b", NULL, s->scope);
	if (s->to - s->from < all)
		tree_textf(t, caption, " %s around the last act, of %s",
			   figure_seconds((double)(s->to - s->from) / 1e9, span),
			   figure_seconds((double)all / 1e9, from));
	svg = tree_add(t, figure, "svg", "picture");
	tree_attrf(t, svg, "viewBox", "0 0 %.0f %.0f", WIDTH, HEIGHT);
	tree_attr(t, svg, "role", "img");
	tree_attrf(t, svg, "aria-label",
		   "Probability that the memory of %s runs out, and the share that is available, "
		   "over time; the table below has what was done",
		   s->scope);
	grid(t, svg, s);
	line(t, svg, m, s, false);
	line(t, svg, m, s, true);
	marks(t, svg, m, s);
}

static void legend(struct tree *t, xmlNodePtr section)
{
	static const struct {
		const char *class_name, *shape, *text;
	} keys[] = {
		{"line p", "M0 6H20", "probability of running out"},
		{"line a", "M0 6H20", "share of memory available"},
		{"act kill", "M7.5 0h5l3.5 3.5v5l-3.5 3.5h-5l-3.5-3.5v-5z", "a kill"},
		{"act nobody", "M10 0l7 12h-14z", "nobody whose end would have helped"},
	};
	xmlNodePtr p = tree_add(t, section, "p", "note keys");

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		xmlNodePtr key = tree_add(t, p, "span", "key"), svg, path;

		svg = tree_add(t, key, "svg", NULL);
		tree_attr(t, svg, "viewBox", "0 0 20 12");
		tree_attr(t, svg, "aria-hidden", "true");
		path = tree_add(t, tree_add(t, svg, "g", i < 2 ? "timeline" : keys[i].class_name),
				"path", i < 2 ? keys[i].class_name : "shape");
		tree_attr(t, path, "d", keys[i].shape);
		tree_text(t, key, keys[i].text);
	}
}

void page_guard(struct tree *t, xmlNodePtr host, const struct report *r)
{
	xmlNodePtr section = tree_find(host, "guard-pictures");
	const struct model *m = r->model;
	struct series all[SCOPES];
	size_t n;

	if (!m->guard_count) {
		tree_remove(tree_find(host, "guard"));
		tree_remove(tree_find(host, "guard-link"));
		return;
	}
	n = find_series(m, all);
	if (n)
		legend(t, section);
	for (size_t i = 0; i < n; i++)
		picture(t, section, m, &all[i]);
}
