/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the findings share: each rule has a machine that provokes it and one that is
 * like it but well. */
#pragma once

#include "model_fixture.h"

#include "../../analyze/findings/rules.h"

static inline const struct finding *must(struct judged j, const char *id)
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

static inline void must_not(struct judged j, const char *id)
{
	const struct finding *f = find_finding(j, id);

	if (f)
		fail_msg("%s: %s", id, f->title);
}

static inline struct fact_cgroup *limited(struct facts *f, const char *path, uint64_t usage,
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

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static inline struct facts *container_with_logs(uint64_t limit)
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

static inline struct facts *small_files(unsigned files, uint64_t pages, const char *format)
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
