/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "page_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/cleanup.h"
#include "gather.h"

#define DIRECTORY "sys/kernel/debug/"
#define INDEX (OWNERS_MAX * 2)
#define MAX_ORDER_SHIFT 30
#define PATIENCE_NS (2 * NSEC_PER_SEC) /* a GiB or two of text */

int owners_init(struct owners *o)
{
	*o = (struct owners){.rows = calloc(OWNERS_MAX, sizeof(*o->rows)),
			     .index = calloc(INDEX, sizeof(*o->index))};
	if (o->rows && o->index)
		return 0;
	owners_release(o);
	return -ENOMEM;
}

void owners_release(struct owners *o)
{
	free(o->rows);
	free(o->index);
	*o = (struct owners){0};
}

/* The page allocator's own functions, which are in every stack. */
static bool is_allocator(const char *name)
{
	static const char *const prefixes[] = {
		"post_alloc_hook",	 "get_page_from_freelist",
		"prep_new_page",	 "__alloc_pages",
		"alloc_pages",		 "__alloc_frozen_pages",
		"alloc_frozen_pages",	 "___alloc_pages",
		"__folio_alloc",	 "folio_alloc",
		"vma_alloc_folio",	 "vma_alloc_zeroed",
		"alloc_page_",		 "__get_free_page",
		"get_free_pages",	 "get_zeroed_page",
		"__set_page_owner",	 "save_stack",
		"alloc_page_interleave", "__alloc_page_buffers",
	};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

static struct owner *row_of(struct owners *o, const struct owner *key)
{
	uint64_t h = 1469598103934665603ULL;

	if (!o->rows || !o->index)
		return NULL;
	for (const char *p = key->function; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211ULL;
	for (const char *p = key->module; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211ULL;
	for (h >>= 8;; h++) {
		uint32_t *at = &o->index[h % INDEX];
		struct owner *row = *at ? &o->rows[*at - 1] : NULL;

		if (!row && o->count == OWNERS_MAX)
			return NULL;
		if (!row) {
			o->rows[o->count] = *key;
			*at = (uint32_t)++o->count;
			return &o->rows[o->count - 1];
		}
		if (!strcmp(row->function, key->function) && !strcmp(row->module, key->module))
			return row;
	}
}

static void finish(struct owners *o, uint64_t pages)
{
	struct owner *row;

	if (!*o->now.function)
		snprintf(o->now.function, sizeof(o->now.function), "?");
	o->now.pages = o->now.blocks = 0;
	row = row_of(o, &o->now);
	if (row) {
		row->pages += pages;
		row->blocks++;
	} else {
		o->beyond += pages;
	}
	o->now = (struct owner){0};
	o->counting = false;
}

/* " __alloc_skb+0x68/0x1c0 [module]" */
static void frame(struct owner *now, const char *line)
{
	size_t n;

	line += strspn(line, " \t");
	n = strcspn(line, "+ \n");
	if (*now->function || !n || is_allocator(line))
		return;
	if (n >= sizeof(now->function))
		n = sizeof(now->function) - 1;
	memcpy(now->function, line, n);
	now->function[n] = '\0';
	line = strchr(line, '[');
	if (!line)
		return;
	n = strcspn(line + 1, "] \n"); /* before a build-id, which may follow the name */
	if (n >= sizeof(now->module))
		n = sizeof(now->module) - 1;
	memcpy(now->module, line + 1, n);
	now->module[n] = '\0';
}

static bool number_behind(const char *line, const char *key, int base, uint64_t *ret)
{
	const char *at = strstr(line, key);
	char *end;

	if (!at)
		return false;
	at += strlen(key);
	at += strspn(at, " ");
	if (*at < '0' || *at > '9')
		return false;
	*ret = strtoull(at, &end, base);
	return true;
}

void owners_line(struct owners *o, const char *line)
{
	uint64_t n;

	if (!strncmp(line, "Page allocated via order", 24)) {
		o->now = (struct owner){0};
		o->counting = number_behind(line, "order", 10, &n) && n < MAX_ORDER_SHIFT;
		if (o->counting)
			o->now.pages = 1ULL << n;
	} else if (!strncmp(line, "PFN ", 4)) {
		if (number_behind(line, "PFN", 0, &n))
			o->last_pfn = n;
	} else if (!strncmp(line, "stack_count:", 12) || !strncmp(line, "nr_base_pages:", 14)) {
		if (number_behind(line, ":", 10, &n))
			finish(o, n);
	} else if (line[0] == ' ' || line[0] == '\t') {
		frame(&o->now, line);
	} else if ((line[0] == '\n' || !line[0]) && o->counting) {
		finish(o, o->now.pages);
	}
}

/* ------------------------------------------------------------------ reading */

static int by_pages(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	return (x->pages < y->pages) - (x->pages > y->pages);
}

static int emit_rows(struct collect *c, struct owners *o)
{
	int r = member_open(c->out, "tables/page_owner.tsv", "function\tmodule\tpages\tblocks\n");

	qsort(o->rows, o->count, sizeof(*o->rows), by_pages);
	for (size_t i = 0; i < o->count && r >= 0; i++) {
		row_cstr(c->out, o->rows[i].function);
		row_cstr(c->out, o->rows[i].module);
		row_u64(c->out, o->rows[i].pages);
		row_u64(c->out, o->rows[i].blocks);
		r = row_end(c->out);
	}
	return r < 0 ? r : member_close(c->out, false);
}

/* True: to its end. */
static bool read_lines(struct collect *c, struct owners *o, FILE *f, uint64_t until_ns)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), lines = 0;
	char line[1024];

	if (until_ns > now + PATIENCE_NS)
		until_ns = now + PATIENCE_NS;
	while (fgets(line, sizeof(line), f)) {
		owners_line(o, line);
		if (++lines % 1024 == 0 &&
		    (clock_ns(CLOCK_MONOTONIC) >= until_ns || collect_stopping(c)))
			return false;
	}
	return !ferror(f);
}

int page_owner_emit(struct collect *c, uint64_t until_ns)
{
	static const char *const files[] = {DIRECTORY "page_owner_stacks/show_stacks",
					    DIRECTORY "page_owner"};
	_cleanup_file_ FILE *f = NULL;
	struct owners o = {0};
	int fd = -1, r;
	bool whole;

	for (size_t i = 0; i < ARRAY_SIZE(files) && fd < 0; i++)
		fd = gather_open(c->root, files[i], 0);
	if (fd < 0)
		return 0; /* this kernel, as most, was not told to keep it */
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	r = owners_init(&o);
	if (r < 0)
		return r;
	whole = read_lines(c, &o, f, until_ns);
	r = o.count ? emit_rows(c, &o) : 0;
	if (!whole && r >= 0)
		emit_note(c->out, "page_owner: read up to frame %" PRIu64 ", then time was up",
			  o.last_pfn);
	emit_loss(c->out, "pages of page_owner beyond the bound", o.beyond);
	owners_release(&o);
	return r;
}
