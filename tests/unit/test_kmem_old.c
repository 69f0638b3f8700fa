/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernels below 5.10, as in Anolis 7.9 (4.19) and RHEL 8 (4.18): BTF with their names, and a core
 * file that it fits.  page.mem_cgroup, marks of compound pages in the second page, page types as
 * cleared bits, a radix tree or an early xarray, kernfs ids that are half an inode number, and slab
 * caches that belong to a group and hold it when it is deleted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <stdio.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "../../capture/kmem/record.h"

#include "kmem_world.h"

struct old_kernel {
	bool radix_tree; /* until 4.19 */
	bool page_tree;	 /* until 4.16; vendors carry it on */
};

/* ------------------------------------------------------------------ its types */

struct types {
	struct btf *btf;
	int u8, u16, u32, u64, ptr, text;
};

static void member(struct types *t, int type, const char *name, size_t bytes)
{
	assert_int_equal(btf__add_field(t->btf, name, type, (uint32_t)bytes * 8, 0), 0);
}

static int structure(struct types *t, const char *name, size_t size)
{
	int id = btf__add_struct(t->btf, name, (uint32_t)size);

	assert_true(id > 0);
	return id;
}

#define AT(type, m) offsetof(struct type, m)

struct old_cache { /* as far as it is looked at */
	uint64_t name;
	uint32_t size, oo;
	uint64_t root_cache, memcg;
};

/* As 4.18 has it: unions by use, each a struct without a name. */
static void add_page(struct types *t)
{
	int cache, slab, compound, uses, mapcount, node;

	node = structure(t, "list_head", 16);
	member(t, t->ptr, "next", 0);
	member(t, t->ptr, "prev", 8);
	cache = structure(t, NULL, 40);
	member(t, node, "lru", AT(w_page, lru) - 8);
	member(t, t->ptr, "mapping", AT(w_page, mapping) - 8);
	member(t, t->u64, "index", AT(w_page, index) - 8);
	member(t, t->u64, "private", AT(w_page, private) - 8);
	slab = structure(t, NULL, 40);
	member(t, node, "slab_list", AT(w_page, lru) - 8);
	member(t, t->ptr, "slab_cache", AT(w_page, mapping) - 8);
	member(t, t->ptr, "freelist", AT(w_page, index) - 8);
	compound = structure(t, NULL, 16);
	member(t, t->u64, "compound_head", 0);
	member(t, t->u8, "compound_dtor", 8);
	member(t, t->u8, "compound_order", 9);
	member(t, t->u32, "compound_mapcount", 12);
	uses = btf__add_union(t->btf, NULL, 40);
	member(t, cache, NULL, 0);
	member(t, slab, NULL, 0);
	member(t, compound, NULL, 0);
	mapcount = btf__add_union(t->btf, NULL, 4);
	member(t, t->u32, "_mapcount", 0);
	member(t, t->u32, "page_type", 0);
	structure(t, "page", sizeof(struct w_page));
	member(t, t->u64, "flags", 0);
	member(t, uses, NULL, 8);
	member(t, mapcount, NULL, AT(w_page, mapcount));
	member(t, t->u32, "_refcount", AT(w_page, refcount));
	member(t, t->ptr, "mem_cgroup", AT(w_page, memcg));
}

static void add_inode(struct types *t, const struct old_kernel *k)
{
	int tree, mapping, head;

	head = structure(t, "hlist_head", 8);
	member(t, t->ptr, "first", 0);
	tree = structure(t, k->radix_tree ? "radix_tree_root" : "xarray", 8);
	member(t, t->ptr, k->radix_tree ? "rnode" : "xa_head", 0);
	mapping = structure(t, "address_space", sizeof(struct w_mapping));
	member(t, t->ptr, "host", AT(w_mapping, host));
	member(t, tree, k->page_tree ? "page_tree" : "i_pages", AT(w_mapping, pages_head));
	member(t, t->u64, "nrpages", AT(w_mapping, nrpages));
	structure(t, "inode", sizeof(struct w_inode));
	member(t, t->u16, "i_mode", AT(w_inode, mode));
	member(t, t->u32, "i_nlink", AT(w_inode, nlink));
	member(t, t->u32, "i_rdev", AT(w_inode, rdev));
	member(t, t->u32, "i_generation", AT(w_inode, generation));
	member(t, t->ptr, "i_sb", AT(w_inode, sb));
	member(t, t->u64, "i_ino", AT(w_inode, ino));
	member(t, t->u64, "i_size", AT(w_inode, size));
	member(t, t->u64, "i_state", AT(w_inode, state));
	member(t, head, "i_dentry", AT(w_inode, dentry_first));
	member(t, mapping, "i_data", AT(w_inode, data));
}

static void add_dentry(struct types *t)
{
	int node, name, alias;

	node = structure(t, "hlist_node", 16);
	member(t, t->ptr, "next", 0);
	member(t, t->ptr, "pprev", 8);
	name = structure(t, "qstr", AT(w_dentry, name) + 8 - AT(w_dentry, name_len));
	member(t, t->u32, "len", 0);
	member(t, t->ptr, "name", AT(w_dentry, name) - AT(w_dentry, name_len));
	alias = btf__add_union(t->btf, NULL, 16);
	member(t, node, "d_alias", 0);
	structure(t, "dentry", sizeof(struct w_dentry));
	member(t, t->u32, "d_flags", AT(w_dentry, flags));
	member(t, node, "d_hash", AT(w_dentry, hash_next));
	member(t, t->ptr, "d_parent", AT(w_dentry, parent));
	member(t, name, "d_name", AT(w_dentry, name_len));
	member(t, t->ptr, "d_inode", AT(w_dentry, inode));
	member(t, alias, "d_u", AT(w_dentry, alias_next));
}

static void add_super_block(struct types *t)
{
	structure(t, "super_block", sizeof(struct w_sb));
	member(t, t->u32, "s_dev", AT(w_sb, dev));
	member(t, t->ptr, "s_type", AT(w_sb, type));
	member(t, t->u64, "s_flags", AT(w_sb, flags));
	member(t, t->u64, "s_magic", AT(w_sb, magic));
	member(t, t->ptr, "s_root", AT(w_sb, root));
	member(t, t->text, "s_id", AT(w_sb, id));
	structure(t, "file_system_type", 8);
	member(t, t->ptr, "name", 0);
}

static void add_cgroup(struct types *t)
{
	int css, halves, id;

	css = structure(t, "cgroup_subsys_state", sizeof(struct w_css));
	member(t, t->ptr, "cgroup", AT(w_css, cgroup));
	member(t, t->ptr, "ss", AT(w_css, ss));
	member(t, t->u32, "flags", AT(w_css, flags));
	structure(t, "mem_cgroup", sizeof(struct w_css));
	member(t, css, "css", 0);
	structure(t, "cgroup_subsys", 8);
	member(t, t->ptr, "name", 0);
	structure(t, "cgroup", 8);
	member(t, t->ptr, "kn", 0);
	halves = structure(t, NULL, 8);
	member(t, t->u32, "ino", 0);
	member(t, t->u32, "generation", 4);
	id = btf__add_union(t->btf, "kernfs_node_id", 8);
	member(t, halves, NULL, 0);
	member(t, t->u64, "id", 0);
	structure(t, "kernfs_node", sizeof(struct w_kn));
	member(t, t->ptr, "parent", AT(w_kn, parent));
	member(t, t->ptr, "name", AT(w_kn, name));
	member(t, id, "id", AT(w_kn, id));
}

/* Of a root cache memcg_caches stands where another's memcg is. */
static void add_slab_cache(struct types *t)
{
	int oo, own, root, uses, params;

	oo = structure(t, "kmem_cache_order_objects", 4);
	member(t, t->u32, "x", 0);
	root = structure(t, NULL, 8);
	member(t, t->ptr, "memcg_caches", 0);
	own = structure(t, NULL, 8);
	member(t, t->ptr, "memcg", 0);
	uses = btf__add_union(t->btf, NULL, 8);
	member(t, root, NULL, 0);
	member(t, own, NULL, 0);
	params = structure(t, "memcg_cache_params", 16);
	member(t, t->ptr, "root_cache", 0);
	member(t, uses, NULL, 8);
	structure(t, "kmem_cache", sizeof(struct old_cache));
	member(t, t->ptr, "name", AT(old_cache, name));
	member(t, t->u32, "size", AT(old_cache, size));
	member(t, oo, "oo", AT(old_cache, oo));
	member(t, params, "memcg_params", AT(old_cache, root_cache));
}

static void add_enums(struct types *t)
{
	static const struct {
		const char *name;
		int bit;
	} flags[] = {{"PG_locked", 0},	     {"PG_dirty", 4},	   {"PG_lru", 5},
		     {"PG_head", 6},	     {"PG_active", 8},	   {"PG_slab", 9},
		     {"PG_reserved", 13},    {"PG_writeback", 1},  {"PG_swapcache", 10},
		     {"PG_unevictable", 18}, {"PG_swapbacked", 17}};

	btf__add_enum(t->btf, "pageflags", 4);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		btf__add_enum_value(t->btf, flags[i].name, flags[i].bit);
	btf__add_enum(t->btf, "compound_dtor_id", 4);
	btf__add_enum_value(t->btf, "NULL_COMPOUND_DTOR", 0);
	btf__add_enum_value(t->btf, "COMPOUND_PAGE_DTOR", 1);
	btf__add_enum_value(t->btf, "HUGETLB_PAGE_DTOR", 2);
	btf__add_enum(t->btf, NULL, 4);
	btf__add_enum_value(t->btf, "CSS_NO_REF", 1);
	btf__add_enum_value(t->btf, "CSS_ONLINE", 2);
	btf__add_enum_value(t->btf, "CSS_RELEASED", 4);
	btf__add_enum_value(t->btf, "CSS_VISIBLE", 8);
	btf__add_enum_value(t->btf, "CSS_DYING", 16);
}

static void write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void write_types(const char *path, const struct old_kernel *k)
{
	struct types t = {.btf = btf__new_empty()};
	const void *data;
	uint32_t size;

	assert_non_null(t.btf);
	t.u8 = btf__add_int(t.btf, "unsigned char", 1, 0);
	t.u16 = btf__add_int(t.btf, "unsigned short", 2, 0);
	t.u32 = btf__add_int(t.btf, "unsigned int", 4, 0);
	t.u64 = btf__add_int(t.btf, "unsigned long", 8, 0);
	t.ptr = btf__add_ptr(t.btf, 0);
	t.text = btf__add_array(t.btf, t.u32, t.u8, 32);
	add_page(&t);
	add_inode(&t, k);
	add_dentry(&t);
	add_super_block(&t);
	add_cgroup(&t);
	add_slab_cache(&t);
	add_enums(&t);
	data = btf__raw_data(t.btf, &size);
	assert_non_null(data);
	write_file(path, data, size);
	btf__free(t.btf);
}

/* ------------------------------------------------------------------ its memory */

static void write_core(const char *path, struct world *w)
{
	struct {
		Elf64_Ehdr h;
		Elf64_Phdr p[3];
		Elf64_Nhdr n;
		char name[8];
		struct record_note note;
		struct kmem_range ranges[1];
	} __attribute__((packed))
	head = {.h = {.e_type = ET_CORE,
		      .e_version = EV_CURRENT,
		      .e_ehsize = sizeof(Elf64_Ehdr),
		      .e_phentsize = sizeof(Elf64_Phdr),
		      .e_phoff = sizeof(Elf64_Ehdr),
		      .e_phnum = 3},
		.n = {.n_namesz = sizeof(RECORD_NOTE_NAME),
		      .n_descsz = sizeof(struct record_note) + sizeof(struct kmem_range),
		      .n_type = RECORD_NOTE_TYPE},
		.name = RECORD_NOTE_NAME,
		.note = {2, W_VMEMMAP, sizeof(struct w_page), 4096, 1, 0, 0},
		.ranges = {{0, W_PAGES}}};
	const size_t pages = W_PAGES * sizeof(struct w_page);
	FILE *f = fopen(path, "w");

	memcpy(head.h.e_ident, ELFMAG, SELFMAG);
	head.h.e_ident[EI_CLASS] = ELFCLASS64;
	head.h.e_ident[EI_DATA] = ELFDATA2LSB;
	head.h.e_ident[EI_VERSION] = EV_CURRENT;
	head.p[0] = (Elf64_Phdr){.p_type = PT_NOTE,
				 .p_offset = offsetof(__typeof__(head), n),
				 .p_filesz = sizeof(head) - offsetof(__typeof__(head), n)};
	head.p[1] = (Elf64_Phdr){.p_type = PT_LOAD,
				 .p_vaddr = W_VMEMMAP,
				 .p_paddr = UINT64_MAX,
				 .p_offset = sizeof(head),
				 .p_filesz = pages,
				 .p_memsz = pages};
	head.p[2] = (Elf64_Phdr){.p_type = PT_LOAD,
				 .p_vaddr = W_HEAP_ADDR,
				 .p_paddr = UINT64_MAX,
				 .p_offset = sizeof(head) + pages,
				 .p_filesz = W_HEAP,
				 .p_memsz = W_HEAP};
	assert_non_null(f);
	assert_int_equal(fwrite(&head, sizeof(head), 1, f), 1);
	assert_int_equal(fwrite(w->pages, pages, 1, f), 1);
	assert_int_equal(fwrite(w->heap, W_HEAP, 1, f), 1);
	assert_int_equal(fclose(f), 0);
}

/* The second page of a compound page says what it is. */
static void mark_compound(struct world *w, uint32_t pfn, unsigned dtor, unsigned order)
{
	uint64_t word = dtor | order << 8 | (uint64_t)UINT32_MAX << 32; /* compound_mapcount −1 */

	memcpy((char *)&w->pages[pfn + 1] + 16, &word, sizeof(word));
}

static uint64_t slab_cache(struct world *w, const char *name, uint64_t root, uint64_t memcg)
{
	struct old_cache *c = w_alloc(w, sizeof(*c));

	*c = (struct old_cache){w_string(w, name), 192, 21, root, memcg};
	return w_addr(w, c);
}

static void slab_page(struct world *w, uint32_t pfn, uint64_t cache)
{
	w->pages[pfn].flags = 1 << 9; /* PG_slab */
	w->pages[pfn].mapping = cache;
	w->pages[pfn].refcount = 1;
}

/* Three frames of no group's, two of a group that is there, four and one of the deleted one. */
static void make_slab(struct world *w, uint64_t pod, uint64_t gone)
{
	uint64_t dentry = slab_cache(w, "dentry", 0, W_HEAP_ADDR + 64);
	uint64_t inode = slab_cache(w, "ext4_inode_cache", 0, W_HEAP_ADDR + 64);
	uint64_t of_pod = slab_cache(w, "dentry(77:pod)", dentry, pod);
	uint64_t of_gone = slab_cache(w, "dentry(88:gone)", dentry, gone);
	uint64_t inodes = slab_cache(w, "ext4_inode_cache(88:gone)", inode, gone);
	uint64_t unseen = w_memcg(w, "unseen", 16, 99); /* it holds nothing else */

	for (uint32_t p = 12020; p < 12023; p++)
		slab_page(w, p, dentry);
	for (uint32_t p = 13000; p < 13002; p++)
		slab_page(w, p, of_pod);
	for (uint32_t p = 13100; p < 13104; p++)
		slab_page(w, p, of_gone);
	slab_page(w, 13200, inodes);
	slab_page(w, 13300, slab_cache(w, "dentry(99:unseen)", dentry, unseen));
}

static struct world *make_memory(void)
{
	struct world *w = world_create();
	struct w_sb *ext4 = w_sb(w, "ext4", 8 << 20 | 1), *tmpfs = w_sb(w, "tmpfs", 21),
		    *huge = w_sb(w, "hugetlbfs", 15);
	struct w_dentry *log = w_dentry(w, ext4->root, "log", 3, NULL, true);
	/* The id's upper half is a generation. */
	uint64_t pod = w_memcg(w, "pod", 2, 3ULL << 32 | 77), gone = w_memcg(w, "gone", 16, 88);
	struct w_inode *i;

	i = w_inode(w, ext4, 100);
	w_dentry(w, w_addr(w, log), "messages", 8, i, true);
	i->state = 0x187; /* I_DIRTY, I_SYNC, I_REFERENCED: the last two are what 6.12 means by
			     freeing */
	w_pages(w, i, 200, 7, W_LRU, pod);
	w_pages(w, i, 900, 4, W_LRU | W_DIRTY | W_ACTIVE, gone);
	i = w_inode(w, ext4, 101);
	i->nlink = 0;
	w_dentry(w, w_addr(w, log), "deleted", 7, i, false);
	w_pages(w, i, 2000, 33, W_LRU, 0);
	for (uint64_t freeing = 0x20; freeing <= 0x40; freeing *= 2) { /* I_FREEING, I_CLEAR */
		i = w_inode(w, ext4, 102 + freeing);
		w_dentry(w, w_addr(w, log), "freeing", 7, i, true);
		w_pages(w, i, 2100 + (uint32_t)freeing, 5, W_LRU, 0);
		i->state = freeing;
	}
	i = w_inode(w, tmpfs, 100); /* the same number on another file system */
	w_dentry(w, tmpfs->root, "thp", 3, i, true);
	w_folio(w, i, 4096, 512, W_LRU | W_SWAPBACKED);
	mark_compound(w, 4096, 3, 9); /* TRANSHUGE_PAGE_DTOR */
	i = w_inode(w, huge, 5);
	huge->magic = 0x958458f6;
	w_folio(w, i, 8192, 512, 0);
	mark_compound(w, 8192, 2, 9);
	for (uint32_t p = 12000; p < 12010; p++) {
		w->pages[p].mapcount = ~0x400u; /* PG_table, while there was PG_kmemcg */
		w->pages[p].refcount = 1;
	}
	w->pages[12010].mapcount = ~0x80u; /* PG_buddy */
	make_slab(w, pod, gone);
	w->pages[12030] = (struct w_page){
		.flags = W_LRU | W_SWAPBACKED, .mapping = 0xffff888000002001ULL, .refcount = 1};
	return w;
}

/* ------------------------------------------------------------------ the scan of it */

static const struct scan_cgroup *cgroup_of(struct outcome *o, uint32_t id, const char **ret_path)
{
	for (size_t i = 0; i < o->cgroup_count; i++) {
		if (o->cgroups[i].cgroup == id) {
			*ret_path = o->cgroup_paths[i];
			return &o->cgroups[i];
		}
	}
	*ret_path = "";
	return NULL;
}

static void check_cgroups(struct outcome *o, uint32_t file)
{
	uint64_t online = 0, dying = 0;

	for (size_t i = 0; i < o->sample_count; i++) {
		const char *path;
		const struct scan_cgroup *c = cgroup_of(o, o->samples[i].cgroup, &path);

		if (o->samples[i].file != file)
			continue;
		assert_non_null(c);
		if (c->online) {
			assert_string_equal(path, "/a/pod");
			assert_int_equal(c->ino, 77);
			online += o->samples[i].pages;
		} else {
			assert_string_equal(path, "/a/gone");
			assert_int_equal(c->ino, 88);
			assert_true(o->samples[i].state & STATE_DIRTY);
			dying += o->samples[i].pages;
		}
	}
	assert_int_equal(online, 7);
	assert_int_equal(dying, 4);
}

static void check_slab(struct outcome *o)
{
	static const struct {
		const char *path, *cache;
		uint64_t pages;
		bool online;
	} all[] = {{"/a/pod", "dentry", 2, true},
		   {"/a/gone", "dentry", 4, false},
		   {"/a/gone", "ext4_inode_cache", 1, false},
		   {"/a/unseen", "dentry", 1, false}};

	assert_int_equal(o->group_slab_count, 4);
	for (size_t i = 0; i < 4; i++) {
		bool found = false;

		for (size_t k = 0; k < 4; k++) {
			const char *path;
			const struct scan_cgroup *c = cgroup_of(o, o->group_slabs[k].cgroup, &path);

			found |= c && !strcmp(path, all[i].path) && c->online == all[i].online &&
				 !strcmp(o->group_slabs[k].cache, all[i].cache) &&
				 o->group_slabs[k].pages == all[i].pages;
		}
		assert_true(found);
	}
}

static void check_outcome(struct outcome *o)
{
	struct found *messages = NULL, *deleted = NULL, *thp = NULL;

	assert_int_equal(o->file_count, 3);
	for (size_t i = 0; i < o->file_count; i++) {
		struct found *f = &o->files[i];

		if (!strcmp(f->path, "/log/messages"))
			messages = f;
		else if (f->f.state == FILE_DELETED)
			deleted = f;
		else if (!strcmp(f->path, "/thp"))
			thp = f;
	}
	assert_non_null(messages);
	assert_int_equal(messages->f.nrpages, 11);
	assert_int_equal(messages->pages, 11);
	assert_int_equal(messages->f.ino, 100);
	assert_int_equal(messages->f.dev_major, 8);
	assert_int_equal(messages->f.state, FILE_LINKED);
	assert_string_equal(messages->fstype, "ext4");
	check_cgroups(o, messages->f.file);
	assert_non_null(deleted);
	assert_string_equal(deleted->path, "/log/deleted");
	assert_int_equal(deleted->f.nrpages, 33);
	assert_int_equal(deleted->pages, 33);
	assert_non_null(thp);
	assert_int_equal(thp->f.nrpages, 512);
	assert_int_equal(thp->pages, 512);
	assert_string_equal(thp->fstype, "tmpfs");
	assert_int_equal(o->result.kinds[KIND_FILE], 11 + 33 + 10);
	assert_int_equal(o->result.kinds[KIND_SHMEM], 512);
	assert_int_equal(o->result.kinds[KIND_HUGETLB], 512);
	assert_int_equal(o->result.kinds[KIND_PAGE_TABLE], 10);
	assert_int_equal(o->result.kinds[KIND_BUDDY], 1);
	assert_int_equal(o->result.kinds[KIND_SLAB], 3 + 2 + 4 + 1 + 1);
	check_slab(o);
	assert_int_equal(o->result.kinds[KIND_ANON], 1);
	assert_int_equal(o->result.discarded, 10);
	assert_true(o->result.finished);
}

static void scan_old_kernel(const struct old_kernel *k)
{
	const struct sysroot root = {.root_fd = -1, .proc_fd = -1, .sys_fd = -1};
	const struct scan_config all = {.one_in = 1, .seed = 1, .memory = 4u << 20};
	char dir[] = "/tmp/ossnap-old.XXXXXX", types[64], core[64];
	struct world *w = make_memory();
	struct kmem_source *s;
	struct kmem_layout l;
	struct err e = {0};
	struct outcome *o;
	struct btf *btf;

	assert_non_null(mkdtemp(dir));
	snprintf(types, sizeof(types), "%s/btf", dir);
	snprintf(core, sizeof(core), "%s/core", dir);
	write_types(types, k);
	write_core(core, w);
	assert_int_equal(kmem_btf_open(&btf, types, &root, &e), 0);
	assert_int_equal(kmem_layout_init(&l, btf, &e), 0);
	btf__free(btf);
	assert_true(l.page.memcg_is_plain);
	assert_true(l.kernfs.id_is_ino);
	assert_int_equal(l.inode.state.size, 8);
	assert_int_equal(l.inode.freeing, 0x60);
	assert_true(field_present(l.mapping.i_pages));
	assert_int_equal(l.own.pages_head.offset, 0);
	assert_int_equal(kmem_open_core(&s, core, &root, &l, &e), 0);
	o = world_scan(s, &l, &all);
	assert_non_null(o);
	check_outcome(o);
	outcome_destroy(o);
	kmem_close(s);
	unlink(types);
	unlink(core);
	rmdir(dir);
	world_destroy(w);
}

static void test_radix_tree(void **state)
{
	scan_old_kernel(&(struct old_kernel){.radix_tree = true});
}

static void test_radix_tree_before_its_rename(void **state)
{
	scan_old_kernel(&(struct old_kernel){.radix_tree = true, .page_tree = true});
}

static void test_early_xarray(void **state)
{
	scan_old_kernel(&(struct old_kernel){0});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_radix_tree),
		cmocka_unit_test(test_radix_tree_before_its_rename),
		cmocka_unit_test(test_early_xarray),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
