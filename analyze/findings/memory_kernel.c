/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.kernel: the kernel's own structures, other than slab, hold a large part of the machine.
 * None of it is reclaimable, no process list shows it, and it is rarely looked for.
 */
#include "rules.h"

/* Healthy machines have 1 to 3 % of each; a database without huge pages 5 % of page tables. */
#define LARGE 0.1
#define LEAST (512 * MIB)

static const struct {
	const char *part, *title, *advice, *wrong_if;
} parts[] = {
	{"page-tables", "Page tables hold %s of %s",
	 "Many processes that map the same large memory each have page tables for it: let the "
	 "database use huge pages for its shared memory, or bound its connections with a pooler.",
	 "the processes are very many and each maps very much on purpose"},
	{"kernel-stacks", "Kernel stacks hold %s of %s",
	 "Each thread has a kernel stack of 16 KiB: find the program that starts threads without "
	 "end (ps -eLf), and bound them (pids.max, ulimit -u).",
	 "that many threads are meant to be"},
	{"percpu", "Per-CPU data of the kernel hold %s of %s",
	 "Every cgroup, network namespace and veth pair costs per-CPU memory on each CPU: look for "
	 "deleted cgroups that cannot go, and for BPF maps of a per-CPU type (bpftool map).",
	 "the machine has very many CPUs and containers"},
	{"vmalloc", "vmalloc areas of the kernel hold %s of %s",
	 "The callers in /proc/vmallocinfo name the module or the BPF program that holds them.",
	 "a driver or an in-kernel file server was given that much on purpose"},
};

int rule_memory_kernel(const struct model *m, struct findings *out)
{
	double total = figure(m->memory_total);

	for (size_t i = 0; total > 0 && i < m->part_count; i++) {
		const struct memory_part *p = &m->parts[i];
		double bytes = (double)p->bytes;

		for (size_t k = 0; k < sizeof(parts) / sizeof(*parts); k++) {
			struct finding *f;

			if (strcmp(p->id, parts[k].part) != 0 || !(bytes >= LARGE * total) ||
			    !(bytes >= LEAST))
				continue;
			f = finding_add(out, "memory.kernel", SEVERITY_WARNING, CONFIDENCE_HIGH,
					parts[k].title, size_words(out, bytes),
					size_words(out, total));
			if (!f)
				return 0;
			f->weight = bytes;
			finding_because(out, f, "#memory",
					"%s: %s, %d%% of memory; only what owns it frees it",
					p->source, size_words(out, bytes), percent(bytes, total));
			finding_advice(out, f, "%s", parts[k].advice);
			f->wrong_if = parts[k].wrong_if;
		}
	}
	return 0;
}
