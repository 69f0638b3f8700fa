/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json_parts.h"

#include <math.h>

static size_t bounded(size_t n)
{
	return n < REPORT_MAX_ROWS ? n : REPORT_MAX_ROWS;
}

static void parts(struct json *j, const struct model *m)
{
	if (!m->part_count) {
		json_knull(j, "parts");
		json_knull(j, "unaccounted_bytes");
		return;
	}
	json_key(j, "parts");
	json_array(j);
	for (size_t i = 0; i < m->part_count; i++) {
		json_object(j);
		json_kstr(j, "id", m->parts[i].id);
		json_kstr(j, "label", m->parts[i].label);
		json_fact(j, "bytes", m->parts[i].bytes);
		json_kstr(j, "source", m->parts[i].source);
		json_object_end(j);
	}
	json_array_end(j);
	if (m->unaccounted == INT64_MIN)
		json_knull(j, "unaccounted_bytes");
	else
		json_ki64(j, "unaccounted_bytes", m->unaccounted);
}

static void json_group_of(struct json *j, const struct model *m, size_t row)
{
	const struct model_cgroup *g = m->process_cgroups ? m->process_cgroups[row] : NULL;

	json_kstr(j, "namespace", g ? g->namespace : NULL);
	json_kstr(j, "pod", g ? g->pod : NULL);
	json_kstr(j, "container", g ? g->container : NULL);
}

static void programs(struct json *j, const struct model *m)
{
	if (!m->program_count) {
		json_knull(j, "programs");
		return;
	}
	json_key(j, "programs");
	json_array(j);
	for (size_t i = 0; i < bounded(m->program_count); i++) {
		const struct model_program *p = &m->programs[i];

		json_object(j);
		json_kstr(j, "comm", p->comm);
		json_fact(j, "processes", p->count);
		json_fact(j, "threads", p->threads);
		json_kstr(j, "cgroup", p->cgroup);
		json_fact(j, "largest_pid", p->largest->pid);
		json_fact(j, "heap_bytes", p->heap_bytes);
		if (isnan(p->heap_grown))
			json_knull(j, "heap_grown_bytes");
		else
			json_ki64(j, "heap_grown_bytes",
				  (int64_t)fmax(-9e18, fmin(p->heap_grown, 9e18)));
		json_fact(j, "swap_bytes", p->swap_bytes);
		json_fact(j, "file_bytes", p->file_bytes);
		json_fact(j, "shmem_bytes", p->shmem_bytes);
		json_fact(j, "hugetlb_bytes", p->hugetlb_bytes);
		json_object_end(j);
	}
	json_array_end(j);
}

static void processes(struct json *j, const struct model *m)
{
	if (!m->process_count) {
		json_knull(j, "processes");
		return;
	}
	json_key(j, "processes");
	json_array(j);
	for (size_t i = 0; i < bounded(m->process_count); i++) {
		const struct fact_process *p = m->processes[i];

		json_object(j);
		json_fact(j, "pid", p->pid);
		json_kstr(j, "comm", p->comm);
		json_kstr(j, "cmdline", p->cmdline);
		json_kstr(j, "cgroup", p->cgroup);
		json_fact(j, "heap_bytes", p->heap_bytes);
		json_fact(j, "heap_first_bytes", p->heap_first_bytes);
		json_fact(j, "hugetlb_bytes", p->hugetlb_bytes);
		json_fact(j, "anon_huge_bytes", p->anon_huge_bytes);
		json_fact(j, "pss_bytes", p->pss_bytes);
		json_fact(j, "private_bytes", p->private_bytes);
		json_fact(j, "rss_first_bytes", p->rss_first_bytes);
		json_fact(j, "threads", p->threads);
		json_group_of(j, m, i);
		json_fact(j, "file_bytes", p->file_bytes);
		json_fact(j, "shmem_bytes", p->shmem_bytes);
		json_fact(j, "swap_bytes", p->swap_bytes);
		json_fact(j, "rss_bytes", p->rss_bytes);
		json_fact(j, "vram_bytes",
			  m->process_vram ? m->process_vram[p - m->facts->processes.rows]
					  : FACT_NONE);
		if (p->oom_score_adj == INT64_MIN)
			json_knull(j, "oom_score_adj");
		else
			json_ki64(j, "oom_score_adj", p->oom_score_adj);
		json_object_end(j);
	}
	json_array_end(j);
}

static void slab_cause(struct json *j, const struct model *m, const struct fact_slab *s)
{
	const struct model_slab_cause *c = NULL;

	for (size_t i = 0; i < m->slab_cause_count && !c; i++)
		if (m->slab_causes[i].slab == s)
			c = &m->slab_causes[i];
	json_kstr(j, "directory", c ? c->path : NULL);
	if (c)
		json_kf64(j, "directory_share", c->share);
	else
		json_knull(j, "directory_share");
}

static void dentries(struct json *j, const struct model *m)
{
	json_key(j, "dentries");
	json_object(j);
	json_bytes(j, "count", m->dentries);
	json_bytes(j, "unused", m->dentries_unused);
	json_bytes(j, "negative", m->dentries_negative);
	json_bytes(j, "bytes", m->dentry_bytes);
	if (!m->dentry_slabs_read) {
		json_knull(j, "trees");
		json_object_end(j);
		return;
	}
	json_fact(j, "slabs_read", m->dentry_slabs_read);
	json_kstr(j, "negative_directory", m->negative_cause.path);
	json_key(j, "trees");
	json_array(j);
	for (size_t i = 0; i < bounded(m->dentry_tree_count); i++) {
		const struct model_dentry_tree *d = &m->dentry_trees[i];

		json_object(j);
		json_kstr(j, "path", d->path);
		json_kstr(j, "fstype", d->fstype);
		json_bytes(j, "dentries", round(d->dentries.bytes));
		json_interval(j, "interval", d->dentries.low, d->dentries.high);
		json_bytes(j, "negative", round(d->negative.bytes));
		json_interval(j, "negative_interval", d->negative.low, d->negative.high);
		json_bytes(j, "directly_in_it", round(d->own));
		json_bytes(j, "bytes", d->bytes);
		json_object_end(j);
	}
	json_array_end(j);
	json_object_end(j);
}

static void drop_caches(struct json *j, const struct model *m)
{
	json_key(j, "drop_caches");
	json_object(j);
	json_bytes(j, "page_cache_bytes", m->drop_page_cache_bytes);
	json_bytes(j, "slab_bytes", m->drop_slab_bytes);
	json_object_end(j);
}

static void slabs(struct json *j, const struct model *m)
{
	if (!m->slab_count) {
		json_knull(j, "slabs");
		return;
	}
	json_key(j, "slabs");
	json_array(j);
	for (size_t i = 0; i < bounded(m->slab_count); i++) {
		const struct fact_slab *s = m->slabs[i];

		json_object(j);
		json_kstr(j, "name", s->name);
		json_fact(j, "bytes", s->bytes);
		json_fact(j, "objects", s->objects);
		json_fact(j, "active_objects", s->active_objects);
		json_fact(j, "object_bytes", s->object_bytes);
		json_flag(j, "reclaimable", s->reclaimable);
		json_fact(j, "bytes_first", s->bytes_first);
		slab_cause(j, m, s);
		json_object_end(j);
	}
	json_array_end(j);
}

static void accounts(struct json *j, const struct model *m)
{
	if (!m->account_count) {
		json_knull(j, "accounts");
		return;
	}
	json_key(j, "accounts");
	json_array(j);
	for (size_t i = 0; i < m->account_count; i++) {
		const struct model_account *a = &m->accounts[i];

		json_object(j);
		json_kstr(j, "what", a->what);
		json_bytes(j, "frames_bytes", a->frames.bytes);
		json_interval(j, "frames_interval", a->frames.low, a->frames.high);
		json_bytes(j, "counted_bytes", a->counted);
		json_bytes(j, "difference_bytes", a->difference);
		json_bytes(j, "within_bytes", a->reach);
		json_flag(j, "agrees", isnan(a->difference) ? FACT_NONE : a->agrees);
		json_kstr(j, "kinds", a->kinds);
		json_kstr(j, "counters", a->counters);
		json_object_end(j);
	}
	json_array_end(j);
}

static void holdings(struct json *j, const struct model *m)
{
	if (!m->holding_count) {
		json_knull(j, "kernel_objects");
		return;
	}
	json_key(j, "kernel_objects");
	json_array(j);
	for (size_t i = 0; i < bounded(m->holding_count); i++) {
		const struct model_holding *h = &m->holdings[i];
		const struct fact_kernel_object *o = h->largest;

		json_object(j);
		json_kstr(j, "kind", h->kind);
		json_fact(j, "pid", h->pid);
		json_kstr(j, "comm", h->process ? h->process->comm : NULL);
		json_kstr(j, "cgroup", h->process ? h->process->cgroup : NULL);
		json_fact(j, "shared_with", h->shared_with);
		json_fact(j, "objects", h->objects);
		json_fact(j, "bytes", h->bytes);
		json_fact(j, "waiting_bytes", h->waiting);
		json_kstr(j, "memory", o ? o->memory : NULL);
		json_key(j, "largest");
		json_object(j);
		json_fact(j, "id", o ? o->id : FACT_NONE);
		json_kstr(j, "name", o ? o->name : NULL);
		json_kstr(j, "detail", o ? o->detail : NULL);
		json_fact(j, "bytes", o ? o->bytes : FACT_NONE);
		json_object_end(j);
		json_object_end(j);
	}
	json_array_end(j);
}

void json_memory(struct json *j, const struct report *r)
{
	const struct model *m = r->model;

	if (m->memory_total == FACT_NONE && !m->part_count && !m->process_count &&
	    !m->cgroup_count && !m->slab_count && !m->heap_count) {
		json_knull(j, "memory");
		return;
	}
	json_key(j, "memory");
	json_object(j);
	json_fact(j, "total_bytes", m->memory_total);
	json_fact(j, "available_bytes", m->memory_available);
	parts(j, m);
	processes(j, m);
	programs(j, m);
	json_cgroups(j, m);
	slabs(j, m);
	accounts(j, m);
	holdings(j, m);
	json_heaps(j, m);
	json_heap_growth(j, m);
	dentries(j, m);
	drop_caches(j, m);
	json_object_end(j);
}
