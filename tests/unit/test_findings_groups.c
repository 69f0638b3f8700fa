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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_near_oom_group),
		cmocka_unit_test(test_dying),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
