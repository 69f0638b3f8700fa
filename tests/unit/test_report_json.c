/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "ossnap-report/1", read back by another JSON implementation. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <yajl/yajl_tree.h>

#include "../browser/sample.h"

static char *json_of(const struct report *hosts, size_t count)
{
	struct collected c = {0};
	struct err e = {0};

	assert_int_equal(report_json(hosts, count, collect, &c, &e), 0);
	return c.data;
}

static yajl_val parse(const char *text)
{
	char why[256] = "";
	yajl_val v = yajl_tree_parse(text, why, sizeof(why));

	if (!v)
		fail_msg("%s", why);
	return v;
}

/* "a.b.0.c" */
static yajl_val at(yajl_val v, const char *path)
{
	char copy[128], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *key = strtok_r(copy, ".", &save); key; key = strtok_r(NULL, ".", &save)) {
		if (YAJL_IS_ARRAY(v)) {
			size_t i = strtoul(key, NULL, 10);

			assert_true(i < YAJL_GET_ARRAY(v)->len);
			v = YAJL_GET_ARRAY(v)->values[i];
		} else {
			const char *one[] = {key, NULL};

			v = yajl_tree_get(v, one, yajl_t_any);
			if (!v)
				fail_msg("%s: no %s", path, key);
		}
	}
	return v;
}

static void is_text(yajl_val v, const char *path, const char *expected)
{
	yajl_val s = at(v, path);

	assert_true(YAJL_IS_STRING(s));
	assert_string_equal(YAJL_GET_STRING(s), expected);
}

static void is_number(yajl_val v, const char *path, double expected)
{
	yajl_val n = at(v, path);

	assert_true(YAJL_IS_NUMBER(n));
	assert_true(YAJL_GET_DOUBLE(n) == expected);
}

static void is_null(yajl_val v, const char *path)
{
	assert_true(YAJL_IS_NULL(at(v, path)));
}

static void every_section_is_there(void **state)
{
	static const char *const keys[] = {"schema",   "verdict",    "archives", "host",
					   "observer", "collectors", "findings", "not_seen",
					   "memory",   "page_cache", "hotspot",	 "gpu",
					   "guard"};
	struct sample s;
	char *text;
	yajl_val v;

	sample_rich(&s, "web-07", 100);
	text = json_of(&s.report, 1);
	v = parse(text);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		assert_non_null(at(v, keys[i]));
	is_text(v, "schema", "ossnap-report/1");
	is_text(v, "verdict.severity", "critical");
	is_text(v, "archives.0.captured_at", "2026-11-21T08:14:07Z");
	is_text(v, "host.cgroups", "v1");
	is_number(v, "memory.total_bytes", 16647094272.0);
	is_text(v, "page_cache.files.0.device", "8:1");
	is_number(v, "page_cache.files.0.cached_bytes", 1106.0 * MIB);
	is_text(v, "page_cache.files.0.cgroups.0.path", s.model.cgroups[0].path);
	is_number(v, "page_cache.files.0.cgroups.0.interval.0", round(1106.0 * MIB * 0.97));
	is_text(v, "findings.0.because.0.ref", "#cgroups");
	is_text(v, "findings.0.scope.kind", "pod");
	is_text(v, "memory.cgroups.6.state", "dying");
	yajl_tree_free(v);
	free(text);
	sample_destroy(&s);
}

static void parts_and_the_rest_are_the_total(void **state)
{
	struct sample s;
	double sum = 0;
	char *text;
	yajl_val v, parts;

	sample_rich(&s, "web-07", 10);
	text = json_of(&s.report, 1);
	v = parse(text);
	parts = at(v, "memory.parts");
	for (size_t i = 0; i < YAJL_GET_ARRAY(parts)->len; i++)
		sum += YAJL_GET_DOUBLE(at(YAJL_GET_ARRAY(parts)->values[i], "bytes"));
	sum += YAJL_GET_DOUBLE(at(v, "memory.unaccounted_bytes"));
	assert_true(sum == YAJL_GET_DOUBLE(at(v, "memory.total_bytes")));
	yajl_tree_free(v);
	free(text);
	sample_destroy(&s);
}

static void names_come_through_exactly(void **state)
{
	struct sample s;
	char *text;
	yajl_val v, files;

	sample_rich(&s, "web\n\x1b\"07", 100);
	text = json_of(&s.report, 1);
	v = parse(text);
	is_text(v, "host.hostname", "web\n\x1b\"07");
	files = at(v, "page_cache.files");
	assert_int_equal(YAJL_GET_ARRAY(files)->len, 100);
	for (size_t i = 0; i < NASTY - 1; i++)
		is_text(YAJL_GET_ARRAY(files)->values[10 + i], "path", nasty_names[i]);
	/* JSON cannot carry what is not UTF-8 */
	is_text(YAJL_GET_ARRAY(files)->values[10 + NASTY - 1], "path",
		"/tmp/bad\\xff\\xfe\\xc3(utf8");
	yajl_tree_free(v);
	free(text);
	sample_destroy(&s);
}

static void not_captured_is_null(void **state)
{
	static const char *const nulls[] = {"host",	  "observer", "collectors", "memory",
					    "page_cache", "hotspot",  "gpu",	    "guard"};
	struct sample s;
	char *text;
	yajl_val v;

	sample_empty(&s);
	text = json_of(&s.report, 1);
	v = parse(text);
	for (size_t i = 0; i < sizeof(nulls) / sizeof(*nulls); i++)
		is_null(v, nulls[i]);
	assert_int_equal(YAJL_GET_ARRAY(at(v, "archives"))->len, 0);
	yajl_tree_free(v);
	free(text);
	sample_destroy(&s);
}

static void not_measured_is_null(void **state)
{
	struct sample s;
	char *text;
	yajl_val v;

	sample_rich(&s, "web-07", 20);
	s.facts.archive.rows[0].captured_at = NAN;
	s.facts.archive.rows[0].window_s = NAN;
	s.facts.archive.rows[0].cpus = FACT_NONE;
	s.facts.archive.rows[0].kernel = NULL;
	s.model.unaccounted = INT64_MIN;
	s.model.meminfo_bytes = NAN;
	s.model.files[0].active = (struct estimate){NAN, NAN, NAN};
	s.model.files[1].cached_bytes = FACT_NONE;
	text = json_of(&s.report, 1);
	v = parse(text);
	is_null(v, "archives.0.captured_at");
	is_null(v, "archives.0.duration_s");
	is_null(v, "host.cpus");
	is_null(v, "host.kernel");
	is_null(v, "memory.unaccounted_bytes");
	is_null(v, "memory.heaps");
	is_null(v, "memory.processes.0.vram_bytes");
	is_null(v, "memory.processes.20.file_bytes");
	is_null(v, "memory.processes.20.oom_score_adj");
	is_null(v, "memory.cgroups.2.limit_bytes");
	is_null(v, "memory.cgroups.6.usage_bytes");
	is_null(v, "memory.slabs.7.reclaimable");
	is_null(v, "page_cache.meminfo_bytes");
	is_null(v, "page_cache.files.0.active_bytes");
	is_null(v, "page_cache.files.0.active_interval");
	is_null(v, "page_cache.files.1.cached_bytes");
	yajl_tree_free(v);
	free(text);
	sample_destroy(&s);
}

/* What DRM clients hold is seen of a GPU, and nothing else is. */
static void what_was_seen_of_a_gpu(void **state)
{
	static const char *const nulls[] = {
		"gpu.devices.0.uuid",
		"gpu.devices.0.name",
		"gpu.devices.0.memory_total_bytes",
		"gpu.devices.0.memory_used_bytes",
		"gpu.devices.1.processes.0.pid",
		"gpu.devices.1.processes.0.comm",
		"gpu.devices.1.processes.0.vram_bytes",
		"gpu.devices.2.pdev",
		"gpu.samples",
		"gpu.errors",
		"gpu.allocations",
		"gpu.calls",
		"gpu.stragglers",
	};
	struct fact_process client = {.pid = 20, .comm = "client", .cgroup = "/"};
	struct model_gpu_use uses[] = {
		{"amdgpu 0000:03:00.0", 20, &client, 3072 * MIB, 300 * MIB},
		{"amdgpu 0000:03:00.0", 30, NULL, 5 * MIB, FACT_NONE},
		{"i915 0000:00:02.0", FACT_NONE, NULL, FACT_NONE, 100 * MIB},
		{"virtio_gpu", 20, &client, FACT_NONE, MIB},
	};
	struct sample s;
	char *text;
	yajl_val v;

	sample_empty(&s);
	s.model.gpu_seen = true;
	s.model.gpu_uses = uses;
	s.model.gpu_use_count = sizeof(uses) / sizeof(*uses);
	text = json_of(&s.report, 1);
	v = parse(text);
	assert_int_equal(YAJL_GET_ARRAY(at(v, "gpu.devices"))->len, 3);
	assert_int_equal(YAJL_GET_ARRAY(at(v, "gpu.devices.0.processes"))->len, 2);
	is_text(v, "gpu.devices.0.driver", "amdgpu");
	is_text(v, "gpu.devices.0.pdev", "0000:03:00.0");
	is_number(v, "gpu.devices.0.processes.0.pid", 20);
	is_text(v, "gpu.devices.0.processes.0.comm", "client");
	is_number(v, "gpu.devices.0.processes.0.vram_bytes", 3072.0 * MIB);
	is_number(v, "gpu.devices.0.processes.0.ram_bytes", 300.0 * MIB);
	is_number(v, "gpu.devices.0.processes.1.vram_bytes", 5.0 * MIB);
	is_text(v, "gpu.devices.1.pdev", "0000:00:02.0");
	is_text(v, "gpu.devices.2.driver", "virtio_gpu");
	for (size_t i = 0; i < sizeof(nulls) / sizeof(*nulls); i++)
		is_null(v, nulls[i]);
	yajl_tree_free(v);
	free(text);
	sample_destroy(&s);
}

static void a_scan_that_failed_has_its_reason(void **state)
{
	struct sample s;
	char *text;
	yajl_val v;

	sample_healthy(&s, "web-08");
	s.facts.scan.rows[0].source = "none";
	text = json_of(&s.report, 1);
	v = parse(text);
	is_text(v, "page_cache.source", "none");
	is_null(v, "page_cache.files");
	is_null(v, "page_cache.found_bytes");
	is_text(v, "page_cache.reason",
		"/proc/kcore: Operation not permitted (kernel lockdown=integrity)");
	yajl_tree_free(v);
	free(text);
	sample_destroy(&s);
}

static void several_archives_make_a_fleet(void **state)
{
	struct sample a, b;
	struct report hosts[2];
	char *text;
	yajl_val v;

	sample_rich(&a, "web-07", 10);
	sample_healthy(&b, "web-08");
	hosts[0] = b.report;
	hosts[1] = a.report;
	text = json_of(hosts, 2);
	v = parse(text);
	is_null(v, "memory");
	is_null(v, "host");
	is_null(v, "findings");
	is_text(v, "verdict.severity", "critical");
	assert_int_equal(YAJL_GET_ARRAY(at(v, "archives"))->len, 2);
	assert_int_equal(YAJL_GET_ARRAY(at(v, "fleet.findings"))->len, 0);
	is_text(v, "fleet.hosts.0.host.hostname", "web-08");
	is_text(v, "fleet.hosts.1.host.hostname", "web-07");
	is_text(v, "fleet.hosts.1.schema", "ossnap-report/1");
	yajl_tree_free(v);
	free(text);
	sample_destroy(&a);
	sample_destroy(&b);
}

static int broken_pipe(void *ctx, const void *data, size_t len)
{
	return -32;
}

static void a_failed_write_is_reported(void **state)
{
	struct sample s;
	struct err e = {0};

	sample_rich(&s, "web-07", 10);
	assert_int_equal(report_json(&s.report, 1, broken_pipe, NULL, &e), -32);
	assert_non_null(strstr(e.text, "JSON report"));
	sample_destroy(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_section_is_there),
		cmocka_unit_test(what_was_seen_of_a_gpu),
		cmocka_unit_test(parts_and_the_rest_are_the_total),
		cmocka_unit_test(names_come_through_exactly),
		cmocka_unit_test(not_captured_is_null),
		cmocka_unit_test(not_measured_is_null),
		cmocka_unit_test(a_scan_that_failed_has_its_reason),
		cmocka_unit_test(several_archives_make_a_fleet),
		cmocka_unit_test(a_failed_write_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
