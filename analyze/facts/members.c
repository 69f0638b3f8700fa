/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which member of the archive is understood by which parser, and the walk over them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../capture/base/cleanup.h"
#include "parse.h"
#include "text.h"

const struct fact_member fact_members[] = {
	{"raw/memory/meminfo", &counter_parser},
	{"raw/memory/vmstat", &counter_parser},
	{"raw/memory/stat", &counter_parser},
	{"raw/sched/schedstat", &counter_parser},
	{"raw/memory/arcstats", &counter_parser},
	{"raw/memory/pressure-memory", &counter_parser},
	{"raw/memory/dentry-state", &counter_parser},
	{"raw/memory/sysvipc-shm", &shm_parser},
	{"raw/shm_maps", &shm_parser},
	{"raw/memory/inode-nr", &counter_parser},
	{"raw/memory/slabinfo", &slab_parser},
	{"raw/memory/vmallocinfo", &vmalloc_parser},
	{"raw/memory/zoneinfo", &zone_parser},
	{"raw/processes", &process_parser},
	{"raw/cgroups", &cgroup_parser},
	{"raw/host/cgroups", &cgroup_parser}, /* /proc/cgroups */
	{"raw/mountinfo", &mount_parser},
	{"tables/mount_namespaces.tsv", &process_parser},
	{"tables/containers.tsv", &container_parser},
	{"tables/slab_caches.tsv", &slab_parser},
	{"tables/stack_capture.tsv", &stack_parser},
	{"tables/stack_samples.tsv", &stack_parser},
	{"tables/stack_offcpu.tsv", &stack_parser},
	{"tables/stack_stacks.tsv", &stack_parser},
	{"tables/stack_python.tsv", &stack_parser},
	{"tables/stack_processes.tsv", &stack_parser},
	{"tables/stack_threads.tsv", &stack_parser},
	{"tables/stack_mappings.tsv", &stack_parser},
	{"tables/stack_objects.tsv", &stack_parser},
	{"tables/stack_symbols.tsv", &stack_parser},
	{"tables/stack_growth.tsv", &stack_parser},
	{"tables/stack_growth_processes.tsv", &stack_parser},
	{"tables/page_cache_scan.tsv", &scan_parser},
	{"tables/page_cache_files.tsv", &cache_parser},
	{"tables/page_cache_samples.tsv", &cache_parser},
	{"tables/page_cache_pairs.tsv", &cache_parser},
	{"tables/page_cache_blocks.tsv", &cache_parser},
	{"tables/page_cache_cgroups.tsv", &cache_parser},
	{"tables/cgroup_slabs.tsv", &cache_parser},
	{"tables/page_types.tsv", &cache_parser},
	{"raw/memory/sys", &huge_pool_parser},
	{"raw/memory/sys", &counter_parser},
	{"tables/page_owner.tsv", &allocation_parser},
	{"raw/memory/allocinfo", &allocation_parser},
	{"tables/kernel_objects.tsv", &kernel_object_parser},
	{"tables/kernel_holders.tsv", &kernel_object_parser},
	{"tables/heaps.tsv", &heap_parser},
	{"tables/heap_entries.tsv", &heap_parser},
	{"tables/heap_containers.tsv", &heap_parser},
	{"tables/heap_samples.tsv", &heap_parser},
	{"tables/syscalls.tsv", &delay_parser},
	{"tables/syscalls_probe.tsv", &probe_parser},
	{"tables/proc_files.tsv", &delay_parser},
	{"tables/reclaim.tsv", &delay_parser},
	{"tables/reclaim_probe.tsv", &probe_parser},
	{"tables/sched_delay.tsv", &delay_parser},
	{"tables/sched_delay_probe.tsv", &probe_parser},
	{"tables/block_io.tsv", &delay_parser},
	{"tables/block_io_probe.tsv", &probe_parser},
	{"tables/net_receive.tsv", &delay_parser},
	{"tables/net_receive_probe.tsv", &probe_parser},
	{"journal/fastoom.1.jsonl", &guard_parser},
	{"journal/fastoom.jsonl", &guard_parser},
	{"journal/guard.jsonl", &guard_parser},
	{"tables/dentries.tsv", &dentry_parser},
	{0},
};

/* The order of finishing, and the place of each state. */
static const struct fact_parser *const parsers[] = {
	/* clang-format off */
	&stack_parser,
	/* clang-format on */
	&counter_parser,
	&process_parser,
	&cgroup_parser,
	&mount_parser,
	&container_parser,
	&scan_parser,
	&cache_parser,
	&slab_parser,
	&vmalloc_parser,
	&zone_parser,
	&kernel_object_parser,
	&huge_pool_parser,
	&allocation_parser,
	&heap_parser,
	&delay_parser,
	&probe_parser,
	&guard_parser,
	&dentry_parser,
	&shm_parser,
};

int parse_create(struct parse **ret, struct fact_sink sink, size_t memory)
{
	struct parse *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	r = arena_create(&p->arena, memory);
	if (r < 0) {
		free(p);
		return r;
	}
	p->sink = sink;
	p->page_size = FACT_NONE;
	p->states = arena_alloc(p->arena, sizeof(*p->states) * ARRAY_SIZE(parsers));
	for (size_t i = 0; p->states && i < ARRAY_SIZE(parsers); i++)
		p->states[i] = arena_alloc(p->arena, parsers[i]->state_size + 1);
	if (arena_exhausted(p->arena)) {
		parse_destroy(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

void parse_destroy(struct parse *p)
{
	if (!p)
		return;
	arena_destroy(p->arena);
	free(p);
}

/* Take ".DIGITS" off the end when there are exactly that many. */
static bool strip_number(struct text *name, size_t digits, uint64_t *ret)
{
	struct text number;

	if (text_len(*name) <= digits + 1 || name->end[-(ptrdiff_t)digits - 1] != '.')
		return false;
	number = (struct text){.p = name->end - digits, .end = name->end};
	if (!text_u64(number, ret))
		return false;
	name->end = number.p - 1;
	return true;
}

int parse_member(struct parse *p, const char *name, const char *data, size_t len)
{
	struct text base = TEXT(name, strlen(name));
	struct member_ref ref = {0};
	int r;

	strip_number(&base, 4, &ref.part);
	strip_number(&base, 9, &ref.ms);
	for (const struct fact_member *m = fact_members; m->name; m++) {
		if (!text_is(base, m->name))
			continue;
		ref.name = m->name;
		for (size_t i = 0; i < ARRAY_SIZE(parsers); i++) {
			if (parsers[i] != m->parser)
				continue;
			r = m->parser->member(p, p->states[i], &ref, data, len);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int parse_emit_rows(struct parse *p, const struct fact_type *t, const struct rows *rows)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < rows->count; i++)
		r = parse_emit(p, t, rows_at(rows, i));
	return r;
}

int parse_finish(struct parse *p)
{
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(parsers); i++) {
		r = parsers[i]->finish ? parsers[i]->finish(p, p->states[i]) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}
