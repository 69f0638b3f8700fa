/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much of the time a probe looks: never more than its budget, and patched seldom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../capture/collectors/delay_pace.h"

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

static const struct delay_cost cost = {.event = 500, .passed = 100, .idle = 165};

/* As if it had seen this rate for a while. */
static struct delay_pace at_rate(double per_s)
{
	struct delay_pace p;

	delay_pace_init(&p, &cost, 1000 * S);
	for (int i = 0; i < 100; i++)
		delay_pace_seen(&p, (uint64_t)(per_s / 10), 0, S / 10);
	return p;
}

static void test_unbounded(void **state)
{
	struct delay_pace p;

	delay_pace_init(&p, &(struct delay_cost){0}, 10 * S);
	assert_int_equal(p.mode, DELAY_WHOLE);
	delay_pace_seen(&p, 1000000000, 1000000000, S);
	assert_int_equal(p.mode, DELAY_WHOLE);
}

static void test_modes(void **state)
{
	assert_int_equal(at_rate(0).mode, DELAY_WHOLE);
	assert_int_equal(at_rate(23000).mode, DELAY_WHOLE);
	assert_int_equal(at_rate(24100).mode, DELAY_GATED);
	assert_int_equal(at_rate(25000).mode, DELAY_DETACHED);
	assert_int_equal(at_rate(5e6).mode, DELAY_DETACHED);
}

/* Whatever the rate, what it takes in slices is the budget or less. */
static void test_budget(void **state)
{
	double rate = 24100;

	for (int i = 0; i < 80; i++, rate *= 1.1) {
		struct delay_pace p = at_rate(rate);
		struct delay_plan plan = delay_pace_plan(&p, 1000 * S);
		double looks = (double)plan.slice_ns / (double)plan.stratum_ns;
		double idle = p.mode == DELAY_GATED ? 1 - looks : 0;
		double takes = rate * (looks * cost.event + idle * cost.idle) / 1e9;

		assert_true(plan.slice_ns > 0 && plan.slice_ns <= plan.stratum_ns);
		if (plan.stratum_ns < S) /* beyond, a slice cannot be shorter */
			assert_true(takes < DELAY_BUDGET * 1.01);
	}
}

/* What is looked at in vain counts as well. */
static void test_passed(void **state)
{
	struct delay_pace p;

	delay_pace_init(&p, &cost, 1000 * S);
	for (int i = 0; i < 10; i++)
		delay_pace_seen(&p, 0, 1000000, S);
	assert_int_equal(p.mode, DELAY_DETACHED);
	assert_true(p.share < 0.07);
}

static void test_pilots(void **state)
{
	struct delay_pace p;
	struct delay_plan plan;

	/* Nothing is known: short, and as if there were very many. */
	delay_pace_init(&p, &cost, 1000 * S);
	assert_int_equal(p.mode, DELAY_DETACHED);
	plan = delay_pace_plan(&p, 10 * S);
	assert_true(plan.stratum_ns < 60 * MS && plan.slice_ns < MS);
	/* One look is enough to know better, and the guess leaves no trace. */
	delay_pace_seen(&p, 1, 0, MS);
	assert_int_equal(p.mode, DELAY_WHOLE);
}

/* A quiet moment does not make it forget that there are many. */
static void test_bursts(void **state)
{
	struct delay_pace p = at_rate(1e6);

	delay_pace_seen(&p, 0, 0, MS);
	assert_int_equal(p.mode, DELAY_DETACHED);
	assert_true(p.whole > 0.3);
	for (int i = 0; i < 40; i++)
		delay_pace_seen(&p, 0, 0, MS);
	assert_int_equal(p.mode, DELAY_WHOLE);
	/* And a burst is believed at once. */
	delay_pace_seen(&p, 1000, 0, MS);
	assert_int_equal(p.mode, DELAY_DETACHED);
}

/* A machine on which patching is slow is patched seldom, and watched no less. */
static void test_patching(void **state)
{
	struct delay_pace p = at_rate(1e6);
	struct delay_plan quick = delay_pace_plan(&p, 1000 * S), slow;

	delay_pace_patched(&p, MS); /* here, both programs */
	assert_true(delay_pace_plan(&p, 1000 * S).stratum_ns == quick.stratum_ns);
	delay_pace_patched(&p, 100 * MS);
	slow = delay_pace_plan(&p, 1000 * S);
	assert_true((double)slow.stratum_ns * DELAY_PATCH_SHARE >= 0.999 * 100 * (double)MS);
	assert_true(slow.slice_ns * quick.stratum_ns / slow.stratum_ns <= quick.slice_ns + 1);
	assert_true(slow.slice_ns * quick.stratum_ns / slow.stratum_ns >= quick.slice_ns - 1);
	/* But a window of ten seconds has its ten slices, */
	p.window_ns = 10 * (double)S;
	assert_true(delay_pace_plan(&p, 1000 * S).stratum_ns == S);
	/* unless the machine is so sick that there is little else but patching. */
	delay_pace_patched(&p, S);
	assert_true(delay_pace_plan(&p, 1000 * S).stratum_ns == 4 * S);
	/* Once is forgotten. */
	for (int i = 0; i < 80; i++)
		delay_pace_patched(&p, MS);
	assert_true(delay_pace_plan(&p, 1000 * S).stratum_ns == quick.stratum_ns);
}

static void test_end(void **state)
{
	struct delay_pace p = at_rate(1e6);
	struct delay_plan plan = delay_pace_plan(&p, 100 * MS);

	assert_int_equal(plan.stratum_ns, 100 * MS);
	assert_true(plan.slice_ns > 0 && plan.slice_ns < 2 * MS);
	plan = delay_pace_plan(&p, MS);
	assert_int_equal(plan.slice_ns, 0);
	plan = delay_pace_plan(&p, 0);
	assert_int_equal(plan.slice_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unbounded), cmocka_unit_test(test_modes),
		cmocka_unit_test(test_budget),	  cmocka_unit_test(test_passed),
		cmocka_unit_test(test_pilots),	  cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_patching),  cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
