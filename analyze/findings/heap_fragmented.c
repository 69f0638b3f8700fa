/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * heap.fragmented: memory that a program has freed and malloc keeps.  Only whole pages that are
 * resident inside free blocks count: what malloc_trim(3) would give back at once.
 */
#include "rules.h"

#define LEAST (256 * MIB)
#define LEAST_SHARE 0.25 /* of the heap */

int rule_heap_fragmented(const struct model *m, struct findings *out)
{
	size_t found = 0;

	for (size_t i = 0; i < m->heap_count && found < MAX_PER_RULE; i++) {
		const struct model_heap *h = &m->heaps[i];
		const struct fact_heap *heap = h->fact;
		double trimmable = figure(heap->malloc_trimmable), anon = figure(h->anon_bytes);
		const char *name = heap->comm ? heap->comm : "?";
		struct finding *f;

		if (!(trimmable >= LEAST) || !(trimmable >= LEAST_SHARE * anon))
			continue;
		f = finding_add(out, "heap.fragmented", SEVERITY_INFO, CONFIDENCE_HIGH,
				"%s of the heap of %s (pid %" PRIu64
				") are free inside malloc and not given back",
				size_words(out, trimmable), name, heap->pid);
		if (!f)
			return 0;
		found++;
		f->weight = trimmable;
		finding_scope(out, f, "process",
			      arena_printf(out->arena, "%s (%" PRIu64 ")", name, heap->pid));
		finding_because(out, f, "#heaps",
				"%s of glibc's heap and arenas are in use, %s are free",
				size_words(out, figure(heap->malloc_used)),
				size_words(out, figure(heap->malloc_free)));
		finding_because(out, f, "#heaps", "%d%% of its %s of anonymous memory",
				percent(trimmable, anon), size_words(out, anon));
		finding_advice(out, f,
			       "malloc_trim(0) in the program gives it back at once; from outside: "
			       "restart it when that suits.");
		finding_advice(
			out, f,
			"Where many threads allocate, MALLOC_ARENA_MAX=2 keeps the number of "
			"arenas down; a lower MALLOC_TRIM_THRESHOLD_ lets malloc give back "
			"more; jemalloc or tcmalloc give back by themselves.");
		f->wrong_if = "the program needs that much again soon";
	}
	return 0;
}
