/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model_fixture.h"

#include <errno.h>

#include "../../analyze/estimate.h"

static struct fact_scan scan(uint64_t one_in, uint64_t pages, uint64_t done, uint64_t finished)
{
	return (struct fact_scan){.one_in = one_in,
				  .pages_total = pages,
				  .page_size = 4096,
				  .strata_total = (pages + one_in - 1) / one_in,
				  .strata_done = done,
				  .finished = finished};
}

static void test_exact(void **state)
{
	struct fact_scan s = scan(1, 1000, 1000, 1);
	struct sample_design d;

	assert_int_equal(sample_design_init(&d, &s), 0);
	assert_true(d.exact);
	struct estimate e = estimate_total(&d, &(struct tally){.pages = 17});

	assert_true(e.low == 17 * 4096 && e.bytes == 17 * 4096 && e.high == 17 * 4096);
	/* More than there can be is passed on as it was measured: both readings are the kernel's.
	 */
	e = estimate_share(&d, 4096 * 10, &(struct tally){.pages = 12},
			   &(struct tally){.pages = 12}, 0);
	assert_true(e.bytes == 12 * 4096 && e.low == e.high);
}

static void test_stopped(void **state)
{
	/* Half of the strata: twice as much is expected as was seen. */
	struct fact_scan s = scan(64, 64000, 500, 0);
	struct sample_design d;

	assert_int_equal(sample_design_init(&d, &s), 0);
	struct estimate e = estimate_total(&d, &(struct tally){.pages = 50});

	assert_true(e.bytes == 50.0 / 500 * 64000 * 4096);
	assert_true(e.low < e.bytes && e.bytes < e.high);
	/* One page per stratum, stopped half-way: the other half is still uncertain … */
	s = scan(1, 1000, 500, 0);
	assert_int_equal(sample_design_init(&d, &s), 0);
	e = estimate_total(&d, &(struct tally){.pages = 50});
	assert_true(e.bytes == 100 * 4096 && e.low < e.bytes && e.high > e.bytes);
	/* … by whole blocks: the frames of one may all be alike … */
	struct fact_scan big = scan(1, 1 << 22, 1 << 21, 0);

	assert_int_equal(sample_design_init(&d, &big), 0);
	struct estimate wide = estimate_total(&d, &(struct tally){.pages = 1 << 20});

	assert_true(wide.high - wide.low > 0.1 * wide.bytes && wide.high - wide.low < wide.bytes);
	/* … and what was seen is there. */
	assert_true(e.low >= 50 * 4096);
	/* All but finished in name: no width left. */
	s = scan(1, 1000, 1000, 0);
	assert_int_equal(sample_design_init(&d, &s), 0);
	e = estimate_total(&d, &(struct tally){.pages = 50});
	assert_true(e.high - e.low < 1);
}

static void test_edges(void **state)
{
	struct fact_scan s = scan(64, 6400000, 100000, 1);
	struct sample_design d;

	assert_int_equal(sample_design_init(&d, &s), 0);
	struct estimate e = estimate_total(&d, &(struct tally){.pages = 0});

	assert_true(e.bytes == 0 && e.low == 0 && e.high > 0);
	e = estimate_total(&d, &(struct tally){.pages = 100000});
	assert_true(e.bytes == e.high && e.low < e.bytes);
	e = estimate_total(&d, &(struct tally){.pages = UINT64_MAX - 1});
	assert_true(e.bytes == 6400000.0 * 4096);
	e = estimate_share(&d, 1e6, &(struct tally){.pages = 0}, &(struct tally){.pages = 0}, 0);
	assert_true(isnan(e.bytes) && isnan(e.low) && isnan(e.high));
	e = estimate_share(&d, 4096 * 100, &(struct tally){.pages = 5}, &(struct tally){.pages = 5},
			   0);
	assert_true(e.bytes == 4096 * 100 && e.high == e.bytes && e.low < e.bytes &&
		    e.low >= 4096 * 5);
	e = estimate_share(&d, 4096 * 5, &(struct tally){.pages = 5}, &(struct tally){.pages = 2},
			   0); /* every page of it was sampled */
	assert_true(e.bytes == 4096 * 2 && e.low == e.high);
	e = estimate_share(&d, 4096, &(struct tally){.pages = 5}, &(struct tally){.pages = 7},
			   0); /* lies */
	assert_true(e.bytes == 4096);
	e = estimate_share(&d, 0, &(struct tally){.pages = 5}, &(struct tally){.pages = 2}, 0);
	assert_true(e.bytes == 0 && e.low == 0 && e.high == 0);

	static const struct fact_scan bad[] = {
		{0},
		{.one_in = FACT_NONE, .strata_done = 1, .page_size = 4096},
		{.one_in = 1, .strata_done = FACT_NONE, .page_size = 4096},
		{.one_in = 1, .strata_done = 1, .page_size = FACT_NONE},
		{.one_in = 1, .strata_done = 1, .page_size = 4097},
		{.one_in = 1, .strata_done = 0, .page_size = 4096},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(sample_design_init(&d, &bad[i]), -ENODATA);
	s = (struct fact_scan){.one_in = 64,
			       .strata_done = 10,
			       .page_size = 4096,
			       .strata_total = FACT_NONE,
			       .pages_total = FACT_NONE};
	assert_int_equal(sample_design_init(&d, &s), 0);
	assert_true(d.population == 640);
}

static double width(struct estimate e)
{
	assert_true(e.low <= e.bytes && e.bytes <= e.high);
	return e.high - e.low;
}

/* What the pairs of a sample tell, and what they do not. */
static void test_pairs(void **state)
{
	struct fact_scan s = scan(64, 6400000, 100000, 1);
	struct sample_design d, without;

	s.pair_one_in = FACT_NONE;
	assert_int_equal(sample_design_init(&without, &s), 0);
	s.pair_one_in = 1;
	assert_int_equal(sample_design_init(&d, &s), 0);
	const struct tally scattered = {5000, 5000, 0, 0, 0}, runs = {5000, 5000, 2450, 0, 0};
	double wide = width(estimate_total(&without, &scattered));

	/* Scattered pages are as uncertain as without pairs, runs much less, for the same k. */
	assert_true(fabs(width(estimate_total(&d, &scattered)) / wide - 1) < 0.05);
	assert_true(width(estimate_total(&d, &runs)) < 0.2 * wide);
	assert_true(estimate_total(&d, &runs).bytes == 5000.0 * 64 * 4096);
	/* A part of the pairs, the same share of them alone: the same. */
	const struct tally some = {5000, 500, 245, 0, 0};

	assert_true(fabs(width(estimate_total(&d, &some)) / width(estimate_total(&d, &runs)) - 1) <
		    0.01);
	/* Pairs that cannot be are not believed. */
	const struct tally lies[] = {{5000, 100, 99, 0, 0},
				     {5000, 9000, 0, 0, 0},
				     {5000, UINT64_MAX - 1, UINT64_MAX - 1, 0, 0},
				     {5, 0, 7, 0, 0}};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct tally scatter = {.pages = lies[i].pages};

		assert_true(width(estimate_total(&d, &lies[i])) ==
			    width(estimate_total(&d, &scatter)));
		width(estimate_found(&d, &lies[i]));
		width(estimate_share(&d, 4096e6, &scattered, &lies[i], UINT64_MAX - 1));
	}
	/* Known from one page only: no more than that page is sure; an empty one is empty. */
	struct estimate e = estimate_found(&d, &(struct tally){1, 1, 0, 0, 0});

	assert_true(e.low >= 4096 && e.low < 4 * 4096 && e.high > 2 * 64 * 4096);
	assert_true(width(estimate_found(&d, &(struct tally){0})) > 0);
	assert_true(width(estimate_weighted(&d, &(struct weighted){0}, true)) == 0);
	/* One in 2 takes half of all pages; stopped half-way, it is less sure. */
	s = scan(2, 200000, 50000, 0);
	s.pair_one_in = 1;
	assert_int_equal(sample_design_init(&d, &s), 0);
	double stopped = width(estimate_total(&d, &runs));

	/* Blocks whose pairs hardly differ make a sum surer; lies do not. */
	struct tally known = {5000, 5000, 2450, 2500, 100};

	assert_true(width(estimate_total(&d, &known)) == stopped); /* not said to be there */
	s.block_one_in = 2;
	assert_int_equal(sample_design_init(&d, &s), 0);
	assert_true(width(estimate_total(&d, &known)) < 0.6 * stopped);
	assert_true(width(estimate_total(&d, &runs)) == stopped);
	/* By hand: v = (1 − f) Σ (Y − Y′)² + f (1 − 2/4) d, of blocks with half of the pages. */
	double v = 0.5 * 200 + 0.5 * 0.5 * 100, z = 1.959964;

	assert_true(fabs(width(estimate_total(&d, &known)) / (4 * 4096) -
			 2 * z * sqrt(v + z * z / 4)) < 0.01);
	const uint64_t blocks_lies[][2] = {
		{2500, 5001}, {2500, UINT64_MAX}, {7, 0}, {5001, 100}, {UINT64_MAX, UINT64_MAX}};

	for (size_t i = 0; i < sizeof(blocks_lies) / sizeof(blocks_lies[0]); i++) {
		known.blocked = blocks_lies[i][0];
		known.squares = blocks_lies[i][1];
		assert_true(width(estimate_total(&d, &known)) == stopped);
	}
	s.finished = 1; /* of a finished scan they say nothing */
	assert_int_equal(sample_design_init(&d, &s), 0);
	assert_false(d.blocked);

	s = scan(2, 200000, 100000, 1);
	s.pair_one_in = 1;
	assert_int_equal(sample_design_init(&d, &s), 0);
	assert_true(stopped > 2 * width(estimate_total(&d, &runs)));
}

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* The interval holds the truth as often as it says, on a memory map with files in runs, as page
 * cache has them: one random page of each stratum of 64, files of 1 to 4,000 pages. */
static void test_coverage(void **state)
{
	enum { PAGES = 1 << 16, ONE_IN = 64, RUNS = 400, FILES = 64 };
	static unsigned char owner[PAGES];
	double truth[FILES + 1] = {0}, bias = 0;
	uint64_t x = 0x9e3779b97f4a7c15;
	size_t inside = 0, all = 0;

	for (size_t i = 0; i < PAGES;) {
		size_t run = 1 + next(&x) % 300;
		unsigned char file = (unsigned char)(next(&x) % 4 ? 0 : 1 + next(&x) % FILES);

		for (; run-- && i < PAGES; i++) {
			owner[i] = file;
			truth[file]++;
		}
	}
	for (size_t run = 0; run < RUNS; run++) {
		uint64_t seen[FILES + 1] = {0};
		struct fact_scan s = scan(ONE_IN, PAGES, PAGES / ONE_IN, 1);
		struct sample_design d;

		for (size_t h = 0; h < PAGES / ONE_IN; h++)
			seen[owner[h * ONE_IN + next(&x) % ONE_IN]]++;
		assert_int_equal(sample_design_init(&d, &s), 0);
		for (size_t i = 1; i <= FILES; i++) {
			struct estimate e = estimate_total(&d, &(struct tally){.pages = seen[i]});

			inside += e.low <= truth[i] * 4096 && truth[i] * 4096 <= e.high;
			all++;
			bias += e.bytes - truth[i] * 4096;
		}
	}
	double coverage = (double)inside / (double)all, sum = 0;

	for (size_t i = 1; i <= FILES; i++)
		sum += truth[i] * 4096;
	if (coverage < 0.94)
		fail_msg("95%% intervals held the truth %.1f%% of the time", coverage * 100);
	assert_true(fabs(bias) / RUNS < 0.01 * sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),	 cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_edges),	 cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_coverage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
