/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration file and the command line over it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "capture/base/clock.h"
#include "capture/fastoom/options.h"

static struct config c;

static int parse(const char *text, struct err *e)
{
	*e = (struct err){0};
	config_init(&c);
	return config_parse(&c, text, strlen(text), "f.conf", NULL, NULL, e);
}

static void test_good(void **state)
{
	struct err e;

	assert_int_equal(
		parse("# a comment\n\n journal = /tmp/j.jsonl \ndry-run = yes\n"
		      "[one]\nscope = pod:default/test-alinux-.*\nsensitivity=low\n"
		      "prefer = ^logger$\nprefer = sidecar\navoid = python3 .*service\\.py\n"
		      "spare-pid1 = yes\n[two]\nscope = cgroup:/a/b/\ngroup = yes",
		      &e),
		0);
	assert_int_equal(c.n_policies, 2);
	assert_true(c.dry_run);
	assert_string_equal(c.journal, "/tmp/j.jsonl");
	assert_int_equal(c.policies[0].kind, SCOPE_POD);
	assert_string_equal(c.policies[0].where, "default");
	assert_true(pattern_match(&c.pool, c.policies[0].pod, "test-alinux-1", 13));
	assert_int_equal(c.policies[0].sensitivity, SENSITIVITY_LOW);
	assert_int_equal(c.policies[0].n_prefer, 2);
	assert_string_equal(pattern_text(&c.pool, c.policies[0].prefer[1]), "sidecar");
	assert_true(c.policies[0].spare_pid1);
	assert_string_equal(c.policies[1].where, "/a/b");
	assert_true(c.policies[1].group);
	assert_int_equal(c.policies[1].sensitivity, SENSITIVITY_MEDIUM);
}

static void test_bad(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"[p]\nscope = node\nsensitivity = loud\n", "f.conf:3: "},
		{"[p]\nscope = node\navoid =\n", "f.conf:3: an empty pattern"},
		{"[p]\nscope = node\nprefer = a||b\n", "f.conf:3: "},
		{"[p]\nscope = pod:ns\n", "f.conf:2: "},
		{"[p]\nscope = pod:/x\n", "f.conf:2: "},
		{"[p]\nscope = cgroup:\n", "f.conf:2: "},
		{"[p]\nscope = cgroup:/a/../b\n", "f.conf:2: "},
		{"[p]\nscope = moon\n", "f.conf:2: "},
		{"[p]\nsensitivity = low\n", "no scope"},
		{"[p]\nscope\n", "f.conf:2: "},
		{"[p\n", "f.conf:1: "},
		{"[]\n", "f.conf:1: "},
		{"avoid = x\n", "f.conf:1: "},
		{"[p]\nscope=node\ncolour = red\n", "f.conf:3: colour"},
		{"[p]\nscope=node\ngroup = maybe\n", "f.conf:3: group"},
	};
	char nul[] = "[p]\nscope = no\0de\n", line[700];
	struct err e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(parse(bad[i].text, &e) < 0);
		if (!strstr(e.text, bad[i].says))
			fail_msg("%s: %s", bad[i].text, e.text);
	}
	config_init(&c);
	assert_true(config_parse(&c, nul, sizeof(nul) - 1, "f.conf", NULL, NULL, &e) < 0);
	memset(line, 'x', sizeof(line));
	assert_true(config_parse(&c, line, sizeof(line), "f.conf", NULL, NULL, &e) < 0);
}

static void test_command_line(void **state)
{
	char *argv[] = {"fastoom",   "--avoid",	 "sshd",       "--sensitivity", "high",
			"--scope",   "cgroup:x", "--duration", "90s",		"--dry-run",
			"--journal", "/j",	 NULL};
	static const char file[] = "journal=/other\n[p]\nscope = node\navoid = init\n";
	struct options o;
	struct err e = {0};

	assert_int_equal(options_parse(12, argv, &o, &e), 0);
	o.config_path = "f.conf";
	assert_int_equal(o.duration_ns, 90 * NSEC_PER_SEC);
	assert_int_equal(options_config(&o, file, strlen(file), &c, &e), 0);
	assert_int_equal(c.n_policies, 2);
	assert_true(c.dry_run);
	assert_string_equal(c.journal, "/j");
	/* the command line's first */
	assert_string_equal(pattern_text(&c.pool, c.policies[0].avoid[0]), "sshd");
	assert_string_equal(pattern_text(&c.pool, c.policies[0].avoid[1]), "init");
	assert_int_equal(c.policies[1].kind, SCOPE_CGROUP);
	assert_int_equal(c.policies[1].sensitivity, SENSITIVITY_HIGH);
}

static void test_bad_command_line(void **state)
{
	static char *const bad[][4] = {
		{"fastoom", "--duration", "soon", NULL},    {"fastoom", "--duration", "0", NULL},
		{"fastoom", "extra", NULL, NULL},	    {"fastoom", "--scope", "x", NULL},
		{"fastoom", "--avoid", "", NULL},	    {"fastoom", "--prefer", "*", NULL},
		{"fastoom", "--sensitivity", "much", NULL}, {"fastoom", "--journal", "", NULL},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct options o = {0};
		struct err e = {0};
		char *argv[4];
		int argc = 0, r;

		memcpy(argv, bad[i], sizeof(argv));
		while (argc < 4 && argv[argc])
			argc++;
		r = options_parse(argc, argv, &o, &e);
		if (r == 0)
			r = options_config(&o, NULL, 0, &c, &e);
		if (r >= 0 || !e.text[0])
			fail_msg("%s %s was taken", argv[1], argv[2] ? argv[2] : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_command_line),
		cmocka_unit_test(test_bad_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
