/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker's side of facts: members in, rows out.
 *
 * Every member of the archive that is understood has one row in members.c, which names its parser.
 * A parser takes the bytes of one member and hands rows to the sink, at once or when all members
 * have been read (finish), if rows of several members make one.  Strings of a row need to live
 * only during the call of the sink.
 */
#pragma once

#include "../arena.h"
#include "facts.h"
#include "rows.h"

struct fact_sink {
	/* Negative errno: nobody reads any more; the parser gives up with it. */
	int (*row)(void *ctx, const struct fact_type *t, const void *row);
	void *ctx;
};

struct parse {
	struct fact_sink sink;
	struct arena *arena;
	uint64_t page_size; /* of the captured machine; FACT_NONE: not known */
	uint64_t bad;	    /* lines, rows and entries that were malformed and left out */
	void *demangled;    /* demangle.c's, made when first needed */
	void **states;	    /* one per parser */
};

struct member_ref {
	const char *name; /* without time and part: "raw/memory/meminfo" */
	uint64_t ms;	  /* time of reading; 0 when the name has none */
	uint64_t part;
};

struct fact_parser {
	size_t state_size; /* zeroed before the first member */
	int (*member)(struct parse *p, void *state, const struct member_ref *m, const char *data,
		      size_t len);
	int (*finish)(struct parse *p, void *state); /* may be NULL */
};

extern const struct fact_parser dentry_parser, shm_parser;
extern const struct fact_parser cache_parser, cgroup_parser, container_parser, counter_parser,
	mount_parser, process_parser, scan_parser, slab_parser, vmalloc_parser, zone_parser,
	kernel_object_parser, huge_pool_parser, allocation_parser, delay_parser, probe_parser,
	heap_parser;

extern const struct fact_parser guard_parser;
extern const struct fact_type fact_guard_type, fact_guard_holder_type;

extern const struct fact_parser stack_parser;

/* members.c: a member's name, and who understands it.  Ends with a NULL name. */
struct fact_member {
	const char *name;
	const struct fact_parser *parser;
};
extern const struct fact_member fact_members[];

/* memory: what the parsers may hold, in bytes. */
int parse_create(struct parse **ret, struct fact_sink sink, size_t memory);
void parse_destroy(struct parse *p);
/* One member, by its name relative to the top directory.  A member that nobody knows is fine: a
 * newer capture wrote it.  Negative errno of the sink, or -ENOMEM. */
int parse_member(struct parse *p, const char *name, const char *data, size_t len);
int parse_finish(struct parse *p);

static inline int parse_emit(struct parse *p, const struct fact_type *t, const void *row)
{
	return p->sink.row(p->sink.ctx, t, row);
}
/* All of them, in their order; the first error ends it. */
int parse_emit_rows(struct parse *p, const struct fact_type *t, const struct rows *rows);

/* ------------------------------------------------------------------ the types' tables */

extern const struct fact_type fact_dentries_type, fact_shm_type, fact_shm_map_type;
extern const struct fact_type fact_archive_type, fact_collector_type, fact_counter_type,
	fact_process_type, fact_cgroup_type, fact_cgroup_controller_type, fact_mount_type,
	fact_container_type, fact_scan_type, fact_cache_file_type, fact_cache_sample_type,
	fact_cache_cgroup_type, fact_page_type_type, fact_slab_type, fact_vmalloc_type,
	fact_zone_type, fact_cache_pair_type, fact_cache_block_type, fact_cgroup_slab_type,
	fact_kernel_object_type, fact_kernel_holder_type, fact_huge_pool_type, fact_allocation_type,
	fact_delay_type, fact_probe_type, fact_heap_type, fact_heap_entry_type,
	fact_heap_container_type, fact_heap_sample_type;

extern const struct fact_type fact_stack_setting_type, fact_stack_sample_type,
	fact_stack_offcpu_type, fact_stack_type, fact_stack_process_type, fact_stack_thread_type,
	fact_stack_mapping_type, fact_stack_object_type, fact_stack_symbol_type,
	fact_stack_growth_type, fact_stack_grower_type, fact_stack_python_type;

#define FACT_U64(type, f)                                                                          \
	{                                                                                          \
		.name = #f, .kind = FIELD_U64, .offset = offsetof(struct type, f)                  \
	}
#define FACT_I64(type, f)                                                                          \
	{                                                                                          \
		.name = #f, .kind = FIELD_I64, .offset = offsetof(struct type, f)                  \
	}
#define FACT_F64(type, f)                                                                          \
	{                                                                                          \
		.name = #f, .kind = FIELD_F64, .offset = offsetof(struct type, f)                  \
	}
#define FACT_STR(type, f, bytes)                                                                   \
	{                                                                                          \
		.name = #f, .kind = FIELD_STR, .offset = offsetof(struct type, f), .max = (bytes)  \
	}
#define FACT_TYPE(type, label, number, rows)                                                       \
	const struct fact_type type##_type = {.name = (label),                                     \
					      .tag = (number),                                     \
					      .size = sizeof(struct type),                         \
					      .max_rows = (rows),                                  \
					      .fields = fields_##type,                             \
					      .field_count = sizeof(fields_##type) /               \
							     sizeof(fields_##type[0])}

/* A row of which nothing has been measured yet. */
void fact_clear(const struct fact_type *t, void *row);
