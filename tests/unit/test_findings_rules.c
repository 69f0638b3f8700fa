/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holds for all rules: a machine that is well, an archive that is not whole, extremes. */
#include "findings_testing.h"

static void test_healthy(void **state)
{
	struct facts *f = healthy();
	struct judged j = judge(f);

	if (j.f->count)
		fail_msg("%s: %s", j.f->rows[0].id, j.f->rows[0].title);
	assert_int_equal(j.f->verdict.severity, SEVERITY_OK);
	assert_memory_equal(j.f->verdict.text, "Nothing wrong was found.", 24);
	/* This one has no scan, and says so. */
	assert_contains(j.f->verdict.text, "which files fill the page cache");
	/* No stacks and no collector of GPUs: unknown, which is not well. */
	assert_contains(j.f->verdict.text, "what the CPUs did");
	assert_contains(j.f->verdict.text, "GPUs.");
	done(j, f);
}

/* A cache that fills the machine is what Linux is meant to have. */
static void test_large_cache_is_healthy(void **state)
{
	struct facts *f = healthy();

	meminfo_is(f, "MemFree", 300 * MI);
	meminfo_is(f, "Cached", 12 * GI + 850 * MI);
	struct judged j = judge(f);

	if (j.f->count)
		fail_msg("%s: %s", j.f->rows[0].id, j.f->rows[0].title);
	done(j, f);
}

static void test_partial(void **state)
{
	struct facts *f = healthy();
	struct judged j;

	f->collectors.rows[6].status = "denied";
	f->collectors.rows[6].reason = "/proc/kcore: Operation not permitted";
	f->archive.rows[0].complete = 0;
	j = judge(f);
	const struct finding *n = must(j, "capture.partial");

	assert_int_equal(n->severity, SEVERITY_INFO);
	assert_contains(n->because[0].text, "/proc/kcore: Operation not permitted");
	assert_string_equal(n->because[0].ref, "#collectors");
	assert_contains(j.f->verdict.text, "Nothing wrong was found in what was captured");
	done(j, f);

	f = healthy();
	f->archive.rows[0].cut = 1;
	f->archive.rows[0].has_manifest = 0;
	meminfo_is(f, "MemAvailable", 100 * MI);
	j = judge(f);
	n = must(j, "capture.partial");
	assert_int_equal(n->severity, SEVERITY_WARNING);
	/* The machine's trouble first. */
	assert_string_equal(j.f->rows[0].id, "memory.near-oom");
	done(j, f);

	f = healthy();
	f->archive.rows[0].euid = 1000;
	f->collectors.rows[1].status = "partial";
	j = judge(f);
	assert_contains(must(j, "capture.partial")->title, "without root");
	done(j, f);

	/* Not offered here, or left out on request: the archive is complete all the same. */
	f = healthy();
	f->collectors.rows[6].status = "unsupported";
	f->collectors.rows[5].status = "skipped";
	j = judge(f);
	must_not(j, "capture.partial");
	assert_int_equal(j.f->verdict.severity, SEVERITY_OK);
	done(j, f);
}

/* Every counter at its extremes, one by one and two by two: no crash, and every text is a text. */
static void test_extremes(void **state)
{
	static const uint64_t odd[] = {0, 1, UINT64_C(1) << 63, FACT_NONE - 1, FACT_NONE};
	struct facts *f = container_with_logs(240 * MI);
	size_t n = f->counters.count;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++)
			for (size_t v = 0; v < 5; v++) {
				struct fact_counter a = f->counters.rows[i],
						    b = f->counters.rows[k];

				f->counters.rows[i].last = odd[v];
				f->counters.rows[k].first = f->counters.rows[k].last =
					odd[(v + i) % 5];
				struct judged j = judge(f);

				for (size_t x = 0; x < j.f->count; x++) {
					assert_null(strstr(j.f->rows[x].title, "nan"));
					assert_null(strstr(j.f->rows[x].title, "(null)"));
				}
				findings_destroy(j.f);
				model_destroy(j.m);
				f->counters.rows[k] = b;
				f->counters.rows[i] = a;
			}
	facts_destroy(f);
}

/* Advice is pasted into root shells. */
static void test_shell_words(void **state)
{
	struct facts *f = healthy();
	struct judged j = judge(f);

	assert_string_equal(shell_word(j.f, "/a/b-c_d.e@f:1", "X"), "/a/b-c_d.e@f:1");
	assert_string_equal(shell_word(j.f, "/a b", "X"), "'/a b'");
	assert_string_equal(shell_word(j.f, "/$(reboot)`x`;'|", "X"), "'/$(reboot)`x`;'\\''|'");
	assert_string_equal(shell_word(j.f, "/a\nb", "X"), "X");
	assert_string_equal(shell_word(j.f, "/\xe2\x80\xae", "X"), "X");
	assert_string_equal(shell_word(j.f, "[mnt:1]/a", "X"), "X");
	assert_string_equal(shell_word(j.f, "-rf", "X"), "X");
	done(j, f);

	f = small_files(20000, 20, "/leak;reboot/%u.%u");
	j = judge(f);
	assert_contains(must(j, "shmem.small-files")->advice[0],
			"find '/run/app/leak;reboot' -type f");
	done(j, f);
}

static void test_table(void **state)
{
	size_t n = 0;

	for (const struct finding_rule *r = finding_rules; r->id; r++, n++) {
		assert_non_null(r->needs);
		assert_non_null(r->evaluate);
		for (const struct finding_rule *o = finding_rules; o < r; o++)
			assert_string_not_equal(o->id, r->id);
	}
	assert_true(n >= 19);
	assert_string_equal(severity_name(SEVERITY_CRITICAL), "critical");
	assert_string_equal(confidence_name(CONFIDENCE_LOW), "low");
}

/* ------------------------------------------------------------------ analyze/findings/README.md */

static char *text_of(const char *path)
{
	char *text = calloc(1, 1 << 20);
	FILE *f = fopen(path, "r");

	if (!text || !f || fread(text, 1, (1 << 20) - 1, f) == 0)
		fail_msg("%s cannot be read", path);
	if (f)
		fclose(f);
	return text;
}

/* "FILE.c: FUNCTION" or "SCRIPT.sh": it is there, and itself speaks of the finding. */
static void one_test_is_there(const char *id, const char *name)
{
	const char *colon = strstr(name, ": ");
	size_t len = colon ? (size_t)(colon - name) : strlen(name);
	char path[512], function[128], *text, *body, *end;

	snprintf(path, sizeof(path), SOURCE_DIR "/tests/%s/%.*s", colon ? "unit" : "native",
		 (int)len, name);
	text = text_of(path);
	body = text;
	if (colon) {
		snprintf(function, sizeof(function), "static void %s(void **state)\n{", colon + 2);
		body = strstr(text, function);
		end = body ? strstr(body, "\n}\n") : NULL;
		if (!end)
			fail_msg("%s: no %s in %s", id, colon + 2, path);
		else
			*end = '\0';
	}
	if (!body || !strstr(body, id))
		fail_msg("%s: %s says nothing of it", id, name);
	free(text);
}

/* The names between backquotes of the row from its second column on. */
static unsigned names_of_row(const char *id, const char *row)
{
	const char *end = strchr(row, '\n'), *p = strchr(row + 3, '|');
	unsigned columns = 0, last = 0, n = 0;

	for (; p && p < end; p++) {
		char name[160];
		size_t len;

		columns += *p == '|';
		if (*p != '`')
			continue;
		len = strcspn(p + 1, "`");
		assert_true(len < sizeof(name));
		snprintf(name, sizeof(name), "%.*s", (int)len, p + 1);
		one_test_is_there(id, name);
		n += columns != last;
		last = columns;
		p += len + 1;
	}
	return n;
}

/* Of each rule the table says by which test it is provoked, and which must not. */
static void test_provoked(void **state)
{
	char *table = text_of(SOURCE_DIR "/analyze/findings/README.md");

	for (const struct finding_rule *r = finding_rules; r->id; r++) {
		char start[96];
		const char *row;

		snprintf(start, sizeof(start), "\n| `%s` |", r->id);
		row = strstr(table, start);
		if (!row)
			fail_msg("%s: add its row to analyze/findings/README.md", r->id);
		else if (names_of_row(r->id, row + 1) != 2)
			fail_msg("%s: its row must name what provokes it, and what must not",
				 r->id);
	}
	free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_healthy),	    cmocka_unit_test(test_large_cache_is_healthy),
		cmocka_unit_test(test_partial),	    cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_shell_words), cmocka_unit_test(test_table),
		cmocka_unit_test(test_provoked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
