/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel memory from files with program headers: /proc/kcore, and ELF cores that carry virtual
 * addresses: our own recordings, or a copy of kcore.
 */
#include "kmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elfcore.h"
#include "record.h"

struct core_source {
	struct kmem_source s;
	struct elfcore core;
	bool live;
};

static struct core_source *of(struct kmem_source *s)
{
	return (struct core_source *)s;
}

static int core_read(struct kmem_source *s, uint64_t addr, void *buf, size_t len, const void **ret)
{
	int r = elfcore_read(&of(s)->core, addr, buf, len);

	if (r == 0)
		*ret = buf;
	return r;
}

static int core_gather(struct kmem_source *s, const uint64_t *addr, size_t n, size_t size,
		       void *buf, const void **ret, size_t *ret_faults)
{
	size_t faults = 0;

	for (size_t i = 0; i < n; i++) {
		if (elfcore_read(&of(s)->core, addr[i], (char *)buf + i * size, size) == 0)
			continue;
		memset((char *)buf + i * size, 0, size);
		faults++;
	}
	*ret = buf;
	*ret_faults = faults;
	return 0;
}

/* Memory that is added or removed meanwhile may move every offset of kcore. */
static int core_finish(struct kmem_source *s, struct err *e)
{
	bool changed;
	int r;

	if (!of(s)->live)
		return 0;
	r = elfcore_changed(&of(s)->core, &changed);
	if (r < 0)
		return err_set(e, ESTALE,
			       "/proc/kcore: its layout changed during the scan (memory "
			       "was added or removed)");
	if (changed)
		err_set(e, ESTALE,
			"memory was added or removed during the scan; what is new was not "
			"looked at");
	return 0;
}

static void core_close(struct kmem_source *s)
{
	elfcore_close(&of(s)->core);
	free(s->ranges);
	free(s->buffer);
	free(s);
}

static const struct kmem_source_ops kcore_ops = {.name = "kcore",
						 .read = core_read,
						 .gather = core_gather,
						 .finish = core_finish,
						 .close = core_close};
static const struct kmem_source_ops core_ops = {.name = "core-file",
						.read = core_read,
						.gather = core_gather,
						.finish = core_finish,
						.close = core_close};

/* ------------------------------------------------------------------ kcore's layout */

/* Where a RAM segment's struct pages start, if base were 0: pages of the map are mapped whole. */
static uint64_t map_start(const struct kmem_source *s, uint64_t paddr)
{
	uint64_t bytes = paddr / s->page_size * s->page_struct_size;

	return bytes & ~((uint64_t)s->page_size - 1);
}

static uint64_t map_size(const struct kmem_source *s, uint64_t paddr, uint64_t size)
{
	uint64_t end = (paddr + size) / s->page_size * s->page_struct_size;

	end = (end + s->page_size - 1) & ~((uint64_t)s->page_size - 1);
	return end - map_start(s, paddr);
}

/* Whether one segment holds the struct pages of that range, if the map began at base. */
static bool holds_map(const struct core_source *c, uint64_t base, const struct kmem_range *g)
{
	uint64_t paddr = g->start_pfn * c->s.page_size;
	uint64_t at = base + map_start(&c->s, paddr);
	uint64_t size = map_size(&c->s, paddr, g->end_pfn * c->s.page_size - paddr);
	size_t low = 0, high = c->core.count;
	const struct elf_segment *h;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->core.segments[mid].vaddr <= at)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return false;
	h = &c->core.segments[low - 1];
	return at - h->vaddr < h->size && size <= h->size - (at - h->vaddr);
}

static uint64_t votes_for(const struct core_source *c, uint64_t base)
{
	uint64_t votes = 0;

	for (size_t i = 0; i < c->s.range_count; i++) {
		if (holds_map(c, base, &c->s.ranges[i]))
			votes += c->s.ranges[i].end_pfn - c->s.ranges[i].start_pfn;
	}
	return votes;
}

#define MAX_CANDIDATES 256
#define MAX_KCORE_SEGMENTS 16384

/*
 * For each RAM segment kcore has one with its struct pages (page-rounded).  The pair is found by
 * its size: base = vaddr of the second − frame of the first × sizeof(struct page), and nearly all
 * of RAM has to agree.
 */
static int find_base(struct core_source *c, struct err *e)
{
	uint64_t best = 0, best_votes = 0, total = kmem_page_count(&c->s);
	int candidates = 0;

	for (size_t i = 0; i < c->s.range_count; i++) {
		const struct kmem_range *g = &c->s.ranges[i];
		uint64_t paddr = g->start_pfn * c->s.page_size;
		uint64_t size = map_size(&c->s, paddr, g->end_pfn * c->s.page_size - paddr);

		for (size_t k = 0; k < c->core.count && candidates < MAX_CANDIDATES; k++) {
			uint64_t base = c->core.segments[k].vaddr - map_start(&c->s, paddr), votes;

			if (c->core.segments[k].size != size || base == best)
				continue;
			candidates++;
			votes = votes_for(c, base);
			if (votes > best_votes) {
				best_votes = votes;
				best = base;
			}
		}
		if (best_votes > total / 2)
			break;
	}
	if (!total || best_votes < total - total / 16)
		return err_set(e, EPROTO, "kcore: no segment fits the struct pages of RAM");
	c->s.vmemmap_base = best;
	return 0;
}

/* RAM segments: those whose vaddr − paddr is the one that covers most memory of plausible size. */
static int ranges_from_segments(struct core_source *c, struct err *e)
{
	uint64_t best = 0, best_size = 0;
	size_t n = 0;

	for (size_t i = 0; i < c->core.count; i++) {
		const struct elf_segment *g = &c->core.segments[i];
		uint64_t size = 0;

		/* vmalloc and modules have no physical address (−1; 0 on older kernels), and the
		 * kernel's text is RAM a second time, at another difference. */
		if (g->paddr == UINT64_MAX || g->vaddr - g->paddr == best ||
		    (g->paddr == 0 && g->size >= 1ULL << 44))
			continue;
		for (size_t k = 0; k < c->core.count; k++) {
			const struct elf_segment *h = &c->core.segments[k];

			if (h->paddr != UINT64_MAX && h->vaddr - h->paddr == g->vaddr - g->paddr &&
			    h->size < 1ULL << 44)
				size += h->size;
		}
		if (size > best_size) {
			best_size = size;
			best = g->vaddr - g->paddr;
		}
	}
	c->s.ranges = calloc(c->core.count + 1, sizeof(*c->s.ranges));
	if (!c->s.ranges)
		return err_errno(e, ENOMEM, "kcore");
	for (size_t i = 0; i < c->core.count && best_size; i++) {
		const struct elf_segment *g = &c->core.segments[i];

		if (g->paddr == UINT64_MAX || g->vaddr - g->paddr != best || g->size >= 1ULL << 44)
			continue;
		c->s.ranges[n++] = (struct kmem_range){g->paddr / c->s.page_size,
						       (g->paddr + g->size) / c->s.page_size};
	}
	c->s.range_count = n;
	return n ? 0 : err_set(e, ENODATA, "kcore: no segment has a physical address");
}

/* ------------------------------------------------------------------ opening */

static struct core_source *create(const struct kmem_layout *l)
{
	struct core_source *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->core.fd = -1;
	c->s.page_struct_size = l->page.size;
	c->s.page_size = (size_t)sysconf(_SC_PAGESIZE);
	c->s.buffer = malloc(KMEM_READ_MAX);
	if (c->s.buffer)
		return c;
	free(c);
	return NULL;
}

static int by_kcore_layout(struct core_source *c, const struct sysroot *root, struct err *e)
{
	struct err ignored = {0};
	int r;

	if (c->core.count > MAX_KCORE_SEGMENTS)
		return err_set(e, E2BIG, "kcore: %zu segments, more than any kernel has",
			       c->core.count);
	/* iomem says the same as the RAM segments, and needs no guessing where it can be read. */
	r = kmem_ranges_from_iomem(&c->s.ranges, &c->s.range_count, root, c->s.page_size, &ignored);
	if (r == 0 && find_base(c, e) == 0)
		return 0;
	free(c->s.ranges);
	c->s.ranges = NULL;
	r = ranges_from_segments(c, e);
	return r < 0 ? r : find_base(c, e);
}

int kmem_open_kcore(struct kmem_source **ret, const struct sysroot *root,
		    const struct kmem_layout *l, struct err *e)
{
	struct core_source *c;
	int fd = openat(root->proc_fd, "kcore", O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return err_errno(e, errno, "/proc/kcore");
	c = create(l);
	if (!c) {
		close(fd);
		return err_errno(e, ENOMEM, "/proc/kcore");
	}
	c->s.ops = &kcore_ops;
	c->s.ns_per_page = 25;
	c->s.ns_per_sample = 700;
	c->live = true;
	r = elfcore_open(&c->core, fd, "/proc/kcore", e);
	if (r == 0)
		r = by_kcore_layout(c, root, e);
	if (r < 0) {
		core_close(&c->s);
		return r;
	}
	*ret = &c->s;
	return 0;
}

static int by_note(struct core_source *c, const char *file, struct err *e)
{
	struct record_note note;
	const void *data;
	size_t len;

	if (elfcore_note(&c->core, RECORD_NOTE_NAME, RECORD_NOTE_TYPE, &data, &len) < 0)
		return -ENOENT;
	if (len < sizeof(note))
		return err_set(e, EBADMSG, "%s: its note is cut", file);
	memcpy(&note, data, sizeof(note));
	if (note.version != 2)
		return err_set(e, EPROTONOSUPPORT, "%s: a recording of version %llu", file,
			       (unsigned long long)note.version);
	if (note.page_struct_size != c->s.page_struct_size)
		return err_set(e, EINVAL,
			       "%s: struct page has %llu bytes, but %zu by the types given "
			       "(--btf)",
			       file, (unsigned long long)note.page_struct_size,
			       c->s.page_struct_size);
	if (note.range_count > KMEM_MAX_RANGES || note.page_size < 4096 || note.page_size > 65536 ||
	    (len - sizeof(note)) / 16 < note.range_count)
		return err_set(e, EBADMSG, "%s: its note is out of range", file);
	c->s.ranges = malloc((note.range_count + 1) * sizeof(*c->s.ranges));
	if (!c->s.ranges)
		return err_errno(e, ENOMEM, file);
	memcpy(c->s.ranges, (const char *)data + sizeof(note), note.range_count * 16);
	for (size_t i = 0; i < note.range_count; i++) {
		const struct kmem_range *g = &c->s.ranges[i];

		if (g->end_pfn < g->start_pfn || g->end_pfn > 1ULL << 40 ||
		    (i && g->start_pfn < g[-1].end_pfn))
			return err_set(e, EBADMSG, "%s: its note is out of range", file);
	}
	c->s.range_count = note.range_count;
	c->s.vmemmap_base = note.vmemmap_base;
	c->s.page_size = note.page_size;
	c->s.recorded_one_in = note.one_in <= 1u << 20 ? (uint32_t)note.one_in : 0;
	c->s.recorded_seed = note.seed;
	return 0;
}

int kmem_open_core(struct kmem_source **ret, const char *file, const struct sysroot *root,
		   const struct kmem_layout *l, struct err *e)
{
	struct core_source *c;
	int fd = open(file, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return err_errno(e, errno, file);
	c = create(l);
	if (!c) {
		close(fd);
		return err_errno(e, ENOMEM, file);
	}
	c->s.ops = &core_ops;
	c->s.ns_per_page = 25;
	c->s.ns_per_sample = 700;
	r = elfcore_open(&c->core, fd, file, e);
	if (r == 0) {
		r = by_note(c, file, e);
		if (r == -ENOENT)
			r = by_kcore_layout(c, root, e);
	}
	if (r < 0) {
		core_close(&c->s);
		return r;
	}
	*ret = &c->s;
	return 0;
}
