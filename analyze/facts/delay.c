/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the probes of delays counted: tables/syscalls.tsv, proc_files.tsv, reclaim.tsv … have the
 * same columns, and each probe's design and outcome is a table of key and value beside it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../capture/base/cleanup.h"
#include "parse.h"
#include "tsv.h"

static const struct fact_field fields_fact_delay[] = {
	FACT_STR(fact_delay, table, 32),
	FACT_U64(fact_delay, pid),
	FACT_U64(fact_delay, parent),
	FACT_U64(fact_delay, own),
	FACT_U64(fact_delay, kthread),
	FACT_U64(fact_delay, compat),
	FACT_STR(fact_delay, comm, 64),
	FACT_STR(fact_delay, kind, 32),
	FACT_STR(fact_delay, object, 1024),
	FACT_U64(fact_delay, seen),
	FACT_U64(fact_delay, cut),
	FACT_U64(fact_delay, count),
	FACT_F64(fact_delay, count_var),
	FACT_U64(fact_delay, ns),
	FACT_F64(fact_delay, ns_var),
	FACT_U64(fact_delay, max_ns),
	FACT_U64(fact_delay, amount),
	FACT_U64(fact_delay, inner_ns),
	FACT_STR(fact_delay, histogram, 1024),
};
FACT_TYPE(fact_delay, "delays", 52, 200000);

static const struct fact_field fields_fact_probe[] = {
	FACT_STR(fact_probe, name, 32),	  FACT_STR(fact_probe, source, 32),
	FACT_U64(fact_probe, start_ns),	  FACT_U64(fact_probe, end_ns),
	FACT_U64(fact_probe, covered_ns), FACT_U64(fact_probe, watched_ns),
	FACT_U64(fact_probe, slices),	  FACT_U64(fact_probe, events),
	FACT_U64(fact_probe, lost),	  FACT_U64(fact_probe, skipped),
};
FACT_TYPE(fact_probe, "probes", 53, 16);

static double number(const struct tsv *t, int column)
{
	const char *text = tsv_str(t, column);
	char *end;
	double v;

	if (!text || !*text)
		return FACT_NONE_F;
	v = strtod(text, &end);
	return *end || !(v >= 0) || v > 1e300 ? FACT_NONE_F : v;
}

/* "tables/syscalls.tsv" → "syscalls" */
static const char *table_name(const char *member, const char *suffix, char out[32])
{
	size_t len = strlen(member) - strlen("tables/") - strlen(suffix);

	return text_copy(TEXT(member + strlen("tables/"), len), out, 32);
}

static int delay_member(struct parse *p, void *state, const struct member_ref *m, const char *data,
			size_t len)
{
	static const struct {
		const char *name;
		size_t offset;
	} numbers[] = {
		{"pid", offsetof(struct fact_delay, pid)},
		{"parent", offsetof(struct fact_delay, parent)},
		{"own", offsetof(struct fact_delay, own)},
		{"kthread", offsetof(struct fact_delay, kthread)},
		{"compat", offsetof(struct fact_delay, compat)},
		{"seen", offsetof(struct fact_delay, seen)},
		{"cut", offsetof(struct fact_delay, cut)},
		{"count", offsetof(struct fact_delay, count)},
		{"ns", offsetof(struct fact_delay, ns)},
		{"max_ns", offsetof(struct fact_delay, max_ns)},
		{"amount", offsetof(struct fact_delay, amount)},
		{"inner_ns", offsetof(struct fact_delay, inner_ns)},
	};
	int at[ARRAY_SIZE(numbers)], comm, kind, object, histogram, count_var, ns_var, r = 0;
	char name[32];
	struct tsv t;

	if (tsv_init(&t, data, len) < 0)
		return -ENOMEM;
	table_name(m->name, ".tsv", name);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		at[i] = tsv_column(&t, numbers[i].name);
	comm = tsv_column(&t, "comm");
	kind = tsv_column(&t, "kind");
	object = tsv_column(&t, "object");
	histogram = tsv_column(&t, "histogram");
	count_var = tsv_column(&t, "count_var");
	ns_var = tsv_column(&t, "ns_var");
	while (r >= 0 && tsv_next(&t)) {
		struct fact_delay row;

		fact_clear(&fact_delay_type, &row);
		for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
			*(uint64_t *)((char *)&row + numbers[i].offset) = tsv_u64(&t, at[i]);
		row.table = name;
		row.comm = tsv_str(&t, comm);
		row.kind = tsv_str(&t, kind);
		row.object = tsv_str(&t, object);
		row.histogram = tsv_str(&t, histogram);
		row.count_var = number(&t, count_var);
		row.ns_var = number(&t, ns_var);
		if (row.pid == FACT_NONE || row.count == FACT_NONE || !row.kind)
			p->bad++;
		else
			r = parse_emit(p, &fact_delay_type, &row);
	}
	p->bad += t.bad;
	tsv_deinit(&t);
	return r;
}

const struct fact_parser delay_parser = {.member = delay_member};

static int probe_member(struct parse *p, void *state, const struct member_ref *m, const char *data,
			size_t len)
{
	static const struct {
		const char *key;
		size_t offset;
	} numbers[] = {
		{"start_ns", offsetof(struct fact_probe, start_ns)},
		{"end_ns", offsetof(struct fact_probe, end_ns)},
		{"covered_ns", offsetof(struct fact_probe, covered_ns)},
		{"watched_ns", offsetof(struct fact_probe, watched_ns)},
		{"slices", offsetof(struct fact_probe, slices)},
		{"events", offsetof(struct fact_probe, events)},
		{"lost", offsetof(struct fact_probe, lost)},
		{"skipped", offsetof(struct fact_probe, skipped)},
	};
	char name[32], source[32];
	struct fact_probe row;
	struct tsv t;
	int key, value;

	if (tsv_init(&t, data, len) < 0)
		return -ENOMEM;
	fact_clear(&fact_probe_type, &row);
	row.name = table_name(m->name, "_probe.tsv", name);
	key = tsv_column(&t, "key");
	value = tsv_column(&t, "value");
	while (tsv_next(&t)) {
		const char *k = tsv_str(&t, key), *text = tsv_str(&t, value);

		for (size_t i = 0; k && i < ARRAY_SIZE(numbers); i++)
			if (!strcmp(k, numbers[i].key))
				*(uint64_t *)((char *)&row + numbers[i].offset) =
					tsv_u64(&t, value);
		if (k && text && !strcmp(k, "source"))
			row.source = text_copy(TEXT(text, strlen(text)), source, sizeof(source));
	}
	p->bad += t.bad;
	tsv_deinit(&t);
	return parse_emit(p, &fact_probe_type, &row);
}

const struct fact_parser probe_parser = {.member = probe_member};
