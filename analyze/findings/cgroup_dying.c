/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup.dying: deleted groups live on because memory charged to them does.  Each costs per-CPU
 * and slab memory, and every walk over all groups gets slower.
 */
#include <stdlib.h>

#include "rules.h"

/* Machines that start many jobs always have some hundreds; from a thousand on, walks over them
 * (memory.stat, reclaim) are felt. */
#define MANY 1000
/* Page cache of deleted groups that is worth a finding of its own. */
#define CACHED_SHARE 0.05
#define CACHED_LEAST (256 * MIB)

static const struct model_cgroup *largest(const struct model *m)
{
	const struct model_cgroup *g = NULL;

	for (size_t i = 0; i < m->cgroup_count; i++)
		if (m->cgroups[i].dying && m->cgroups[i].cached.bytes > 0 &&
		    (!g || m->cgroups[i].cached.bytes > g->cached.bytes))
			g = &m->cgroups[i];
	return g;
}

/* Kernels until 5.8: their own copies of slab caches. */
static void slab_words(const struct model *m, struct findings *out, struct finding *f, double slab)
{
	const struct model_cgroup *g = NULL;

	for (size_t i = 0; i < m->cgroup_count; i++)
		if (m->cgroups[i].dying && m->cgroups[i].slab_count &&
		    (!g || m->cgroups[i].slab.bytes > g->slab.bytes))
			g = &m->cgroups[i];
	finding_because(out, f, "#cgroups", "%s of slab are caches of their own",
			size_words(out, slab));
	if (g)
		finding_because(out, f, "#cgroups", "the most is %s, with %s, of it %s of %s",
				g->path, size_words(out, g->slab.bytes),
				size_words(out, g->slabs[0].bytes.bytes), g->slabs[0].cache);
}

int rule_cgroup_dying(const struct model *m, struct findings *out)
{
	double dying = figure(m->dying_cgroups), cached = m->dying_cached_bytes;
	double total = figure(m->memory_total);
	bool many = dying >= MANY;
	double slab = m->dying_slab_bytes > 0 ? m->dying_slab_bytes : 0;
	double held = (cached > 0 ? cached : 0) + slab;
	bool much = held >= CACHED_SHARE * total && held >= CACHED_LEAST;
	const struct model_cgroup *g = largest(m);
	struct file_bytes *rows = NULL;
	struct file_words w;
	size_t count = 0;
	struct finding *f;

	if (!many && !much)
		return 0;
	if (g && files_of_tree(m, g, &rows, &count) < 0)
		return 0;
	bool named = g && describe_files(out, rows, count, &w);

	free(rows);
	if (much)
		f = finding_add(out, "cgroup.dying", SEVERITY_WARNING,
				m->scan_exact ? CONFIDENCE_HIGH : CONFIDENCE_MEDIUM,
				"%s of %s belong to %s deleted cgroups, which cannot go "
				"because of it",
				size_words(out, held),
				slab > 0 ? "page cache and slab" : "page cache",
				count_words(out, dying));
	else
		f = finding_add(
			out, "cgroup.dying", SEVERITY_WARNING, CONFIDENCE_HIGH,
			"%s deleted cgroups cannot go, because memory is still charged to them",
			count_words(out, dying));
	if (!f)
		return 0;
	f->weight = held;
	finding_because(out, f, "#cgroups", "%s memory cgroups are deleted but still there",
			count_words(out, dying));
	double grown = dying - figure(m->dying_cgroups_first);

	if (grown >= 1)
		finding_because(out, f, "#dying-cgroups",
				"%s of them came in the %s of the capture", count_words(out, grown),
				seconds_words(out, window_s(m)));
	if (m->dying_parent_count) {
		const struct model_dying_parent *p = m->dying_parents;

		finding_because(out, f, "#dying-cgroups", "%s of them were directly below %s",
				count_words(out, (double)p->groups), p->path);
	}
	if (!isnan(cached))
		finding_because(out, f, "#cgroups",
				"%s of page cache are charged to those that were found",
				size_words(out, cached));
	if (g)
		finding_because(out, f, "#cgroups", "the largest was %s, with %s of page cache",
				g->path, size_words(out, g->cached.bytes));
	if (named)
		finding_because(out, f, "#files", "it is held by %s: %s", w.phrase, w.largest);
	if (m->dying_by_sockets)
		finding_because(out, f, "#kernel-objects",
				"%s of them cannot go before %s sockets are closed%s%s%s",
				count_words(out, (double)m->dying_by_sockets),
				count_words(out, (double)m->dying_sockets),
				m->dying_holder ? ", most of which " : "",
				m->dying_holder && m->dying_holder->comm ? m->dying_holder->comm
									 : "",
				m->dying_holder ? arena_printf(out->arena, " (pid %" PRIu64 ") has",
							       m->dying_holder->pid)
						: "");
	if (slab > 0)
		slab_words(m, out, f, slab);
	if (meminfo(m, "Percpu") >= 0.02 * total)
		finding_because(out, f, "#memory", "per-CPU data, a part of which is theirs, is %s",
				size_words(out, meminfo(m, "Percpu")));
	/* The scan found no file that is not shared memory charged to the largest. */
	if (g && !count)
		finding_advice(
			out, f,
			"What keeps the largest is shared memory: delete its files in tmpfs and "
			"/dev/shm, or end who has them open.  Dropping caches does not free it.");
	else
		finding_advice(
			out, f,
			"Delete or rotate the files that hold the cache; where that is not "
			"possible, echo 1 > /proc/sys/vm/drop_caches lets clean cache and the "
			"groups go.");
	if (m->dying_by_sockets)
		finding_advice(
			out, f,
			"No drop_caches frees the groups that sockets keep: the program that "
			"took the sockets along must close them, or be restarted.");
	finding_advice(
		out, f,
		"Find what starts and ends so many groups: a cron job, a service that restarts "
		"in a loop, short-lived pods.");
	finding_advice(
		out, f,
		"Write logs and shared files from a group that stays, so that their cache is "
		"charged to it.");
	f->wrong_if = "the groups were deleted a moment ago: they go within seconds when nothing "
		      "holds them";
	return 0;
}
