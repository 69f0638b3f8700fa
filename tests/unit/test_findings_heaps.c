/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings about heaps: what grows and what does not, and what malloc keeps. */
#include "findings_testing.h"

/* A heap of MiB at the start; samples[i] are MiB at even times of ten seconds, the last one is its
 * size at the end.  It ends with 0. */
static struct fact_heap *heap(struct facts *f, uint64_t pid, const uint64_t *samples)
{
	struct fact_heap *h = ADD(f, heaps);
	size_t n = 0;

	while (samples[n])
		n++;
	h->pid = pid;
	h->comm = "app";
	h->runtime = "python";
	h->one_in = 1;
	h->cut = 0;
	h->start_ms = 0;
	h->end_ms = 10000;
	h->anon_start = samples[0] * MI;
	h->anon_end = samples[n - 1] * MI;
	for (size_t i = 0; i < n; i++) {
		struct fact_heap_sample *s = ADD(f, heap_samples);

		s->pid = pid;
		s->ms = i * 10000 / (n - 1);
		s->anon_bytes = samples[i] * MI;
	}
	return h;
}

static void entry(struct facts *f, uint64_t pid, const char *kind, const char *type,
		  uint64_t count_start, uint64_t count_end, uint64_t start, uint64_t end)
{
	struct fact_heap_entry *e = ADD(f, heap_entries);

	e->pid = pid;
	e->kind = kind;
	e->type = type;
	e->count_start = count_start;
	e->count_end = count_end;
	e->bytes_start = start;
	e->bytes_end = end;
}

static const uint64_t steady[] = {100, 110, 120, 130, 140, 150, 160, 170, 180, 190, 200, 0};

static void test_growth(void **state)
{
	struct facts *f = healthy();
	struct fact_heap_container *k;

	heap(f, 77, steady);
	entry(f, 77, "mapping", "anonymous", 10, 12, 100 * MI, 200 * MI);
	entry(f, 77, "object", "str", 1000, 501000, 10 * MI, 60 * MI);
	entry(f, 77, "object", "shop.Order", 1000, 501000, 10 * MI, 50 * MI);
	entry(f, 77, "object", "int", 5000, 5001, 1 * MI, 1 * MI);
	entry(f, 78, "object", "of.another", 1, 1000000, 0, 900 * MI);
	k = ADD(f, heap_containers);
	k->pid = 77;
	k->type = "dict";
	k->length_start = 1000;
	k->length_end = 501000;
	k->bytes_start = 1 * MI;
	k->bytes_end = 20 * MI;
	struct judged j = judge(f);
	const struct finding *n = must(j, "heap.growth");

	assert_int_equal(n->severity, SEVERITY_WARNING); /* 12 GiB are left: 20 minutes */
	assert_int_equal(n->confidence, CONFIDENCE_HIGH);
	assert_string_equal(n->title, "The heap of app (pid 77) grows: by 100 MiB in 10 s, with "
				      "ever more objects of shop.Order");
	assert_string_equal(n->scope_name, "app (77)");
	assert_contains(n->because[1].text, "str: 50 MiB (500,000 more)");
	assert_contains(n->because[1].text, "shop.Order: 40 MiB");
	assert_null(strstr(n->because[1].text, "another"));
	assert_null(strstr(n->because[1].text, "int"));
	assert_contains(n->because[2].text, "one dict grew from 1,000 to 501,000 entries");
	assert_contains(n->advice[0], "shop.Order");
	done(j, f);
}

/* Nothing is known of its types: the kind of mapping is said instead. */
static void test_growth_native(void **state)
{
	struct facts *f = healthy();

	heap(f, 77, steady)->runtime = "native";
	entry(f, 77, "mapping", "malloc arenas of threads", 1, 3, 1 * MI, 101 * MI);
	struct judged j = judge(f);
	const struct finding *n = must(j, "heap.growth");

	assert_contains(n->title, "by 100 MiB in 10 s");
	assert_null(strstr(n->title, "objects"));
	assert_contains(n->because[1].text, "malloc arenas of threads: 100 MiB");
	done(j, f);
}

/* A group with a limit is full before the machine is; slowly, it is no more than a remark. */
static void test_growth_room(void **state)
{
	static const uint64_t slow[] = {10000, 10020, 10040, 10060, 10080, 10101, 0};
	struct facts *f = healthy();
	struct fact_process *p = ADD(f, processes);
	struct judged j;

	heap(f, 77, steady);
	p->pid = 77;
	p->comm = "app";
	p->cgroup = "/app";
	limited(f, "/app", 300 * MI, 350 * MI, 0, 0);
	j = judge(f);
	assert_contains(must(j, "heap.growth")->because[1].text, "50 MiB left up to its cgroup's");
	done(j, f);

	f = healthy();
	meminfo_is(f, "MemTotal", 8192 * GI);
	meminfo_is(f, "MemAvailable", 8000 * GI);
	heap(f, 77, slow);
	j = judge(f);
	assert_int_equal(must(j, "heap.growth")->severity, SEVERITY_INFO);
	done(j, f);
}

static void test_no_growth(void **state)
{
	static const uint64_t innocent[][12] = {
		{100, 100, 100, 100, 300, 300, 300, 300, 300, 300, 300, 0}, /* once */
		{100, 200, 300, 300, 300, 300, 300, 300, 300, 300, 300, 0}, /* while it started */
		{100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 300, 0}, /* at the end */
		{100, 150, 200, 250, 300, 350, 400, 150, 200, 100, 100, 0}, /* a sawtooth */
		{100, 101, 102, 103, 104, 104, 105, 105, 106, 106, 106, 0}, /* hardly */
		{9000, 9005, 9010, 9015, 9020, 9025, 9030, 9035, 9040, 9045, 9050, 0}, /* a share */
		{500, 450, 400, 350, 300, 250, 200, 150, 100, 90, 80, 0},	       /* shrinks */
		{100, 300, 0}, /* too few samples to say */
	};

	for (size_t i = 0; i < sizeof(innocent) / sizeof(*innocent); i++) {
		struct facts *f = healthy();
		struct judged j;

		heap(f, 77, innocent[i]);
		j = judge(f);
		must_not(j, "heap.growth");
		must_not(j, "heap.fragmented");
		done(j, f);
	}

	/* Read once only, or not at all. */
	struct facts *f = healthy();
	struct fact_heap *h = heap(f, 77, steady);
	struct judged j;

	h->anon_end = h->end_ms = FACT_NONE;
	ADD(f, heaps)->pid = 78;
	j = judge(f);
	must_not(j, "heap.growth");
	assert_true(isnan(j.m->heaps[0].grown_bytes));
	assert_true(j.m->heaps[1].anon_bytes == FACT_NONE);
	done(j, f);
}

static void test_fragmented(void **state)
{
	static const uint64_t same[] = {1000, 1000, 1000, 1000, 1000, 1000, 0};
	struct facts *f = healthy();
	struct fact_heap *h = heap(f, 77, same);
	struct judged j;

	h->malloc_used = 300 * MI;
	h->malloc_free = 700 * MI;
	h->malloc_trimmable = 600 * MI;
	j = judge(f);
	assert_string_equal(must(j, "heap.fragmented")->title,
			    "600 MiB of the heap of app (pid 77) are free inside malloc and not "
			    "given back");
	done(j, f);

	f = healthy();
	h = heap(f, 77, same);
	h->malloc_trimmable = 200 * MI; /* not worth it */
	h = heap(f, 78, same);
	h->anon_end = 4 * GI;
	h->malloc_trimmable = 600 * MI; /* a small part of it */
	j = judge(f);
	must_not(j, "heap.fragmented");
	done(j, f);
}

/* What objects explain is never more than there is. */
static void test_explained(void **state)
{
	struct facts *f = healthy();
	struct judged j;

	heap(f, 77, steady);
	entry(f, 77, "object", "bytes", 1, 1, 900 * MI, 900 * MI); /* most of it never touched */
	heap(f, 78, steady);
	entry(f, 78, "object", "a", 1, 1, 20 * MI, 20 * MI);
	entry(f, 78, "allocator", "malloc: free", 1, 1, 20 * MI, 20 * MI);
	entry(f, 78, "mapping", "anonymous", 1, 1, 20 * MI, 20 * MI);
	heap(f, 79, steady);
	j = judge(f);
	for (size_t i = 0; i < 3; i++) {
		const struct model_heap *h = &j.m->heaps[i];

		assert_true(h->explained_bytes == (h->fact->pid == 77	? 200 * MI
						   : h->fact->pid == 78 ? 20 * MI
									: FACT_NONE));
	}
	done(j, f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growth),	    cmocka_unit_test(test_growth_native),
		cmocka_unit_test(test_growth_room), cmocka_unit_test(test_no_growth),
		cmocka_unit_test(test_fragmented),  cmocka_unit_test(test_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
