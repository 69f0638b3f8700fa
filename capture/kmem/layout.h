/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the members of the kernel's structures are, by BTF and by nothing else.  layout.c is the
 * one place that names each rename between kernels.  A member this kernel does not have is
 * KMEM_ABSENT; what cannot be done without it is then not done, and said.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../base/err.h"
#include "../base/sysroot.h"

struct btf;
#define KMEM_ABSENT UINT32_MAX

struct kmem_field {
	uint32_t offset; /* bytes from the start of the structure, or KMEM_ABSENT */
	uint32_t size;	 /* bytes */
};

/* How this kernel writes the type of a page that has no mapcount (buddy, slab, page table …). */
enum page_type_form {
	PAGE_TYPE_BITS, /* ≤ 6.11: base bits set, and the type's own bit cleared */
	PAGE_TYPE_BYTE, /* ≥ 6.12: the top byte is the type */
};

/* Page types, in either form; 0: this kernel does not tell that type. */
struct kmem_page_types {
	enum page_type_form form;
	uint32_t base; /* PAGE_TYPE_BITS: the bits all typed pages have */
	uint32_t buddy, offline, table, guard, hugetlb, slab, zsmalloc, unaccepted, large_kmalloc,
		netpp;
};

/* Masks of single page flags; 0: not a flag of this kernel. */
struct kmem_page_flags {
	uint64_t locked, writeback, dirty, lru, head, active, reserved, swapbacked, unevictable,
		swapcache, slab, hugetlb;
};

struct kmem_layout {
	struct {
		uint32_t size; /* sizeof(struct page) */
		struct kmem_field flags, compound_head, mapping, page_type, mapcount, refcount,
			memcg_data;
		struct kmem_field pp_magic; /* 5.12: of a page pool; may be absent */
		bool compound_info;  /* ≥ 7.1: a tail may hold a mask instead of a pointer */
		bool memcg_is_plain; /* ≤ 5.10: page.mem_cgroup, without flag bits except 0 */
	} page;
	struct {
		/* Of the head's folio, i.e. measured from the head page; any may be absent. */
		struct kmem_field large_mapcount, nr_pages_mapped, compound_mapcount, compound_dtor,
			flags_1;
	} folio;
	struct kmem_page_flags flags;
	struct kmem_page_types types;
	uint32_t hugetlb_dtor; /* value of page[1].compound_dtor, or KMEM_ABSENT */
	struct {
		struct kmem_field host, nrpages, i_pages;
	} mapping;
	struct {
		uint32_t size;
		struct kmem_field data, mode, sb, ino, nlink, rdev, size_bytes, generation, state,
			dentry;
		struct kmem_field mtime, blocks; /* seconds, 512 bytes each; may be absent */
		uint64_t freeing;		 /* i_state bits of an inode on its way out */
	} inode;
	struct {
		uint32_t size;
		struct kmem_field flags, hash_pprev, parent, name_len, name, inode, alias_next;
		struct kmem_field sb, count; /* may be absent */
	} dentry;
	struct {
		uint32_t size;
		struct kmem_field dev, type, flags, magic, root, id;
	} sb;
	struct kmem_field fs_type_name;
	struct { /* cache and freelist of the head page; the rest of its struct kmem_cache (SLUB) */
		struct kmem_field cache, freelist, name, size, oo, red_left_pad;
		struct kmem_field memcg, root_cache; /* ≤ 5.8; else absent */
	} slab;
	struct {
		struct kmem_field memcg_css, css_cgroup, css_ss, css_flags, ss_name, cgroup_kn,
			objcg_memcg;
		uint64_t online, dying; /* css.flags */
	} cgroup;
	struct {
		uint32_t size;
		struct kmem_field parent, name, id;
		bool id_is_ino; /* ≤ 5.4: the inode number is in the low half */
	} kernfs;
	struct { /* from the caller's task to a page of a file it has open */
		struct kmem_field task_files, files_fdt, fdt_fd, file_mapping, pages_head;
	} own;
};

/* One member by its names, as the table in layout.c has them ("newer|older", "member.member").
 * False: this kernel has no such member; *ret is KMEM_ABSENT then. */
bool kmem_find_field(const struct btf *btf, const char *structure, const char *names,
		     struct kmem_field *ret);
/* Of a structure, in bytes; 0: this kernel has none of that name. */
uint32_t kmem_find_size(const struct btf *btf, const char *structure);

/* The kernel's types: file (--btf) or root's /sys/kernel/btf/vmlinux.  btf__free() by the caller.
 */
int kmem_btf_open(struct btf **ret, const char *file, const struct sysroot *root, struct err *e);

/* -ENOTSUP: a member the scan cannot do without is not in these types; e names it. */
int kmem_layout_init(struct kmem_layout *ret, const struct btf *btf, struct err *e);

/* Bit n: the scan looks at word n of a struct page of 64 bytes, be it of a head or of the page
 * that follows it. */
uint32_t layout_page_words(const struct kmem_layout *l);

static inline bool field_present(struct kmem_field f)
{
	return f.offset != KMEM_ABSENT;
}

/* The value of an integer or pointer member of the structure at base; 0 when absent. */
static inline uint64_t field_get(const void *base, struct kmem_field f)
{
	const unsigned char *p = (const unsigned char *)base + f.offset;
	uint64_t v = 0;

	if (!field_present(f))
		return 0;
	switch (f.size) {
	case 1:
		return *p;
	case 2:
		memcpy(&v, p, 2);
		return v;
	case 4:
		memcpy(&v, p, 4);
		return v;
	default:
		memcpy(&v, p, 8);
		return v;
	}
}
