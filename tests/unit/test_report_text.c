/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text that cannot deceive, figures, and the plain-text form. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../report/figures.h"
#include "../../report/out.h"
#include "../../report/treemap.h"
#include "../../report/visible.h"
#include "../browser/sample.h"

static void shows(const char *in, const char *expected)
{
	char *out = visible_dup(in);

	assert_string_equal(out, expected);
	free(out);
}

static void controls_and_bidi_are_written_out(void **state)
{
	shows("", "");
	shows("plain /path", "plain /path");
	shows("a\nb\tc\rd", "a\\nb\\tc\\rd");
	shows("\x1b[31m\x01\x7f", "\\x1b[31m\\x01\\x7f");
	shows("\xe2\x80\xaegnp.exe", "<U+202E>gnp.exe");
	shows("a\xe2\x80\x8b\xef\xbb\xbf", "a<U+200B><U+FEFF>");
	shows("\xc2\x85\xc2\xad", "<U+0085><U+00AD>");
	shows("\xf3\xa0\x81\x81", "<U+E0041>");
	shows("\xd7\xa9\xe4\xb8\xad\xc3\xa9\xf0\x9f\x98\x80",
	      "\xd7\xa9\xe4\xb8\xad\xc3\xa9\xf0\x9f\x98\x80");
}

static void invalid_utf8_is_written_out(void **state)
{
	shows("\xff", "\\xff");
	shows("a\xc3", "a\\xc3");
	shows("\xc3(", "\\xc3(");
	shows("\xe2\x80", "\\xe2\\x80");
	shows("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* a surrogate */
	shows("\xc0\xaf", "\\xc0\\xaf");	  /* overlong */
}

static void a_name_is_quoted_only_when_it_must_be(void **state)
{
	char *word = visible_shell_quote("a'b\\c\n\xe2\x80\xae");

	assert_string_equal(word, "$'a\\'b\\\\c\\x0a\\xe2\\x80\\xae'");
	free(word);
	assert_false(visible_needs_quoting("/var/log/it's fine $x"));
	assert_true(visible_needs_quoting("/var/log/a\nb"));
}

static void markup_is_escaped(void **state)
{
	struct collected c = {0};
	struct out *o = malloc(sizeof(*o));

	out_init(o, collect, &c);
	out_text(o, "<b a=\"1\" c='2'>&amp;\n");
	out_name(o, "x\ny");
	assert_int_equal(out_end(o), 0);
	assert_string_equal(c.data, "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;\\n"
				    "x<span class=\"ctl\">\\n</span>y");
	free(o);
	free(c.data);
}

static int failing(void *ctx, const void *data, size_t len)
{
	return -28;
}

static void a_failed_write_is_kept(void **state)
{
	struct out *o = malloc(sizeof(*o));

	out_init(o, failing, NULL);
	for (int i = 0; i < 10000; i++)
		out_str(o, "0123456789");
	assert_int_equal(out_end(o), -28);
	free(o);
}

static void figures_read_well(void **state)
{
	char out[FIGURE];

	assert_string_equal(figure_count(0, out), "0");
	assert_string_equal(figure_count(1234567, out), "1,234,567");
	assert_string_equal(figure_count(UINT64_MAX, out), "18,446,744,073,709,551,615");
	assert_string_equal(figure_bytes(228 * 1048576.0, out), "228 MiB");
	assert_string_equal(figure_bytes(-228 * 1048576.0, out), "\xe2\x88\x92"
								 "228 MiB");
	assert_string_equal(figure_bytes(1e300, out), "?");
	assert_string_equal(figure_change(1048576, out), "+1 MiB");
	assert_string_equal(figure_change(0, out), "0");
	assert_string_equal(figure_share(0.04, out), "< 0.1 %");
	assert_string_equal(figure_share(99.6, out), "100 %");
	assert_string_equal(figure_share(-4.26, out), "\xe2\x88\x92"
						      "4.3 %");
	assert_string_equal(figure_share(-12.4, out), "\xe2\x88\x92"
						      "12 %");
	assert_string_equal(figure_share(-0.04, out), "> \xe2\x88\x92"
						      "0.1 %");
	assert_string_equal(figure_share(0, out), "0.0 %");
	assert_string_equal(figure_interval(210 * 1048576.0, 246 * 1048576.0, out),
			    "210 \xe2\x80\x93 246 MiB");
	assert_string_equal(figure_interval(1024, 3 * 1048576.0, out), "1 KiB \xe2\x80\x93 3 MiB");
	assert_string_equal(figure_seconds(0.0123, out), "12 ms");
	assert_string_equal(figure_seconds(0.00994, out), "9.9 ms");
	assert_string_equal(figure_seconds(0.00995, out), "10 ms");
	assert_string_equal(figure_seconds(0.0012, out), "1.2 ms");
	assert_string_equal(figure_seconds(0.0009994, out), "999 \xc2\xb5s");
	assert_string_equal(figure_seconds(2.048e-6, out), "2 \xc2\xb5s");
	assert_string_equal(figure_seconds(347e-9, out), "347 ns");
	assert_string_equal(figure_seconds(0, out), "0 ms");
	assert_string_equal(figure_time(1795248847.25, out), "2026-11-21T08:14:07Z");
	assert_null(figure_time(NAN, out));
	assert_null(figure_time(-1, out));
	assert_null(figure_time(1e300, out));
}

static void areas_are_true(void **state)
{
	const double values[] = {6, 6, 4, 3, 2, 2, 1};
	struct rect r[7];
	double sum = 0;

	treemap(values, 7, (struct rect){10, 20, 600, 400}, r);
	for (size_t i = 0; i < 7; i++) {
		assert_true(fabs(r[i].w * r[i].h - values[i] / 24 * 240000) < 0.01);
		assert_true(r[i].x >= 10 - 1e-6 && r[i].x + r[i].w <= 610 + 1e-6);
		assert_true(r[i].y >= 20 - 1e-6 && r[i].y + r[i].h <= 420 + 1e-6);
		assert_true(fmax(r[i].w / r[i].h, r[i].h / r[i].w) < 3.1);
		for (size_t k = 0; k < i; k++)
			assert_true(r[k].x + r[k].w <= r[i].x + 1e-6 ||
				    r[i].x + r[i].w <= r[k].x + 1e-6 ||
				    r[k].y + r[k].h <= r[i].y + 1e-6 ||
				    r[i].y + r[i].h <= r[k].y + 1e-6);
		sum += r[i].w * r[i].h;
	}
	assert_true(fabs(sum - 240000) < 0.01);
	treemap(NULL, 0, (struct rect){0, 0, 1, 1}, NULL);
}

static char *text_of(const struct report *hosts, size_t count)
{
	struct collected c = {0};
	struct err e = {0};

	assert_int_equal(report_text(hosts, count, collect, &c, &e), 0);
	return c.data;
}

static size_t lines(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

static void the_ticket_text_says_it_all(void **state)
{
	struct sample s;
	char *text;

	sample_rich(&s, "web-07", 50);
	text = text_of(&s.report, 1);
	assert_non_null(strstr(text, s.findings.verdict.text));
	assert_non_null(strstr(text, "because: Usage is 1.96 GiB"));
	assert_non_null(strstr(text, "do this: Drop what is cached"));
	for (size_t i = 0; i < s.findings.rows[0].advice_count; i++)
		assert_non_null(strstr(text, s.findings.rows[0].advice[i]));
	assert_non_null(strstr(text, "   confidence: "));
	assert_non_null(strstr(text, "would be wrong if "));
	assert_non_null(strstr(text, " - GPU memory: no NVIDIA driver is loaded"));
	assert_non_null(
		strstr(text, "Archive: web-07-CASE4711-20261121T081407Z-k3v9q2xb (partial)"));
	assert_non_null(strstr(text, s.facts.archive.rows[0].sha256));
	free(text);
	sample_destroy(&s);
}

static void forty_lines_hold_whatever_was_found(void **state)
{
	struct finding many[200];
	struct not_seen unseen[100];
	struct report hosts[100];
	struct sample s;
	char *text;

	sample_rich(&s, "evil\nhost\x1b[2J", 50);
	for (size_t i = 0; i < 200; i++) {
		many[i] = s.findings.rows[0];
		many[i].title = "a title\nof two lines";
	}
	for (size_t i = 0; i < 100; i++)
		unseen[i] = (struct not_seen){"some\nthing", "no\nreason"};
	s.findings.rows = many;
	s.findings.count = 200;
	s.model.not_seen = unseen;
	s.model.not_seen_count = 100;
	text = text_of(&s.report, 1);
	assert_true(lines(text) <= 40);
	assert_non_null(strstr(text, "more findings in the report"));
	assert_non_null(strstr(text, "more in the report"));
	assert_non_null(strstr(text, "SHA-256: "));
	assert_null(strchr(text, '\x1b'));
	free(text);
	for (size_t i = 0; i < 100; i++)
		hosts[i] = s.report;
	text = text_of(hosts, 100);
	assert_true(lines(text) <= 40);
	assert_non_null(strstr(text, "100 of 100 captures of 1 machine need attention"));
	free(text);
	sample_destroy(&s);
}

/* Two captures of one machine stay together, by time, and one that was refused is no machine. */
static void a_fleet_is_grouped_by_machine(void **state)
{
	struct sample a, b, c, d;
	struct report hosts[4];
	const char *first, *second, *other;
	char *text;

	sample_rich(&a, "web-07", 5);
	sample_healthy(&b, "web-08");
	sample_healthy(&c, "web-07");
	sample_empty(&d);
	a.facts.archive.rows[0].captured_at = 2000;
	c.facts.archive.rows[0].captured_at = 1000;
	hosts[0] = b.report;
	hosts[1] = a.report;
	hosts[2] = c.report;
	hosts[3] = d.report;
	hosts[0].file = "eight.tar.zst";
	hosts[1].file = "late.tar.zst";
	hosts[2].file = "early.tar.zst";
	hosts[3].file = "other.tar.zst";
	hosts[3].refused = true;
	text = text_of(hosts, 4);
	assert_non_null(strstr(text, "1 of 3 captures of 2 machines needs attention"));
	assert_non_null(strstr(text, "4 archives: 3 read, 1 refused (other.tar.zst)."));
	first = strstr(text, "early.tar.zst");
	second = strstr(text, "late.tar.zst");
	other = strstr(text, "eight.tar.zst");
	assert_true(first && second && other && first < second && second < other);
	free(text);
	sample_destroy(&a);
	sample_destroy(&b);
	sample_destroy(&c);
	sample_destroy(&d);
}

static void nothing_captured_is_said(void **state)
{
	struct sample s;
	char *text;

	sample_empty(&s);
	text = text_of(&s.report, 1);
	assert_non_null(strstr(text, "Nothing can be said"));
	free(text);
	assert_true(report_text(NULL, 0, collect, NULL, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(controls_and_bidi_are_written_out),
		cmocka_unit_test(invalid_utf8_is_written_out),
		cmocka_unit_test(a_name_is_quoted_only_when_it_must_be),
		cmocka_unit_test(markup_is_escaped),
		cmocka_unit_test(a_failed_write_is_kept),
		cmocka_unit_test(figures_read_well),
		cmocka_unit_test(areas_are_true),
		cmocka_unit_test(the_ticket_text_says_it_all),
		cmocka_unit_test(forty_lines_hold_whatever_was_found),
		cmocka_unit_test(a_fleet_is_grouped_by_machine),
		cmocka_unit_test(nothing_captured_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
