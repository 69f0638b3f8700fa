/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../arena.h"
#include "parse.h"

/* What the facts of one archive may take in the renderer. */
#define FACTS_MEMORY (2ULL << 30)
#define FACTS_FIRST_ROWS 64

const struct fact_slot fact_slots[] = {
	{&fact_archive_type, offsetof(struct facts, archive)},
	{&fact_collector_type, offsetof(struct facts, collectors)},
	{&fact_counter_type, offsetof(struct facts, counters)},
	{&fact_process_type, offsetof(struct facts, processes)},
	{&fact_cgroup_type, offsetof(struct facts, cgroups)},
	{&fact_cgroup_controller_type, offsetof(struct facts, controllers)},
	{&fact_mount_type, offsetof(struct facts, mounts)},
	{&fact_container_type, offsetof(struct facts, containers)},
	{&fact_scan_type, offsetof(struct facts, scan)},
	{&fact_cache_file_type, offsetof(struct facts, cache_files)},
	{&fact_cache_sample_type, offsetof(struct facts, cache_samples)},
	{&fact_cache_pair_type, offsetof(struct facts, cache_pairs)},
	{&fact_cache_block_type, offsetof(struct facts, cache_blocks)},
	{&fact_cache_cgroup_type, offsetof(struct facts, cache_cgroups)},
	{&fact_cgroup_slab_type, offsetof(struct facts, cgroup_slabs)},
	{&fact_page_type_type, offsetof(struct facts, page_types)},
	{&fact_dentries_type, offsetof(struct facts, dentries)},
	{&fact_shm_type, offsetof(struct facts, shm)},
	{&fact_shm_map_type, offsetof(struct facts, shm_maps)},
	{&fact_slab_type, offsetof(struct facts, slabs)},
	{&fact_stack_setting_type, offsetof(struct facts, stack_settings)},
	{&fact_stack_sample_type, offsetof(struct facts, stack_samples)},
	{&fact_stack_offcpu_type, offsetof(struct facts, stack_offcpu)},
	{&fact_stack_type, offsetof(struct facts, stacks)},
	{&fact_stack_python_type, offsetof(struct facts, stack_python)},
	{&fact_stack_process_type, offsetof(struct facts, stack_processes)},
	{&fact_stack_thread_type, offsetof(struct facts, stack_threads)},
	{&fact_stack_mapping_type, offsetof(struct facts, stack_mappings)},
	{&fact_stack_object_type, offsetof(struct facts, stack_objects)},
	{&fact_stack_symbol_type, offsetof(struct facts, stack_symbols)},
	{&fact_stack_growth_type, offsetof(struct facts, stack_growth)},
	{&fact_stack_grower_type, offsetof(struct facts, stack_growers)},
	{&fact_vmalloc_type, offsetof(struct facts, vmalloc)},
	{&fact_zone_type, offsetof(struct facts, zones)},
	{&fact_kernel_object_type, offsetof(struct facts, kernel_objects)},
	{&fact_kernel_holder_type, offsetof(struct facts, kernel_holders)},
	{&fact_huge_pool_type, offsetof(struct facts, huge_pools)},
	{&fact_allocation_type, offsetof(struct facts, allocations)},
	{&fact_heap_type, offsetof(struct facts, heaps)},
	{&fact_heap_entry_type, offsetof(struct facts, heap_entries)},
	{&fact_heap_container_type, offsetof(struct facts, heap_containers)},
	{&fact_heap_sample_type, offsetof(struct facts, heap_samples)},
	{&fact_delay_type, offsetof(struct facts, delays)},
	{&fact_probe_type, offsetof(struct facts, probes)},
	{&fact_guard_type, offsetof(struct facts, guard)},
	{&fact_guard_holder_type, offsetof(struct facts, guard_holders)},
	{0},
};

/* Any of the tables in struct facts: they differ in the type of rows only. */
struct any_table {
	void *rows;
	size_t count, capacity;
	bool cut;
};

int facts_create(struct facts **ret)
{
	struct facts *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	r = arena_create(&f->arena, FACTS_MEMORY);
	if (r < 0) {
		free(f);
		return r;
	}
	*ret = f;
	return 0;
}

void facts_destroy(struct facts *f)
{
	if (!f)
		return;
	arena_destroy(f->arena);
	free(f);
}

void *facts_add(struct facts *f, const struct fact_type *t)
{
	const struct fact_slot *slot = fact_slots;
	struct any_table table;
	void *row;

	while (slot->type && slot->type != t)
		slot++;
	if (!slot->type)
		return NULL;
	memcpy(&table, (char *)f + slot->table_offset, sizeof(table));
	if (table.count >= t->max_rows)
		return NULL;
	if (table.count >= table.capacity) {
		size_t capacity = table.capacity ? table.capacity * 2 : FACTS_FIRST_ROWS;
		void *rows;

		if (capacity > t->max_rows)
			capacity = t->max_rows;
		rows = arena_grow(f->arena, table.rows, table.count * t->size, capacity * t->size);
		if (!rows)
			return NULL;
		table.rows = rows;
		table.capacity = capacity;
	}
	row = (char *)table.rows + table.count++ * t->size;
	table.cut = table.count == t->max_rows;
	memcpy((char *)f + slot->table_offset, &table, sizeof(table));
	fact_clear(t, row);
	return row;
}

void fact_clear(const struct fact_type *t, void *row)
{
	memset(row, 0, t->size);
	for (uint32_t i = 0; i < t->field_count; i++) {
		char *p = (char *)row + t->fields[i].offset;

		switch (t->fields[i].kind) {
		case FIELD_U64:
			*(uint64_t *)p = FACT_NONE;
			break;
		case FIELD_I64:
			*(int64_t *)p = INT64_MIN;
			break;
		case FIELD_F64:
			*(double *)p = FACT_NONE_F;
			break;
		case FIELD_STR:
			*(const char **)p = NULL;
			break;
		}
	}
}

static const struct fact_counter *find_counter(const struct facts *f, const char *file,
					       const char *key)
{
	for (size_t i = 0; i < f->counters.count; i++) {
		const struct fact_counter *c = &f->counters.rows[i];

		if (c->key && c->file && !strcmp(c->key, key) && !strcmp(c->file, file))
			return c;
	}
	return NULL;
}

uint64_t facts_counter(const struct facts *f, const char *file, const char *key)
{
	const struct fact_counter *c = find_counter(f, file, key);

	return c ? c->last : FACT_NONE;
}

uint64_t facts_counter_first(const struct facts *f, const char *file, const char *key)
{
	const struct fact_counter *c = find_counter(f, file, key);

	return c ? c->first : FACT_NONE;
}

const struct fact_collector *facts_collector(const struct facts *f, const char *name)
{
	for (size_t i = 0; i < f->collectors.count; i++)
		if (f->collectors.rows[i].name && !strcmp(f->collectors.rows[i].name, name))
			return &f->collectors.rows[i];
	return NULL;
}
