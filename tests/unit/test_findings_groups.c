/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings about control groups: containers, pods, and what is left of deleted ones. */
#include "findings_testing.h"

static void test_near_oom_group(void **state)
{
	struct facts *f = healthy();
	struct judged j;

	limited(f, "/app", 290 * MI, 300 * MI, 5 * MI, 5 * MI)->oom_kills = 4;
	limited(f, "/cache", 299 * MI, 300 * MI, 200 * MI, 100 * MI);
	limited(f, "/room", 100 * MI, 300 * MI, 5 * MI, 5 * MI);
	/* A limit above the machine's memory limits nothing. */
	limited(f, "/unlimited", 15 * GI, 64 * GI, 0, 0);
	j = judge(f);
	const struct finding *n = must(j, "memory.near-oom");

	assert_string_equal(n->scope_name, "/app");
	assert_string_equal(n->scope_kind, "cgroup");
	assert_string_equal(n->title, "The memory of cgroup /app is nearly used up: 285 MiB of its "
				      "limit of 300 MiB cannot be taken back");
	for (size_t i = 0; i < j.f->count; i++)
		assert_true(strcmp(j.f->rows[i].id, "memory.near-oom") != 0 ||
			    !strcmp(j.f->rows[i].scope_name, "/app"));
	done(j, f);
}

static void test_dying(void **state)
{
	struct facts *f = healthy();
	struct fact_cgroup_controller *c = ADD(f, controllers);
	struct judged j;

	c->name = "memory";
	c->groups = 5001;
	j = judge(f);
	const struct finding *n = must(j, "cgroup.dying");

	assert_contains(n->title, "5,000 deleted cgroups");
	done(j, f);

	/* Some of them because of sockets. */
	f = healthy();
	c = ADD(f, controllers);
	c->name = "memory";
	c->groups = 5001;
	struct fact_kernel_object *o = ADD(f, kernel_objects);
	struct fact_kernel_holder *h = ADD(f, kernel_holders);
	struct fact_process *p = ADD(f, processes);

	o->kind = h->kind = "dying-cgroup";
	o->id = h->id = 77;
	o->count = h->fds = 30;
	o->bytes = 0;
	h->pid = p->pid = 12;
	p->comm = "proxy";
	j = judge(f);
	n = must(j, "cgroup.dying");
	bool said = false;

	for (size_t i = 0; i < n->because_count; i++)
		said |= strstr(n->because[i].text,
			       "1 of them cannot go before 30 sockets are "
			       "closed, most of which proxy (pid 12) has") != NULL;
	assert_true(said);
	done(j, f);

	f = healthy();
	c = ADD(f, controllers);
	c->name = "memory";
	c->groups = 200;
	j = judge(f);
	must_not(j, "cgroup.dying");
	done(j, f);

	/* A table of groups that is not whole cannot be compared with their number. */
	f = healthy();
	c = ADD(f, controllers);
	c->name = "memory";
	c->groups = 5001;
	f->collectors.rows[3].status = "partial";
	j = judge(f);
	must_not(j, "cgroup.dying");
	assert_int_equal(j.m->dying_cgroups, FACT_NONE);
	done(j, f);

	/* v2 says so itself; the scan says what pins them. */
	f = healthy();
	f->cgroups.rows[0].version = 2;
	f->cgroups.rows[0].dying_descendants = 40;
	scanned(f, 1);
	mount_is(f, 1, 1, 0, 1, "/", "/");
	struct fact_cache_cgroup *g = ADD(f, cache_cgroups);

	g->cgroup = 1;
	g->state = "dying";
	g->path = "/system.slice/job.service";
	sample(f, cached_file(f, "ext4", "/var/spool/big", 2 * GI / 4096), 1, 0, 2 * GI / 4096);
	j = judge(f);
	n = must(j, "cgroup.dying");
	assert_contains(n->title, "2 GiB of page cache belong to 40 deleted cgroups");
	bool named = false;

	for (size_t i = 0; i < n->because_count; i++)
		named |= strstr(n->because[i].text, "/var/spool/big") != NULL;
	assert_true(named);
	assert_contains(n->advice[0], "drop_caches lets clean cache");
	done(j, f);

	/* The same of shared memory, which dropping caches does not free. */
	f = healthy();
	f->cgroups.rows[0].version = 2;
	f->cgroups.rows[0].dying_descendants = 40;
	scanned(f, 1);
	g = ADD(f, cache_cgroups);
	g->cgroup = 1;
	g->state = "dying";
	g->path = "/system.slice/job.service";
	sample(f, cached_file(f, "tmpfs", "/a", 2 * GI / 4096), 1, 8, 2 * GI / 4096);
	j = judge(f);
	n = must(j, "cgroup.dying");
	assert_contains(n->advice[0], "Dropping caches does not free it");
	assert_true(isnan(j.m->dying_slab_bytes));
	done(j, f);
}

/* A kernel where groups have slab caches of their own: files and slab together hold it. */
static void test_dying_with_slab(void **state)
{
	struct facts *f = healthy();
	const struct {
		uint64_t cgroup, pages;
		const char *cache;
	} slabs[] = {{1, 100 * MI / 4096, "dentry"},
		     {1, 500 * MI / 4096, "ext4_inode_cache"},
		     {2, 50 * MI / 4096, "dentry"},
		     {99, 7, "of a group that is not in the table"}};
	struct fact_cache_cgroup *g;
	struct judged j;

	scanned(f, 1);
	g = ADD(f, cache_cgroups);
	*g = (struct fact_cache_cgroup){1, 5, "dying", "/jobs/job-1"};
	g = ADD(f, cache_cgroups);
	*g = (struct fact_cache_cgroup){2, 6, "online", "/jobs/job-2"};
	for (size_t i = 0; i < sizeof(slabs) / sizeof(slabs[0]); i++) {
		struct fact_cgroup_slab *s = ADD(f, cgroup_slabs);

		*s = (struct fact_cgroup_slab){slabs[i].cgroup, slabs[i].pages, slabs[i].cache};
	}
	sample(f, cached_file(f, "ext4", "/var/spool/big", 400 * MI / 4096), 1, 0, 400 * MI / 4096);
	j = judge(f);
	const struct finding *n = must(j, "cgroup.dying");
	bool said = false;

	assert_contains(n->title, "0.98 GiB of page cache and slab belong to 1 deleted cgroup");
	for (size_t i = 0; i < n->because_count; i++)
		said |= strstr(n->because[i].text,
			       "/jobs/job-1, with 600 MiB, of it 500 MiB of ext4_inode_cache") !=
			NULL;
	assert_true(said);
	assert_true(j.m->dying_slab_bytes == 600.0 * MI);
	for (size_t i = 0; i < j.m->cgroup_count; i++) {
		const struct model_cgroup *c = &j.m->cgroups[i];

		if (!strcmp(c->path, "/jobs/job-2"))
			assert_true(c->slab_count == 1 && c->slab.bytes == 50.0 * MI);
		else if (c->dying)
			assert_true(c->slab_count == 2 && c->slabs[1].bytes.bytes == 100.0 * MI);
		else
			assert_true(!c->slab_count && isnan(c->slab.bytes));
	}
	done(j, f);
}

/* The working set near the limit because files are in use; not when they are idle, nor when nothing
 * could be taken back, which is near-oom's. */
static void test_near_limit(void **state)
{
	struct facts *f = container_with_logs(240 * MI);
	struct judged j;

	for (size_t i = 0; i < f->cgroups.count; i++)
		f->cgroups.rows[i].inactive_file_bytes = 5 * MI;
	for (size_t i = 0; i < f->cgroups.count; i++)
		f->cgroups.rows[i].active_file_bytes = 223 * MI;
	/* Of the log files one is in use, the other one is not. */
	f->cache_samples.rows[0].state = 1;
	j = judge(f);
	const struct finding *n = must(j, "cgroup.near-limit");

	assert_string_equal(
		n->title,
		"The working set of container shop/api-7d9f/api is 225 MiB, 94% of its limit of "
		"240 MiB; 223 MiB of it is file cache in use, most of the log file "
		"/var/log/app/a.log");
	assert_string_equal(n->scope_name, "/kubepods/burstable/pod1/" ID);
	assert_contains(n->because[1].text, "/var/log/app/a.log (114 MiB)");
	assert_int_equal(n->confidence, CONFIDENCE_HIGH);
	done(j, f);

	f = container_with_logs(240 * MI); /* 228 MiB of it idle */
	j = judge(f);
	must_not(j, "cgroup.near-limit");
	done(j, f);

	f = healthy();
	limited(f, "/app", 290 * MI, 300 * MI, 5 * MI, 0);
	j = judge(f);
	must_not(j, "cgroup.near-limit");
	must(j, "memory.near-oom");
	done(j, f);
}

static void test_throttled(void **state)
{
	struct facts *f = healthy();
	struct fact_cgroup *g = limited(f, "/app", 100 * MI, 300 * MI, 5 * MI, 0);
	struct judged j;

	g->high_bytes = 99 * MI;
	g->high_events_first = 7;
	g->high_events = 5007;
	j = judge(f);
	const struct finding *n = must(j, "cgroup.throttled");

	assert_string_equal(n->title, "cgroup /app is held back by memory.high of 99 MiB: it was "
				      "over it 5,000 times in 10 s");
	done(j, f);

	/* v2 counts for the groups above too: the lowest one is named. */
	f = healthy();
	g = limited(f, "/app", 100 * MI, 300 * MI, 5 * MI, 0);
	g->max_events_first = g->pressure_some_first_us = 0;
	g->max_events = 50;
	g->pressure_some_us = 4000000;
	g = limited(f, "/app/worker", 100 * MI, 100 * MI, 5 * MI, 0);
	g->max_events_first = g->pressure_some_first_us = 0;
	g->max_events = 50;
	g->pressure_some_us = 4000000;
	j = judge(f);
	n = must(j, "cgroup.throttled");
	assert_string_equal(n->scope_name, "/app/worker");
	assert_contains(n->because[1].text, "40% of that time");
	assert_int_equal(n->severity, SEVERITY_WARNING);
	done(j, f);

	/* Waiting that is the whole machine's; limits met now and then; counts of long ago. */
	f = healthy();
	g = limited(f, "/waits", 100 * MI, 300 * MI, 5 * MI, 0);
	g->max_events_first = g->max_events = 9;
	g->pressure_some_first_us = 0;
	g->pressure_some_us = 4000000;
	g = limited(f, "/meets", 100 * MI, 300 * MI, 5 * MI, 0);
	g->max_events_first = 0;
	g->max_events = 900;
	g->pressure_some_first_us = 0;
	g->pressure_some_us = 4000;
	g = limited(f, "/old", 100 * MI, 300 * MI, 5 * MI, 0);
	g->max_events = 100000;
	g = limited(f, "/v1", 100 * MI, 300 * MI, 5 * MI, 0);
	g->version = 1;
	g->max_events_first = 0;
	g->max_events = 900;
	j = judge(f);
	must_not(j, "cgroup.throttled");
	done(j, f);
}

static void test_oom_killed(void **state)
{
	struct facts *f = healthy();
	struct fact_cgroup *g = limited(f, "/app", 100 * MI, 300 * MI, 5 * MI, 0);
	struct judged j;

	g->oom_kills_first = 2;
	g->oom_kills = 5;
	j = judge(f);
	assert_string_equal(must(j, "cgroup.oom-killed")->title,
			    "The kernel killed 3 of cgroup /app for memory in 10 s");
	done(j, f);

	f = healthy();
	g = limited(f, "/app", 300 * MI, 300 * MI, 5 * MI, 0);
	g->version = 1;
	g->under_oom = 1;
	j = judge(f);
	assert_contains(must(j, "cgroup.oom-killed")->title, "stand still");
	done(j, f);

	/* Long ago, or of a group that came meanwhile: nobody knows when. */
	f = healthy();
	limited(f, "/app", 100 * MI, 300 * MI, 5 * MI, 0)->oom_kills = 5;
	g = limited(f, "/same", 100 * MI, 300 * MI, 5 * MI, 0);
	g->oom_kills = g->oom_kills_first = 7;
	j = judge(f);
	must_not(j, "cgroup.oom-killed");
	done(j, f);
}

/* A node with three pods of 1, 3 and 2 GiB; the second is as large as it asked for. */
static struct facts *node(uint64_t active_file)
{
	static const struct {
		const char *pod, *container;
		uint64_t set;
		int64_t adj;
	} pods[] = {
		{"/kubepods/besteffort/pod0000000a-0000-0000-0000-000000000000", "a", 1 * GI, 1000},
		{"/kubepods/burstable/pod0000000b-0000-0000-0000-000000000000", "b", 3 * GI, 800},
		{"/kubepods/pod0000000c-0000-0000-0000-000000000000", "c", 2 * GI, -997},
	};
	struct facts *f = healthy();

	meminfo_is(f, "Active(file)", active_file);
	meminfo_is(f, "Inactive(file)", 40 * MI);
	meminfo_is(f, "MemFree", 15 * GI - active_file - 6 * GI);
	for (size_t i = 0; i < 3; i++) {
		char *path = arena_printf(f->arena, "%s/%064x", pods[i].pod, (unsigned)i + 1);
		struct fact_process *p;
		struct fact_cgroup *g;

		limited(f, pods[i].pod, pods[i].set, FACT_NONE, 0, 0);
		g = limited(f, path, pods[i].set, i == 2 ? 2 * GI + 512 * MI : FACT_NONE, 0, 0);
		g->anon_bytes = pods[i].set;
		p = ADD(f, processes);
		p->pid = 100 + i;
		p->comm = pods[i].container;
		p->cgroup = path;
		p->oom_score_adj = pods[i].adj;
		p->heap_bytes = pods[i].set;
	}
	return f;
}

static void test_eviction(void **state)
{
	struct facts *f = node(8 * GI + 950 * MI);
	struct judged j = judge(f);
	const struct finding *n = must(j, "kubernetes.eviction");

	/* 74 MiB free and 40 MiB of idle cache */
	assert_contains(n->title,
			"The kubelet is about to evict pods: its memory.available is 114 MiB; "
			"first to go is cgroup /kubepods/besteffort/");
	assert_int_equal(j.m->eviction_count, 3);
	/* 1 GiB above nothing, 3 GiB of 3.2 asked for, 2 GiB of 2.5 asked for */
	assert_contains(j.m->evictions[0].pod->path, "/besteffort/");
	assert_int_equal(j.m->evictions[0].pod->request_bytes, 0);
	assert_string_equal(j.m->evictions[1].pod->qos, "Burstable");
	assert_true(j.m->evictions[1].pod->request_bytes / (double)(16 * GI) > 0.1998);
	assert_true(j.m->evictions[1].pod->request_bytes <= 16 * GI / 5);
	assert_string_equal(j.m->evictions[2].pod->qos, "Guaranteed");
	assert_int_equal(j.m->evictions[2].pod->request_bytes, 2 * GI + 512 * MI);
	assert_contains(n->because[1].text, "first to go");
	assert_contains(n->because[1].text, "BestEffort, working set 1 GiB, request none");
	done(j, f);

	/* Room, by the kubelet's own measure. */
	f = node(4 * GI);
	j = judge(f);
	assert_true(j.m->kubelet_available > 5.0 * GI);
	must_not(j, "kubernetes.eviction");
	done(j, f);

	/* As little, but nobody's node. */
	f = healthy();
	meminfo_is(f, "MemFree", 50 * MI);
	meminfo_is(f, "Inactive(file)", 0);
	j = judge(f);
	must_not(j, "kubernetes.eviction");
	done(j, f);
}

/* Where deleted groups piled up, and how fast. */
static void test_dying_parents(void **state)
{
	struct facts *f = healthy();
	struct fact_cgroup *g = &f->cgroups.rows[0];
	struct judged j;

	g->version = 2;
	g->dying_descendants = 3000;
	g->dying_first = 2900;
	g = limited(f, "/system.slice", 1, FACT_NONE, 0, 0);
	g->dying_descendants = 2990;
	g->dying_first = 2890;
	g = limited(f, "/system.slice/cron.service", 1, FACT_NONE, 0, 0);
	g->dying_descendants = 2900;
	g->dying_first = 2800;
	j = judge(f);
	assert_int_equal(j.m->dying_parent_count, 3);
	assert_string_equal(j.m->dying_parents[0].path, "/system.slice/cron.service");
	assert_int_equal(j.m->dying_parents[0].groups, 2900);
	assert_int_equal(j.m->dying_parents[1].groups, 90);
	assert_int_equal(j.m->dying_parents[1].groups_first, 90);
	assert_int_equal(j.m->dying_parents[2].groups, 10);
	const struct finding *n = must(j, "cgroup.dying");

	assert_contains(n->because[1].text, "100 of them came in the 10 s");
	assert_contains(n->because[2].text, "2,900 of them were directly below "
					    "/system.slice/cron.service");
	done(j, f);

	/* v1: the number, at both ends. */
	f = healthy();
	struct fact_cgroup_controller *c = ADD(f, controllers);

	c->name = "memory";
	c->groups = 5001;
	c->groups_first = 4001;
	f->cgroups.rows[0].usage_first_bytes = 1;
	j = judge(f);
	assert_int_equal(j.m->dying_cgroups, 5000);
	assert_int_equal(j.m->dying_cgroups_first, 4000);
	done(j, f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_near_oom_group), cmocka_unit_test(test_near_limit),
		cmocka_unit_test(test_throttled),      cmocka_unit_test(test_oom_killed),
		cmocka_unit_test(test_eviction),       cmocka_unit_test(test_dying),
		cmocka_unit_test(test_dying_parents),  cmocka_unit_test(test_dying_with_slab),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
