/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The prediction on made-up traces: a leak, a fast hog and a livelock must reach the profile's
 * probability in time; a stream, a parked heap, an idling io_uring and a steady full group must
 * not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "capture/fastoom/predict.h"

static const struct features calm = {
	.available = 0.6, .busy = 0.1, .refault = 0, .stall = 0, .kswapd = 0, .tte_s = INFINITY};

/* Walk a leak of share per second until available is 0: the available share at which a kill would
 * come, holds and all; negative: never. */
static double leak(enum sensitivity s, double rate, double swap_free)
{
	const struct profile *p = profile_of(s);
	struct features f = calm;
	double over = -1, now = 0;

	f.consuming = true;
	f.swap_free = swap_free;
	for (f.available = 0.5; f.available > 0;) {
		double left = f.available - 0.02, dt;

		f.tte_s = left > 0 ? left / rate : 0;
		dt = fmin(fmax(f.tte_s / 20, 0.004), 0.05);
		if (predict(&f, p) < p->probability && !at_the_floor(&f))
			over = -1;
		else if (over < 0)
			over = now;
		if (over >= 0 && now - over >= hold_needed(&f, p, 0.01))
			return f.available;
		now += dt;
		f.available -= rate * dt;
	}
	return -1;
}

static void test_leaks(void **state)
{
	/* shares per second: 1 MiB/s of 1 GiB up to 2 GiB/s of 256 MiB */
	static const double rates[] = {0.001, 0.02, 0.1, 0.4, 1, 4, 8};

	for (int s = SENSITIVITY_LOW; s <= SENSITIVITY_HIGH; s++) {
		for (unsigned i = 0; i < 7; i++) {
			double at = leak((enum sensitivity)s, rates[i], 0);

			if (at < 0)
				fail_msg("sensitivity %d: a leak of %g/s is not seen", s, rates[i]);
			/* nobody dies while there is plenty */
			assert_true(at < profile_of((enum sensitivity)s)->high);
		}
	}
	/* high acts earlier than low */
	for (unsigned i = 0; i < 5; i++)
		assert_true(leak(SENSITIVITY_HIGH, rates[i], 0) >
			    leak(SENSITIVITY_LOW, rates[i], 0));
}

static void test_livelock(void **state)
{
	struct features f = calm;

	/* swap at its disk's speed, a quarter of it left: long before it is full */
	f.available = 0.03;
	f.busy = 0.8;
	f.refault = 0.6;
	f.stall = 200;
	f.kswapd = 0.5;
	f.swap_free = 0.25;
	f.tte_s = 20;
	f.consuming = true;
	for (int s = SENSITIVITY_LOW; s <= SENSITIVITY_HIGH; s++)
		assert_true(predict(&f, profile_of((enum sensitivity)s)) >=
			    profile_of((enum sensitivity)s)->probability);
	/* everybody blocked on IO: the counters stand still, and the averages with them decay */
	f.stall = 0;
	f.refault = 0.2;
	assert_true(predict(&f, profile_of(SENSITIVITY_MEDIUM)) >= 0.8);
}

static void test_no_danger(void **state)
{
	static const struct features quiet[] = {
		/* streaming read: the cache turns over, memory is there */
		{.available = 0.7,
		 .busy = 0.9,
		 .refault = 1,
		 .stall = 100,
		 .kswapd = 1,
		 .tte_s = INFINITY},
		/* io_uring idles: iowait at 100%, memory a little low */
		{.available = 0.25,
		 .busy = 1,
		 .refault = 0,
		 .stall = 0,
		 .kswapd = 0,
		 .tte_s = INFINITY},
		/* a group that stands at 97% of its limit, and does not grow */
		{.available = 0.03,
		 .busy = 0,
		 .refault = 0,
		 .stall = 0,
		 .kswapd = -1,
		 .tte_s = INFINITY},
		/* a cold heap has been parked in swap: low memory, the disk still writes, nothing
		   grows */
		{.available = 0.05,
		 .busy = 0.8,
		 .refault = 0,
		 .stall = 0,
		 .kswapd = 0.1,
		 .tte_s = INFINITY,
		 .swap_free = 0.4},
		/* not measured is no evidence */
		{.available = 0.04,
		 .busy = -1,
		 .refault = -1,
		 .stall = -1,
		 .kswapd = -1,
		 .tte_s = INFINITY},
		/* a backup: much cache, much iowait, memory enough */
		{.available = 0.4,
		 .busy = 0.7,
		 .refault = 0.4,
		 .stall = 5,
		 .kswapd = 0.6,
		 .tte_s = 30},
		/* a peak that slows down far from the end */
		{.available = 0.15,
		 .busy = 0.2,
		 .refault = 0,
		 .stall = 0,
		 .kswapd = 0,
		 .tte_s = 60,
		 .consuming = true},
	};

	for (unsigned i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++) {
		for (int s = SENSITIVITY_LOW; s <= SENSITIVITY_MEDIUM; s++) {
			const struct profile *p = profile_of((enum sensitivity)s);

			if (predict(&quiet[i], p) >= p->probability || at_the_floor(&quiet[i]))
				fail_msg("case %u at %s: %.2f", i, p->name, predict(&quiet[i], p));
		}
	}
}

static void test_bounds(void **state)
{
	struct features f = calm;

	for (double a = -0.5; a < 1.5; a += 0.1) {
		for (double tte = 0; tte < 10; tte += 1) {
			double p;

			f.available = a;
			f.tte_s = tte;
			p = predict(&f, profile_of(SENSITIVITY_MEDIUM));
			assert_true(p >= 0 && p <= 1);
		}
	}
	f.available = NAN;
	f.tte_s = NAN;
	f.busy = NAN;
	assert_true(predict(&f, profile_of(SENSITIVITY_HIGH)) < 0.6);
	f = calm;
	f.under_oom = true;
	assert_true(predict(&f, profile_of(SENSITIVITY_LOW)) >= 0.95);
	assert_true(at_the_floor(&f));
}

static void test_hold(void **state)
{
	const struct profile *p = profile_of(SENSITIVITY_MEDIUM);
	struct features f = calm;
	double without;

	f.available = 0.05;
	f.tte_s = 10;
	without = hold_needed(&f, p, 0.01);
	assert_true(without > 0);
	f.swap_free = 0.5;
	assert_true(hold_needed(&f, p, 0.01) > without);
	f.tte_s = 0.1;
	assert_true(hold_needed(&f, p, 0.01) == 0);
	f.tte_s = 1;
	assert_true(hold_needed(&f, p, 0.01) > 0);
	/* who needs long to choose begins earlier */
	assert_true(hold_needed(&f, p, 0.3) == 0);
}

static void test_average(void **state)
{
	struct average a = {0};

	average_add(&a, 10, 1, 1);
	assert_true(a.value == 10);
	average_add(&a, 0, 1, 1);
	assert_true(fabs(a.value - 10 / exp(1)) < 1e-9);
	/* a clock that does not move changes nothing */
	average_add(&a, 1e9, 0, 1);
	assert_true(a.value < 10);
	average_add(&a, 1e9, -5, 1);
	assert_true(a.value < 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaks),	  cmocka_unit_test(test_livelock),
		cmocka_unit_test(test_no_danger), cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_hold),	  cmocka_unit_test(test_average),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
