/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the kernel's memory: several sources behind one interface.
 *
 *   read    contiguous virtual memory; the bulk path (struct pages of a whole range at once)
 *   gather  many small reads at scattered addresses in one go; the sampling path
 *
 * Nothing above this line knows which source it stands on.  A source never allocates after it was
 * opened and never reads what it was not asked for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/err.h"
#include "../base/sysroot.h"
#include "../options.h"
#include "layout.h"

struct kmem_source;

struct kmem_range { /* page frames [start, end) that are RAM */
	uint64_t start_pfn, end_pfn;
};
#define KMEM_MAX_RANGES 4096

struct kmem_source_ops {
	const char *name; /* as in the contract: kcore, bpf, core-file */
	/*
	 * len bytes from kernel virtual address addr.  *ret points to them: into buf, or into
	 * memory of the source (no copy then), which is valid until the next gather, or read of
	 * more than KMEM_ITEM_MAX bytes.  len is at most KMEM_READ_MAX.  0, or -EFAULT when any of
	 * it cannot be read, or another negative errno when the source itself failed.
	 */
	int (*read)(struct kmem_source *s, uint64_t addr, void *buf, size_t len, const void **ret);
	/*
	 * n reads of size bytes each, from addr[i] to *ret + i * size; an unreadable one is filled
	 * with zeros and counted in *ret_faults.  n * size is at most KMEM_READ_MAX, n at most
	 * KMEM_GATHER_MAX, size at most KMEM_ITEM_MAX.
	 */
	int (*gather)(struct kmem_source *s, const uint64_t *addr, size_t n, size_t size, void *buf,
		      const void **ret, size_t *ret_faults);
	/*
	 * As gather, of struct pages: what the layout does not use of them (layout_page_words())
	 * may be left 0.  May be NULL, as may words.
	 */
	int (*pages)(struct kmem_source *s, const uint64_t *addr, size_t n, void *buf,
		     const void **ret, size_t *ret_faults);
	/*
	 * n single words from addr[i], n at most KMEM_GATHER_MAX; an unreadable one is 0.  *ret is
	 * valid until the next gather, pages or words.  -ENOTSUP: gather longer items instead.
	 */
	int (*words)(struct kmem_source *s, const uint64_t *addr, size_t n, const uint64_t **ret);
	/* So many struct pages will be gathered: prepare, if it pays.  May be NULL. */
	void (*expect)(struct kmem_source *s, uint64_t samples);
	/* Any time after reading: -ESTALE when what was read may be wrong, because memory was
	 * hot-added, say.  0 with words in e: it is right, but those are worth to be told. */
	int (*finish)(struct kmem_source *s, struct err *e);
	void (*close)(struct kmem_source *s);
};
#define KMEM_READ_MAX (256u << 10)
#define KMEM_GATHER_MAX 4096u
#define KMEM_ITEM_MAX 4096u

struct kmem_source {
	const struct kmem_source_ops *ops;
	/* Filled by open(): the base of struct page's virtual map, and the RAM of the machine. */
	uint64_t vmemmap_base;
	size_t page_struct_size, page_size;
	struct kmem_range *ranges; /* ascending, disjoint; owned by the source */
	size_t range_count;
	uint64_t own_task; /* a task_struct of ours, where the source came by it; else 0 */
	uint32_t ns_per_page, ns_per_sample; /* what reading costs, roughly: for planning */
	uint32_t recorded_one_in;	     /* of a recording: how it was sampled; 0: it is none */
	uint64_t recorded_seed;
	void *buffer; /* KMEM_READ_MAX, for sources that copy; may be NULL */
};

/*
 * Open the best source that works (MEMORY_AUTO: kcore, then bpf), or the one that was asked for;
 * rung.h has the rungs below these.  Every rung that was tried and refused stands in e, also when
 * a lower one was taken.
 * -EPERM/-EACCES: no privilege; -ENOTSUP: this kernel offers none.  l must outlive the source.
 */
int kmem_open(struct kmem_source **ret, const struct capture_options *o, const struct sysroot *root,
	      const struct kmem_layout *l, struct err *e);
void kmem_close(struct kmem_source *s);

/* One rung each; as kmem_open(). */
int kmem_open_kcore(struct kmem_source **ret, const struct sysroot *root,
		    const struct kmem_layout *l, struct err *e);
int kmem_open_bpf(struct kmem_source **ret, const struct sysroot *root, const struct kmem_layout *l,
		  struct err *e);
int kmem_open_core(struct kmem_source **ret, const char *file, const struct sysroot *root,
		   const struct kmem_layout *l, struct err *e);

/* "System RAM" of /proc/iomem.  Allocates *ret.  -EACCES: the addresses are hidden from us. */
int kmem_ranges_from_iomem(struct kmem_range **ret, size_t *ret_count, const struct sysroot *root,
			   size_t page_size, struct err *e);

/* The level of the kernel's lockdown ("none", "integrity", "confidentiality"), "" when not known.
 */
#define KMEM_LOCKDOWN 32
void kmem_lockdown(const struct sysroot *root, char out[KMEM_LOCKDOWN]);

/* Copy, of any length up to KMEM_READ_MAX. */
int kmem_read(struct kmem_source *s, uint64_t addr, void *buf, size_t len);
/* As ops->gather, of any n and size: in as many calls as it takes. */
int kmem_gather(struct kmem_source *s, const uint64_t *addr, size_t n, size_t size, void *buf,
		size_t *ret_faults);
/* As ops->pages, or ops->gather where the source has no way of its own for struct pages. */
int kmem_pages(struct kmem_source *s, const uint64_t *addr, size_t n, void *buf, const void **ret,
	       size_t *ret_faults);
/* As ops->words; -ENOTSUP where the source has none. */
int kmem_words(struct kmem_source *s, const uint64_t *addr, size_t n, const uint64_t **ret);
/* In place, of at most KMEM_READ_MAX bytes. */
int kmem_view(struct kmem_source *s, uint64_t addr, size_t len, const void **ret);

uint64_t kmem_page_count(const struct kmem_source *s);
static inline uint64_t kmem_page_addr(const struct kmem_source *s, uint64_t pfn)
{
	return s->vmemmap_base + pfn * s->page_struct_size;
}
