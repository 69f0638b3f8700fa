/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fastoom's journal: its lines as they are, and lines that somebody else made. */
#include "facts_rows.h"

#include "../../capture/base/clock.h"

#define KILL                                                                                       \
	"{\"time\":\"2026-11-21T08:05:00.123456789Z\",\"event\":\"kill\",\"scope\":\"cgroup:/a\"," \
	"\"probability\":0.9501,\"tte_s\":null,\"signals\":{\"available_bytes\":10,"               \
	"\"total_bytes\":20,\"available_share\":0.5,\"swap_free_share\":0.0000,"                   \
	"\"consumption_bytes_per_s\":7,\"busy_share\":null,\"refault_share_per_s\":0.2500,"        \
	"\"stalls_per_s\":12.5000,\"kswapd_cpus\":null,\"consuming\":true,\"under_oom\":false},"   \
	"\"victim\":{\"pid\":77,\"starttime\":88,\"comm\":\"a) R \\\"1\\n\",\"cmdline\":\"x "      \
	"--y\","                                                                                   \
	"\"cgroup\":\"/a/b\",\"oom_score_adj\":-5,\"heap_bytes\":4096},\"rule\":\"largest heap\"," \
	"\"signal\":\"SIGKILL\",\"freed_bytes\":4000,\"exit_ms\":12.3450,\"outcome\":\"freed\"}\n"

static void a_kill_has_all_its_fields(void **state)
{
	struct facts_rows t = facts_rows_start();
	const struct fact_guard *g;
	struct facts *f;
	char when[31];

	facts_rows_member(&t, "journal/guard.jsonl", KILL);
	assert_int_equal(t.p->bad, 0);
	f = facts_rows_end(&t);
	assert_int_equal(f->guard.count, 1);
	g = f->guard.rows;
	assert_string_equal(g->source, "guard");
	assert_string_equal(g->event, "kill");
	assert_string_equal(g->scope, "cgroup:/a");
	clock_format_rfc3339(g->time_ns, when);
	assert_string_equal(when, "2026-11-21T08:05:00.123456789Z");
	assert_true(g->probability == 0.9501);
	assert_true(isnan(g->tte_s) && isnan(g->busy_share) && isnan(g->kswapd_cpus));
	assert_true(g->refault_share_per_s == 0.25 && g->stalls_per_s == 12.5);
	assert_int_equal(g->available_bytes, 10);
	assert_int_equal(g->pid, 77);
	assert_int_equal(g->starttime, 88);
	assert_string_equal(g->comm, "a) R \"1\n");
	assert_string_equal(g->cmdline, "x --y");
	assert_int_equal(g->oom_score_adj, -5);
	assert_int_equal(g->heap_bytes, 4096);
	assert_int_equal(g->freed_bytes, 4000);
	assert_true(g->exit_ms == 12.345);
	assert_string_equal(g->outcome, "freed");
	assert_int_equal(g->under_oom, 0);
	assert_int_equal(g->dry_run, 0);
	assert_true(g->need_bytes == FACT_NONE);
	assert_null(g->phase);
	facts_destroy(f);
}

static void the_other_kinds(void **state)
{
	struct facts_rows t = facts_rows_start();
	const struct fact_guard *g;
	struct facts *f;

	facts_rows_member(
		&t, "journal/fastoom.jsonl",
		"{\"time\":\"2026-11-21T08:05:00Z\",\"event\":\"start\",\"version\":\"0.1\","
		"\"pid\":3,"
		"\"capabilities\":{\"memory_locked\":false,\"pidfd\":true,\"pressure\":false,"
		"\"hierarchy\":\"v2\"},\"policies\":[{\"name\":\"a\",\"scope\":\"node\","
		"\"sensitivity\":\"low\"},{\"name\":\"b\",\"scope\":\"pod:x\",\"sensitivity\":"
		"\"high\"}]}\n"
		"{\"time\":\"2026-11-21T08:05:01Z\",\"event\":\"no-victim\",\"dry_run\":true,"
		"\"scope\":\"node\","
		"\"need_bytes\":100,\"held_by\":[{\"what\":\"tmpfs\",\"bytes\":90},{\"what\":"
		"\"slab\","
		"\"bytes\":5}],\"largest_spared\":{\"victim\":{\"pid\":9,\"comm\":\"db\",\"heap_"
		"bytes\":50},"
		"\"reason\":\"on the allowlist\",\"pattern\":\"^db\"}}\n"
		"{\"time\":\"2026-11-21T08:05:02Z\",\"event\":\"reload\",\"ok\":false,\"error\":"
		"\"f:3: x\"}\n"
		"{\"time\":\"2026-11-21T08:05:03Z\",\"event\":\"stop\",\"reason\":\"SIGTERM\"}");
	facts_rows_member(
		&t, "journal/guard.jsonl",
		"{\"time\":\"2026-11-21T08:05:01Z\",\"event\":\"no-victim\",\"held_by\":[{"
		"\"what\":\"huge\",\"bytes\":1}]}\n");
	assert_int_equal(t.p->bad, 0);
	f = facts_rows_end(&t);
	assert_int_equal(f->guard.count, 5);
	g = f->guard.rows;
	assert_string_equal(g[0].missing, "memory_locked, pressure");
	assert_string_equal(g[0].policies, "a: node low; b: pod:x high");
	assert_string_equal(g[0].source, "fastoom");
	assert_int_equal(g[1].dry_run, 1);
	assert_string_equal(g[1].comm, "db");
	assert_string_equal(g[1].pattern, "^db");
	assert_string_equal(g[1].reason, "on the allowlist");
	assert_null(g[1].missing);
	assert_int_equal(g[2].ok, 0);
	assert_string_equal(g[2].error, "f:3: x");
	assert_string_equal(g[3].reason, "SIGTERM");
	assert_int_equal(f->guard_holders.count, 3);
	assert_int_equal(f->guard_holders.rows[0].event, 1);
	assert_string_equal(f->guard_holders.rows[1].what, "slab");
	assert_int_equal(f->guard_holders.rows[1].bytes, 5);
	assert_int_equal(f->guard_holders.rows[2].event, 4);
	facts_destroy(f);
}

#define T "\"time\":\"2026-11-21T08:05:00Z\""

/* Each is left out and counted; what stands around it is read. */
static void lines_that_are_none(void **state)
{
	static const char *const bad[] = {
		"not json",
		"{",
		"[]",
		"[" T "]",
		"\"text\"",
		"7",
		"{}",
		"{\"event\":\"kill\"}",
		"{" T "}",
		"{" T ",\"event\":7}",
		"{\"time\":\"yesterday\",\"event\":\"kill\"}",
		"{\"time\":\"2026-13-21T08:05:00Z\",\"event\":\"kill\"}",
		"{\"time\":\"2026-11-21T08:05:00.12x4Z\",\"event\":\"kill\"}",
		"{\"time\":\"9999-11-21T08:05:00Z\",\"event\":\"kill\"}",
		"{" T ",\"event\":\"kill\"} {}",
		"{" T ",\"event\":\"kill\"",
		"{" T ",\"event\":\"kill\",\"x\":{\"x\":{\"x\":{\"x\":{\"x\":1}}}}}",
		"{" T ",\"event\":\"kill\",\"x\":\"\xff\xfe\"}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct facts_rows t = facts_rows_start();
		struct facts *f;
		char text[4096];

		snprintf(text, sizeof(text), KILL "%s\n" KILL, bad[i]);
		facts_rows_member(&t, "journal/guard.jsonl", text);
		if (t.p->bad != 1)
			fail_msg("%s: counted %d", bad[i], (int)t.p->bad);
		f = facts_rows_end(&t);
		assert_int_equal(f->guard.count, 2);
		facts_destroy(f);
	}
}

/* Values of the wrong kind, or too large, are not measured; keys of ours cannot be set. */
static void values_that_are_none(void **state)
{
	struct facts_rows t = facts_rows_start();
	const struct fact_guard *g;
	struct facts *f;

	facts_rows_member(
		&t, "journal/guard.jsonl",
		"{" T ",\"event\":\"kill\",\"probability\":1e999,\"tte_s\":\"soon\",\"victim\":{"
		"\"pid\":-1,"
		"\"starttime\":99999999999999999999999,\"comm\":3,\"heap_bytes\":1.5,\"oom_score_"
		"adj\":1e3},"
		"\"source\":\"evil\",\"missing\":\"evil\",\"policies\":\"evil\",\"time_ns\":1,"
		"\"victim.pid\":5,"
		"\"signals\":[1,2,{\"pid\":3}],\"exit_ms\":true,\"dry_run\":\"yes\","
		"\"held_by\":[{},{\"what\":7,\"bytes\":\"x\"},9,[{\"what\":\"deep\"}]]}\n");
	f = facts_rows_end(&t);
	assert_int_equal(f->guard.count, 1);
	g = f->guard.rows;
	assert_true(isnan(g->probability) && isnan(g->tte_s) && isnan(g->exit_ms));
	assert_true(g->starttime == FACT_NONE && g->heap_bytes == FACT_NONE);
	assert_null(g->comm);
	assert_string_equal(g->source, "guard");
	assert_null(g->missing);
	assert_null(g->policies);
	assert_true(g->time_ns > 1);
	assert_int_equal(g->dry_run, 0);
	facts_destroy(f);
}

/* Very long lines, very many holders, very long strings. */
static void bounded(void **state)
{
	struct facts_rows t = facts_rows_start();
	size_t cap = 200000, len;
	char *text = malloc(cap);
	struct facts *f;

	assert_non_null(text);
	len = (size_t)snprintf(text, cap, "{" T ",\"event\":\"no-victim\",\"held_by\":[");
	for (int i = 0; i < 1000; i++)
		len += (size_t)snprintf(text + len, cap - len, "%s{\"what\":\"w%d\",\"bytes\":%d}",
					i ? "," : "", i, i);
	len += (size_t)snprintf(text + len, cap - len, "]}\n{" T ",\"event\":\"kill\",\"rule\":\"");
	memset(text + len, 'x', 40000);
	len += 40000;
	len += (size_t)snprintf(text + len, cap - len,
				"\"}\n{" T ",\"event\":\"kill\",\"rule\":\"");
	memset(text + len, 'y', 70000);
	len += 70000;
	len += (size_t)snprintf(text + len, cap - len, "\"}\n");
	facts_rows_member_n(&t, "journal/guard.jsonl", text, len);
	assert_int_equal(t.p->bad, 1);
	f = facts_rows_end(&t);
	assert_int_equal(f->guard.count, 2);
	assert_int_equal(f->guard_holders.count, 8);
	assert_null(f->guard.rows[1].rule); /* did not fit */
	free(text);
	facts_destroy(f);
}

/* Every cut and every flipped byte of a good line: read or left out, never more. */
static void mangled(void **state)
{
	char text[sizeof(KILL)];

	for (size_t i = 0; i < sizeof(KILL) - 1; i++) {
		struct facts_rows t = facts_rows_start();

		facts_rows_member_n(&t, "journal/guard.jsonl", KILL, i);
		facts_destroy(facts_rows_end(&t));
		t = facts_rows_start();
		memcpy(text, KILL, sizeof(text));
		text[i] = (char)(text[i] ^ (1 << (i % 8)));
		facts_rows_member_n(&t, "journal/guard.jsonl", text, sizeof(KILL) - 1);
		facts_destroy(facts_rows_end(&t));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kill_has_all_its_fields),
		cmocka_unit_test(the_other_kinds),
		cmocka_unit_test(lines_that_are_none),
		cmocka_unit_test(values_that_are_none),
		cmocka_unit_test(bounded),
		cmocka_unit_test(mangled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
