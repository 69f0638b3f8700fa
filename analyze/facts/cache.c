/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the page-cache scan found: files, sampled pages per (file, cgroup, state), the cgroups named
 * there, and what every examined page frame was.  These tables may be large; rows are handed over
 * as they are read.
 */
#include <string.h>

#include "../../capture/base/cleanup.h"
#include "table.h"

static const struct fact_field fields_fact_cache_file[] = {
	FACT_U64(fact_cache_file, file),	FACT_U64(fact_cache_file, major),
	FACT_U64(fact_cache_file, minor),	FACT_U64(fact_cache_file, ino),
	FACT_U64(fact_cache_file, generation),	FACT_U64(fact_cache_file, nlink),
	FACT_U64(fact_cache_file, size),	FACT_U64(fact_cache_file, nrpages),
	FACT_U64(fact_cache_file, rdev_major),	FACT_U64(fact_cache_file, rdev_minor),
	FACT_STR(fact_cache_file, fstype, 64),	FACT_STR(fact_cache_file, s_id, 64),
	FACT_STR(fact_cache_file, type, 16),	FACT_STR(fact_cache_file, state, 16),
	FACT_STR(fact_cache_file, path, 16384), /* PATH_MAX bytes, each of them perhaps \xNN */
	FACT_U64(fact_cache_file, truncated),	FACT_U64(fact_cache_file, mtime),
	FACT_U64(fact_cache_file, blocks),
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

static const struct fact_field fields_fact_cache_block[] = {
	FACT_U64(fact_cache_block, blocks),  FACT_U64(fact_cache_block, file),
	FACT_U64(fact_cache_block, cgroup),  FACT_U64(fact_cache_block, file2),
	FACT_U64(fact_cache_block, cgroup2), FACT_U64(fact_cache_block, file3),
	FACT_U64(fact_cache_block, cgroup3), FACT_U64(fact_cache_block, file4),
	FACT_U64(fact_cache_block, cgroup4),
};
FACT_TYPE(fact_cache_block, "page_cache_blocks", 18, 1000000);

static const struct fact_field fields_fact_cgroup_slab[] = {
	FACT_U64(fact_cgroup_slab, cgroup),
	FACT_STR(fact_cgroup_slab, cache, 64),
	FACT_U64(fact_cgroup_slab, pages),
};
FACT_TYPE(fact_cgroup_slab, "cgroup_slabs", 34, 10000);

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

static const struct fact_column file_columns[] = {
	{"file", COLUMN_U64, offsetof(struct fact_cache_file, file), NULL},
	{"dev", COLUMN_DEV, offsetof(struct fact_cache_file, major), NULL},
	{"ino", COLUMN_U64, offsetof(struct fact_cache_file, ino), NULL},
	{"generation", COLUMN_U64, offsetof(struct fact_cache_file, generation), NULL},
	{"fstype", COLUMN_STR, offsetof(struct fact_cache_file, fstype), NULL},
	{"s_id", COLUMN_STR, offsetof(struct fact_cache_file, s_id), NULL},
	{"type", COLUMN_STR, offsetof(struct fact_cache_file, type), NULL},
	{"nlink", COLUMN_U64, offsetof(struct fact_cache_file, nlink), NULL},
	{"size", COLUMN_U64, offsetof(struct fact_cache_file, size), NULL},
	{"nrpages", COLUMN_U64, offsetof(struct fact_cache_file, nrpages), NULL},
	{"rdev", COLUMN_DEV, offsetof(struct fact_cache_file, rdev_major), NULL},
	{"state", COLUMN_STR, offsetof(struct fact_cache_file, state), NULL},
	{"path", COLUMN_STR, offsetof(struct fact_cache_file, path), NULL},
	{"truncated", COLUMN_U64, offsetof(struct fact_cache_file, truncated), NULL},
	{"mtime", COLUMN_U64, offsetof(struct fact_cache_file, mtime), NULL},
	{"blocks", COLUMN_U64, offsetof(struct fact_cache_file, blocks), NULL},
	{0},
};
static const struct fact_column sample_columns[] = {
	{"file", COLUMN_U64, offsetof(struct fact_cache_sample, file), NULL},
	{"cgroup", COLUMN_U64, offsetof(struct fact_cache_sample, cgroup), NULL},
	{"state", COLUMN_U64, offsetof(struct fact_cache_sample, state), NULL},
	{"pages", COLUMN_U64, offsetof(struct fact_cache_sample, pages), NULL},
	{0},
};
static const struct fact_column pair_columns[] = {
	{"pairs", COLUMN_U64, offsetof(struct fact_cache_pair, pairs), NULL},
	{"file", COLUMN_U64, offsetof(struct fact_cache_pair, file), NULL},
	{"cgroup", COLUMN_U64, offsetof(struct fact_cache_pair, cgroup), NULL},
	{"state", COLUMN_U64, offsetof(struct fact_cache_pair, state), NULL},
	{"file2", COLUMN_U64, offsetof(struct fact_cache_pair, file2), NULL},
	{"cgroup2", COLUMN_U64, offsetof(struct fact_cache_pair, cgroup2), NULL},
	{"state2", COLUMN_U64, offsetof(struct fact_cache_pair, state2), NULL},
	{0},
};
static const struct fact_column block_columns[] = {
	{"blocks", COLUMN_U64, offsetof(struct fact_cache_block, blocks), NULL},
	{"file", COLUMN_U64, offsetof(struct fact_cache_block, file), NULL},
	{"cgroup", COLUMN_U64, offsetof(struct fact_cache_block, cgroup), NULL},
	{"file2", COLUMN_U64, offsetof(struct fact_cache_block, file2), NULL},
	{"cgroup2", COLUMN_U64, offsetof(struct fact_cache_block, cgroup2), NULL},
	{"file3", COLUMN_U64, offsetof(struct fact_cache_block, file3), NULL},
	{"cgroup3", COLUMN_U64, offsetof(struct fact_cache_block, cgroup3), NULL},
	{"file4", COLUMN_U64, offsetof(struct fact_cache_block, file4), NULL},
	{"cgroup4", COLUMN_U64, offsetof(struct fact_cache_block, cgroup4), NULL},
	{0},
};
static const struct fact_column slab_columns[] = {
	{"cgroup", COLUMN_U64, offsetof(struct fact_cgroup_slab, cgroup), NULL},
	{"cache", COLUMN_STR, offsetof(struct fact_cgroup_slab, cache), NULL},
	{"pages", COLUMN_U64, offsetof(struct fact_cgroup_slab, pages), NULL},
	{0},
};
static const struct fact_column cgroup_columns[] = {
	{"cgroup", COLUMN_U64, offsetof(struct fact_cache_cgroup, cgroup), NULL},
	{"ino", COLUMN_U64, offsetof(struct fact_cache_cgroup, ino), NULL},
	{"state", COLUMN_STR, offsetof(struct fact_cache_cgroup, state), NULL},
	{"path", COLUMN_STR, offsetof(struct fact_cache_cgroup, path), NULL},
	{0},
};
static const struct fact_column type_columns[] = {
	{"kind", COLUMN_STR, offsetof(struct fact_page_type, kind), NULL},
	{"pages", COLUMN_U64, offsetof(struct fact_page_type, pages), NULL},
	{0},
};

static const struct fact_table tables[] = {
	{"tables/page_cache_files.tsv", &fact_cache_file_type, file_columns, NULL},
	{"tables/page_cache_samples.tsv", &fact_cache_sample_type, sample_columns, NULL},
	{"tables/page_cache_pairs.tsv", &fact_cache_pair_type, pair_columns, NULL},
	{"tables/page_cache_blocks.tsv", &fact_cache_block_type, block_columns, NULL},
	{"tables/page_cache_cgroups.tsv", &fact_cache_cgroup_type, cgroup_columns, NULL},
	{"tables/cgroup_slabs.tsv", &fact_cgroup_slab_type, slab_columns, NULL},
	{"tables/page_types.tsv", &fact_page_type_type, type_columns, NULL},
};

_Static_assert(sizeof(struct fact_cache_file) <= FACT_ROW_MAX, "FACT_ROW_MAX");
_Static_assert(ARRAY_SIZE(file_columns) <= FACT_COLUMNS_MAX, "FACT_COLUMNS_MAX");

static int cache_member(struct parse *p, void *state, const struct member_ref *m, const char *data,
			size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (!strcmp(m->name, tables[i].member))
			return fact_table_read(p, &tables[i], data, len);
	return 0;
}

const struct fact_parser cache_parser = {.member = cache_member};
