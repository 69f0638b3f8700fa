/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The BPF source on this machine's kernel: whatever is gathered is what is read one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "../../capture/kmem/kmem.h"

struct native {
	struct kmem_source *s;
	struct kmem_layout l;
	struct sysroot root;
	unsigned char *buf, *items; /* KMEM_READ_MAX each */
};

static int setup(void **state)
{
	struct native *n = calloc(1, sizeof(*n));
	struct btf *btf;
	struct err e = {0};

	*state = n;
	n->buf = malloc(KMEM_READ_MAX);
	n->items = malloc(KMEM_READ_MAX);
	if (sysroot_open(&n->root, "/", &e) == 0 && kmem_btf_open(&btf, NULL, &n->root, &e) == 0) {
		assert_int_equal(kmem_layout_init(&n->l, btf, &e), 0);
		btf__free(btf);
		if (kmem_open_bpf(&n->s, &n->root, &n->l, &e) == 0)
			return 0;
	}
	print_message("skipped: %s\n", e.text);
	return 0;
}

static int teardown(void **state)
{
	struct native *n = *state;

	kmem_close(n->s);
	sysroot_close(&n->root);
	free(n->buf);
	free(n->items);
	free(n);
	return 0;
}

#define NEED(n)                                                                                    \
	if (!(n)->s)                                                                               \
	skip()

/* The frames of the kernel's own image: reserved for ever, so that two readings are the same. */
static uint64_t steady(const struct native *n)
{
	const struct kmem_range *g = &n->s->ranges[0];

	return kmem_page_addr(n->s, g->start_pfn);
}

static void test_gather_is_read(void **state)
{
	static const size_t sizes[] = {8, 64, 128, 384, 600, 640, 1000, 2048, 4096};
	struct native *n = *state;
	unsigned char one[KMEM_ITEM_MAX];
	uint64_t addr[KMEM_GATHER_MAX];

	NEED(n);
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		size_t count = KMEM_READ_MAX / sizes[k], faults = 99;

		if (count > KMEM_GATHER_MAX)
			count = KMEM_GATHER_MAX;
		/* No two neighbours the same, and none left over from the gather before. */
		for (size_t i = 0; i < count; i++)
			addr[i] = steady(n) + (i * 37 % 64) * 64;
		memset(n->buf, 0xa5, KMEM_READ_MAX);
		assert_int_equal(kmem_gather(n->s, addr, count, sizes[k], n->buf, &faults), 0);
		assert_int_equal(faults, 0);
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(kmem_read(n->s, addr[i], one, sizes[k]), 0);
			assert_memory_equal(n->buf + i * sizes[k], one, sizes[k]);
		}
	}
}

/* got is want in the words the layout uses, and elsewhere 0 or want. */
static void assert_page(const struct native *n, const unsigned char *want, const unsigned char *got)
{
	uint32_t words = layout_page_words(&n->l);

	for (size_t w = 0; w < 8; w++) {
		if (words & 1u << w)
			assert_memory_equal(want + 8 * w, got + 8 * w, 8);
		else
			assert_true(!memcmp(want + 8 * w, got + 8 * w, 8) ||
				    !memcmp("\0\0\0\0\0\0\0", got + 8 * w, 8));
	}
}

/* The same by plain loads, which take over when many struct pages are announced. */
static void test_pages_by_loads(void **state)
{
	struct native *n = *state;
	uint64_t addr[KMEM_GATHER_MAX];
	const unsigned char *loads;
	const uint64_t *words;
	const void *view;
	size_t faults;

	NEED(n);
	for (size_t i = 0; i < KMEM_GATHER_MAX; i++)
		addr[i] = steady(n) + (i * 37 % 128) * 64;
	assert_int_equal(kmem_gather(n->s, addr, KMEM_GATHER_MAX, 64, n->buf, &faults), 0);
	assert_int_equal(kmem_words(n->s, addr, 1, &words), -ENOTSUP); /* not announced */
	n->s->ops->expect(n->s, 1 << 30);
	if (kmem_words(n->s, addr, 1, &words) == -ENOTSUP) {
		n->s->ops->expect(n->s, 0);
		skip(); /* before 6.2 there are no such loads */
	}
	for (size_t count = KMEM_GATHER_MAX; count > 0; count /= 3) {
		assert_int_equal(kmem_pages(n->s, addr, count, n->items, &view, &faults), 0);
		assert_int_equal(faults, 0);
		loads = view;
		for (size_t i = 0; i < count; i++)
			assert_page(n, n->buf + i * 64, loads + i * 64);
	}
	/* A load that faults is told from a struct page of zeros. */
	addr[5] = addr[600] = 0xffff7fff00000000ULL;
	assert_int_equal(kmem_pages(n->s, addr, KMEM_GATHER_MAX, n->items, &view, &faults), 0);
	loads = view;
	assert_int_equal(faults, 2);
	assert_int_equal(loads[5 * 64], 0);
	for (size_t i = 6; i < 600; i++)
		assert_page(n, n->buf + i * 64, loads + i * 64);
	/* Single words, one that faults among them, at any offset. */
	for (size_t i = 0; i < KMEM_GATHER_MAX; i++)
		if (i != 5 && i != 600)
			addr[i] += i % 14 * 4;
	assert_int_equal(kmem_words(n->s, addr, KMEM_GATHER_MAX, &words), 0);
	for (size_t i = 0; i < KMEM_GATHER_MAX; i++) {
		uint64_t zero = 0;

		assert_memory_equal(&words[i],
				    i == 5 || i == 600 ? (unsigned char *)&zero
						       : n->buf + i * 64 + i % 14 * 4,
				    8);
	}
	n->s->ops->expect(n->s, 0);
}

static void test_faults(void **state)
{
	struct native *n = *state;
	uint64_t addr[] = {0, 0, 0x1000, 0xffff7fff00000000ULL, UINT64_MAX - 4, 0};
	unsigned char items[6][64];
	static const unsigned char zeros[64];
	size_t faults;

	NEED(n);
	addr[0] = addr[5] = steady(n);
	assert_int_equal(kmem_gather(n->s, addr, 6, 64, items, &faults), 0);
	assert_int_equal(faults, 4);
	for (int i = 1; i < 5; i++)
		assert_memory_equal(items[i], zeros, 64);
	assert_memory_equal(items[0], items[5], 64);
	assert_int_equal(kmem_read(n->s, 0x1000, items, 8), -EFAULT);
	assert_int_equal(kmem_read(n->s, steady(n), n->buf, KMEM_READ_MAX + 1), -E2BIG);
	assert_int_equal(kmem_gather(n->s, addr, 1, KMEM_ITEM_MAX + 1, n->buf, &faults), -E2BIG);
}

/* A small read leaves a view as it is. */
static void test_view_survives_small_reads(void **state)
{
	struct native *n = *state;
	unsigned char *copy = malloc(KMEM_READ_MAX), one[KMEM_ITEM_MAX];
	const void *view;

	NEED(n);
	assert_int_equal(kmem_view(n->s, steady(n), KMEM_READ_MAX, &view), 0);
	memcpy(copy, view, KMEM_READ_MAX);
	assert_int_equal(kmem_read(n->s, steady(n) + 8192, one, sizeof(one)), 0);
	assert_memory_equal(view, copy, KMEM_READ_MAX);
	free(copy);
}

/* The base that was found leads from a frame of ours to a struct page that is mapped once. */
static void test_base(void **state)
{
	struct native *n = *state;
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	unsigned char page[256];
	uint64_t entry;

	NEED(n);
	assert_true(p != MAP_FAILED);
	p[0] = 1;
	assert_int_equal(pread(fd, &entry, 8, (off_t)((uintptr_t)p / 4096 * 8)), 8);
	entry &= (1ULL << 55) - 1;
	assert_int_equal(kmem_read(n->s, kmem_page_addr(n->s, entry), page, n->l.page.size), 0);
	assert_int_equal(field_get(page, n->l.page.mapping) & 3, 1); /* anonymous */
	assert_true(field_get(page, n->l.page.refcount) >= 1);
	close(fd);
	munmap(p, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gather_is_read),
		cmocka_unit_test(test_pages_by_loads),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_view_survives_small_reads),
		cmocka_unit_test(test_base),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
