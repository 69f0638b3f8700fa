/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes: ranked, joined with the groups they run in, and rolled up by name, so that four
 * hundred workers of 50 MiB are one row of 20 GiB and not four hundred that no ranking shows.
 *
 * Sums are of what each process counts as its own.  Of RssAnon that is what the kernel charges,
 * but for pages that parent and child still share after fork(), which each of them counts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_build.h"

static uint64_t process_weight(const struct fact_process *p)
{
	return none_add(or_zero(p->heap_bytes), or_zero(p->swap_bytes));
}

static int by_heap(const void *a, const void *b)
{
	const struct fact_process *x = *(const struct fact_process *const *)a;
	const struct fact_process *y = *(const struct fact_process *const *)b;
	uint64_t u = process_weight(x), v = process_weight(y);

	if (u != v)
		return u > v ? -1 : 1;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return (x > y) - (x < y);
}

static int larger_program(const void *a, const void *b)
{
	const struct model_program *x = a, *y = b;
	uint64_t u = none_add(or_zero(x->heap_bytes), or_zero(x->swap_bytes));
	uint64_t v = none_add(or_zero(y->heap_bytes), or_zero(y->swap_bytes));

	if (u != v)
		return u > v ? -1 : 1;
	return strcmp(x->comm, y->comm);
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	if (b == FACT_NONE)
		return a;
	return a == FACT_NONE ? b : none_add(a, b);
}

static void program_add(struct model_program *g, const struct fact_process *p)
{
	/* Processes come largest first. */
	if (!g->count++) {
		*g = (struct model_program){
			.comm = p->comm,
			.largest = p,
			.cgroup = p->cgroup,
			.count = 1,
			.threads = FACT_NONE,
			.heap_bytes = FACT_NONE,
			.swap_bytes = FACT_NONE,
			.file_bytes = FACT_NONE,
			.shmem_bytes = FACT_NONE,
			.hugetlb_bytes = FACT_NONE,
			.heap_grown = FACT_NONE_F,
		};
	} else if (g->cgroup && (!p->cgroup || strcmp(g->cgroup, p->cgroup) != 0)) {
		g->cgroup = NULL;
	}
	g->threads = sum(g->threads, p->threads);
	g->heap_bytes = sum(g->heap_bytes, p->heap_bytes);
	g->swap_bytes = sum(g->swap_bytes, p->swap_bytes);
	g->file_bytes = sum(g->file_bytes, p->file_bytes);
	g->shmem_bytes = sum(g->shmem_bytes, p->shmem_bytes);
	g->hugetlb_bytes = sum(g->hugetlb_bytes, p->hugetlb_bytes);
	if (p->heap_bytes != FACT_NONE && p->heap_first_bytes != FACT_NONE) {
		double grown = (double)p->heap_bytes - (double)p->heap_first_bytes;

		g->heap_grown = isnan(g->heap_grown) ? grown : g->heap_grown + grown;
	}
}

static int programs(struct model_build *b)
{
	struct model *m = b->m;
	struct lookup names;

	m->programs = arena_alloc(b->arena, (m->process_count + 1) * sizeof(*m->programs));
	if (!m->programs || lookup_init(&names, b->arena, m->process_count))
		return -ENOMEM;
	for (size_t i = 0; i < m->process_count; i++) {
		const struct fact_process *p = m->processes[i];
		uint32_t *v;

		/* A process that ended during the window holds nothing any more. */
		if (!p->comm || p->kernel_thread == 1 || p->vanished == 1)
			continue;
		v = lookup_put(&names, 0, 0, p->comm, strlen(p->comm));
		if (!v)
			return -ENOMEM;
		if (!*v) {
			m->programs[m->program_count] = (struct model_program){0};
			*v = (uint32_t)++m->program_count;
		}
		program_add(&m->programs[*v - 1], p);
	}
	if (m->program_count)
		qsort(m->programs, m->program_count, sizeof(*m->programs), larger_program);
	return 0;
}

/* The group itself, or the nearest one above it that is in the table: a process may sit in a group
 * without a memory controller of its own. */
static int groups(struct model_build *b)
{
	struct model *m = b->m;
	struct lookup paths;

	m->process_cgroups = arena_alloc(b->arena, (m->process_count + 1) * sizeof(void *));
	if (!m->process_cgroups || lookup_init(&paths, b->arena, m->cgroup_count))
		return -ENOMEM;
	for (size_t i = 0; i < m->cgroup_count; i++) {
		const char *path = m->cgroups[i].path;
		uint32_t *v;

		if (m->cgroups[i].dying || !path)
			continue;
		v = lookup_put(&paths, 0, 0, path, strcmp(path, "/") != 0 ? strlen(path) : 0);
		if (!v)
			return -ENOMEM;
		*v = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < m->process_count; i++) {
		const char *path = m->processes[i]->cgroup;
		size_t len = path ? strlen(path) : 0;

		while (len && !m->process_cgroups[i]) {
			uint32_t v;

			while (len && path[len - 1] == '/')
				len--;
			v = lookup_get(&paths, 0, 0, path, len);
			if (v && len)
				m->process_cgroups[i] = &m->cgroups[v - 1];
			while (len && path[len - 1] != '/')
				len--;
		}
	}
	return 0;
}

int model_build_processes(struct model_build *b)
{
	const struct facts *f = b->f;
	struct model *m = b->m;
	int r;

	m->processes = arena_alloc(b->arena, (f->processes.count + 1) * sizeof(void *));
	if (!m->processes)
		return -ENOMEM;
	for (size_t i = 0; i < f->processes.count; i++)
		m->processes[m->process_count++] = &f->processes.rows[i];
	if (m->process_count)
		qsort(m->processes, m->process_count, sizeof(void *), by_heap);
	r = groups(b);
	return r < 0 ? r : programs(b);
}
