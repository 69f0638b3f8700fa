/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verify.h: one line per problem, and nothing of the archive's that drives the terminal. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/verify.h"

static struct bundle_verdict *whole(void)
{
	struct bundle_verdict *v = calloc(1, sizeof(*v));

	assert_non_null(v);
	v->head_ok = v->manifest_ok = true;
	v->outcome.has_manifest = true;
	v->outcome.members = 2;
	v->outcome.decompressed = 4096;
	v->manifest.complete = true;
	v->manifest.collector_count = 1;
	v->manifest.collectors[0].status = COLLECTOR_UNSUPPORTED;
	v->seen = calloc(2, sizeof(*v->seen));
	assert_non_null(v->seen);
	v->seen_count = 2;
	snprintf(v->seen[0].name, sizeof(v->seen[0].name), "capture.json");
	v->seen[0].listed = v->seen[0].matches = true;
	snprintf(v->seen[1].name, sizeof(v->seen[1].name), "manifest.json");
	return v;
}

/* Prints and frees the verdict. */
static char *words(struct bundle_verdict *v, bool quiet, unsigned expected_problems)
{
	static char text[8192];
	FILE *f;
	unsigned n;

	text[0] = '\0';
	f = fmemopen(text, sizeof(text), "w");
	assert_non_null(f);
	n = verify_print(f, "a.tar.zst", v, quiet);
	fclose(f);
	if (n != expected_problems)
		fail_msg("%u problems: %s", n, text);
	bundle_verdict_deinit(v);
	free(v);
	return text;
}

static void test_whole(void **state)
{
	assert_string_equal(
		words(whole(), false, 0),
		"a.tar.zst: whole: 2 members, 4 KiB, every SHA-256 as in the manifest\n");
	assert_string_equal(words(whole(), true, 0), "");
}

static void test_damage(void **state)
{
	struct bundle_verdict *v = whole();
	char *text;

	v->seen[0].matches = false;
	v->mismatched = 1;
	text = words(v, true, 1);
	assert_non_null(strstr(text, "a.tar.zst: capture.json: damaged: size or SHA-256"));
	assert_non_null(strstr(text, "a.tar.zst: damaged: 1 problem, 2 members readable\n"));

	v = whole();
	v->missing = 2;
	snprintf(v->first_problem, sizeof(v->first_problem), "raw/x: missing");
	text = words(v, false, 1);
	assert_non_null(strstr(text, "2 members of the manifest missing (raw/x: missing)"));

	v = whole();
	v->seen[0].listed = false;
	v->unlisted = 1;
	assert_non_null(strstr(words(v, false, 1), "capture.json: not in the manifest"));

	v = whole();
	v->outcome.has_manifest = v->manifest_ok = false;
	v->outcome.cut = true;
	text = words(v, false, 1);
	assert_non_null(strstr(text, "manifest.json: missing"));
	assert_null(strstr(text, "not in the manifest"));

	v = whole();
	v->outcome.damaged = 3;
	v->outcome.trailing = true;
	v->head_ok = false;
	text = words(v, false, 3);
	assert_non_null(strstr(text, "3 damaged frames"));
	assert_non_null(strstr(text, "bytes after the end"));
	assert_non_null(strstr(text, "capture.json: missing or malformed"));
}

static void test_partial(void **state)
{
	struct bundle_verdict *v = whole();
	char *text;

	snprintf(v->manifest.collectors[0].name, 32, "mounts");
	snprintf(v->manifest.collectors[0].reason, 512, "/mnt: did not answer");
	v->manifest.collectors[0].status = COLLECTOR_TIMEOUT;
	v->manifest.complete = false;
	text = words(v, false, 1);
	assert_non_null(strstr(text, "a.tar.zst: mounts: timeout: /mnt: did not answer\n"));
	assert_non_null(strstr(text, "undamaged, but a partial capture"));

	v = whole();
	v->manifest.complete = false;
	snprintf(v->manifest.interrupted, sizeof(v->manifest.interrupted), "SIGINT");
	assert_non_null(strstr(words(v, false, 1), "interrupted by SIGINT"));

	/* A manifest that says no more than "not complete" is still a problem. */
	v = whole();
	v->manifest.complete = false;
	assert_non_null(strstr(words(v, true, 1), "the capture was partial"));
}

static void test_hostile_words(void **state)
{
	struct bundle_verdict *v = whole();
	char *text;

	snprintf(v->seen[0].name, sizeof(v->seen[0].name), "x\x1b[2J\ny\xff");
	v->seen[0].matches = false;
	snprintf(v->manifest.collectors[0].reason, 512, "a\r\x1b]0;owned\x07");
	v->manifest.collectors[0].status = COLLECTOR_ERROR;
	text = words(v, false, 2);
	for (const char *p = text; *p; p++)
		assert_true(*p == '\n' || (unsigned char)*p >= 0x20);
	assert_non_null(strstr(text, "x\\x1b[2J\\ny\\xff: damaged"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_partial),
		cmocka_unit_test(test_hostile_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
