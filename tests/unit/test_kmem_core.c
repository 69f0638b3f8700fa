/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Core files: hostile ones, ones laid out as kcore is, and recordings that replay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "../../capture/base/cleanup.h"
#include "../../capture/kmem/elfcore.h"
#include "../../capture/kmem/record.h"
#include "kmem_world.h"

static const struct sysroot no_root = {.root_fd = -1, .proc_fd = -1, .sys_fd = -1};

static int scratch(void)
{
	int fd = memfd_create("core", 0);

	assert_true(fd >= 0);
	return fd;
}

static const char *path_of(int fd)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

static Elf64_Ehdr header(unsigned phnum)
{
	Elf64_Ehdr h = {.e_type = ET_CORE,
			.e_phoff = sizeof(h),
			.e_phnum = (Elf64_Half)phnum,
			.e_phentsize = sizeof(Elf64_Phdr)};

	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	return h;
}

static void put(int fd, const void *data, size_t len, uint64_t at)
{
	assert_int_equal(pwrite(fd, data, len, (off_t)at), len);
}

/* ------------------------------------------------------------------ hostile */

static int open_bytes(const void *data, size_t len)
{
	struct elfcore c;
	struct err e = {0};
	int fd = scratch(), r;

	if (len)
		put(fd, data, len, 0);
	r = elfcore_open(&c, fd, "x", &e);
	if (r == 0)
		elfcore_close(&c);
	else
		assert_non_null(strstr(e.text, "x: "));
	return r;
}

static void test_hostile_headers(void **state)
{
	Elf64_Ehdr h = header(1);

	assert_true(open_bytes("", 0) < 0);
	assert_true(open_bytes("not an ELF file, but long enough to be read as a header of one, "
			       "is it not?",
			       73) < 0);
	assert_true(open_bytes(&h, sizeof(h)) < 0); /* no program header behind it */
	h.e_type = ET_EXEC;
	assert_int_equal(open_bytes(&h, sizeof(h)), -ENOEXEC);
	h = header(1);
	h.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(open_bytes(&h, sizeof(h)), -ENOEXEC);
	h = header(0);
	assert_int_equal(open_bytes(&h, sizeof(h)), -ENOEXEC);
	h = header(1);
	h.e_phentsize = 8;
	assert_int_equal(open_bytes(&h, sizeof(h)), -ENOEXEC);
	h = header(1);
	h.e_phoff = UINT64_MAX - 10;
	assert_true(open_bytes(&h, sizeof(h)) < 0);
	h = header(PN_XNUM);
	h.e_shoff = 1ULL << 40;
	assert_true(open_bytes(&h, sizeof(h)) < 0);
}

static void test_hostile_segments(void **state)
{
	struct {
		Elf64_Ehdr h;
		Elf64_Phdr p[4];
		char data[32];
	} f = {.h = header(4), .data = "0123456789abcdef0123456789abcdef"};
	uint64_t data = offsetof(__typeof__(f), data);
	struct elfcore c;
	char buf[64];
	int fd = scratch();

	/* Wraps around; reaches beyond the file; is fine; overlaps the fine one. */
	f.p[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_vaddr = UINT64_MAX - 4, .p_filesz = 100};
	f.p[1] = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_vaddr = 0x1000, .p_filesz = 1 << 20, .p_offset = data};
	f.p[2] = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_vaddr = 0x800000, .p_filesz = 32, .p_offset = data};
	f.p[3] = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_vaddr = 0x800008, .p_filesz = 4, .p_offset = data + 8};
	put(fd, &f, sizeof(f), 0);
	assert_int_equal(elfcore_open(&c, fd, "x", NULL), 0);
	assert_int_equal(c.count, 3);
	assert_int_equal(elfcore_read(&c, 0x1000, buf, 32), 0);
	assert_memory_equal(buf, f.data, 32);
	assert_int_equal(elfcore_read(&c, 0x1000, buf, 33), -EFAULT);
	assert_int_equal(elfcore_read(&c, 0xfff, buf, 2), -EFAULT);
	assert_int_equal(elfcore_read(&c, 0x800004, buf, 28), 0); /* around the overlap */
	assert_memory_equal(buf, f.data + 4, 28);
	assert_int_equal(elfcore_read(&c, 0x800004, buf, 29), -EFAULT);
	assert_int_equal(elfcore_read(&c, UINT64_MAX - 2, buf, 16), -EFAULT);
	elfcore_close(&c);
}

static void test_hostile_notes(void **state)
{
	struct __attribute__((packed)) {
		Elf64_Ehdr h;
		Elf64_Phdr p;
		Elf64_Nhdr n;
		char name[8];
		struct record_note note;
		struct kmem_range ranges[2];
	} good = {.h = header(1),
		  .name = RECORD_NOTE_NAME,
		  .n = {.n_namesz = 7,
			.n_descsz = sizeof(struct record_note) + 32,
			.n_type = RECORD_NOTE_TYPE},
		  .note = {2, W_VMEMMAP, 64, 4096, 2, 0, 0},
		  .ranges = {{1, 5}, {7, 9}}},
	  f;
	struct kmem_source *s;
	struct kmem_layout l;
	struct err e = {0};

	world_layout(&l);
	good.p = (Elf64_Phdr){.p_type = PT_NOTE,
			      .p_offset = offsetof(__typeof__(f), n),
			      .p_filesz = sizeof(f) - offsetof(__typeof__(f), n)};
	for (int i = 0; i < 9; i++) {
		int fd = scratch(), r;

		f = good;
		switch (i) {
		case 1:
			f.n.n_namesz = UINT32_MAX;
			break;
		case 2:
			f.n.n_descsz = UINT32_MAX;
			break;
		case 3:
			f.n.n_descsz = 8;
			break;
		case 4:
			f.note.range_count = UINT64_MAX / 8;
			break;
		case 5:
			f.ranges[1].start_pfn = 3; /* overlaps */
			break;
		case 6:
			f.ranges[0].end_pfn = 0;
			break;
		case 7:
			f.note.page_struct_size = 56;
			break;
		case 8:
			f.note.version = 3;
			break;
		}
		put(fd, &f, sizeof(f), 0);
		r = kmem_open_core(&s, path_of(fd), &no_root, &l, &e);
		if (i == 0) {
			assert_int_equal(r, 0);
			assert_int_equal(kmem_page_count(s), 6);
			kmem_close(s);
		} else {
			assert_true(r < 0);
			assert_true(e.no > 0);
		}
		close(fd);
	}
}

/* ------------------------------------------------------------------ laid out as kcore is */

#define DIRECT 0xff11000000000000ULL
#define MAP 0xffd4000000000000ULL

static Elf64_Phdr load(uint64_t vaddr, uint64_t paddr, uint64_t size)
{
	return (Elf64_Phdr){.p_type = PT_LOAD,
			    .p_vaddr = vaddr,
			    .p_paddr = paddr,
			    .p_filesz = size,
			    .p_memsz = size,
			    .p_offset = vaddr - DIRECT + 0x10000};
}

static void test_kcore_layout(void **state)
{
	const uint64_t none[] = {UINT64_MAX, 0}; /* newer and older kernels' "no address" */

	for (int k = 0; k < 2; k++) {
		Elf64_Phdr p[] = {
			load(0xffa0000000000000ULL, none[k], 0x1fffffffffffULL), /* vmalloc */
			load(0xffffffff81000000ULL, 0x1000000, 0x3000000),	 /* text */
			load(0xffffffffc0000000ULL, none[k], 0x3f000000),	 /* modules */
			load(DIRECT + 0x1000, 0x1000, 0x9e000),
			load(MAP, none[k], 0x3000),
			load(DIRECT + 0x100000, 0x100000, 0x7fe00000),
			load(MAP + 0x4000, none[k], 0x1ff8000),
			load(DIRECT + 0x100000000, 0x100000000, 0x40000000),
			load(MAP + 0x4000000, none[k], 0x1000000),
		};
		Elf64_Ehdr h = header(ARRAY_SIZE(p));
		struct kmem_source *s;
		struct kmem_layout l;
		struct err e = {0};
		int fd = scratch();

		world_layout(&l);
		put(fd, &h, sizeof(h), 0);
		put(fd, p, sizeof(p), sizeof(h));
		assert_int_equal(kmem_open_core(&s, path_of(fd), &no_root, &l, &e), 0);
		assert_true(s->vmemmap_base == MAP);
		assert_int_equal(s->range_count, 3);
		assert_int_equal(s->ranges[0].start_pfn, 1);
		assert_int_equal(s->ranges[0].end_pfn, 0x9f);
		assert_int_equal(s->ranges[2].start_pfn, 0x100000);
		assert_int_equal(kmem_page_count(s), 0x9e + 0x7fe00 + 0x40000);
		kmem_close(s);
		close(fd);
	}
}

static void test_kcore_without_a_map(void **state)
{
	Elf64_Phdr p = load(DIRECT + 0x100000, 0x100000, 0x10000000);
	Elf64_Ehdr h = header(1);
	struct kmem_source *s;
	struct kmem_layout l;
	struct err e = {0};
	int fd = scratch();

	world_layout(&l);
	put(fd, &h, sizeof(h), 0);
	put(fd, &p, sizeof(p), sizeof(h));
	assert_true(kmem_open_core(&s, path_of(fd), &no_root, &l, &e) < 0);
	assert_non_null(strstr(e.text, "struct pages"));
	close(fd);
}

/* /proc/kcore of another moment: so many segments, all so much further into the file. */
static void put_kcore(const char *path, size_t count, uint64_t shift)
{
	Elf64_Phdr p[] = {
		load(DIRECT + 0x100000, 0x100000, 0x7fe00000),
		load(MAP + 0x4000, UINT64_MAX, 0x1ff8000),
		load(DIRECT + 0x100000000, 0x100000000, 0x40000000), /* plugged */
		load(MAP + 0x4000000, UINT64_MAX, 0x1000000),
	};
	Elf64_Ehdr h = header((unsigned)count);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	for (size_t i = 0; i < count; i++)
		p[i].p_offset += shift;
	put(fd, &h, sizeof(h), 0);
	put(fd, p, count * sizeof(*p), sizeof(h));
	close(fd);
}

/* Memory that comes is told; segments that moved with it are an error; a file that is gone too. */
static void test_kcore_changes(void **state)
{
	static const struct {
		size_t before, after;
		uint64_t shift;
		int want;
		bool told;
	} cases[] = {
		{2, 2, 0, 0, false},
		{2, 4, 0, 0, true},
		{4, 2, 0, 0, true},
		{2, 4, 0x1000, -ESTALE, true},
		{4, 4, 0x1000, -ESTALE, true},
		{2, 0, 0, -ESTALE, true}, /* no header is left that can be read */
	};
	char dir[] = "/tmp/ossnap-kcore.XXXXXX", path[64];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/kcore", dir);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sysroot root = no_root;
		struct kmem_source *s;
		struct kmem_layout l;
		struct err e = {0};

		world_layout(&l);
		put_kcore(path, cases[i].before, 0);
		root.proc_fd = open(dir, O_RDONLY | O_DIRECTORY);
		assert_int_equal(kmem_open_kcore(&s, &root, &l, &e), 0);
		e = (struct err){0};
		assert_int_equal(s->ops->finish(s, &e), 0);
		assert_int_equal(e.no, 0);
		put_kcore(path, cases[i].after, cases[i].shift);
		assert_int_equal(s->ops->finish(s, &e), cases[i].want);
		assert_int_equal(e.no != 0, cases[i].told);
		assert_true(!cases[i].told || strstr(e.text, "added or removed"));
		kmem_close(s);
		close(root.proc_fd);
		unlink(path);
	}
	rmdir(dir);
}

/* ------------------------------------------------------------------ recordings */

static void same(struct outcome *a, struct outcome *b)
{
	assert_int_equal(a->file_count, b->file_count);
	assert_int_equal(a->sample_count, b->sample_count);
	assert_int_equal(a->cgroup_count, b->cgroup_count);
	for (size_t i = 0; i < a->file_count; i++) {
		struct found *x = &a->files[i], *y = found_ino(b, x->f.ino);

		assert_non_null(y);
		assert_string_equal(x->path, y->path);
		assert_string_equal(x->fstype, y->fstype);
		assert_int_equal(x->f.nrpages, y->f.nrpages);
		assert_int_equal(x->f.state, y->f.state);
		assert_int_equal(x->f.generation, y->f.generation);
		assert_int_equal(x->pages, y->pages);
	}
	for (size_t i = 0; i < a->cgroup_count; i++) {
		assert_string_equal(a->cgroup_paths[i], b->cgroup_paths[i]);
		assert_int_equal(a->cgroups[i].ino, b->cgroups[i].ino);
		assert_int_equal(a->cgroups[i].online, b->cgroups[i].online);
	}
	for (int k = 0; k < KIND_COUNT; k++)
		assert_int_equal(a->result.kinds[k], b->result.kinds[k]);
	assert_int_equal(a->result.pages_read, b->result.pages_read);
	assert_int_equal(a->result.holes, b->result.holes);
}

static void test_recording_replays(void **state)
{
	static const uint32_t rates[] = {1, 16};

	for (size_t k = 0; k < ARRAY_SIZE(rates); k++) {
		struct scan_config c = {.one_in = rates[k], .seed = 11, .memory = 4 << 20};
		struct world *w = world_create();
		struct w_sb *sb = w_sb(w, "ext4", 1);
		uint64_t memcg = w_memcg(w, "group", 2, 77);
		struct kmem_source *record, *replay;
		struct outcome *a, *b;
		struct err e = {0};
		char name[200];
		int fd = scratch();

		memset(name, 'x', sizeof(name));
		for (uint32_t i = 0; i < 20; i++) {
			struct w_inode *inode = w_inode(w, sb, i + 1);

			w_dentry(w, sb->root, name, 180 + i, inode, i % 3 > 0);
			w_pages(w, inode, i * 300, 100 + i, 0, i % 2 ? memcg : 0);
		}
		w_folio(w, w_inode(w, sb, 99), 8192, 512, W_DIRTY);
		w->hole_start = 12000;
		w->hole_end = 12064;
		assert_int_equal(kmem_record_open(&record, &w->s, fd, 8 << 20, &e), 0);
		a = world_scan(record, &w->l, &c);
		assert_non_null(a);
		assert_int_equal(kmem_record_finish(record, &e), 0);
		kmem_close(record);
		assert_int_equal(kmem_open_core(&replay, path_of(fd), &no_root, &w->l, &e), 0);
		b = world_scan(replay, &w->l, &c);
		assert_non_null(b);
		assert_int_equal(a->file_count, 21);
		same(a, b);
		kmem_close(replay);
		outcome_destroy(a);
		outcome_destroy(b);
		world_destroy(w);
		close(fd);
	}
}

static void test_recording_over_its_size(void **state)
{
	struct world *w = world_create();
	struct kmem_source *record;
	struct outcome *o;
	struct err e = {0};
	int fd = scratch();

	assert_int_equal(kmem_record_open(&record, &w->s, fd, 100000, &e), 0);
	o = world_scan(record, &w->l, &(struct scan_config){.one_in = 1, .memory = 1 << 20});
	assert_non_null(o); /* the scan itself is not disturbed */
	assert_int_equal(kmem_record_finish(record, &e), -EFBIG);
	assert_true(lseek(fd, 0, SEEK_END) <= 100000 + 4096);
	kmem_close(record);
	outcome_destroy(o);
	world_destroy(w);
	close(fd);
}

static uint64_t frame_of(const char *page)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (fd < 0 || pread(fd, &entry, 8, (off_t)((uintptr_t)page / 4096 * 8)) != 8)
		entry = 0;
	if (fd >= 0)
		close(fd);
	return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

static int by_pfn(const void *a, const void *b)
{
	const struct kmem_range *x = a, *y = b;

	return x->start_pfn < y->start_pfn ? -1 : x->start_pfn > y->start_pfn;
}

/* This machine's kernel: a file of ours, recorded through BPF, replays to the same. */
static void test_native_recording_replays(void **state)
{
	struct capture_options options = {.memory_source = MEMORY_BPF};
	struct scan_config c = {.one_in = 1, .seed = 1, .memory = 1 << 20};
	char dir[] = "/tmp/ossnap-record.XXXXXX", path[64];
	struct kmem_source *live, *record, *replay;
	struct kmem_layout l;
	struct sysroot root;
	struct btf *btf;
	struct err e = {0};
	struct outcome *a, *b;
	struct found *f;
	struct stat st;
	char *p;
	int fd, core = scratch();

	if (geteuid() != 0) {
		print_message("skipped: needs root\n");
		close(core);
		skip();
	}
	assert_int_equal(sysroot_open(&root, "/", &e), 0);
	if (kmem_btf_open(&btf, NULL, &root, &e) < 0) {
		print_message("skipped: %s\n", e.text);
		skip();
	}
	assert_int_equal(kmem_layout_init(&l, btf, &e), 0);
	btf__free(btf);
	if (kmem_open(&live, &options, &root, &l, &e) < 0) {
		print_message("skipped: %s\n", e.text);
		skip();
	}
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/recorded file", dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, 8 * 4096), 0);
	p = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(p != MAP_FAILED);
	assert_int_equal(kmem_record_open(&record, live, core, 8 << 20, &e), 0);
	free(record->ranges);
	record->ranges = calloc(8, sizeof(*record->ranges));
	record->range_count = 8;
	for (int i = 0; i < 8; i++) {
		p[i * 4096] = (char)i;
		record->ranges[i].start_pfn = frame_of(p + i * 4096);
		record->ranges[i].end_pfn = record->ranges[i].start_pfn + 1;
		assert_true(record->ranges[i].start_pfn > 0);
	}
	qsort(record->ranges, 8, sizeof(*record->ranges), by_pfn);
	a = world_scan(record, &l, &c);
	assert_non_null(a);
	assert_int_equal(kmem_record_finish(record, &e), 0);
	assert_int_equal(fstat(fd, &st), 0);
	f = found_ino(a, st.st_ino);
	assert_non_null(f);
	assert_int_equal(f->f.nrpages, 8);
	assert_int_equal(f->pages, 8);
	assert_int_equal(f->f.state, FILE_LINKED);
	assert_non_null(strstr(f->path, "recorded file"));
	assert_true(lseek(core, 0, SEEK_END) < 1 << 20);

	assert_int_equal(kmem_open_core(&replay, path_of(core), &root, &l, &e), 0);
	b = world_scan(replay, &l, &c);
	assert_non_null(b);
	same(a, b);
	outcome_destroy(a);
	outcome_destroy(b);
	kmem_close(replay);
	kmem_close(record);
	kmem_close(live);
	munmap(p, 8 * 4096);
	close(fd);
	close(core);
	unlink(path);
	rmdir(dir);
	sysroot_close(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile_headers),
		cmocka_unit_test(test_hostile_segments),
		cmocka_unit_test(test_hostile_notes),
		cmocka_unit_test(test_kcore_layout),
		cmocka_unit_test(test_kcore_without_a_map),
		cmocka_unit_test(test_kcore_changes),
		cmocka_unit_test(test_recording_replays),
		cmocka_unit_test(test_recording_over_its_size),
		cmocka_unit_test(test_native_recording_replays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
