/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memory.heaps. */
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
		json_object_end(j);
	}
	json_array_end(j);
}
