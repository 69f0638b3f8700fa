/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where heaps grew: which function of a stack is meant, how much, and what is said of it. */
#include "findings_testing.h"

#include "../../analyze/site.h"

enum { APP = 1, LIBC, STDCXX, JEMALLOC };
static const char *const paths[] = {"", "/usr/bin/app", "/lib/x86_64-linux-gnu/libc.so.6",
				    "/lib/libstdc++.so.6.0.30", "/usr/lib/libjemalloc.so.2"};

/* Functions of these files, each at an address of its own. */
static const struct {
	uint64_t file;
	const char *name, *demangled;
} functions[] = {
	{APP, "main", NULL},
	{APP, "leak", NULL},
	{APP, "churn", NULL},
	{APP, "xmalloc", NULL},
	{LIBC, "malloc", NULL},
	{LIBC, "__memset_avx2", NULL},
	{STDCXX, "_Znwm", "operator new(unsigned long)"},
	{APP, "_ZNSt1v", "void std::vector<Order>::_M_realloc_insert<Order>(Order&&)"},
	{APP, "_Z3box", "Box<std::string>::fill(std::string)"},
	{JEMALLOC, "je_arena_x", NULL},
	{APP, "my_realloc", NULL},
	/* Their own, whatever they return, take or are made of. */
	{APP, "_Z5order", "std::shared_ptr<Order> make_order<Order>(int)"},
	{APP, "_Z5const", "std::vector<int> (anonymous namespace)::fetch<int>(std::string)"},
	{APP, "_Z5deduc", "decltype (std::declval<A>()) Pool::pick<A>(A) const [clone .part.0]"},
	{APP, "_ZN1xcv", "Text::operator std::string() const"},
	{APP, "_ZN1xls", "std::ostream& operator<< <Order>(std::ostream&, Order const&)"},
	{APP, "_ZZ4main", "std::string run::{lambda(std::string, auto:1)#1}::operator()<int>(int)"},
	/* The library's. */
	{APP, "_ZSt4copy", "Order* std::__copy<Order const*, Order*>(Order const*, Order*)"},
	{APP, "_ZSt3dec", "decltype (f(x)) std::__invoke_impl<void, F>(F&&)"},
	{APP, "_ZNSt3fn", "std::function<void (int)>::operator()(int) const"},
	{APP, "_ZN9gnu", "void __gnu_cxx::new_allocator<Order>::construct<Order>(Order*)"},
};
enum {
	MAIN,
	LEAK,
	CHURN,
	XMALLOC,
	MALLOC,
	MEMSET,
	NEW,
	VECTOR,
	BOX,
	ARENA,
	REALLOC,
	OWN,
	OWN_END = OWN + 6,
	GLUE = OWN_END,
	GLUE_END = GLUE + 4,
	NONE = GLUE_END
};

static void begin(struct facts *f)
{
	struct fact_stack_setting *s;
	struct fact_stack_process *p;
	struct fact_stack_thread *t;

	for (uint64_t i = 1; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct fact_stack_object *o = ADD(f, stack_objects);
		struct fact_stack_mapping *m = ADD(f, stack_mappings);

		o->object = i;
		o->kind = "file";
		o->path = paths[i];
		m->mapping = m->object = i;
		m->start = m->offset = 0;
		m->process = 1;
	}
	for (uint64_t i = 0; i < NONE; i++) {
		struct fact_stack_symbol *y = ADD(f, stack_symbols);

		y->object = y->found_in = functions[i].file;
		y->offset = 0x100 + i;
		y->function = functions[i].name;
		y->demangled = functions[i].demangled;
	}
	p = ADD(f, stack_processes);
	p->process = 1;
	p->pid = 77;
	p->comm = "app";
	p->own = 0;
	t = ADD(f, stack_threads);
	t->thread = t->process = 1;
	t->tid = 77;
	t->comm = "app";
	s = ADD(f, stack_settings);
	s->key = "growth";
	s->value = "on";
}

/* The functions leaf first, ended by NONE. */
static void stack(struct facts *f, uint64_t number, const int *names)
{
	struct fact_stack *k = ADD(f, stacks);
	char text[256] = "";
	size_t len = 0;

	for (; *names != NONE; names++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%llu:%x!",
					len ? " " : "", (unsigned long long)functions[*names].file,
					0x100 + (unsigned)*names);
	k->stack = number;
	k->process = 1;
	k->kernel = "";
	k->user = arena_strndup(f->arena, text, len);
	k->end = "root";
}
#define STACK(f, number, ...) stack(f, number, (const int[]){__VA_ARGS__, NONE})

static void grew(struct facts *f, uint64_t kind, uint64_t number, uint64_t mib, uint64_t kept,
		 size_t times)
{
	for (size_t i = 0; i < times; i++) {
		struct fact_stack_growth *g = ADD(f, stack_growth);

		g->time_ns = i * 1000;
		g->kind = kind;
		g->process = g->thread = 1;
		g->stack = number;
		g->bytes = mib * MI;
		g->kept = kept;
	}
}

/* A heap that grows by 100 MiB in ten seconds. */
static void growing_heap(struct facts *f)
{
	struct fact_heap *h = ADD(f, heaps);

	h->pid = 77;
	h->comm = "app";
	h->runtime = "native";
	h->start_ms = 0;
	h->end_ms = 10000;
	h->anon_start = 100 * MI;
	h->anon_end = 200 * MI;
	for (uint64_t i = 0; i <= 10; i++) {
		struct fact_heap_sample *s = ADD(f, heap_samples);

		s->pid = 77;
		s->ms = i * 1000;
		s->anon_bytes = (100 + 10 * i) * MI;
	}
}

static const char *site_name(const struct hotspot *h, size_t number, const char **ret_caller)
{
	struct site s = site_of_stack(h, &h->stacks[number]);

	*ret_caller = s.caller == UINT32_MAX ? NULL : h->names[s.caller].function;
	return s.name == UINT32_MAX ? NULL : h->names[s.name].function;
}

static void test_sites(void **state)
{
	struct facts *f = healthy();
	const char *caller;
	struct model *m;

	begin(f);
	STACK(f, 1, MALLOC, LEAK, MAIN);
	STACK(f, 2, MEMSET, LEAK, MAIN);
	STACK(f, 3, MALLOC, XMALLOC, LEAK, MAIN);
	STACK(f, 4, MALLOC, NEW, VECTOR, CHURN, MAIN);
	STACK(f, 5, MALLOC, NEW, BOX, MAIN);
	STACK(f, 6, ARENA, MALLOC);
	STACK(f, 7, MALLOC, REALLOC, XMALLOC);
	STACK(f, 8, LEAK);
	for (int i = OWN; i < GLUE_END; i++)
		STACK(f, (uint64_t)(9 + i - OWN), MALLOC, i, LEAK, MAIN);
	assert_int_equal(model_create(&m, f), 0);
	const struct hotspot *h = m->hotspot;

	assert_string_equal(site_name(h, 1, &caller), "leak");
	assert_string_equal(caller, "main");
	assert_string_equal(site_name(h, 2, &caller), "leak");
	assert_string_equal(site_name(h, 3, &caller), "leak");
	assert_string_equal(site_name(h, 4, &caller), "churn");
	/* Of std is what it is made of, not it. */
	assert_string_equal(site_name(h, 5, &caller), "Box<std::string>::fill(std::string)");
	assert_null(site_name(h, 6, &caller));
	assert_null(caller);
	/* Nothing but wrappers: the innermost. */
	assert_string_equal(site_name(h, 7, &caller), "my_realloc");
	assert_string_equal(caller, "xmalloc");
	assert_string_equal(site_name(h, 8, &caller), "leak");
	assert_null(caller);
	assert_null(site_name(h, 0, &caller));
	for (int i = OWN; i < GLUE_END; i++)
		assert_string_equal(site_name(h, (size_t)(9 + i - OWN), &caller),
				    i < OWN_END ? functions[i].demangled : "leak");
	model_destroy(m);
	facts_destroy(f);
}

static void test_faults(void **state)
{
	struct facts *f = healthy();

	begin(f);
	growing_heap(f);
	STACK(f, 1, MEMSET, LEAK, MAIN);
	STACK(f, 2, MEMSET, CHURN, MAIN);
	STACK(f, 3, MEMSET);
	grew(f, GROWTH_FAULT, 1, 1, 1, 80);
	grew(f, GROWTH_FAULT, 2, 1, 0, 900);
	grew(f, GROWTH_FAULT, 2, 1, FACT_NONE, 5);
	grew(f, GROWTH_FAULT, 2, 1, 1, 10);
	grew(f, GROWTH_FAULT, 3, 1, 1, 4);
	struct judged j = judge(f);
	const struct finding *n = must(j, "heap.growth");
	const struct model_growth *g = model_growth_of(j.m, 77);

	assert_non_null(g);
	assert_int_equal(g->kind, GROWTH_FAULT);
	/* Of those five nobody looked whether they stayed: as the rest of their kind. */
	double churn = 10.0 * MI * 915 / 910;

	assert_true(fabs(g->kept - 84.0 * MI - churn) < 1 && g->came == 999.0 * MI);
	assert_true(fabs(g->named - 80.0 * MI - churn) < 1 && g->unknown == 5.0 * MI);
	assert_true(g->grown_bytes == 100.0 * MI);
	assert_true(g->explained > 0.9 && g->explained < 0.901);
	assert_int_equal(g->site_count, 3);
	assert_true(g->sites[0].kept == 80.0 * MI && g->sites[0].samples == 80);
	/* One page of 256 was drawn. */
	assert_true(fabs(g->sites[0].error - 1.96 * sqrt(80 * (1 - 1 / 256.0)) * MI) < 1);
	assert_true(fabs(g->sites[1].kept - churn) < 1 && g->sites[1].came == 915.0 * MI);
	assert_true(g->sites[2].name == UINT32_MAX);
	assert_string_equal(n->title, "The heap of app (pid 77) grows: by 100 MiB in 10 s, most of "
				      "it at leak, called by main");
	assert_contains(n->because[1].text, "touched it first: leak, called by main (app): 80 MiB");
	assert_contains(n->because[1].text,
			"churn, called by main (app): 10.1 MiB \xc2\xb1 6.2 MiB");
	assert_contains(n->because[2].text, "page-fault stacks explain 90% of the growth");
	assert_contains(n->advice[0], "leak allocates");
	done(j, f);
}

/* Nobody has half of it: then no place is the place. */
static void test_spread(void **state)
{
	struct facts *f = healthy();

	begin(f);
	growing_heap(f);
	STACK(f, 1, MEMSET, LEAK, MAIN);
	STACK(f, 2, MEMSET, CHURN, MAIN);
	STACK(f, 3, MEMSET, BOX, MAIN);
	for (uint64_t i = 1; i <= 3; i++)
		grew(f, GROWTH_FAULT, i, 1, 1, 33);
	struct judged j = judge(f);
	const struct finding *n = must(j, "heap.growth");

	assert_string_equal(n->title, "The heap of app (pid 77) grows: by 100 MiB in 10 s");
	assert_contains(n->because[1].text, "leak");
	done(j, f);
}

/* What was allocated and not freed says more than who touched a page first. */
static void test_allocations(void **state)
{
	struct facts *f = healthy();
	struct fact_stack_grower *w;

	begin(f);
	growing_heap(f);
	STACK(f, 1, MALLOC, LEAK, MAIN);
	STACK(f, 2, MEMSET, CHURN, MAIN);
	grew(f, GROWTH_FAULT, 2, 1, 1, 90);
	grew(f, GROWTH_ALLOC, 1, 1, 1, 20);
	w = ADD(f, stack_growers);
	w->pid = 77;
	w->kind = GROWTH_ALLOC;
	w->start_ns = 1000000000;
	w->end_ns = 3500000000; /* a quarter of the time */
	w->reason = "too busy";
	struct judged j = judge(f);
	const struct finding *n = must(j, "heap.growth");
	const struct model_growth *g = model_growth_of(j.m, 77);

	assert_int_equal(g->kind, GROWTH_ALLOC);
	assert_string_equal(g->reason, "too busy");
	assert_true(g->watched_s == 2.5);
	assert_true(g->explained > 0.7999 && g->explained < 0.8001);
	assert_contains(n->title, "most of it at leak");
	assert_contains(n->because[1].text, "allocated in the window and not freed");
	assert_null(strstr(n->because[1].text, "churn"));
	done(j, f);
}

/* A queue: what is in it when the window ends goes as what was in it before went. */
static void test_in_flight(void **state)
{
	struct facts *f = healthy();
	struct fact_stack_grower *w;

	begin(f);
	growing_heap(f);
	STACK(f, 1, MALLOC, LEAK, MAIN);
	STACK(f, 2, MALLOC, CHURN, MAIN);
	STACK(f, 3, MALLOC, BOX, MAIN);
	for (uint64_t i = 0; i < 100; i++) {
		grew(f, GROWTH_ALLOC, 1, 1, 1, 1);	  /* all of it stays */
		grew(f, GROWTH_ALLOC, 2, 10, i >= 80, 1); /* none, but for what is there now */
		grew(f, GROWTH_ALLOC, 3, 1, i >= 80 || i % 5 == 0, 1); /* a fifth */
		for (size_t k = 3; k; k--)
			f->stack_growth.rows[f->stack_growth.count - k].time_ns = i * 100000000;
	}
	w = ADD(f, stack_growers);
	w->pid = 77;
	w->kind = GROWTH_ALLOC;
	w->start_ns = 0;
	w->end_ns = 10000000000;
	w->reason = "";
	struct judged j = judge(f);
	const struct model_growth *g = model_growth_of(j.m, 77);

	assert_null(g->reason);
	assert_int_equal(g->site_count, 3);
	assert_string_equal(j.m->hotspot->names[g->sites[0].name].function, "leak");
	assert_true(g->sites[0].kept == 100.0 * MI);
	assert_true(fabs(g->sites[1].kept - 20.0 * MI) < 1);
	assert_true(g->sites[2].kept == 0 && g->sites[2].came == 1000.0 * MI);
	assert_contains(must(j, "heap.growth")->title, "most of it at leak");
	done(j, f);
}

static void setting(struct facts *f, const char *key, const char *value)
{
	struct fact_stack_setting *s = ADD(f, stack_settings);

	s->key = key;
	s->value = value;
}

/* What was certain to be drawn is exact; of what was not drawn, it is known how much at most. */
static void test_intervals(void **state)
{
	static const struct {
		uint64_t size, times;
		const char *thin;
	} cases[] = {{1 << 30, 1, "1"}, {1 << 20, 9, "1"},  {65536, 400, "1"},	{4096, 400, "1"},
		     {16, 400, "1"},	{1 << 30, 40, "4"}, {4096, 400, "1024"}};
	const double unit = 65536 * log(40);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct facts *f = healthy();
		double size = (double)cases[i].size, n = (double)cases[i].times;
		double thin = strtod(cases[i].thin, NULL), p = -expm1(-size / 65536) / thin;

		begin(f);
		setting(f, "growth_one_in", cases[i].thin);
		STACK(f, 1, MALLOC, LEAK, MAIN);
		grew(f, GROWTH_ALLOC, 1, 1, 1, cases[i].times);
		for (size_t k = 0; k < f->stack_growth.count; k++)
			f->stack_growth.rows[k].bytes = (uint64_t)(size / p + 0.5);
		struct judged j = judge(f);
		const struct model_site *s = &model_growth_of(j.m, 77)->sites[0];
		double error = fmax(1.96 * size / p * sqrt(n * (1 - p)), unit * thin);

		assert_true(fabs(s->kept - n * size / p) <= n);
		assert_true(fabs(s->error - error) < 1e-3 * error + 1);
		done(j, f);
	}
	for (int kind = GROWTH_FAULT; kind <= GROWTH_ALLOC; kind++) {
		struct facts *f = healthy();

		begin(f);
		setting(f, "growth_one_in", "2");
		STACK(f, 1, MALLOC, LEAK, MAIN);
		grew(f, (uint64_t)kind, 1, 1, 0, 1);
		f->stack_growth.rows[0].bytes = 128 << 10;
		struct judged j = judge(f);
		const struct model_site *s = &model_growth_of(j.m, 77)->sites[0];
		double least = log(40) * (kind == GROWTH_FAULT ? 262144 : 131072);

		assert_true(s->kept == 0 && fabs(s->error - least) < 100);
		done(j, f);
	}
}

/* Huge pages are drawn all, unless pages were drawn so rarely that one stands for as much. */
static void test_huge_pages(void **state)
{
	for (int often = 0; often < 2; often++) {
		struct facts *f = healthy();

		begin(f);
		STACK(f, 1, MEMSET, LEAK, MAIN);
		STACK(f, 2, MEMSET, CHURN, MAIN);
		grew(f, GROWTH_FAULT, 1, 2, 1, 50);
		grew(f, GROWTH_FAULT, 2, 1, 0, 1);
		f->stack_growth.rows[50].bytes = (often ? 128 : 32) * 4096;
		struct judged j = judge(f);
		const struct model_site *s = &model_growth_of(j.m, 77)->sites[0];

		assert_true(s->kept == 100.0 * MI);
		assert_true(often ? fabs(s->error - 1.96 * 2 * sqrt(50 * 511 / 512.0) * MI) < 1
				  : fabs(s->error - log(40) * 32 * 4096) < 100);
		done(j, f);
	}
}

/* A few that came early and went say nothing of the rest. */
static void test_few_old(void **state)
{
	for (uint64_t old = 7; old <= 8; old++) {
		struct facts *f = healthy();
		struct fact_stack_grower *w;

		begin(f);
		STACK(f, 1, MALLOC, LEAK, MAIN);
		grew(f, GROWTH_ALLOC, 1, 1, 0, old);
		grew(f, GROWTH_ALLOC, 1, 1, 1, 50);
		for (size_t k = old; k < f->stack_growth.count; k++)
			f->stack_growth.rows[k].time_ns = 9000000000;
		w = ADD(f, stack_growers);
		w->pid = 77;
		w->kind = GROWTH_ALLOC;
		w->start_ns = 0;
		w->end_ns = 10000000000;
		w->reason = "";
		struct judged j = judge(f);

		assert_true(model_growth_of(j.m, 77)->kept == (old < 8 ? 50.0 * MI : 0));
		done(j, f);
	}
}

static bool says_not_seen(const struct model *m)
{
	for (size_t i = 0; i < m->not_seen_count; i++)
		if (strstr(m->not_seen[i].what, "heaps stayed"))
			return true;
	return false;
}

/* Nobody looked whether it is still there: it has not gone, it is not known. */
static void test_not_looked_at(void **state)
{
	struct facts *f = healthy();

	begin(f);
	growing_heap(f);
	STACK(f, 1, MEMSET, LEAK, MAIN);
	STACK(f, 2, MEMSET, CHURN, MAIN);
	grew(f, GROWTH_FAULT, 1, 1, FACT_NONE, 80);
	struct judged j = judge(f);
	const struct model_growth *g = model_growth_of(j.m, 77);
	const struct finding *n = must(j, "heap.growth");

	assert_true(isnan(g->kept) && isnan(g->named) && isnan(g->explained));
	assert_true(isnan(g->sites[0].kept) && isnan(g->sites[0].error));
	assert_true(g->came == 80.0 * MI && g->unknown == 80.0 * MI);
	assert_true(j.m->hotspot->growth[0].kept == GROWTH_NOT_LOOKED_AT);
	assert_true(says_not_seen(j.m));
	assert_string_equal(n->title, "The heap of app (pid 77) grows: by 100 MiB in 10 s");
	for (size_t i = 0; i < n->because_count; i++)
		assert_null(strstr(n->because[i].text, "new memory that stayed"));
	findings_destroy(j.f);
	model_destroy(j.m);
	/* What is known of others is said, and stands first. */
	grew(f, GROWTH_FAULT, 2, 1, 1, 60);
	j = judge(f);
	g = model_growth_of(j.m, 77);
	assert_true(g->kept == 60.0 * MI && g->unknown == 80.0 * MI);
	assert_true(g->sites[0].kept == 60.0 * MI && isnan(g->sites[1].kept));
	assert_true(says_not_seen(j.m));
	done(j, f);
	f = healthy();
	begin(f);
	STACK(f, 1, MEMSET, LEAK, MAIN);
	grew(f, GROWTH_FAULT, 1, 1, 0, 3);
	j = judge(f);
	assert_true(!says_not_seen(j.m) && model_growth_of(j.m, 77)->kept == 0);
	done(j, f);
}

/* Where the stacks explain little or nothing, nobody is named. */
static void test_unexplained(void **state)
{
	for (uint64_t kept = 0; kept < 2; kept++) {
		struct facts *f = healthy();

		begin(f);
		growing_heap(f);
		STACK(f, 1, MEMSET, LEAK, MAIN);
		grew(f, GROWTH_FAULT, 1, 2, kept, 1);
		struct judged j = judge(f);
		const struct finding *n = must(j, "heap.growth");

		assert_string_equal(n->title, "The heap of app (pid 77) grows: by 100 MiB in 10 s");
		for (size_t i = 0; i < n->because_count && !kept; i++)
			assert_null(strstr(n->because[i].text, "leak"));
		for (size_t i = 0; i < n->advice_count; i++)
			assert_null(strstr(n->advice[i], "leak allocates"));
		done(j, f);
	}
}

static void test_nothing(void **state)
{
	struct facts *f = healthy();
	struct judged j;

	growing_heap(f);
	j = judge(f);
	assert_int_equal(j.m->growth_count, 0);
	assert_false(j.m->growth_captured);
	assert_null(model_growth_of(j.m, 77));
	must(j, "heap.growth");
	done(j, f);
	/* A heap that shrinks has no share that is explained; rows of nobody are nobody's. */
	f = healthy();
	begin(f);
	growing_heap(f);
	f->heaps.rows[0].anon_end = 50 * MI;
	STACK(f, 1, MALLOC, LEAK, MAIN);
	grew(f, GROWTH_FAULT, 1, 1, 1, 3);
	f->stack_growth.rows[0].thread = 99;
	f->stack_growth.rows[1].stack = 99;
	j = judge(f);
	assert_true(j.m->growth_captured);
	assert_int_equal(j.m->growth_count, 1);
	assert_true(isnan(j.m->growth[0].explained));
	assert_true(j.m->growth[0].kept == 2.0 * MI);
	done(j, f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sites),	      cmocka_unit_test(test_faults),
		cmocka_unit_test(test_spread),	      cmocka_unit_test(test_allocations),
		cmocka_unit_test(test_in_flight),     cmocka_unit_test(test_intervals),
		cmocka_unit_test(test_huge_pages),    cmocka_unit_test(test_few_old),
		cmocka_unit_test(test_not_looked_at), cmocka_unit_test(test_unexplained),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
