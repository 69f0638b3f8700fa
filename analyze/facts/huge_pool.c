/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pools of huge pages, by size and node, from the pack of small files (raw/memory/sys), the last
 * reading.  Source: mm/hugetlb_sysfs.c; Documentation/admin-guide/mm/hugetlbpage.rst
 */
#include <errno.h>
#include <string.h>

#include "../../capture/bundle/reader.h"
#include "parse.h"
#include "rows.h"
#include "text.h"

static const struct fact_field fields_fact_huge_pool[] = {
	FACT_U64(fact_huge_pool, node),	    FACT_U64(fact_huge_pool, page_bytes),
	FACT_U64(fact_huge_pool, pages),    FACT_U64(fact_huge_pool, free_pages),
	FACT_U64(fact_huge_pool, reserved), FACT_U64(fact_huge_pool, surplus),
};
FACT_TYPE(fact_huge_pool, "huge_pools", 42, 4096);

struct pool_state {
	struct rows rows;
	uint64_t ms;
	bool any;
};

/* "[sys/devices/system/node/nodeN/]hugepages/hugepages-SIZEkB/FILE" */
static bool split_path(struct text path, uint64_t *ret_node, uint64_t *ret_bytes, struct text *ret)
{
	static const char per_node[] = "sys/devices/system/node/node";
	static const char all[] = "sys/kernel/mm/";
	static const char size[] = "hugepages/hugepages-";
	struct text number;

	*ret_node = FACT_NONE;
	if (text_starts(path, per_node)) {
		path.p += strlen(per_node);
		if (!text_until(&path, '/', &number) || !text_u64(number, ret_node))
			return false;
	} else if (text_starts(path, all)) {
		path.p += strlen(all);
	} else {
		return false;
	}
	if (!text_starts(path, size))
		return false;
	path.p += strlen(size);
	if (!text_until(&path, '/', &number) || text_len(number) < 3 ||
	    memcmp(number.end - 2, "kB", 2) != 0)
		return false;
	number.end -= 2;
	if (!text_u64(number, ret_bytes))
		return false;
	*ret_bytes = text_times(*ret_bytes, 1024);
	*ret = path;
	return *ret_bytes && *ret_bytes != FACT_NONE;
}

static struct fact_huge_pool *pool(struct parse *p, struct pool_state *s, uint64_t node,
				   uint64_t bytes)
{
	struct fact_huge_pool *row;

	for (size_t i = 0; i < s->rows.count; i++) {
		row = rows_at(&s->rows, i);
		if (row->node == node && row->page_bytes == bytes)
			return row;
	}
	if (s->rows.count >= fact_huge_pool_type.max_rows / 4) { /* looked up one by one */
		p->bad++;
		return NULL;
	}
	s->rows.size = sizeof(*row);
	row = rows_add(p->arena, &s->rows);
	if (!row)
		return NULL;
	fact_clear(&fact_huge_pool_type, row);
	row->node = node;
	row->page_bytes = bytes;
	return row;
}

static int huge_pool_member(struct parse *p, void *state, const struct member_ref *m,
			    const char *data, size_t len)
{
	struct pool_state *s = state;
	struct pack_entry entry;
	size_t pos = 0;
	int more;

	if (s->any && m->ms < s->ms)
		return 0;
	if (m->ms != s->ms)
		s->rows.count = 0; /* a later reading replaces the earlier one */
	s->ms = m->ms;
	s->any = true;
	while ((more = pack_next(data, len, &pos, &entry)) > 0) {
		struct text path = TEXT(entry.name, entry.name_len), word;
		struct text value = TEXT(entry.data, entry.data_len);
		struct fact_huge_pool *row;
		uint64_t node, bytes, n;

		if (entry.no || !split_path(path, &node, &bytes, &path) ||
		    !text_line(&value, &word) || !text_u64(word, &n))
			continue;
		row = pool(p, s, node, bytes);
		if (!row)
			continue;
		if (text_is(path, "nr_hugepages"))
			row->pages = n;
		else if (text_is(path, "free_hugepages"))
			row->free_pages = n;
		else if (text_is(path, "resv_hugepages"))
			row->reserved = n;
		else if (text_is(path, "surplus_hugepages"))
			row->surplus = n;
	}
	if (more < 0)
		p->bad++;
	return 0;
}

static int huge_pool_finish(struct parse *p, void *state)
{
	const struct pool_state *s = state;

	return parse_emit_rows(p, &fact_huge_pool_type, &s->rows);
}

const struct fact_parser huge_pool_parser = {
	.state_size = sizeof(struct pool_state),
	.member = huge_pool_member,
	.finish = huge_pool_finish,
};
