/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hand-made facts for the tests of the model and the findings.  Fields that a test does not name
 * are "not measured". */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../analyze/arena.h"
#include "../../analyze/findings.h"

#define MI (UINT64_C(1) << 20)
#define GI (UINT64_C(1) << 30)

static inline void *fixture_add(struct facts *f, size_t table_offset)
{
	struct {
		char *rows;
		size_t count, capacity;
		bool cut;
	} t;
	const struct fact_slot *slot = fact_slots;

	while (slot->type && slot->table_offset != table_offset)
		slot++;
	assert_non_null(slot->type);
	if (!slot->type) /* tell the analyzer that an assertion does not return */
		abort();
	memcpy(&t, (char *)f + table_offset, sizeof(t));
	if (t.count == t.capacity) {
		char *rows;

		t.capacity = t.capacity ? t.capacity * 2 : 8;
		rows = arena_alloc(f->arena, t.capacity * slot->type->size);
		assert_non_null(rows);
		if (t.count)
			memcpy(rows, t.rows, t.count * slot->type->size);
		t.rows = rows;
	}
	char *row = t.rows + t.count++ * slot->type->size;

	for (uint32_t i = 0; i < slot->type->field_count; i++) {
		const struct fact_field *field = &slot->type->fields[i];

		if (field->kind == FIELD_U64)
			*(uint64_t *)(void *)(row + field->offset) = FACT_NONE;
		else if (field->kind == FIELD_I64)
			*(int64_t *)(void *)(row + field->offset) = INT64_MIN;
		else if (field->kind == FIELD_F64)
			*(double *)(void *)(row + field->offset) = FACT_NONE_F;
	}
	memcpy((char *)f + table_offset, &t, sizeof(t));
	return row;
}

/* ADD(f, mounts)->id = 1; the pointer is good until the next ADD to that table. */
#define ADD(f, table) ((__typeof__((f)->table.rows))fixture_add((f), offsetof(struct facts, table)))

static inline void counter2(struct facts *f, const char *file, const char *key, uint64_t first,
			    uint64_t last)
{
	struct fact_counter *c = ADD(f, counters);

	c->file = file;
	c->key = key;
	c->first = first;
	c->last = last;
}

static inline void meminfo_is(struct facts *f, const char *key, uint64_t bytes)
{
	for (size_t i = 0; i < f->counters.count; i++)
		if (!strcmp(f->counters.rows[i].file, "meminfo") &&
		    !strcmp(f->counters.rows[i].key, key)) {
			f->counters.rows[i].first = f->counters.rows[i].last = bytes;
			return;
		}
	counter2(f, "meminfo", key, bytes, bytes);
}

static inline struct facts *no_facts(void)
{
	struct facts *f = NULL;

	assert_int_equal(facts_create(&f), 0);
	return f;
}

/* A machine of 16 GiB in good health, captured whole. */
static inline struct facts *healthy(void)
{
	static const char *const names[] = {"host",    "memory",      "processes",  "cgroups",
					    "mounts",  "containers",  "page-cache", "syscalls",
					    "reclaim", "sched-delay", "block-io",   "net-receive",
					    "heaps"};
	static const char *const probes[] = {"syscalls", "reclaim", "sched_delay", "block_io",
					     "net_receive"};
	struct facts *f = no_facts();
	struct fact_archive *a = ADD(f, archive);

	a->name = "test";
	a->complete = a->has_manifest = 1;
	a->damaged_members = a->refused_members = a->missing_members = a->cut = 0;
	a->window_s = a->planned_s = 10;
	a->page_size = 4096;
	a->euid = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct fact_collector *c = ADD(f, collectors);

		c->name = names[i];
		c->status = "ok";
	}
	for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
		struct fact_probe *p = ADD(f, probes);

		p->name = probes[i];
		p->source = "bpf";
		p->covered_ns = p->watched_ns = 10000000000;
		p->lost = p->skipped = 0;
	}
	meminfo_is(f, "MemTotal", 16 * GI);
	meminfo_is(f, "MemFree", 10 * GI + 100 * MI);
	meminfo_is(f, "MemAvailable", 12 * GI);
	meminfo_is(f, "Buffers", 100 * MI);
	meminfo_is(f, "Cached", 3 * GI);
	meminfo_is(f, "SwapCached", 0);
	meminfo_is(f, "SwapTotal", 0);
	meminfo_is(f, "SwapFree", 0);
	meminfo_is(f, "AnonPages", 2 * GI);
	meminfo_is(f, "Mapped", 400 * MI);
	meminfo_is(f, "Shmem", 200 * MI);
	meminfo_is(f, "SReclaimable", 300 * MI);
	meminfo_is(f, "SUnreclaim", 150 * MI);
	meminfo_is(f, "KernelStack", 10 * MI);
	meminfo_is(f, "PageTables", 30 * MI);
	meminfo_is(f, "VmallocUsed", 60 * MI);
	meminfo_is(f, "Percpu", 20 * MI);
	meminfo_is(f, "Dirty", 5 * MI);
	meminfo_is(f, "Writeback", 0);
	counter2(f, "vmstat", "oom_kill", 3, 3);
	counter2(f, "vmstat", "allocstall_normal", 100, 102);

	struct fact_slab *s = ADD(f, slabs);

	s->name = "dentry";
	s->bytes = 100 * MI;
	s->reclaimable = 1;
	struct fact_vmalloc *v = ADD(f, vmalloc);

	v->caller = "alloc_thread_stack_node";
	v->bytes = 12 * MI;
	v = ADD(f, vmalloc);
	v->caller = "bpf_prog_alloc_no_stats";
	v->bytes = 50 * MI;
	struct fact_cgroup *g = ADD(f, cgroups);

	g->path = "/";
	g->version = 1;
	return f;
}

/* A finished scan of every page. */
static inline struct fact_scan *scanned(struct facts *f, uint64_t one_in)
{
	struct fact_scan *s = ADD(f, scan);

	s->source = "bpf";
	s->one_in = one_in;
	s->pages_total = 4 << 20;
	s->strata_total = s->strata_done = s->pages_total / one_in;
	s->pages_read = s->strata_done;
	s->finished = 1;
	s->page_size = 4096;
	s->files_dropped = 0;
	return s;
}

static inline uint64_t cached_file(struct facts *f, const char *fstype, const char *path,
				   uint64_t pages)
{
	uint64_t id = f->cache_files.count + 1;
	struct fact_cache_file *c = ADD(f, cache_files);

	c->file = id;
	c->major = 8;
	c->minor = 1;
	c->ino = 1000 + id;
	c->fstype = fstype;
	c->type = "reg";
	c->state = "linked";
	c->path = path;
	c->nrpages = pages;
	return id;
}

static inline void sample(struct facts *f, uint64_t file, uint64_t cgroup, uint64_t state,
			  uint64_t pages)
{
	struct fact_cache_sample *s = ADD(f, cache_samples);

	s->file = file;
	s->cgroup = cgroup;
	s->state = state;
	s->pages = pages;
}

static inline struct fact_mount *mount_is(struct facts *f, uint64_t ns, uint64_t id,
					  uint64_t parent, uint64_t minor, const char *root,
					  const char *mountpoint)
{
	struct fact_mount *m = ADD(f, mounts);

	m->mntns = ns;
	m->id = id;
	m->parent = parent;
	m->major = 8;
	m->minor = minor;
	m->root = root;
	m->mountpoint = mountpoint;
	m->fstype = "ext4";
	m->host = ns == 1;
	return m;
}

struct judged {
	struct model *m;
	struct findings *f;
};

static inline struct judged judge(const struct facts *f)
{
	struct judged j = {0};

	assert_int_equal(model_create(&j.m, f), 0);
	assert_int_equal(findings_create(&j.f, j.m), 0);
	return j;
}

static inline void done(struct judged j, struct facts *f)
{
	findings_destroy(j.f);
	model_destroy(j.m);
	facts_destroy(f);
}

static inline const struct finding *find_finding(struct judged j, const char *id)
{
	for (size_t i = 0; i < j.f->count; i++)
		if (!strcmp(j.f->rows[i].id, id))
			return &j.f->rows[i];
	return NULL;
}

#define assert_contains(text, part)                                                                \
	do {                                                                                       \
		if (!strstr((text), (part)))                                                       \
			fail_msg("\"%s\" does not contain \"%s\"", (text), (part));                \
	} while (0)
