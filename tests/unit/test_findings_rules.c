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
	/* No collector of stacks or of GPUs: unknown, which is not well. */
	assert_contains(j.f->verdict.text, "what the CPUs did; GPUs.");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_healthy),	    cmocka_unit_test(test_large_cache_is_healthy),
		cmocka_unit_test(test_partial),	    cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_shell_words), cmocka_unit_test(test_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
