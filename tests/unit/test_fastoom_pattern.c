/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Patterns: what they match, what is refused, and that none can hang. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "capture/base/clock.h"
#include "capture/fastoom/pattern.h"

static int add(struct pattern_pool *p, const char *text)
{
	struct err e = {0};
	int r = pattern_add(p, text, &e);

	if (r < 0)
		assert_true(e.no != 0 && e.text[0]);
	return r;
}

static bool match(const char *pattern, const char *text)
{
	static struct pattern_pool p;
	int i;

	memset(&p, 0, sizeof(p));
	i = add(&p, pattern);
	assert_true(i >= 0);
	return pattern_match(&p, (unsigned)i, text, strlen(text));
}

static void test_matches(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool hit;
	} cases[] = {
		{"java", "/usr/bin/java -jar", true},
		{"java", "jav", false},
		{"^java$", "java", true},
		{"^java$", "xjava", false},
		{"^java$", "javac", false},
		{"^", "", true},
		{"^$", "", true},
		{"^$", "x", false},
		{"a.c", "abc", true},
		{"a.c", "ac", false},
		{"ab*c", "ac", true},
		{"ab*c", "abbbc", true},
		{"ab+c", "ac", false},
		{"ab+c", "abbc", true},
		{"ab?c", "abc", true},
		{"ab?c", "abbc", false},
		{"[a-c]x", "bx", true},
		{"[^a-c]x", "bx", false},
		{"[^a-c]x", "dx", true},
		{"[]x]y", "]y", true},
		{"[a\\]]z", "]z", true},
		{"[x-]1", "-1", true},
		{"one|two|three", "xxtwoxx", true},
		{"one|two$", "twox", false},
		{"^one|two", "xtwo", true},
		{"^one|two", "xone", false},
		{"a\\.b", "a.b", true},
		{"a\\.b", "axb", false},
		{"(sd-pam)", "(sd-pam)", true},
		{"test-alinux-.*", "test-alinux-7", true},
		{".*", "", true},
		{"a*", "", true},
		{"[\xc3]\xa9", "caf\xc3\xa9", true},
		{"new.line", "new\nline", true},
		{".+b.+$", "aabbb", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (match(cases[i].pattern, cases[i].text) != cases[i].hit)
			fail_msg("%s against %s", cases[i].pattern, cases[i].text);
	}
}

static void test_refused(void **state)
{
	static const char *const bad[] = {"",	 "|",  "a|",  "|a",    "a||b", "*a",
					  "+",	 "?x", "a**", "[a",    "[",    "[]",
					  "a\\", "^*", "$+",  "[z-a]", "a|*b"};
	static struct pattern_pool p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (add(&p, bad[i]) >= 0)
			fail_msg("'%s' was taken", bad[i]);
	}
	/* and they left nothing behind */
	assert_int_equal(p.n_patterns, 0);
	assert_int_equal(p.n_atoms, 0);
	assert_int_equal(p.n_classes, 0);
}

static void test_linear(void **state)
{
	static const char *const nasty[] = {"a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
					    "a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?aaaaaaaaaaaaaaaaaab",
					    ".*.*.*.*.*.*.*.*.*.*.*.*x$",
					    "[a-z]+[a-z]+[a-z]+[a-z]+!"};
	static char text[65536];
	uint64_t t[2];

	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i < sizeof(nasty) / sizeof(nasty[0]); i++) {
		static struct pattern_pool p;
		int k;

		memset(&p, 0, sizeof(p));
		k = add(&p, nasty[i]);
		assert_true(k >= 0);
		for (int half = 0; half < 2; half++) {
			uint64_t start = clock_ns(CLOCK_MONOTONIC);

			assert_false(
				pattern_match(&p, (unsigned)k, text, sizeof(text) >> (4 * !half)));
			t[half] = clock_ns(CLOCK_MONOTONIC) - start;
		}
		/* sixteen times the text: far from sixteen squared the time, sanitizers and all */
		if (t[1] > 100 * t[0] + 50000000)
			fail_msg("%s: %llu ns, then %llu", nasty[i], (unsigned long long)t[0],
				 (unsigned long long)t[1]);
	}
}

static void test_bounds(void **state)
{
	static struct pattern_pool p;
	char text[600];
	int n = 0;

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_true(add(&p, text) < 0);
	text[PATTERN_LONGEST] = '\0';
	assert_true(add(&p, text) >= 0);
	assert_true(pattern_match(&p, 0, text, strlen(text)));
	while (add(&p, "abc") >= 0)
		n++;
	assert_true(n <= PATTERN_MAX);
	while (add(&p, "[a]") >= 0)
		;
	assert_true(p.n_classes <= PATTERN_CLASSES);
	assert_string_equal(pattern_text(&p, 1), "abc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_linear),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
