/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timed stacks: samples, the stacks they saw, whose they are, what stood where in those processes,
 * and the names of the addresses.  Addresses stay as captured; analyze/frames.c joins them.
 */
#include <string.h>

#include "../../capture/base/cleanup.h"
#include "demangle.h"
#include "table.h"

#define FRAMES_TEXT 16384 /* 256 frames of at most "MAPPING:HEX " */

static const struct fact_field fields_fact_stack_setting[] = {
	FACT_STR(fact_stack_setting, key, 64),
	FACT_STR(fact_stack_setting, value, 512),
};
FACT_TYPE(fact_stack_setting, "stack_capture", 20, 512);

static const struct fact_field fields_fact_stack_sample[] = {
	FACT_U64(fact_stack_sample, time_ns), FACT_U64(fact_stack_sample, state),
	FACT_U64(fact_stack_sample, thread),  FACT_U64(fact_stack_sample, cpu),
	FACT_U64(fact_stack_sample, stack),   FACT_U64(fact_stack_sample, ns),
	FACT_U64(fact_stack_sample, weight),
};
FACT_TYPE(fact_stack_sample, "stack_samples", 21, 4000000);

static const struct fact_field fields_fact_stack_offcpu[] = {
	FACT_U64(fact_stack_offcpu, thread),	    FACT_U64(fact_stack_offcpu, state),
	FACT_U64(fact_stack_offcpu, total_ns),	    FACT_U64(fact_stack_offcpu, count),
	FACT_U64(fact_stack_offcpu, longest_ns),    FACT_U64(fact_stack_offcpu, longest_end_ns),
	FACT_U64(fact_stack_offcpu, longest_stack), FACT_U64(fact_stack_offcpu, longest_waker),
	FACT_U64(fact_stack_offcpu, still_ns),	    FACT_U64(fact_stack_offcpu, still_stack),
};
FACT_TYPE(fact_stack_offcpu, "stack_offcpu", 28, 400000);

static const struct fact_field fields_fact_stack[] = {
	FACT_U64(fact_stack, stack),
	FACT_U64(fact_stack, process),
	FACT_U64(fact_stack, kernel_cut),
	FACT_STR(fact_stack, kernel, FRAMES_TEXT),
	FACT_STR(fact_stack, user, FRAMES_TEXT),
	FACT_STR(fact_stack, end, 32),
	FACT_STR(fact_stack, by, 64),
	FACT_STR(fact_stack, python, FRAMES_TEXT),
	FACT_STR(fact_stack, python_end, 32),
};
FACT_TYPE(fact_stack, "stack_stacks", 22, 500000);

static const struct fact_field fields_fact_stack_python[] = {
	FACT_U64(fact_stack_python, frame),	     FACT_U64(fact_stack_python, process),
	FACT_STR(fact_stack_python, function, 4096), FACT_STR(fact_stack_python, file, 4096),
	FACT_U64(fact_stack_python, line),	     FACT_U64(fact_stack_python, first_line),
};
FACT_TYPE(fact_stack_python, "stack_python", 31, 500000);

static const struct fact_field fields_fact_stack_process[] = {
	FACT_U64(fact_stack_process, process),	    FACT_U64(fact_stack_process, pid),
	FACT_STR(fact_stack_process, comm, 64),	    FACT_STR(fact_stack_process, exe, 4096),
	FACT_STR(fact_stack_process, cgroup, 4096), FACT_U64(fact_stack_process, own),
};
FACT_TYPE(fact_stack_process, "stack_processes", 23, 200000);

static const struct fact_field fields_fact_stack_thread[] = {
	FACT_U64(fact_stack_thread, thread),
	FACT_U64(fact_stack_thread, process),
	FACT_U64(fact_stack_thread, tid),
	FACT_STR(fact_stack_thread, comm, 64),
};
FACT_TYPE(fact_stack_thread, "stack_threads", 24, 400000);

static const struct fact_field fields_fact_stack_mapping[] = {
	FACT_U64(fact_stack_mapping, mapping), FACT_U64(fact_stack_mapping, process),
	FACT_U64(fact_stack_mapping, start),   FACT_U64(fact_stack_mapping, end),
	FACT_U64(fact_stack_mapping, offset),  FACT_U64(fact_stack_mapping, object),
};
FACT_TYPE(fact_stack_mapping, "stack_mappings", 25, 500000);

static const struct fact_field fields_fact_stack_object[] = {
	FACT_U64(fact_stack_object, object),	   FACT_STR(fact_stack_object, kind, 16),
	FACT_STR(fact_stack_object, build_id, 64), FACT_STR(fact_stack_object, path, 16384),
	FACT_U64(fact_stack_object, deleted),	   FACT_U64(fact_stack_object, pid),
	FACT_STR(fact_stack_object, state, 16),	   FACT_U64(fact_stack_object, no),
	FACT_U64(fact_stack_object, debug),	   FACT_STR(fact_stack_object, segments, 4096),
};
FACT_TYPE(fact_stack_object, "stack_objects", 26, 100000);

static const struct fact_field fields_fact_stack_symbol[] = {
	FACT_U64(fact_stack_symbol, object),
	FACT_U64(fact_stack_symbol, offset),
	FACT_U64(fact_stack_symbol, address),
	FACT_STR(fact_stack_symbol, function, FACT_SYMBOL_MAX),
	FACT_STR(fact_stack_symbol, demangled, FACT_SYMBOL_MAX),
	FACT_U64(fact_stack_symbol, into),
	FACT_U64(fact_stack_symbol, found_in),
};
FACT_TYPE(fact_stack_symbol, "stack_symbols", 27, 1000000);

static const struct fact_field fields_fact_stack_growth[] = {
	FACT_U64(fact_stack_growth, time_ns), FACT_U64(fact_stack_growth, kind),
	FACT_U64(fact_stack_growth, process), FACT_U64(fact_stack_growth, thread),
	FACT_U64(fact_stack_growth, stack),   FACT_U64(fact_stack_growth, address),
	FACT_U64(fact_stack_growth, bytes),   FACT_U64(fact_stack_growth, kept),
};
FACT_TYPE(fact_stack_growth, "stack_growth", 58, 500000);

static const struct fact_field fields_fact_stack_grower[] = {
	FACT_U64(fact_stack_grower, process),	 FACT_U64(fact_stack_grower, pid),
	FACT_U64(fact_stack_grower, kind),	 FACT_U64(fact_stack_grower, start_ns),
	FACT_U64(fact_stack_grower, end_ns),	 FACT_U64(fact_stack_grower, first_bytes),
	FACT_U64(fact_stack_grower, last_bytes), FACT_U64(fact_stack_grower, grown_bytes),
	FACT_U64(fact_stack_grower, calls),	 FACT_STR(fact_stack_grower, reason, 256),
};
FACT_TYPE(fact_stack_grower, "stack_growth_processes", 59, 100000);

/* Numbers of these are STACK_… in facts.h. */
static const char *const states[] = {"", "sleep", "disk", "runnable", "preempted", "lock", NULL};

static const char *const growth_kinds[] = {"fault", "alloc", NULL};

#define AT(type, field) offsetof(struct type, field)

static const struct fact_column setting_columns[] = {
	{"key", COLUMN_STR, AT(fact_stack_setting, key), NULL},
	{"value", COLUMN_STR, AT(fact_stack_setting, value), NULL},
	{0},
};
static const struct fact_column sample_columns[] = {
	{"time_ns", COLUMN_U64, AT(fact_stack_sample, time_ns), NULL},
	{"state", COLUMN_WORD, AT(fact_stack_sample, state), states},
	{"thread", COLUMN_U64, AT(fact_stack_sample, thread), NULL},
	{"cpu", COLUMN_U64, AT(fact_stack_sample, cpu), NULL},
	{"stack", COLUMN_U64, AT(fact_stack_sample, stack), NULL},
	{"ns", COLUMN_U64, AT(fact_stack_sample, ns), NULL},
	{"weight", COLUMN_U64, AT(fact_stack_sample, weight), NULL},
	{0},
};
static const struct fact_column offcpu_columns[] = {
	{"thread", COLUMN_U64, AT(fact_stack_offcpu, thread), NULL},
	{"state", COLUMN_WORD, AT(fact_stack_offcpu, state), states},
	{"total_ns", COLUMN_U64, AT(fact_stack_offcpu, total_ns), NULL},
	{"count", COLUMN_U64, AT(fact_stack_offcpu, count), NULL},
	{"longest_ns", COLUMN_U64, AT(fact_stack_offcpu, longest_ns), NULL},
	{"longest_end_ns", COLUMN_U64, AT(fact_stack_offcpu, longest_end_ns), NULL},
	{"longest_stack", COLUMN_U64, AT(fact_stack_offcpu, longest_stack), NULL},
	{"longest_waker", COLUMN_U64, AT(fact_stack_offcpu, longest_waker), NULL},
	{"still_ns", COLUMN_U64, AT(fact_stack_offcpu, still_ns), NULL},
	{"still_stack", COLUMN_U64, AT(fact_stack_offcpu, still_stack), NULL},
	{0},
};
static const struct fact_column stack_columns[] = {
	{"stack", COLUMN_U64, AT(fact_stack, stack), NULL},
	{"kernel", COLUMN_STR, AT(fact_stack, kernel), NULL},
	{"user", COLUMN_STR, AT(fact_stack, user), NULL},
	{"process", COLUMN_U64, AT(fact_stack, process), NULL},
	{"user_end", COLUMN_STR, AT(fact_stack, end), NULL},
	{"end", COLUMN_STR, AT(fact_stack, end), NULL},
	{"user_by", COLUMN_STR, AT(fact_stack, by), NULL},
	{"by", COLUMN_STR, AT(fact_stack, by), NULL},
	{"kernel_cut", COLUMN_U64, AT(fact_stack, kernel_cut), NULL},
	{"python", COLUMN_STR, AT(fact_stack, python), NULL},
	{"python_end", COLUMN_STR, AT(fact_stack, python_end), NULL},
	{0},
};
static const struct fact_column python_columns[] = {
	{"frame", COLUMN_U64, AT(fact_stack_python, frame), NULL},
	{"process", COLUMN_U64, AT(fact_stack_python, process), NULL},
	{"function", COLUMN_STR, AT(fact_stack_python, function), NULL},
	{"file", COLUMN_STR, AT(fact_stack_python, file), NULL},
	{"line", COLUMN_U64, AT(fact_stack_python, line), NULL},
	{"first_line", COLUMN_U64, AT(fact_stack_python, first_line), NULL},
	{0},
};
static const struct fact_column process_columns[] = {
	{"process", COLUMN_U64, AT(fact_stack_process, process), NULL},
	{"pid", COLUMN_U64, AT(fact_stack_process, pid), NULL},
	{"comm", COLUMN_STR, AT(fact_stack_process, comm), NULL},
	{"exe", COLUMN_STR, AT(fact_stack_process, exe), NULL},
	{"cgroup", COLUMN_STR, AT(fact_stack_process, cgroup), NULL},
	{"own", COLUMN_U64, AT(fact_stack_process, own), NULL},
	{0},
};
static const struct fact_column thread_columns[] = {
	{"thread", COLUMN_U64, AT(fact_stack_thread, thread), NULL},
	{"process", COLUMN_U64, AT(fact_stack_thread, process), NULL},
	{"tid", COLUMN_U64, AT(fact_stack_thread, tid), NULL},
	{"comm", COLUMN_STR, AT(fact_stack_thread, comm), NULL},
	{0},
};
static const struct fact_column mapping_columns[] = {
	{"mapping", COLUMN_U64, AT(fact_stack_mapping, mapping), NULL},
	{"process", COLUMN_U64, AT(fact_stack_mapping, process), NULL},
	{"start", COLUMN_U64, AT(fact_stack_mapping, start), NULL},
	{"end", COLUMN_U64, AT(fact_stack_mapping, end), NULL},
	{"offset", COLUMN_U64, AT(fact_stack_mapping, offset), NULL},
	{"object", COLUMN_U64, AT(fact_stack_mapping, object), NULL},
	{0},
};
static const struct fact_column object_columns[] = {
	{"object", COLUMN_U64, AT(fact_stack_object, object), NULL},
	{"kind", COLUMN_STR, AT(fact_stack_object, kind), NULL},
	{"build_id", COLUMN_STR, AT(fact_stack_object, build_id), NULL},
	{"path", COLUMN_STR, AT(fact_stack_object, path), NULL},
	{"deleted", COLUMN_U64, AT(fact_stack_object, deleted), NULL},
	{"pid", COLUMN_U64, AT(fact_stack_object, pid), NULL},
	{"state", COLUMN_STR, AT(fact_stack_object, state), NULL},
	{"errno", COLUMN_U64, AT(fact_stack_object, no), NULL},
	{"debug", COLUMN_U64, AT(fact_stack_object, debug), NULL},
	{"segments", COLUMN_STR, AT(fact_stack_object, segments), NULL},
	{0},
};
static const struct fact_column symbol_columns[] = {
	{"object", COLUMN_U64, AT(fact_stack_symbol, object), NULL},
	{"offset", COLUMN_U64, AT(fact_stack_symbol, offset), NULL},
	{"address", COLUMN_U64, AT(fact_stack_symbol, address), NULL},
	{"function", COLUMN_STR, AT(fact_stack_symbol, function), NULL},
	{"into", COLUMN_U64, AT(fact_stack_symbol, into), NULL},
	{"found_in", COLUMN_U64, AT(fact_stack_symbol, found_in), NULL},
	{0},
};

static const struct fact_column growth_columns[] = {
	{"time_ns", COLUMN_U64, AT(fact_stack_growth, time_ns), NULL},
	{"kind", COLUMN_WORD, AT(fact_stack_growth, kind), growth_kinds},
	{"process", COLUMN_U64, AT(fact_stack_growth, process), NULL},
	{"thread", COLUMN_U64, AT(fact_stack_growth, thread), NULL},
	{"stack", COLUMN_U64, AT(fact_stack_growth, stack), NULL},
	{"address", COLUMN_U64, AT(fact_stack_growth, address), NULL},
	{"bytes", COLUMN_U64, AT(fact_stack_growth, bytes), NULL},
	{"kept", COLUMN_U64, AT(fact_stack_growth, kept), NULL},
	{0},
};
static const struct fact_column grower_columns[] = {
	{"pid", COLUMN_U64, AT(fact_stack_grower, pid), NULL},
	{"process", COLUMN_U64, AT(fact_stack_grower, process), NULL},
	{"kind", COLUMN_WORD, AT(fact_stack_grower, kind), growth_kinds},
	{"start_ns", COLUMN_U64, AT(fact_stack_grower, start_ns), NULL},
	{"end_ns", COLUMN_U64, AT(fact_stack_grower, end_ns), NULL},
	{"first_bytes", COLUMN_U64, AT(fact_stack_grower, first_bytes), NULL},
	{"last_bytes", COLUMN_U64, AT(fact_stack_grower, last_bytes), NULL},
	{"grown_bytes", COLUMN_U64, AT(fact_stack_grower, grown_bytes), NULL},
	{"calls", COLUMN_U64, AT(fact_stack_grower, calls), NULL},
	{"reason", COLUMN_STR, AT(fact_stack_grower, reason), NULL},
	{0},
};

/* Names are demangled here, in the sandbox: it is the one thing done to them that is not simple. */
static int demangle_row(struct parse *p, void *row)
{
	struct fact_stack_symbol *s = row;

	if (s->function && !*s->function)
		s->function = NULL;
	if (s->function)
		s->demangled = demangle(p, s->function);
	return 0;
}

static const struct fact_table tables[] = {
	{"tables/stack_capture.tsv", &fact_stack_setting_type, setting_columns, NULL},
	{"tables/stack_samples.tsv", &fact_stack_sample_type, sample_columns, NULL},
	{"tables/stack_offcpu.tsv", &fact_stack_offcpu_type, offcpu_columns, NULL},
	{"tables/stack_stacks.tsv", &fact_stack_type, stack_columns, NULL},
	{"tables/stack_python.tsv", &fact_stack_python_type, python_columns, NULL},
	{"tables/stack_processes.tsv", &fact_stack_process_type, process_columns, NULL},
	{"tables/stack_threads.tsv", &fact_stack_thread_type, thread_columns, NULL},
	{"tables/stack_mappings.tsv", &fact_stack_mapping_type, mapping_columns, NULL},
	{"tables/stack_objects.tsv", &fact_stack_object_type, object_columns, NULL},
	{"tables/stack_symbols.tsv", &fact_stack_symbol_type, symbol_columns, demangle_row},
	{"tables/stack_growth.tsv", &fact_stack_growth_type, growth_columns, NULL},
	{"tables/stack_growth_processes.tsv", &fact_stack_grower_type, grower_columns, NULL},
};

_Static_assert(sizeof(struct fact_stack_object) <= FACT_ROW_MAX, "FACT_ROW_MAX");

static int stack_member(struct parse *p, void *state, const struct member_ref *m, const char *data,
			size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (!strcmp(m->name, tables[i].member))
			return fact_table_read(p, &tables[i], data, len);
	return 0;
}

const struct fact_parser stack_parser = {.member = stack_member};
