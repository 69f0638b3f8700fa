/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slab caches: /proc/slabinfo, first and last reading, with tables/slab_caches.tsv saying which
 * are reclaimable.  bytes is num_slabs × pagesperslab × page size: what the cache takes from the
 * machine, its free objects included.  Source: mm/slab_common.c, cache_show(); slabinfo(5)
 */
#include <errno.h>
#include <string.h>

#include "parse.h"
#include "rows.h"
#include "text.h"
#include "tsv.h"

#define SLAB_NAME 128

static const struct fact_field fields_fact_slab[] = {
	FACT_STR(fact_slab, name, SLAB_NAME), FACT_U64(fact_slab, objects),
	FACT_U64(fact_slab, active_objects),  FACT_U64(fact_slab, object_bytes),
	FACT_U64(fact_slab, bytes),	      FACT_U64(fact_slab, bytes_first),
	FACT_U64(fact_slab, reclaimable),
};
FACT_TYPE(fact_slab, "slabs", 14, 65536);

struct slab {
	struct fact_slab row;
	uint64_t first_ms, last_ms;
	bool in_slabinfo;
};

struct slab_state {
	struct rows rows;
	struct index index;
};

static struct slab *find_slab(struct parse *p, struct slab_state *s, struct text name,
			      int *ret_error)
{
	uint32_t i = index_find(&s->index, name.p, text_len(name));
	struct slab *slab;

	*ret_error = 0;
	if (i != INDEX_NONE)
		return rows_at(&s->rows, i);
	if (s->rows.count >= fact_slab_type.max_rows || text_len(name) > SLAB_NAME) {
		p->bad++;
		return NULL;
	}
	s->rows.size = sizeof(*slab);
	slab = rows_add(p->arena, &s->rows);
	if (!slab || index_set(p->arena, &s->index, name.p, text_len(name),
			       (uint32_t)s->rows.count - 1) < 0) {
		*ret_error = -ENOMEM;
		return NULL;
	}
	fact_clear(&fact_slab_type, &slab->row);
	slab->row.name = arena_strndup(p->arena, name.p, text_len(name));
	slab->first_ms = UINT64_MAX;
	return slab;
}

/* name active_objs num_objs objsize objperslab pagesperslab : tunables … : slabdata active num … */
static int slabinfo_line(struct parse *p, struct slab_state *s, uint64_t ms, struct text line)
{
	uint64_t active, objects, size, per_slab, pages, active_slabs, slabs, bytes;
	struct text name, word;
	struct slab *slab;
	int r;

	if (!text_word(&line, &name) || *name.p == '#' || text_is(name, "slabinfo"))
		return 0;
	if (!text_word_u64(&line, &active) || !text_word_u64(&line, &objects) ||
	    !text_word_u64(&line, &size) || !text_word_u64(&line, &per_slab) ||
	    !text_word_u64(&line, &pages))
		goto bad;
	do {
		if (!text_word(&line, &word))
			goto bad;
	} while (!text_is(word, "slabdata"));
	if (!text_word_u64(&line, &active_slabs) || !text_word_u64(&line, &slabs))
		goto bad;
	slab = find_slab(p, s, name, &r);
	if (!slab)
		return r;
	slab->in_slabinfo = true;
	bytes = text_times(text_times(slabs, pages), p->page_size);
	if (ms < slab->first_ms) {
		slab->first_ms = ms;
		slab->row.bytes_first = bytes;
	}
	if (ms < slab->last_ms)
		return 0;
	slab->last_ms = ms;
	slab->row.active_objects = active;
	slab->row.objects = objects;
	slab->row.object_bytes = size;
	slab->row.bytes = bytes;
	return 0;
bad:
	p->bad++;
	return 0;
}

static int read_caches(struct parse *p, struct slab_state *s, const char *data, size_t len)
{
	struct tsv t;
	int r = 0;

	if (tsv_init(&t, data, len) < 0)
		return -ENOMEM;
	while (r >= 0 && tsv_next(&t)) {
		const char *name = tsv_str(&t, tsv_column(&t, "name"));
		uint64_t reclaimable = tsv_u64(&t, tsv_column(&t, "reclaimable"));
		struct slab *slab;

		if (!name || !*name || reclaimable > 1)
			continue;
		slab = find_slab(p, s, TEXT(name, strlen(name)), &r);
		if (slab)
			slab->row.reclaimable = reclaimable;
	}
	p->bad += t.bad;
	tsv_deinit(&t);
	return r;
}

static int slab_member(struct parse *p, void *state, const struct member_ref *m, const char *data,
		       size_t len)
{
	struct text rest = TEXT(data, len), line;
	int r = 0;

	if (!strcmp(m->name, "tables/slab_caches.tsv"))
		return read_caches(p, state, data, len);
	while (r >= 0 && text_line(&rest, &line))
		r = slabinfo_line(p, state, m->ms, line);
	return r;
}

static int slab_finish(struct parse *p, void *state)
{
	struct slab_state *s = state;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < s->rows.count; i++) {
		const struct slab *slab = rows_at(&s->rows, i);

		if (slab->in_slabinfo)
			r = parse_emit(p, &fact_slab_type, &slab->row);
	}
	return r;
}

const struct fact_parser slab_parser = {
	.state_size = sizeof(struct slab_state),
	.member = slab_member,
	.finish = slab_finish,
};
