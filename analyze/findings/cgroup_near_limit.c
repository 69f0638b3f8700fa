/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup.near-limit: the working set of a group (usage without inactive file cache) is near its
 * limit, and what is in use of the file cache is a part of why.  Reclaim then takes pages that are
 * needed again a moment later: the group is slow long before anything is killed.  A group whose
 * memory cannot be taken back at all is memory.near-oom's.
 */
#include <stdlib.h>

#include "rules.h"

#define NEAR 0.9
/* A descendant that has this much of a group's working set is where the finding belongs. */
#define EXPLAINED 0.8
/* A part of this share of the limit is worth a sentence. */
#define WORTH_SAYING 0.1
#define MAX_CANDIDATES 256

static bool is_candidate(const struct model *m, const struct model_cgroup *g)
{
	const struct fact_cgroup *c = g->fact;
	double limit, set = figure(g->workingset_bytes);

	if (!c || g->dying || c->vanished == 1)
		return false;
	limit = figure(c->limit_bytes);
	/* Twice the limit is no figure of a kernel. */
	return limit > 0 && limit < figure(m->memory_total) && set >= NEAR * limit &&
	       set <= 2 * limit && !(group_fixed(c) >= NEAR * limit);
}

static void kernel_part(struct findings *out, struct finding *f, const struct fact_cgroup *c,
			double limit)
{
	double kernel = figure(c->kernel_bytes), slab = figure(c->slab_bytes);

	if (!(kernel >= WORTH_SAYING * limit))
		return;
	finding_because(out, f, "#cgroups", "%s of it are kernel memory%s%s",
			size_words(out, kernel), slab > 0 ? ", of which slab objects are " : "",
			slab > 0 ? size_words(out, slab) : "");
}

static int report(const struct model *m, struct findings *out, const struct model_cgroup *g)
{
	const struct fact_cgroup *c = g->fact;
	double set = figure(g->workingset_bytes), limit = figure(c->limit_bytes);
	double active = figure(c->active_file_bytes), anon = figure(c->anon_bytes);
	struct file_bytes *rows = NULL;
	struct file_words w;
	size_t count = 0;
	struct finding *f;
	int r = active_files_of_tree(m, g, &rows, &count);

	if (r < 0)
		return r;
	bool named = describe_files(out, rows, count, &w);

	free(rows);
	f = finding_add(out, "cgroup.near-limit", SEVERITY_WARNING,
			named ? CONFIDENCE_HIGH : CONFIDENCE_MEDIUM,
			"The working set of %s is %s, %d%% of its limit of %s%s%s%s%s%s",
			cgroup_words(out, g), size_words(out, set), percent(set, limit),
			size_words(out, limit), active > 0 ? "; " : "",
			active > 0 ? size_words(out, active) : "",
			active > 0 ? " of it is file cache in use" : "", named ? ", most of " : "",
			named ? w.phrase : "");
	if (!f)
		return 0;
	f->weight = set;
	scope_cgroup(out, f, g);
	finding_because(out, f, "#cgroups",
			"working set %s = usage %s without inactive file cache; anonymous memory "
			"is %s, active file cache %s",
			size_words(out, set), size_words(out, figure(c->usage_bytes)),
			size_words(out, anon), size_words(out, active));
	if (named)
		finding_because(out, f, "#container-files", "in use of its files: %s", w.largest);
	else if (active >= WORTH_SAYING * limit)
		finding_because(out, f, "#files", "which files are in use was not seen");
	kernel_part(out, f, c, limit);
	double hits = group_delta(c->max_events_first, c->max_events);

	if (hits > 0)
		finding_because(out, f, "#cgroup-events", "it ran into its limit %s times in %s",
				count_words(out, hits), seconds_words(out, window_s(m)));
	if (c->oom_kills != FACT_NONE && c->oom_kills)
		finding_because(out, f, "#cgroup-events",
				"%s of its processes were killed for memory since it was made",
				count_words(out, figure(c->oom_kills)));
	group_in_kubernetes(m, out, f, g);
	finding_advice(out, f,
		       "Raise the limit of %s to its working set and a fifth more, or give its "
		       "files another place: what is active is read again and again.",
		       cgroup_words(out, g));
	if (named && w.logs)
		finding_advice(out, f,
			       "Logs that are read again (tailed, shipped) stay active: rotate "
			       "them smaller, or let the reader drop what it has read "
			       "(POSIX_FADV_DONTNEED).");
	if (c->version == 2)
		finding_advice(out, f,
			       "memory.high a little below memory.max slows the group down "
			       "instead of killing in it.");
	f->wrong_if = "the program reads a data set that never fits, and is meant to";
	return 0;
}

int rule_cgroup_near_limit(const struct model *m, struct findings *out)
{
	const struct model_cgroup *c[MAX_CANDIDATES];
	size_t n = 0, said = 0;

	for (size_t i = 0; i < m->cgroup_count && n < MAX_CANDIDATES; i++)
		if (is_candidate(m, &m->cgroups[i]))
			c[n++] = &m->cgroups[i];
	for (size_t i = 0; i < n; i++) {
		bool explained = false;

		for (size_t k = 0; k < n && !explained; k++)
			explained = k != i && path_below(c[k]->path, c[i]->path) &&
				    (double)c[k]->workingset_bytes >=
					    EXPLAINED * (double)c[i]->workingset_bytes;
		if (explained || said++ >= MAX_PER_RULE)
			continue;
		int r = report(m, out, c[i]);

		if (r < 0)
			return r;
	}
	return 0;
}
