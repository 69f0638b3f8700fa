/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base/: sbuf.h, err.h, units.h and clock.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/base/clock.h"
#include "capture/base/err.h"
#include "capture/base/sbuf.h"
#include "capture/base/units.h"

static void test_sbuf_bounds(void **state)
{
	char out[8] = "~~~~~~~";
	struct sbuf b = {.p = out, .cap = 6}, none = {.p = NULL, .cap = 0};

	sbuf_puts(&b, "abc");
	sbuf_putc(&b, 'd');
	assert_string_equal(out, "abcd");
	assert_false(b.truncated);
	sbuf_puts(&b, "efgh");
	assert_string_equal(out, "abcde");
	assert_true(b.truncated);
	sbuf_putc(&b, 'x');
	assert_int_equal(b.len, 5);
	assert_int_equal(out[6], '~');

	sbuf_reset(&b);
	assert_string_equal(out, "");
	sbuf_printf(&b, "%d-%s", 12, "34567");
	assert_string_equal(out, "12-34");
	assert_true(b.truncated);
	assert_int_equal(b.len, 5);

	sbuf_reset(&b);
	sbuf_printf(&b, "%d", 12345);
	assert_false(b.truncated);
	sbuf_put(&b, "", 0);
	assert_false(b.truncated);
	sbuf_u64(&b, 7);
	assert_string_equal(out, "12345");
	assert_true(b.truncated);

	sbuf_reset(&none);
	sbuf_puts(&none, "x");
	sbuf_printf(&none, "x");
	sbuf_tsv(&none, "x", 1);
	assert_true(none.truncated);
	assert_int_equal(none.len, 0);
}

static void test_sbuf_u64(void **state)
{
	static const uint64_t values[] = {0, 9, 10, 4294967296ULL, UINT64_MAX};
	char out[32], expected[32];

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct sbuf b = SBUF(out);

		sbuf_u64(&b, values[i]);
		snprintf(expected, sizeof(expected), "%llu", (unsigned long long)values[i]);
		assert_string_equal(out, expected);
	}
}

static void test_utf8(void **state)
{
	static const struct {
		const char *s;
		size_t avail;
		int len;
	} cases[] = {
		{"a", 1, 1},
		{"\0", 1, 1},
		{"", 0, 0},
		{"\xc3\xa9", 2, 2},
		{"\xc3\xa9", 1, 0},
		{"\xe2\x82\xac", 3, 3},
		{"\xf0\x9f\x98\x80", 4, 4},
		{"\xf0\x9f\x98\x80", 3, 0},
		{"\xc0\x80", 2, 0},
		{"\xc1\xbf", 2, 0}, /* overlong */
		{"\xe0\x80\x80", 3, 0},
		{"\xe0\x9f\xbf", 3, 0},
		{"\xe0\xa0\x80", 3, 3},
		{"\xf0\x80\x80\x80", 4, 0},
		{"\xf0\x8f\xbf\xbf", 4, 0},
		{"\xf0\x90\x80\x80", 4, 4},
		{"\xed\xa0\x80", 3, 0},
		{"\xed\xbf\xbf", 3, 0},
		{"\xed\x9f\xbf", 3, 3},
		{"\xee\x80\x80", 3, 3}, /* surrogates end here */
		{"\xf4\x8f\xbf\xbf", 4, 4},
		{"\xf4\x90\x80\x80", 4, 0},
		{"\xf5\x80\x80\x80", 4, 0},
		{"\x80", 1, 0},
		{"\xff", 1, 0},
		{"\xc3(", 2, 0},
		{"\xe2\x82(", 3, 0},
		{"\xf0\x9f\x98(", 4, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int n = utf8_len((const unsigned char *)cases[i].s, cases[i].avail);

		if (n != cases[i].len)
			fail_msg("case %zu: %d, not %d", i, n, cases[i].len);
	}
}

static void test_tsv(void **state)
{
	static const char in[] = "a\tb\nc\\d\re\x01\x7f\xc3\xa9\xff\xed\xa0\x80 \0z";
	char out[256], every[256], back[1024];
	struct sbuf b = SBUF(out), all = SBUF(back);

	sbuf_tsv(&b, in, sizeof(in) - 1);
	assert_string_equal(out, "a\\tb\\nc\\\\d\\x0de\\x01\\x7f\xc3\xa9\\xff\\xed\\xa0\\x80 "
				 "\\x00z");
	assert_int_equal(tsv_unescape(out, b.len), sizeof(in) - 1);
	assert_memory_equal(out, in, sizeof(in) - 1);

	sbuf_reset(&b);
	sbuf_tsv(&b, "", 0);
	assert_string_equal(out, "");

	/* Every byte there is, and back. */
	for (int i = 0; i < 256; i++)
		every[i] = (char)i;
	sbuf_tsv(&all, every, 256);
	assert_false(all.truncated);
	assert_null(strpbrk(back, "\t\n\r"));
	assert_int_equal(tsv_unescape(back, all.len), 256);
	assert_memory_equal(back, every, 256);
}

static void test_tsv_random(void **state)
{
	uint32_t x = 2463534242u;

	for (int round = 0; round < 5000; round++) {
		static const char some[] = "\\xtn\t\n0a\xc3\xa9\xe2\x82\xac\xff\x80z";
		char in[32], out[256];
		struct sbuf b = SBUF(out);

		for (size_t i = 0; i < sizeof(in); i++) {
			x ^= x << 13;
			x ^= x >> 17;
			x ^= x << 5;
			in[i] = some[x % (sizeof(some) - 1)];
		}
		sbuf_tsv(&b, in, sizeof(in));
		assert_int_equal(tsv_unescape(out, b.len), sizeof(in));
		assert_memory_equal(out, in, sizeof(in));
	}
}

static void test_tsv_malformed(void **state)
{
	static const char *const kept[] = {"\\", "\\x", "\\x1", "\\xg0", "\\q", "a\\"};

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		char s[8];

		strcpy(s, kept[i]);
		assert_int_equal(tsv_unescape(s, strlen(s)), strlen(kept[i]));
		assert_string_equal(s, kept[i]);
	}
}

/* A cut never falls into an escape or a character. */
static void test_cut(void **state)
{
	static const char in[] = "\xc3\xa9\t\xff\"\xe2\x82\xac";

	for (size_t cap = 1; cap < 40; cap++) {
		char out[40];
		struct sbuf t = {.p = out, .cap = cap};
		char whole[64];
		struct sbuf w = SBUF(whole);

		sbuf_tsv(&t, in, sizeof(in) - 1);
		sbuf_tsv(&w, in, sizeof(in) - 1);
		assert_memory_equal(out, whole, t.len);
		assert_int_equal(t.truncated, w.len >= cap);
		for (size_t i = 0; i < t.len;) {
			int n = utf8_len((unsigned char *)out + i, t.len - i);

			assert_true(n > 0);
			i += (size_t)n;
			if (out[i - 1] == '\\')
				assert_true(i + (out[i] == 'x' ? 3 : 1) <= t.len);
		}
	}
}

static void test_err(void **state)
{
	char longer[2000];
	struct err e = {0};

	assert_int_equal(err_errno(&e, EPERM, "/proc/kcore"), -EPERM);
	assert_string_equal(e.text, "/proc/kcore: Operation not permitted");
	assert_int_equal(err_add(&e, "kernel lockdown=%s", "confidentiality"), -EPERM);
	assert_string_equal(
		e.text, "/proc/kcore: Operation not permitted (kernel lockdown=confidentiality)");
	assert_int_equal(err_errno(&e, -ENOENT, "a"), -ENOENT);
	assert_int_equal(e.no, ENOENT);
	assert_int_equal(err_errno(NULL, ENOENT, "a"), -ENOENT);
	assert_int_equal(err_set(NULL, EINVAL, "x"), -EINVAL);
	assert_int_equal(err_add(NULL, "x"), 0);
	err_errno(&e, 99999, "a");
	assert_string_equal(e.text, "a: error 99999");
	err_set(&e, EPERM, "%.*s: denied", (int)strcspn(e.text, ":"), e.text);
	assert_string_equal(e.text, "a: denied");

	/* Names chosen by others do not drive the terminal. */
	err_errno(&e, ENOENT, "a\nb\x1b[2J\x7f\xff\xc2\x9b\xc3\xa9");
	assert_string_equal(e.text, "a?b?[2J????\xc3\xa9: No such file or directory");

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	err_errno(&e, ENOENT, longer);
	assert_int_equal(strlen(e.text), ERR_TEXT - 1);
	err_add(&e, "more");
	assert_int_equal(strlen(e.text), ERR_TEXT - 1);
}

static void test_durations(void **state)
{
	static const struct {
		const char *s;
		int r;
		uint64_t ns;
	} cases[] = {
		{"10s", 0, 10000000000ULL},
		{"500ms", 0, 500000000},
		{"1ms", 0, 1000000},
		{"2m", 0, 120000000000ULL},
		{"10h", 0, 36000000000000ULL},
		{"24h", 0, 86400000000000ULL},
		{"1d", 0, 86400000000000ULL},
		{"30", 0, 30000000000ULL},
		{"0", 0, 0},
		{"0.5", 0, 500000000},
		{"1.5m", 0, 90000000000ULL},
		{"0.0000000001", 0, 0},
		{"1.000000000000000000000000000000001s", 0, 1000000000},
		{"18446744073", 0, 18446744073000000000ULL},
		{"18446744074", -ERANGE, 0},
		{"99999999999999999999", -ERANGE, 0},
		{"18446744073709551615d", -ERANGE, 0},
		{"", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"30 s", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{".5", -EINVAL, 0},
		{"5.", -EINVAL, 0},
		{"1,5", -EINVAL, 0},
		{"1.2.3", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"1S", -EINVAL, 0},
		{"1sec", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"inf", -EINVAL, 0},
		{"1s2m", -EINVAL, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t ns = 4711;
		int r = parse_duration_ns(cases[i].s, &ns);

		if (r != cases[i].r || ns != (r ? 4711 : cases[i].ns))
			fail_msg("'%s': %d, %llu", cases[i].s, r, (unsigned long long)ns);
	}
}

static void test_sizes(void **state)
{
	static const struct {
		const char *s;
		int r;
		uint64_t n;
	} cases[] = {
		{"0", 0, 0},
		{"1048576", 0, 1048576},
		{"512B", 0, 512},
		{"64K", 0, 65536},
		{"64k", 0, 65536},
		{"64KiB", 0, 65536},
		{"1.5G", 0, 1610612736},
		{"2T", 0, 2ULL << 40},
		{"15E", 0, 15ULL << 60},
		{"16E", -ERANGE, 0},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"16777216T", -ERANGE, 0},
		{"1.5", -EINVAL, 0},
		{"1.5B", -EINVAL, 0},
		{"64KB", -EINVAL, 0},
		{"64 M", -EINVAL, 0},
		{"M", -EINVAL, 0},
		{"-1M", -EINVAL, 0},
		{"1MM", -EINVAL, 0},
		{"1Ki", -EINVAL, 0},
		{"", -EINVAL, 0},
	};
	uint64_t n = 5;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t v = 4711;
		int r = parse_size(cases[i].s, &v);

		if (r != cases[i].r || v != (r ? 4711 : cases[i].n))
			fail_msg("'%s': %d, %llu", cases[i].s, r, (unsigned long long)v);
	}
	assert_int_equal(parse_u64("18446744073709551615", &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(parse_u64("18446744073709551616", &n), -ERANGE);
	assert_int_equal(parse_u64("1.0", &n), -EINVAL);
	assert_int_equal(parse_u64("", &n), -EINVAL);
	assert_int_equal(parse_u64("1x", &n), -EINVAL);
	assert_true(n == UINT64_MAX);
}

static void test_formats(void **state)
{
	static const struct {
		uint64_t n;
		const char *text;
	} sizes[] = {
		{0, "0 B"},
		{512, "512 B"},
		{999, "999 B"},
		{1000, "0.98 KiB"},
		{1024, "1 KiB"},
		{1536, "1.5 KiB"},
		{239075328, "228 MiB"},
		{1503238553, "1.4 GiB"},
		{1048575, "1 MiB"},
		{UINT64_MAX, "16 EiB"},
	};
	static const struct {
		uint64_t ns;
		const char *text;
	} times[] = {
		{0, "0 s"},
		{1, "1 ns"},
		{1500, "1.5 us"},
		{250000000, "250 ms"},
		{999999999, "1 s"},
		{1500000000, "1.5 s"},
		{10000000000ULL, "10 s"},
		{119000000000ULL, "119 s"},
		{120000000000ULL, "2 min"},
		{600000000000ULL, "10 min"},
		{7200000000000ULL, "2 h"},
		{259200000000000ULL, "3 d"},
		{UINT64_MAX, "213504 d"},
	};
	char out[24];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_string_equal(format_size(sizes[i].n, out), sizes[i].text);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		assert_string_equal(format_duration(times[i].ns, out), times[i].text);
}

static void test_clock(void **state)
{
	struct clock_anchor a = clock_anchor_now(), b;
	char compact[17], full[31], expected[64];
	struct tm tm;

	clock_format_compact(1795248300000000000ULL, compact);
	assert_string_equal(compact, "20261121T080500Z");
	clock_format_rfc3339(1795248300123456789ULL, full);
	assert_string_equal(full, "2026-11-21T08:05:00.123456789Z");
	clock_format_rfc3339(0, full);
	assert_string_equal(full, "1970-01-01T00:00:00.000000000Z");
	clock_format_compact(UINT64_MAX, compact);
	assert_string_equal(compact, "25540721T233433Z");

	/* Every day of two centuries, against the library. */
	for (time_t t = 0; t < 86400L * 366 * 200; t += 86399) {
		gmtime_r(&t, &tm);
		strftime(expected, sizeof(expected), "%Y%m%dT%H%M%SZ", &tm);
		clock_format_compact((uint64_t)t * NSEC_PER_SEC, compact);
		assert_string_equal(compact, expected);
	}

	b = clock_anchor_now();
	assert_true(b.monotonic_ns >= a.monotonic_ns);
	assert_true(a.boottime_ns + NSEC_PER_SEC >= a.monotonic_ns);
	assert_true(a.spread_ns < NSEC_PER_SEC);
	assert_true(a.realtime_ns / NSEC_PER_SEC + 2 >= (uint64_t)time(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sbuf_bounds), cmocka_unit_test(test_sbuf_u64),
		cmocka_unit_test(test_utf8),	    cmocka_unit_test(test_tsv),
		cmocka_unit_test(test_tsv_random),  cmocka_unit_test(test_tsv_malformed),
		cmocka_unit_test(test_cut),	    cmocka_unit_test(test_err),
		cmocka_unit_test(test_durations),   cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_formats),	    cmocka_unit_test(test_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
