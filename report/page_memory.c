/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where every byte is: a picture of areas for the eye, and the same parts as a table.  In the
 * picture the parts that hold files are one block, because a file that is cached may be mapped or
 * not; the table keeps them apart.
 */
#include "page.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../capture/base/sbuf.h"
#include "figures.h"
#include "memory_blocks.h"
#include "treemap.h"
#include "visible.h"

#define WIDTH 1120.0
#define HEIGHT 440.0
#define HEAD 22.0   /* of a block that shows what is inside it */
#define STRIP 30.0  /* free and used, where most is free */
#define SHADOW 26.0 /* from the strip to the picture */

/* ------------------------------------------------------------------ drawing */

static void box(struct tree *t, xmlNodePtr parent, const char *class_name, struct rect r)
{
	xmlNodePtr n = tree_add(t, parent, "rect", class_name);

	tree_attrf(t, n, "x", "%.1f", r.x);
	tree_attrf(t, n, "y", "%.1f", r.y);
	tree_attrf(t, n, "width", "%.1f", fmax(0, r.w));
	tree_attrf(t, n, "height", "%.1f", fmax(0, r.h));
}

/* What fits in this width, cut between characters. */
static void label(struct tree *t, xmlNodePtr parent, const char *class_name, double x, double y,
		  double width, const char *text)
{
	bool size = class_name && !strcmp(class_name, "size");
	double each = class_name && !size ? 8.2 : 7.2; /* of a character; a heading is bold */
	size_t fits = width > 0 ? (size_t)(width / each) : 0, chars = 0, len = 0;
	char *visible = visible_dup(text), *cut = NULL;
	xmlNodePtr n;

	if (!visible) {
		t->error = -ENOMEM;
		return;
	}
	while (visible[len] && chars < fits) {
		len += (size_t)utf8_len((const unsigned char *)visible + len,
					strnlen(visible + len, 4));
		chars++;
	}
	if (visible[len] && (chars < 4 || size)) { /* half a number is none */
		free(visible);
		return;
	}
	n = tree_add(t, parent, "text", class_name);
	tree_attrf(t, n, "x", "%.1f", x);
	tree_attrf(t, n, "y", "%.1f", y);
	if (visible[len]) {
		while (len && ((unsigned char)visible[len] & 0xc0) == 0x80)
			len--;
		do
			len--;
		while (len && ((unsigned char)visible[len] & 0xc0) == 0x80);
		visible[len] = '\0';
		if (asprintf(&cut, "%s\xe2\x80\xa6", visible) < 0) {
			cut = NULL;
			t->error = -ENOMEM;
		}
	}
	tree_text(t, n, cut ? cut : visible);
	free(cut);
	free(visible);
}

static void draw_inner(struct tree *t, xmlNodePtr parent, const struct memory_inner *in,
		       struct rect r)
{
	xmlNodePtr g = tree_add(t, parent, "g", "inner");
	char size[FIGURE];

	figure_bytes(in->bytes, size);
	tree_textf(t, tree_add(t, g, "title", NULL), "%s: %s",
		   in->title && *in->title ? in->title : in->name, size);
	box(t, g, NULL, (struct rect){r.x + 1, r.y + 1, r.w - 2, r.h - 2});
	if (r.h >= 20)
		label(t, g, NULL, r.x + 7, r.y + 16, r.w - 12, in->name);
	if (r.h >= 38)
		label(t, g, "size", r.x + 7, r.y + 32, r.w - 12, size);
}

/* Where the second line of a label starts that is too long for one; NULL: it is not, or nowhere. */
static const char *break_label(const char *text, double width)
{
	size_t fits = width > 0 ? (size_t)(width / 8.2) : 0;
	const char *at = NULL;

	if (strlen(text) <= fits)
		return NULL;
	for (size_t i = 1; i < strlen(text) && i <= fits; i++)
		if (text[i] == ' ')
			at = text + i + 1;
	return at;
}

static void draw_block(struct tree *t, xmlNodePtr svg, const struct memory_block *b, struct rect r,
		       double total)
{
	xmlNodePtr a = tree_add(t, svg, "a", NULL), g;
	double values[BLOCK_CHILDREN + 1], rest = b->bytes;
	struct rect rects[BLOCK_CHILDREN + 1];
	char class_name[48], text[128], first[128], size[FIGURE], share[FIGURE];
	size_t n = b->inner_count, at;
	const char *second;
	double more = 0; /* height of a second line of the label */

	snprintf(class_name, sizeof(class_name), "block g-%s", b->group);
	tree_attr(t, a, "href", b->link);
	g = tree_add(t, a, "g", class_name);
	figure_bytes(b->bytes, size);
	snprintf(text, sizeof(text), "%s: %s, %s", b->label, size,
		 figure_share(b->bytes / total * 100, share));
	tree_text(t, tree_add(t, g, "title", NULL), text);
	r = (struct rect){r.x + 1.5, r.y + 1.5, r.w - 3, r.h - 3};
	box(t, g, "ground", r);
	if (r.h < 22 || r.w < 30)
		return;
	snprintf(text, sizeof(text), "%s  %s", b->label, size);
	if ((double)strlen(text) * 8.2 > r.w - 14) {
		second = r.h >= 54 && (!n || r.h >= 90) ? break_label(b->label, r.w - 12) : NULL;
		snprintf(first, sizeof(first), "%.*s",
			 second ? (int)(second - b->label - 1) : (int)strlen(b->label), b->label);
		label(t, g, "head", r.x + 7, r.y + 16, r.w - 12, first);
		if (second) {
			label(t, g, "head", r.x + 7, r.y + 32, r.w - 12, second);
			more = 16;
		}
		if (r.h >= 38 + more && (!n || r.h >= 90))
			label(t, g, "size", r.x + 7, r.y + 32 + more, r.w - 12, size);
	} else {
		label(t, g, "head", r.x + 7, r.y + 16, r.w - 12, text);
	}
	if (!n || r.h < 60 || r.w < 70)
		return;
	for (size_t i = 0; i < n; i++) {
		values[i] = b->inner[i].bytes;
		rest -= values[i];
	}
	/* the rest takes its place by size, so that the squares stay squares */
	for (at = n; at && values[at - 1] < rest; at--)
		values[at] = values[at - 1];
	values[at] = fmax(rest, 0);
	double used = (double)strlen(text) * 8.2 > r.w - 14 ? HEAD + 16 + more : HEAD;

	treemap(values, n + (rest > 0), (struct rect){r.x + 2, r.y + used, r.w - 4, r.h - used - 2},
		rects);
	for (size_t i = 0; i < n; i++)
		draw_inner(t, g, &b->inner[i], rects[i < at || rest <= 0 ? i : i + 1]);
	if (rest > 0 && rects[at].h >= 38) {
		label(t, g, "size", rects[at].x + 7, rects[at].y + 16, rects[at].w - 12,
		      "smaller ones");
		label(t, g, "size", rects[at].x + 7, rects[at].y + 32, rects[at].w - 12,
		      figure_bytes(rest, size));
	}
}

/*
 * Where most of the memory is free, the rest would be too small to read: then a strip shows both,
 * and the picture below it only what is in use.  Returns the height that is taken.
 */
static double strip(struct tree *t, xmlNodePtr svg, const struct memory_block *free_block,
		    double total)
{
	double used = (1 - free_block->bytes / total) * WIDTH;
	xmlNodePtr shadow = tree_add(t, svg, "path", "shadow"), g;
	char text[64], size[FIGURE];

	tree_attrf(t, shadow, "d", "M0 %.0fH%.1fL%.0f %.0fH0z", STRIP, used, WIDTH, STRIP + SHADOW);
	g = tree_add(t, svg, "g", "block g-used");
	box(t, g, "ground", (struct rect){0, 0, used, STRIP});
	snprintf(text, sizeof(text), "In use %s", figure_bytes(total - free_block->bytes, size));
	if (used > 140)
		label(t, g, "head", 8, 19, used - 12, text);
	else
		label(t, svg, "head", 8, STRIP + 17, 200, text);
	draw_block(t, svg, free_block, (struct rect){used, 0, WIDTH - used, STRIP}, total);
	return STRIP + SHADOW;
}

static void picture(struct tree *t, xmlNodePtr figure, const struct model *m)
{
	size_t n = 0;
	struct memory_block *blocks = memory_blocks(m, &n);
	struct rect *rects = calloc(n + 1, sizeof(*rects));
	double *values = calloc(n + 1, sizeof(*values));
	double total = (double)m->memory_total, top = 0;
	size_t first = 0;
	xmlNodePtr svg;

	if (!blocks || !rects || !values) {
		t->error = -ENOMEM;
		goto out;
	}
	svg = tree_add(t, figure, "svg", "picture");
	tree_attrf(t, svg, "viewBox", "0 0 %.0f %.0f", WIDTH, HEIGHT);
	tree_attr(t, svg, "role", "group");
	tree_attr(t, svg, "aria-label", "Memory by what holds it; areas are proportional to bytes");
	if (n > 1 && !strcmp(blocks[0].group, "free") && blocks[0].bytes > total / 2 &&
	    blocks[0].bytes < total) {
		top = strip(t, svg, &blocks[0], total);
		first = 1;
	}
	for (size_t i = first; i < n; i++)
		values[i] = blocks[i].bytes;
	treemap(values + first, n - first, (struct rect){0, top, WIDTH, HEIGHT - top},
		rects + first);
	for (size_t i = first; i < n; i++)
		draw_block(t, svg, &blocks[i], rects[i], total);
out:
	free(values);
	free(rects);
	free(blocks);
}

/* ------------------------------------------------------------------ the table of parts */

static void row(struct tree *t, xmlNodePtr body, const char *id, const char *name, double bytes,
		double total, const char *source)
{
	struct memory_look l = memory_look(id);
	xmlNodePtr tr = tree_add(t, body, "tr", NULL), th, td, svg, rect;
	char text[FIGURE], class_name[48];

	tree_attrf(t, tr, "id", "part-%s", id);
	th = tree_add(t, tr, "th", NULL);
	tree_attr(t, th, "scope", "row");
	snprintf(class_name, sizeof(class_name), "swatch g-%s", l.group);
	svg = tree_add(t, th, "svg", class_name);
	tree_attr(t, svg, "viewBox", "0 0 10 10");
	tree_attr(t, svg, "aria-hidden", "true");
	box(t, svg, "ground", (struct rect){0, 0, 10, 10});
	tree_attr(t, tree_say(t, th, "a", NULL, name), "href", l.link);
	td = tree_add(t, tr, "td", "n");
	tree_attrf(t, td, "title", "%.0f bytes", bytes);
	tree_text(t, td, figure_bytes(bytes, text));
	tree_say(t, tr, "td", "n", figure_share(bytes / total * 100, text));
	td = tree_add(t, tr, "td", "share-bar");
	snprintf(class_name, sizeof(class_name), "bar g-%s", l.group);
	svg = tree_add(t, td, "svg", class_name);
	tree_attr(t, svg, "viewBox", "0 0 100 4");
	tree_attr(t, svg, "preserveAspectRatio", "none");
	tree_attr(t, svg, "aria-hidden", "true");
	rect = tree_add(t, svg, "rect", "ground");
	tree_attrf(t, rect, "width", "%.1f", fmin(100, fmax(0, bytes / total * 100)));
	tree_attr(t, rect, "height", "4");
	tree_say(t, tr, "td", "source", source ? source : "\xe2\x80\x93");
}

static int larger_part(const void *a, const void *b)
{
	const struct memory_part *x = *(const struct memory_part *const *)a;
	const struct memory_part *y = *(const struct memory_part *const *)b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x < y ? -1 : x > y;
}

/*
 * The counters are read at one moment, what lies in pages of no counter at another: where a hog
 * came or went between them, that is what the sum is wrong by, not a part that was counted twice.
 */
static const char *unaccounted_words(const struct model *m, char *buffer, size_t size)
{
	double first = (double)facts_counter_first(m->facts, "meminfo", "MemFree");
	double last = (double)facts_counter(m->facts, "meminfo", "MemFree");
	char text[FIGURE];

	if (m->unaccounted >= 0)
		return "total less the parts: nobody says what it is";
	if (first == (double)FACT_NONE || last == (double)FACT_NONE ||
	    fabs(first - last) < fabs((double)m->unaccounted) / 2)
		return "total less the parts; below zero: two parts overlap";
	snprintf(buffer, size,
		 "total less the parts, which were not all read at one moment: free memory changed "
		 "by "
		 "%s in the window",
		 figure_bytes(fabs(first - last), text));
	return buffer;
}

static void parts_table(struct tree *t, xmlNodePtr section, const struct model *m)
{
	char words[160];
	const struct memory_part **parts = calloc(m->part_count + 1, sizeof(struct memory_part *));
	static const char *const titles[] = {"Part", "Bytes", "Share", "", "Measured from"};
	xmlNodePtr table, tr, body, zeros = NULL, div;
	double total = (double)m->memory_total;

	if (!parts) {
		t->error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < m->part_count; i++)
		parts[i] = &m->parts[i];
	qsort(parts, m->part_count, sizeof(struct memory_part *), larger_part);
	div = tree_add(t, section, "div", "scroll");
	table = tree_add(t, div, "table", "parts");
	tree_say(t, table, "caption", NULL, "All of MemTotal, each byte in one part");
	tr = tree_add(t, tree_add(t, table, "thead", NULL), "tr", NULL);
	for (size_t i = 0; i < sizeof(titles) / sizeof(*titles); i++) {
		xmlNodePtr th;

		if (!*titles[i]) {
			tree_attr(t, tree_say(t, tr, "td", NULL, " "), "aria-hidden", "true");
			continue;
		}
		th = tree_say(t, tr, "th", i == 1 || i == 2 ? "n" : NULL, titles[i]);
		tree_attr(t, th, "scope", "col");
	}
	body = tree_add(t, table, "tbody", NULL);
	for (size_t i = 0; i < m->part_count; i++)
		if (parts[i]->bytes)
			row(t, body, parts[i]->id, parts[i]->label, (double)parts[i]->bytes, total,
			    parts[i]->source);
	if (m->unaccounted != INT64_MIN)
		row(t, body, "unaccounted", "Unaccounted", (double)m->unaccounted, total,
		    unaccounted_words(m, words, sizeof(words)));
	for (size_t i = 0; i < m->part_count; i++) {
		if (parts[i]->bytes)
			continue;
		if (!zeros) {
			zeros = tree_add(t, section, "p", "note");
			tree_text(t, zeros, "Measured, and zero: ");
		} else {
			tree_text(t, zeros, ", ");
		}
		tree_attrf(t, tree_say(t, zeros, "span", NULL, parts[i]->label), "id", "part-%s",
			   parts[i]->id);
	}
	if (zeros)
		tree_text(t, zeros, ".");
	free(parts);
}

void page_memory(struct tree *t, xmlNodePtr section, const struct report *r)
{
	const struct model *m = r->model;

	if (m->memory_total == FACT_NONE || !m->memory_total || !m->part_count) {
		tree_say(t, section, "p", "absent", "Not captured.");
		return;
	}
	picture(t, tree_add(t, section, "figure", "panorama"), m);
	parts_table(t, section, m);
}
