/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the page-cache scan found: files, sampled pages per (file, cgroup, state), the cgroups named
 * there, and what every examined page frame was.  These tables may be large; rows are handed over
 * as they are read.
 */
#include <errno.h>
#include <string.h>

#include "../../capture/base/cleanup.h"
#include "parse.h"
#include "tsv.h"

static const struct fact_field fields_fact_cache_file[] = {
	FACT_U64(fact_cache_file, file),	FACT_U64(fact_cache_file, major),
	FACT_U64(fact_cache_file, minor),	FACT_U64(fact_cache_file, ino),
	FACT_U64(fact_cache_file, generation),	FACT_U64(fact_cache_file, nlink),
	FACT_U64(fact_cache_file, size),	FACT_U64(fact_cache_file, nrpages),
	FACT_U64(fact_cache_file, rdev_major),	FACT_U64(fact_cache_file, rdev_minor),
	FACT_STR(fact_cache_file, fstype, 64),	FACT_STR(fact_cache_file, s_id, 64),
	FACT_STR(fact_cache_file, type, 16),	FACT_STR(fact_cache_file, state, 16),
	FACT_STR(fact_cache_file, path, 16384), /* PATH_MAX bytes, each of them perhaps \xNN */
	FACT_U64(fact_cache_file, truncated),
};
FACT_TYPE(fact_cache_file, "page_cache_files", 10, 2000000);

static const struct fact_field fields_fact_cache_sample[] = {
	FACT_U64(fact_cache_sample, file),
	FACT_U64(fact_cache_sample, cgroup),
	FACT_U64(fact_cache_sample, state),
	FACT_U64(fact_cache_sample, pages),
};
FACT_TYPE(fact_cache_sample, "page_cache_samples", 11, 4000000);

static const struct fact_field fields_fact_cache_pair[] = {
	FACT_U64(fact_cache_pair, pairs),  FACT_U64(fact_cache_pair, file),
	FACT_U64(fact_cache_pair, cgroup), FACT_U64(fact_cache_pair, state),
	FACT_U64(fact_cache_pair, file2),  FACT_U64(fact_cache_pair, cgroup2),
	FACT_U64(fact_cache_pair, state2),
};
FACT_TYPE(fact_cache_pair, "page_cache_pairs", 17, 4000000);

static const struct fact_field fields_fact_cache_cgroup[] = {
	FACT_U64(fact_cache_cgroup, cgroup),
	FACT_U64(fact_cache_cgroup, ino),
	FACT_STR(fact_cache_cgroup, state, 16),
	FACT_STR(fact_cache_cgroup, path, 4096),
};
FACT_TYPE(fact_cache_cgroup, "page_cache_cgroups", 12, 200000);

static const struct fact_field fields_fact_page_type[] = {
	FACT_STR(fact_page_type, kind, 32),
	FACT_U64(fact_page_type, pages),
};
FACT_TYPE(fact_page_type, "page_types", 13, 256);

/* A column and where it goes. */
struct cache_column {
	const char *name;
	enum { COLUMN_U64, COLUMN_STR, COLUMN_DEV } kind; /* DEV: minor follows major */
	size_t offset;
};

#define ROW_MAX 192
#define COLUMNS_MAX 16

static const struct cache_column file_columns[] = {
	{"file", COLUMN_U64, offsetof(struct fact_cache_file, file)},
	{"dev", COLUMN_DEV, offsetof(struct fact_cache_file, major)},
	{"ino", COLUMN_U64, offsetof(struct fact_cache_file, ino)},
	{"generation", COLUMN_U64, offsetof(struct fact_cache_file, generation)},
	{"fstype", COLUMN_STR, offsetof(struct fact_cache_file, fstype)},
	{"s_id", COLUMN_STR, offsetof(struct fact_cache_file, s_id)},
	{"type", COLUMN_STR, offsetof(struct fact_cache_file, type)},
	{"nlink", COLUMN_U64, offsetof(struct fact_cache_file, nlink)},
	{"size", COLUMN_U64, offsetof(struct fact_cache_file, size)},
	{"nrpages", COLUMN_U64, offsetof(struct fact_cache_file, nrpages)},
	{"rdev", COLUMN_DEV, offsetof(struct fact_cache_file, rdev_major)},
	{"state", COLUMN_STR, offsetof(struct fact_cache_file, state)},
	{"path", COLUMN_STR, offsetof(struct fact_cache_file, path)},
	{"truncated", COLUMN_U64, offsetof(struct fact_cache_file, truncated)},
	{0},
};
static const struct cache_column sample_columns[] = {
	{"file", COLUMN_U64, offsetof(struct fact_cache_sample, file)},
	{"cgroup", COLUMN_U64, offsetof(struct fact_cache_sample, cgroup)},
	{"state", COLUMN_U64, offsetof(struct fact_cache_sample, state)},
	{"pages", COLUMN_U64, offsetof(struct fact_cache_sample, pages)},
	{0},
};
static const struct cache_column pair_columns[] = {
	{"pairs", COLUMN_U64, offsetof(struct fact_cache_pair, pairs)},
	{"file", COLUMN_U64, offsetof(struct fact_cache_pair, file)},
	{"cgroup", COLUMN_U64, offsetof(struct fact_cache_pair, cgroup)},
	{"state", COLUMN_U64, offsetof(struct fact_cache_pair, state)},
	{"file2", COLUMN_U64, offsetof(struct fact_cache_pair, file2)},
	{"cgroup2", COLUMN_U64, offsetof(struct fact_cache_pair, cgroup2)},
	{"state2", COLUMN_U64, offsetof(struct fact_cache_pair, state2)},
	{0},
};
static const struct cache_column cgroup_columns[] = {
	{"cgroup", COLUMN_U64, offsetof(struct fact_cache_cgroup, cgroup)},
	{"ino", COLUMN_U64, offsetof(struct fact_cache_cgroup, ino)},
	{"state", COLUMN_STR, offsetof(struct fact_cache_cgroup, state)},
	{"path", COLUMN_STR, offsetof(struct fact_cache_cgroup, path)},
	{0},
};
static const struct cache_column type_columns[] = {
	{"kind", COLUMN_STR, offsetof(struct fact_page_type, kind)},
	{"pages", COLUMN_U64, offsetof(struct fact_page_type, pages)},
	{0},
};

/* The first column is the key: a row without it is malformed. */
static const struct cache_table {
	const char *member;
	const struct fact_type *type;
	const struct cache_column *columns;
} tables[] = {
	{"tables/page_cache_files.tsv", &fact_cache_file_type, file_columns},
	{"tables/page_cache_samples.tsv", &fact_cache_sample_type, sample_columns},
	{"tables/page_cache_pairs.tsv", &fact_cache_pair_type, pair_columns},
	{"tables/page_cache_cgroups.tsv", &fact_cache_cgroup_type, cgroup_columns},
	{"tables/page_types.tsv", &fact_page_type_type, type_columns},
};

_Static_assert(sizeof(struct fact_cache_file) <= ROW_MAX, "ROW_MAX");
_Static_assert(ARRAY_SIZE(file_columns) <= COLUMNS_MAX, "COLUMNS_MAX");

static void read_row(const struct tsv *t, const struct cache_column *columns, const int *at,
		     char *row)
{
	for (size_t i = 0; columns[i].name; i++) {
		char *field = row + columns[i].offset;

		switch (columns[i].kind) {
		case COLUMN_U64:
			*(uint64_t *)field = tsv_u64(t, at[i]);
			break;
		case COLUMN_STR:
			*(const char **)field = tsv_str(t, at[i]);
			break;
		case COLUMN_DEV:
			tsv_dev(t, at[i], (uint64_t *)field, (uint64_t *)field + 1);
			break;
		}
	}
}

static int read_table(struct parse *p, const struct cache_table *table, const char *data,
		      size_t len)
{
	_Alignas(16) char row[ROW_MAX];
	int at[COLUMNS_MAX] = {0}, r = 0;
	struct tsv t;

	if (tsv_init(&t, data, len) < 0)
		return -ENOMEM;
	for (size_t i = 0; table->columns[i].name; i++)
		at[i] = tsv_column(&t, table->columns[i].name);
	while (r >= 0 && tsv_next(&t)) {
		const char *key = tsv_str(&t, at[0]);

		if (!key || !*key) {
			p->bad++;
			continue;
		}
		fact_clear(table->type, row);
		read_row(&t, table->columns, at, row);
		r = parse_emit(p, table->type, row);
	}
	p->bad += t.bad;
	tsv_deinit(&t);
	return r;
}

static int cache_member(struct parse *p, void *state, const struct member_ref *m, const char *data,
			size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (!strcmp(m->name, tables[i].member))
			return read_table(p, &tables[i], data, len);
	return 0;
}

const struct fact_parser cache_parser = {.member = cache_member};
