/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files, groups and directories out of the scan's samples. */
#include "model_fixture.h"

#include "../../analyze/containers.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define UID "12345678-1234-1234-1234-123456789abc"

static void cache_cgroup(struct facts *f, uint64_t id, const char *state, const char *path)
{
	struct fact_cache_cgroup *c = ADD(f, cache_cgroups);

	c->cgroup = id;
	c->ino = 900 + id;
	c->state = state;
	c->path = path;
}

static struct fact_cgroup *cgroup_is(struct facts *f, const char *path, uint64_t usage,
				     uint64_t limit)
{
	struct fact_cgroup *g = ADD(f, cgroups);

	g->path = path;
	g->version = 2;
	g->usage_bytes = usage;
	g->limit_bytes = limit;
	return g;
}

static const struct model_cgroup *group(const struct model *m, const char *path, bool dying)
{
	for (size_t i = 0; i < m->cgroup_count; i++)
		if (!strcmp(m->cgroups[i].path, path) && m->cgroups[i].dying == dying)
			return &m->cgroups[i];
	return NULL;
}

static void test_containers(void **state)
{
	static const struct {
		const char *path, *id, *runtime, *uid;
	} cases[] = {
		{"/docker/" ID, ID, "docker", ""},
		{"/system.slice/docker-" ID ".scope", ID, "docker", ""},
		{"/system.slice/docker-" ID ".scope/init.scope", ID, "docker", ""},
		{"/kubepods/burstable/pod" UID "/" ID, ID, NULL, UID},
		{"/kubepods.slice/kubepods-burstable.slice/"
		 "kubepods-burstable-pod12345678_1234_1234_1234_"
		 "123456789abc.slice/cri-containerd-" ID ".scope",
		 ID, "containerd", UID},
		{"/kubepods.slice/kubepods-pod" UID ".slice/crio-" ID ".scope", ID, "cri-o", UID},
		{"/kubepods/pod" UID "/crio-" ID, ID, "cri-o", UID},
		{"/kubepods/pod" UID "/crio-conmon-" ID, "", NULL, UID},
		{"/machine.slice/libpod-" ID ".scope/container", ID, "podman", ""},
		{"/machine.slice/libpod-conmon-" ID ".scope", "", NULL, ""},
		{"/system.slice/containerd.service/kubepods-besteffort-pod12345678_1234_1234_1234_"
		 "123456789abc.slice:cri-containerd:" ID,
		 ID, "containerd", UID},
		{"/kubepods/pod" UID "/" ID "/docker/" ID2, ID2, "docker", UID},
		{"/lxc/web", "web", "lxc", ""},
		{"/lxc.payload.web/init", "web", "lxc", ""},
		{"/system.slice/ssh.service", "", NULL, ""},
		{"/podium/podcast", "", NULL, ""},
		{"/user.slice/0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF", "",
		 NULL, ""},
		{"", "", NULL, ""},
		{"////", "", NULL, ""},
		{"/:", "", NULL, ""},
		{"/docker-.scope", "", NULL, ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct container_path c;

		container_parse(cases[i].path, &c);
		assert_string_equal(c.id, cases[i].id);
		assert_string_equal(c.pod_uid, cases[i].uid);
		assert_true(!c.runtime == !cases[i].runtime);
		if (c.runtime)
			assert_string_equal(c.runtime, cases[i].runtime);
		assert_true(c.container_len <= strlen(cases[i].path));
	}
}

static void test_names_and_limits(void **state)
{
	struct facts *f = healthy();
	struct fact_container *c = ADD(f, containers);
	struct fact_cgroup *g;

	c->id = ID;
	c->runtime = "containerd";
	c->name = "api";
	c->namespace = "shop";
	c->pod = "api-7d9f";
	cgroup_is(f, "/kubepods/pod" UID, 500 * MI, 600 * MI);
	g = cgroup_is(f, "/kubepods/pod" UID "/" ID, 400 * MI, 800 * MI);
	g->inactive_file_bytes = 100 * MI;
	cgroup_is(f, "/kubepods/pod" UID "/" ID "/sub", 1 * MI, FACT_NONE);
	cgroup_is(f, "/docker/" ID2, 2 * MI, FACT_NONE);
	struct judged j = judge(f);
	const struct model_cgroup *m = group(j.m, "/kubepods/pod" UID "/" ID, false);

	assert_string_equal(m->name, "shop/api-7d9f/api");
	assert_string_equal(m->runtime, "containerd");
	/* The pod's limit is the lower one. */
	assert_int_equal(m->limit_bytes, 600 * MI);
	assert_int_equal(m->workingset_bytes, 300 * MI);
	m = group(j.m, "/kubepods/pod" UID, false);
	assert_string_equal(m->name, "shop/api-7d9f");
	assert_null(m->container);
	assert_int_equal(m->workingset_bytes, FACT_NONE);
	m = group(j.m, "/kubepods/pod" UID "/" ID "/sub", false);
	assert_int_equal(m->limit_bytes, 600 * MI);
	m = group(j.m, "/docker/" ID2, false);
	assert_string_equal(m->name, "fedcba987654");
	assert_string_equal(m->runtime, "docker");
	assert_string_equal(j.m->cgroups[0].path, "/kubepods/pod" UID); /* by usage */
	done(j, f);
}

static void test_exact_shares(void **state)
{
	struct facts *f = healthy();
	struct fact_scan *s = scanned(f, 1);

	s->meminfo_cached_before_bytes = 1000 * 4096;
	s->meminfo_cached_after_bytes = 1200 * 4096;
	mount_is(f, 1, 1, 0, 1, "/", "/");
	cgroup_is(f, "/a", 100 * MI, FACT_NONE);
	cache_cgroup(f, 1, "online", "/a");
	cache_cgroup(f, 2, "dying", "/a");
	cache_cgroup(f, 3, "online", "/b");
	uint64_t small = cached_file(f, "ext4", "/small", 10);
	uint64_t large = cached_file(f, "ext4", "/large", 1000);

	sample(f, small, 1, 0, 10);
	sample(f, large, 1, 1, 600);
	sample(f, large, 1, 2, 100);
	sample(f, large, 2, 0, 200);
	sample(f, large, 0, 0, 100);
	sample(f, 0, 3, 0, 5);	 /* of a file that did not fit in memory */
	sample(f, 999, 3, 0, 5); /* of a file that is not in the table */
	struct judged j = judge(f);

	assert_true(j.m->scan_exact);
	assert_string_equal(j.m->files[0].path, "/large");
	assert_int_equal(j.m->files[0].cached_bytes, 1000 * 4096);
	assert_true(j.m->files[0].active.bytes == 600 * 4096);
	assert_true(j.m->files[0].dirty.high == 100 * 4096);
	assert_int_equal(j.m->files[0].cgroup_count, 2);
	assert_string_equal(j.m->files[0].cgroups[0].cgroup->path, "/a");
	assert_false(j.m->files[0].cgroups[0].cgroup->dying);
	assert_true(j.m->files[0].cgroups[0].bytes.bytes == 700 * 4096);
	assert_true(j.m->files[0].cgroups[1].cgroup->dying);
	/* A restarted service: the group that is gone is not the one that is there. */
	assert_non_null(group(j.m, "/a", true));
	assert_true(group(j.m, "/a", true)->cached.bytes == 200 * 4096);
	assert_null(group(j.m, "/a", true)->fact);
	assert_true(group(j.m, "/a", false)->cached.bytes == 710 * 4096);
	assert_int_equal(group(j.m, "/a", false)->file_count, 2);
	assert_string_equal(group(j.m, "/a", false)->files[1].file->path, "/small");
	assert_true(group(j.m, "/b", false)->cached.bytes == 10 * 4096);
	assert_true(j.m->found_bytes == 1020 * 4096);
	assert_true(j.m->meminfo_bytes == 1100 * 4096);
	assert_true(j.m->residual_bytes == 80 * 4096 && j.m->residual_low == j.m->residual_high);
	assert_int_equal(j.m->dying_cgroups, 1);
	assert_true(j.m->dying_cached_bytes == 200 * 4096);
	done(j, f);
}

static void test_sampled_shares(void **state)
{
	struct facts *f = healthy();

	scanned(f, 64);
	cgroup_is(f, "/a", 100 * MI, FACT_NONE);
	cache_cgroup(f, 1, "online", "/a");
	uint64_t large = cached_file(f, "ext4", "/large", 64000);

	sample(f, large, 1, 1, 600);
	sample(f, large, 0, 0, 200);
	struct judged j = judge(f);
	const struct estimate *e = &j.m->files[0].cgroups[0].bytes;

	assert_false(j.m->scan_exact);
	assert_int_equal(j.m->files[0].cached_bytes, UINT64_C(64000) * 4096);
	/* Three quarters of what is known exactly. */
	assert_true(e->bytes == 48000.0 * 4096 && e->low < e->bytes && e->high > e->bytes);
	assert_true(e->low > 45000.0 * 4096 && e->high < 51000.0 * 4096);
	assert_true(j.m->found_bytes == 800.0 * 64 * 4096);
	assert_true(j.m->found_low < j.m->found_bytes && j.m->found_bytes < j.m->found_high);
	assert_true(j.m->not_seen_count > 0);
	done(j, f);
}

static void test_container_paths(void **state)
{
	struct facts *f = healthy();

	scanned(f, 1);
	mount_is(f, 1, 1, 0, 1, "/", "/");
	struct fact_mount *m = mount_is(f, 70, 500, 400, 50, "/", "/");

	m->fstype = "overlay";
	m->super_options = "rw,lowerdir=/l,upperdir=/u,workdir=/w";
	mount_is(f, 70, 501, 500, 1, "/volumes/v1", "/data");
	struct fact_process *p = ADD(f, processes);

	p->pid = 77;
	p->comm = "app";
	p->mntns = 70;
	p->cgroup = "/docker/" ID "/nested";
	cgroup_is(f, "/docker/" ID, 100 * MI, FACT_NONE);
	cache_cgroup(f, 1, "online", "/docker/" ID);
	sample(f, cached_file(f, "ext4", "/u/var/log/x.log", 300), 1, 0, 300);
	sample(f, cached_file(f, "ext4", "/volumes/v1/db", 200), 1, 0, 200);
	sample(f, cached_file(f, "ext4", "/etc/hosts", 100), 0, 0, 100);
	struct judged j = judge(f);

	assert_string_equal(j.m->files[0].path, "/u/var/log/x.log");
	assert_string_equal(j.m->files[0].container_path, "/var/log/x.log");
	assert_string_equal(j.m->files[1].path, "/volumes/v1/db");
	assert_string_equal(j.m->files[1].container_path, "/data/db");
	assert_null(j.m->files[2].container_path);
	done(j, f);
}

static void test_directories(void **state)
{
	struct facts *f = healthy();

	scanned(f, 1);
	mount_is(f, 1, 1, 0, 9, "/", "/");
	mount_is(f, 1, 2, 1, 1, "/", "/dev/shm");
	for (unsigned i = 0; i < 100; i++) {
		char name[32];

		snprintf(name, sizeof(name), "/leak/f%u[1]", i);
		sample(f,
		       cached_file(f, "tmpfs", arena_strndup(f->arena, name, sizeof(name)), i + 1),
		       0, 8, i + 1);
	}
	cached_file(f, "tmpfs", "/leak/empty", 0);
	uint64_t id = cached_file(f, "tmpfs", "/alone", 7);

	f->cache_files.rows[id - 1].state = "deleted";
	sample(f, id, 0, 8, 7);
	id = cached_file(f, "tmpfs", "memfd:a/b", 9);
	f->cache_files.rows[id - 1].state = "unnamed";
	sample(f, id, 0, 8, 9);
	sample(f, cached_file(f, "ext4", "/not/shmem", 5000), 0, 0, 5000);
	struct judged j = judge(f);

	assert_int_equal(j.m->shm_directory_count, 3);
	assert_string_equal(j.m->shm_directories[0].path, "/dev/shm/leak");
	assert_int_equal(j.m->shm_directories[0].files, 100);
	assert_int_equal(j.m->shm_directories[0].bytes, 5050 * 4096);
	assert_int_equal(j.m->shm_directories[0].largest_bytes, 100 * 4096);
	assert_string_equal(j.m->shm_directories[1].path, "[memfd:a/b]");
	assert_string_equal(j.m->shm_directories[2].path, "/dev/shm");
	assert_int_equal(j.m->shm_directories[2].deleted, 1);
	assert_int_equal(j.m->shmem_bytes, 5066 * 4096);
	done(j, f);
}

/* A sampled scan finds a part of many small files; the roll-up stands for all of them. */
static void test_directories_sampled(void **state)
{
	struct facts *f = healthy();
	uint64_t x = 88172645463325252, pages = 0, at = 0;

	scanned(f, 16);
	mount_is(f, 1, 2, 1, 1, "/", "/dev/shm");
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t n = 1 + i % 40, hits = 0;

		/* Contiguous, one page of each 16 drawn. */
		for (uint64_t k = 0; k < n; k++, at++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			hits += x % 16 == 0;
		}
		pages += n;
		if (!hits)
			continue;
		char name[32];

		snprintf(name, sizeof(name), "/leak/f%u", i);
		sample(f, cached_file(f, "tmpfs", arena_strndup(f->arena, name, sizeof(name)), n),
		       0, 8, hits);
	}
	struct judged j = judge(f);
	const struct model_directory *d = &j.m->shm_directories[0];

	assert_int_equal(j.m->shm_directory_count, 1);
	assert_true(f->cache_files.count < 15000);
	assert_true(d->files > 18500 && d->files < 21500);
	assert_true(d->files_interval.low <= 20000 && d->files_interval.high >= 20000);
	assert_true((double)d->bytes > 0.97 * (double)pages * 4096 &&
		    (double)d->bytes < 1.03 * (double)pages * 4096);
	assert_non_null(find_finding(j, "shmem.small-files"));
	assert_contains(find_finding(j, "shmem.small-files")->title, "About ");
	done(j, f);
}

/* Where a file system is known: a mount of all of it, the shortest, of the host. */
static void test_file_systems(void **state)
{
	struct facts *f = no_facts();
	struct model *m;

	scanned(f, 1);
	for (uint64_t i = 0; i < 4; i++) {
		cached_file(f, "ext4", "/x", 10 - i);
		f->cache_files.rows[i].minor = i < 2 ? 1 : i;
		sample(f, i + 1, 0, 0, 10 - i);
	}
	mount_is(f, 1, 1, 0, 1, "/data/of/one", "/s");
	mount_is(f, 1, 2, 1, 1, "/", "/longer/than/that");
	mount_is(f, 1, 3, 1, 1, "/", "/mnt");
	mount_is(f, 7, 4, 1, 1, "/", "/c"); /* a container's */
	mount_is(f, 1, 5, 1, 2, "/part", "/bound");
	mount_is(f, 7, 6, 1, 3, "/", "/only/there");
	assert_int_equal(model_create(&m, f), 0);
	assert_int_equal(m->file_system_count, 3);
	assert_true(m->file_systems[0].bytes.bytes == 19 * 4096);
	assert_true(m->file_systems[0].files.bytes == 2);
	assert_string_equal(m->file_systems[0].mountpoint, "/mnt");
	assert_string_equal(m->file_systems[1].mountpoint, "/bound");
	assert_null(m->file_systems[2].mountpoint);
	model_destroy(m);
	facts_destroy(f);
}

static void test_not_seen(void **state)
{
	struct facts *f = healthy();
	struct judged j;

	f->collectors.rows[6].status = "denied";
	f->collectors.rows[6].reason = "/proc/kcore: Operation not permitted";
	f->slabs.count = 0;
	j = judge(f);
	bool files = false, slabs = false;

	for (size_t i = 0; i < j.m->not_seen_count; i++) {
		files |= !strcmp(j.m->not_seen[i].what, "which files fill the page cache") &&
			 strstr(j.m->not_seen[i].why, "/proc/kcore");
		slabs |= strstr(j.m->not_seen[i].what, "slab") != NULL;
	}
	assert_true(files && slabs);
	done(j, f);
}

static bool unseen_because(const struct model *m, const char *why)
{
	for (size_t i = 0; i < m->not_seen_count; i++)
		if (strstr(m->not_seen[i].why, why))
			return true;
	return false;
}

/* A collector may be content and have lost something all the same. */
static void test_losses_are_not_seen(void **state)
{
	struct facts *f = healthy();
	struct judged j;

	f->collectors.rows[1].dropped = 2;
	f->collectors.rows[1].loss = "slab caches beyond the bound: 2";
	j = judge(f);
	assert_true(unseen_because(j.m, "lost: slab caches beyond the bound: 2"));
	done(j, f);
}

static void test_unverified_is_not_unseen(void **state)
{
	struct facts *f = healthy();
	struct judged j;

	f->collectors.count = 0;
	f->containers.count = 0;
	f->archive.rows[0].has_manifest = 0;
	f->archive.rows[0].cut = 1;
	j = judge(f);
	assert_true(unseen_because(j.m, "read but not verified"));
	for (size_t i = 0; i < j.m->not_seen_count; i++)
		assert_string_not_equal(j.m->not_seen[i].what, "the kernel's memory counters");
	done(j, f);
}

/* Ids that repeat, point nowhere, or are as large as can be; sizes that overflow. */
static void test_hostile(void **state)
{
	struct facts *f = healthy();
	static const uint64_t odd[] = {0, 1, 2, FACT_NONE - 1, FACT_NONE, UINT64_C(1) << 63};

	scanned(f, 1);
	for (size_t i = 0; i < 6; i++)
		for (size_t k = 0; k < 6; k++) {
			uint64_t id = cached_file(f, "tmpfs", i % 2 ? "/x/y" : NULL, odd[k]);

			f->cache_files.rows[id - 1].file = odd[i];
			sample(f, odd[i], odd[k], odd[k], odd[i]);
			cache_cgroup(f, odd[i], i % 2 ? "dying" : NULL, k % 2 ? "/x" : NULL);
			struct fact_cgroup *g = cgroup_is(f, i % 2 ? "/x" : "", odd[i], odd[k]);

			g->file_bytes = g->inactive_file_bytes = odd[k];
			g->dying_descendants = odd[i];
		}
	for (size_t i = 0; i < 6; i++) {
		struct judged j;

		f->scan.rows[0].one_in = odd[i];
		j = judge(f);
		findings_destroy(j.f);
		model_destroy(j.m);
		f->scan.rows[0].one_in = 3;
		f->scan.rows[0].pages_total = odd[i];
		j = judge(f);
		findings_destroy(j.f);
		model_destroy(j.m);
		f->scan.rows[0].strata_done = odd[i];
		j = judge(f);
		findings_destroy(j.f);
		model_destroy(j.m);
		f->scan.rows[0].strata_done = 5;
	}
	facts_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_names_and_limits),
		cmocka_unit_test(test_exact_shares),
		cmocka_unit_test(test_sampled_shares),
		cmocka_unit_test(test_container_paths),
		cmocka_unit_test(test_directories),
		cmocka_unit_test(test_directories_sampled),
		cmocka_unit_test(test_file_systems),
		cmocka_unit_test(test_not_seen),
		cmocka_unit_test(test_losses_are_not_seen),
		cmocka_unit_test(test_unverified_is_not_unseen),
		cmocka_unit_test(test_hostile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
