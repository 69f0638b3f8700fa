/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.process-heap: one program's heap is where memory went.  A database or a Java server may
 * well be most of a machine; it is a finding when little is left beside it.
 */
#include "rules.h"

#define LARGE 0.3
/* This much left, or ROOM, is enough; below it, the largest heap is what to talk about. */
#define LITTLE_LEFT 0.1
/* Growth over the window worth saying. */
#define GROWTH (32 * MIB)

static const struct model_program *largest_program(const struct model *m)
{
	const struct model_program *best = NULL;

	for (size_t i = 0; i < m->program_count; i++) {
		const struct model_program *p = &m->programs[i];

		if (p->heap_bytes != FACT_NONE && (!best || p->heap_bytes > best->heap_bytes))
			best = p;
	}
	return best;
}

static const struct model_cgroup *group_of(const struct model *m, const struct fact_process *p)
{
	for (size_t i = 0; i < m->process_count; i++)
		if (m->processes[i] == p)
			return m->process_cgroups[i];
	return NULL;
}

int rule_memory_process_heap(const struct model *m, struct findings *out)
{
	double total = figure(m->memory_total), available = figure(m->memory_available);
	const struct model_cgroup *group;
	const struct fact_process *p;
	const struct model_program *best = largest_program(m);
	double heap = best ? figure(best->heap_bytes) : FACT_NONE_F;
	struct finding *f;

	if (!best || !(total > 0) || !(heap >= LARGE * total) ||
	    !(room_left(m) < fmin(LITTLE_LEFT * total, ROOM)))
		return 0;
	p = best->largest;
	if (best->count == 1)
		f = finding_add(out, "memory.process-heap", SEVERITY_WARNING, CONFIDENCE_HIGH,
				"The heap of %s (pid %" PRIu64
				") is %s, %d%% of memory, and %s are left",
				p->comm, p->pid, size_words(out, heap), percent(heap, total),
				size_words(out, available));
	else
		f = finding_add(out, "memory.process-heap", SEVERITY_WARNING, CONFIDENCE_HIGH,
				"The heaps of %s processes named %s are %s, %d%% of memory, and %s "
				"are left",
				count_words(out, (double)best->count), p->comm,
				size_words(out, heap), percent(heap, total),
				size_words(out, available));
	if (!f)
		return 0;
	f->weight = heap;
	finding_scope(out, f, "process",
		      best->count == 1
			      ? arena_printf(out->arena, "%s (%" PRIu64 ")", p->comm, p->pid)
			      : p->comm);
	finding_because(out, f, "#processes", "%s (pid %" PRIu64 ") has %s of anonymous memory%s%s",
			p->comm, p->pid, size_words(out, figure(p->heap_bytes)),
			best->count > 1 ? ", all of them " : "",
			best->count > 1 ? size_words(out, heap) : "");
	finding_because(out, f, "#memory", "%s of %s are available", size_words(out, available),
			size_words(out, total));
	if (figure(best->swap_bytes) >= 0.05 * total)
		finding_because(out, f, "#processes", "another %s of it are in swap",
				size_words(out, figure(best->swap_bytes)));
	if (best->heap_grown >= GROWTH)
		finding_because(out, f, "#processes", "it grew by %s in %s",
				size_words(out, best->heap_grown), seconds_words(out, window_s(m)));
	group = group_of(m, p);
	if (group)
		finding_because(out, f, "#cgroups", "%s in %s",
				best->count > 1 ? "the largest runs" : "it runs",
				cgroup_words(out, group));
	if (best->count > 1)
		finding_because(out, f, "#programs",
				"%s processes have %s on average and %s threads together",
				count_words(out, (double)best->count),
				size_words(out, heap / (double)best->count),
				count_words(out, figure(best->threads)));
	if (figure(p->anon_huge_bytes) >= 0.5 * figure(p->heap_bytes))
		finding_because(out, f, "#processes",
				"%s of the heap of pid %" PRIu64
				" are transparent huge pages, of which parts may be untouched",
				size_words(out, figure(p->anon_huge_bytes)), p->pid);
	if (best->count > 1)
		finding_advice(out, f, "Bound the number of %s workers to what memory allows.",
			       p->comm);
	finding_advice(
		out, f,
		"Compare with what %s is meant to have (heap size, buffer pool, workers), and "
		"lower that or give the machine more memory.",
		p->comm);
	finding_advice(out, f,
		       "If it may grow without end, capture again over a longer time (-d 5m): the "
		       "report then says by how much it grew.");
	f->wrong_if = "the machine is there for this program alone and was sized for it";
	return 0;
}
