/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The probes of delays, from tables of the archive to the findings. */
#include "model_fixture.h"

#include "../../analyze/findings/rules.h"
#include "facts_rows.h"

#define HEAD                                                                                       \
	"pid\tparent\town\tkthread\tcompat\tcomm\tkind\tobject\tseen\tcut\tcount\tcount_var\tns\t" \
	"ns_var\tmax_ns\tamount\tinner_ns\thistogram\n"

static void test_facts(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct facts *f;

	facts_rows_member(&t, "tables/reclaim.tsv",
			  HEAD
			  "12\t1\t0\t0\t0\ta\\tb\tmemcg\t/x\t5\t1\t5\t0\t900\t2.5e3\t800\t64\t0\t"
			  "3:4 7:1\n"
			  "notanumber\t1\t0\t0\t0\ta\tmemcg\t/x\t5\t1\t5\t0\t9\t0\t8\t6\t0\t\n"
			  "13\t1\t\t0\t0\tx\tdirect\t\t1\t0\t1\t-1\t9\tnan\t8\t6\t0\t\n");
	facts_rows_member(
		&t, "tables/reclaim_probe.tsv",
		"key\tvalue\nsource\tbpf\ncovered_ns\t2000000000\nwatched_ns\t1000000000\n"
		"lost\t3\nnew\tthing\n");
	f = facts_rows_end(&t);
	assert_int_equal(f->delays.count, 2);
	const struct fact_delay *d = f->delays.rows;

	assert_string_equal(d[0].table, "reclaim");
	assert_string_equal(d[0].comm, "a\tb");
	assert_string_equal(d[0].object, "/x");
	assert_int_equal(d[0].max_ns, 800);
	assert_true(d[0].ns_var == 2500);
	assert_true(d[1].own == FACT_NONE);
	assert_true(isnan(d[1].count_var) && isnan(d[1].ns_var));
	assert_int_equal(f->probes.count, 1);
	assert_string_equal(f->probes.rows[0].name, "reclaim");
	assert_int_equal(f->probes.rows[0].lost, 3);
	assert_true(f->probes.rows[0].slices == FACT_NONE);
	facts_destroy(f);
}

static void test_histogram(void **state)
{
	double h[DELAY_HISTOGRAM];
	struct fact_delay f = {.histogram = "0:10 5:89 20:1"};

	assert_true(model_delay_histogram(&f, h));
	assert_true(h[0] == 10 && h[5] == 89 && h[20] == 1 && h[1] == 0);
	assert_true(delay_quantile(h, 0.05) == 1024e-9);
	assert_true(delay_quantile(h, 0.5) == 32768e-9);
	assert_true(delay_quantile(h, 1) == (double)(1 << 30) / 1e9);
	static const char *const bad[] = {
		"", "x", "1", "1:", ":1", "28:1", "99999999999:1", "1:-2", "1:nan", "1:1e99"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		f.histogram = bad[i];
		assert_false(model_delay_histogram(&f, h));
		assert_true(isnan(delay_quantile(h, 0.5)));
	}
	f.histogram = NULL;
	assert_false(model_delay_histogram(&f, h));
}

static struct fact_delay *delay(struct facts *f, const char *table, uint64_t pid, const char *comm,
				const char *kind, const char *object, uint64_t count,
				double seconds)
{
	struct fact_delay *d = ADD(f, delays);

	d->table = table;
	d->pid = pid;
	d->own = d->cut = 0;
	d->comm = comm;
	d->kind = kind;
	d->object = object;
	d->seen = d->count = count;
	d->ns = (uint64_t)(seconds * 1e9);
	d->max_ns = count ? d->ns / count : 0;
	d->count_var = d->ns_var = 0;
	return d;
}

static void test_names_and_intervals(void **state)
{
	struct facts *f = healthy();
	struct fact_process *p = ADD(f, processes);
	struct fact_delay *d;

	p->pid = 50;
	p->comm = "late";
	p->cgroup = "/a";
	f->archive.rows[0].arch = "x86_64";
	d = delay(f, "syscalls", 50, "", "0", "", 100, 1);
	d->count_var = 100;
	d->cut = 50;
	d = delay(f, "syscalls", 51, "y", "4", "", 300, 2);
	d->compat = 1;
	delay(f, "syscalls", 52, "z", "4095", "", 200, 2);
	delay(f, "syscalls", 53, "z", "<script>", "", 20, 2);
	delay(f, "nonsense", 53, "z", "1", "", 20, 2);
	struct judged j = judge(f);
	const struct model_delays *m = &j.m->delays[DELAY_SYSCALLS];

	assert_int_equal(m->count, 4);
	assert_string_equal(m->rows[0]->name, "write"); /* i386's number 4 */
	assert_string_equal(m->rows[1]->name, "call 4095");
	assert_string_equal(m->rows[2]->name, "read");
	assert_string_equal(m->rows[2]->comm, "late");
	assert_string_equal(m->rows[2]->cgroup, "/a");
	assert_true(m->rows[2]->at_least && !m->rows[0]->at_least);
	assert_true(fabs(m->rows[2]->count.high - 119.6) < 0.01);
	assert_true(m->rows[2]->count.low == 100); /* so many were seen */
	assert_string_equal(m->rows[3]->name, "<script>");
	done(j, f);
}

static void test_proc_readers(void **state)
{
	struct facts *f = healthy();

	delay(f, "proc_files", 50, "agent", "open", "/proc/*/stat", 20000, 0.4);
	delay(f, "proc_files", 50, "agent", "read", "/proc/*/smaps", 20000, 3);
	delay(f, "proc_files", 60, "ossnap-capture", "read", "/proc/*/stat", 900000, 5)->own = 1;
	struct judged j = judge(f);
	const struct finding *n = find_finding(j, "hotspot.proc-readers");

	assert_non_null(n);
	assert_int_equal(n->severity, SEVERITY_WARNING);
	assert_contains(n->title, "agent");
	assert_contains(n->title, "4,000 times a second");
	assert_contains(n->title, "34% of a CPU");
	assert_string_equal(n->scope_name, "agent (50)");
	assert_contains(n->because[0].text, "/proc/*/smaps");
	assert_contains(n->advice[0], "smaps_rollup");
	assert_int_equal(j.f->count, 1);
	done(j, f);

	/* An agent as it should be, and one of which only the estimate is high. */
	f = healthy();
	delay(f, "proc_files", 50, "agent", "open", "/proc/*/stat", 3000, 0.05);
	struct fact_delay *d = delay(f, "proc_files", 51, "x", "open", "/proc/*/stat", 20000, 0.1);

	d->seen = 20;
	d->count_var = 1e8;
	j = judge(f);
	assert_null(find_finding(j, "hotspot.proc-readers"));
	done(j, f);
}

static void test_reclaim_direct(void **state)
{
	struct facts *f = healthy();
	struct fact_cgroup *g = ADD(f, cgroups);

	g->path = "/pods/a";
	g->version = 2;
	g->usage_bytes = 64 * MI;
	g->limit_bytes = 64 * MI;
	g->limit_known = 1;
	delay(f, "reclaim", 50, "app", "memcg", "/pods/a", 1000, 2);
	delay(f, "reclaim", 51, "app2", "memcg", "/pods/a", 10, 0.2);
	delay(f, "reclaim", 52, "db", "direct", "", 4, 0.6);
	delay(f, "reclaim", 53, "x", "memcg", "/other", 10, 0.002);
	struct judged j = judge(f);
	const struct finding *group = NULL, *host = NULL;
	size_t n = 0;

	for (size_t i = 0; i < j.f->count; i++) {
		if (strcmp(j.f->rows[i].id, "reclaim.direct") != 0)
			continue;
		n++;
		if (!strcmp(j.f->rows[i].scope_kind, "cgroup"))
			group = &j.f->rows[i];
		else
			host = &j.f->rows[i];
	}
	assert_int_equal(n, 2);
	assert_non_null(group);
	assert_non_null(host);
	assert_int_equal(group->severity, SEVERITY_WARNING);
	assert_string_equal(group->scope_name, "/pods/a");
	assert_contains(group->title, "2.2 s");
	assert_contains(group->because[0].text, "app (pid 50)");
	assert_int_equal(host->severity, SEVERITY_INFO);
	assert_contains(host->because[0].text, "db (pid 52)");
	done(j, f);

	/* A probe that saw nothing is not silent for want of a figure: the counters do not count.
	 */
	f = healthy();
	counter2(f, "vmstat", "allocstall_movable", 0, 5000);
	j = judge(f);
	assert_null(find_finding(j, "reclaim.direct"));
	done(j, f);

	/* Without the probe they do. */
	f = healthy();
	f->probes.count = 0;
	counter2(f, "vmstat", "allocstall_movable", 0, 5000);
	j = judge(f);
	const struct finding *c = find_finding(j, "reclaim.direct");

	assert_non_null(c);
	assert_contains(c->title, "5,002 times");
	assert_contains(c->because[c->because_count - 1].text, "not known");
	done(j, f);
}

static void test_reclaim_kswapd(void **state)
{
	struct facts *f = healthy();
	struct judged j;
	const struct finding *k;

	delay(f, "reclaim", 90, "kswapd0", "kswapd", "node0", 12, 7);
	counter2(f, "vmstat", "pgscan_kswapd", 0, 1000000);
	counter2(f, "vmstat", "pgsteal_kswapd", 0, 100000);
	counter2(f, "vmstat", "pgsteal_direct", 0, 100000);
	j = judge(f);
	k = find_finding(j, "reclaim.kswapd");
	assert_non_null(k);
	assert_int_equal(k->severity, SEVERITY_WARNING);
	assert_contains(k->title, "70% of the time");
	assert_contains(k->advice[0], "Little of the memory");
	done(j, f);

	/* By CPU time, where nothing else was captured. */
	f = healthy();
	f->probes.count = 0;
	struct fact_process *p = ADD(f, processes);

	p->pid = 90;
	p->comm = "kswapd0";
	p->kernel_thread = 1;
	p->stime_ticks = 300;
	j = judge(f);
	k = find_finding(j, "reclaim.kswapd");
	assert_non_null(k);
	assert_contains(k->title, "running 30%");
	done(j, f);

	/* Awake now and then, and a process of that name. */
	f = healthy();
	delay(f, "reclaim", 90, "kswapd0", "kswapd", "node0", 12, 0.5);
	p = ADD(f, processes);
	p->pid = 91;
	p->comm = "kswapd1";
	p->kernel_thread = 0;
	p->stime_ticks = 900;
	j = judge(f);
	assert_null(find_finding(j, "reclaim.kswapd"));
	done(j, f);
}

static void test_sched_delay(void **state)
{
	struct facts *f = healthy();
	struct fact_delay *d;
	struct judged j;
	const struct finding *s;

	f->archive.rows[0].cpus = 4;
	counter2(f, "stat", "cpu_user", 0, 1000);
	counter2(f, "stat", "cpu_idle", 0, 3000);
	d = delay(f, "sched_delay", 50, "spin", "wait", "", 1000, 6);
	d->histogram = "12:990 13:10";
	delay(f, "sched_delay", 51, "kworker", "wait", "", 10, 9)->kthread = 1;
	delay(f, "sched_delay", 52, "ossnap-capture", "wait", "", 10, 9)->own = 1;
	j = judge(f);
	s = find_finding(j, "hotspot.sched-delay");
	assert_non_null(s);
	assert_int_equal(s->severity, SEVERITY_INFO);
	assert_contains(s->title, "spin waited for a CPU 60% of the time");
	assert_contains(s->because[0].text, "1,000 times");
	assert_contains(s->because[1].text, "2.4 tasks waited on average, on 4 CPUs");
	/* CPUs are idle: something binds it. */
	assert_contains(s->because[2].text, "75%");
	assert_contains(s->advice[0], "affinity");
	done(j, f);

	/* Many short waits, as any busy server has. */
	f = healthy();
	delay(f, "sched_delay", 50, "web", "wait", "", 400000, 5);
	j = judge(f);
	assert_null(find_finding(j, "hotspot.sched-delay"));
	done(j, f);

	/* Only sums, of all: 12 tasks waited on 4 CPUs. */
	f = healthy();
	f->probes.count = 0;
	f->archive.rows[0].cpus = 4;
	counter2(f, "schedstat", "run_delay_ns", 5, 120000000005);
	j = judge(f);
	s = find_finding(j, "hotspot.sched-delay");
	assert_non_null(s);
	assert_contains(s->title, "12.0 tasks wait");
	assert_contains(s->because[0].text, "not known");
	done(j, f);
}

static void test_blocking_io(void **state)
{
	struct facts *f = healthy();
	struct fact_process *p = ADD(f, processes);
	struct fact_delay *d;
	struct judged j;
	const struct finding *s;

	p->pid = 77;
	p->comm = "pg";
	p->state = "D (disk sleep)";
	d = delay(f, "block_io", 0, "", "read", "8:0", 100, 12);
	d->inner_ns = 11000000000;
	d->histogram = "17:100";
	/* Slow writes that nobody waits for, and a disk that is fast. */
	delay(f, "block_io", 0, "", "write", "8:16", 100, 12);
	delay(f, "block_io", 0, "", "read", "8:32", 100000, 8);
	j = judge(f);
	assert_int_equal(j.f->count, 1);
	s = find_finding(j, "hotspot.blocking-io");
	assert_non_null(s);
	assert_int_equal(s->severity, SEVERITY_WARNING);
	assert_contains(s->title, "Disk 8:0 takes 120 ms for a read");
	assert_contains(s->because[s->because_count - 1].text, "pg (pid 77)");
	assert_contains(s->advice[0], "slow by itself");
	done(j, f);

	/* Now they wait for the writes. */
	f = healthy();
	counter2(f, "stat", "cpu_iowait", 0, 900);
	delay(f, "block_io", 0, "", "write", "8:16", 100, 12)->inner_ns = 1000000000;
	j = judge(f);
	s = find_finding(j, "hotspot.blocking-io");
	assert_non_null(s);
	assert_contains(s->advice[0], "wait in the queue");
	done(j, f);
}

static void test_net_receive(void **state)
{
	struct facts *f = healthy();
	struct judged j;
	const struct finding *s;

	delay(f, "net_receive", 50, "server", "tcp", "", 100, 30)->histogram = "19:100";
	delay(f, "net_receive", 51, "quick", "udp", "", 100000, 10);
	delay(f, "sched_delay", 50, "server", "wait", "", 100000, 2);
	j = judge(f);
	assert_int_equal(j.f->count, 1);
	s = find_finding(j, "net.receive-delay");
	assert_non_null(s);
	assert_int_equal(s->severity, SEVERITY_WARNING);
	assert_contains(s->title, "server lie in its sockets for 300 ms");
	assert_contains(s->advice[0], "does not get a CPU");
	assert_string_equal(s->scope_name, "server (50)");
	done(j, f);
}

static void test_schedstat(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct facts *f;

	facts_rows_member(&t, "raw/sched/schedstat.000000000",
			  "version 17\ntimestamp 4295\ncpu0 0 0 0 0 0 0 100 20 5\n"
			  "domain0 MC 3 0 0\ncpu1 0 0 0 0 0 0 200 30 5\n");
	facts_rows_member(&t, "raw/sched/schedstat.000009000",
			  "version 17\ncpu0 0 0 0 0 0 0 101 120 5\ncpu1 0 0 0 0 0 0 200 30 5\n");
	f = facts_rows_end(&t);
	assert_int_equal(facts_counter_first(f, "schedstat", "run_delay_ns"), 50);
	assert_int_equal(facts_counter(f, "schedstat", "run_delay_ns"), 150);
	assert_int_equal(facts_counter(f, "schedstat", "rq_cpu_time_ns"), 301);
	facts_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_names_and_intervals),
		cmocka_unit_test(test_proc_readers),
		cmocka_unit_test(test_reclaim_direct),
		cmocka_unit_test(test_reclaim_kswapd),
		cmocka_unit_test(test_sched_delay),
		cmocka_unit_test(test_blocking_io),
		cmocka_unit_test(test_net_receive),
		cmocka_unit_test(test_schedstat),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
