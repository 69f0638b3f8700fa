/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every name by which the scan knows a member of the kernel's structures stands in the table
 * below, older and newer names side by side.  Which of them a kernel has is asked of its BTF,
 * never of its version: vendor kernels move changes across versions.
 */
#include "layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>

#include "../base/cleanup.h"

#define LIBBPF_ERRNO 4000 /* where libbpf's own error numbers begin */
#define MAX_DEPTH 8	  /* of anonymous structs and unions inside each other */

static const struct btf_type *resolve(const struct btf *btf, uint32_t id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	for (int i = 0; t && i < 32; i++) {
		switch (btf_kind(t)) {
		case BTF_KIND_TYPEDEF:
		case BTF_KIND_CONST:
		case BTF_KIND_VOLATILE:
		case BTF_KIND_RESTRICT:
		case BTF_KIND_TYPE_TAG:
			t = btf__type_by_id(btf, t->type);
			break;
		default:
			return t;
		}
	}
	return NULL;
}

/* Find a member by name, through anonymous structs and unions.  Offset in bits from t. */
static const struct btf_member *find_member(const struct btf *btf, const struct btf_type *t,
					    const char *name, size_t name_len, uint32_t *ret_bits,
					    int depth)
{
	const struct btf_member *m;

	if (!t || !btf_is_composite(t) || depth > MAX_DEPTH)
		return NULL;
	m = btf_members(t);
	for (int i = 0; i < btf_vlen(t); i++) {
		const char *s = btf__name_by_offset(btf, m[i].name_off);
		uint32_t bits = btf_member_bit_offset(t, i), inner;
		const struct btf_member *found;

		if (s && *s) {
			if (strlen(s) == name_len && !memcmp(s, name, name_len)) {
				*ret_bits = bits;
				return &m[i];
			}
			continue;
		}
		found = find_member(btf, resolve(btf, m[i].type), name, name_len, &inner,
				    depth + 1);
		if (found) {
			*ret_bits = bits + inner;
			return found;
		}
	}
	return NULL;
}

static const struct btf_type *find_struct(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);

	if (id < 0)
		id = btf__find_by_name_kind(btf, name, BTF_KIND_UNION);
	return id < 0 ? NULL : btf__type_by_id(btf, id);
}

/* path: "member.member", each looked up in the type of the one before. */
static bool find_path(const struct btf *btf, const char *structure, const char *path, size_t len,
		      struct kmem_field *ret)
{
	const struct btf_type *t = find_struct(btf, structure);
	uint32_t total = 0;
	int64_t size = 0;

	while (len) {
		const char *dot = memchr(path, '.', len);
		size_t part = dot ? (size_t)(dot - path) : len;
		uint32_t bits;
		const struct btf_member *m = find_member(btf, t, path, part, &bits, 0);

		if (!m)
			return false;
		total += bits;
		size = btf__resolve_size(btf, m->type);
		t = resolve(btf, m->type);
		path += part + (dot != NULL);
		len -= part + (dot != NULL);
	}
	if (size < 0 || total % 8)
		return false;
	*ret = (struct kmem_field){.offset = total / 8, .size = (uint32_t)size};
	return true;
}

struct member {
	size_t field; /* in struct kmem_layout */
	const char *structure;
	const char *names; /* alternatives, separated by '|', the newest first */
	bool required;
};

#define FIELD(f) offsetof(struct kmem_layout, f)
#define NEED true
#define MAY false

static const struct member members[] = {
	/* struct page.  flags became a struct of one word in 6.18, at the same place. */
	{FIELD(page.flags), "page", "flags", NEED},
	/* 7.1: compound_info, which may hold a mask. */
	{FIELD(page.compound_head), "page", "compound_info|compound_head", NEED},
	{FIELD(page.mapping), "page", "mapping", NEED},
	{FIELD(page.page_type), "page", "page_type|_mapcount", NEED},
	{FIELD(page.mapcount), "page", "_mapcount", NEED},
	{FIELD(page.refcount), "page", "_refcount", NEED},
	/* 5.11: mem_cgroup became memcg_data, with flag bits. */
	{FIELD(page.memcg_data), "page", "memcg_data|mem_cgroup", MAY},
	/* Whether a large folio is mapped: 6.10, 6.3, and before folios page[1]. */
	{FIELD(folio.large_mapcount), "folio", "_large_mapcount", MAY},
	{FIELD(folio.nr_pages_mapped), "folio", "_nr_pages_mapped", MAY},
	{FIELD(folio.compound_mapcount), "page", "compound_mapcount", MAY},
	{FIELD(folio.compound_dtor), "page", "compound_dtor", MAY},
	{FIELD(folio.flags_1), "folio", "_flags_1", MAY},
	{FIELD(mapping.host), "address_space", "host", NEED},
	{FIELD(mapping.nrpages), "address_space", "nrpages", NEED},
	/* 4.17: page_tree became i_pages; 4.20: the radix tree became the xarray. */
	{FIELD(mapping.i_pages), "address_space", "i_pages|page_tree", MAY},
	{FIELD(inode.data), "inode", "i_data", NEED},
	{FIELD(inode.mode), "inode", "i_mode", NEED},
	{FIELD(inode.sb), "inode", "i_sb", NEED},
	{FIELD(inode.ino), "inode", "i_ino", NEED},
	{FIELD(inode.nlink), "inode", "i_nlink|__i_nlink", NEED},
	{FIELD(inode.rdev), "inode", "i_rdev", NEED},
	{FIELD(inode.size_bytes), "inode", "i_size", NEED},
	{FIELD(inode.generation), "inode", "i_generation", NEED},
	/* 6.19: i_state became a struct of one word. */
	{FIELD(inode.state), "inode", "i_state", NEED},
	/* 6.11: a member of its own; 6.6: __i_mtime. */
	{FIELD(inode.mtime), "inode", "i_mtime_sec|__i_mtime.tv_sec|i_mtime.tv_sec", MAY},
	{FIELD(inode.blocks), "inode", "i_blocks", MAY},
	{FIELD(inode.dentry), "inode", "i_dentry.first", NEED},
	{FIELD(dentry.flags), "dentry", "d_flags", NEED},
	{FIELD(dentry.hash_pprev), "dentry", "d_hash.pprev", NEED},
	{FIELD(dentry.parent), "dentry", "d_parent", NEED},
	/* 6.14: d_name is the read-only view of __d_name; the bytes are the same. */
	{FIELD(dentry.name_len), "dentry", "d_name.len|__d_name.len", NEED},
	{FIELD(dentry.name), "dentry", "d_name.name|__d_name.name", NEED},
	{FIELD(dentry.inode), "dentry", "d_inode", NEED},
	/* 7.1: the union d_u became anonymous; before 3.19 it was not there. */
	{FIELD(dentry.alias_next), "dentry", "d_u.d_alias.next|d_alias.next", NEED},
	{FIELD(dentry.sb), "dentry", "d_sb", MAY},
	{FIELD(dentry.count), "dentry", "d_lockref.count", MAY},
	/* 5.17: split out of struct page, see kmem_layout_init(). */
	{FIELD(slab.cache), "slab", "slab_cache", MAY},
	{FIELD(slab.freelist), "slab", "freelist", MAY},
	{FIELD(slab.name), "kmem_cache", "name", MAY},
	{FIELD(slab.size), "kmem_cache", "size", MAY},
	{FIELD(slab.oo), "kmem_cache", "oo.x", MAY},
	{FIELD(slab.red_left_pad), "kmem_cache", "red_left_pad", MAY},
	/* Until 5.8 each group had caches of its own, which held it when it was deleted
	 * (until 5.2). Since 5.9 objects are charged one by one, and a deleted group's become its
	 * parent's. */
	{FIELD(slab.memcg), "kmem_cache", "memcg_params.memcg", MAY},
	{FIELD(slab.root_cache), "kmem_cache", "memcg_params.root_cache", MAY},
	{FIELD(sb.dev), "super_block", "s_dev", NEED},
	{FIELD(sb.type), "super_block", "s_type", NEED},
	{FIELD(sb.flags), "super_block", "s_flags", NEED},
	{FIELD(sb.magic), "super_block", "s_magic", NEED},
	{FIELD(sb.root), "super_block", "s_root", NEED},
	{FIELD(sb.id), "super_block", "s_id", NEED},
	{FIELD(fs_type_name), "file_system_type", "name", NEED},
	{FIELD(cgroup.memcg_css), "mem_cgroup", "css", MAY},
	{FIELD(cgroup.css_cgroup), "cgroup_subsys_state", "cgroup", MAY},
	{FIELD(cgroup.css_ss), "cgroup_subsys_state", "ss", MAY},
	{FIELD(cgroup.css_flags), "cgroup_subsys_state", "flags", MAY},
	{FIELD(cgroup.ss_name), "cgroup_subsys", "name", MAY},
	{FIELD(cgroup.cgroup_kn), "cgroup", "kn", MAY},
	{FIELD(cgroup.objcg_memcg), "obj_cgroup", "memcg", MAY},
	/* 6.15: parent became __parent. */
	{FIELD(kernfs.parent), "kernfs_node", "__parent|parent", MAY},
	{FIELD(kernfs.name), "kernfs_node", "name", MAY},
	{FIELD(kernfs.id), "kernfs_node", "id", MAY},
	{FIELD(own.task_files), "task_struct", "files", MAY},
	{FIELD(own.files_fdt), "files_struct", "fdt", MAY},
	{FIELD(own.fdt_fd), "fdtable", "fd", MAY},
	{FIELD(own.file_mapping), "file", "f_mapping", MAY},
};

static bool find_any(const struct btf *btf, const char *structure, const char *names,
		     struct kmem_field *ret)
{
	for (const char *p = names; *p;) {
		size_t len = strcspn(p, "|");

		if (find_path(btf, structure, p, len, ret))
			return true;
		p += len + (p[len] == '|');
	}
	*ret = (struct kmem_field){.offset = KMEM_ABSENT};
	return false;
}

bool kmem_find_field(const struct btf *btf, const char *structure, const char *names,
		     struct kmem_field *ret)
{
	return find_any(btf, structure, names, ret);
}

uint32_t kmem_find_size(const struct btf *btf, const char *structure)
{
	const struct btf_type *t = find_struct(btf, structure);

	return t ? t->size : 0;
}

/* The value of an enumerator, wherever it is declared; named enums are looked up by their name. */
static bool find_enumerator(const struct btf *btf, const char *enumeration, const char *name,
			    uint64_t *ret)
{
	uint32_t first = 1, last = btf__type_cnt(btf);

	if (enumeration) {
		int id = btf__find_by_name_kind(btf, enumeration, BTF_KIND_ENUM);

		if (id < 0)
			return false;
		first = (uint32_t)id;
		last = first + 1;
	}
	for (uint32_t id = first; id < last; id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		const struct btf_enum *v;

		if (!t || btf_kind(t) != BTF_KIND_ENUM || (!enumeration && t->name_off))
			continue;
		v = btf_enum(t);
		for (int i = 0; i < btf_vlen(t); i++) {
			const char *s = btf__name_by_offset(btf, v[i].name_off);

			if (s && !strcmp(s, name)) {
				*ret = (uint32_t)v[i].val;
				return true;
			}
		}
	}
	return false;
}

static uint64_t enumerator_or(const struct btf *btf, const char *enumeration, const char *name,
			      uint64_t fallback)
{
	uint64_t v = fallback;

	find_enumerator(btf, enumeration, name, &v);
	return v;
}

static uint64_t page_flag(const struct btf *btf, const char *name)
{
	uint64_t bit;

	return find_enumerator(btf, "pageflags", name, &bit) && bit < 64 ? 1ULL << bit : 0;
}

static int init_flags(struct kmem_layout *l, const struct btf *btf, struct err *e)
{
	struct kmem_page_flags *f = &l->flags;

	f->locked = page_flag(btf, "PG_locked");
	f->writeback = page_flag(btf, "PG_writeback");
	f->dirty = page_flag(btf, "PG_dirty");
	f->lru = page_flag(btf, "PG_lru");
	f->head = page_flag(btf, "PG_head");
	f->active = page_flag(btf, "PG_active");
	f->reserved = page_flag(btf, "PG_reserved");
	f->swapbacked = page_flag(btf, "PG_swapbacked");
	f->unevictable = page_flag(btf, "PG_unevictable");
	f->swapcache = page_flag(btf, "PG_swapcache");
	f->slab = page_flag(btf, "PG_slab");	   /* until 6.9 */
	f->hugetlb = page_flag(btf, "PG_hugetlb"); /* 6.6–6.8, in the second page's flags */
	if (!f->dirty || !f->active || !f->swapbacked || !f->writeback || !f->reserved)
		return err_set(e, ENOTSUP,
			       "BTF: enum pageflags: not there, or without the flags "
			       "the scan needs");
	return 0;
}

static uint32_t page_type(const struct btf *btf, const char *name)
{
	return (uint32_t)enumerator_or(btf, "pagetype", name, 0);
}

static void init_types(struct kmem_layout *l, const struct btf *btf)
{
	struct kmem_page_types *t = &l->types;

	if (page_type(btf, "PGTY_buddy")) { /* 6.12 */
		t->form = PAGE_TYPE_BYTE;
		t->buddy = page_type(btf, "PGTY_buddy");
		t->offline = page_type(btf, "PGTY_offline");
		t->table = page_type(btf, "PGTY_table");
		t->guard = page_type(btf, "PGTY_guard");
		t->hugetlb = page_type(btf, "PGTY_hugetlb");
		t->slab = page_type(btf, "PGTY_slab");
		t->zsmalloc = page_type(btf, "PGTY_zsmalloc");
		t->unaccepted = page_type(btf, "PGTY_unaccepted");
		t->large_kmalloc = page_type(btf, "PGTY_large_kmalloc");
		t->netpp = page_type(btf, "PGTY_netpp"); /* of a page pool */
		return;
	}
	t->form = PAGE_TYPE_BITS;
	if (page_type(btf, "PG_buddy")) { /* 6.11: an enum, other bits */
		t->base = 0x80000000u;
		t->buddy = page_type(btf, "PG_buddy");
		t->offline = page_type(btf, "PG_offline");
		t->table = page_type(btf, "PG_table");
		t->guard = page_type(btf, "PG_guard");
		t->hugetlb = page_type(btf, "PG_hugetlb");
		t->slab = page_type(btf, "PG_slab");
		t->zsmalloc = page_type(btf, "PG_zsmalloc");
		return;
	}
	/*
	 * Until 6.10 these are macros, which BTF does not carry; the values have stood since 4.18
	 * but for one: while there was page.mem_cgroup there was PG_kmemcg, before PG_table.
	 */
	t->base = 0xf0000000u;
	t->buddy = 0x80;
	t->offline = 0x100;
	t->table = l->page.memcg_is_plain ? 0x400 : 0x200;
	t->guard = l->page.memcg_is_plain ? 0x800 : 0x400;
}

/* Until 5.11 was folded into offsets of the second page: page[1].member, measured from page[0]. */
static void shift_to_second_page(struct kmem_field *f, uint32_t page_size)
{
	if (field_present(*f))
		f->offset += page_size;
}

int kmem_layout_init(struct kmem_layout *ret, const struct btf *btf, struct err *e)
{
	struct kmem_layout l = {0};
	struct kmem_field f;
	const struct btf_type *t;
	uint64_t v, freeing;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const struct member *m = &members[i];
		struct kmem_field *field = (struct kmem_field *)((char *)&l + m->field);

		if (!find_any(btf, m->structure, m->names, field) && m->required)
			return err_set(e, ENOTSUP, "BTF: struct %s: no member %s", m->structure,
				       m->names);
	}
	t = find_struct(btf, "page");
	l.page.size = t->size;
	l.page.compound_info = find_any(btf, "page", "compound_info", &f);
	if (!field_present(l.slab.cache))
		find_any(btf, "page", "slab_cache", &l.slab.cache);
	if (!field_present(l.slab.freelist))
		find_any(btf, "page", "freelist", &l.slab.freelist);
	l.page.memcg_is_plain = !find_any(btf, "page", "memcg_data", &f);
	/* A part of struct page until struct netmem_desc, which lies over it, took its place. */
	if (!find_any(btf, "page", "pp_magic", &l.page.pp_magic))
		find_any(btf, "netmem_desc", "pp_magic", &l.page.pp_magic);
	l.inode.size = find_struct(btf, "inode")->size;
	l.dentry.size = find_struct(btf, "dentry")->size;
	l.sb.size = find_struct(btf, "super_block")->size;
	t = find_struct(btf, "kernfs_node");
	l.kernfs.size = t ? t->size : 0;
	/* ≤ 5.4: union kernfs_node_id {struct {u32 ino, generation}; u64 id}. */
	l.kernfs.id_is_ino = find_any(btf, "kernfs_node", "id.ino", &f);

	r = init_flags(&l, btf, e);
	if (r < 0)
		return r;
	init_types(&l, btf);

	shift_to_second_page(&l.folio.compound_mapcount, l.page.size);
	shift_to_second_page(&l.folio.compound_dtor, l.page.size);
	l.hugetlb_dtor = find_enumerator(btf, "compound_dtor_id", "HUGETLB_PAGE_DTOR", &v)
				 ? (uint32_t)v
				 : KMEM_ABSENT;

	/* The inode's and the css's state bits: an enum where the kernel has one, else the macros'
	 * values.  Those of the inode moved when i_state became 32 bits wide (6.12). */
	freeing = l.inode.state.size == 4 ? 1u << 7 : 1u << 5;
	l.inode.freeing =
		enumerator_or(btf, "inode_state_flags_t", "I_FREEING",
			      enumerator_or(btf, "inode_state_flags_enum", "I_FREEING", freeing)) |
		enumerator_or(
			btf, "inode_state_flags_t", "I_CLEAR",
			enumerator_or(btf, "inode_state_flags_enum", "I_CLEAR", freeing << 1));
	l.cgroup.online = enumerator_or(btf, NULL, "CSS_ONLINE", 1u << 1);
	l.cgroup.dying = enumerator_or(btf, NULL, "CSS_DYING", 1u << 4);

	if (!find_any(btf, "xarray", "xa_head", &f))
		find_any(btf, "radix_tree_root", "rnode", &f);
	l.own.pages_head = f;
	*ret = l;
	return 0;
}

int kmem_btf_open(struct btf **ret, const char *file, const struct sysroot *root, struct err *e)
{
	char path[64];
	_cleanup_fd_ int fd = -1;
	struct btf *btf;

	if (file) {
		btf = btf__parse(file, NULL);
		if (!btf && (errno == EINVAL || errno == EPROTO || errno >= LIBBPF_ERRNO))
			return err_set(e, EINVAL, "%s: holds no type information (BTF), or damaged",
				       file);
		if (!btf)
			return err_errno(e, errno, file);
		*ret = btf;
		return 0;
	}
	if (root->sys_fd < 0)
		return err_set(e, ENOENT,
			       "/sys: not there, so the kernel's types are not known; "
			       "--btf FILE gives them");
	fd = openat(root->sys_fd, "kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err_errno(e, errno, "/sys/kernel/btf/vmlinux");
		return err_add(e, "the kernel carries no type information; --btf FILE gives it");
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	btf = btf__parse_raw(path);
	if (!btf)
		return err_errno(e, errno, "/sys/kernel/btf/vmlinux");
	*ret = btf;
	return 0;
}

uint32_t layout_page_words(const struct kmem_layout *l)
{
	const struct kmem_field fields[] = {
		l->page.flags,
		l->page.compound_head,
		l->page.mapping,
		l->page.page_type,
		l->page.mapcount,
		l->page.refcount,
		l->page.memcg_data,
		l->page.pp_magic,
		l->folio.large_mapcount,
		l->folio.nr_pages_mapped,
		l->folio.compound_mapcount,
		l->folio.compound_dtor,
		l->folio.flags_1,
	};
	uint32_t words = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (!field_present(fields[i]))
			continue;
		/* page_word() and page_half() read on from where the member begins. */
		words |= 1u << fields[i].offset % 64 / 8;
		words |= 1u << (fields[i].offset + fields[i].size - 1) % 64 / 8;
	}
	return words;
}
