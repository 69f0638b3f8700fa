/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.huge-pages: a pool of huge pages that nobody uses, on a machine that has little left.
 * What is in the pool is free for those who ask for huge pages, and for nobody else.
 */
#include "rules.h"

#define LARGE 0.1
#define LEAST (512 * MIB)
#define LITTLE_LEFT 0.15

int rule_memory_huge_pages(const struct model *m, struct findings *out)
{
	double total = figure(m->memory_total), size = meminfo(m, "Hugepagesize");
	double reserved = meminfo(m, "HugePages_Rsvd");
	double idle = (meminfo(m, "HugePages_Free") - (isnan(reserved) ? 0 : reserved)) * size;
	double pool = meminfo(m, "HugePages_Total") * size;
	struct finding *f;

	if (!(total > 0) || !(pool <= total) || !(idle >= LARGE * total) || !(idle >= LEAST) ||
	    !(room_left(m) < fmin(LITTLE_LEFT * total, ROOM)))
		return 0;
	f = finding_add(out, "memory.huge-pages", SEVERITY_WARNING, CONFIDENCE_HIGH,
			"Huge pages that nobody uses hold %s of %s, and %s are left",
			size_words(out, idle), size_words(out, total),
			size_words(out, figure(m->memory_available)));
	if (!f)
		return 0;
	f->weight = idle;
	finding_because(out, f, "#memory",
			"the pool of huge pages is %s; %s of it are neither used nor promised",
			size_words(out, pool), size_words(out, idle));
	finding_because(out, f, "#memory", "%s of %s are available to everybody else",
			size_words(out, figure(m->memory_available)), size_words(out, total));
	finding_advice(out, f,
		       "Lower vm.nr_hugepages to what the database or the virtual machines really "
		       "take, or let them use it (huge_pages=on, <memoryBacking>).");
	f->wrong_if = "what the pool is for has not been started yet";
	return 0;
}
