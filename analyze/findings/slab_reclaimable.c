/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slab.reclaimable: cached names and inodes (dentries, inode caches) hold a large part of memory.
 * They count as available and are freed under pressure, but slowly, object by object, and `free`
 * shows memory gone that no process has.
 */
#include "rules.h"

/* File servers live with a fifth; a quarter is asked about. */
#define LARGE 0.25
#define LITTLE_LEFT 0.15
#define LEAST (256 * MIB)

/* Which directory trees fill it, as far as the sample of the dentry cache knows. */
static void trees(const struct model *m, struct findings *out, struct finding *f, double slab)
{
	for (size_t i = 0, n = 0; i < m->slab_cause_count && n < 2; i++) {
		const struct model_slab_cause *c = &m->slab_causes[i];

		if (!(figure(c->slab->bytes) >= 0.1 * slab))
			continue;
		finding_because(out, f, "#dentry-trees",
				"%d%% of the names that %s stands for are under %s%s",
				percent(c->share, 1), c->slab->name, c->path,
				c->negative_share >= 0.5 * c->share
					? ", most of them names that do not exist"
					: "");
		n++;
	}
}

int rule_slab_reclaimable(const struct model *m, struct findings *out)
{
	double total = figure(m->memory_total), slab = meminfo(m, "SReclaimable");
	double available = figure(m->memory_available);
	const struct fact_slab *top = NULL;
	struct finding *f;

	if (!(total > 0) || !(slab >= LARGE * total) || !(slab >= LEAST))
		return 0;
	for (size_t i = 0; i < m->slab_count && !top; i++)
		if (m->slabs[i]->reclaimable == 1 && m->slabs[i]->name &&
		    m->slabs[i]->bytes != FACT_NONE)
			top = m->slabs[i];
	f = finding_add(
		out, "slab.reclaimable",
		available < fmin(LITTLE_LEFT * total, ROOM) ? SEVERITY_WARNING : SEVERITY_INFO,
		CONFIDENCE_HIGH, "The kernel caches names and inodes of files in %s of %s%s%s",
		size_words(out, slab), size_words(out, total), top ? ", most in " : "",
		top ? top->name : "");
	if (!f)
		return 0;
	f->weight = slab;
	finding_because(out, f, "#memory", "SReclaimable is %s, %d%% of memory; %s are available",
			size_words(out, slab), percent(slab, total), size_words(out, available));
	for (size_t i = 0, n = 0; i < m->slab_count && n < 3; i++) {
		const struct fact_slab *s = m->slabs[i];

		if (s->reclaimable != 1 || !s->name || !(figure(s->bytes) >= 0.05 * slab))
			continue;
		finding_because(out, f, "#slabs", "%s holds %s in %s objects", s->name,
				size_words(out, figure(s->bytes)),
				count_words(out, figure(s->objects)));
		n++;
	}
	trees(m, out, f, slab);
	if (m->drop_slab_bytes > 0)
		finding_because(
			out, f, "#slabs",
			"drop_caches would give back about %s: %s of %s dentries are not in use",
			size_words(out, m->drop_slab_bytes), count_words(out, m->dentries_unused),
			count_words(out, m->dentries));
	finding_advice(out, f,
		       "Look for what touches very many files or names that do not exist: backups, "
		       "find, du, a health check that opens missing paths.");
	/* fs/inode.c, inode_add_lru(): since 5.16 an inode with cached pages is on no list. */
	if (top && strstr(top->name, "inode"))
		finding_advice(
			out, f,
			"echo 3 > /proc/sys/vm/drop_caches frees it once, and the page cache of "
			"these files with it: 2 alone leaves every inode that has cached pages.");
	else
		finding_advice(out, f,
			       "echo 2 > /proc/sys/vm/drop_caches frees what is not in use once.");
	finding_advice(
		out, f,
		"vm.vfs_cache_pressure above 100 makes the kernel give it back sooner than page "
		"cache.");
	f->wrong_if = "this machine serves millions of files and needs their names at hand";
	return 0;
}
