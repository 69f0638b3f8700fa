/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page as bytes; how it behaves is for the browser lane. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nettle/base64.h>
#include <nettle/sha2.h>
#include <zlib.h>

#include "../../report/assets.h"
#include "../browser/sample.h"

static char *html_of(const struct report *hosts, size_t count)
{
	static const struct report_options options = {.top = 30};
	struct collected c = {0};
	struct err e = {0};

	if (report_html(hosts, count, &options, collect, &c, &e) < 0)
		fail_msg("%s", e.text);
	return c.data;
}

static size_t occurrences(const char *s, const char *what)
{
	size_t n = 0;

	for (; (s = strstr(s, what)); s += strlen(what))
		n++;
	return n;
}

static void only_our_markup_is_in_the_page(void **state)
{
	static const char *const never[] = {"<img",	     "<b>evil",		  "<b>web",
					    "<b>ref",	     "alert(1)</script>", "</template><img",
					    "\x1b",	     "\xe2\x80\xae",	  "<?table",
					    "<script>alert", "onerror=alert(2)>", " style=\"",
					    " onclick",	     "href=\"#nowhere"};
	struct sample s;
	size_t scripts = 0;
	char *html;

	sample_rich(&s, "<b>web</b>\xe2\x80\xae", 60);
	html = html_of(&s.report, 1);
	for (const struct asset *a = assets; a->name; a++)
		scripts += strlen(a->name) > 3 && !strcmp(a->name + strlen(a->name) - 3, ".js");
	assert_true(scripts >= 2);
	assert_int_equal(occurrences(html, "<script>"), scripts);
	assert_int_equal(occurrences(html, "</script>"), scripts);
	assert_int_equal(occurrences(html, "<style"), 1);
	for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
		if (strstr(html, never[i]))
			fail_msg("in the page: %s", never[i]);
	assert_non_null(strstr(html, "&lt;script&gt;alert(1)&lt;/script&gt;"));
	assert_non_null(strstr(html, "<span class=\"ctl\">&lt;U+202E&gt;</span>fdp.exe"));
	free(html);
	sample_destroy(&s);
}

/* What stands in the script elements must have the hash that the policy allows. */
static void the_policy_allows_what_is_there(void **state)
{
	struct sample s;
	char *html, *at;

	sample_rich(&s, "web-07", 10);
	html = html_of(&s.report, 1);
	assert_non_null(strstr(html, "default-src 'none'; script-src 'sha256-"));
	for (at = html; (at = strstr(at, "<script>")); at++) {
		const char *start = at + strlen("<script>"), *end = strstr(start, "</script>");
		uint8_t digest[SHA256_DIGEST_SIZE];
		char text[BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE) + 10] = "'sha256-";
		struct sha256_ctx sha;

		sha256_init(&sha);
		sha256_update(&sha, (size_t)(end - start), (const uint8_t *)start);
		sha256_digest(&sha, sizeof(digest), digest);
		base64_encode_raw(text + 8, sizeof(digest), digest);
		text[sizeof(text) - 2] = '\'';
		text[sizeof(text) - 1] = '\0';
		if (!strstr(html, text))
			fail_msg("the policy lacks %s", text);
	}
	free(html);
	sample_destroy(&s);
}

static void the_same_facts_give_the_same_bytes(void **state)
{
	struct sample s, again;
	char *a, *b;

	sample_rich(&s, "web-07", 500);
	sample_rich(&again, "web-07", 500);
	a = html_of(&s.report, 1);
	b = html_of(&again.report, 1);
	assert_string_equal(a, b);
	free(a);
	free(b);
	sample_destroy(&s);
	sample_destroy(&again);
}

static void conclusions_stand_first(void **state)
{
	static const char *const order[] = {
		"id=\"verdict\"",	"id=\"findings\"", "id=\"not-seen\"",
		"id=\"memory\"",	"id=\"files\"",	   "id=\"container-files\"",
		"id=\"shared-memory\"", "id=\"cgroups\"",  "id=\"processes\"",
		"id=\"slabs\"",		"id=\"counters\"", "id=\"provenance\"",
		"id=\"collectors\""};
	struct sample s;
	const char *at;
	char *html;

	sample_rich(&s, "web-07", 100);
	html = html_of(&s.report, 1);
	at = html;
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		at = strstr(at, order[i]);
		if (!at)
			fail_msg("missing or too early: %s", order[i]);
	}
	free(html);
	sample_destroy(&s);
}

/* Every link leads somewhere, and no id is given twice; in a fleet too. */
static void links_lead_somewhere(const char *html)
{
	for (const char *at = html; (at = strstr(at, "href=\"#")); at++) {
		char id[128], quoted[160];

		assert_int_equal(sscanf(at, "href=\"#%100[^\"]", id), 1);
		snprintf(quoted, sizeof(quoted), " id=\"%s\"", id);
		if (occurrences(html, quoted) != 1)
			fail_msg("%zu targets of #%s", occurrences(html, quoted), id);
	}
}

static void deep_links_hold(void **state)
{
	struct sample a, b, c;
	struct report hosts[3];
	char *html;

	sample_rich(&a, "web-07", 100);
	sample_healthy(&b, "web-08");
	sample_empty(&c);
	html = html_of(&a.report, 1);
	links_lead_somewhere(html);
	free(html);
	html = html_of(&c.report, 1);
	links_lead_somewhere(html);
	free(html);
	hosts[0] = b.report;
	hosts[1] = a.report;
	hosts[2] = c.report;
	html = html_of(hosts, 3);
	links_lead_somewhere(html);
	/* the worst machine is the first row */
	assert_true(strstr(html, "href=\"#h2-host\"") < strstr(html, "href=\"#h1-host\""));
	free(html);
	sample_destroy(&a);
	sample_destroy(&b);
	sample_destroy(&c);
}

static void what_was_not_captured_is_said(void **state)
{
	struct sample s;
	char *html;

	sample_empty(&s);
	html = html_of(&s.report, 1);
	assert_true(occurrences(html, "Not captured") >= 10);
	assert_int_equal(occurrences(html, "<template>"), 0);
	free(html);
	sample_destroy(&s);
}

/* The columns behind a table: base64, gzip, JSON with as many rows as there are. */
static void the_columns_can_be_decoded(void **state)
{
	struct base64_decode_ctx b64;
	struct sample s;
	uint8_t *packed;
	char *html, *start, *json;
	size_t len, packed_len;
	z_stream z = {0};

	sample_rich(&s, "web-07", 3000);
	html = html_of(&s.report, 1);
	start = strstr(strstr(html, "id=\"files\""), "<template>") + strlen("<template>");
	len = (size_t)(strstr(start, "</template>") - start);
	packed = malloc(BASE64_DECODE_LENGTH(len));
	base64_decode_init(&b64);
	packed_len = BASE64_DECODE_LENGTH(len);
	assert_true(base64_decode_update(&b64, &packed_len, packed, len, start));
	assert_true(base64_decode_final(&b64));
	json = malloc(1 << 24);
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = packed;
	z.avail_in = (unsigned)packed_len;
	z.next_out = (unsigned char *)json;
	z.avail_out = 1 << 24;
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	json[z.total_out] = '\0';
	inflateEnd(&z);
	assert_non_null(strstr(json, "\"rows\":3000"));
	assert_non_null(strstr(json, "<script>alert(1)</script>"));
	assert_non_null(strstr(json, "file-2999.dat"));
	free(json);
	free(packed);
	free(html);
	sample_destroy(&s);
}

struct counted {
	size_t len;
};
static int count_only(void *ctx, const void *data, size_t len)
{
	((struct counted *)ctx)->len += len;
	return 0;
}

static void many_files_cost_little_memory(void **state)
{
	static const struct report_options options = {.top = 30};
	struct sample s;
	pid_t pid;
	int status;

	sample_rich(&s, "big-01", 200000);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct rusage before, after;
		struct counted c = {0};
		struct err e = {0};

		getrusage(RUSAGE_SELF, &before);
		if (report_html(&s.report, 1, &options, count_only, &c, &e) < 0)
			_exit(2);
		getrusage(RUSAGE_SELF, &after);
		/* as a tree these rows are 279 MiB; sorting the shares takes 6 */
		_exit(after.ru_maxrss - before.ru_maxrss < 48 * 1024 && c.len > 1000000 &&
				      c.len < 8000000
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	sample_destroy(&s);
}

static int no_space(void *ctx, const void *data, size_t len)
{
	return -28;
}

static void a_failed_write_is_reported(void **state)
{
	struct sample s;
	struct err e = {0};

	sample_rich(&s, "web-07", 10);
	assert_int_equal(report_html(&s.report, 1, NULL, no_space, NULL, &e), -28);
	assert_non_null(strstr(e.text, "HTML report"));
	assert_true(report_html(NULL, 0, NULL, no_space, NULL, &e) < 0);
	sample_destroy(&s);
}

/* A hog that came while memory was read is no part that was counted twice. */
static void why_the_parts_exceed_the_whole(void **state)
{
	struct sample s;
	char *html;

	sample_rich(&s, "web-07", 10);
	s.model.unaccounted = -100 * (int64_t)MIB;
	html = html_of(&s.report, 1);
	assert_non_null(strstr(html, "not all read at one moment: free memory changed by 105 MiB"));
	assert_null(strstr(html, "two parts overlap"));
	free(html);
	s.model.unaccounted = -500 * (int64_t)MIB;
	html = html_of(&s.report, 1);
	assert_non_null(strstr(html, "below zero: two parts overlap"));
	free(html);
	sample_destroy(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_our_markup_is_in_the_page),
		cmocka_unit_test(the_policy_allows_what_is_there),
		cmocka_unit_test(the_same_facts_give_the_same_bytes),
		cmocka_unit_test(conclusions_stand_first),
		cmocka_unit_test(deep_links_hold),
		cmocka_unit_test(what_was_not_captured_is_said),
		cmocka_unit_test(why_the_parts_exceed_the_whole),
		cmocka_unit_test(the_columns_can_be_decoded),
		cmocka_unit_test(many_files_cost_little_memory),
		cmocka_unit_test(a_failed_write_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
