/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kubelet makes of the memory, from what the node shows of it.
 *
 *   QoS class   the level of the cgroup tree the pod is in
 *   request     of a Burstable container from oom_score_adj, which the kubelet sets to
 *               1000 − 1000 × request / capacity, bounded to 3 … 999; so it is known to 0.1% of the
 *               machine.  Source: pkg/kubelet/qos/policy.go, GetContainerOOMScoreAdjust()
 *   memory.available   capacity less the root group's working set, which counts active file cache
 *               as used.  In v2 the root has no usage, and MemTotal − MemFree stands for it.
 *               Source: pkg/kubelet/eviction/helpers.go; opencontainers/cgroups fs2, rootStats
 *   order of eviction   pods above their request first, then by priority (not seen from here), then
 *               by how far above.  Source: pkg/kubelet/eviction/helpers.go, rankMemoryPressure()
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "containers.h"
#include "model_build.h"

#define OOM_SCORE_LEAST 3
#define OOM_SCORE_MOST 999

static const char *qos_of(const char *path, size_t pod_len)
{
	const char *top = strstr(path, "kubepods");
	size_t at = top ? (size_t)(top - path) : pod_len;

	if (at >= pod_len)
		return NULL;
	for (size_t i = at; i + 10 <= pod_len; i++) {
		if (!memcmp(path + i, "besteffort", 10))
			return "BestEffort";
		if (!memcmp(path + i, "burstable", 9))
			return "Burstable";
	}
	return "Guaranteed";
}

static uint64_t request_of(const struct model *m, const struct model_cgroup *g, int64_t adj)
{
	if (!strcmp(g->qos, "BestEffort"))
		return 0;
	if (!strcmp(g->qos, "Guaranteed"))
		return g->fact ? g->fact->limit_bytes : FACT_NONE;
	if (adj < 0) /* the pause container */
		return 0;
	if (adj < OOM_SCORE_LEAST || adj > OOM_SCORE_MOST)
		return FACT_NONE;
	return m->memory_total == FACT_NONE
		       ? FACT_NONE
		       : none_mul(m->memory_total / 1000, 1000 - (uint64_t)adj);
}

/* The score of its first process that has one: children inherit it. */
static void requests(struct model *m)
{
	for (size_t i = 0; i < m->process_count; i++) {
		const struct fact_process *p = m->processes[i];
		struct model_cgroup *g = NULL;

		if (m->process_cgroups[i])
			g = &m->cgroups[m->process_cgroups[i] - m->cgroups];
		if (!g || !g->qos || !g->container || p->oom_score_adj == INT64_MIN ||
		    p->vanished == 1)
			continue;
		if (g->request_bytes == FACT_NONE)
			g->request_bytes = request_of(m, g, p->oom_score_adj);
	}
}

static int first_evicted(const void *a, const void *b)
{
	const struct model_eviction *x = a, *y = b;

	if ((x->above > 0) != (y->above > 0))
		return x->above > 0 ? -1 : 1;
	if (x->above != y->above)
		return x->above > y->above ? -1 : 1;
	return strcmp(x->pod->path, y->pod->path);
}

static bool is_below(const char *path, const char *pod, size_t len)
{
	return !strncmp(path, pod, len) && path[len] == '/';
}

/* A pod's request is the sum of its containers'.  Both lists may be long, but a node has hundreds
 * of pods; more are not ranked. */
#define MOST_PODS 4096

static int rank(struct model_build *b, const bool *is_pod)
{
	struct model *m = b->m;
	size_t n = 0;

	for (size_t i = 0; i < m->cgroup_count; i++)
		n += is_pod[i];
	if (n > MOST_PODS)
		n = MOST_PODS;
	m->evictions = arena_alloc(b->arena, (n + 1) * sizeof(*m->evictions));
	if (!m->evictions)
		return -ENOMEM;
	for (size_t i = 0; i < m->cgroup_count && m->eviction_count < n; i++) {
		struct model_cgroup *g = &m->cgroups[i];
		size_t len = strlen(g->path);
		uint64_t sum = 0;

		if (!is_pod[i] || g->workingset_bytes == FACT_NONE)
			continue;
		for (size_t k = 0; k < m->cgroup_count; k++)
			if (m->cgroups[k].container && m->cgroups[k].qos && !m->cgroups[k].dying &&
			    is_below(m->cgroups[k].path, g->path, len))
				sum = none_add(sum, m->cgroups[k].request_bytes);
		g->request_bytes = sum;
		if (sum == FACT_NONE) /* its place is not known */
			continue;
		m->evictions[m->eviction_count++] = (struct model_eviction){
			.pod = g, .above = (double)g->workingset_bytes - (double)sum};
	}
	if (m->eviction_count)
		qsort(m->evictions, m->eviction_count, sizeof(*m->evictions), first_evicted);
	return 0;
}

/* Capacity less working set of the whole machine. */
static double available(const struct model *m)
{
	uint64_t usage = FACT_NONE, inactive = FACT_NONE;

	for (size_t i = 0; i < m->cgroup_count; i++) {
		const struct fact_cgroup *c = m->cgroups[i].fact;

		if (!c || strcmp(m->cgroups[i].path, "/") != 0)
			continue;
		usage = c->version == 1 ? c->usage_bytes : FACT_NONE;
		inactive = c->inactive_file_bytes;
	}
	if (usage == FACT_NONE)
		usage = none_sub(m->memory_total, facts_counter(m->facts, "meminfo", "MemFree"));
	if (inactive == FACT_NONE)
		inactive = facts_counter(m->facts, "meminfo", "Inactive(file)");
	usage = none_sub(usage, inactive);
	if (usage == FACT_NONE || m->memory_total == FACT_NONE)
		return FACT_NONE_F;
	return (double)m->memory_total - (double)usage;
}

int model_build_kubernetes(struct model_build *b)
{
	struct model *m = b->m;
	bool *is_pod = calloc(m->cgroup_count + 1, sizeof(*is_pod)), any = false;
	int r = 0;

	if (!is_pod)
		return -ENOMEM;
	m->kubelet_available = FACT_NONE_F;
	for (size_t i = 0; i < m->cgroup_count; i++) {
		struct model_cgroup *g = &m->cgroups[i];
		struct container_path c;

		container_parse(g->path, &c);
		g->request_bytes = FACT_NONE;
		if (!c.pod_uid[0])
			continue;
		g->qos = qos_of(g->path, c.pod_len);
		is_pod[i] = g->qos && !g->dying && g->fact && strlen(g->path) == c.pod_len;
		any = any || is_pod[i];
	}
	if (any) {
		m->kubelet_available = available(m);
		requests(m);
		r = rank(b, is_pod);
	}
	free(is_pod);
	return r;
}
