/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From slices of the window to counts with variances: against populations that are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../capture/collectors/delay_sums.h"

#define S UINT64_C(1000000)

static const struct delay_slice whole = {.stratum_ns = S, .slice_ns = S};

static void test_whole(void **state)
{
	struct delay_key key = {.tgid = 7, .kind = 3};
	struct delay_value v = {.count = 10, .ns = 500, .cut = 1, .cut_ns = 100, .max_ns = 90};
	struct delay_sums s;

	memcpy(v.comm, "abcdefghijklmnop", 16);
	v.histogram[2] = 9;
	delay_sums_init(&s, sizeof(key));
	delay_sums_add(&s, &key, &v, &whole);
	v.max_ns = 60;
	delay_sums_add(&s, &key, &v, &whole);
	delay_sums_end(&s);
	assert_int_equal(s.count, 1);
	assert_true(s.rows[0].count == 20);
	assert_true(s.rows[0].ns == 1000); /* all was seen: nothing stands for anything else */
	assert_true(s.rows[0].count_var == 0 && s.rows[0].ns_var == 0);
	assert_int_equal(s.rows[0].seen, 20);
	assert_int_equal(s.rows[0].seen_cut, 2);
	assert_int_equal(s.rows[0].max_ns, 90);
	assert_true(s.rows[0].histogram[2] == 18);
	assert_string_equal(s.rows[0].comm, "abcdefghijklmno");
	delay_sums_deinit(&s);
}

/* By hand: two strata of a pair, a tenth of each seen, 3 and 5 calls. */
static void test_pair(void **state)
{
	struct delay_slice slice = {.stratum_ns = 10 * S, .slice_ns = S, .number = 4};
	struct delay_key key = {.tgid = 7};
	struct delay_value v = {.count = 3, .ns = 30, .cut = 1, .cut_ns = 10};
	struct delay_sums s;

	delay_sums_init(&s, sizeof(key));
	delay_sums_add(&s, &key, &v, &slice);
	v = (struct delay_value){.count = 5, .ns = 50};
	slice.number = 5;
	delay_sums_add(&s, &key, &v, &slice);
	delay_sums_end(&s);
	assert_true(s.rows[0].count == 80);
	/* What began before the slice stands for what ended after it as well. */
	assert_true(s.rows[0].ns == 10 * (30 + 10 + 50));
	assert_true(fabs(s.rows[0].count_var - 20 * 20 * 0.9) < 1e-9);
	assert_true(fabs(s.rows[0].ns_var - 100 * 100 * 0.9) < 1e-9);
	delay_sums_deinit(&s);
}

static double uniform(void)
{
	return (double)random() / ((double)RAND_MAX + 1);
}

/*
 * Calls of a process whose rate doubles half way, short and long ones, watched 5 % of the time: the
 * estimates' mean is the truth, and the 95 % interval holds it nearly that often.
 */
static void test_simulation(void **state)
{
	enum { STRATA = 80, RUNS = 300, CALLS = 24000 };
	const double stratum = 1e8, slice = 5e6, end = STRATA * stratum;
	static double at[CALLS], length[CALLS];
	double true_ns = 0, mean = 0, mean_ns = 0;
	int covered = 0;

	srandom(20261121);
	for (int i = 0; i < CALLS; i++) {
		double u = uniform();

		at[i] = u < 1.0 / 3 ? u * 3 * end / 2 : end / 2 + (u - 1.0 / 3) * 1.5 * end / 2;
		length[i] = i % 10 ? 1e4 : 2e6;
		true_ns += length[i];
	}
	for (int run = 0; run < RUNS; run++) {
		struct delay_key key = {.tgid = 1};
		struct delay_value v[STRATA] = {0};
		double from[STRATA];
		struct delay_sums s;

		delay_sums_init(&s, sizeof(key));
		for (int h = 0; h < STRATA; h++)
			from[h] = h * stratum + uniform() * (stratum - slice);
		for (int i = 0; i < CALLS; i++) {
			double stop = at[i] + length[i];
			int h = (int)(stop / stratum);

			if (h >= STRATA || stop < from[h] || stop >= from[h] + slice)
				continue;
			v[h].count++;
			if (at[i] >= from[h]) {
				v[h].ns += (uint64_t)length[i];
			} else {
				v[h].cut++;
				v[h].ns += (uint64_t)(stop - from[h]);
				v[h].cut_ns += (uint64_t)(stop - from[h]);
			}
		}
		for (int h = 0; h < STRATA; h++)
			delay_sums_add(&s, &key, &v[h],
				       &(struct delay_slice){.stratum_ns = (uint64_t)stratum,
							     .slice_ns = (uint64_t)slice,
							     .number = (uint64_t)h});
		delay_sums_end(&s);
		mean += s.rows[0].count / RUNS;
		mean_ns += s.rows[0].ns / RUNS;
		covered += fabs(s.rows[0].count - CALLS) <= 1.96 * sqrt(s.rows[0].count_var);
		delay_sums_deinit(&s);
	}
	assert_true(fabs(mean / CALLS - 1) < 0.01);
	assert_true(fabs(mean_ns / true_ns - 1) < 0.02);
	assert_true(covered >= RUNS * 92 / 100);
}

static void test_full(void **state)
{
	struct delay_value v = {.count = 1};
	struct delay_sums s;

	delay_sums_init(&s, sizeof(struct delay_key));
	for (uint32_t i = 0; i < DELAY_SUMS_MAX + 5; i++) {
		struct delay_key key = {.tgid = i, .kind = i * 2654435761u};

		delay_sums_add(&s, &key, &v, &whole);
	}
	assert_int_equal(s.count, DELAY_SUMS_MAX);
	assert_int_equal(s.lost, 5);
	/* Those that are there are found still. */
	for (uint32_t i = 0; i < DELAY_SUMS_MAX; i += 997) {
		struct delay_key key = {.tgid = i, .kind = i * 2654435761u};

		delay_sums_add(&s, &key, &v, &whole);
		assert_true(delay_sums_row(&s, &key)->count == 2);
	}
	assert_int_equal(s.lost, 5);
	delay_sums_deinit(&s);
}

/* What a program may have missed for being looked at is in the interval. */
static void test_taken(void **state)
{
	struct delay_slice slice = {.stratum_ns = 10 * S, .slice_ns = S, .taken = 0.2};
	struct delay_key key = {.tgid = 1};
	struct delay_value v = {.count = 80}; /* of 100 that it would have made */
	struct delay_sums s;

	delay_sums_init(&s, sizeof(key));
	for (slice.number = 0; slice.number < 10; slice.number++)
		delay_sums_add(&s, &key, &v, &slice);
	delay_sums_end(&s);
	assert_true(s.rows[0].count == 8000);
	assert_true(s.rows[0].count + 2 * sqrt(s.rows[0].count_var) > 9999);
	assert_true(s.rows[0].count + 2 * sqrt(s.rows[0].count_var) < 10001);
	delay_sums_deinit(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken), cmocka_unit_test(test_whole),
		cmocka_unit_test(test_pair),  cmocka_unit_test(test_simulation),
		cmocka_unit_test(test_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
