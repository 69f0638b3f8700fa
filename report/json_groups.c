/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups: what they use, what is left of deleted ones, what the kubelet makes of it. */
#include <math.h>

#include "json_parts.h"

static size_t bounded(size_t n)
{
	return n < REPORT_MAX_ROWS ? n : REPORT_MAX_ROWS;
}

static void cgroup_figures(struct json *j, const struct fact_cgroup *f)
{
	static const struct {
		const char *key;
		size_t offset;
	} rest[] = {
		{"anon_bytes", offsetof(struct fact_cgroup, anon_bytes)},
		{"file_bytes", offsetof(struct fact_cgroup, file_bytes)},
		{"active_file_bytes", offsetof(struct fact_cgroup, active_file_bytes)},
		{"shmem_bytes", offsetof(struct fact_cgroup, shmem_bytes)},
		{"slab_bytes", offsetof(struct fact_cgroup, slab_bytes)},
		{"swap_bytes", offsetof(struct fact_cgroup, swap_bytes)},
		{"kernel_bytes", offsetof(struct fact_cgroup, kernel_bytes)},
		{"inactive_file_bytes", offsetof(struct fact_cgroup, inactive_file_bytes)},
		{"slab_reclaimable_bytes", offsetof(struct fact_cgroup, slab_reclaimable_bytes)},
		{"slab_unreclaimable_bytes",
		 offsetof(struct fact_cgroup, slab_unreclaimable_bytes)},
		{"kernel_stack_bytes", offsetof(struct fact_cgroup, kernel_stack_bytes)},
		{"page_table_bytes", offsetof(struct fact_cgroup, page_table_bytes)},
		{"percpu_bytes", offsetof(struct fact_cgroup, percpu_bytes)},
		{"sock_bytes", offsetof(struct fact_cgroup, sock_bytes)},
		{"high_bytes", offsetof(struct fact_cgroup, high_bytes)},
		{"usage_first_bytes", offsetof(struct fact_cgroup, usage_first_bytes)},
		{"processes", offsetof(struct fact_cgroup, processes)},
		{"oom_kills", offsetof(struct fact_cgroup, oom_kills)},
		{"oom_kills_first", offsetof(struct fact_cgroup, oom_kills_first)},
		{"limit_hits", offsetof(struct fact_cgroup, max_events)},
		{"limit_hits_first", offsetof(struct fact_cgroup, max_events_first)},
		{"high_events", offsetof(struct fact_cgroup, high_events)},
		{"high_events_first", offsetof(struct fact_cgroup, high_events_first)},
		{"pressure_some_us", offsetof(struct fact_cgroup, pressure_some_us)},
		{"pressure_some_first_us", offsetof(struct fact_cgroup, pressure_some_first_us)},
		{"dying_descendants", offsetof(struct fact_cgroup, dying_descendants)},
	};

	json_kstr(j, "slab_top", f ? f->slab_top : NULL);
	json_fact(j, "slab_top_bytes", f ? f->slab_top_bytes : FACT_NONE);
	for (size_t i = 0; i < sizeof(rest) / sizeof(*rest); i++) {
		if (f)
			json_fact(j, rest[i].key,
				  *(const uint64_t *)((const char *)f + rest[i].offset));
		else
			json_knull(j, rest[i].key);
	}
}

static void cgroups(struct json *j, const struct model *m)
{
	if (!m->cgroup_count) {
		json_knull(j, "cgroups");
		return;
	}
	json_key(j, "cgroups");
	json_array(j);
	for (size_t i = 0; i < bounded(m->cgroup_count); i++) {
		const struct model_cgroup *g = &m->cgroups[i];

		json_object(j);
		json_kstr(j, "path", g->path);
		json_kstr(j, "namespace", g->namespace);
		json_kstr(j, "pod", g->pod);
		json_kstr(j, "container", g->container);
		json_kstr(j, "runtime", g->runtime);
		json_kstr(j, "state", g->dying ? "dying" : "online");
		json_fact(j, "usage_bytes", g->fact ? g->fact->usage_bytes : FACT_NONE);
		json_fact(j, "limit_bytes", g->limit_bytes);
		cgroup_figures(j, g->fact);
		json_fact(j, "workingset_bytes", g->workingset_bytes);
		json_kstr(j, "qos", g->qos);
		json_fact(j, "request_bytes", g->qos ? g->request_bytes : FACT_NONE);
		json_object_end(j);
	}
	json_array_end(j);
}

static void dying(struct json *j, const struct model *m)
{
	if (m->dying_cgroups == FACT_NONE && !m->dying_parent_count) {
		json_knull(j, "dying_cgroups");
		return;
	}
	json_key(j, "dying_cgroups");
	json_object(j);
	json_fact(j, "groups", m->dying_cgroups);
	json_fact(j, "groups_first", m->dying_cgroups_first);
	json_bytes(j, "cached_bytes", m->dying_cached_bytes);
	json_bytes(j, "slab_bytes", m->dying_slab_bytes);
	json_key(j, "parents");
	json_array(j);
	for (size_t i = 0; i < bounded(m->dying_parent_count); i++) {
		const struct model_dying_parent *p = &m->dying_parents[i];

		json_object(j);
		json_kstr(j, "path", p->path);
		json_fact(j, "groups", p->groups);
		json_fact(j, "groups_first", p->groups_first);
		json_fact(j, "found", p->found);
		json_bytes(j, "cached_bytes", p->cached);
		json_object_end(j);
	}
	json_array_end(j);
	json_object_end(j);
}

static void kubernetes(struct json *j, const struct model *m)
{
	if (isnan(m->kubelet_available) && !m->eviction_count) {
		json_knull(j, "kubernetes");
		return;
	}
	json_key(j, "kubernetes");
	json_object(j);
	json_bytes(j, "available_bytes", m->kubelet_available);
	json_key(j, "eviction_order");
	json_array(j);
	for (size_t i = 0; i < bounded(m->eviction_count); i++) {
		const struct model_eviction *e = &m->evictions[i];

		json_object(j);
		json_kstr(j, "path", e->pod->path);
		json_kstr(j, "namespace", e->pod->namespace);
		json_kstr(j, "pod", e->pod->pod);
		json_kstr(j, "qos", e->pod->qos);
		json_fact(j, "workingset_bytes", e->pod->workingset_bytes);
		json_fact(j, "request_bytes", e->pod->request_bytes);
		json_object_end(j);
	}
	json_array_end(j);
	json_object_end(j);
}

void json_cgroups(struct json *j, const struct model *m)
{
	cgroups(j, m);
	dying(j, m);
	kubernetes(j, m);
}
