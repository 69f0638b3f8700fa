/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.unaccounted: memory that no counter of the kernel claims.  Drivers that take whole pages
 * (network and RDMA buffers, GPUs, ballooning, ZFS) are in no counter.
 */
#include "rules.h"

/* Healthy machines have up to 3 %: receive rings, page_pool, memory of early boot. */
#define SOME 0.05
#define MUCH 0.1
#define LEAST (512 * MIB)

static const char *pages_of(const struct model *m, struct findings *out)
{
	const char *text = "";
	unsigned n = 0;

	/* Kinds that say "nobody's": the scan looked at the frames themselves. */
	static const char *const kinds[] = {"other", "unknown", "reserved", "offline"};

	if (!m->scanned || m->facts->scan.count == 0)
		return NULL;
	const struct fact_scan *s = &m->facts->scan.rows[0];

	if (s->pages_total == FACT_NONE || s->strata_done == FACT_NONE || s->strata_done == 0)
		return NULL;
	double scale = (double)s->pages_total / (double)s->strata_done * (double)s->page_size;

	for (size_t i = 0; i < m->facts->page_types.count; i++) {
		const struct fact_page_type *t = &m->facts->page_types.rows[i];

		for (size_t k = 0; k < 4; k++)
			if (t->kind && t->pages != FACT_NONE && !strcmp(t->kind, kinds[k]) &&
			    (double)t->pages * scale >= 16 * MIB)
				text = arena_printf(out->arena, "%s%s%s %s", text, n++ ? ", " : "",
						    t->kind,
						    size_words(out, (double)t->pages * scale));
	}
	return n ? text : NULL;
}

/* The three places in the kernel's code that hold most of what nothing else counts. */
static const char *largest_places(const struct model *m, struct findings *out)
{
	const char *text = NULL;

	for (size_t k = 0; k < m->uncounted_count && k < 3; k++) {
		const struct fact_allocation *a = m->uncounted[k];

		if (!((double)a->bytes >= 16 * MIB))
			break;
		text = arena_printf(out->arena, "%s%s%s (%s%s%s) %s", text ? text : "",
				    text ? ", " : "", a->function ? a->function : "?", a->place,
				    a->module ? ", module " : "", a->module ? a->module : "",
				    size_words(out, (double)a->bytes));
	}
	return text;
}

int rule_memory_unaccounted(const struct model *m, struct findings *out)
{
	double total = figure(m->memory_total), missing;
	const char *pages;
	struct finding *f;

	if (m->unaccounted == INT64_MIN)
		return 0;
	missing = (double)m->unaccounted;
	/* The parts that make a machine's memory up must have been measured, or what is missing is
	 * only what was not looked at. */
	if (isnan(meminfo(m, "AnonPages")) || isnan(meminfo(m, "Cached")) ||
	    isnan(meminfo(m, "SUnreclaim")) || isnan(meminfo(m, "MemFree")))
		return 0;
	if (!(total > 0) || !(missing >= SOME * total) || !(missing >= LEAST))
		return 0;
	f = finding_add(
		out, "memory.unaccounted",
		missing >= MUCH * total ? SEVERITY_WARNING : SEVERITY_INFO, CONFIDENCE_MEDIUM,
		"%s of %s (%d%%) are in no counter of the kernel: a driver holds them, most likely",
		size_words(out, missing), size_words(out, total), percent(missing, total));
	if (!f)
		return 0;
	f->weight = missing;
	finding_because(out, f, "#memory", "all that the kernel counts adds up to %s of %s",
			size_words(out, total - missing), size_words(out, total));
	pages = pages_of(m, out);
	if (pages)
		finding_because(out, f, "#memory", "page frames of no known use, by the scan: %s",
				pages);
	if (largest_places(m, out))
		finding_because(out, f, "#allocations",
				"the largest allocations outside slab, page cache and processes, "
				"by the kernel's own record of them: %s",
				largest_places(m, out));
	if (m->facts->vmalloc.count == 0)
		finding_because(out, f, "#collectors", "vmallocinfo was not seen");
	finding_advice(out, f,
		       "On a virtual machine, look at the hypervisor's balloon (VMware: "
		       "vmware-toolbox-cmd stat balloon): what it took is in no counter.");
	finding_advice(
		out, f,
		"With ZFS, read /proc/spl/kstat/zfs/arcstats: its cache is in no counter either.");
	finding_advice(out, f,
		       "Else look at network rings (ethtool -g), RDMA and GPU drivers.  A capture "
		       "names the "
		       "code that allocated the pages where the kernel keeps account: booted with "
		       "page_owner=on, or on 6.10 and newer with sysctl.vm.mem_profiling=1.");
	f->wrong_if = "much was allocated or freed between the readings of the counters";
	return 0;
}
