/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/zoneinfo, the last reading: free pages, those in per-CPU lists, and the watermarks of
 * every zone.  The per-node counters above the first zone of a node repeat vmstat and are left
 * out.  Source: mm/vmstat.c, zoneinfo_show_print().
 */
#include <errno.h>
#include <string.h>

#include "parse.h"
#include "rows.h"
#include "text.h"

static const struct fact_field fields_fact_zone[] = {
	FACT_U64(fact_zone, node),	    FACT_STR(fact_zone, zone, 32),
	FACT_U64(fact_zone, free_pages),    FACT_U64(fact_zone, percpu_pages),
	FACT_U64(fact_zone, min_pages),	    FACT_U64(fact_zone, low_pages),
	FACT_U64(fact_zone, high_pages),    FACT_U64(fact_zone, present_pages),
	FACT_U64(fact_zone, managed_pages),
};
FACT_TYPE(fact_zone, "zones", 16, 4096);

struct zone {
	struct fact_zone row;
	char name[32];
};

struct zone_state {
	struct rows rows;
	uint64_t ms;
	bool any;
};

/* "Node 0, zone   Normal" */
static bool zone_heading(struct text line, struct zone *ret)
{
	struct text word, node;
	uint64_t n;

	if (!text_word(&line, &word) || !text_is(word, "Node") || !text_word(&line, &node))
		return false;
	if (node.end[-1] == ',')
		node.end--;
	if (!text_u64(node, &n) || !text_word(&line, &word) || !text_is(word, "zone") ||
	    !text_word(&line, &word))
		return false;
	fact_clear(&fact_zone_type, &ret->row);
	text_copy(word, ret->name, sizeof(ret->name));
	ret->row.node = n;
	ret->row.zone = ret->name;
	return true;
}

/* "        high     15853" is a watermark; "high:     6605" belongs to a CPU's page set. */
static void zone_line(struct zone *z, struct text line)
{
	struct text key;
	uint64_t v;

	if (!text_word(&line, &key))
		return;
	if (text_is(key, "pages") && (!text_word(&line, &key) || !text_is(key, "free")))
		return;
	if (!text_word_u64(&line, &v))
		return;
	if (text_is(key, "free"))
		z->row.free_pages = v;
	else if (text_is(key, "min"))
		z->row.min_pages = v;
	else if (text_is(key, "low"))
		z->row.low_pages = v;
	else if (text_is(key, "high"))
		z->row.high_pages = v;
	else if (text_is(key, "present"))
		z->row.present_pages = v;
	else if (text_is(key, "managed"))
		z->row.managed_pages = v;
	else if (text_is(key, "count:"))
		z->row.percpu_pages =
			z->row.percpu_pages == FACT_NONE ? v : z->row.percpu_pages + v;
}

static int zone_member(struct parse *p, void *state, const struct member_ref *m, const char *data,
		       size_t len)
{
	struct text rest = TEXT(data, len), line;
	struct zone_state *s = state;
	struct zone found, *z = NULL;

	if (s->any && m->ms < s->ms)
		return 0;
	if (m->ms != s->ms)
		s->rows.count = 0; /* a later reading replaces the earlier one */
	s->ms = m->ms;
	s->any = true;
	while (text_line(&rest, &line)) {
		if (zone_heading(line, &found)) {
			if (s->rows.count >= fact_zone_type.max_rows) {
				p->bad++;
				break;
			}
			s->rows.size = sizeof(*z);
			z = rows_add(p->arena, &s->rows);
			if (!z)
				return -ENOMEM;
			*z = found;
			z->row.zone = z->name;
		} else if (z) {
			zone_line(z, line);
		}
	}
	return 0;
}

static int zone_finish(struct parse *p, void *state)
{
	const struct zone_state *s = state;

	return parse_emit_rows(p, &fact_zone_type, &s->rows);
}

const struct fact_parser zone_parser = {
	.state_size = sizeof(struct zone_state),
	.member = zone_member,
	.finish = zone_finish,
};
