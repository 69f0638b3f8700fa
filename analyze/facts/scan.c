/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page-cache scan's design and outcome: tables/page_cache_scan.tsv, key and value. */
#include <errno.h>
#include <string.h>

#include "../../capture/base/cleanup.h"
#include "parse.h"
#include "tsv.h"

#define SCAN_TEXT 512

static const struct fact_field fields_fact_scan[] = {
	FACT_STR(fact_scan, source, 32),
	FACT_STR(fact_scan, reason, SCAN_TEXT),
	FACT_U64(fact_scan, one_in),
	FACT_U64(fact_scan, pages_total),
	FACT_U64(fact_scan, strata_total),
	FACT_U64(fact_scan, strata_done),
	FACT_U64(fact_scan, pages_read),
	FACT_U64(fact_scan, finished),
	FACT_U64(fact_scan, page_size),
	FACT_U64(fact_scan, holes),
	FACT_U64(fact_scan, discarded),
	FACT_U64(fact_scan, files_dropped),
	FACT_F64(fact_scan, scan_cpu_s),
	FACT_F64(fact_scan, resolve_cpu_s),
	FACT_U64(fact_scan, meminfo_cached_before_bytes),
	FACT_U64(fact_scan, meminfo_cached_after_bytes),
	FACT_U64(fact_scan, pair_one_in),
	FACT_U64(fact_scan, block_one_in),
	FACT_U64(fact_scan, dentry_frames),
	FACT_U64(fact_scan, dentry_slabs),
	FACT_U64(fact_scan, dentry_objects),
	FACT_U64(fact_scan, dentries_dropped),
};
FACT_TYPE(fact_scan, "page_cache_scan", 9, 1);

struct scan_state {
	struct fact_scan row;
	bool any;
	char source[SCAN_TEXT + 2], reason[SCAN_TEXT + 2];
};

static const struct {
	const char *key;
	size_t offset;
	uint64_t unit;
} numbers[] = {
	{"one_in", offsetof(struct fact_scan, one_in), 1},
	{"pages_total", offsetof(struct fact_scan, pages_total), 1},
	{"strata_total", offsetof(struct fact_scan, strata_total), 1},
	{"pair_one_in", offsetof(struct fact_scan, pair_one_in), 1},
	{"block_one_in", offsetof(struct fact_scan, block_one_in), 1},
	{"dentry_frames", offsetof(struct fact_scan, dentry_frames), 1},
	{"dentry_slabs", offsetof(struct fact_scan, dentry_slabs), 1},
	{"dentry_objects", offsetof(struct fact_scan, dentry_objects), 1},
	{"dentries_dropped", offsetof(struct fact_scan, dentries_dropped), 1},
	{"strata_done", offsetof(struct fact_scan, strata_done), 1},
	{"pages_read", offsetof(struct fact_scan, pages_read), 1},
	{"finished", offsetof(struct fact_scan, finished), 1},
	{"page_size", offsetof(struct fact_scan, page_size), 1},
	{"holes", offsetof(struct fact_scan, holes), 1},
	{"discarded", offsetof(struct fact_scan, discarded), 1},
	{"files_dropped", offsetof(struct fact_scan, files_dropped), 1},
	{"meminfo_cached_kb_before", offsetof(struct fact_scan, meminfo_cached_before_bytes), 1024},
	{"meminfo_cached_kb_after", offsetof(struct fact_scan, meminfo_cached_after_bytes), 1024},
};

static void scan_pair(struct scan_state *s, const struct tsv *t, const char *key, int value)
{
	const char *text = tsv_str(t, value);
	uint64_t v = tsv_u64(t, value);
	double seconds = v == FACT_NONE ? FACT_NONE_F : (double)v / 1e9;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!strcmp(key, numbers[i].key))
			*(uint64_t *)((char *)&s->row + numbers[i].offset) =
				text_times(v, numbers[i].unit);
	if (!strcmp(key, "page_size"))
		s->row.page_size = text_page_size(v);
	if (!strcmp(key, "scan_cpu_ns"))
		s->row.scan_cpu_s = seconds;
	else if (!strcmp(key, "resolve_cpu_ns"))
		s->row.resolve_cpu_s = seconds;
	else if (!strcmp(key, "source") && text)
		s->row.source = text_copy(TEXT(text, strlen(text)), s->source, sizeof(s->source));
	else if (!strcmp(key, "reason") && text && *text)
		s->row.reason = text_copy(TEXT(text, strlen(text)), s->reason, sizeof(s->reason));
}

static int scan_member(struct parse *p, void *state, const struct member_ref *m, const char *data,
		       size_t len)
{
	struct scan_state *s = state;
	struct tsv t;
	int key, value;

	if (tsv_init(&t, data, len) < 0)
		return -ENOMEM;
	if (!s->any)
		fact_clear(&fact_scan_type, &s->row);
	s->any = true;
	key = tsv_column(&t, "key");
	value = tsv_column(&t, "value");
	while (tsv_next(&t))
		if (tsv_str(&t, key))
			scan_pair(s, &t, tsv_str(&t, key), value);
	p->bad += t.bad;
	tsv_deinit(&t);
	return 0;
}

static int scan_finish(struct parse *p, void *state)
{
	struct scan_state *s = state;

	return s->any ? parse_emit(p, &fact_scan_type, &s->row) : 0;
}

const struct fact_parser scan_parser = {
	.state_size = sizeof(struct scan_state),
	.member = scan_member,
	.finish = scan_finish,
};
