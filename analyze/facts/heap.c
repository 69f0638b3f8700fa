/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What heaps are made of: tables/heaps.tsv and the tables beside it, whose columns have the names
 * of the fields here. */
#include <errno.h>
#include <string.h>

#include "../../capture/base/cleanup.h"
#include "parse.h"
#include "tsv.h"

static const struct fact_field fields_fact_heap[] = {
	FACT_U64(fact_heap, pid),
	FACT_U64(fact_heap, starttime),
	FACT_STR(fact_heap, comm, 64),
	FACT_STR(fact_heap, runtime, 16),
	FACT_STR(fact_heap, version, 128),
	FACT_STR(fact_heap, allocator, 32),
	FACT_U64(fact_heap, one_in),
	FACT_U64(fact_heap, start_ms),
	FACT_U64(fact_heap, end_ms),
	FACT_U64(fact_heap, anon_start),
	FACT_U64(fact_heap, anon_end),
	FACT_U64(fact_heap, swap_end),
	FACT_U64(fact_heap, read_bytes),
	FACT_U64(fact_heap, malloc_used),
	FACT_U64(fact_heap, malloc_free),
	FACT_U64(fact_heap, malloc_trimmable),
	FACT_U64(fact_heap, malloc_unwalked),
	FACT_U64(fact_heap, cut),
	FACT_STR(fact_heap, reason, 512),
};
FACT_TYPE(fact_heap, "heaps", 60, 4096);

static const struct fact_field fields_fact_heap_entry[] = {
	FACT_U64(fact_heap_entry, pid),	      FACT_STR(fact_heap_entry, kind, 16),
	FACT_STR(fact_heap_entry, type, 512), FACT_U64(fact_heap_entry, count_start),
	FACT_U64(fact_heap_entry, count_end), FACT_U64(fact_heap_entry, bytes_start),
	FACT_U64(fact_heap_entry, bytes_end),
};
FACT_TYPE(fact_heap_entry, "heap_entries", 61, 500000);

static const struct fact_field fields_fact_heap_container[] = {
	FACT_U64(fact_heap_container, pid),	     FACT_STR(fact_heap_container, type, 512),
	FACT_U64(fact_heap_container, length_start), FACT_U64(fact_heap_container, length_end),
	FACT_U64(fact_heap_container, bytes_start),  FACT_U64(fact_heap_container, bytes_end),
};
FACT_TYPE(fact_heap_container, "heap_containers", 62, 100000);

static const struct fact_field fields_fact_heap_sample[] = {
	FACT_U64(fact_heap_sample, pid),
	FACT_U64(fact_heap_sample, ms),
	FACT_U64(fact_heap_sample, anon_bytes),
};
FACT_TYPE(fact_heap_sample, "heap_samples", 63, 200000);

union any_row {
	struct fact_heap heap;
	struct fact_heap_entry entry;
	struct fact_heap_container container;
	struct fact_heap_sample sample;
};

static const struct {
	const char *member;
	const struct fact_type *type;
} tables[] = {
	{"tables/heaps.tsv", &fact_heap_type},
	{"tables/heap_entries.tsv", &fact_heap_entry_type},
	{"tables/heap_containers.tsv", &fact_heap_container_type},
	{"tables/heap_samples.tsv", &fact_heap_sample_type},
};

static int read_rows(struct parse *p, const struct fact_type *type, const char *data, size_t len)
{
	union any_row row;
	struct tsv t;
	int r = 0;

	if (tsv_init(&t, data, len) < 0)
		return -ENOMEM;
	while (r >= 0 && tsv_next(&t)) {
		fact_clear(type, &row);
		for (uint32_t i = 0; i < type->field_count; i++) {
			const struct fact_field *f = &type->fields[i];
			int column = tsv_column(&t, f->name);
			char *at = (char *)&row + f->offset;
			const char *text;

			if (f->kind == FIELD_U64) {
				*(uint64_t *)(void *)at = tsv_u64(&t, column);
				continue;
			}
			text = tsv_str(&t, column);
			*(const char **)(void *)at = text && *text ? text : NULL;
		}
		/* Every row is of a process. */
		if (*(uint64_t *)(void *)&row == FACT_NONE)
			p->bad++;
		else
			r = parse_emit(p, type, &row);
	}
	p->bad += t.bad;
	tsv_deinit(&t);
	return r;
}

static int heap_member(struct parse *p, void *state, const struct member_ref *m, const char *data,
		       size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (!strcmp(m->name, tables[i].member))
			return read_rows(p, tables[i].type, data, len);
	return 0;
}

const struct fact_parser heap_parser = {.member = heap_member};
