/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MemTotal in disjoint parts.  Each part is a counter of the kernel, or the difference of two
 * where one counts the other's pages again; none is what is left over.  MemTotal is the sum of the
 * zones' managed pages, so what the kernel took before the page allocator existed (its image, the
 * memory map, crash kernel, firmware) is not in it and no part here: kernel-image and reserved.
 * Nor is rdma: what is registered with a device is memory of a process, and counted there; who
 * registered how much is told by its kernel objects.  Rings of network cards that use no page pool
 * are in no counter, and the number of their descriptors says little of what they hold:
 * unaccounted. Unless a comment says otherwise the file is fs/proc/meminfo.c, meminfo_proc_show().
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

/*
 * NR_FREE_PAGES, and the per-CPU lists: rmqueue_bulk() in mm/page_alloc.c takes pages for them out
 * of NR_FREE_PAGES, and zoneinfo prints what they hold ("count").  Pages go to and fro between the
 * two all the time, so that both are taken from the one reading of zoneinfo, if it has all memory:
 * there are kernels that hide zones from it which they count in MemTotal.
 */
static uint64_t free_bytes(const struct model_build *b, const char **ret_source)
{
	uint64_t lists = 0, zones = 0, managed = 0, total = meminfo(b, "MemTotal");

	for (size_t i = 0; i < b->f->zones.count; i++) {
		const struct fact_zone *z = &b->f->zones.rows[i];

		lists = none_add(lists, or_zero(z->percpu_pages));
		zones = none_add(zones, z->free_pages);
		managed = none_add(managed, z->managed_pages);
	}
	*ret_source = b->f->zones.count ? "MemFree + per-CPU lists" : "MemFree";
	if (zones != FACT_NONE && managed != FACT_NONE && !b->f->zones.cut &&
	    none_mul(managed, b->page_size) == total) {
		*ret_source = "zoneinfo: pages free + per-CPU lists";
		return none_mul(none_add(zones, lists), b->page_size);
	}
	return none_add(meminfo(b, "MemFree"), none_mul(lists, b->page_size));
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

static bool starts_with_any(const char *caller, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (caller && !strncmp(caller, names[i], strlen(names[i])))
			return true;
	return false;
}

/* Who allocates kernel stacks when they lie in vmalloc space (kernel/fork.c). */
static bool is_stack(const char *caller)
{
	static const char *const callers[] = {"dup_task_struct", "alloc_thread_stack_node",
					      "copy_process", "kernel_clone", "_do_fork"};

	return starts_with_any(caller, callers, ARRAY_SIZE(callers));
}

/* Maps, programs and their code: kernel/bpf/, by what calls bpf_map_area_alloc() and the like. */
static bool is_bpf(const char *caller)
{
	static const char *const callers[] = {
		"bpf_",	      "__bpf_",		"htab_",	   "prealloc_init",
		"trie_alloc", "dev_map_",	"reuseport_array", "sock_hash_alloc",
		"stack_map_", "prealloc_elems", "cgroup_storage_", "percpu_freelist_",
	};
	static const char end[] = "_map_alloc"; /* array_map_alloc, queue_stack_map_alloc … */
	size_t len = caller ? strlen(caller) : 0;

	return starts_with_any(caller, callers, ARRAY_SIZE(callers)) ||
	       (len > strlen(end) && !strcmp(caller + len - strlen(end), end));
}

/* Blocks of a packet ring for which no whole pages were to be had (net/packet/af_packet.c). */
static bool is_packet_ring(const char *caller)
{
	static const char *const callers[] = {"packet_set_ring", "alloc_pg_vec",
					      "alloc_one_pg_vec_page"};

	return starts_with_any(caller, callers, ARRAY_SIZE(callers));
}

struct vmalloc_parts {
	uint64_t stacks, bpf, packet_rings, other;
};

/*
 * VmallocUsed (nr_vmalloc_pages, mm/vmalloc.c; 0 before 5.3) counts stacks that lie in vmalloc
 * space (VMAP_STACK); vmallocinfo says which.  Without it all of KernelStack is taken out, which
 * is right with VMAP_STACK and too little without.  KernelStack does not count the stacks of dead
 * threads that each CPU keeps for the next; vmallocinfo does.
 */
static struct vmalloc_parts vmalloc_parts(const struct model_build *b)
{
	struct vmalloc_parts p = {meminfo(b, "KernelStack"), FACT_NONE, 0, FACT_NONE};
	uint64_t in_vmalloc = 0, other = 0, bpf = 0, all = meminfo(b, "VmallocUsed");

	p.other = none_sub(all, p.stacks);
	if (b->f->vmalloc.count == 0)
		return p;
	for (size_t i = 0; i < b->f->vmalloc.count; i++) {
		const struct fact_vmalloc *v = &b->f->vmalloc.rows[i];
		uint64_t *sum = &other;

		if (is_stack(v->caller))
			sum = &in_vmalloc;
		else if (is_bpf(v->caller))
			sum = &bpf;
		else if (is_packet_ring(v->caller))
			sum = &p.packet_rings;
		*sum = none_add(*sum, or_zero(v->bytes));
	}
	if (p.stacks != FACT_NONE && in_vmalloc > p.stacks)
		p.stacks = in_vmalloc;
	p.bpf = bpf;
	p.other = b->f->vmalloc.cut
			  ? none_sub(all, none_add(none_add(in_vmalloc, bpf), p.packet_rings))
			  : other;
	return p;
}

/* ------------------------------------------------------------------ kernel objects */

static bool objects_captured(const struct model_build *b)
{
	const struct fact_collector *c = facts_collector(b->f, "kernel-objects");

	return b->f->kernel_objects.count ||
	       (c && c->status && (!strcmp(c->status, "ok") || !strcmp(c->status, "partial")));
}

/*
 * What objects of a kind hold in whole pages that are in no other counter.  Slab (the heads of
 * socket buffers) and vmalloc (BPF maps) are counted where they lie.  FACT_NONE: the kind was not
 * looked at, or there are some, and of none is it known.
 */
static uint64_t object_pages(const struct model_build *b, const char *kind)
{
	uint64_t bytes = FACT_NONE;
	bool any = false;

	if (!objects_captured(b))
		return FACT_NONE;
	for (size_t i = 0; i < b->f->kernel_objects.count; i++) {
		const struct fact_kernel_object *o = &b->f->kernel_objects.rows[i];

		if (!o->kind || strcmp(o->kind, kind) != 0)
			continue;
		if (o->count == 0)
			return FACT_NONE;
		any = true;
		if (o->page_bytes != FACT_NONE)
			bytes = none_add(or_zero(bytes), o->page_bytes);
	}
	return any ? bytes : 0;
}

/*
 * Pages of page pools.  The scan knows them by their mark, whoever has them, when it looked at
 * every frame; else those that the kernel tells of (of one network namespace, since 6.8), and at
 * least those that stand in the queues of sockets.
 */
static uint64_t page_pools(const struct model_build *b)
{
	uint64_t told = object_pages(b, "page-pool"), seen = FACT_NONE, waiting = 0;

	for (size_t i = 0; b->sampled && b->design.exact && i < b->f->page_types.count; i++) {
		const struct fact_page_type *t = &b->f->page_types.rows[i];

		if (t->kind && !strcmp(t->kind, "page-pool"))
			seen = none_mul(t->pages, b->page_size);
	}
	if (seen != FACT_NONE)
		return seen;
	for (size_t i = 0; i < b->f->kernel_objects.count; i++)
		waiting = none_add(waiting, or_zero(b->f->kernel_objects.rows[i].pool_bytes));
	if (told == FACT_NONE)
		return waiting ? waiting : FACT_NONE;
	return told > waiting ? told : waiting;
}

/* Every block of the rings is in object_pages() already, those in vmalloc space too: what of them
 * was seen there and has no ring is memory all the same. */
static uint64_t network(const struct model_build *b, uint64_t rings_in_vmalloc)
{
	uint64_t rings = object_pages(b, "packet-ring"), queues = object_pages(b, "socket");
	uint64_t pools = page_pools(b);

	if (rings == FACT_NONE || rings < rings_in_vmalloc)
		rings = rings_in_vmalloc ? rings_in_vmalloc : rings;
	if (rings == FACT_NONE && queues == FACT_NONE && pools == FACT_NONE)
		return FACT_NONE;
	return none_add(none_add(or_zero(rings), or_zero(queues)), or_zero(pools));
}

/* The devices of zram say it themselves; NR_ZSPAGES counts zsmalloc's pages, which are zram's and
 * zswap's, where the latter uses zsmalloc. */
static uint64_t zram(const struct model_build *b, const char **ret_source)
{
	uint64_t bytes = FACT_NONE;

	for (size_t i = 0; i < b->f->counters.count; i++) {
		const struct fact_counter *c = &b->f->counters.rows[i];

		if (c->file && !strcmp(c->file, "zram") && c->last != FACT_NONE)
			bytes = none_add(or_zero(bytes), c->last);
	}
	*ret_source = "mm_stat: mem_used_total";
	if (bytes != FACT_NONE)
		return bytes;
	*ret_source = "nr_zspages − Zswap";
	return none_sub(vmstat(b, "nr_zspages"), or_zero(meminfo(b, "Zswap")));
}

/*
 * What drivers have allocated from areas that are set aside for it (mm/cma.c).  CmaTotal − CmaFree
 * would be wrong: until a driver asks, the areas are lent to page cache and heap, which are counted
 * there.  Areas of hugetlb (hugetlb_cma=) are in Hugetlb.
 */
static uint64_t cma(const struct model_build *b)
{
	uint64_t pages = FACT_NONE;

	for (size_t i = 0; i < b->f->counters.count; i++) {
		const struct fact_counter *c = &b->f->counters.rows[i];
		uint64_t n = FACT_NONE;

		if (!c->file || !c->key || !strncmp(c->key, "hugetlb", 7))
			continue;
		/* Of each area the best of three: what is allocated, or what is left, or both of
		 * what was ever allocated and given back. */
		if (!strcmp(c->file, "cma_used"))
			n = c->last;
		else if (!strcmp(c->file, "cma_total_pages") &&
			 facts_counter(b->f, "cma_used", c->key) == FACT_NONE)
			n = none_sub(c->last, facts_counter(b->f, "cma_available_pages", c->key));
		else if (!strcmp(c->file, "cma_alloc_pages_success") &&
			 facts_counter(b->f, "cma_used", c->key) == FACT_NONE &&
			 facts_counter(b->f, "cma_available_pages", c->key) == FACT_NONE)
			n = none_sub(c->last,
				     facts_counter(b->f, "cma_release_pages_success", c->key));
		if (n != FACT_NONE)
			pages = none_add(or_zero(pages), n);
	}
	return none_mul(pages, b->page_size);
}

/*
 * GPUActive and GPUReclaim are pages of TTM and of its pool (6.18 and later).  Before that nothing
 * counts them but the clients of those drivers that stand on TTM, each for itself.
 */
static uint64_t gpu(const struct model_build *b, const char **ret_source)
{
	uint64_t bytes = none_add(meminfo(b, "GPUActive"), or_zero(meminfo(b, "GPUReclaim")));

	*ret_source = "GPUActive + GPUReclaim";
	if (bytes != FACT_NONE)
		return bytes;
	*ret_source = "fdinfo: drm-resident − drm-shared";
	bytes = object_pages(b, "drm");
	return bytes == 0 ? FACT_NONE : bytes;
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
	/* Events, one a page, of the drivers that let their pages be moved (virtio, VMware). */
	if (bytes == FACT_NONE)
		bytes = none_sub(vmstat(b, "balloon_inflate"), vmstat(b, "balloon_deflate"));
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
	struct vmalloc_parts areas = vmalloc_parts(b);
	uint64_t mapped = file_mapped(b), bytes, iommu, kvm;
	const char *source;
	uint64_t files = none_sub(meminfo(b, "Cached"), meminfo(b, "Shmem"));

	m->memory_total = meminfo(b, "MemTotal");
	m->memory_available = meminfo(b, "MemAvailable");
	m->parts = arena_alloc(b->arena, MAX_PARTS * sizeof(*m->parts));
	if (!m->parts)
		return -ENOMEM;

	bytes = free_bytes(b, &source);
	part(b, "free", "Free", source, bytes);
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
	/* NR_PAGETABLE, and NR_SECONDARY_PAGETABLE (KVM, IOMMU) since 6.1; which of the latter are
	 * an IOMMU's is told since 6.11. */
	iommu = vmstat(b, "nr_iommu_pages");
	kvm = none_sub(meminfo(b, "SecPageTables"), iommu);
	part(b, "page-tables", "Page tables",
	     kvm == FACT_NONE ? "PageTables + SecPageTables" : "PageTables + nr_iommu_pages",
	     none_add(meminfo(b, "PageTables"),
		      or_zero(kvm == FACT_NONE ? meminfo(b, "SecPageTables") : iommu)));
	part(b, "kernel-stacks", "Kernel stacks", "KernelStack", areas.stacks);
	/* pcpu_nr_pages() (mm/percpu.c) also counts the first chunk, which is from before the page
	 * allocator: some 0.2 MiB a CPU too much. */
	part(b, "percpu", "Per-CPU data", "Percpu", meminfo(b, "Percpu"));
	part(b, "vmalloc",
	     b->f->vmalloc.count ? "vmalloc, without stacks and BPF" : "vmalloc, without stacks",
	     b->f->vmalloc.count ? "vmallocinfo" : "VmallocUsed − KernelStack", areas.other);
	/* Pages of hugetlbfs are in no other counter; boot-time gigantic ones are added to the
	 * managed pages (gather_bootmem_prealloc()). */
	part(b, "huge-pages", "Huge page pool", "Hugetlb", huge_pages(b));
	part(b, "balloon", "Balloon", "Balloon", balloon(b));
	bytes = zram(b, &source);
	part(b, "zram", "zram", source, bytes);
	part(b, "zswap", "zswap", "Zswap", meminfo(b, "Zswap"));
	part(b, "cma", "CMA, allocated by drivers", "cma: pages allocated", cma(b));
	bytes = gpu(b, &source);
	part(b, "gpu", "GPU drivers", source, bytes);
	/* __get_free_pages() of alloc_one_pg_vec_page(), and fragments of socket buffers. */
	part(b, "network", "Network buffers",
	     "packet_sock rings + fragments of socket buffers + page pools",
	     network(b, areas.packet_rings));
	/* alloc_page() of pipe_write(), and the pages a pipe keeps for the next write. */
	part(b, "pipes", "Pipes", "pipe_inode_info: buffers that write(2) filled",
	     object_pages(b, "pipe"));
	/* Those of system heaps, and of a memfd that was closed; a memfd's own are in Shmem, a
	 * driver's in what that driver counts. */
	part(b, "dma-buf", "DMA buffers", "dma_buf: system heaps, udmabuf without its memfd",
	     object_pages(b, "dma-buf"));
	part(b, "io-uring", "io_uring rings", "io_ring_ctx: entries", object_pages(b, "io-uring"));
	/* Ring buffers are pages of their own, mapped by vmap(). */
	part(b, "bpf", "BPF maps and programs", "vmallocinfo: kernel/bpf + ring buffers",
	     none_add(areas.bpf, or_zero(object_pages(b, "bpf-map"))));
	/* The page tables of guests.  Their memory is that of the processes that run them, heap or
	 * shared memory or huge pages; memslots are slab. */
	part(b, "kvm", "KVM: page tables of guests", "SecPageTables − nr_iommu_pages", kvm);
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
	return model_build_accounts(b);
}
