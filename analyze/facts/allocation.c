/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/allocinfo (since 6.10, with CONFIG_MEM_ALLOC_PROFILING), the last reading: what each place
 * in the kernel's code has allocated and not freed.  Slab pages stand there twice, at the place
 * that filled the cache (mm/slub.c) and at the one that asked for the object. Source:
 * lib/alloc_tag.c, alloc_tag_to_text(): "SIZE CALLS FILE:LINE [MODULE] func:FUNCTION"
 *
 * tables/page_owner.tsv: the same by page_owner, whose place is "page_owner" and whose calls are
 * blocks of pages; whole pages only, what is in slab once.
 */
#include <errno.h>
#include <string.h>

#include "parse.h"
#include "rows.h"
#include "text.h"
#include "tsv.h"

#define LEAST (64u << 10) /* of thousands of places most hold nothing */

static const struct fact_field fields_fact_allocation[] = {
	FACT_STR(fact_allocation, place, 192),	  FACT_STR(fact_allocation, module, 64),
	FACT_STR(fact_allocation, function, 128), FACT_U64(fact_allocation, bytes),
	FACT_U64(fact_allocation, calls),
};
FACT_TYPE(fact_allocation, "allocations", 43, 16384);

struct allocation_state {
	struct rows rows;
	uint64_t ms;
	bool any;
};

static const char *keep(struct parse *p, struct text t, size_t max)
{
	return arena_strndup(p->arena, t.p, text_len(t) < max ? text_len(t) : max);
}

static int allocation_line(struct parse *p, struct allocation_state *s, struct text line)
{
	struct fact_allocation *row;
	struct text place, word;
	uint64_t bytes, calls;

	/* "allocinfo - version: 1.0", "#     <size>  <calls> <tag info>" */
	if (text_starts(line, "allocinfo") || text_starts(line, "#"))
		return 0;
	if (!text_word_u64(&line, &bytes) || !text_word_u64(&line, &calls) ||
	    !text_word(&line, &place)) {
		p->bad += text_len(line) != 0;
		return 0;
	}
	if (bytes < LEAST)
		return 0;
	if (s->rows.count >= fact_allocation_type.max_rows) {
		p->bad++;
		return 0;
	}
	s->rows.size = sizeof(*row);
	row = rows_add(p->arena, &s->rows);
	if (!row)
		return -ENOMEM;
	row->place = keep(p, place, 192);
	row->bytes = bytes;
	row->calls = calls;
	while (text_word(&line, &word)) {
		if (text_starts(word, "func:")) {
			word.p += strlen("func:");
			row->function = keep(p, word, 128);
		} else if (text_len(word) > 2 && *word.p == '[' && word.end[-1] == ']') {
			word.p++;
			word.end--;
			row->module = keep(p, word, 64);
		}
	}
	return 0;
}

static int owner_row(struct parse *p, const struct tsv *t)
{
	uint64_t pages = tsv_u64(t, tsv_column(t, "pages"));
	struct fact_allocation row = {
		.place = "page_owner",
		.function = tsv_str(t, tsv_column(t, "function")),
		.module = tsv_str(t, tsv_column(t, "module")),
		.bytes = text_times(pages, p->page_size),
		.calls = tsv_u64(t, tsv_column(t, "blocks")),
	};

	if (row.module && !*row.module)
		row.module = NULL;
	if (!row.function || pages == FACT_NONE || p->page_size == FACT_NONE) {
		p->bad++;
		return 0;
	}
	return row.bytes < LEAST ? 0 : parse_emit(p, &fact_allocation_type, &row);
}

static int owner_member(struct parse *p, const char *data, size_t len)
{
	struct tsv t;
	int r = 0;

	if (tsv_init(&t, data, len) < 0)
		return -ENOMEM;
	while (r >= 0 && tsv_next(&t))
		r = owner_row(p, &t);
	p->bad += t.bad;
	tsv_deinit(&t);
	return r;
}

static int allocation_member(struct parse *p, void *state, const struct member_ref *m,
			     const char *data, size_t len)
{
	struct text rest = TEXT(data, len), line;
	struct allocation_state *s = state;
	int r = 0;

	if (!strcmp(m->name, "tables/page_owner.tsv"))
		return owner_member(p, data, len);
	if (s->any && m->ms < s->ms)
		return 0;
	if (m->ms != s->ms)
		s->rows.count = 0;
	s->ms = m->ms;
	s->any = true;
	while (r >= 0 && text_line(&rest, &line))
		r = allocation_line(p, s, line);
	return r;
}

static int allocation_finish(struct parse *p, void *state)
{
	const struct allocation_state *s = state;

	return parse_emit_rows(p, &fact_allocation_type, &s->rows);
}

const struct fact_parser allocation_parser = {
	.state_size = sizeof(struct allocation_state),
	.member = allocation_member,
	.finish = allocation_finish,
};
