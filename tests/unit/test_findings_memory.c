/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings about the machine as a whole and its processes. */
#include "findings_testing.h"

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
		p->threads = 3;
		p->cgroup = "/fpm";
		p->shmem_bytes = 0;
	}
	j = judge(f);
	const struct finding *n = must(j, "memory.process-heap");

	assert_contains(n->title, "60 processes named php-fpm");
	assert_string_equal(n->scope_name, "php-fpm");
	assert_contains(n->because[2].text, "grew by 60 MiB");
	assert_contains(n->because[3].text, "60 processes have 150 MiB on average and 180 threads");
	/* They are one row, with what they have together. */
	assert_int_equal(j.m->program_count, 1);
	assert_int_equal(j.m->programs[0].count, 60);
	assert_int_equal(j.m->programs[0].heap_bytes, 60 * 150 * MI);
	assert_string_equal(j.m->programs[0].cgroup, "/fpm");
	assert_true(j.m->programs[0].heap_grown == 60.0 * MI);
	assert_int_equal(j.m->programs[0].swap_bytes, FACT_NONE);
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

/* What is no program: kernel threads, what ended meanwhile; and the group a process is in. */
static void test_programs(void **state)
{
	struct facts *f = healthy();
	struct fact_cgroup *g = ADD(f, cgroups);
	static const struct {
		const char *comm, *cgroup;
		uint64_t heap, first, kernel, vanished;
	} rows[] = {
		{"a", "/app/worker", 5 * MI, 6 * MI, 0, 0},
		{"a", "/app", 7 * MI, FACT_NONE, 0, 0},
		{"a", "/app", 9 * MI, 9 * MI, 0, 1},
		{"kworker", "/", FACT_NONE, FACT_NONE, 1, 0},
		{"b", "/apple", 100 * MI, 1 * MI, 0, 0},
	};
	struct judged j;

	g->path = "/app";
	g->version = 2;
	for (size_t i = 0; i < 5; i++) {
		struct fact_process *p = ADD(f, processes);

		p->pid = i + 1;
		p->comm = rows[i].comm;
		p->cgroup = rows[i].cgroup;
		p->heap_bytes = rows[i].heap;
		p->heap_first_bytes = rows[i].first;
		p->kernel_thread = rows[i].kernel;
		p->vanished = rows[i].vanished;
	}
	j = judge(f);
	assert_int_equal(j.m->program_count, 2);
	assert_string_equal(j.m->programs[0].comm, "b");
	assert_int_equal(j.m->programs[1].count, 2);
	assert_int_equal(j.m->programs[1].heap_bytes, 12 * MI);
	assert_int_equal(j.m->programs[1].largest->pid, 2);
	assert_null(j.m->programs[1].cgroup);
	assert_true(j.m->programs[1].heap_grown == -1.0 * MI);
	for (size_t i = 0; i < j.m->process_count; i++) {
		const struct model_cgroup *of = j.m->process_cgroups[i];

		switch (j.m->processes[i]->pid) {
		case 1: /* the nearest group above it that is known */
		case 2:
			assert_non_null(of);
			assert_string_equal(of->path, "/app");
			break;
		case 5: /* not "/app", which its path only begins with */
			assert_null(of);
			break;
		default:
			break;
		}
	}
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

static const char *places_named(struct judged j)
{
	const struct finding *n = must(j, "memory.unaccounted");

	for (size_t i = 0; i < n->because_count; i++)
		if (!strcmp(n->because[i].ref, "#allocations"))
			return n->because[i].text;
	fail_msg("no place is named");
	return NULL;
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

	/* Where the kernel keeps account of who allocated: by allocinfo, else by page_owner,
	 * without what is counted elsewhere. */
	static const struct {
		const char *place, *function, *module;
		uint64_t bytes;
	} places[] = {
		{"page_owner", "new_slab", NULL, 9 * GI},
		{"page_owner", "filemap_alloc_folio_noprof", NULL, 8 * GI},
		{"page_owner", "do_anonymous_page", NULL, 7 * GI},
		{"page_owner", "leaky_fill", "leaky", 4 * GI},
		{"mm/filemap.c:1980", "__filemap_get_folio_noprof", NULL, 6 * GI},
		{"fs/pipe.c:500", "anon_pipe_write", NULL, 2 * GI},
		{"drivers/net/card.c:77", "card_refill", "card", GI},
		{"drivers/net/tiny.c:7", "tiny", NULL, MI},
	};

	f = healthy();
	meminfo_is(f, "MemFree", 5 * GI);
	meminfo_is(f, "MemAvailable", 8 * GI);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		struct fact_allocation *a = ADD(f, allocations);

		a->place = places[i].place;
		a->function = places[i].function;
		a->module = places[i].module;
		a->bytes = places[i].bytes;
	}
	j = judge(f);
	/* The pages of leaky_fill are among those of some line of allocinfo. */
	assert_contains(places_named(j),
			": card_refill (drivers/net/card.c:77, module card) 1 GiB");
	assert_null(strstr(places_named(j), "leaky"));
	assert_null(strstr(places_named(j), "tiny"));
	assert_int_equal(j.m->uncounted_count, 2);
	model_destroy(j.m);
	findings_destroy(j.f);
	f->allocations.count = 4; /* those of page_owner alone */
	j = judge(f);
	assert_contains(places_named(j), ": leaky_fill (page_owner, module leaky) 4 GiB");
	assert_int_equal(j.m->uncounted_count, 1);
	done(j, f);

	/* What was not measured is not missing. */
	f = healthy();
	meminfo_is(f, "AnonPages", FACT_NONE);
	meminfo_is(f, "MemFree", 5 * GI);
	j = judge(f);
	must_not(j, "memory.unaccounted");
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
	assert_contains(n->advice[1], "echo 3"); /* 2 leaves inodes with cached pages */
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

	/* One cache that holds what no healthy machine's does, long before slab is a tenth. */
	f = healthy();
	meminfo_is(f, "SUnreclaim", 700 * MI);
	meminfo_is(f, "MemFree", 9 * GI);
	s = ADD(f, slabs);
	s->name = "kmalloc-cg-4k";
	s->bytes = s->bytes_first = 512 * MI;
	s->objects = 131072;
	s->reclaimable = 0;
	j = judge(f);
	n = must(j, "slab.unreclaimable");
	assert_int_equal(n->severity, SEVERITY_INFO);
	assert_contains(n->title, "kmalloc-cg-4k holds 512 MiB (3% of memory)");
	assert_contains(n->advice[0], "allocinfo");
	done(j, f);
	f = healthy();
	s = ADD(f, slabs);
	s->name = "task_struct";
	s->bytes = 250 * MI;
	s->reclaimable = 0;
	s = ADD(f, slabs);
	s->name = "ext4_inode_cache";
	s->bytes = 900 * MI;
	s->reclaimable = 1;
	j = judge(f);
	must_not(j, "slab.unreclaimable");
	done(j, f);

	/* Not known which can be reclaimed, or more than all of them hold: nothing is said. */
	f = healthy();
	s = ADD(f, slabs);
	s->name = "dentry";
	s->bytes = 400 * MI;
	s->reclaimable = FACT_NONE;
	s = ADD(f, slabs);
	s->name = "task_struct";
	s->bytes = 900 * MI;
	s->reclaimable = 0;
	meminfo_is(f, "SUnreclaim", 450 * MI);
	meminfo_is(f, "MemFree", 9 * GI);
	j = judge(f);
	must_not(j, "slab.unreclaimable");
	done(j, f);
	f = healthy();
	s = ADD(f, slabs);
	s->name = "dentry";
	s->bytes = 2 * GI;
	s->objects = 10000000;
	s->reclaimable = FACT_NONE;
	meminfo_is(f, "SUnreclaim", 3 * GI);
	meminfo_is(f, "MemFree", 6 * GI + 512 * MI);
	j = judge(f);
	n = must(j, "slab.unreclaimable");
	assert_null(strstr(n->title, "dentry"));
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

static void dentries(struct facts *f, const char *fstype, const char *path, uint64_t positive,
		     uint64_t negative)
{
	struct fact_dentries *d = ADD(f, dentries);

	d->major = 8;
	d->minor = 1;
	d->fstype = fstype;
	d->path = path;
	d->positive = positive * 8;
	d->negative = negative * 8;
	d->truncated = 0;
}

/* A sample of 1,000 slabs: 20,000 names of two million. */
static struct facts *sampled_dentries(uint64_t negative)
{
	struct facts *f = healthy();
	struct fact_scan *s = scanned(f, 64);
	struct fact_slab *slab;

	f->slabs.rows[0].bytes = 400 * MI;
	slab = ADD(f, slabs);
	slab->name = "ext4_inode_cache";
	slab->bytes = 90 * MI;
	slab->reclaimable = 1;
	s->dentry_slabs = 1000;
	s->dentry_frames = 1500;
	s->dentry_objects = 20000 * 8;
	mount_is(f, 1, 1, 0, 1, "/", "/");
	counter2(f, "dentry-state", "nr_dentry", 2000000, 2000000);
	counter2(f, "dentry-state", "nr_unused", 1900000, 1900000);
	counter2(f, "dentry-state", "nr_negative", negative * 100, negative * 100);
	dentries(f, "ext4", "/var/spool/app/a", 0, negative / 2);
	dentries(f, "ext4", "/var/spool/app/b", 0, negative - negative / 2);
	dentries(f, "ext4", "/data/photos", 15000 - negative, 0);
	dentries(f, "ext4", "/usr/lib", 3000, 0);
	dentries(f, "proc", "/1", 1800, 0);
	dentries(f, "ext4", "", 200, 0);
	return f;
}

static void test_negative_dentries(void **state)
{
	struct facts *f = sampled_dentries(12000);
	struct judged j = judge(f);
	const struct finding *n = must(j, "slab.negative-dentries");

	assert_string_equal(n->title, "1,200,000 negative dentries hold 240 MiB; 100% of them are "
				      "names under /var/spool/app that were looked for and do not "
				      "exist");
	assert_string_equal(n->scope_name, "/var/spool/app");
	assert_int_equal(n->severity, SEVERITY_INFO);
	/* Whole trees: the root first, then what has most. */
	assert_string_equal(j.m->dentry_trees[0].path, "/");
	const struct model_dentry_tree *t = NULL;

	for (size_t i = 0; i < j.m->dentry_tree_count; i++)
		if (!strcmp(j.m->dentry_trees[i].path, "/var/spool/app"))
			t = &j.m->dentry_trees[i];
	assert_non_null(t);
	if (!t)
		abort();
	assert_true(fabs(t->dentries.bytes - 1200000) < 1);
	assert_true(t->dentries.low < 1200000 && t->dentries.low > 1100000);
	assert_true(fabs(t->negative.bytes - 1200000) < 1);
	assert_true(fabs(t->own) < 1);
	assert_true(fabs(t->bytes - 0.6 * 400.0 * MI) < 1);
	/* The inode cache follows the names that exist, and only those of its file system. */
	assert_int_equal(j.m->slab_cause_count, 2);
	assert_string_equal(j.m->slab_causes[0].path, "/var/spool/app");
	assert_string_equal(j.m->slab_causes[1].slab->name, "ext4_inode_cache");
	assert_string_equal(j.m->slab_causes[1].path, "/data/photos"); /* 3,000 of 6,200 */
	/* 95% of names and inodes are not in use. */
	assert_true(fabs(j.m->drop_slab_bytes - 0.95 * 400.0 * MI) <
		    0.1 * 90 * MI + 0.95 * 91 * MI);
	done(j, f);

	/* Fewer of them; or as many that are all over the tree. */
	f = sampled_dentries(6000);
	j = judge(f);
	must_not(j, "slab.negative-dentries");
	done(j, f);
	f = sampled_dentries(12000);
	for (size_t i = 0; i < 2; i++)
		f->dentries.rows[i].negative /= 6;
	for (unsigned i = 0; i < 10; i++)
		dentries(f, "ext4", arena_printf(f->arena, "/srv%u/x", i), 0, 1000);
	j = judge(f);
	must_not(j, "slab.negative-dentries");
	done(j, f);

	/* Without a sample of the slabs nobody knows where they are. */
	f = sampled_dentries(12000);
	f->dentries.count = 0;
	j = judge(f);
	must_not(j, "slab.negative-dentries");
	done(j, f);
}

/* Many names in use of a large cache: the finding says whose they are. */
static void test_slab_trees(void **state)
{
	struct facts *f = sampled_dentries(12000);
	struct judged j;
	bool named = false;

	meminfo_is(f, "SReclaimable", 6 * GI);
	meminfo_is(f, "MemFree", 4 * GI);
	f->slabs.rows[0].bytes = 5 * GI;
	j = judge(f);
	const struct finding *n = must(j, "slab.reclaimable");

	for (size_t i = 0; i < n->because_count; i++)
		named |= strstr(n->because[i].text, "60% of the names that dentry stands for are "
						    "under /var/spool/app, most of them names "
						    "that do not exist") != NULL;
	assert_true(named);
	done(j, f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_near_oom),   cmocka_unit_test(test_process_heap),
		cmocka_unit_test(test_programs),   cmocka_unit_test(test_kernel_parts),
		cmocka_unit_test(test_huge_pages), cmocka_unit_test(test_unaccounted),
		cmocka_unit_test(test_slabs),	   cmocka_unit_test(test_negative_dentries),
		cmocka_unit_test(test_slab_trees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
