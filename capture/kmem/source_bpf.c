/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel memory through BPF programs that are run, not attached (bpf/kmem.bpf.c).
 *
 * Where struct page's virtual map begins is found without symbols: a page of a file of our own is
 * followed from the task that opened it (task → files → file → address_space → first page), and
 * /proc/self/pagemap names the frame of that same page; base = page − frame × sizeof(struct page).
 * Several pages have to agree.
 */
#include "kmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/types.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../bpf/kmem.h"
#include "../base/cleanup.h"
#include "../base/clock.h"
#include "kmem.skel.h"
#include "kmem_pages.skel.h"

#define MEMBER_SIZE(type, member) sizeof(((type *)0)->member)
_Static_assert(MEMBER_SIZE(struct kmem_bpf_shared, buffer) >= KMEM_READ_MAX, "one bulk read");
_Static_assert(MEMBER_SIZE(struct kmem_bpf_shared, addr) == KMEM_GATHER_MAX * 8, "one gather");
_Static_assert(MEMBER_SIZE(struct kmem_bpf_shared, item) == KMEM_ITEM_MAX, "one item");

/* struct page's map is populated in blocks that belong to a section of memory (128 MiB here and on
 * arm64): what holds for one struct page of a block holds for all. */
#define MAP_BLOCK_SHIFT 21
#define READABLE_SLOTS 4096u
/* Loading kmem_pages.bpf.c costs about 10 ms, and saves about 60 ns a sample. */
#define MANY_SAMPLES (1u << 16)
/* How long loading is tried again when signals come between. */
#define LOAD_NS (5 * NSEC_PER_SEC)

struct bpf_source {
	struct kmem_source s;
	struct kmem_bpf *skel;
	struct kmem_pages_bpf
		*pages; /* struct pages by plain loads; NULL: not tried, or not here */
	int pages_fd, words_fd;
	bool pages_tried;
	uint32_t page_words;		   /* layout_page_words() */
	bool many;			   /* enough samples to come that loading them pays */
	uint64_t readable[READABLE_SLOTS]; /* blocks of the map that have been seen not to fault */
	int read_fd, item_fd, gather_fd;
	size_t gather_max; /* items per run */
};

static struct bpf_source *of(struct kmem_source *s)
{
	return (struct bpf_source *)s;
}

/* Negative errno, or what the program returned. */
static int run(int fd, uint64_t a, uint64_t b)
{
	struct kmem_bpf_args args = {.arg = {a, b}};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &args, .ctx_size_in = sizeof(args));
	int r = bpf_prog_test_run_opts(fd, &opts);

	return r < 0 ? r : (int)opts.retval;
}

static int bpf_read(struct kmem_source *s, uint64_t addr, void *buf, size_t len, const void **ret)
{
	/* Small reads have a place of their own, so that they leave a view as it is. */
	bool small = len <= KMEM_BPF_ITEM;
	int r = run(small ? of(s)->item_fd : of(s)->read_fd, addr, len);

	if (r < 0)
		return r;
	if (r > 0)
		return -EFAULT;
	*ret = small ? of(s)->skel->bss->shared.item : of(s)->skel->bss->shared.buffer;
	return 0;
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return 0;
}

/* Kernels before 6.2 cannot load it, and do without. */
static bool load_pages(struct bpf_source *b)
{
	libbpf_print_fn_t before;

	if (b->pages_tried)
		return b->pages;
	b->pages_tried = true;
	before = libbpf_set_print(quiet);
	b->pages = kmem_pages_bpf__open();
	if (b->pages)
		b->pages->rodata->page_words = b->page_words;
	if (b->pages && kmem_pages_bpf__load(b->pages) < 0) { /* also for a signal: not again */
		kmem_pages_bpf__destroy(b->pages);
		b->pages = NULL;
	}
	libbpf_set_print(before);
	if (b->pages) {
		b->pages_fd = bpf_program__fd(b->pages->progs.kmem_pages);
		b->words_fd = bpf_program__fd(b->pages->progs.kmem_words);
	}
	return b->pages;
}

static bool is_zero(const __u64 *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (words[i])
			return false;
	}
	return true;
}

static bool is_readable(struct bpf_source *b, uint64_t addr)
{
	uint64_t block = addr >> MAP_BLOCK_SHIFT, word;
	uint64_t *known = &b->readable[block % READABLE_SLOTS];

	if (*known == block)
		return true;
	if (kmem_read(&b->s, addr, &word, sizeof(word)) < 0)
		return false;
	*known = block;
	return true;
}

/* Runs a program of kmem_pages.bpf.c on the addresses. */
static int run_groups(struct bpf_source *b, int fd, const uint64_t *addr, size_t n)
{
	struct kmem_pages_shared *shared = &b->pages->bss->shared;
	size_t groups = (n + KMEM_PAGES_UNROLL - 1) / KMEM_PAGES_UNROLL;
	int r;

	memcpy(shared->addr, addr, n * sizeof(*addr));
	for (size_t i = n; i < groups * KMEM_PAGES_UNROLL; i++)
		shared->addr[i] = addr[n - 1];
	r = run(fd, groups, 0);
	return r > 0 ? -EINVAL : r;
}

static int gather_pages(struct bpf_source *b, const uint64_t *addr, size_t n, const void **ret,
			size_t *ret_faults)
{
	struct kmem_pages_shared *shared = &b->pages->bss->shared;
	size_t faults = 0;
	int r = run_groups(b, b->pages_fd, addr, n);

	if (r < 0)
		return r;
	/* All zeros: a fault, or a struct page that the kernel has not set up yet. */
	for (size_t i = 0; i < n; i++) {
		if (!shared->pages[i][0] && is_zero(shared->pages[i], KMEM_PAGE_WORDS) &&
		    !is_readable(b, addr[i]))
			faults++;
	}
	*ret = shared->pages;
	*ret_faults = faults;
	return 0;
}

static int bpf_gather(struct kmem_source *s, const uint64_t *addr, size_t n, size_t size, void *buf,
		      const void **ret, size_t *ret_faults)
{
	struct kmem_bpf_shared *shared = &of(s)->skel->bss->shared;
	size_t max = of(s)->gather_max, faults = 0;

	for (size_t i = 0; i < n; i += max) {
		size_t count = n - i < max ? n - i : max;
		int r;

		memcpy(shared->addr, addr + i, count * sizeof(*addr));
		r = run(of(s)->gather_fd, count, size);
		if (r != 0)
			return r < 0 ? r : -EINVAL;
		faults += shared->faults;
		if (count < n) /* several runs: collect in the caller's buffer */
			memcpy((char *)buf + i * size, shared->buffer, count * size);
	}
	*ret = n > max ? buf : shared->buffer;
	*ret_faults = faults;
	return 0;
}

static int bpf_pages(struct kmem_source *s, const uint64_t *addr, size_t n, void *buf,
		     const void **ret, size_t *ret_faults)
{
	if (s->page_struct_size == KMEM_PAGE_WORDS * sizeof(uint64_t) && of(s)->many && n > 0 &&
	    load_pages(of(s)))
		return gather_pages(of(s), addr, n, ret, ret_faults);
	return bpf_gather(s, addr, n, s->page_struct_size, buf, ret, ret_faults);
}

static int bpf_words(struct kmem_source *s, const uint64_t *addr, size_t n, const uint64_t **ret)
{
	struct bpf_source *b = of(s);
	int r;

	if (!b->many || n == 0 || !load_pages(b))
		return -ENOTSUP;
	r = run_groups(b, b->words_fd, addr, n);
	if (r < 0)
		return r;
	*ret = (const uint64_t *)b->pages->bss->shared.words;
	return 0;
}

static void bpf_close(struct kmem_source *s)
{
	kmem_bpf__destroy(of(s)->skel);
	kmem_pages_bpf__destroy(of(s)->pages);
	free(s->ranges);
	free(s->buffer);
	free(s);
}

static void bpf_expect(struct kmem_source *s, uint64_t samples)
{
	of(s)->many = samples >= MANY_SAMPLES;
}

static const struct kmem_source_ops bpf_ops = {.expect = bpf_expect,
					       .pages = bpf_pages,
					       .words = bpf_words,
					       .name = "bpf",
					       .read = bpf_read,
					       .gather = bpf_gather,
					       .close = bpf_close};

static int read_pointer(struct kmem_source *s, uint64_t base, struct kmem_field f, uint64_t *ret)
{
	int r = kmem_read(s, base + f.offset, ret, sizeof(*ret));

	return r == 0 && *ret == 0 ? -ENODATA : r;
}

/* The struct page of page 0 of the file behind fd. */
static int own_page(struct kmem_source *s, const struct kmem_layout *l, uint64_t task, int fd,
		    uint64_t *ret)
{
	uint64_t files, fdt, table, file, mapping, head;
	struct kmem_field slot = {.offset = (uint32_t)fd * sizeof(uint64_t), .size = 8};
	int r;

	if ((r = read_pointer(s, task, l->own.task_files, &files)) < 0 ||
	    (r = read_pointer(s, files, l->own.files_fdt, &fdt)) < 0 ||
	    (r = read_pointer(s, fdt, l->own.fdt_fd, &table)) < 0 ||
	    (r = read_pointer(s, table, slot, &file)) < 0 ||
	    (r = read_pointer(s, file, l->own.file_mapping, &mapping)) < 0 ||
	    (r = read_pointer(s, mapping + l->mapping.i_pages.offset, l->own.pages_head, &head)) <
		    0)
		return r;
	/* One page at index 0 stands in the head itself; low bits would mean a node or a value. */
	if (head & 3)
		return -EAGAIN;
	*ret = head;
	return 0;
}

/* The frame behind a mapped address of ours. */
static int own_frame(const struct sysroot *root, const void *p, size_t page_size, uint64_t *ret)
{
	_cleanup_fd_ int fd = openat(root->proc_fd, "self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	if (fd < 0)
		return -errno;
	if (pread(fd, &entry, 8, (off_t)((uintptr_t)p / page_size * 8)) != 8)
		return -EIO;
	if (!(entry >> 63))
		return -EAGAIN;
	entry &= (1ULL << 55) - 1;
	if (!entry)
		return -EPERM; /* frame numbers are hidden */
	*ret = entry;
	return 0;
}

static int base_from_one_page(struct kmem_source *s, const struct kmem_layout *l,
			      const struct sysroot *root, uint64_t task, uint64_t *ret)
{
	_cleanup_fd_ int fd = memfd_create("ossnap", MFD_CLOEXEC);
	uint64_t page = 0, frame = 0, again = 0;
	volatile char *p;
	int r;

	if (fd < 0 || ftruncate(fd, (off_t)s->page_size) < 0)
		return -errno;
	p = mmap(NULL, s->page_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*p = 1;
	/* The page may be migrated between the two looks: the same frame before and after. */
	r = own_frame(root, (const void *)p, s->page_size, &frame);
	if (r == 0)
		r = own_page(s, l, task, fd, &page);
	if (r == 0)
		r = own_frame(root, (const void *)p, s->page_size, &again);
	munmap((void *)p, s->page_size);
	if (r < 0)
		return r;
	if (frame != again)
		return -EAGAIN;
	*ret = page - frame * s->page_struct_size;
	return 0;
}

static int find_base(struct bpf_source *b, const struct kmem_layout *l, const struct sysroot *root,
		     struct err *e)
{
	struct kmem_source *s = &b->s;
	uint64_t first = 0, base = 0;
	int agree = 0, r;

	if (!field_present(l->own.task_files) || !field_present(l->own.files_fdt) ||
	    !field_present(l->own.fdt_fd) || !field_present(l->own.file_mapping) ||
	    !field_present(l->mapping.i_pages) || !field_present(l->own.pages_head))
		return err_set(e, ENOTSUP,
			       "bpf: the kernel's types do not lead from a task to its "
			       "files' pages");
	r = run(bpf_program__fd(b->skel->progs.kmem_current), 0, 0);
	if (r < 0)
		return err_errno(e, r, "bpf: running a program");
	for (int tries = 0; tries < 16 && agree < 3; tries++) {
		r = base_from_one_page(s, l, root, b->skel->bss->shared.current_task, &base);
		if (r == -EAGAIN)
			continue;
		if (r == -EPERM)
			return err_set(e, EPERM,
				       "/proc/self/pagemap: frame numbers are hidden "
				       "(needs CAP_SYS_ADMIN)");
		if (r < 0)
			return err_errno(e, r, "bpf: following a page of our own");
		if (agree && base != first)
			agree = 0;
		first = base;
		agree++;
	}
	if (agree < 3)
		return err_set(e, EPROTO,
			       "bpf: pages of our own do not agree on where struct page's "
			       "map begins");
	s->vmemmap_base = base;
	s->own_task = b->skel->bss->shared.current_task;
	return 0;
}

static int load_once(struct bpf_source *b, bool loop)
{
	int r;

	b->skel = kmem_bpf__open();
	if (!b->skel)
		return -errno;
	bpf_program__set_autoload(b->skel->progs.kmem_gather, loop);
	bpf_program__set_autoload(b->skel->progs.kmem_gather_few, !loop);
	r = kmem_bpf__load(b->skel);
	if (r < 0) {
		kmem_bpf__destroy(b->skel);
		b->skel = NULL;
	}
	return r;
}

static int load(struct bpf_source *b, struct err *e)
{
	libbpf_print_fn_t before = libbpf_set_print(quiet);
	const uint64_t end = clock_ns(CLOCK_MONOTONIC) + LOAD_NS;
	bool loop;
	int r;

	loop = libbpf_probe_bpf_helper(BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_FUNC_loop, NULL) == 1;
	/* The verifier gives up when a signal comes, and the CPU budget stops us by signals. */
	do {
		r = load_once(b, loop);
	} while (r == -EAGAIN && clock_ns(CLOCK_MONOTONIC) < end);
	libbpf_set_print(before);
	if (r == -EPERM || r == -EACCES)
		return err_set(e, -r,
			       "bpf: Operation not permitted (needs CAP_BPF and CAP_PERFMON, or "
			       "CAP_SYS_ADMIN)");
	if (r < 0)
		return err_errno(e, r, "bpf: loading the programs");
	b->read_fd = bpf_program__fd(b->skel->progs.kmem_read);
	b->item_fd = bpf_program__fd(b->skel->progs.kmem_read_item);
	b->gather_fd =
		bpf_program__fd(loop ? b->skel->progs.kmem_gather : b->skel->progs.kmem_gather_few);
	b->gather_max = loop ? KMEM_BPF_GATHER : KMEM_BPF_FEW;
	return 0;
}

int kmem_open_bpf(struct kmem_source **ret, const struct sysroot *root, const struct kmem_layout *l,
		  struct err *e)
{
	struct bpf_source *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return err_errno(e, ENOMEM, "bpf");
	b->s.ops = &bpf_ops;
	b->s.page_size = (size_t)sysconf(_SC_PAGESIZE);
	b->s.page_struct_size = l->page.size;
	b->page_words = layout_page_words(l);
	b->s.ns_per_page = 12;
	b->s.ns_per_sample = 50;
	r = load(b, e);
	if (r == 0)
		r = kmem_ranges_from_iomem(&b->s.ranges, &b->s.range_count, root, b->s.page_size,
					   e);
	if (r == 0)
		r = find_base(b, l, root, e);
	if (r < 0) {
		bpf_close(&b->s);
		return r;
	}
	*ret = &b->s;
	return 0;
}
