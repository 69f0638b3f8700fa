/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guard.killed and guard.no-victim, and the guard's section of the JSON report. */
#include "model_fixture.h"

#include "../../report/report.h"

#define NOW UINT64_C(1795248000) /* seconds since the epoch: the window's start */

static struct fact_guard *event(struct facts *f, const char *what, const char *scope, double at_s)
{
	struct fact_guard *g = ADD(f, guard);

	g->source = "fastoom";
	g->event = what;
	g->scope = scope;
	g->time_ns = (uint64_t)(((double)NOW + at_s) * 1e9);
	g->dry_run = 0;
	g->probability = 0.96;
	g->available_share = 0.031;
	return g;
}

static struct fact_guard *died(struct facts *f, const char *scope, double at_s, const char *comm)
{
	struct fact_guard *g = event(f, "kill", scope, at_s);

	g->comm = comm;
	g->pid = 42;
	g->heap_bytes = 100 * MI;
	g->freed_bytes = 90 * MI;
	g->outcome = "freed";
	g->rule = "largest heap";
	return g;
}

static struct facts *machine(void)
{
	struct facts *f = healthy();

	f->archive.rows[0].captured_at = (double)NOW;
	return f;
}

struct told {
	struct model *m;
	struct findings *f;
};

static struct told judged(struct facts *f)
{
	struct told t = {0};

	assert_int_equal(model_create(&t.m, f), 0);
	assert_int_equal(findings_create(&t.f, t.m), 0);
	return t;
}

static const struct finding *find(const struct told *t, const char *id)
{
	for (size_t i = 0; i < t->f->count; i++)
		if (!strcmp(t->f->rows[i].id, id))
			return &t->f->rows[i];
	return NULL;
}

static void end(struct told t, struct facts *f)
{
	findings_destroy(t.f);
	model_destroy(t.m);
	facts_destroy(f);
}

static void quiet(void **state)
{
	struct facts *f = machine();
	struct told t;

	event(f, "start", NULL, 1);
	event(f, "state", "node", 2);
	event(f, "skip", "node", 3);
	event(f, "intent", "node", 3);
	t = judged(f);
	assert_null(find(&t, "guard.killed"));
	assert_null(find(&t, "guard.no-victim"));
	end(t, f);
}

static void killed(void **state)
{
	struct facts *f = machine();
	const struct finding *k;
	struct told t;

	died(f, "cgroup:/a", 5, "one");
	died(f, "node", 1, "other");
	died(f, "cgroup:/a", 2, "two");
	died(f, "cgroup:/a", 3, "bad")->outcome = "failed";
	t = judged(f);
	k = find(&t, "guard.killed");
	assert_non_null(k);
	assert_int_equal(k->severity, SEVERITY_WARNING);
	/* by time, whatever the order in the archive; the failed one is no kill */
	assert_string_equal(k->title, "fastoom killed two (PID 42, 100 MiB), one (PID 42, 100 MiB) "
				      "because the memory of cgroup /a was running out");
	assert_string_equal(k->scope_kind, "cgroup");
	assert_string_equal(k->scope_name, "/a");
	assert_string_equal(k->because[1].text, "3.1% of its memory were available, the "
						"probability of running out was 96%");
	assert_string_equal(t.m->guard[0]->comm, "other");
	end(t, f);
}

static void history_and_dry_runs(void **state)
{
	struct facts *f = machine();
	const struct finding *k;
	struct fact_guard *g;
	struct told t;

	died(f, "node", -3 * 86400.0, "old");
	t = judged(f);
	assert_int_equal(find(&t, "guard.killed")->severity, SEVERITY_INFO);
	end(t, f);

	f = machine();
	g = event(f, "intent", "node", 1);
	g->dry_run = 1;
	g->comm = "hog";
	t = judged(f);
	k = find(&t, "guard.killed");
	assert_non_null(k);
	assert_int_equal(k->severity, SEVERITY_INFO);
	assert_non_null(strstr(k->title, "would have killed hog"));
	end(t, f);
}

static void nobody(void **state)
{
	struct facts *f = machine();
	struct fact_guard_holder *h;
	const struct finding *k;
	struct fact_guard *g;
	struct told t;

	event(f, "start", NULL, 0);
	event(f, "no-victim", "node", 1);
	g = event(f, "no-victim", "node", 2);
	g->need_bytes = 96 * MI;
	g->candidates_heap_bytes = 3 * MI;
	h = ADD(f, guard_holders);
	h->event = 2;
	h->what = "unreclaimable slab";
	h->bytes = MI;
	h = ADD(f, guard_holders);
	h->event = 2;
	h->what = "shared memory and tmpfs";
	h->bytes = 780 * MI;
	h = ADD(f, guard_holders); /* of another line */
	h->event = 1;
	h->what = "huge pages";
	h->bytes = 9000 * MI;
	t = judged(f);
	k = find(&t, "guard.no-victim");
	assert_non_null(k);
	assert_int_equal(k->severity, SEVERITY_CRITICAL);
	assert_string_equal(k->title,
			    "The memory of the machine was running out and fastoom found "
			    "nobody whose end would help: it is held by shared memory and "
			    "tmpfs (780 MiB)");
	assert_non_null(strstr(k->because[2].text, "96 MiB were needed"));
	assert_non_null(strstr(k->advice[0], "tmpfs"));
	end(t, f);
}

/* A journal with nothing in it but its events' names. */
static void nothing_measured(void **state)
{
	struct facts *f = machine();
	struct told t;

	ADD(f, guard)->event = "kill";
	ADD(f, guard)->event = "no-victim";
	ADD(f, guard)->event = "";
	ADD(f, guard)->event = NULL;
	t = judged(f);
	assert_non_null(find(&t, "guard.killed"));
	assert_non_null(find(&t, "guard.no-victim"));
	assert_int_equal(t.m->guard_count, 3);
	end(t, f);
}

static int discard(void *ctx, const void *data, size_t len)
{
	char *all = ctx;

	if (strlen(all) + len < 1 << 20)
		strncat(all, data, len);
	return 0;
}

static char *as_json(struct told *t, struct facts *f)
{
	struct report r = {.facts = f, .model = t->m, .findings = t->f};
	char *all = calloc(1, 1 << 20);

	assert_non_null(all);
	assert_int_equal(report_json(&r, 1, discard, all, NULL), 0);
	return all;
}

static void in_json(void **state)
{
	struct facts *f = machine();
	struct told t = judged(f);
	char *text = as_json(&t, f);

	assert_non_null(strstr(text, "\"guard\":null"));
	free(text);
	end(t, f);

	f = machine();
	ADD(f, collectors)->name = "guard";
	f->collectors.rows[f->collectors.count - 1].status = "ok";
	t = judged(f);
	text = as_json(&t, f);
	assert_non_null(strstr(text, "\"guard\":{\"ran\":false,\"events\":[]}"));
	free(text);
	end(t, f);

	f = machine();
	died(f, "node", 0, "x");
	t = judged(f);
	text = as_json(&t, f);
	assert_non_null(
		strstr(text, "\"guard\":{\"ran\":true,\"events\":[{\"time\":\"2026-11-21T"));
	assert_non_null(strstr(text, "\"comm\":\"x\""));
	assert_non_null(strstr(text, "\"freed_bytes\":94371840,\"exit_ms\":null,"
				     "\"outcome\":\"freed\""));
	free(text);
	end(t, f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quiet),
		cmocka_unit_test(killed),
		cmocka_unit_test(history_and_dry_runs),
		cmocka_unit_test(nobody),
		cmocka_unit_test(nothing_measured),
		cmocka_unit_test(in_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
