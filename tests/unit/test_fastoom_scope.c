/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hierarchies, limits, pods and the machine's signals, over fake trees. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "capture/base/clock.h"
#include "capture/fastoom/pods.h"
#include "capture/fastoom/scope.h"
#include "tests/unit/fastoom_tree.h"

#define MIB (1ULL << 20)

static struct tree tree;
static struct machine machine;
static struct scope scope;
static char buf[16384];

static const char v1[] = "20 1 0:20 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
			 "21 1 0:21 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
			 "22 1 0:22 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
static const char v2[] = "20 1 0:20 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

static int setup(void **state)
{
	tree_open(&tree);
	tree_text(&tree, "sys/fs/cgroup/memory/x", "");
	tree_text(&tree, "sys/fs/cgroup/unified/cgroup.controllers", "cpu\n");
	return 0;
}

static int teardown(void **state)
{
	tree_close(&tree);
	return 0;
}

static void group(const char *path, bool two, const char *limit, unsigned long long usage,
		  unsigned long long inactive, unsigned long long active)
{
	char name[256], text[512];

	snprintf(name, sizeof(name), "%s/%s", path, two ? "memory.max" : "memory.limit_in_bytes");
	tree_text(&tree, name, limit);
	snprintf(name, sizeof(name), "%s/%s", path,
		 two ? "memory.current" : "memory.usage_in_bytes");
	snprintf(text, sizeof(text), "%llu\n", usage);
	tree_text(&tree, name, text);
	snprintf(name, sizeof(name), "%s/memory.stat", path);
	snprintf(text, sizeof(text),
		 two ? "anon 1\ninactive_file %llu\nactive_file %llu\n"
		     : "inactive_file 0\nactive_file 0\ntotal_inactive_file "
		       "%llu\ntotal_active_file %llu\n",
		 inactive, active);
	tree_text(&tree, name, text);
}

static void read_scope(void)
{
	assert_int_equal(
		scope_read(&scope, &machine, clock_ns(CLOCK_MONOTONIC), true, buf, sizeof(buf)), 0);
}

static void test_hierarchies(void **state)
{
	struct hierarchy h;
	struct err e = {0};
	char path[256];

	tree_text(&tree, "proc/self/mountinfo", v1);
	assert_int_equal(hierarchy_open(&h, &tree.root, &e), 0);
	assert_false(h.v2);
	assert_string_equal(h.mount, "/sys/fs/cgroup/memory");
	scope_path(&h, "/a/b", path);
	assert_string_equal(path, "/a/b");
	scope_path(&h, "a/b", path);
	assert_string_equal(path, "/a/b");
	scope_path(&h, "/sys/fs/cgroup/memory/a", path);
	assert_string_equal(path, "/a");
	scope_path(&h, "/sys/fs/cgroup/memoryless", path);
	assert_string_equal(path, "/sys/fs/cgroup/memoryless");
	hierarchy_close(&h);

	tree_text(&tree, "proc/self/mountinfo", v2);
	tree_text(&tree, "sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n");
	assert_int_equal(hierarchy_open(&h, &tree.root, &e), 0);
	assert_true(h.v2);
	hierarchy_close(&h);

	/* a name that only contains it is not the controller */
	tree_text(&tree, "sys/fs/cgroup/cgroup.controllers", "cpu memoryx\n");
	assert_int_equal(hierarchy_open(&h, &tree.root, &e), -ENOENT);
	tree_text(&tree, "proc/self/mountinfo", "garbage\n\n1 2 3\n");
	assert_int_equal(hierarchy_open(&h, &tree.root, &e), -ENOENT);
	assert_true(e.text[0]);
}

static void limits(bool two)
{
	const char *base = two ? "sys/fs/cgroup" : "sys/fs/cgroup/memory",
		   *none = two ? "max\n" : "9223372036854771712\n";
	struct hierarchy h;
	struct features f;
	struct err e = {0};
	char path[256];

	tree_text(&tree, "proc/self/mountinfo", two ? v2 : v1);
	tree_text(&tree, "sys/fs/cgroup/cgroup.controllers", "memory\n");
	assert_int_equal(hierarchy_open(&h, &tree.root, &e), 0);
	assert_int_equal(machine_open(&machine, &tree.root, &e), 0);
	assert_int_equal(machine_read(&machine, 1, true, buf, sizeof(buf)), 0);
	snprintf(path, sizeof(path), "%s/top", base);
	group(path, two, "268435456\n", 200 * MIB, 20 * MIB, 20 * MIB);
	snprintf(path, sizeof(path), "%s/top/mid", base);
	group(path, two, none, 150 * MIB, 0, 0);
	snprintf(path, sizeof(path), "%s/top/mid/leaf", base);
	group(path, two, none, 100 * MIB, 0, 0);

	/* no limit of its own: the ancestor's, and what the siblings use of it */
	assert_int_equal(scope_add_cgroup(&scope, 0, SCOPE_CGROUP, &h, "/top/mid/leaf", "x", &e),
			 0);
	read_scope();
	assert_int_equal(scope.total, 256 * MIB);
	/* inactive in full, active by half */
	assert_int_equal(scope.available, 256 * MIB - (200 - 30) * MIB);
	assert_string_equal(scope.proc_path, "/top/mid/leaf");

	/* lowered live; the leaf's own binds now */
	snprintf(path, sizeof(path), "%s/top/mid/leaf", base);
	group(path, two, "109051904\n", 100 * MIB, 0, 0);
	read_scope();
	assert_int_equal(scope.total, 104 * MIB);
	scope_features(&scope, &machine, &f);
	assert_true(fabs(f.available - 4.0 / 104) < 1e-6);
	/* another level binds: what was used before cannot be compared with what is used now */
	assert_false(f.consuming);
	assert_true(isinf(f.tte_s));
	scope_close(&scope);

	assert_true(scope_add_cgroup(&scope, 0, SCOPE_CGROUP, &h, "/none", "x", &e) < 0);
	assert_non_null(strstr(e.text, "/none"));
	hierarchy_close(&h);
	machine_close(&machine);
}

static void test_limits_v1(void **state)
{
	limits(false);
}

static void test_limits_v2(void **state)
{
	limits(true);
}

static void test_machine(void **state)
{
	struct features f;
	struct err e = {0};

	tree_text(&tree, "proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 1\n");
	tree_text(&tree, "proc/vmstat",
		  "workingset_refault_file 1000\nallocstall_normal 5\nallocstall_movable 5\n");
	tree_text(&tree, "proc/meminfo",
		  "MemTotal: 1000000 kB\nMemFree: 1 kB\nMemAvailable: 100000 kB\nActive(file): "
		  "50000 kB\n"
		  "Inactive(file): 45904 kB\nHugetlb: 500000 kB\nSwapTotal: 100 kB\nSwapFree: 50 "
		  "kB\n");
	assert_int_equal(machine_open(&machine, &tree.root, &e), 0);
	assert_int_equal(machine_read(&machine, NSEC_PER_SEC, true, buf, sizeof(buf)), 0);
	/* huge pages set aside are nobody's */
	assert_int_equal(machine.total, 500000 * 1024ULL);
	machine_features(&machine, &f);
	assert_true(f.busy < 0 && f.refault < 0 && f.stall < 0); /* not measured yet */
	assert_true(fabs(f.available - 0.2) < 1e-9);
	assert_true(fabs(f.swap_free - 0.5) < 1e-9);

	tree_text(&tree, "proc/stat", "cpu  100 0 130 850 20 0 0 0 0 0\n");
	tree_text(&tree, "proc/vmstat",
		  "workingset_refault_file 2000\nallocstall_normal 10\nallocstall_movable 5\n");
	tree_text(&tree, "proc/meminfo",
		  "MemTotal: 1000000 kB\nMemFree: 1 kB\nMemAvailable: 90000 kB\nActive(file): "
		  "50000 kB\n"
		  "Inactive(file): 45904 kB\nHugetlb: 500000 kB\nSwapTotal: 100 kB\nSwapFree: 50 "
		  "kB\n");
	assert_int_equal(machine_read(&machine, 2 * NSEC_PER_SEC, true, buf, sizeof(buf)), 0);
	machine_features(&machine, &f);
	assert_true(fabs(f.busy - 0.5) < 1e-9);
	assert_true(fabs(f.stall - 5) < 1e-9);
	assert_true(fabs(f.refault - 4096000.0 / (95904 * 1024 + 4194304)) < 1e-9);
	assert_true(f.consuming);
	/* 10,000 kB a second; 90,000 less 2% of 500,000 and 50 of swap are left */
	assert_true(fabs(f.tte_s - (90000 - 10000 + 50) / 10000.0) < 1e-6);

	/* counters going backwards, and the clock, too */
	tree_text(&tree, "proc/stat", "cpu  100 0 10 850 0 0 0 0 0 0\n");
	tree_text(&tree, "proc/vmstat", "workingset_refault_file 1\n");
	assert_int_equal(machine_read(&machine, 3 * NSEC_PER_SEC, true, buf, sizeof(buf)), 0);
	assert_int_equal(machine_read(&machine, NSEC_PER_SEC, true, buf, sizeof(buf)), 0);
	machine_features(&machine, &f);
	assert_true(f.busy <= 1 && f.refault <= 1 && f.stall <= 10);
	assert_true(f.tte_s >= 0);

	/* swapoff in the middle */
	tree_text(&tree, "proc/meminfo",
		  "MemTotal: 1000000 kB\nMemFree: 10 kB\nMemAvailable: 90000 kB\n"
		  "SwapTotal: 0 kB\nSwapFree: 0 kB\n");
	assert_int_equal(machine_read(&machine, 4 * NSEC_PER_SEC, true, buf, sizeof(buf)), 0);
	machine_features(&machine, &f);
	assert_true(f.swap_free == 0);
	tree_text(&tree, "proc/meminfo", "");
	assert_true(machine_read(&machine, 5 * NSEC_PER_SEC, true, buf, sizeof(buf)) < 0);
	machine_close(&machine);
}

static void test_pod_names(void **state)
{
	char ns[128], name[128], uid[PODS_UID];

	assert_true(pods_split("default_test-alinux-1_0a1b-22", ns, name, uid));
	assert_string_equal(ns, "default");
	assert_string_equal(name, "test-alinux-1");
	assert_string_equal(uid, "0a1b-22");
	assert_false(pods_split("default_x", ns, name, uid));
	assert_false(pods_split("_x_y", ns, name, uid));
	assert_false(pods_split("a_b_c_d", ns, name, uid));
	assert_true(pods_is_cgroup("pod0a1b-22", "0a1b-22"));
	assert_true(pods_is_cgroup("kubepods-burstable-pod0a1b_22.slice", "0a1b-22"));
	assert_false(pods_is_cgroup("pod0a1b-223", "0a1b-22"));
	assert_false(pods_is_cgroup("xpod0a1b-22", "0a1b-22"));
}

static void test_pods(void **state)
{
	static struct pods pods;
	static struct config c;
	static const char text[] = "[p]\nscope = pod:default/test-alinux-.*\n";
	struct hierarchy h;
	struct err e = {0};

	config_init(&c);
	assert_int_equal(config_parse(&c, text, strlen(text), "f", NULL, NULL, &e), 0);
	tree_text(&tree, "proc/self/mountinfo", v1);
	tree_text(&tree, "var/log/pods/default_test-alinux-1_aaaa-1/c/0.log", "");
	tree_text(&tree, "var/log/pods/default_test-alinux-2_bbbb-2/c/0.log", "");
	tree_text(&tree, "var/log/pods/default_gone-3_cccc-3/c/0.log", "");
	tree_text(&tree, "var/log/pods/kube-system_test-alinux-4_dddd-4/c/0.log", "");
	tree_text(&tree, "var/log/pods/default_test-alinux-5_eeee-5/c/0.log", "");
	tree_text(&tree, "sys/fs/cgroup/memory/kubepods/burstable/podaaaa-1/cgroup.procs", "");
	tree_text(&tree,
		  "sys/fs/cgroup/memory/tenant/kubepods.slice/kubepods-besteffort.slice/"
		  "kubepods-besteffort-podbbbb_2.slice/cgroup.procs",
		  "");
	tree_text(&tree, "sys/fs/cgroup/memory/kubepods/poddddd-4/cgroup.procs", "");
	assert_int_equal(hierarchy_open(&h, &tree.root, &e), 0);
	pods_find(&pods, &tree.root, &h, &c);
	/* 5 has left its directory behind, but has no cgroup any more */
	assert_int_equal(pods.n, 2);
	for (unsigned i = 0; i < 2; i++) {
		bool first = strcmp(pods.found[i].name, "default/test-alinux-1") == 0;

		assert_string_equal(pods.found[i].path,
				    first ? "/kubepods/burstable/podaaaa-1"
					  : "/tenant/kubepods.slice/kubepods-besteffort.slice/"
					    "kubepods-besteffort-podbbbb_2.slice");
	}
	hierarchy_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hierarchies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits_v1, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits_v2, setup, teardown),
		cmocka_unit_test_setup_teardown(test_machine, setup, teardown),
		cmocka_unit_test(test_pod_names),
		cmocka_unit_test_setup_teardown(test_pods, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
