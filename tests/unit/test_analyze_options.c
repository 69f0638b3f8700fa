/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of ossnap-analyze, and where its report goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../analyze/findings.h"
#include "../../analyze/options.h"
#include "../../analyze/output.h"

static int parse(struct analyze_options *o, struct err *e, ...)
{
	static char *argv[16];
	int argc = 1;
	va_list ap;

	argv[0] = "ossnap-analyze";
	va_start(ap, e);
	while ((argv[argc] = va_arg(ap, char *)))
		argc++;
	va_end(ap);
	*e = (struct err){0};
	return analyze_options_parse(o, argc, argv, e);
}

static void defaults(void **state)
{
	struct analyze_options o;
	struct err e;

	assert_int_equal(parse(&o, &e, "a.tar.zst", NULL), 0);
	assert_int_equal(o.archive_count, 1);
	assert_string_equal(o.archives[0], "a.tar.zst");
	assert_null(o.output);
	assert_null(o.json);
	assert_int_equal(o.top, 30);
	assert_int_equal(o.fail_on, 0);
	assert_false(o.text || o.quiet || o.salvage);
	assert_memory_equal(&o.limits, &bundle_default_limits, sizeof(o.limits));
}

static void everything(void **state)
{
	struct analyze_options o;
	struct err e;

	assert_int_equal(parse(&o, &e, "a", "-o", "r.html", "--json=-", "-q", "--salvage", "--top",
			       "5", "--fail-on", "critical", "b", NULL),
			 0);
	assert_int_equal(o.archive_count, 2);
	assert_string_equal(o.archives[1], "b");
	assert_string_equal(o.output, "r.html");
	assert_string_equal(o.json, "-");
	assert_true(o.quiet && o.salvage);
	assert_int_equal(o.top, 5);
	assert_int_equal(o.fail_on, SEVERITY_CRITICAL);
	assert_int_equal(parse(&o, &e, "--", "-x", NULL), 0);
	assert_string_equal(o.archives[0], "-x");
}

static void limits(void **state)
{
	struct analyze_options o;
	struct err e;

	assert_int_equal(parse(&o, &e, "a", "--limits",
			       "input=1G,member=8M,members=10,ratio=7,decompressed=512K,window=2M,"
			       "path=100",
			       NULL),
			 0);
	assert_int_equal(o.limits.input, 1 << 30);
	assert_int_equal(o.limits.member, 8 << 20);
	assert_int_equal(o.limits.members, 10);
	assert_int_equal(o.limits.ratio, 7);
	assert_int_equal(o.limits.decompressed, 512 << 10);
	assert_int_equal(o.limits.window_log, 21);
	assert_int_equal(o.limits.path, 100);
	assert_int_equal(parse(&o, &e, "a", "--limits", "window=3M", NULL), 0);
	assert_int_equal(o.limits.window_log, 21);
}

static void usage_errors_name_the_word(void **state)
{
	static const char *const bad[][3] = {
		{"--top", "0", "--top 0"},
		{"--top", "10001", "--top 10001"},
		{"--top", "-1", "--top -1"},
		{"--top", "", "--top ''"},
		{"--fail-on", "info", "--fail-on info"},
		{"--limits", "input", "--limits input"},
		{"--limits", "", "--limits"},
		{"--limits", "input=0", "input=0"},
		{"--limits", "input=1G,", "--limits"},
		{"--limits", "bogus=1", "bogus=1"},
		{"--limits", "ratio=99999999999999999999999999999999999", "ratio="},
		{"-o", "-", "--output -"},
		{"-o", "", "--output ''"},
		{"--json", "", "--json ''"},
		{"--compare", "x", "--compare: not in this version (" OSSNAP_VERSION ")"},
		{"--export", "svg=x", "--export svg=x: FORMAT=FILE with folded, pprof"},
		{"--trace", "x", "--trace: not in this version"},
		{"--debuginfo", "x", "--debuginfo: not in this version"},
		{"--bogus", "x", "--bogus"},
		{"-Z", "x", "-Z"},
		{"x", "--json", "--json: needs a value"},
	};
	struct analyze_options o;
	struct err e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(&o, &e, "a", bad[i][0], bad[i][1], NULL), -22);
		if (!strstr(e.text, bad[i][2]))
			fail_msg("'%s' lacks '%s'", e.text, bad[i][2]);
	}
	assert_int_equal(parse(&o, &e, NULL), -22);
	assert_non_null(strstr(e.text, "no archive"));
	assert_int_equal(parse(&o, &e, "a", "--json", "-", "--text", NULL), -22);
	assert_int_equal(parse(&o, &e, "a", "--json", "x", "-o", "x", NULL), -22);
}

static const char *place(const char *archive, bool fleet)
{
	static char out[256];
	char *path = output_default_path(archive, fleet);

	strcpy(out, path);
	free(path);
	return out;
}

static void the_report_lies_beside_the_archive(void **state)
{
	assert_string_equal(place("/a/b.tar.zst", false), "/a/b.html");
	assert_string_equal(place("b.tar.zst", true), "b-fleet.html");
	assert_string_equal(place("b.tar.zst.partial", false), "b.html");
	assert_string_equal(place("b.tar(1).zst", false), "b.tar(1).html"); /* a browser's name */
	assert_string_equal(place("plain", false), "plain.html");
	assert_string_equal(place(".tar.zst", false), ".tar.html");
	assert_string_equal(place("x/.zst", false), "x/.zst.html");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(everything),
		cmocka_unit_test(limits),
		cmocka_unit_test(usage_errors_name_the_word),
		cmocka_unit_test(the_report_lies_beside_the_archive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
