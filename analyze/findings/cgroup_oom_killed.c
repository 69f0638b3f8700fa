/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup.oom-killed: the kernel killed in a group during the window, or, in v1 with the killer off,
 * its processes stand still until somebody frees memory.
 */
#include "rules.h"

#define MAX_CANDIDATES 256

static double killed(const struct model_cgroup *g)
{
	const struct fact_cgroup *c = g->fact;

	return c && !g->dying && c->vanished != 1 ? group_delta(c->oom_kills_first, c->oom_kills)
						  : FACT_NONE_F;
}

static bool stands_still(const struct model_cgroup *g)
{
	return g->fact && !g->dying && g->fact->vanished != 1 && g->fact->under_oom == 1;
}

static void report(const struct model *m, struct findings *out, const struct model_cgroup *g)
{
	const struct fact_cgroup *c = g->fact;
	const char *name = cgroup_words(out, g), *s = seconds_words(out, window_s(m));
	double n = killed(g);
	struct finding *f;

	if (n > 0)
		f = finding_add(out, "cgroup.oom-killed", SEVERITY_CRITICAL, CONFIDENCE_HIGH,
				"The kernel killed %s of %s for memory in %s",
				n == 1 ? "a process" : count_words(out, n), name, s);
	else
		f = finding_add(out, "cgroup.oom-killed", SEVERITY_CRITICAL, CONFIDENCE_HIGH,
				"The processes of %s stand still: it is out of memory and its OOM "
				"killer is off",
				name);
	if (!f)
		return;
	f->weight = isnan(figure(c->usage_bytes)) ? 0 : figure(c->usage_bytes);
	scope_cgroup(out, f, g);
	if (n > 0)
		finding_because(out, f, "#cgroup-events",
				"oom_kill grew by %s to %s (since the group was made)",
				count_words(out, n), count_words(out, figure(c->oom_kills)));
	else
		finding_because(out, f, "#cgroup-events",
				"memory.oom_control has under_oom 1 at the end of the window");
	finding_because(out, f, "#cgroups", "usage %s, limit %s, anonymous memory %s",
			size_words(out, figure(c->usage_bytes)),
			size_words(out, figure(g->limit_bytes)),
			size_words(out, figure(c->anon_bytes)));
	group_in_kubernetes(m, out, f, g);
	if (n > 0)
		finding_advice(out, f,
			       "dmesg names the process (\"Memory cgroup out of memory\"); if its "
			       "heap grows without end, fix that; else raise the limit of %s.",
			       name);
	else
		finding_advice(out, f,
			       "Raise memory.limit_in_bytes of the group or stop a process of it "
			       "(kill -9); memory.oom_control 0 turns its killer on again.");
	f->wrong_if = n > 0 ? "a test exhausts the group on purpose"
			    : "a manager in user space is about to decide whom to stop";
}

int rule_cgroup_oom_killed(const struct model *m, struct findings *out)
{
	const struct model_cgroup *c[MAX_CANDIDATES];
	size_t n = 0, said = 0;

	for (size_t i = 0; i < m->cgroup_count && n < MAX_CANDIDATES; i++)
		if (killed(&m->cgroups[i]) > 0 || stands_still(&m->cgroups[i]))
			c[n++] = &m->cgroups[i];
	for (size_t i = 0; i < n; i++) {
		bool explained = false;

		/* v2 counts for all groups above. */
		for (size_t k = 0; k < n && !explained; k++)
			explained = k != i && path_below(c[k]->path, c[i]->path);
		if (!explained && said++ < MAX_PER_RULE)
			report(m, out, c[i]);
	}
	return 0;
}
