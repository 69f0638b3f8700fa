/* SPDX-License-Identifier: GPL-2.0-or-later */
/* slab.unreclaimable: kernel objects that only their owner can free hold much memory. */
#include "rules.h"

/* Healthy machines have 1 to 4 %; small ones a fixed amount that is a larger share. */
#define LARGE 0.1
#define CRITICAL 0.3
#define LEAST (512 * MIB)
/* One cache alone: of machines in good health none has that much that cannot be reclaimed. */
#define ONE 0.02
#define ONE_LEAST (256 * MIB)
/* Growth of one cache over the window that is worth saying. */
#define GROWTH (8 * MIB)

/*
 * The largest cache that is known not to be reclaimable, if it has at least so much.  Without
 * /sys/kernel/slab it is not known of any, and one larger than SUnreclaim is not what it says.
 */
static const struct fact_slab *largest(const struct model *m, double least, double slab)
{
	for (size_t i = 0; i < m->slab_count; i++) {
		const struct fact_slab *s = m->slabs[i];

		if (s->reclaimable == 0 && s->name && figure(s->bytes) <= slab)
			return figure(s->bytes) >= least ? s : NULL;
	}
	return NULL;
}

static struct finding *of_all(const struct model *m, struct findings *out, double slab,
			      const struct fact_slab *top)
{
	double total = figure(m->memory_total);

	return finding_add(out, "slab.unreclaimable",
			   slab >= CRITICAL * total ? SEVERITY_CRITICAL : SEVERITY_WARNING,
			   top ? CONFIDENCE_HIGH : CONFIDENCE_MEDIUM,
			   "Kernel objects that cannot be reclaimed hold %s of %s%s%s%s%s",
			   size_words(out, slab), size_words(out, total), top ? "; " : "",
			   top ? size_words(out, figure(top->bytes)) : "", top ? " of it are " : "",
			   top ? top->name : "");
}

int rule_slab_unreclaimable(const struct model *m, struct findings *out)
{
	double total = figure(m->memory_total), slab = meminfo(m, "SUnreclaim");
	double before = figure(facts_counter_first(m->facts, "meminfo", "SUnreclaim"));
	const struct fact_slab *top = largest(m, 0.25 * slab, slab), *one;
	struct finding *f;

	if (!(total > 0))
		return 0;
	one = largest(m, fmax(ONE * total, ONE_LEAST), slab);
	if (slab >= LARGE * total && slab >= LEAST)
		f = of_all(m, out, slab, top);
	else if (one)
		f = finding_add(out, "slab.unreclaimable", SEVERITY_INFO, CONFIDENCE_MEDIUM,
				"The slab cache %s holds %s (%d%% of memory) that cannot be "
				"reclaimed",
				one->name, size_words(out, figure(one->bytes)),
				percent(figure(one->bytes), total));
	else
		return 0;
	top = top ? top : one;
	if (!f)
		return 0;
	f->weight = slab;
	finding_because(out, f, "#memory", "SUnreclaim is %s, %d%% of memory",
			size_words(out, slab), percent(slab, total));
	if (slab - before >= GROWTH)
		finding_because(out, f, "#memory", "it grew by %s in %s",
				size_words(out, slab - before), seconds_words(out, window_s(m)));
	for (size_t i = 0, n = 0; i < m->slab_count && n < 4; i++) {
		const struct fact_slab *s = m->slabs[i];
		double bytes = figure(s->bytes), grown = bytes - figure(s->bytes_first);

		if (s->reclaimable == 1 || !s->name || !(bytes >= 0.05 * slab) || bytes > slab)
			continue;
		finding_because(out, f, "#slabs", "%s holds %s in %s objects%s%s", s->name,
				size_words(out, bytes), count_words(out, figure(s->objects)),
				grown >= GROWTH ? ", and grew by " : "",
				grown >= GROWTH ? size_words(out, grown) : "");
		n++;
	}
	if (m->slab_count == 0)
		finding_because(out, f, "#collectors",
				"which objects they are was not seen: no slabinfo");
	if (top && !strncmp(top->name, "kmalloc", 7))
		finding_advice(
			out, f,
			"%s is memory of any kernel code of that size: /proc/allocinfo (kernel "
			"6.10 or "
			"newer, memory allocation profiling) or slub_debug=U names the code.",
			top->name);
	finding_advice(
		out, f,
		"Look for what the objects belong to: modules and agents that hook the kernel, "
		"cgroups that never go (cgroup.dying), sockets and processes in great number.");
	finding_advice(
		out, f,
		"Only what owns the objects frees them: unload the module, stop the program, "
		"or update the kernel; a restart of the machine ends it until it grows again.");
	f->wrong_if = "the machine runs very many containers, sockets or processes, and the "
		      "objects are theirs";
	return 0;
}
