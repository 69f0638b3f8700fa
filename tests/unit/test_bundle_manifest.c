/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two JSON members: what is written is read again; what does not fit is refused. */
#include <locale.h>
#include <math.h>

#include "bundle_testing.h"

static struct forge f;

static void head_round_trip(void **state)
{
	struct capture_head back;
	struct err e = {0};

	forge_init(&f);
	strcpy(f.head.label, "before");
	f.head.max_size = 256 << 20;
	f.head.max_cpu = 12.5;
	f.head.duration_s = 0.1;
	f.head.euid = 4294967294u;
	f.head.container = true;
	strcpy(f.head.hostname, "a \"quoted\" <script> \xc3\xa9\ttab");
	struct bytes b = head_json(&f);

	assert_int_equal(capture_head_parse((char *)b.p, b.len, &back, &e), 0);
	assert_int_equal(back.version_major, 1);
	back.version_major = back.version_minor = 0;
	assert_memory_equal(&back, &f.head, sizeof(back));
	free(b.p);
}

static void manifest_fill(struct capture_manifest *m)
{
	struct collector_result *c = &m->collectors[1];

	m->complete = false;
	m->exit_code = 130;
	strcpy(m->interrupted, "SIGINT");
	c->status = COLLECTOR_TIMEOUT;
	c->no = ETIMEDOUT;
	strcpy(c->reason, "/mnt/nfs: no answer in 3 s");
	c->start_ms = -0.25;
	c->dropped = 7;
	c->loss_count = 2;
	strcpy(c->loss[0].cause, "ring full");
	c->loss[0].count = 3;
	strcpy(c->loss[1].cause, "vanished");
	c->loss[1].count = 4;
	c->note_count = 1;
	strcpy(c->notes[0], "a note");
	c->abandoned_pid = 4711;
	m->redacted_count = 1;
	strcpy(m->redacted[0].kind, "password");
	strcpy(m->redacted[0].where, "raw/processes");
	m->redacted[0].count = 5;
}

static int count_members(void *ctx, const struct bundle_member *m)
{
	const struct bundle_member *expected = &f.members[(*(unsigned *)ctx)++];

	assert_string_equal(m->name, expected->name);
	assert_int_equal(m->size, expected->size);
	assert_memory_equal(m->sha256, expected->sha256, 32);
	assert_int_equal(m->truncated, expected->truncated);
	return 0;
}

static void manifest_round_trip(void **state)
{
	static struct capture_manifest back;
	struct err e = {0};
	unsigned seen = 0;

	forge_init(&f);
	manifest_fill(&f.manifest);
	list_member(&f, "capture.json", "x", 1);
	list_member(&f, "raw/b", "yy", 2);
	f.members[1].truncated = true;
	struct bytes b = manifest_json(&f);

	assert_int_equal(
		capture_manifest_parse((char *)b.p, b.len, &back, count_members, &seen, &e), 0);
	assert_int_equal(seen, 2);
	back.version_major = 0;
	assert_memory_equal(&back, &f.manifest, sizeof(back));
	free(b.p);
}

/* The most of everything, of the worst bytes: the reader takes what the writer wrote. */
static void fullest(void **state)
{
	static struct capture_manifest back;
	static struct capture_head head;
	struct capture_manifest *m = &f.manifest;
	struct err e = {0};

	forge_init(&f);
	memset(f.head.arguments, '\xff', sizeof(f.head.arguments) - 1);
	memset(f.head.hostname, '\x01', sizeof(f.head.hostname) - 1);
	memset(f.head.os, '"', sizeof(f.head.os) - 1);
	memset(f.head.label, '\xe2', sizeof(f.head.label) - 1);
	f.head.max_memory = UINT64_MAX;
	struct bytes b = head_json(&f);

	assert_true(b.len < 64 << 10);
	assert_int_equal(capture_head_parse((char *)b.p, b.len, &head, &e), 0);
	assert_memory_equal(head.arguments, "\\xff\\xff", 8);
	assert_memory_equal(head.hostname, f.head.hostname, sizeof(head.hostname));
	assert_int_equal(head.max_memory, INT64_MAX);
	free(b.p);

	m->collector_count = MANIFEST_MAX_COLLECTORS;
	for (size_t i = 0; i < m->collector_count; i++) {
		struct collector_result *c = &m->collectors[i];

		memset(c->name, 'n', sizeof(c->name) - 1);
		memset(c->reason, '\x1f', sizeof(c->reason) - 1);
		c->loss_count = MANIFEST_MAX_LOSS;
		c->note_count = MANIFEST_MAX_NOTES;
		for (int k = 0; k < MANIFEST_MAX_LOSS; k++) {
			memset(c->loss[k].cause, '\x80', sizeof(c->loss[k].cause) - 1);
			c->loss[k].count = UINT64_MAX;
		}
		for (int k = 0; k < MANIFEST_MAX_NOTES; k++)
			memset(c->notes[k], '\\', sizeof(c->notes[k]) - 1);
	}
	m->observer_cpu_s = NAN;
	b = manifest_json(&f);
	assert_int_equal(capture_manifest_parse((char *)b.p, b.len, &back, NULL, NULL, &e), 0);
	assert_int_equal(back.collector_count, MANIFEST_MAX_COLLECTORS);
	assert_memory_equal(back.collectors[63].reason, m->collectors[63].reason, 512);
	assert_true(isnan(back.observer_cpu_s));
	free(b.p);
}

static void expect(int r, const char *json, const char *text)
{
	static struct capture_manifest m;
	struct err e = {0};
	char *copy = strdup(json);

	/* no NUL behind it */
	memset(&m, 0x55, sizeof(m));
	int got = capture_manifest_parse(copy, strlen(json), &m, NULL, NULL, &e);

	if (got != r)
		fail_msg("%s: %d, %s", json, got, e.text);
	if (r < 0) {
		assert_string_equal(e.text, text);
		assert_int_equal(((uint8_t *)&m)[0], 0x55); /* untouched */
	}
	free(copy);
}

#define START "{\"format\":\"ossnap-archive\",\"version\":\"1.0\","
#define REST "\"complete\":true,\"members\":[]}"

static void refusals(void **state)
{
	expect(0, START REST, NULL);
	expect(0, START "\"x\":[[{}],{\"format\":1}]," REST, NULL);
	expect(-EBADMSG, "", "manifest.json: JSON that is cut short");
	expect(-EBADMSG, "{", "manifest.json: JSON that is cut short");
	expect(-EBADMSG, "[]", "manifest.json: is an array");
	expect(-EBADMSG, "7", "manifest.json: not an object");
	expect(-EBADMSG, "{}", "manifest.json: format: is missing");
	expect(-EBADMSG, START "\"complete\":true}", "manifest.json: members: is missing");
	expect(-EBADMSG, START "\"complete\":null,\"members\":[]}",
	       "manifest.json: complete: is null");
	expect(-EBADMSG, START "\"exit\":256," REST, "manifest.json: exit: out of range");
	expect(-EBADMSG, START "\"exit\":-1," REST, "manifest.json: exit: out of range");
	expect(-EBADMSG, START "\"exit\":1.5," REST, "manifest.json: exit: out of range");
	expect(-EBADMSG, START "\"exit\":[]," REST, "manifest.json: exit: is an array");
	expect(-EBADMSG, START "\"exit\":{}," REST, "manifest.json: exit: is an object");
	expect(-EBADMSG, START "\"exit\":0,\"exit\":0," REST, "manifest.json: exit: given twice");
	expect(-EBADMSG, START "\"interrupted\":\"SIGNIFICANTLYLONG\"," REST,
	       "manifest.json: interrupted: too long");
	expect(-EBADMSG, START "\"collectors\":[7]," REST,
	       "manifest.json: collectors: is a number");
	expect(-EBADMSG, START "\"collectors\":[[]]," REST,
	       "manifest.json: collectors: is an array");
	expect(-EBADMSG, START "\"collectors\":[null]," REST, "manifest.json: collectors: is null");
	expect(-EBADMSG, START "\"collectors\":[{\"name\":\"a\"}]," REST,
	       "manifest.json: collectors.status: is missing");
	expect(-EBADMSG,
	       START "\"collectors\":[{\"name\":\"a\",\"status\":\"ok\",\"dropped\":0,"
		     "\"notes\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}]," REST,
	       "manifest.json: collectors.notes: too many");
	expect(-EBADMSG, START REST "x", "manifest.json: not JSON (at byte 73)");
	expect(-EPROTONOSUPPORT,
	       "{\"complete\":[],\"format\":\"ossnap-archive\",\"version\":\"2.3\"}",
	       "manifest.json: archive format 2.3, this program reads 1.x (use a newer ossnap)");
}

/* Numbers have a point in every language.  The locale is made for the test. */
static void other_locale(void **state)
{
	static struct capture_manifest m;
	struct err e = {0};
	char command[256];

	snprintf(command, sizeof(command),
		 "localedef -i tr_TR -f UTF-8 %s/tr_TR.UTF-8 >/dev/null 2>&1", scratch);
	if (system(command) != 0)
		print_message("no localedef here\n");
	setenv("LOCPATH", scratch, 1);
	if (!setlocale(LC_ALL, "tr_TR.UTF-8")) {
		print_message("no locale with a decimal comma\n");
		skip();
	}
	char comma[8];

	snprintf(comma, sizeof(comma), "%.1f", 0.5);
	assert_string_equal(comma, "0,5");
	forge_init(&f);
	struct bytes b = manifest_json(&f);
	int r = capture_manifest_parse((char *)b.p, b.len, &m, NULL, NULL, &e);

	setlocale(LC_ALL, "C");
	assert_int_equal(r, 0);
	assert_true(m.observer_cpu_s == 0.5);
	free(b.p);
}

static void statuses(void **state)
{
	enum collector_status s;

	for (int i = 0; i < COLLECTOR_STATUS_COUNT; i++) {
		assert_int_equal(collector_status_parse(collector_status_name(i), &s), 0);
		assert_int_equal(s, i);
	}
	assert_int_equal(collector_status_parse("fine", &s), -EINVAL);
	assert_string_equal(collector_status_name(COLLECTOR_STATUS_COUNT), "error");
	assert_true(collector_status_complete(COLLECTOR_SKIPPED));
	assert_false(collector_status_complete(COLLECTOR_PARTIAL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head_round_trip), cmocka_unit_test(manifest_round_trip),
		cmocka_unit_test(fullest),	   cmocka_unit_test(refusals),
		cmocka_unit_test(other_locale),	   cmocka_unit_test(statuses),
	};

	return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
