/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model_fixture.h"

#include <time.h>

#include "../../analyze/overlay.h"
#include "../../analyze/paths.h"

static struct paths *paths_of(const struct facts *f)
{
	struct paths *p = NULL;

	assert_int_equal(paths_create(&p, f, f->arena), 0);
	return p;
}

static struct fact_cache_file file_at(uint64_t minor, const char *path)
{
	return (struct fact_cache_file){.major = 8,
					.minor = minor,
					.ino = 7,
					.fstype = "ext4",
					.type = "reg",
					.state = "linked",
					.path = path,
					.rdev_major = FACT_NONE,
					.rdev_minor = FACT_NONE};
}

#define HOST(p, minor, path, expected)                                                             \
	do {                                                                                       \
		struct fact_cache_file file_ = file_at(minor, path);                               \
		assert_string_equal(paths_host(p, &file_), expected);                              \
	} while (0)

static void test_host(void **state)
{
	struct facts *f = no_facts();

	mount_is(f, 1, 20, 1, 1, "/", "/");
	mount_is(f, 1, 21, 20, 2, "/", "/data");
	mount_is(f, 1, 22, 20, 3, "/@home", "/home");
	mount_is(f, 1, 23, 20, 1, "/srv/www", "/export");
	mount_is(f, 1, 24, 20, 5, "/", "/hidden");
	mount_is(f, 1, 25, 24, 6, "/", "/hidden");
	struct paths *p = paths_of(f);

	HOST(p, 1, "/etc/passwd", "/etc/passwd");
	HOST(p, 1, "/", "/");
	HOST(p, 2, "/a/b", "/data/a/b");
	HOST(p, 2, "/", "/data");
	/* A root is a prefix on components only. */
	HOST(p, 3, "/@home/me/x", "/home/me/x");
	HOST(p, 3, "/@home2/me/x", "[8:3]/@home2/me/x");
	/* The longest root: the bind mount. */
	HOST(p, 1, "/srv/www/index.html", "/export/index.html");
	HOST(p, 1, "/srv/www", "/export");
	HOST(p, 1, "/srv/www2/x", "/srv/www2/x");
	/* A path that another mount hides is still the best there is for it. */
	HOST(p, 5, "/x", "/hidden/x");
	HOST(p, 6, "/x", "/hidden/x");
	HOST(p, 9, "/x", "[8:9]/x");
	facts_destroy(f);
}

/* The same file system twice, once below another mount: the path that can be typed wins, although
 * its root is shorter. */
static void test_overmounted(void **state)
{
	struct facts *f = no_facts();

	mount_is(f, 1, 1, 0, 1, "/", "/");
	mount_is(f, 1, 2, 1, 2, "/", "/mnt");
	mount_is(f, 1, 3, 1, 2, "/deep", "/deep");
	mount_is(f, 1, 4, 3, 3, "/", "/deep");
	struct paths *p = paths_of(f);

	HOST(p, 2, "/deep/x", "/mnt/deep/x");
	/* The lowest id of equals. */
	mount_is(f, 1, 6, 1, 7, "/", "/second");
	mount_is(f, 1, 5, 1, 7, "/", "/first");
	p = paths_of(f);
	HOST(p, 7, "/x", "/first/x");
	facts_destroy(f);
}

static void test_labels(void **state)
{
	struct facts *f = no_facts();
	struct fact_mount *m = mount_is(f, 1, 1, 0, 1, "/", "/");

	m->source = "/dev/vda1";
	mount_is(f, 4026532500, 50, 40, 9, "/", "/dev/shm");
	struct paths *p = paths_of(f);
	struct fact_cache_file x = file_at(9, "/seg");

	HOST(p, 9, "/seg", "[mnt:4026532500]/dev/shm/seg");
	assert_string_equal(paths_host(p, &x), "[mnt:4026532500]/dev/shm/seg");
	x.state = "unnamed";
	x.path = "memfd:heap";
	assert_string_equal(paths_host(p, &x), "[memfd:heap]");
	x.path = "/memfd:heap";
	assert_string_equal(paths_host(p, &x), "[memfd:heap]");
	x.path = "SYSV0000162e";
	assert_string_equal(paths_host(p, &x), "[SysV shm SYSV0000162e]");
	x.path = NULL;
	assert_string_equal(paths_host(p, &x), "[ext4 8:9 inode 7]");
	x.state = "unresolved";
	x.path = "";
	assert_string_equal(paths_host(p, &x), "[ext4 8:9 inode 7]");
	x.type = "blk";
	x.rdev_major = 8;
	x.rdev_minor = 1;
	assert_string_equal(paths_host(p, &x), "[block device 8:1 (/dev/vda1)]");
	x.rdev_minor = 77;
	assert_string_equal(paths_host(p, &x), "[block device 8:77]");
	x.rdev_major = FACT_NONE;
	assert_string_equal(paths_host(p, &x), "[block device, inode 7]");
	/* Deleted files keep the path they had; a mount's root that was deleted says so in
	 * mountinfo. */
	mount_is(f, 1, 60, 1, 12, "/gone//deleted", "/kept");
	p = paths_of(f);
	HOST(p, 12, "/gone/x", "/kept/x");
	facts_destroy(f);
}

static struct fact_mount *overlay(struct facts *f, uint64_t ns, uint64_t id, uint64_t parent,
				  const char *at, const char *options)
{
	struct fact_mount *m = mount_is(f, ns, id, parent, 100 + id, "/", at);

	m->fstype = "overlay";
	m->super_options = options;
	return m;
}

static void test_inside(void **state)
{
	struct facts *f = no_facts();

	mount_is(f, 1, 1, 0, 1, "/", "/");
	overlay(f, 1, 2, 1, "/run/c/rootfs",
		"rw,lowerdir=/l/2:/l/1,upperdir=/u/diff,workdir=/u/work");
	overlay(f, 99, 500, 400, "/", "rw,lowerdir=/l/2:/l/1,upperdir=/u/diff,workdir=/u/work");
	mount_is(f, 99, 501, 500, 1, "/var/lib/pods/vol", "/data");
	mount_is(f, 99, 502, 500, 33, "/", "/dev/shm");
	struct paths *p = paths_of(f);
	struct fact_cache_file x = file_at(1, "/u/diff/var/log/a.log");

	assert_string_equal(paths_inside(p, &x, paths_host(p, &x), 99), "/var/log/a.log");
	assert_string_equal(paths_overlay(p, "/u/diff/var/log/a.log"), "/var/log/a.log");
	assert_string_equal(paths_overlay(p, "/l/1/bin/sh"), "/bin/sh");
	assert_null(paths_overlay(p, "/l/12/bin/sh"));
	assert_null(paths_overlay(p, "/l"));
	/* The container has a mount over /data: that part of the overlay is not to be seen. */
	x = file_at(1, "/u/diff/data/x");
	assert_null(paths_inside(p, &x, paths_host(p, &x), 99));
	x = file_at(1, "/var/lib/pods/vol/db");
	assert_string_equal(paths_inside(p, &x, paths_host(p, &x), 99), "/data/db");
	x = file_at(1, "/var/lib/pods/vol2/db");
	assert_null(paths_inside(p, &x, paths_host(p, &x), 99));
	x = file_at(33, "/seg");
	assert_string_equal(paths_inside(p, &x, paths_host(p, &x), 99), "/dev/shm/seg");
	assert_string_equal(paths_host(p, &x), "[mnt:99]/dev/shm/seg");
	facts_destroy(f);
}

/* Seen from the host only, the mount's own name says that it is a container's root. */
static void test_overlay_of_host(void **state)
{
	struct facts *f = no_facts();

	mount_is(f, 1, 1, 0, 1, "/", "/");
	overlay(f, 1, 2, 1, "/var/lib/docker/overlay2/a/merged",
		"rw,lowerdir=/var/lib/docker/overlay2/l/AB:/var/lib/docker/overlay2/l/CD,"
		"upperdir=/var/lib/docker/overlay2/a/diff,workdir=/var/lib/docker/overlay2/a/work");
	overlay(f, 1, 3, 1, "/live", "lowerdir=/ro,upperdir=/rw,workdir=/w");
	struct paths *p = paths_of(f);

	assert_string_equal(paths_overlay(p, "/var/lib/docker/overlay2/a/diff/etc/x"), "/etc/x");
	/* docker's links: any layer beside them. */
	assert_string_equal(paths_overlay(p, "/var/lib/docker/overlay2/b/diff/bin/sh"), "/bin/sh");
	assert_null(paths_overlay(p, "/var/lib/docker/overlay2/b/work/x"));
	assert_string_equal(paths_overlay(p, "/rw/x"), "/live/x");
	facts_destroy(f);
}

static void test_overlay_options(void **state)
{
	struct facts *f = no_facts();
	struct overlay_layer l[8];

	assert_int_equal(
		overlay_layers(f->arena, "rw,lowerdir=/a\\:b:/c,d:/e/,upperdir=/u,index=off", l, 8),
		4);
	assert_true(l[0].upper);
	assert_string_equal(l[0].path, "/u");
	assert_string_equal(l[1].path, "/a:b");
	assert_string_equal(l[2].path, "/c,d");
	assert_string_equal(l[3].path, "/e");
	/* Relative to where containerd stood. */
	assert_int_equal(overlay_layers(f->arena,
					"lowerdir=12/fs:11/fs,upperdir=/s/13/fs,workdir=/s/13/work",
					l, 8),
			 3);
	assert_string_equal(l[1].path, "/s/12/fs");
	assert_string_equal(l[2].path, "/s/11/fs");
	assert_int_equal(overlay_layers(f->arena, "lowerdir+=/x:y,lowerdir+=/z,datadir+=/d", l, 8),
			 3);
	assert_string_equal(l[0].path, "/x:y");
	assert_int_equal(overlay_layers(f->arena, "lowerdir=/a::/b", l, 8), 2);
	assert_int_equal(overlay_layers(f->arena, "lowerdir=/1:/2:/3", l, 2), 2);
	for (const char *const *bad =
		     (const char *const[]){"", ",", "lowerdir=", "lowerdir=\\", "upperdir",
					   "lowerdir=a/b/c,upperdir=/x", ",,,=", NULL};
	     *bad; bad++)
		overlay_layers(f->arena, *bad, l, 8);
	facts_destroy(f);
}

/* Parents in a cycle, roots that are missing, ids that are all the same: no hang, and an answer. */
static void test_hostile(void **state)
{
	struct facts *f = no_facts();

	mount_is(f, 1, 10, 11, 1, "/", "/");
	mount_is(f, 1, 11, 10, 2, "/", "/");
	mount_is(f, 1, 12, 12, 3, "/", "/a");
	mount_is(f, 1, FACT_NONE, FACT_NONE, FACT_NONE, "", "");
	mount_is(f, 1, 12, 12, 3, "/", "/a");
	mount_is(f, 1, 14, 12, 4, "no-slash", "no-slash");
	mount_is(f, FACT_NONE, 1, 0, 5, NULL, NULL);
	struct paths *p = paths_of(f);

	HOST(p, 2, "/x", "/x");
	HOST(p, 3, "/x", "/a/x");
	char longest[20000];

	memset(longest, '/', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	struct fact_cache_file x = file_at(3, longest);

	assert_non_null(paths_host(p, &x));
	x.path = "relative";
	assert_string_equal(paths_host(p, &x), "[relative]");
	assert_null(paths_inside(p, &x, "[relative]", 1));
	facts_destroy(f);

	f = no_facts();
	p = paths_of(f);
	HOST(p, 1, "/x", "[8:1]/x");
	assert_int_equal(paths_host_namespace(p), FACT_NONE);
	facts_destroy(f);
}

/* 100,000 files against 2,000 mounts of the same file system, as on a node full of pods. */
static void test_fast(void **state)
{
	struct facts *f = no_facts();
	char text[128];
	struct timespec a, b;

	mount_is(f, 1, 1, 0, 1, "/", "/");
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(text, sizeof(text), "/var/lib/kubelet/pods/%u/vol", i);
		char *root = arena_strndup(f->arena, text, sizeof(text));

		snprintf(text, sizeof(text), "/run/mounts/%u", i);
		mount_is(f, 1, 2 + i, 1, 1, root, arena_strndup(f->arena, text, sizeof(text)));
	}
	struct paths *p = paths_of(f);

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(text, sizeof(text), "/var/lib/kubelet/pods/%u/vol/d%u/f%u", i % 4000, i,
			 i);
		struct fact_cache_file x = file_at(1, text);
		const char *path = paths_host(p, &x);

		if (i % 4000 < 2000)
			assert_memory_equal(path, "/run/mounts/", 12);
		else
			assert_string_equal(path, text);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	/* Takes some 0.1 s; ten times that under the sanitizers on a slow machine. */
	assert_true((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9 < 5);
	facts_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_overmounted),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_inside),
		cmocka_unit_test(test_overlay_of_host),
		cmocka_unit_test(test_overlay_options),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_fast),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
