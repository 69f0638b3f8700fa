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

struct kmem_source;
struct btf;

struct kmem_range { /* page frames [start, end) that are RAM */
	uint64_t start_pfn, end_pfn;
};

struct kmem_source_ops {
	const char *name; /* as in the contract: kcore, bpf, core-file */
	/* Copy len bytes from kernel virtual address addr.  0, or -EFAULT when any of it cannot be
	 * read (buf is then undefined), or another negative errno when the source itself failed. */
	int (*read)(struct kmem_source *s, uint64_t addr, void *buf, size_t len);
	/*
	 * n reads of size bytes each, from addr[i] to buf + i * size; an unreadable one is filled
	 * with zeros and counted in *ret_faults.  n is at most KMEM_GATHER_MAX.
	 */
	int (*gather)(struct kmem_source *s, const uint64_t *addr, size_t n, size_t size, void *buf,
		      size_t *ret_faults);
	void (*close)(struct kmem_source *s);
};
#define KMEM_GATHER_MAX 4096

struct kmem_source {
	const struct kmem_source_ops *ops;
	/* Filled by open(): the base of struct page's virtual map, and the RAM of the machine. */
	uint64_t vmemmap_base;
	size_t page_struct_size, page_size;
	struct kmem_range *ranges; /* ascending, disjoint; owned by the source */
	size_t range_count;
};

/*
 * Open the best source that works (MEMORY_AUTO: kcore, then bpf), or the one that was asked for.
 * e explains every rung that was tried and refused.  -EPERM/-EACCES: no privilege; -ENOTSUP: this
 * kernel offers none.  btf: the kernel's types, borrowed, must outlive the source.
 */
int kmem_open(struct kmem_source **ret, const struct capture_options *o, const struct sysroot *root,
	      const struct btf *btf, struct err *e);
void kmem_close(struct kmem_source *s);

static inline int kmem_read(struct kmem_source *s, uint64_t addr, void *buf, size_t len)
{
	return s->ops->read(s, addr, buf, len);
}
