/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base/json.h: commas, escapes, numbers in any locale, nesting bounds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/base/json.h"
#include "capture/base/sbuf.h"

static int to_sbuf(void *ctx, const void *data, size_t len)
{
	sbuf_put(ctx, data, len);
	return 0;
}

static void nested(struct json *j)
{
	json_object(j);
	json_kstr(j, "a", "x");
	json_kstr(j, "none", NULL);
	json_key(j, "list");
	json_array(j);
	json_u64(j, UINT64_MAX);
	json_i64(j, INT64_MIN);
	json_object(j);
	json_object_end(j);
	json_array(j);
	json_array_end(j);
	json_bool(j, true);
	json_array_end(j);
	json_kbool(j, "b", false);
	json_knull(j, "n");
	json_object_end(j);
}

static void test_structure(void **state)
{
	char out[512];
	struct sbuf b = SBUF(out);
	struct json j;

	json_init(&j, to_sbuf, &b);
	nested(&j);
	assert_int_equal(json_end(&j), 0);
	assert_string_equal(out, "{\"a\":\"x\",\"none\":null,\"list\":[18446744073709551615,"
				 "-9223372036854775808,{},[],true],\"b\":false,\"n\":null}");

	sbuf_reset(&b);
	json_init(&j, to_sbuf, &b);
	j.pretty = true;
	json_object(&j);
	json_ku64(&j, "a", 1);
	json_key(&j, "b");
	json_array(&j);
	json_u64(&j, 2);
	json_u64(&j, 3);
	json_array_end(&j);
	json_key(&j, "c");
	json_array(&j);
	json_array_end(&j);
	json_object_end(&j);
	assert_int_equal(json_end(&j), 0);
	assert_string_equal(out, "{\n  \"a\": 1,\n  \"b\": [\n    2,\n    3\n  ],\n  \"c\": []\n}");
}

static void test_strings(void **state)
{
	static const char nasty[] = "\"\\\n\t\x01\x7f</script>\xc3\xa9\xff\xed\xa0\x80\0z";
	char out[512], direct[512];
	struct sbuf b = SBUF(out), d = SBUF(direct);
	struct json j;

	json_init(&j, to_sbuf, &b);
	json_strn(&j, nasty, sizeof(nasty) - 1);
	assert_int_equal(json_end(&j), 0);
	assert_string_equal(out,
			    "\"\\\"\\\\\\u000a\\u0009\\u0001\\u007f</script>\xc3\xa9\\\\xff\\\\xed"
			    "\\\\xa0\\\\x80\\u0000z\"");
	sbuf_json(&d, nasty, sizeof(nasty) - 1);
	assert_string_equal(out, direct);
}

static const char *number(double v, char *out, size_t cap)
{
	struct sbuf b = {.p = out, .cap = cap};
	struct json j;

	json_init(&j, to_sbuf, &b);
	json_f64(&j, v);
	assert_int_equal(json_end(&j), 0);
	return out;
}

static void check_numbers(void)
{
	static const struct {
		double v;
		const char *text;
	} cases[] = {
		{0, "0"},
		{-0.0, "-0"},
		{1, "1"},
		{-1.5, "-1.5"},
		{0.1, "0.1"},
		{0.1 + 0.2, "0.30000000000000004"},
		{1.0 / 3, "0.3333333333333333"},
		{100, "100"},
		{1234567.891, "1234567.891"},
		{1e15, "1000000000000000"},
		{1e20, "100000000000000000000"},
		{1e21, "1e21"},
		{1.5e300, "1.5e300"},
		{0.00001, "0.00001"},
		{0.000001, "1e-6"},
		{5e-324, "5e-324"},
		{2.2250738585072011e-308, "2.225073858507201e-308"},
		{1.7976931348623157e308, "1.7976931348623157e308"},
		{9007199254740993.0, "9007199254740992"},
		{NAN, "null"},
		{INFINITY, "null"},
		{-INFINITY, "null"},
	};
	char out[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(number(cases[i].v, out, sizeof(out)), cases[i].text);
}

static void test_numbers(void **state)
{
	uint64_t x = 88172645463325252ULL;
	char out[64];

	check_numbers();
	/* Whatever the bits are, what is written reads back as the same double. */
	for (int i = 0; i < 20000; i++) {
		double v, back;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(&v, &x, sizeof(v));
		if (!isfinite(v))
			continue;
		back = strtod(number(v, out, sizeof(out)), NULL);
		assert_memory_equal(&v, &back, sizeof(v));
	}
}

/* A locale with a decimal comma is rarely installed where tests run: make one. */
static void test_numbers_in_a_comma_locale(void **state)
{
	char dir[] = "/tmp/ossnap-locale-XXXXXX", command[256], text[16];
	static const char *const names[] = {"de_DE.UTF-8", "tr_TR.UTF-8", "tr_TR", "fr_FR.UTF-8"};
	const char *set = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !set; i++)
		set = setlocale(LC_ALL, names[i]);
	if (!set) {
		assert_non_null(mkdtemp(dir));
		snprintf(command, sizeof(command),
			 "localedef -i tr_TR -f UTF-8 %s/tr_TR.UTF-8 >/dev/null 2>&1", dir);
		/* localedef also fails on mere warnings; whether it worked shows in setlocale(). */
		if (system(command) == -1)
			fail();
		setenv("LOCPATH", dir, 1);
		set = setlocale(LC_ALL, "tr_TR.UTF-8");
		unsetenv("LOCPATH");
		snprintf(command, sizeof(command), "rm -rf %s", dir);
		assert_int_equal(system(command), 0);
	}
	if (!set)
		skip(); /* no locale definitions here */
	snprintf(text, sizeof(text), "%.1f", 1.5);
	assert_string_equal(text, "1,5");
	check_numbers();
	setlocale(LC_ALL, "C");
}

static int full(void *ctx, const void *data, size_t len)
{
	++*(int *)ctx;
	return -ENOSPC;
}

static void test_errors(void **state)
{
	char out[4096];
	struct sbuf b = SBUF(out);
	struct json j;
	int calls = 0;

	json_init(&j, full, &calls);
	json_array(&j);
	for (int i = 0; i < 10000; i++)
		json_str(&j, "0123456789");
	json_array_end(&j);
	assert_int_equal(json_end(&j), -ENOSPC);
	assert_int_equal(calls, 1);

	json_init(&j, to_sbuf, &b);
	for (int i = 0; i < JSON_DEPTH; i++)
		json_array(&j);
	for (int i = 0; i < JSON_DEPTH; i++)
		json_array_end(&j);
	assert_int_equal(json_end(&j), 0);

	json_init(&j, to_sbuf, &b);
	for (int i = 0; i < JSON_DEPTH + 1; i++)
		json_array(&j);
	assert_int_equal(json_end(&j), -E2BIG);

	json_init(&j, to_sbuf, &b);
	json_array(&j);
	assert_int_equal(json_end(&j), -EINVAL); /* not closed */
	json_init(&j, to_sbuf, &b);
	json_object(&j);
	json_key(&j, "a");
	json_object_end(&j);
	assert_int_equal(json_end(&j), -EINVAL); /* a key without a value */
	json_init(&j, to_sbuf, &b);
	json_array_end(&j);
	assert_int_equal(json_end(&j), -EINVAL);
}

static void test_longer_than_the_buffer(void **state)
{
	static char out[64 * 1024];
	struct sbuf b = SBUF(out);
	char text[10001];
	struct json j;

	memset(text, 'x', 10000);
	text[10000] = '\0';
	json_init(&j, to_sbuf, &b);
	json_array(&j);
	for (int i = 0; i < 3; i++)
		json_str(&j, text);
	json_array_end(&j);
	assert_int_equal(json_end(&j), 0);
	assert_int_equal(b.len, 3 * 10002 + 2 + 2);
	assert_string_equal(out + b.len - 3, "x\"]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structure), cmocka_unit_test(test_strings),
		cmocka_unit_test(test_numbers),	  cmocka_unit_test(test_numbers_in_a_comma_locale),
		cmocka_unit_test(test_errors),	  cmocka_unit_test(test_longer_than_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
