/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memory.heaps. */
#include <math.h>

#include "json_parts.h"

static void entries(struct json *j, const struct model_heap *h)
{
	json_key(j, "entries");
	json_array(j);
	for (size_t i = 0; i < h->entry_count && i < REPORT_MAX_ROWS; i++) {
		const struct fact_heap_entry *e = h->entries[i];
		bool end = e->bytes_end != FACT_NONE || e->count_end != FACT_NONE;

		json_object(j);
		json_kstr(j, "type", e->type);
		json_kstr(j, "kind", e->kind);
		json_fact(j, "count", end ? e->count_end : e->count_start);
		json_fact(j, "bytes", end ? e->bytes_end : e->bytes_start);
		json_fact(j, "count_first", e->count_start);
		json_fact(j, "bytes_first", e->bytes_start);
		json_object_end(j);
	}
	json_array_end(j);
	json_key(j, "containers");
	json_array(j);
	for (size_t i = 0; i < h->container_count && i < REPORT_MAX_ROWS; i++) {
		const struct fact_heap_container *k = h->containers[i];
		bool end = k->bytes_end != FACT_NONE;

		json_object(j);
		json_kstr(j, "type", k->type);
		json_fact(j, "length", end ? k->length_end : k->length_start);
		json_fact(j, "bytes", end ? k->bytes_end : k->bytes_start);
		json_fact(j, "bytes_first", k->bytes_start);
		json_object_end(j);
	}
	json_array_end(j);
}

static void site(struct json *j, const struct hotspot *h, const struct model_site *s)
{
	const struct hot_stack *k = &h->stacks[s->stack];

	json_object(j);
	json_kstr(j, "function", s->name == UINT32_MAX ? NULL : h->names[s->name].function);
	json_kstr(j, "module", s->name == UINT32_MAX ? NULL : h->names[s->name].module);
	json_kstr(j, "caller", s->caller == UINT32_MAX ? NULL : h->names[s->caller].function);
	json_kf64(j, "bytes", s->kept);
	if (isnan(s->kept)) {
		json_knull(j, "interval");
	} else {
		json_key(j, "interval");
		json_array(j);
		json_f64(j, s->kept > s->error ? s->kept - s->error : 0);
		json_f64(j, s->kept + s->error);
		json_array_end(j);
	}
	json_kf64(j, "came_bytes", s->came);
	json_ku64(j, "samples", s->samples);
	json_kbool(j, "stack_truncated", k->truncated);
	json_key(j, "stack");
	json_array(j);
	for (uint32_t i = 0; i < k->count; i++)
		json_str(j, h->names[h->frames[k->first + i]].function);
	json_array_end(j);
	json_object_end(j);
}

static void growth(struct json *j, const struct model *m, const struct model_growth *g)
{
	if (!g) {
		json_null(j);
		return;
	}
	json_object(j);
	json_ku64(j, "pid", g->pid);
	json_kstr(j, "comm", g->comm);
	json_kstr(j, "by", g->kind == GROWTH_ALLOC ? "allocations" : "page-faults");
	json_kf64(j, "grown_bytes", g->grown_bytes);
	json_kf64(j, "came_bytes", g->came);
	json_kf64(j, "kept_bytes", g->kept);
	json_kf64(j, "unknown_bytes", g->unknown);
	json_kf64(j, "explained_share", g->explained);
	json_kf64(j, "watched_s", g->watched_s);
	json_kstr(j, "reason", g->reason);
	json_key(j, "sites");
	json_array(j);
	for (size_t i = 0; i < g->site_count && i < REPORT_MAX_ROWS; i++)
		site(j, m->hotspot, &g->sites[i]);
	json_array_end(j);
	json_object_end(j);
}

/* Root first in each stack; the processes whose heaps grew most first. */
void json_heap_growth(struct json *j, const struct model *m)
{
	size_t sites = 0;

	if (!m->growth_captured) {
		json_knull(j, "heap_growth");
		return;
	}
	json_key(j, "heap_growth");
	json_array(j);
	for (size_t i = 0; i < m->growth_count && sites < REPORT_MAX_ROWS; i++) {
		growth(j, m, &m->growth[i]);
		sites += m->growth[i].site_count;
	}
	json_array_end(j);
}

void json_heaps(struct json *j, const struct model *m)
{
	if (!m->heaps_captured) {
		json_knull(j, "heaps");
		return;
	}
	json_key(j, "heaps");
	json_array(j);
	for (size_t i = 0; i < m->heap_count; i++) {
		const struct model_heap *h = &m->heaps[i];
		const struct fact_heap *f = h->fact;

		json_object(j);
		json_fact(j, "pid", f->pid);
		json_kstr(j, "comm", f->comm);
		json_kstr(j, "runtime", f->runtime);
		json_kstr(j, "version", f->version);
		json_kstr(j, "allocator", f->allocator);
		json_fact(j, "heap_bytes", h->anon_bytes);
		json_fact(j, "heap_first_bytes", f->anon_start);
		json_fact(j, "explained_bytes", h->explained_bytes);
		json_fact(j, "malloc_used_bytes", f->malloc_used);
		json_fact(j, "malloc_free_bytes", f->malloc_free);
		json_fact(j, "malloc_trimmable_bytes", f->malloc_trimmable);
		json_fact(j, "one_in", f->one_in);
		json_flag(j, "cut", f->cut);
		json_kstr(j, "reason", f->reason);
		entries(j, h);
		json_key(j, "growth");
		growth(j, m, model_growth_of(m, f->pid));
		json_object_end(j);
	}
	json_array_end(j);
}
