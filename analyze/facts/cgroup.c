/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Groups of the memory hierarchy, from packs with entries "HIERARCHY/PATH/FILE".
 *
 * v1 (HIERARCHY "memory", Documentation/admin-guide/cgroup-v1/memory.rst):
 *   usage    memory.usage_in_bytes: hierarchical, so the figures of memory.stat are its total_*
 *   limit    memory.limit_in_bytes; PAGE_COUNTER_MAX pages (just below 2^63) and older kernels'
 *            2^64 − 1 mean none.  hierarchical_memory_limit of memory.stat is the minimum over
 *            the ancestors, also over those that could not be seen from inside a container.
 *   anon     total_rss (huge pages included); file: total_cache, which like v2's `file` counts
 *            shared memory too; kernel: memory.kmem.usage_in_bytes
 *   slab     memory.kmem.slabinfo, as /proc/slabinfo of the group's own caches, without those of
 *            groups below it; empty since 5.9, where slab is charged by object
 *   max_events   memory.failcnt; oom_kills: oom_kill of memory.oom_control (4.13 and later)
 * v2 (HIERARCHY "unified", Documentation/admin-guide/cgroup-v2.rst): memory.current, memory.max,
 *   memory.stat (hierarchical), memory.events, cgroup.stat.  `kernel` exists since 5.18; before,
 *   the sum of kernel_stack, pagetables, percpu and slab stands for it.
 *
 * A group of the unified hierarchy without any memory.* file belongs to a hybrid machine, whose
 * memory controller sits in v1: it makes no row.
 */
#include <errno.h>
#include <string.h>

#include "../../capture/base/cleanup.h"
#include "../../capture/bundle/reader.h"
#include "parse.h"
#include "rows.h"
#include "text.h"

#define CGROUP_PATH 4096

static const struct fact_field fields_fact_cgroup[] = {
	FACT_STR(fact_cgroup, path, CGROUP_PATH),
	FACT_U64(fact_cgroup, version),
	FACT_U64(fact_cgroup, usage_bytes),
	FACT_U64(fact_cgroup, limit_bytes),
	FACT_U64(fact_cgroup, limit_known),
	FACT_U64(fact_cgroup, effective_limit_bytes),
	FACT_U64(fact_cgroup, anon_bytes),
	FACT_U64(fact_cgroup, file_bytes),
	FACT_U64(fact_cgroup, active_file_bytes),
	FACT_U64(fact_cgroup, inactive_file_bytes),
	FACT_U64(fact_cgroup, shmem_bytes),
	FACT_U64(fact_cgroup, slab_bytes),
	FACT_U64(fact_cgroup, slab_reclaimable_bytes),
	FACT_STR(fact_cgroup, slab_top, 64),
	FACT_U64(fact_cgroup, slab_top_bytes),
	FACT_U64(fact_cgroup, kernel_bytes),
	FACT_U64(fact_cgroup, swap_bytes),
	FACT_U64(fact_cgroup, dirty_bytes),
	FACT_U64(fact_cgroup, mapped_bytes),
	FACT_U64(fact_cgroup, usage_first_bytes),
	FACT_U64(fact_cgroup, oom_kills),
	FACT_U64(fact_cgroup, max_events),
	FACT_U64(fact_cgroup, dying_descendants),
	FACT_U64(fact_cgroup, children),
	FACT_U64(fact_cgroup, slab_unreclaimable_bytes),
	FACT_U64(fact_cgroup, kernel_stack_bytes),
	FACT_U64(fact_cgroup, page_table_bytes),
	FACT_U64(fact_cgroup, percpu_bytes),
	FACT_U64(fact_cgroup, sock_bytes),
	FACT_U64(fact_cgroup, high_bytes),
	FACT_U64(fact_cgroup, low_bytes),
	FACT_U64(fact_cgroup, min_bytes),
	FACT_U64(fact_cgroup, processes),
	FACT_U64(fact_cgroup, under_oom),
	FACT_U64(fact_cgroup, high_events),
	FACT_U64(fact_cgroup, high_events_first),
	FACT_U64(fact_cgroup, max_events_first),
	FACT_U64(fact_cgroup, oom_kills_first),
	FACT_U64(fact_cgroup, dying_first),
	FACT_U64(fact_cgroup, pressure_some_us),
	FACT_U64(fact_cgroup, pressure_some_first_us),
	FACT_U64(fact_cgroup, pressure_full_us),
	FACT_U64(fact_cgroup, pressure_full_first_us),
	FACT_U64(fact_cgroup, vanished),
};
FACT_TYPE(fact_cgroup, "cgroups", 5, 200000);

static const struct fact_field fields_fact_cgroup_controller[] = {
	FACT_STR(fact_cgroup_controller, name, 64),
	FACT_U64(fact_cgroup_controller, hierarchy),
	FACT_U64(fact_cgroup_controller, groups),
	FACT_U64(fact_cgroup_controller, groups_first),
};
FACT_TYPE(fact_cgroup_controller, "cgroup_controllers", 6, 64);

struct cgroup {
	struct fact_cgroup row;
	uint64_t first_ms, last_ms;
	uint64_t hierarchical_limit; /* v1 memory.stat */
	bool has_memory;	     /* a memory.* file was there */
};

struct cgroup_state {
	struct rows rows;
	struct index index;	    /* version digit and path → row */
	uint64_t first_ms, last_ms; /* of any group */
	bool any;
	uint64_t controllers_ms, controllers_first_ms;
	struct rows controllers;
	struct rows controllers_first; /* as they were in the first reading */
};

struct controller {
	struct fact_cgroup_controller row;
	char name[64];
};

/* One of these per line of memory.stat that is used.  v1 has both "cache" and "total_cache". */
static const struct stat_key {
	uint64_t version;
	const char *key;
	size_t offset;
} stat_keys[] = {
	{1, "total_rss", offsetof(struct fact_cgroup, anon_bytes)},
	{1, "total_cache", offsetof(struct fact_cgroup, file_bytes)},
	{1, "total_active_file", offsetof(struct fact_cgroup, active_file_bytes)},
	{1, "total_inactive_file", offsetof(struct fact_cgroup, inactive_file_bytes)},
	{1, "total_shmem", offsetof(struct fact_cgroup, shmem_bytes)},
	{1, "total_swap", offsetof(struct fact_cgroup, swap_bytes)},
	{1, "total_dirty", offsetof(struct fact_cgroup, dirty_bytes)},
	{1, "total_mapped_file", offsetof(struct fact_cgroup, mapped_bytes)},
	{2, "anon", offsetof(struct fact_cgroup, anon_bytes)},
	{2, "file", offsetof(struct fact_cgroup, file_bytes)},
	{2, "active_file", offsetof(struct fact_cgroup, active_file_bytes)},
	{2, "inactive_file", offsetof(struct fact_cgroup, inactive_file_bytes)},
	{2, "shmem", offsetof(struct fact_cgroup, shmem_bytes)},
	{2, "slab", offsetof(struct fact_cgroup, slab_bytes)},
	{2, "slab_reclaimable", offsetof(struct fact_cgroup, slab_reclaimable_bytes)},
	{2, "kernel", offsetof(struct fact_cgroup, kernel_bytes)},
	{2, "file_dirty", offsetof(struct fact_cgroup, dirty_bytes)},
	{2, "file_mapped", offsetof(struct fact_cgroup, mapped_bytes)},
	{2, "slab_unreclaimable", offsetof(struct fact_cgroup, slab_unreclaimable_bytes)},
	{2, "kernel_stack", offsetof(struct fact_cgroup, kernel_stack_bytes)},
	{2, "pagetables", offsetof(struct fact_cgroup, page_table_bytes)},
	{2, "percpu", offsetof(struct fact_cgroup, percpu_bytes)},
	{2, "sock", offsetof(struct fact_cgroup, sock_bytes)},
};

static void read_stat(struct cgroup *g, struct text data)
{
	uint64_t kernel = 0, v;
	struct text line, key;
	bool parts = false;

	g->row.kernel_bytes = g->row.version == 2 ? FACT_NONE : g->row.kernel_bytes;
	while (text_line(&data, &line)) {
		if (!text_word(&line, &key) || !text_word_u64(&line, &v))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(stat_keys); i++)
			if (stat_keys[i].version == g->row.version &&
			    text_is(key, stat_keys[i].key))
				*(uint64_t *)((char *)&g->row + stat_keys[i].offset) = v;
		if (g->row.version == 1 && text_is(key, "hierarchical_memory_limit"))
			g->hierarchical_limit = v;
		if (g->row.version == 2 &&
		    (text_is(key, "kernel_stack") || text_is(key, "pagetables") ||
		     text_is(key, "percpu") || text_is(key, "slab"))) {
			kernel += v;
			parts = true;
		}
	}
	if (g->row.version == 2 && g->row.kernel_bytes == FACT_NONE && parts)
		g->row.kernel_bytes = kernel;
}

/* PAGE_COUNTER_MAX is LONG_MAX rounded down to a page, and pages are 64 KiB at most. */
static bool is_no_limit(uint64_t v)
{
	return v >= (1ULL << 63) - (64 << 10);
}

static void read_limit(struct cgroup *g, struct text data)
{
	struct text word;
	uint64_t v;

	if (!text_line(&data, &word))
		return;
	if (text_is(word, "max")) {
		g->row.limit_known = 1;
		g->row.limit_bytes = FACT_NONE;
	} else if (text_u64(word, &v)) {
		g->row.limit_known = 1;
		g->row.limit_bytes = is_no_limit(v) ? FACT_NONE : v;
	}
}

/* Whole-number files, and single keys of those that have several. */
#define NONE SIZE_MAX
#define LAST(f) offsetof(struct fact_cgroup, f)
static const struct figure {
	uint64_t version;
	const char *file, *key; /* key NULL: the file is one number; "max" is no number */
	size_t last, first;
} figures[] = {
	{1, "memory.usage_in_bytes", NULL, LAST(usage_bytes), LAST(usage_first_bytes)},
	{1, "memory.failcnt", NULL, LAST(max_events), LAST(max_events_first)},
	{1, "memory.oom_control", "oom_kill", LAST(oom_kills), LAST(oom_kills_first)},
	{1, "memory.oom_control", "under_oom", LAST(under_oom), NONE},
	{1, "memory.kmem.usage_in_bytes", NULL, LAST(kernel_bytes), NONE},
	{1, "memory.kmem.tcp.usage_in_bytes", NULL, LAST(sock_bytes), NONE},
	{2, "memory.current", NULL, LAST(usage_bytes), LAST(usage_first_bytes)},
	{2, "memory.events", "max", LAST(max_events), LAST(max_events_first)},
	{2, "memory.events", "high", LAST(high_events), LAST(high_events_first)},
	{2, "memory.events", "oom_kill", LAST(oom_kills), LAST(oom_kills_first)},
	{2, "memory.swap.current", NULL, LAST(swap_bytes), NONE},
	{2, "cgroup.stat", "nr_dying_descendants", LAST(dying_descendants), LAST(dying_first)},
	{0, "memory.high", NULL, LAST(high_bytes), NONE}, /* 0: of both, as some v1 kernels have */
	{0, "memory.low", NULL, LAST(low_bytes), NONE},
	{0, "memory.min", NULL, LAST(min_bytes), NONE},
	{0, "cgroup.procs.count", NULL, LAST(processes), NONE},
};

static bool read_figure(struct text data, const char *name, uint64_t *ret)
{
	struct text line, key;

	if (!name)
		return text_line(&data, &line) && text_u64(line, ret);
	while (text_line(&data, &line))
		if (text_word(&line, &key) && text_is(key, name))
			return text_word_u64(&line, ret);
	return false;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=1234", microseconds since the group was made.
 * Source: Documentation/accounting/psi.rst */
static void read_pressure(struct cgroup *g, struct text data, bool first)
{
	struct text line, kind, word;
	uint64_t v;

	while (text_line(&data, &line)) {
		bool some = text_word(&line, &kind) && text_is(kind, "some");

		if (!some && !text_is(kind, "full"))
			continue;
		while (text_word(&line, &word)) {
			if (!text_starts(word, "total="))
				continue;
			word.p += strlen("total=");
			if (!text_u64(word, &v))
				continue;
			if (first)
				*(some ? &g->row.pressure_some_first_us
				       : &g->row.pressure_full_first_us) = v;
			else
				*(some ? &g->row.pressure_some_us : &g->row.pressure_full_us) = v;
		}
	}
}

/*
 * "dentry 210 210 192 21 1 : tunables 0 0 0 : slabdata 10 10 0": the pages of a cache are its slabs
 * times the pages of each.  Source: mm/slab_common.c cache_show()
 */
static int read_slabinfo(struct parse *p, struct cgroup *g, struct text data)
{
	uint64_t sum = 0, most = 0;
	struct text line, name, word;
	bool any = false;

	while (text_line(&data, &line)) {
		uint64_t n[5], active, slabs = FACT_NONE, bytes;
		bool good = text_word(&line, &name) && *name.p != '#';

		for (size_t i = 0; good && i < ARRAY_SIZE(n); i++)
			good = text_word_u64(&line, &n[i]);
		while (good && text_word(&line, &word))
			if (text_is(word, "slabdata"))
				good = text_word_u64(&line, &active) &&
				       text_word_u64(&line, &slabs);
		if (!good || slabs == FACT_NONE)
			continue; /* the two lines of heading */
		bytes = text_times(text_times(slabs, n[4]), p->page_size);
		if (bytes == FACT_NONE || __builtin_add_overflow(sum, bytes, &sum))
			return 0;
		any = true;
		if (bytes <= most)
			continue;
		most = bytes;
		g->row.slab_top =
			arena_strndup(p->arena, name.p, text_len(name) < 64 ? text_len(name) : 64);
		if (!g->row.slab_top)
			return -ENOMEM;
	}
	if (any) {
		g->row.slab_bytes = sum;
		g->row.slab_top_bytes = most;
	}
	return 0;
}

/* A figure of the first reading is the first, one of the last reading the last; read once, both. */
static void read_entry(struct cgroup *g, uint64_t ms, struct text file, struct text data)
{
	bool v1 = g->row.version == 1, first, last;
	uint64_t v;

	if (text_starts(file, "memory."))
		g->has_memory = true;
	if (ms < g->first_ms)
		g->first_ms = ms;
	if (ms > g->last_ms)
		g->last_ms = ms;
	first = ms == g->first_ms;
	last = ms == g->last_ms;
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
		const struct figure *f = &figures[i];

		if ((f->version && f->version != g->row.version) || !text_is(file, f->file) ||
		    !read_figure(data, f->key, &v))
			continue;
		if (last)
			*(uint64_t *)((char *)&g->row + f->last) = v;
		if (first && f->first != NONE)
			*(uint64_t *)((char *)&g->row + f->first) = v;
	}
	if (text_is(file, "memory.pressure")) {
		if (first)
			read_pressure(g, data, true);
		if (last)
			read_pressure(g, data, false);
	}
	if (!last)
		return;
	if (text_is(file, "memory.stat"))
		read_stat(g, data);
	else if (text_is(file, v1 ? "memory.limit_in_bytes" : "memory.max"))
		read_limit(g, data);
}

/* "memory/kubepods/pod1/memory.stat" → 1, "/kubepods/pod1", "memory.stat" */
static bool split_name(struct text name, uint64_t *ret_version, struct text *ret_path,
		       struct text *ret_file)
{
	static const char root[] = "/";
	struct text hierarchy, rest = name;

	if (!text_until(&rest, '/', &hierarchy) || rest.p >= rest.end)
		return false;
	if (text_is(hierarchy, "memory"))
		*ret_version = 1;
	else if (text_is(hierarchy, "unified"))
		*ret_version = 2;
	else
		return false;
	*ret_file = rest;
	for (const char *p = rest.end; p > rest.p; p--) {
		if (p[-1] == '/') {
			ret_file->p = p;
			break;
		}
	}
	/* From the slash after HIERARCHY up to the one before FILE. */
	*ret_path = (struct text){.p = rest.p - 1, .end = ret_file->p - 1};
	while (ret_path->p + 1 < ret_path->end && ret_path->p[1] == '/')
		ret_path->p++;
	if (ret_path->p >= ret_path->end || text_is(*ret_path, "/"))
		*ret_path = TEXT(root, 1);
	return true;
}

static size_t make_key(char key[CGROUP_PATH + 2], uint64_t version, struct text path)
{
	key[0] = (char)('0' + version);
	memcpy(key + 1, path.p, text_len(path));
	return text_len(path) + 1;
}

/* NULL with *ret_error 0: the table is full. */
static struct cgroup *find_group(struct parse *p, struct cgroup_state *s, uint64_t version,
				 struct text path, int *ret_error)
{
	char key[CGROUP_PATH + 2];
	size_t len = make_key(key, version, path);
	uint32_t i = index_find(&s->index, key, len);
	struct cgroup *g;

	*ret_error = 0;
	if (i != INDEX_NONE)
		return rows_at(&s->rows, i);
	if (s->rows.count >= fact_cgroup_type.max_rows)
		return NULL;
	s->rows.size = sizeof(*g);
	g = rows_add(p->arena, &s->rows);
	if (!g || index_set(p->arena, &s->index, key, len, (uint32_t)s->rows.count - 1) < 0) {
		*ret_error = -ENOMEM;
		return NULL;
	}
	fact_clear(&fact_cgroup_type, &g->row);
	g->row.path = arena_strndup(p->arena, path.p, text_len(path));
	g->row.version = version;
	g->row.limit_known = 0;
	g->hierarchical_limit = FACT_NONE;
	g->first_ms = UINT64_MAX;
	return g;
}

/* /proc/cgroups: "memory	4	14	1" */
static int read_controllers(struct parse *p, struct rows *rows, struct text data)
{
	struct text line, name;
	struct controller *c;
	uint64_t hierarchy, groups;

	rows->count = 0;
	rows->size = sizeof(*c);
	while (text_line(&data, &line)) {
		if (!text_word(&line, &name) || *name.p == '#')
			continue;
		if (!text_word_u64(&line, &hierarchy) || !text_word_u64(&line, &groups) ||
		    rows->count >= fact_cgroup_controller_type.max_rows) {
			p->bad++;
			continue;
		}
		c = rows_add(p->arena, rows);
		if (!c)
			return -ENOMEM;
		fact_clear(&fact_cgroup_controller_type, &c->row);
		c->row.name = text_copy(name, c->name, sizeof(c->name));
		c->row.hierarchy = hierarchy;
		c->row.groups = groups;
	}
	return 0;
}

static int read_both_controllers(struct parse *p, struct cgroup_state *s, uint64_t ms,
				 struct text data)
{
	uint64_t bad = p->bad;
	int r = 0;

	if (!s->controllers_first.count || ms < s->controllers_first_ms) {
		s->controllers_first_ms = ms;
		r = read_controllers(p, &s->controllers_first, data);
	}
	if (r < 0 || (s->controllers.count && ms < s->controllers_ms))
		return r;
	p->bad = bad; /* the same lines are not counted twice */
	s->controllers_ms = ms;
	return read_controllers(p, &s->controllers, data);
}

static uint64_t groups_at_first(const struct cgroup_state *s, const struct controller *c)
{
	for (size_t i = 0; i < s->controllers_first.count; i++) {
		const struct controller *first = rows_at(&s->controllers_first, i);

		if (!strcmp(first->name, c->name))
			return first->row.groups;
	}
	return FACT_NONE;
}

static int cgroup_member(struct parse *p, void *state, const struct member_ref *m, const char *data,
			 size_t len)
{
	struct cgroup_state *s = state;
	struct text path, file;
	struct pack_entry entry;
	struct cgroup *g;
	uint64_t version;
	size_t pos = 0;
	int r, more;

	if (strcmp(m->name, "raw/cgroups") != 0)
		return read_both_controllers(p, s, m->ms, TEXT(data, len));
	if (!s->any || m->ms < s->first_ms)
		s->first_ms = m->ms;
	if (!s->any || m->ms > s->last_ms)
		s->last_ms = m->ms;
	s->any = true;
	while ((more = pack_next(data, len, &pos, &entry)) > 0) {
		if (!split_name(TEXT(entry.name, entry.name_len), &version, &path, &file))
			continue;
		if (text_len(path) > CGROUP_PATH) {
			p->bad++;
			continue;
		}
		g = find_group(p, s, version, path, &r);
		if (r < 0)
			return r;
		if (!g)
			p->bad++;
		else if (entry.no == 0 && entry.data_len)
			read_entry(g, m->ms, file, TEXT(entry.data, entry.data_len));
		if (g && version == 1 && text_is(file, "memory.kmem.slabinfo"))
			r = read_slabinfo(p, g, TEXT(entry.data, entry.data_len));
		if (r < 0)
			return r;
	}
	if (more < 0)
		p->bad++;
	return 0;
}

static struct cgroup *parent_of(const struct cgroup_state *s, const struct cgroup *g)
{
	const char *path = g->row.path, *slash = strrchr(path, '/');
	char key[CGROUP_PATH + 2];
	struct text parent;
	uint32_t i;

	if (!slash || !strcmp(path, "/"))
		return NULL;
	parent = slash == path ? TEXT(path, 1) : TEXT(path, slash - path);
	i = index_find(&s->index, key, make_key(key, g->row.version, parent));
	return i == INDEX_NONE ? NULL : rows_at(&s->rows, i);
}

static void count_family(const struct cgroup_state *s, struct cgroup *g)
{
	uint64_t limit = g->row.limit_bytes;
	struct cgroup *up = parent_of(s, g);

	if (up)
		up->row.children = up->row.children == FACT_NONE ? 1 : up->row.children + 1;
	/* A path has at most CGROUP_PATH / 2 ancestors, so this ends. */
	for (; up; up = parent_of(s, up))
		if (up->row.limit_bytes < limit)
			limit = up->row.limit_bytes;
	if (!is_no_limit(g->hierarchical_limit) && g->hierarchical_limit < limit)
		limit = g->hierarchical_limit;
	g->row.effective_limit_bytes = limit;
}

static int cgroup_finish(struct parse *p, void *state)
{
	struct cgroup_state *s = state;
	int r = 0;

	for (size_t i = 0; i < s->rows.count; i++) {
		struct cgroup *g = rows_at(&s->rows, i);

		if (g->row.children == FACT_NONE)
			g->row.children = 0;
	}
	for (size_t i = 0; i < s->rows.count; i++)
		count_family(s, rows_at(&s->rows, i));
	for (size_t i = 0; r >= 0 && i < s->rows.count; i++) {
		struct cgroup *g = rows_at(&s->rows, i);

		g->row.vanished = g->last_ms < s->last_ms;
		if (g->first_ms > s->first_ms) { /* made during the window, or not seen before */
			g->row.usage_first_bytes = g->row.high_events_first = FACT_NONE;
			g->row.max_events_first = g->row.oom_kills_first = FACT_NONE;
			g->row.dying_first = g->row.pressure_some_first_us = FACT_NONE;
			g->row.pressure_full_first_us = FACT_NONE;
		}
		if (g->has_memory)
			r = parse_emit(p, &fact_cgroup_type, &g->row);
	}
	for (size_t i = 0; r >= 0 && i < s->controllers.count; i++) {
		struct controller *c = rows_at(&s->controllers, i);

		c->row.groups_first = groups_at_first(s, c);
		r = parse_emit(p, &fact_cgroup_controller_type, &c->row);
	}
	return r;
}

const struct fact_parser cgroup_parser = {
	.state_size = sizeof(struct cgroup_state),
	.member = cgroup_member,
	.finish = cgroup_finish,
};
