/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Members are found by BTF through every rename between 4.18 and 7.x, here on made-up BTF. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>

#include "../../capture/kmem/layout.h"

/* What a made-up kernel calls things. */
struct names {
	bool mem_cgroup;     /* ≤ 5.10 */
	bool radix_tree;     /* ≤ 4.19 */
	bool compound_info;  /* ≥ 7.1 */
	bool anonymous_d_u;  /* ≥ 7.1 */
	bool parent_renamed; /* ≥ 6.15 */
	bool i_state_u32;    /* ≥ 6.12 */
	bool i_state_struct; /* ≥ 6.19 */
	bool id_union;	     /* ≤ 5.4 */
	bool byte_types;     /* ≥ 6.12 */
	bool without_mapping;
};

struct kernel {
	struct btf *btf;
	int u8, u16, u32, u64, ptr;
};

static int add(struct kernel *k, int type, const char *name, uint32_t bytes)
{
	int r = btf__add_field(k->btf, name, type, bytes * 8, 0);

	assert_int_equal(r, 0);
	return r;
}

static int structure(struct kernel *k, const char *name, uint32_t size)
{
	int id = btf__add_struct(k->btf, name, size);

	assert_true(id > 0);
	return id;
}

static void add_page(struct kernel *k, const struct names *n)
{
	int lru, tail, memo;

	lru = structure(k, NULL, 32);
	add(k, k->ptr, "lru", 0);
	if (!n->without_mapping)
		add(k, k->ptr, "mapping", 16);
	add(k, k->u64, "index", 24);
	tail = structure(k, NULL, 8);
	add(k, k->u64, n->compound_info ? "compound_info" : "compound_head", 0);
	memo = btf__add_union(k->btf, NULL, 40);
	add(k, lru, NULL, 0);
	add(k, tail, NULL, 0);
	structure(k, "page", 64);
	add(k, k->u64, "flags", 0);
	add(k, memo, NULL, 8);
	add(k, k->u32, "_mapcount", 48);
	add(k, k->u32, "_refcount", 52);
	add(k, n->mem_cgroup ? k->ptr : k->u64, n->mem_cgroup ? "mem_cgroup" : "memcg_data", 56);
}

static void add_dentry(struct kernel *k, const struct names *n)
{
	int first, node, qstr, alias;

	first = structure(k, "hlist_head", 8);
	add(k, k->ptr, "first", 0);
	node = structure(k, "hlist_node", 16);
	add(k, k->ptr, "next", 0);
	add(k, k->ptr, "pprev", 8);
	qstr = structure(k, "qstr", 16);
	add(k, k->u32, "hash", 0);
	add(k, k->u32, "len", 4);
	add(k, k->ptr, "name", 8);
	alias = btf__add_union(k->btf, NULL, 16);
	add(k, node, "d_alias", 0);
	structure(k, "dentry", 120);
	add(k, k->u32, "d_flags", 0);
	add(k, node, "d_hash", 8);
	add(k, k->ptr, "d_parent", 24);
	add(k, qstr, "d_name", 32);
	add(k, k->ptr, "d_inode", 48);
	add(k, alias, n->anonymous_d_u ? NULL : "d_u", 100);
	(void)first;
}

static void add_inode(struct kernel *k, const struct names *n)
{
	int tree, mapping, state,
		head = btf__find_by_name_kind(k->btf, "hlist_head", BTF_KIND_STRUCT);

	tree = structure(k, n->radix_tree ? "radix_tree_root" : "xarray", 16);
	add(k, k->ptr, n->radix_tree ? "rnode" : "xa_head", 8);
	mapping = structure(k, "address_space", 100);
	add(k, k->ptr, "host", 0);
	add(k, tree, "i_pages", 8);
	add(k, k->u64, "nrpages", 80);
	state = structure(k, "inode_state_flags", 4);
	add(k, k->u32, "__state", 0);
	structure(k, "inode", 600);
	add(k, k->u16, "i_mode", 0);
	add(k, k->ptr, "i_sb", 8);
	add(k, k->u64, "i_ino", 16);
	add(k, k->u32, "i_nlink", 24);
	add(k, k->u32, "i_rdev", 28);
	add(k, k->u64, "i_size", 32);
	add(k, k->u32, "i_generation", 40);
	add(k, n->i_state_struct ? state : n->i_state_u32 ? k->u32 : k->u64, "i_state", 48);
	add(k, head, "i_dentry", 56);
	add(k, mapping, "i_data", 64);
}

static void add_rest(struct kernel *k, const struct names *n)
{
	int id = k->u64, name = btf__add_array(k->btf, k->u32, k->u8, 32);

	structure(k, "super_block", 200);
	add(k, k->u32, "s_dev", 0);
	add(k, k->ptr, "s_type", 8);
	add(k, k->u64, "s_flags", 16);
	add(k, k->u64, "s_magic", 24);
	add(k, k->ptr, "s_root", 32);
	add(k, name, "s_id", 40);
	structure(k, "file_system_type", 16);
	add(k, k->ptr, "name", 0);
	if (n->id_union) {
		int halves = structure(k, NULL, 8);

		add(k, k->u32, "ino", 0);
		add(k, k->u32, "generation", 4);
		id = btf__add_union(k->btf, "kernfs_node_id", 8);
		add(k, halves, NULL, 0);
		add(k, k->u64, "id", 0);
	}
	structure(k, "kernfs_node", 100);
	add(k, k->ptr, n->parent_renamed ? "__parent" : "parent", 8);
	add(k, k->ptr, "name", 16);
	add(k, id, "id", 24);

	btf__add_enum(k->btf, "pageflags", 4);
	btf__add_enum_value(k->btf, "PG_locked", 0);
	btf__add_enum_value(k->btf, "PG_writeback", 1);
	btf__add_enum_value(k->btf, "PG_dirty", 4);
	btf__add_enum_value(k->btf, "PG_lru", 5);
	btf__add_enum_value(k->btf, "PG_active", 7);
	btf__add_enum_value(k->btf, "PG_reserved", 12);
	btf__add_enum_value(k->btf, "PG_swapbacked", 19);
	if (n->byte_types) {
		btf__add_enum(k->btf, "pagetype", 4);
		btf__add_enum_value(k->btf, "PGTY_buddy", 0xf0);
		btf__add_enum_value(k->btf, "PGTY_slab", 0xf5);
	}
	btf__add_enum(k->btf, NULL, 4);
	btf__add_enum_value(k->btf, "CSS_NO_REF", 1);
	btf__add_enum_value(k->btf, "CSS_ONLINE", 2);
	btf__add_enum_value(k->btf, "CSS_DYING", 64);
}

static int layout_of(const struct names *n, struct kmem_layout *ret, struct err *e)
{
	struct kernel k = {.btf = btf__new_empty()};
	int r;

	assert_non_null(k.btf);
	k.u8 = btf__add_int(k.btf, "unsigned char", 1, 0);
	k.u16 = btf__add_int(k.btf, "unsigned short", 2, 0);
	k.u32 = btf__add_int(k.btf, "unsigned int", 4, 0);
	k.u64 = btf__add_int(k.btf, "unsigned long", 8, 0);
	k.ptr = btf__add_ptr(k.btf, 0);
	add_page(&k, n);
	add_dentry(&k, n);
	add_inode(&k, n);
	add_rest(&k, n);
	r = kmem_layout_init(ret, k.btf, e);
	btf__free(k.btf);
	return r;
}

static void check_common(const struct kmem_layout *l)
{
	assert_int_equal(l->page.size, 64);
	assert_int_equal(l->page.compound_head.offset, 8);
	assert_int_equal(l->page.mapping.offset, 24);
	assert_int_equal(l->page.memcg_data.offset, 56);
	assert_int_equal(l->dentry.alias_next.offset, 100);
	assert_int_equal(l->dentry.name_len.offset, 36);
	assert_int_equal(l->inode.dentry.offset, 56);
	assert_int_equal(l->mapping.nrpages.offset, 80);
	assert_int_equal(l->own.pages_head.offset, 8);
	assert_int_equal(l->kernfs.parent.offset, 8);
	assert_int_equal(l->sb.id.size, 32);
	assert_int_equal(l->flags.active, 1 << 7);
	assert_int_equal(l->flags.slab, 0);
	assert_int_equal(l->cgroup.dying, 64);
}

static void test_4_18(void **state)
{
	struct names n = {.mem_cgroup = true, .radix_tree = true, .id_union = true};
	struct kmem_layout l;

	assert_int_equal(layout_of(&n, &l, NULL), 0);
	check_common(&l);
	assert_true(l.page.memcg_is_plain);
	assert_true(l.kernfs.id_is_ino);
	assert_int_equal(l.types.form, PAGE_TYPE_BITS);
	assert_int_equal(l.types.table, 0x400); /* PG_kmemcg stood before it */
	assert_int_equal(l.inode.freeing, 0x60);
}

static void test_6_1(void **state)
{
	struct names n = {0};
	struct kmem_layout l;

	assert_int_equal(layout_of(&n, &l, NULL), 0);
	check_common(&l);
	assert_false(l.page.memcg_is_plain);
	assert_false(l.page.compound_info);
	assert_false(l.kernfs.id_is_ino);
	assert_int_equal(l.types.table, 0x200);
	assert_int_equal(l.inode.state.size, 8);
}

/* Still macros, but others: bit 5 says that pages are dirty. */
static void test_6_12(void **state)
{
	struct names n = {.i_state_u32 = true, .byte_types = true};
	struct kmem_layout l;

	assert_int_equal(layout_of(&n, &l, NULL), 0);
	check_common(&l);
	assert_int_equal(l.inode.state.size, 4);
	assert_int_equal(l.inode.freeing, 0x180);
}

static void test_7_1(void **state)
{
	struct names n = {.compound_info = true,
			  .anonymous_d_u = true,
			  .parent_renamed = true,
			  .i_state_struct = true,
			  .byte_types = true};
	struct kmem_layout l;

	assert_int_equal(layout_of(&n, &l, NULL), 0);
	check_common(&l);
	assert_true(l.page.compound_info);
	assert_int_equal(l.types.form, PAGE_TYPE_BYTE);
	assert_int_equal(l.types.slab, 0xf5);
	assert_int_equal(l.types.hugetlb, 0);
	assert_int_equal(l.inode.state.size, 4);
	assert_false(field_present(l.folio.large_mapcount));
}

static void test_missing_member_is_named(void **state)
{
	struct names n = {.without_mapping = true};
	struct kmem_layout l = {.hugetlb_dtor = 77};
	struct err e = {0};

	assert_int_equal(layout_of(&n, &l, &e), -ENOTSUP);
	assert_non_null(strstr(e.text, "struct page"));
	assert_non_null(strstr(e.text, "mapping"));
	assert_int_equal(l.hugetlb_dtor, 77); /* untouched */
}

static void test_btf_file_messages(void **state)
{
	struct sysroot root = {.root_fd = -1, .proc_fd = -1, .sys_fd = -1};
	struct btf *btf = NULL;
	struct err e = {0};

	assert_int_equal(kmem_btf_open(&btf, "/nonexistent/btf", &root, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nonexistent/btf"));
	assert_true(kmem_btf_open(&btf, "/dev/null", &root, &e) < 0);
	assert_non_null(strstr(e.text, "/dev/null"));
	assert_int_equal(kmem_btf_open(&btf, NULL, &root, &e), -ENOENT);
	assert_non_null(strstr(e.text, "--btf"));
	assert_null(btf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_4_18),
		cmocka_unit_test(test_6_1),
		cmocka_unit_test(test_6_12),
		cmocka_unit_test(test_7_1),
		cmocka_unit_test(test_missing_member_is_named),
		cmocka_unit_test(test_btf_file_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
