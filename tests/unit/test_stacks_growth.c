/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples of growth: what each stands for, how room is made, and what is still there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../bpf/stacks.h"
#include "../../capture/base/sysroot.h"
#include "../../capture/stacks/growth.h"

static void test_weights(void **state)
{
	/* size / (1 − exp(−size / rate)), by another's arithmetic */
	static const uint64_t sizes[] = {1, 16, 100, 4096, 65536, 200000, 1000000, 1 << 30};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		double x = (double)sizes[i] / 65536;
		double truth = (double)sizes[i] / -expm1(-x);

		assert_true(fabs((double)growth_weight(sizes[i], 65536) - truth) <
			    truth * 1e-6 + 1);
	}
	assert_int_equal(growth_weight(0, 65536), 65536);
}

/* Half of the rows go and the others weigh double: the sum stays what it was, about. */
static void test_thinning(void **state)
{
	struct growth g;
	double sum[2] = {0};

	assert_int_equal(growth_init(&g, 4096, 4), 0);
	g.seed = 12345;
	for (unsigned i = 0; i < 40000; i++) {
		struct growth_row r = {.time = i, .pid = 1 + i % 2, .bytes = i % 2 ? 3000 : 1000};

		growth_add(&g, &r);
	}
	assert_true(g.count <= 4096);
	assert_true(g.thin >= 16);
	assert_int_equal(g.dropped, 0);
	for (size_t i = 0; i < g.count; i++) {
		assert_int_equal(g.rows[i].kept, GROWTH_UNKNOWN);
		assert_int_equal(g.rows[i].bytes % g.thin, 0);
		sum[g.rows[i].pid - 1] += (double)g.rows[i].bytes;
	}
	/* 1,250 rows or more of each: 3% is one standard deviation */
	assert_true(fabs(sum[0] / 20e6 - 1) < 0.12);
	assert_true(fabs(sum[1] / 60e6 - 1) < 0.12);
	growth_deinit(&g);
}

static void add(struct growth *g, uint32_t pid, const void *address, uint64_t time, uint32_t kind)
{
	struct growth_row r = {.pid = pid,
			       .address = (uintptr_t)address,
			       .time = time,
			       .bytes = 4096,
			       .kind = kind};

	growth_add(g, &r);
}

static uint32_t kept(const struct growth *g, uint64_t time)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->rows[i].time == time)
			return g->rows[i].kept;
	return 99;
}

static void test_slices(void **state)
{
	struct growth g;

	assert_int_equal(growth_init(&g, 64, 4), 0);
	add(&g, 1, &g, 99, STACKS_GROWTH_FAULT);
	add(&g, 1, &g, 100, STACKS_GROWTH_FAULT);
	add(&g, 1, &g, 149, STACKS_GROWTH_FAULT);
	add(&g, 1, &g, 149, STACKS_GROWTH_ALLOC);
	add(&g, 1, &g, 150, STACKS_GROWTH_FAULT);
	growth_scale(&g, 100, 150, 300);
	growth_scale(&g, 150, 150, 300); /* no slice at all */
	growth_scale(&g, 100, 150, 140);
	assert_int_equal(g.rows[0].bytes, 4096);
	assert_int_equal(g.rows[1].bytes, 4 * 4096);
	assert_int_equal(g.rows[2].bytes, 4 * 4096);
	assert_int_equal(g.rows[3].bytes, 4096);
	assert_int_equal(g.rows[4].bytes, 4096);
	growth_deinit(&g);
}

static void test_what_is_there(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *at = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *file = mmap(NULL, page, PROT_READ, MAP_PRIVATE, open("/proc/self/exe", O_RDONLY), 0);
	uint32_t self = (uint32_t)getpid();
	struct sysroot root;
	struct growth g;

	if (sysroot_open(&root, NULL, &(struct err){0}) < 0)
		skip();
	assert_true(at != MAP_FAILED && file != MAP_FAILED);
	at[0] = at[page] = 1;
	assert_true(*(volatile char *)file || 1);
	munmap(at + page, page);
	assert_int_equal(growth_init(&g, 64, 4), 0);
	add(&g, self, at + 8, 1, STACKS_GROWTH_FAULT);	      /* there */
	add(&g, self, at + page, 2, STACKS_GROWTH_FAULT);     /* unmapped */
	add(&g, self, at + 2 * page, 3, STACKS_GROWTH_FAULT); /* never touched */
	add(&g, self, file, 4, STACKS_GROWTH_FAULT);	      /* a file's */
	add(&g, self, NULL, 5, STACKS_GROWTH_FAULT);	      /* not known */
	add(&g, 0x7ffffff0, at, 6, STACKS_GROWTH_FAULT);      /* nobody's */
	add(&g, self, at + 16, 7, STACKS_GROWTH_FAULT);	      /* the same page again: 1 has gone */
	add(&g, self, at + 2 * page, 8, STACKS_GROWTH_ALLOC); /* not ours to say */
	assert_int_equal(growth_check(&g, &root), 0);
	assert_int_equal(kept(&g, 1), GROWTH_GONE);
	assert_int_equal(kept(&g, 2), GROWTH_GONE);
	assert_int_equal(kept(&g, 3), GROWTH_GONE);
	assert_int_equal(kept(&g, 4), GROWTH_GONE);
	assert_int_equal(kept(&g, 5), GROWTH_UNKNOWN);
	assert_int_equal(kept(&g, 6), GROWTH_GONE);
	assert_int_equal(kept(&g, 7), GROWTH_KEPT);
	assert_int_equal(kept(&g, 8), GROWTH_UNKNOWN);
	growth_deinit(&g);
	sysroot_close(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_thinning),
		cmocka_unit_test(test_slices),
		cmocka_unit_test(test_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
