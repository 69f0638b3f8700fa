/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MemTotal in disjoint parts.  Each part is a counter of the kernel, or the difference of two
 * where one counts the other's pages again; none is what is left over.  MemTotal is the sum of the
 * zones' managed pages, so what the kernel took before the page allocator existed (its image, the
 * memory map, crash kernel, firmware) is not in it and no part here: kernel-image and reserved.
 * cma is no part either: CmaFree lies in MemFree, and the rest of CMA is lent to page cache and
 * heap.  Unless a comment says otherwise the file is fs/proc/meminfo.c, meminfo_proc_show().
 */
#include <errno.h>
#include <string.h>

#include "../capture/base/cleanup.h"
#include "model_build.h"

#define MAX_PARTS 32

static uint64_t meminfo(const struct model_build *b, const char *key)
{
	return facts_counter(b->f, "meminfo", key);
}

/* vmstat counts pages. */
static uint64_t vmstat(const struct model_build *b, const char *key)
{
	return none_mul(facts_counter(b->f, "vmstat", key), b->page_size);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void part(struct model_build *b, const char *id, const char *label, const char *source,
		 uint64_t bytes)
{
	struct model *m = b->m;

	if (bytes == FACT_NONE || m->part_count == MAX_PARTS)
		return;
	m->parts[m->part_count++] = (struct memory_part){id, label, bytes, source};
}

/* NR_FREE_PAGES, and the per-CPU lists: rmqueue_bulk() in mm/page_alloc.c takes pages for them out
 * of NR_FREE_PAGES, and zoneinfo prints what they hold ("count"). */
static uint64_t free_bytes(const struct model_build *b)
{
	uint64_t bytes = meminfo(b, "MemFree");

	for (size_t i = 0; i < b->f->zones.count; i++)
		bytes = none_add(bytes,
				 or_zero(none_mul(b->f->zones.rows[i].percpu_pages, b->page_size)));
	return bytes;
}

/*
 * Mapped is NR_FILE_MAPPED, which counts mapped page cache and mapped shared memory alike
 * (mm/rmap.c).  The shared memory in it is at most the sum of the processes' RssShmem (a page
 * mapped by two counts twice there) and at most Shmem; subtracting the smaller of the two never
 * claims too much for files, and what is claimed too little stays in page-cache, next to it.
 */
static uint64_t file_mapped(const struct model_build *b)
{
	uint64_t shmem = meminfo(b, "Shmem"), mapped = 0;

	for (size_t i = 0; i < b->f->processes.count; i++)
		mapped = none_add(mapped, b->f->processes.rows[i].kernel_thread == 1
						  ? 0
						  : b->f->processes.rows[i].shmem_bytes);
	if (b->f->processes.count == 0 || b->f->processes.cut)
		mapped = FACT_NONE;
	return least(none_sub(meminfo(b, "Mapped"), least(shmem, mapped)),
		     none_sub(meminfo(b, "Cached"), shmem));
}

/*
 * SwapCached pages that a process maps are in AnonPages too (NR_ANON_MAPPED, mm/rmap.c); those of
 * shared memory are not in Shmem (shmem_writeout() takes them out).  The anonymous LRU lists hold
 * mapped anonymous memory, shared memory, and swap cache that nobody maps; so lists − AnonPages −
 * Shmem is the latter, or less when some of it is mlocked and on the unevictable list.
 */
static uint64_t swap_cache(const struct model_build *b)
{
	uint64_t cached = meminfo(b, "SwapCached");
	uint64_t lru = none_add(meminfo(b, "Active(anon)"), meminfo(b, "Inactive(anon)"));

	if (cached == 0)
		return 0;
	lru = none_sub(lru, none_add(meminfo(b, "AnonPages"), meminfo(b, "Shmem")));
	return cached == FACT_NONE || lru == FACT_NONE ? FACT_NONE : least(cached, lru);
}

/* Who allocates kernel stacks when they lie in vmalloc space (kernel/fork.c). */
static bool is_stack(const char *caller)
{
	static const char *const callers[] = {"dup_task_struct", "alloc_thread_stack_node",
					      "copy_process", "kernel_clone", "_do_fork"};

	for (size_t i = 0; i < ARRAY_SIZE(callers); i++)
		if (caller && !strncmp(caller, callers[i], strlen(callers[i])))
			return true;
	return false;
}

/*
 * VmallocUsed (nr_vmalloc_pages, mm/vmalloc.c; 0 before 5.3) counts stacks that lie in vmalloc
 * space (VMAP_STACK); vmallocinfo says which.  Without it all of KernelStack is taken out, which
 * is right with VMAP_STACK and too little without.  KernelStack does not count the stacks of dead
 * threads that each CPU keeps for the next; vmallocinfo does.
 */
static void stacks_and_vmalloc(struct model_build *b, uint64_t *stacks, uint64_t *other)
{
	uint64_t in_vmalloc = 0, sum = 0;

	*stacks = meminfo(b, "KernelStack");
	*other = none_sub(meminfo(b, "VmallocUsed"), *stacks);
	if (b->f->vmalloc.count == 0)
		return;
	for (size_t i = 0; i < b->f->vmalloc.count; i++) {
		const struct fact_vmalloc *v = &b->f->vmalloc.rows[i];

		if (is_stack(v->caller))
			in_vmalloc = none_add(in_vmalloc, or_zero(v->bytes));
		else
			sum = none_add(sum, or_zero(v->bytes));
	}
	if (*stacks != FACT_NONE && in_vmalloc > *stacks)
		*stacks = in_vmalloc;
	*other = b->f->vmalloc.cut ? none_sub(meminfo(b, "VmallocUsed"), in_vmalloc) : sum;
}

/* All sizes together since 4.19 (hugetlb_report_meminfo(), mm/hugetlb.c), before that only the
 * default size. */
static uint64_t huge_pages(const struct model_build *b)
{
	uint64_t all = meminfo(b, "Hugetlb");

	return all != FACT_NONE
		       ? all
		       : none_mul(meminfo(b, "HugePages_Total"), meminfo(b, "Hugepagesize"));
}

/*
 * Balloon drivers take their pages out of the managed ones (adjust_managed_page_count()), and with
 * that out of MemTotal, unless the host lets the balloon deflate on OOM
 * (drivers/virtio/virtio_balloon.c).  present − managed pages of the zones tells: where that gap
 * holds the balloon, it is no part of MemTotal.
 */
static uint64_t balloon(const struct model_build *b)
{
	uint64_t bytes = meminfo(b, "Balloon"), gap = 0;

	if (bytes == FACT_NONE)
		bytes = vmstat(b, "nr_balloon_pages");
	for (size_t i = 0; i < b->f->zones.count; i++)
		gap = none_add(gap, or_zero(none_mul(none_sub(b->f->zones.rows[i].present_pages,
							      b->f->zones.rows[i].managed_pages),
						     b->page_size)));
	if (bytes != FACT_NONE && bytes > 0 && b->f->zones.count && gap >= bytes)
		return FACT_NONE;
	return bytes;
}

static void account(struct model *m)
{
	__int128 left = m->memory_total;

	m->unaccounted = INT64_MIN;
	if (m->memory_total == FACT_NONE || m->part_count == 0)
		return;
	for (size_t i = 0; i < m->part_count; i++)
		left -= m->parts[i].bytes;
	/* Counters of a lying archive; a sum that does not fit is none. */
	if (left <= INT64_MAX && left > INT64_MIN)
		m->unaccounted = (int64_t)left;
}

int model_build_panorama(struct model_build *b)
{
	struct model *m = b->m;
	uint64_t stacks, vmalloc, mapped = file_mapped(b);
	uint64_t files = none_sub(meminfo(b, "Cached"), meminfo(b, "Shmem"));

	m->memory_total = meminfo(b, "MemTotal");
	m->memory_available = meminfo(b, "MemAvailable");
	m->parts = arena_alloc(b->arena, MAX_PARTS * sizeof(*m->parts));
	if (!m->parts)
		return -ENOMEM;

	stacks_and_vmalloc(b, &stacks, &vmalloc);
	part(b, "free", "Free", "MemFree + per-CPU lists", free_bytes(b));
	/* NR_ANON_MAPPED; AnonHugePages are among them (mm/rmap.c). */
	part(b, "heap", "Processes: heap and stacks", "AnonPages", meminfo(b, "AnonPages"));
	part(b, "file-mapped", "Processes: mapped files", "Mapped without shared memory", mapped);
	/* Cached = NR_FILE_PAGES − swap cache − block devices; Shmem is a part of it. */
	part(b, "page-cache", "Page cache, not mapped", "Cached − Shmem − mapped files",
	     none_sub(files, or_zero(mapped)));
	/* NR_SHMEM: tmpfs, memfd, System V, shared anonymous memory, GEM objects. */
	part(b, "shared-memory", "Shared memory and tmpfs", "Shmem", meminfo(b, "Shmem"));
	/* nr_blockdev_pages(): page cache of block devices. */
	part(b, "buffers", "Buffers (block devices)", "Buffers", meminfo(b, "Buffers"));
	part(b, "swap-cache", "Swap cache, not mapped",
	     "Active(anon) + Inactive(anon) − AnonPages − Shmem, at most SwapCached",
	     swap_cache(b));
	/* NR_SLAB_RECLAIMABLE_B, NR_SLAB_UNRECLAIMABLE_B (large kmallocs included). */
	part(b, "slab-reclaimable", "Slab, reclaimable", "SReclaimable",
	     meminfo(b, "SReclaimable"));
	part(b, "slab-unreclaimable", "Slab, not reclaimable", "SUnreclaim",
	     meminfo(b, "SUnreclaim"));
	/* NR_PAGETABLE, and NR_SECONDARY_PAGETABLE (KVM, IOMMU) since 6.1. */
	part(b, "page-tables", "Page tables", "PageTables + SecPageTables",
	     none_add(meminfo(b, "PageTables"), or_zero(meminfo(b, "SecPageTables"))));
	part(b, "kernel-stacks", "Kernel stacks", "KernelStack", stacks);
	/* pcpu_nr_pages() (mm/percpu.c) also counts the first chunk, which is from before the page
	 * allocator: some 0.2 MiB a CPU too much. */
	part(b, "percpu", "Per-CPU data", "Percpu", meminfo(b, "Percpu"));
	part(b, "vmalloc", "vmalloc, without stacks",
	     b->f->vmalloc.count ? "vmallocinfo" : "VmallocUsed − KernelStack", vmalloc);
	/* Pages of hugetlbfs are in no other counter; boot-time gigantic ones are added to the
	 * managed pages (gather_bootmem_prealloc()). */
	part(b, "huge-pages", "Huge page pool", "Hugetlb", huge_pages(b));
	part(b, "balloon", "Balloon", "Balloon", balloon(b));
	/* NR_ZSPAGES counts zsmalloc's pages, zram's and zswap's; Zswap is zswap_total_pages(). */
	part(b, "zram", "zram", "nr_zspages − Zswap",
	     none_sub(vmstat(b, "nr_zspages"), or_zero(meminfo(b, "Zswap"))));
	part(b, "zswap", "zswap", "Zswap", meminfo(b, "Zswap"));
	/* NR_GPU_ACTIVE and NR_GPU_RECLAIM: pages of TTM and its pool. */
	part(b, "gpu", "GPU drivers", "GPUActive + GPUReclaim",
	     none_add(meminfo(b, "GPUActive"), or_zero(meminfo(b, "GPUReclaim"))));
	/* Pages of ABDs; headers, dnodes and dbufs are in slab caches and counted there. */
	part(b, "arc", "ZFS cache (ARC)", "arcstats: data_size + metadata_size",
	     none_add(facts_counter(b->f, "arcstats", "data_size"),
		      facts_counter(b->f, "arcstats", "metadata_size")));
	/* Poisoned pages stay managed, but nobody gets them any more. */
	part(b, "reserved", "Pages with hardware errors", "HardwareCorrupted",
	     meminfo(b, "HardwareCorrupted"));
	/* KReclaimable = SReclaimable + NR_KERNEL_MISC_RECLAIMABLE (drivers' pools, since 4.20);
	 * NR_WRITEBACK_TEMP: copies that FUSE writes from. */
	part(b, "driver-other", "Drivers' pools", "KReclaimable − SReclaimable + WritebackTmp",
	     none_add(none_sub(meminfo(b, "KReclaimable"), meminfo(b, "SReclaimable")),
		      or_zero(meminfo(b, "WritebackTmp"))));
	account(m);
	return 0;
}
