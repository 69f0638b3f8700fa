/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second account of memory.  The scan looked at the page frames themselves and saw what kind
 * each is; the kernel's counters were kept by whoever allocated them.  Each kind is set against the
 * counters that should say the same, so that a lie of either shows.
 *
 * The counters move while the scan runs: what they changed over the window, and the capture's own
 * memory, count as the reach of the comparison, beside the interval of the sample.  Frames of the
 * page cache are in pairs of which the archive tells only theirs, so the intervals here are
 * binomial ones, which are never too narrow.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "../capture/base/cleanup.h"
#include "model_build.h"

/* Pages that are on their way, or were taken at boot: as much as may be unaccounted for. */
#define SLACK 0.003

struct counted {
	double first, last; /* NaN: not measured */
};

static const struct {
	const char *what, *kinds, *counters;
	const char *about; /* what an honest difference may be, or NULL */
} rows[] = {
	{"Free", "free buddy", "MemFree + per-CPU lists",
	 "the later pages of a block that a driver took as one count as free here"},
	{"Anonymous", "anon swap-cache", "AnonPages", NULL},
	{"Files", "file", "Cached + Buffers − Shmem", NULL},
	{"Shared memory", "shmem", "Shmem", NULL},
	{"Slab", "slab large-kmalloc", "SReclaimable + SUnreclaim",
	 "before 6.18 pages of large kmallocs have no mark and stand among the others"},
	{"Page tables", "page-table", "PageTables + SecPageTables", NULL},
	{"Huge pages", "hugetlb", "Hugetlb", NULL},
	{"Compressed (zram, zswap)", "zsmalloc", "nr_zspages",
	 "before 6.11 these pages have no mark and stand among the others"},
	{"Other kernel memory", "other page-pool movable offline unknown guard unaccepted",
	 "the parts that lie in pages without a mark",
	 "pages that drivers took and no counter has: what is unaccounted for"},
};
enum {
	ROW_FREE,
	ROW_ANON,
	ROW_FILES,
	ROW_SHMEM,
	ROW_SLAB,
	ROW_TABLES,
	ROW_HUGE,
	ROW_ZS,
	ROW_OTHER
};

static double number(uint64_t v)
{
	return v == FACT_NONE ? (double)NAN : (double)v;
}

static double or_none(double v)
{
	return isnan(v) ? 0 : v;
}

static struct counted meminfo(const struct model_build *b, const char *key)
{
	return (struct counted){number(facts_counter_first(b->f, "meminfo", key)),
				number(facts_counter(b->f, "meminfo", key))};
}

static struct counted plus(struct counted a, struct counted b, double sign)
{
	return (struct counted){a.first + sign * b.first, a.last + sign * b.last};
}

static struct counted optional(struct counted c)
{
	return (struct counted){or_none(c.first), or_none(c.last)};
}

static uint64_t part_bytes(const struct model *m, const char *id)
{
	for (size_t i = 0; i < m->part_count; i++)
		if (!strcmp(m->parts[i].id, id))
			return m->parts[i].bytes;
	return FACT_NONE;
}

static struct counted once(double bytes)
{
	return (struct counted){bytes, bytes};
}

/* Kernel stacks that lie in vmalloc space, per-CPU chunks, vmalloc areas, rings, pipes … */
static struct counted other_parts(const struct model *m)
{
	static const char *const ids[] = {"kernel-stacks", "percpu", "vmalloc",	 "bpf",
					  "network",	   "pipes",  "io-uring", "dma-buf",
					  "gpu",	   "arc",    "balloon",	 "driver-other",
					  "cma",	   "kvm"};
	double sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		sum += or_none(number(part_bytes(m, ids[i])));
	return once(sum);
}

/* From 6.11 on the page tables of guests are a part of their own, which stands among the others. */
static bool has_kvm(const struct model *m)
{
	return part_bytes(m, "kvm") != FACT_NONE;
}

static struct counted iommu_tables(const struct model_build *b)
{
	uint64_t first = facts_counter_first(b->f, "vmstat", "nr_iommu_pages");
	uint64_t last = facts_counter(b->f, "vmstat", "nr_iommu_pages");

	return (struct counted){number(none_mul(first, b->page_size)),
				number(none_mul(last, b->page_size))};
}

static struct counted counted_of(const struct model_build *b, size_t row)
{
	uint64_t pages;

	switch (row) {
	case ROW_FREE: {
		struct counted c = meminfo(b, "MemFree");
		double part = number(part_bytes(b->m, "free"));

		/* What the per-CPU lists hold is known at the end; the free memory is both. */
		return isnan(part) ? c : (struct counted){c.first + part - c.last, part};
	}
	case ROW_ANON:
		return meminfo(b, "AnonPages");
	case ROW_FILES:
		return plus(plus(meminfo(b, "Cached"), meminfo(b, "Buffers"), 1),
			    meminfo(b, "Shmem"), -1);
	case ROW_SHMEM:
		return meminfo(b, "Shmem");
	case ROW_SLAB:
		return plus(meminfo(b, "SReclaimable"), meminfo(b, "SUnreclaim"), 1);
	case ROW_TABLES:
		return plus(meminfo(b, "PageTables"),
			    optional(has_kvm(b->m) ? iommu_tables(b) : meminfo(b, "SecPageTables")),
			    1);
	case ROW_HUGE:
		return meminfo(b, "Hugetlb");
	case ROW_ZS:
		pages = facts_counter(b->f, "vmstat", "nr_zspages");
		return once(number(none_mul(pages, b->page_size)));
	default:
		return other_parts(b->m);
	}
}

static bool names(const char *list, const char *kind)
{
	size_t len = strlen(kind);

	for (const char *p = list; len && (p = strstr(p, kind)); p += len)
		if ((p == list || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return true;
	return false;
}

/* Frames of these kinds; *ret_any: the scan told some of them. */
static uint64_t frames_of(const struct facts *f, const char *kinds)
{
	uint64_t n = 0;

	for (size_t i = 0; i < f->page_types.count; i++) {
		const struct fact_page_type *t = &f->page_types.rows[i];

		if (t->kind && names(kinds, t->kind))
			n = none_add(n, or_zero(t->pages));
	}
	return n;
}

/* The capture's own memory was in use when the scan looked, and is free again at the end. */
static double observer(const struct facts *f, size_t row)
{
	if (!f->archive.count || (row != ROW_FREE && row != ROW_ANON))
		return 0;
	return or_none(number(f->archive.rows[0].observer_max_rss_bytes));
}

static void compare(struct model_account *a, struct counted c, double own, double total)
{
	double moved = fabs(c.last - c.first) + own;

	a->counted = c.last;
	a->difference = a->frames.bytes - c.last;
	a->reach = fmax(a->frames.high - a->frames.bytes, a->frames.bytes - a->frames.low) + moved +
		   SLACK * total;
	a->agrees = isnan(a->difference) || fabs(a->difference) <= a->reach;
}

int model_build_accounts(struct model_build *b)
{
	struct sample_design design = b->design;
	struct model *m = b->m;
	double total = number(m->memory_total);

	if (!b->sampled || !b->f->page_types.count || isnan(total))
		return 0;
	m->accounts = arena_alloc(b->arena, ARRAY_SIZE(rows) * sizeof(*m->accounts));
	if (!m->accounts)
		return -ENOMEM;
	design.paired = false;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tally t = {.pages = frames_of(b->f, rows[i].kinds)};
		struct model_account *a = &m->accounts[m->account_count];
		struct counted c = counted_of(b, i);

		/* A kind that this kernel does not mark, and none of that memory. */
		if (!t.pages && !(c.last > 0))
			continue;
		*a = (struct model_account){.what = rows[i].what,
					    .kinds = rows[i].kinds,
					    .counters = i == ROW_TABLES && has_kvm(m)
								? "PageTables + nr_iommu_pages"
								: rows[i].counters,
					    .about = rows[i].about,
					    .frames = estimate_total(&design, &t)};
		compare(a, c, observer(b->f, i), total);
		m->account_count++;
	}
	return 0;
}
