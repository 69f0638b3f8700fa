/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who goes first and who never, over fake /proc trees. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "capture/base/clock.h"
#include "capture/fastoom/choice.h"
#include "tests/unit/fastoom_tree.h"

#define SELF 900

static struct tree tree;
static struct chooser chooser;
static struct readers readers;
static struct config config;
static struct scope scope;
static struct choice choice;

static int setup(void **state)
{
	struct err e = {0};

	tree_open(&tree);
	memset(&config, 0, sizeof(config));
	config_init(&config);
	config_policy(&config, "p")->scope_set = true;
	scope_node(&scope, 0);
	readers_init(&readers, tree.root.proc_fd, false);
	tree_process(&tree, &(struct fake){.pid = 1, .mib = 800, .comm = "init"});
	tree_process(&tree, &(struct fake){.pid = 800, .ppid = 1, .mib = 700, .comm = "shell"});
	tree_process(&tree,
		     &(struct fake){.pid = SELF, .ppid = 800, .mib = 600, .comm = "fastoom"});
	assert_int_equal(chooser_init(&chooser, &tree.root, &readers, SELF), 0);
	(void)e;
	return 0;
}

static int teardown(void **state)
{
	close(chooser.proc_dir);
	tree_close(&tree);
	return 0;
}

static void run(uint64_t need)
{
	assert_int_equal(choose(&chooser, &config, &scope, need, 1024 * MIB, &choice), 0);
}

static void avoid(const char *pattern)
{
	assert_int_equal(config_pattern(&config, config.policies[0].avoid,
					&config.policies[0].n_avoid, pattern, NULL),
			 0);
}

static void prefer(const char *pattern)
{
	assert_int_equal(config_pattern(&config, config.policies[0].prefer,
					&config.policies[0].n_prefer, pattern, NULL),
			 0);
}

static void test_order(void **state)
{
	tree_process(&tree, &(struct fake){.pid = 10, .mib = 500, .comm = "big"});
	tree_process(&tree, &(struct fake){.pid = 11, .mib = 50, .comm = "logger"});
	tree_process(&tree, &(struct fake){.pid = 12, .mib = 20, .comm = "side1", .adj = 999});
	tree_process(&tree, &(struct fake){.pid = 13, .mib = 40, .comm = "side2", .adj = 1000});
	tree_process(&tree, &(struct fake){.pid = 14, .mib = 300, .comm = "second", .adj = 500});
	tree_process(&tree,
		     &(struct fake){.pid = 15, .mib = 60, .comm = "x", .cmdline = "java -jar a"});
	prefer("^logger$");
	prefer("java");
	run(100 * MIB);
	assert_int_equal(choice.n, 6);
	assert_int_equal(choice.top[0].pid, 13); /* 999 first, the larger before */
	assert_int_equal(choice.top[1].pid, 12);
	assert_int_equal(choice.top[2].pid, 11); /* then as preferred, however small */
	assert_int_equal(choice.top[3].pid, 15);
	assert_int_equal(choice.top[4].pid, 10); /* then by heap */
	assert_int_equal(choice.top[5].pid, 14);
	assert_int_equal(choice.top[4].heap, 500 * MIB);
}

static void test_never(void **state)
{
	tree_process(&tree,
		     &(struct fake){.pid = 2, .mib = 90, .flags = 0x200000, .comm = "kthreadd"});
	tree_process(&tree,
		     &(struct fake){.pid = 20, .mib = 90, .flags = 0x200000, .comm = "kworker"});
	tree_process(&tree, &(struct fake){.pid = 21, .mib = 90, .adj = -1000, .comm = "sshd"});
	tree_process(&tree, &(struct fake){.pid = 22,
					   .mib = 90,
					   .comm = "python3",
					   .cmdline = "python3 /srv/service.py"});
	tree_process(&tree,
		     &(struct fake){
			     .pid = 23, .mib = 90, .comm = "vi", .cmdline = "vi /srv/service.py"});
	tree_process(&tree, &(struct fake){.pid = 24, .mib = 90, .comm = "gone", .flags = 4});
	tree_process(&tree, &(struct fake){.pid = 25, .mib = 90, .comm = "pending"});
	tree_process(&tree,
		     &(struct fake){
			     .pid = 26, .mib = 90, .comm = "ingroup", .cgroup = "/kubepods/keep"});
	tree_process(&tree, &(struct fake){.pid = 27, .mib = 90, .comm = "goes"});
	chooser.excluded[0].pid = 25;
	chooser.n_excluded = 1;
	avoid("service\\.py");
	avoid("^/kubepods/keep");
	run(100 * MIB);
	assert_int_equal(choice.n, 1);
	assert_int_equal(choice.top[0].pid, 27);
	/* the allowlist is hard, also for who has the name in an argument only */
	assert_int_equal(choice.not_counts[NOT_AVOID], 3);
	assert_int_equal(choice.not_counts[NOT_PROTECTED], 1);
	assert_int_equal(choice.not_counts[NOT_SELF], 3); /* init, the shell, the guard */
	assert_int_equal(choice.not_counts[NOT_DYING], 1);
	assert_int_equal(choice.not_counts[NOT_LEAVING], 1);
	assert_int_equal(choice.spared.pid, 1);
}

static void test_odd_names(void **state)
{
	static const char *const comms[] = {"a) R 1 (b", "new\nline", "",
					    ")))",	 "((",	      "\xff\xfe\x80"};

	for (int i = 0; i < 6; i++)
		tree_process(&tree, &(struct fake){.pid = 30 + i,
						   .mib = 100 + (unsigned)i,
						   .comm = comms[i][0] ? comms[i] : ""});
	run(10 * MIB);
	assert_int_equal(choice.n, 6);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(choice.top[i].pid, 35 - i);
		assert_string_equal(choice.top[i].comm, comms[5 - i]);
	}
	avoid("^a\\) R 1 \\(b$");
	run(10 * MIB);
	assert_int_equal(choice.n, 5);
}

static void test_worth_floor(void **state)
{
	tree_process(&tree, &(struct fake){.pid = 40, .mib = 15, .comm = "small"});
	tree_process(&tree, &(struct fake){.pid = 41, .mib = 17, .comm = "enough"});
	tree_process(&tree, &(struct fake){.pid = 42, .mib = 5, .comm = "side", .adj = 999});
	tree_process(&tree, &(struct fake){.pid = 43, .mib = 0, .comm = "nothing", .adj = 999});
	run(10 * MIB);
	assert_int_equal(choice.n, 2);
	assert_int_equal(choice.top[0].pid, 42);
	assert_int_equal(choice.top[1].pid, 41);
	/* who wants much looks for the large */
	run(512 * MIB);
	assert_int_equal(choice.n, 1);
	assert_int_equal(worth_floor(0, 1ULL << 40), 16 * MIB);
	assert_int_equal(worth_floor(0, 64 * MIB), 2 * MIB);
	assert_int_equal(worth_floor(1600 * MIB, 1ULL << 40), 100 * MIB);
}

static void test_zombie_leader(void **state)
{
	char text[64];

	tree_process(&tree,
		     &(struct fake){.pid = 50, .state = 'Z', .threads = 2, .comm = "leader"});
	tree_process(&tree, &(struct fake){.pid = 51, .state = 'Z', .threads = 1, .comm = "dead"});
	tree_text(&tree, "proc/50/task/50/statm", "0 0 0 0 0 0 0\n");
	snprintf(text, sizeof(text), "%d %d 0 0 0 0 0\n", 300 * 256, 200 * 256);
	tree_text(&tree, "proc/50/task/52/statm", text);
	run(10 * MIB);
	assert_int_equal(choice.n, 1);
	assert_int_equal(choice.top[0].pid, 50);
	assert_int_equal(choice.top[0].heap, 200 * MIB);
}

static void test_confirm(void **state)
{
	struct identity id;
	struct spared why;
	struct candidate v;

	tree_process(&tree, &(struct fake){.pid = 60,
					   .mib = 100,
					   .start = 7,
					   .comm = "job",
					   .cmdline = "job --all",
					   .cgroup = "/a/b"});
	run(10 * MIB);
	assert_int_equal(choice.n, 1);
	v = choice.top[0];
	assert_int_equal(confirm(&chooser, &v, &id, &why), 0);
	assert_string_equal(id.cmdline, "job --all");
	assert_string_equal(id.cgroup, "/a/b");
	/* the number in other hands */
	tree_process(&tree, &(struct fake){.pid = 60, .mib = 100, .start = 8, .comm = "other"});
	assert_int_equal(confirm(&chooser, &v, &id, &why), -ESRCH);
	/* the same, but renamed into the allowlist meanwhile */
	tree_process(&tree, &(struct fake){.pid = 60, .mib = 100, .start = 7, .comm = "precious"});
	avoid("^precious$");
	assert_int_equal(confirm(&chooser, &v, &id, &why), -EPERM);
	assert_int_equal(why.why, NOT_AVOID);
	/* moved out of the scope */
	config.policies[0].n_avoid = 0;
	scope.kind = SCOPE_CGROUP;
	snprintf(scope.proc_path, sizeof(scope.proc_path), "/a/b");
	tree_process(&tree, &(struct fake){.pid = 60, .mib = 100, .start = 7, .cgroup = "/a/bc"});
	assert_int_equal(confirm(&chooser, &v, &id, &why), -ESRCH);
	tree_process(&tree, &(struct fake){.pid = 60, .mib = 100, .start = 7, .cgroup = "/a/b/c"});
	assert_int_equal(confirm(&chooser, &v, &id, &why), 0);
}

static void test_pid1_of_a_pod(void **state)
{
	tree_process(&tree, &(struct fake){.pid = 70, .mib = 100, .comm = "entry", .nspid = "1"});
	tree_process(&tree, &(struct fake){.pid = 71, .mib = 90, .comm = "child", .nspid = "11"});
	run(10 * MIB);
	assert_int_equal(choice.top[0].pid, 70);
	config.policies[0].spare_pid1 = true;
	run(10 * MIB);
	assert_int_equal(choice.n, 1);
	assert_int_equal(choice.top[0].pid, 71);
	assert_int_equal(choice.not_counts[NOT_PID1], 1);
}

/* A group and those below it, cgroup.procs and all; one process in two places is counted once. */
static void test_group_walk(void **state)
{
	tree_text(&tree, "g/cgroup.procs", "80\n0\n81\n");
	tree_text(&tree, "g/a/cgroup.procs", "82\n80\n");
	tree_text(&tree, "g/a/b/cgroup.procs", "83");
	for (int pid = 80; pid < 86; pid++)
		tree_process(&tree, &(struct fake){.pid = pid, .mib = 100, .comm = "m"});
	scope.kind = SCOPE_CGROUP;
	scope.dir = openat(tree.root.root_fd, "g", O_RDONLY | O_DIRECTORY);
	run(10 * MIB);
	close(scope.dir);
	/* 83 is not followed by a newline: the kernel never writes that, so it was cut */
	assert_int_equal(choice.n, 3);
	assert_int_equal(choice.eligible_heap, 300 * MIB);
}

static void test_many(void **state)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 30000; i++)
		tree_process(&tree, &(struct fake){.pid = 1000 + i,
						   .comm = "p",
						   .mib = i % 300 == 0 ? 20 : 0,
						   .cmdline = "/usr/bin/p --number"});
	tree_process(&tree, &(struct fake){.pid = 20000, .mib = 400, .comm = "hog"});
	avoid("never-this-one");
	for (int i = 0; i < 3; i++) {
		run(100 * MIB);
		if (choice.took_ns < best)
			best = choice.took_ns;
	}
	assert_int_equal(choice.top[0].pid, 20000);
	assert_int_equal(choice.n, CHOICE_MAX);
	assert_true(choice.seen >= 30000);
	print_message("# 30,000 processes: a choice in %.1f ms\n", (double)best / 1e6);
	assert_true(best < 2000 * NSEC_PER_MSEC); /* sanitizers; bench has the real figure */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_worth_floor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zombie_leader, setup, teardown),
		cmocka_unit_test_setup_teardown(test_confirm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pid1_of_a_pod, setup, teardown),
		cmocka_unit_test_setup_teardown(test_group_walk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
