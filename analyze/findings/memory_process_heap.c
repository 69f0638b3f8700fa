/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.process-heap: one program's heap is where memory went.  A database or a Java server may
 * well be most of a machine; it is a finding when little is left beside it.
 */
#include <errno.h>
#include <stdlib.h>

#include "rules.h"

#define LARGE 0.3
/* This much left, or ROOM, is enough; below it, the largest heap is what to talk about. */
#define LITTLE_LEFT 0.1
/* Growth over the window worth saying. */
#define GROWTH (32 * MIB)

struct program { /* processes of one name */
	const struct fact_process *largest;
	double heap, swap, grown;
	size_t count;
};

static int by_name(const void *a, const void *b)
{
	const struct fact_process *x = *(const struct fact_process *const *)a;
	const struct fact_process *y = *(const struct fact_process *const *)b;
	int r = strcmp(x->comm, y->comm);

	if (r)
		return r;
	if (x->heap_bytes != y->heap_bytes)
		return x->heap_bytes > y->heap_bytes ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

static int largest_program(const struct model *m, struct arena *scratch, struct program *ret)
{
	const struct fact_process **rows =
		arena_alloc(scratch, (m->process_count + 1) * sizeof(void *));
	struct program best = {0}, p = {0};
	size_t n = 0;

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < m->process_count; i++)
		if (m->processes[i]->comm && m->processes[i]->heap_bytes != FACT_NONE &&
		    m->processes[i]->vanished != 1)
			rows[n++] = m->processes[i];
	if (n)
		qsort(rows, n, sizeof(void *), by_name);
	for (size_t i = 0; i < n; i++) {
		double first = figure(rows[i]->heap_first_bytes),
		       swap = figure(rows[i]->swap_bytes);

		if (i == 0 || strcmp(rows[i]->comm, rows[i - 1]->comm) != 0)
			p = (struct program){.largest = rows[i]};
		p.count++;
		p.heap += (double)rows[i]->heap_bytes;
		p.swap += isnan(swap) ? 0 : swap;
		p.grown += isnan(first) ? 0 : (double)rows[i]->heap_bytes - first;
		if (p.heap > best.heap)
			best = p;
	}
	*ret = best;
	return 0;
}

int rule_memory_process_heap(const struct model *m, struct findings *out)
{
	double total = figure(m->memory_total), available = figure(m->memory_available);
	const struct fact_process *p;
	struct program best;
	struct finding *f;
	int r = largest_program(m, out->arena, &best);

	if (r < 0)
		return r;
	if (!best.largest || !(total > 0) || !(best.heap >= LARGE * total) ||
	    !(room_left(m) < fmin(LITTLE_LEFT * total, ROOM)))
		return 0;
	p = best.largest;
	if (best.count == 1)
		f = finding_add(out, "memory.process-heap", SEVERITY_WARNING, CONFIDENCE_HIGH,
				"The heap of %s (pid %" PRIu64
				") is %s, %d%% of memory, and %s are left",
				p->comm, p->pid, size_words(out, best.heap),
				percent(best.heap, total), size_words(out, available));
	else
		f = finding_add(out, "memory.process-heap", SEVERITY_WARNING, CONFIDENCE_HIGH,
				"The heaps of %s processes named %s are %s, %d%% of memory, and %s "
				"are left",
				count_words(out, (double)best.count), p->comm,
				size_words(out, best.heap), percent(best.heap, total),
				size_words(out, available));
	if (!f)
		return 0;
	f->weight = best.heap;
	finding_scope(out, f, "process",
		      best.count == 1
			      ? arena_printf(out->arena, "%s (%" PRIu64 ")", p->comm, p->pid)
			      : p->comm);
	finding_because(out, f, "#processes", "%s (pid %" PRIu64 ") has %s of anonymous memory%s%s",
			p->comm, p->pid, size_words(out, figure(p->heap_bytes)),
			best.count > 1 ? ", all of them " : "",
			best.count > 1 ? size_words(out, best.heap) : "");
	finding_because(out, f, "#memory", "%s of %s are available", size_words(out, available),
			size_words(out, total));
	if (best.swap >= 0.05 * total)
		finding_because(out, f, "#processes", "another %s of it are in swap",
				size_words(out, best.swap));
	if (best.grown >= GROWTH)
		finding_because(out, f, "#processes", "it grew by %s in %s",
				size_words(out, best.grown), seconds_words(out, window_s(m)));
	if (p->cgroup)
		finding_because(out, f, "#cgroups", "it runs in %s", p->cgroup);
	if (best.count > 1)
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
