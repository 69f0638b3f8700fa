/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --max-memory, shared out before anything starts: whatever runs, the sum is within it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/base/cleanup.h"
#include "capture/bundle/format.h"
#include "capture/shares.h"

#define KI UINT64_C(1024)
#define MI (1024 * KI)
#define ALL_MAX 32

/* The kernel's types: none, the smallest and the largest of Debian's kernels, and twice that. */
static const uint64_t types[] = {0, 3 * MI, 6 * MI, 12 * MI};

struct let_in {
	struct share share[ALL_MAX];
	bool in[ALL_MAX];
	size_t count, refused;
	struct shares s;
};

/* Those of the table whose bit is set. */
static struct let_in let_in(uint64_t max_memory, uint64_t type_bytes, uint64_t which)
{
	struct let_in l = {.s = {.max_memory = max_memory, .types = type_bytes}};

	while (collectors[l.count])
		l.count++;
	assert_true(l.count <= ALL_MAX);
	for (size_t i = 0; i < SHARES_TURNS * l.count; i++) {
		size_t k = i % l.count;
		uint64_t needs = 0, left = 0;

		if (!(which >> k & 1) || shares_turn(collectors[k]) != i / l.count)
			continue;
		l.in[k] = shares_let_in(&l.s, collectors[k], &l.share[k], &needs, &left);
		if (l.in[k])
			continue;
		l.refused++;
		assert_true(needs > 0 && left < max_memory);
	}
	return l;
}

/* Added up here from the shares alone, not by shares.c. */
static void is_within(const struct let_in *l, uint64_t max_memory)
{
	uint64_t held = 0, most = 0;

	for (size_t i = 0; i < l->count; i++) {
		const struct share *h = &l->share[i];

		if (!l->in[i])
			continue;
		assert_true(h->limit >= collectors[i]->memory_least_kib * KI);
		/* Its limit is either held or for a moment. */
		assert_true(h->held + h->moment >= h->limit);
		assert_true(collectors[i]->timed ? h->held == h->limit : h->held == 0);
		assert_true(shares_part(max_memory, h->limit) <= BUNDLE_PART_SIZE);
		assert_true(shares_part(max_memory, h->limit) <= shares_pool(max_memory));
		held += h->held;
		most = h->moment > most ? h->moment : most;
	}
	assert_true(shares_ours(max_memory) + held + most <= max_memory);
	/* The largest moment finds room when it is alone, so nobody waits for ever. */
	assert_true(most <= shares_for_moments(&l->s));
	assert_true(shares_ours(max_memory) + held + shares_for_moments(&l->s) <= max_memory);
}

static void test_sum(void **state)
{
	uint64_t x = 88172645463325252ULL;

	for (uint64_t max = 16 * MI; max <= 1024 * MI; max += max / 16 + 4097)
		for (size_t t = 0; t < ARRAY_SIZE(types); t++)
			for (int n = 0; n < 50; n++) {
				struct let_in l = let_in(max, types[t], n ? x : UINT64_MAX);

				is_within(&l, max);
				x ^= x << 13;
				x ^= x >> 7;
				x ^= x << 17;
			}
}

/* At the default everything runs, also on a kernel whose types are large. */
static void test_default(void **state)
{
	for (size_t t = 0; t < 3; t++)
		assert_int_equal(let_in(64 * MI, types[t], UINT64_MAX).refused, 0);
	/* With the least there is what /proc says, and who was left out is known. */
	struct let_in l = let_in(16 * MI, 6 * MI, UINT64_MAX);

	assert_true(l.refused > 0 && l.refused < l.count);
	for (size_t i = 0; i < l.count; i++)
		assert_true(l.in[i] == !collectors[i]->loads_types);
}

static void test_types(void **state)
{
	char dir[] = "/tmp/ossnap-shares.XXXXXX", path[64];
	struct capture_options o = {0};
	struct sysroot none = {.root_fd = -1, .proc_fd = -1, .sys_fd = -1};

	assert_int_equal(shares_types(&o, &none), 0);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/btf", dir);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f, "12345");
	fclose(f);
	o.btf_file = path;
	assert_int_equal(shares_types(&o, &none), 5);
	unlink(path);
	assert_int_equal(shares_types(&o, &none), 0);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_types),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
