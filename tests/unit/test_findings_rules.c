/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For each rule a machine that provokes it, and one that is like it but well. */
#include "model_fixture.h"

#include "../../analyze/findings/rules.h"

static const struct finding *must(struct judged j, const char *id)
{
	const struct finding *f = find_finding(j, id);

	if (!f) {
		fail_msg("no %s", id);
		abort();
	}
	assert_true(f->because_count > 0);
	assert_non_null(f->scope_kind);
	assert_non_null(f->scope_name);
	for (size_t i = 0; i < f->because_count; i++) {
		assert_true(f->because[i].text[0] != '\0');
		assert_true(f->because[i].ref && f->because[i].ref[0] == '#');
	}
	assert_true(f->advice_count > 0);
	return f;
}

static void must_not(struct judged j, const char *id)
{
	const struct finding *f = find_finding(j, id);

	if (f)
		fail_msg("%s: %s", id, f->title);
}

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

static void test_near_oom(void **state)
{
	struct facts *f = healthy();
	struct fact_process *p = ADD(f, processes);

	p->pid = 4711;
	p->comm = "java";
	p->heap_bytes = 12 * GI;
	p->cgroup = "/system.slice/app.service";
	p->shmem_bytes = 0;
	meminfo_is(f, "MemAvailable", 200 * MI);
	meminfo_is(f, "MemFree", 100 * MI);
	meminfo_is(f, "Cached", 400 * MI);
	meminfo_is(f, "AnonPages", 14 * GI + 200 * MI);
	struct judged j = judge(f);
	const struct finding *n = must(j, "memory.near-oom");

	assert_int_equal(n->severity, SEVERITY_CRITICAL);
	assert_contains(n->title, "200 MiB of 16 GiB");
	assert_string_equal(j.f->rows[0].id, "memory.near-oom");
	assert_contains(j.f->verdict.text, n->title);
	n = must(j, "memory.process-heap");
	assert_contains(n->title, "java (pid 4711)");
	assert_string_equal(n->scope_kind, "process");
	/* Nobody is sent for an option that this version refuses. */
	for (size_t i = 0; i < n->advice_count; i++)
		assert_null(strstr(n->advice[i], "--heap"));
	done(j, f);

	/* 7 % are left, but swap is large and full. */
	f = healthy();
	meminfo_is(f, "MemAvailable", 1200 * MI);
	meminfo_is(f, "SwapTotal", 16 * GI);
	meminfo_is(f, "SwapFree", 100 * MI);
	j = judge(f);
	n = must(j, "memory.near-oom");
	assert_int_equal(n->severity, SEVERITY_WARNING);
	assert_contains(n->title, "swap is full");
	model_destroy(j.m);
	findings_destroy(j.f);
	meminfo_is(f, "SwapTotal", 1 * GI); /* a small swap is often full of what nobody needs */
	j = judge(f);
	must_not(j, "memory.near-oom");
	done(j, f);

	f = healthy();
	meminfo_is(f, "MemAvailable", 20 * MI);
	j = judge(f);
	assert_string_equal(must(j, "memory.near-oom")->title,
			    "The machine is nearly out of memory: 20 MiB of 16 GiB are available");
	done(j, f);

	/* On a large machine the same share is plenty. */
	f = healthy();
	meminfo_is(f, "MemTotal", 1024 * GI);
	meminfo_is(f, "MemAvailable", 30 * GI);
	meminfo_is(f, "MemFree", 1015 * GI);
	j = judge(f);
	must_not(j, "memory.near-oom");
	done(j, f);

	/* Swap that can take it makes it a warning. */
	f = healthy();
	meminfo_is(f, "MemAvailable", 200 * MI);
	meminfo_is(f, "SwapTotal", 8 * GI);
	meminfo_is(f, "SwapFree", 8 * GI);
	j = judge(f);
	assert_int_equal(must(j, "memory.near-oom")->severity, SEVERITY_WARNING);
	done(j, f);
}

static struct fact_cgroup *limited(struct facts *f, const char *path, uint64_t usage,
				   uint64_t limit, uint64_t file, uint64_t inactive)
{
	struct fact_cgroup *g = ADD(f, cgroups);

	g->path = path;
	g->version = 2;
	g->usage_bytes = usage;
	g->limit_bytes = limit;
	g->file_bytes = file;
	g->shmem_bytes = 0;
	g->inactive_file_bytes = inactive;
	g->anon_bytes = usage - file;
	return g;
}

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

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct facts *container_with_logs(uint64_t limit)
{
	struct facts *f = healthy();
	struct fact_container *c = ADD(f, containers);
	struct fact_cache_cgroup *g;

	c->id = ID;
	c->name = "api";
	c->namespace = "shop";
	c->pod = "api-7d9f";
	limited(f, "/kubepods/burstable", 231 * MI, FACT_NONE, 229 * MI, 228 * MI);
	limited(f, "/kubepods/burstable/pod1", 231 * MI, limit, 229 * MI, 228 * MI);
	limited(f, "/kubepods/burstable/pod1/" ID, 230 * MI, limit, 228 * MI, 228 * MI);
	scanned(f, 1);
	mount_is(f, 1, 1, 0, 1, "/", "/");
	g = ADD(f, cache_cgroups);
	g->cgroup = 1;
	g->state = "online";
	g->path = "/kubepods/burstable/pod1/" ID;
	sample(f, cached_file(f, "ext4", "/var/log/app/a.log", 114 * 256), 1, 0, 114 * 256);
	sample(f, cached_file(f, "ext4", "/var/log/app/b.log", 114 * 256), 1, 0, 114 * 256);
	sample(f, cached_file(f, "ext4", "/etc/app.conf", 1), 1, 0, 1);
	return f;
}

static void test_page_cache_container(void **state)
{
	struct facts *f = container_with_logs(300 * MI);
	struct judged j = judge(f);
	const struct finding *n = must(j, "page-cache.container");

	assert_string_equal(
		n->title,
		"The memory usage of container shop/api-7d9f/api is near its limit (230 MiB "
		"of 300 MiB); 228 MiB of it is file cache of two log files under /var/log/app");
	assert_string_equal(n->scope_name, "/kubepods/burstable/pod1/" ID);
	assert_int_equal(n->severity, SEVERITY_INFO);
	assert_int_equal(n->confidence, CONFIDENCE_HIGH);
	assert_contains(n->advice[0], "/var/log/app");
	/* The pod above is explained by it. */
	assert_int_equal(j.f->count, 1);
	done(j, f);

	/* At the limit, but with cache that nobody uses: whoever writes files lives there. */
	f = container_with_logs(240 * MI);
	j = judge(f);
	assert_int_equal(must(j, "page-cache.container")->severity, SEVERITY_INFO);
	done(j, f);

	/* At the limit, and the cache is in use. */
	f = container_with_logs(240 * MI);
	for (size_t i = 0; i < f->cgroups.count; i++)
		f->cgroups.rows[i].inactive_file_bytes = 20 * MI;
	j = judge(f);
	assert_int_equal(must(j, "page-cache.container")->severity, SEVERITY_WARNING);
	assert_int_equal(j.f->verdict.severity, SEVERITY_WARNING);
	done(j, f);

	/* More than are spelled out are counted. */
	f = healthy();
	for (unsigned i = 0; i < MAX_PER_RULE + 7; i++)
		limited(f, arena_printf(f->arena, "/job%u", i), 95 * MI, 100 * MI, 60 * MI,
			40 * MI);
	j = judge(f);
	assert_int_equal(j.f->count, MAX_PER_RULE);
	bool counted = false;

	for (size_t i = 0; i < j.f->count; i++)
		for (size_t k = 0; k < j.f->rows[i].because_count; k++)
			counted |= !strcmp(j.f->rows[i].because[k].text,
					   "7 more groups are like this one");
	assert_true(counted);
	done(j, f);

	f = container_with_logs(1 * GI);
	j = judge(f);
	must_not(j, "page-cache.container");
	done(j, f);

	f = container_with_logs(FACT_NONE);
	j = judge(f);
	must_not(j, "page-cache.container");
	done(j, f);

	/* Without a scan the counters still tell, but not which files. */
	f = container_with_logs(240 * MI);
	f->scan.count = f->cache_files.count = f->cache_samples.count = f->cache_cgroups.count = 0;
	j = judge(f);
	n = must(j, "page-cache.container");
	assert_int_equal(n->confidence, CONFIDENCE_MEDIUM);
	assert_contains(n->title, "228 MiB of it is file cache");
	done(j, f);

	/* The file counter of memory.stat includes shared memory, which is something else. */
	f = container_with_logs(240 * MI);
	for (size_t i = 0; i < f->cgroups.count; i++)
		f->cgroups.rows[i].shmem_bytes = 220 * MI;
	j = judge(f);
	must_not(j, "page-cache.container");
	done(j, f);
}

static void test_page_cache_high(void **state)
{
	struct facts *f = healthy();
	struct judged j;

	meminfo_is(f, "Dirty", 3 * GI);
	j = judge(f);
	assert_contains(must(j, "page-cache.high")->title, "wait to be written");
	done(j, f);

	f = healthy();
	meminfo_is(f, "Cached", 11 * GI);
	meminfo_is(f, "MemAvailable", 1200 * MI);
	meminfo_is(f, "MemFree", 1 * GI);
	j = judge(f);
	assert_contains(must(j, "page-cache.high")->title, "cannot be given back");
	done(j, f);

	f = healthy();
	meminfo_is(f, "Cached", 11 * GI);
	meminfo_is(f, "MemFree", 200 * MI);
	counter2(f, "vmstat", "allocstall_movable", 1000, 9000);
	j = judge(f);
	assert_contains(must(j, "page-cache.high")->title, "8,002 times in 10 s");
	done(j, f);

	/* The same stalls with little cache are not the cache's fault. */
	f = healthy();
	counter2(f, "vmstat", "allocstall_movable", 1000, 9000);
	j = judge(f);
	must_not(j, "page-cache.high");
	done(j, f);

	f = healthy();
	meminfo_is(f, "Dirty", 300 * MI);
	j = judge(f);
	must_not(j, "page-cache.high");
	done(j, f);
}

static void test_shmem_high(void **state)
{
	struct facts *f = healthy();
	struct judged j;

	meminfo_is(f, "Shmem", 9 * GI);
	meminfo_is(f, "Cached", 10 * GI);
	meminfo_is(f, "MemFree", 2 * GI);
	scanned(f, 1);
	mount_is(f, 1, 1, 0, 1, "/", "/dev/shm");
	sample(f, cached_file(f, "tmpfs", "/big/segment", 8 * GI / 4096), 0, 8, 8 * GI / 4096);
	j = judge(f);
	const struct finding *n = must(j, "shmem.high");

	assert_string_equal(n->title,
			    "Shared memory holds 9 GiB of 16 GiB; 8 GiB of it is in /dev/shm/big");
	/* Half of memory, but there is room beside it. */
	assert_int_equal(n->severity, SEVERITY_INFO);
	must_not(j, "page-cache.high");
	model_destroy(j.m);
	findings_destroy(j.f);
	meminfo_is(f, "MemAvailable", 2 * GI);
	j = judge(f);
	assert_int_equal(must(j, "shmem.high")->severity, SEVERITY_WARNING);
	done(j, f);

	/* A database's buffers: a quarter of memory, with room beside it. */
	f = healthy();
	meminfo_is(f, "Shmem", 4 * GI);
	meminfo_is(f, "Cached", 6 * GI);
	meminfo_is(f, "MemFree", 6 * GI + 512 * MI);
	j = judge(f);
	must_not(j, "shmem.high");
	done(j, f);
}

static struct facts *small_files(unsigned files, uint64_t pages, const char *format)
{
	struct facts *f = healthy();
	char name[64];

	meminfo_is(f, "MemTotal", 24 * GI);
	meminfo_is(f, "MemFree", 18 * GI);
	scanned(f, 1)->pages_total = 6 << 20;
	mount_is(f, 1, 1, 0, 2, "/", "/");
	mount_is(f, 1, 2, 1, 1, "/", "/run/app");
	for (unsigned i = 0; i < files; i++) {
		snprintf(name, sizeof(name), format, i % 100, i);
		sample(f,
		       cached_file(f, "tmpfs", arena_strndup(f->arena, name, sizeof(name)), pages),
		       0, 8, pages);
	}
	return f;
}

static void test_small_files(void **state)
{
	struct facts *f = small_files(20000, 20, "/leak/%u.%u");
	struct judged j = judge(f);
	const struct finding *n = must(j, "shmem.small-files");

	assert_string_equal(n->title,
			    "20,000 small files under /run/app/leak hold 1.5 GiB of memory");
	assert_string_equal(n->scope_kind, "directory");
	assert_string_equal(n->scope_name, "/run/app/leak");
	assert_int_equal(j.f->count, 1);
	done(j, f);

	/* Spread over a hundred directories it is still one leak. */
	f = small_files(20000, 20, "/leak/%u/%u");
	j = judge(f);
	n = must(j, "shmem.small-files");
	assert_string_equal(n->scope_name, "/run/app/leak");
	assert_int_equal(j.f->count, 1);
	done(j, f);

	/* As many that hold next to nothing; few that are large. */
	f = small_files(20000, 1, "/leak/%u.%u");
	j = judge(f);
	must_not(j, "shmem.small-files");
	done(j, f);
	f = small_files(20, 20000, "/leak/%u.%u");
	j = judge(f);
	must_not(j, "shmem.small-files");
	done(j, f);
}

static void test_slabs(void **state)
{
	struct facts *f = healthy();
	struct fact_slab *s;
	struct judged j;

	meminfo_is(f, "SReclaimable", 6 * GI);
	meminfo_is(f, "MemFree", 4 * GI);
	s = ADD(f, slabs);
	s->name = "ext4_inode_cache";
	s->bytes = 5 * GI;
	s->objects = 4000000;
	s->reclaimable = 1;
	j = judge(f);
	const struct finding *n = must(j, "slab.reclaimable");

	assert_contains(n->title, "ext4_inode_cache");
	assert_int_equal(n->severity, SEVERITY_INFO);
	must_not(j, "slab.unreclaimable");
	done(j, f);

	f = healthy();
	meminfo_is(f, "SUnreclaim", 3 * GI);
	meminfo_is(f, "MemFree", 6 * GI + 512 * MI);
	f->counters.rows[0].first = f->counters.rows[0].last;
	s = ADD(f, slabs);
	s->name = "kmalloc-64";
	s->bytes = 2 * GI;
	s->bytes_first = 2 * GI - 64 * MI;
	s->objects = 33554432;
	s->reclaimable = 0;
	j = judge(f);
	n = must(j, "slab.unreclaimable");
	assert_contains(n->title, "2 GiB of it are kmalloc-64");
	assert_contains(n->because[1].text, "grew by 64 MiB");
	assert_contains(n->advice[0], "allocinfo");
	must_not(j, "slab.reclaimable");
	done(j, f);

	/* Small machines have a larger share of it. */
	f = healthy();
	meminfo_is(f, "MemTotal", 1 * GI);
	meminfo_is(f, "SUnreclaim", 150 * MI);
	meminfo_is(f, "SReclaimable", 200 * MI);
	j = judge(f);
	must_not(j, "slab.unreclaimable");
	must_not(j, "slab.reclaimable");
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
	done(j, f);
}

static void test_process_heap(void **state)
{
	struct facts *f = healthy();
	struct judged j;

	meminfo_is(f, "MemAvailable", 1200 * MI);
	meminfo_is(f, "MemFree", 1 * GI);
	meminfo_is(f, "AnonPages", 11 * GI);
	for (unsigned i = 0; i < 60; i++) {
		struct fact_process *p = ADD(f, processes);

		p->pid = 100 + i;
		p->comm = "php-fpm";
		p->heap_bytes = 150 * MI;
		p->heap_first_bytes = 149 * MI;
		p->shmem_bytes = 0;
	}
	j = judge(f);
	const struct finding *n = must(j, "memory.process-heap");

	assert_contains(n->title, "60 processes named php-fpm");
	assert_string_equal(n->scope_name, "php-fpm");
	done(j, f);

	/* A database that is most of the machine by design. */
	f = healthy();
	struct fact_process *p = ADD(f, processes);

	p->pid = 5;
	p->comm = "mysqld";
	p->heap_bytes = 11 * GI;
	p->shmem_bytes = 0;
	meminfo_is(f, "MemAvailable", 3 * GI);
	j = judge(f);
	must_not(j, "memory.process-heap");
	model_destroy(j.m);
	findings_destroy(j.f);
	/* A share that is little on a small machine is plenty on a large one. */
	p->heap_bytes = 224 * GI;
	meminfo_is(f, "MemTotal", 256 * GI);
	meminfo_is(f, "AnonPages", 225 * GI);
	meminfo_is(f, "MemAvailable", 22 * GI);
	j = judge(f);
	must_not(j, "memory.process-heap");
	done(j, f);
}

static void test_kernel_parts(void **state)
{
	struct facts *f = healthy();
	struct judged j;

	meminfo_is(f, "PageTables", 9 * GI);
	meminfo_is(f, "MemFree", 1 * GI);
	j = judge(f);
	assert_string_equal(must(j, "memory.kernel")->title, "Page tables hold 9 GiB of 16 GiB");
	done(j, f);

	f = healthy();
	meminfo_is(f, "Percpu", 2 * GI);
	meminfo_is(f, "MemFree", 8 * GI);
	j = judge(f);
	assert_contains(must(j, "memory.kernel")->title, "Per-CPU data");
	done(j, f);

	/* 10 % of a very small machine is the kernel's fixed cost. */
	f = healthy();
	meminfo_is(f, "MemTotal", 512 * MI);
	meminfo_is(f, "PageTables", 60 * MI);
	j = judge(f);
	must_not(j, "memory.kernel");
	done(j, f);
}

static void test_huge_pages(void **state)
{
	struct facts *f = healthy();
	struct judged j;

	meminfo_is(f, "Hugepagesize", 2 * MI);
	meminfo_is(f, "HugePages_Total", 5632);
	meminfo_is(f, "HugePages_Free", 5632);
	meminfo_is(f, "HugePages_Rsvd", 512);
	meminfo_is(f, "Hugetlb", 11 * GI);
	meminfo_is(f, "MemAvailable", 2 * GI);
	j = judge(f);
	assert_string_equal(must(j, "memory.huge-pages")->title,
			    "Huge pages that nobody uses hold 10 GiB of 16 GiB, and 2 GiB are "
			    "left");
	model_destroy(j.m);
	findings_destroy(j.f);
	/* Promised to a program that has not touched them yet. */
	meminfo_is(f, "HugePages_Rsvd", 5632);
	j = judge(f);
	must_not(j, "memory.huge-pages");
	model_destroy(j.m);
	findings_destroy(j.f);
	/* Idle, but there is room. */
	meminfo_is(f, "HugePages_Rsvd", 0);
	meminfo_is(f, "MemAvailable", 4 * GI);
	j = judge(f);
	must_not(j, "memory.huge-pages");
	done(j, f);
}

static void test_unaccounted(void **state)
{
	struct facts *f = healthy();
	struct judged j;

	meminfo_is(f, "MemFree", 5 * GI);
	meminfo_is(f, "MemAvailable", 8 * GI);
	j = judge(f);
	const struct finding *n = must(j, "memory.unaccounted");

	assert_int_equal(n->severity, SEVERITY_WARNING);
	done(j, f);

	/* What was not measured is not missing. */
	f = healthy();
	meminfo_is(f, "AnonPages", FACT_NONE);
	meminfo_is(f, "MemFree", 5 * GI);
	j = judge(f);
	must_not(j, "memory.unaccounted");
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
	assert_int_equal(n, 13);
	assert_string_equal(severity_name(SEVERITY_CRITICAL), "critical");
	assert_string_equal(confidence_name(CONFIDENCE_LOW), "low");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_healthy),
		cmocka_unit_test(test_large_cache_is_healthy),
		cmocka_unit_test(test_near_oom),
		cmocka_unit_test(test_near_oom_group),
		cmocka_unit_test(test_page_cache_container),
		cmocka_unit_test(test_page_cache_high),
		cmocka_unit_test(test_shmem_high),
		cmocka_unit_test(test_small_files),
		cmocka_unit_test(test_slabs),
		cmocka_unit_test(test_dying),
		cmocka_unit_test(test_process_heap),
		cmocka_unit_test(test_kernel_parts),
		cmocka_unit_test(test_huge_pages),
		cmocka_unit_test(test_unaccounted),
		cmocka_unit_test(test_partial),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_shell_words),
		cmocka_unit_test(test_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
