/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page-cache.container: a group with a limit is near it, and file cache is a good part of why.
 *
 * The kernel takes clean file cache back before it kills anybody, so this is not near-oom; but the
 * group pays for it with reclaim in its own allocations, and a kubelet or an alert that looks at
 * usage or working set sees a container that is nearly full.
 */
#include <stdlib.h>

#include "rules.h"

/* Alerts on container memory are usually set at 75 to 80 % of the limit. */
#define NEAR 0.75
/* Above this the group reclaims all the time. */
#define VERY_NEAR 0.9
/* The working set is what hurts: at this share of the limit reclaim takes what is in use. */
#define IN_USE 0.75
/* Below VERY_NEAR the cache must be what fills the group, … */
#define FILE_PART 0.5
/* … above it, enough that taking it back ends the pressure. */
#define FILE_PART_VERY_NEAR 0.2
/* A descendant that holds this much of a group's cache is where the finding belongs. */
#define EXPLAINED 0.8
#define MAX_CANDIDATES 256

struct candidate {
	const struct model_cgroup *g;
	double usage, limit, file;
};

static bool is_candidate(const struct model *m, const struct model_cgroup *g, struct candidate *ret)
{
	const struct fact_cgroup *f = g->fact;

	if (!f || g->dying)
		return false;
	struct candidate c = {g, figure(f->usage_bytes), figure(f->limit_bytes), 0};
	double shmem = figure(f->shmem_bytes);

	/* memory.stat's cache (v1) and file (v2) count shared memory, which no reclaim frees. */
	c.file = figure(f->file_bytes) - (isnan(shmem) ? 0 : shmem);
	if (!(c.limit > 0) || c.limit >= figure(m->memory_total))
		return false;
	if (!(c.usage >= NEAR * c.limit) ||
	    !(c.file >=
	      (c.usage >= VERY_NEAR * c.limit ? FILE_PART_VERY_NEAR : FILE_PART) * c.usage))
		return false;
	*ret = c;
	return true;
}

static void advise(struct findings *out, struct finding *f, const struct candidate *c,
		   const struct file_words *w)
{
	bool v2 = c->g->fact->version == 2;
	const char *file = shell_word(
		out,
		arena_printf(out->arena, "/sys/fs/cgroup%s%s/memory.%s", v2 ? "" : "/memory",
			     c->g->path, v2 ? "reclaim" : "force_empty"),
		v2 ? "the group's memory.reclaim" : "the group's memory.force_empty");

	if (w && w->logs)
		finding_advice(
			out, f,
			"Rotate, compress away or delete the logs under %s: deleting a file that "
			"nobody has open frees its cache at once.",
			w->directory ? w->directory : "the paths above");
	if (v2)
		finding_advice(
			out, f,
			"To take the cache back now without a restart (kernel 5.19 or newer): "
			"echo %.0fM > %s",
			c->file / MIB, file);
	else
		finding_advice(out, f, "To take the cache back now without a restart: echo 0 > %s",
			       file);
	finding_advice(out, f,
		       "If the program writes files it does not read again, let it call "
		       "posix_fadvise(POSIX_FADV_DONTNEED) after writing, or use O_DIRECT.");
	finding_advice(
		out, f,
		"Judge the container by its working set, not by its usage; raise the limit only "
		"if the working set is near it as well.");
}

static int report(const struct model *m, struct findings *out, const struct candidate *c)
{
	const struct model_cgroup *g = c->g;
	struct file_bytes *rows = NULL;
	struct file_words w;
	size_t count = 0;
	double workingset = figure(g->workingset_bytes);
	/* Whoever reads or writes files lives at the limit; with inactive cache that is no harm. */
	enum severity s = c->usage >= VERY_NEAR * c->limit && !(workingset < IN_USE * c->limit)
				  ? SEVERITY_WARNING
				  : SEVERITY_INFO;
	int r = files_of_tree(m, g, &rows, &count);

	if (r < 0)
		return r;
	bool named = describe_files(out, rows, count, &w);
	struct finding *f = finding_add(
		out, "page-cache.container", s,
		named && m->scan_exact ? CONFIDENCE_HIGH : CONFIDENCE_MEDIUM,
		"The memory usage of %s is near its limit (%s of %s); %s of it is file cache%s%s",
		cgroup_words(out, g), size_words(out, c->usage), size_words(out, c->limit),
		size_words(out, named ? w.bytes : c->file), named ? " of " : "",
		named ? w.phrase : "");

	free(rows);
	if (!f)
		return 0;
	f->weight = c->file;
	scope_cgroup(out, f, g);
	finding_because(out, f, "#cgroups", "%s of %s are used (%d%%), %s of that by file cache",
			size_words(out, c->usage), size_words(out, c->limit),
			percent(c->usage, c->limit), size_words(out, c->file));
	if (named)
		finding_because(out, f, "#files", "the largest files in it: %s", w.largest);
	else
		finding_because(out, f, "#files", "which files they are was not seen");
	if (!isnan(workingset))
		finding_because(
			out, f, "#cgroups",
			"its working set (usage without inactive file cache) is %s, %d%% of the "
			"limit",
			size_words(out, workingset), percent(workingset, c->limit));
	if (g->fact->oom_kills != FACT_NONE && g->fact->oom_kills)
		finding_because(out, f, "#cgroups",
				"%s of its processes were killed for memory so far",
				count_words(out, figure(g->fact->oom_kills)));
	else if (g->fact->max_events != FACT_NONE && g->fact->max_events)
		finding_because(out, f, "#cgroups", "it has run into its limit %s times so far",
				count_words(out, figure(g->fact->max_events)));
	advise(out, f, c, named ? &w : NULL);
	f->wrong_if = "the files are read again and again: then the cache is what keeps the "
		      "program fast, "
		      "and the limit is too small for it";
	return 0;
}

int rule_page_cache_container(const struct model *m, struct findings *out)
{
	struct candidate c[MAX_CANDIDATES];
	size_t n = 0, said = 0;

	for (size_t i = 0; i < m->cgroup_count && n < MAX_CANDIDATES; i++)
		n += is_candidate(m, &m->cgroups[i], &c[n]);
	for (size_t i = 0; i < n; i++) {
		bool explained = false;

		for (size_t k = 0; k < n && !explained; k++)
			explained = k != i && path_below(c[k].g->path, c[i].g->path) &&
				    c[k].file >= EXPLAINED * c[i].file;
		if (explained || said++ >= MAX_PER_RULE)
			continue;
		int r = report(m, out, &c[i]);

		if (r < 0)
			return r;
	}
	if (said > MAX_PER_RULE && out->count)
		finding_because(out, &out->rows[out->count - 1], "#cgroups",
				"%s more groups are like this one",
				count_words(out, (double)(said - MAX_PER_RULE)));
	return 0;
}
