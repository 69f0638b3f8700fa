/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who allocated what no counter has, where the kernel keeps account of its allocations: of
 * /proc/allocinfo, or without it of page_owner, those places that fill none of the parts of the
 * panorama.  They name what is unaccounted for, and are no part themselves: their bytes are of
 * another moment.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_build.h"

#define UNCOUNTED 16

static bool starts_with_any(const char *text, const char *const *list)
{
	for (; *list; list++)
		if (!strncmp(text, *list, strlen(*list)))
			return true;
	return false;
}

static bool by_page_owner(const struct fact_allocation *a)
{
	return !strcmp(a->place, "page_owner");
}

/* What fills slab, page cache, processes and the like, which have counters of their own. */
static bool is_counted(const struct fact_allocation *a)
{
	static const char *const files[] = {"mm/slub.c",
					    "mm/filemap.c",
					    "mm/memory.c",
					    "mm/shmem.c",
					    "mm/huge_memory.c",
					    "mm/readahead.c",
					    "mm/percpu.c",
					    "mm/vmalloc.c",
					    "mm/hugetlb.c",
					    "fs/pipe.c",
					    "io_uring/",
					    "kernel/fork.c",
					    "net/packet/af_packet.c",
					    NULL};
	static const char *const functions[] = {
		/* slab */
		"allocate_slab", "new_slab", "___kmalloc_large", "__kmalloc_large", "kmalloc_large",
		"kmalloc_order",
		/* page cache, shared memory, swap */
		"filemap_alloc_folio", "__filemap_get_folio", "page_cache_ra", "ra_alloc_folio",
		"readahead", "__page_cache_alloc", "pagecache_get_page", "grab_cache_page",
		"shmem_alloc", "__read_swap_cache", "do_swap_page", "grow_dev", "bdev_getblk",
		/* processes */
		"do_anonymous_page", "alloc_anon_folio", "do_huge_pmd", "vma_alloc", "wp_page_copy",
		"do_wp_page", "do_cow_fault", "do_fault", "khugepaged", "collapse_", "alloc_charge",
		"copy_", "migrate", "alloc_migrat", "do_user_addr_fault",
		/* page tables, stacks, per-CPU data, vmalloc, huge pages */
		"pte_alloc", "__pte_alloc", "pmd_alloc", "__pmd_alloc", "__pud_alloc", "pgd_alloc",
		"__p4d_alloc", "__pgd_alloc", "pcpu_", "vm_area_alloc_pages", "__vmalloc_",
		"alloc_thread_stack", "dup_task_struct", "hugetlb_", "alloc_fresh_hugetlb",
		"alloc_buddy_hugetlb", "only_alloc_fresh_hugetlb",
		/* what kernel objects say of themselves */
		"alloc_one_pg_vec_page", "anon_pipe_write", "pipe_write", "io_mem_alloc",
		"io_pages_map", NULL};

	return starts_with_any(a->place, files) ||
	       (a->function && by_page_owner(a) && starts_with_any(a->function, functions));
}

/* Largest first; of equals the one that stands first. */
static void insert(struct model *m, const struct fact_allocation *a)
{
	size_t at = m->uncounted_count;

	while (at && m->uncounted[at - 1]->bytes < a->bytes)
		at--;
	if (at == UNCOUNTED)
		return;
	if (m->uncounted_count < UNCOUNTED)
		m->uncounted_count++;
	for (size_t i = m->uncounted_count - 1; i > at; i--)
		m->uncounted[i] = m->uncounted[i - 1];
	m->uncounted[at] = a;
}

int model_build_uncounted(struct model_build *b)
{
	struct model *m = b->m;
	bool allocinfo = false;

	if (!b->f->allocations.count)
		return 0;
	m->uncounted = arena_alloc(b->arena, UNCOUNTED * sizeof(struct fact_allocation *));
	if (!m->uncounted)
		return -ENOMEM;
	for (size_t i = 0; i < b->f->allocations.count; i++) {
		const struct fact_allocation *a = &b->f->allocations.rows[i];

		allocinfo |= a->place && !by_page_owner(a);
	}
	for (size_t i = 0; i < b->f->allocations.count; i++) {
		const struct fact_allocation *a = &b->f->allocations.rows[i];

		/* Both tell of the same pages: with both captured, each would stand twice. */
		if (a->place && a->bytes != FACT_NONE && !is_counted(a) &&
		    !(allocinfo && by_page_owner(a)))
			insert(m, a);
	}
	return 0;
}
