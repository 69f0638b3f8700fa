/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/vmallocinfo, the last reading, summed by caller.  Only what takes memory counts: areas of
 * kind "vmalloc" with the pages they hold (pages=N); ioremap and vmap of somebody else's pages
 * take address space alone, and vm_map_ram likewise.  Source: mm/vmalloc.c, s_show()
 */
#include <errno.h>
#include <string.h>

#include "parse.h"
#include "rows.h"
#include "text.h"

#define CALLER_MAX 256

static const struct fact_field fields_fact_vmalloc[] = {
	FACT_STR(fact_vmalloc, caller, CALLER_MAX),
	FACT_U64(fact_vmalloc, bytes),
	FACT_U64(fact_vmalloc, areas),
};
FACT_TYPE(fact_vmalloc, "vmalloc", 15, 65536);

struct vmalloc_state {
	struct rows rows;
	struct index index;
	uint64_t ms;
	bool any;
};

/* "do_init_module+0x60/0x230" → "do_init_module": offsets differ between builds, not callers. */
static struct text without_offset(struct text caller)
{
	const char *plus = memchr(caller.p, '+', text_len(caller));

	if (plus && plus > caller.p)
		caller.end = plus;
	if (text_len(caller) > CALLER_MAX)
		caller.end = caller.p + CALLER_MAX;
	return caller;
}

/* 0xSTART-0xEND SIZE CALLER [pages=N] [phys=…] [ioremap|vmalloc|vmap|user|vpages] [N0=…] */
static int vmalloc_line(struct parse *p, struct vmalloc_state *s, struct text line)
{
	struct text range, caller, word;
	uint64_t size, pages = FACT_NONE, bytes;
	struct fact_vmalloc *row;
	bool backed = false;
	uint32_t i;

	if (!text_word(&line, &range))
		return 0;
	if (!text_word_u64(&line, &size) || !text_word(&line, &caller)) {
		p->bad++;
		return 0;
	}
	if (text_starts(caller, "pages=") || text_is(caller, "vm_map_ram"))
		return 0;
	while (text_word(&line, &word)) {
		if (text_is(word, "vmalloc"))
			backed = true;
		if (text_starts(word, "pages=")) {
			word.p += strlen("pages=");
			text_u64(word, &pages);
		}
	}
	bytes = text_times(pages, p->page_size);
	if (!backed || bytes == FACT_NONE)
		return 0;
	caller = without_offset(caller);
	i = index_find(&s->index, caller.p, text_len(caller));
	if (i != INDEX_NONE) {
		row = rows_at(&s->rows, i);
	} else if (s->rows.count >= fact_vmalloc_type.max_rows) {
		p->bad++;
		return 0;
	} else {
		s->rows.size = sizeof(*row);
		row = rows_add(p->arena, &s->rows);
		if (!row || index_set(p->arena, &s->index, caller.p, text_len(caller),
				      (uint32_t)s->rows.count - 1) < 0)
			return -ENOMEM;
		row->caller = arena_strndup(p->arena, caller.p, text_len(caller));
	}
	if (__builtin_add_overflow(row->bytes, bytes, &row->bytes))
		row->bytes = FACT_NONE - 1;
	row->areas++;
	return 0;
}

static int vmalloc_member(struct parse *p, void *state, const struct member_ref *m,
			  const char *data, size_t len)
{
	struct text rest = TEXT(data, len), line;
	struct vmalloc_state *s = state;
	int r = 0;

	if (s->any && m->ms < s->ms)
		return 0;
	if (m->ms != s->ms)
		*s = (struct vmalloc_state){0}; /* a later reading replaces the earlier one */
	s->ms = m->ms;
	s->any = true;
	while (r >= 0 && text_line(&rest, &line))
		r = vmalloc_line(p, s, line);
	return r;
}

static int vmalloc_finish(struct parse *p, void *state)
{
	const struct vmalloc_state *s = state;

	return parse_emit_rows(p, &fact_vmalloc_type, &s->rows);
}

const struct fact_parser vmalloc_parser = {
	.state_size = sizeof(struct vmalloc_state),
	.member = vmalloc_member,
	.finish = vmalloc_finish,
};
