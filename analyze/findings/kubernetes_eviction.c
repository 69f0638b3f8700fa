/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kubernetes.eviction: the kubelet's memory.available is near or below its threshold, so it evicts
 * pods or soon will.  That figure counts active file cache as used: the kernel may have plenty to
 * take back while pods are evicted.
 */
#include "rules.h"

/* evictionHard memory.available, unless configured.
 * Source: pkg/kubelet/apis/config/v1beta1/defaults_linux.go */
#define THRESHOLD (100 * MIB)
/* This much above it is near: 2% of memory, at most 512 MiB. */
#define NEAR_SHARE 0.02
#define NEAR_MOST (512 * MIB)

static void who(const struct model *m, struct findings *out, struct finding *f)
{
	for (size_t i = 0; m->evictions && i < m->eviction_count && i < 3; i++) {
		const struct model_eviction *e = &m->evictions[i];
		const struct model_cgroup *g = e->pod;

		finding_because(
			out, f, "#cgroups", "%s to go: %s, %s, working set %s, request %s%s",
			i == 0	 ? "first"
			: i == 1 ? "second"
				 : "third",
			cgroup_words(out, g), g->qos, size_words(out, figure(g->workingset_bytes)),
			g->request_bytes ? size_words(out, figure(g->request_bytes)) : "none",
			e->above > 0 ? "" : ": not above it");
	}
}

int rule_kubernetes_eviction(const struct model *m, struct findings *out)
{
	double available = m->kubelet_available, total = figure(m->memory_total);
	double active = meminfo(m, "Active(file)"), kernel = figure(m->memory_available);
	bool now = available < THRESHOLD;
	struct finding *f;

	if (!(total > 0) || !(now || available < THRESHOLD + fmin(NEAR_SHARE * total, NEAR_MOST)))
		return 0;
	const struct model_eviction *e = m->eviction_count ? m->evictions : NULL;

	f = finding_add(out, "kubernetes.eviction", SEVERITY_WARNING,
			now ? CONFIDENCE_HIGH : CONFIDENCE_MEDIUM,
			"The kubelet %s pods: its memory.available is %s%s%s",
			now ? "evicts" : "is about to evict", size_words(out, available),
			e ? "; first to go is " : "", e ? cgroup_words(out, e->pod) : "");
	if (!f)
		return 0;
	f->weight = total - available;
	finding_because(out, f, "#memory",
			"memory.available = capacity %s less the working set of the whole node; "
			"the threshold is 100 MiB unless configured",
			size_words(out, total));
	who(m, out, f);
	finding_because(out, f, "#cgroups",
			"order: pods above their request, then by priority (not seen from here), "
			"then by how far above");
	if (active >= 0.05 * total && kernel > available)
		finding_because(out, f, "#memory",
				"%s of active file cache count as used in it; the kernel itself "
				"says %s are available",
				size_words(out, active), size_words(out, kernel));
	finding_advice(out, f,
		       "Give pods requests near what they use: who is above the request goes "
		       "first, and Guaranteed pods (requests = limits) go last.");
	if (active >= 0.05 * total && kernel > available)
		finding_advice(out, f,
			       "The rankings name the files that fill the active cache; echo 1 > "
			       "/proc/sys/vm/drop_caches frees what of it is clean and lifts "
			       "memory.available at once, until it is read again.");
	finding_advice(out, f,
		       "kubectl describe node shows MemoryPressure and the threshold that is set.");
	f->wrong_if = "the kubelet's evictionHard is set lower than the default";
	return 0;
}
