/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings about the page cache and shared memory. */
#include "findings_testing.h"

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
	const struct finding *stuck = must(j, "page-cache.high");

	assert_contains(stuck->title, "cannot be given back");
	for (size_t i = 0; i < stuck->advice_count; i++)
		assert_null(strstr(stuck->advice[i], "drop_caches"));
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

/* Who has shared memory, how much of it is in swap, how old it is. */
static void test_shm_owners(void **state)
{
	struct facts *f = healthy();
	struct fact_cache_file *c;
	struct fact_process *p;
	struct fact_shm_map *map;
	struct fact_shm *s;
	struct judged j;

	scanned(f, 1);
	mount_is(f, 1, 1, 0, 1, "/", "/dev/shm");
	sample(f, cached_file(f, "tmpfs", "SYSV00000000", 100), 0, 8, 100);
	c = &f->cache_files.rows[0];
	c->state = "unnamed";
	c->major = 0;
	c->ino = 7;
	c->size = 1 * MI;
	sample(f, cached_file(f, "tmpfs", "/dir/old", 256), 0, 8, 256);
	sample(f, cached_file(f, "tmpfs", "/dir/new", 256), 0, 8, 256);
	f->cache_files.rows[1].mtime = 1000;
	f->cache_files.rows[1].blocks = 512 * 8; /* 256 pages more are in swap */
	f->cache_files.rows[2].mtime = 5000;
	f->cache_files.rows[2].blocks = 256 * 8;
	s = ADD(f, shm);
	s->shmid = 7;
	s->size = 1 * MI;
	s->cpid = 50;
	s->nattch = 2;
	s->swap_bytes = 64 << 10;
	p = ADD(f, processes);
	p->pid = 50;
	p->comm = "postgres";
	p = ADD(f, processes);
	p->pid = 51;
	p->comm = "worker";
	for (unsigned i = 0; i < 2; i++) {
		map = ADD(f, shm_maps);
		map->pid = 50 + i;
		map->major = 0;
		map->minor = 1;
		map->ino = 7;
		map->bytes = (i + 1) * MI;
	}
	j = judge(f);
	for (size_t i = 0; i < j.m->file_count; i++) {
		const struct model_file *file = &j.m->files[i];

		if (file->fact->ino == 7) {
			assert_ptr_equal(file->segment, s);
			assert_string_equal(file->maker->comm, "postgres");
			assert_string_equal(file->mapper->comm, "worker");
			assert_int_equal(file->mappers, 2);
			assert_int_equal(file->swapped_bytes, 64 << 10);
		} else {
			assert_null(file->segment);
			assert_null(file->mapper);
		}
	}
	assert_string_equal(j.m->shm_directories[0].path, "/dev/shm/dir");
	assert_int_equal(j.m->shm_directories[0].oldest, 1000);
	assert_int_equal(j.m->shm_directories[0].swapped_bytes, 1 * MI);
	/* Attached, and small: nothing to say. */
	must_not(j, "shmem.unattached");
	done(j, f);
}

static void test_shm_unattached(void **state)
{
	struct facts *f = healthy();
	struct fact_process *p = ADD(f, processes);
	struct judged j;

	p->pid = 50;
	p->comm = "postgres";
	for (unsigned i = 0; i < 5; i++) {
		struct fact_shm *s = ADD(f, shm);

		s->shmid = i;
		s->size = 1 * GI;
		s->cpid = i == 3 ? 50 : 1000 + i;
		s->nattch = i == 4; /* the last one is in use */
		s->rss_bytes = i * 100 * MI;
		s->swap_bytes = i == 2 ? 10 * MI : 0;
	}
	j = judge(f);
	const struct finding *n = must(j, "shmem.unattached");

	assert_string_equal(n->title, "4 System V shared memory segments that nobody is attached "
				      "to hold 610 MiB");
	assert_string_equal(n->because[0].text, "shmid 3 has 300 MiB, made by pid 50 (postgres)");
	assert_string_equal(n->because[1].text, "shmid 2 has 210 MiB, in swap of it 10 MiB, made "
						"by pid 1002, which is gone");
	assert_contains(n->advice[0], "ipcrm -m 3");
	model_destroy(j.m);
	findings_destroy(j.f);
	for (size_t i = 0; i < f->shm.count; i++)
		f->shm.rows[i].nattch = 1;
	j = judge(f);
	must_not(j, "shmem.unattached");
	done(j, f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page_cache_container), cmocka_unit_test(test_page_cache_high),
		cmocka_unit_test(test_shmem_high),	     cmocka_unit_test(test_small_files),
		cmocka_unit_test(test_shm_owners),	     cmocka_unit_test(test_shm_unattached),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
