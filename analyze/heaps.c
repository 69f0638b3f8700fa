/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Heaps with what they are made of, and how they grew. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_build.h"

/* What is measured of it at the end, or else at the start. */
static uint64_t last_of(uint64_t start, uint64_t end)
{
	return end != FACT_NONE ? end : start;
}

static int larger(uint64_t a, uint64_t b)
{
	return a == b ? 0 : a > b ? -1 : 1;
}

static int entries_by_bytes(const void *a, const void *b)
{
	const struct fact_heap_entry *x = *(const struct fact_heap_entry *const *)a;
	const struct fact_heap_entry *y = *(const struct fact_heap_entry *const *)b;
	int r;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	r = larger(or_zero(last_of(x->bytes_start, x->bytes_end)),
		   or_zero(last_of(y->bytes_start, y->bytes_end)));
	return r ? r : (x > y) - (x < y);
}

static int containers_by_bytes(const void *a, const void *b)
{
	const struct fact_heap_container *x = *(const struct fact_heap_container *const *)a;
	const struct fact_heap_container *y = *(const struct fact_heap_container *const *)b;
	int r;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	r = larger(or_zero(last_of(x->bytes_start, x->bytes_end)),
		   or_zero(last_of(y->bytes_start, y->bytes_end)));
	return r ? r : (x > y) - (x < y);
}

static int heaps_by_size(const void *a, const void *b)
{
	const struct model_heap *x = a, *y = b;
	int r = larger(or_zero(x->anon_bytes), or_zero(y->anon_bytes));

	return r ? r : (x->fact > y->fact) - (x->fact < y->fact);
}

/* How it grew between the readings: always, or once.  The samples are in the order of time. */
static void follow(const struct facts *f, struct model_heap *h)
{
	uint64_t first = FACT_NONE, before = FACT_NONE, middle = FACT_NONE, first_ms = 0,
		 last_ms = 0, intervals = 0, grew = 0;

	h->steady = h->late = FACT_NONE_F;
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < f->heap_samples.count; i++) {
			const struct fact_heap_sample *s = &f->heap_samples.rows[i];

			if (s->pid != h->fact->pid || s->anon_bytes == FACT_NONE ||
			    s->ms == FACT_NONE)
				continue;
			if (pass) { /* the sample nearest before the middle */
				if (s->ms <= first_ms + (last_ms - first_ms) / 2)
					middle = s->anon_bytes;
				continue;
			}
			if (first == FACT_NONE) {
				first = s->anon_bytes;
				first_ms = s->ms;
			} else {
				intervals++;
				grew += s->anon_bytes > before;
			}
			before = s->anon_bytes;
			last_ms = s->ms > first_ms ? s->ms : first_ms;
		}
	if (intervals < 4)
		return;
	h->steady = (double)grew / (double)intervals;
	if (before > first && middle != FACT_NONE)
		h->late = ((double)before - (double)middle) / ((double)before - (double)first);
}

static void measure(struct model_build *b, struct model_heap *h)
{
	const struct fact_heap *f = h->fact;
	uint64_t objects = 0;
	bool any = false;

	h->anon_bytes = last_of(f->anon_start, f->anon_end);
	for (size_t i = 0; i < h->entry_count; i++)
		if (h->entries[i]->kind && !strcmp(h->entries[i]->kind, "object")) {
			any = true;
			objects = none_add(objects, or_zero(last_of(h->entries[i]->bytes_start,
								    h->entries[i]->bytes_end)));
		}
	/* Untouched parts of large objects take address space, not memory. */
	h->explained_bytes = !any || h->anon_bytes == FACT_NONE ? FACT_NONE
			     : objects < h->anon_bytes		? objects
								: h->anon_bytes;
	h->grown_bytes = h->grown_s = FACT_NONE_F;
	if (f->anon_start != FACT_NONE && f->anon_end != FACT_NONE)
		h->grown_bytes = (double)f->anon_end - (double)f->anon_start;
	if (f->start_ms != FACT_NONE && f->end_ms != FACT_NONE && f->end_ms > f->start_ms)
		h->grown_s = (double)(f->end_ms - f->start_ms) / 1000;
	follow(b->f, h);
}

/* The run of rows of this process in pointers sorted by pid, the pid being each row's first field.
 */
static size_t run_of(const void *const *rows, size_t count, uint64_t pid, size_t *ret_first)
{
	size_t low = 0, high = count, n = 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (*(const uint64_t *)rows[mid] < pid)
			low = mid + 1;
		else
			high = mid;
	}
	while (low + n < count && *(const uint64_t *)rows[low + n] == pid)
		n++;
	*ret_first = low;
	return n;
}

int model_build_heaps(struct model_build *b)
{
	const struct facts *f = b->f;
	struct model *m = b->m;
	const struct fact_heap_entry **entries =
		arena_alloc(b->arena, (f->heap_entries.count + 1) * sizeof(void *));
	const struct fact_heap_container **containers =
		arena_alloc(b->arena, (f->heap_containers.count + 1) * sizeof(void *));

	m->heaps = arena_alloc(b->arena, (f->heaps.count + 1) * sizeof(*m->heaps));
	if (!entries || !containers || !m->heaps)
		return -ENOMEM;
	for (size_t i = 0; i < f->heap_entries.count; i++)
		entries[i] = &f->heap_entries.rows[i];
	for (size_t i = 0; i < f->heap_containers.count; i++)
		containers[i] = &f->heap_containers.rows[i];
	qsort(entries, f->heap_entries.count, sizeof(void *), entries_by_bytes);
	qsort(containers, f->heap_containers.count, sizeof(void *), containers_by_bytes);
	for (size_t i = 0; i < f->heaps.count; i++) {
		struct model_heap *h = &m->heaps[m->heap_count++];
		size_t first;

		*h = (struct model_heap){.fact = &f->heaps.rows[i]};
		h->entry_count = run_of((const void *const *)entries, f->heap_entries.count,
					h->fact->pid, &first);
		h->entries = entries + first;
		h->container_count = run_of((const void *const *)containers,
					    f->heap_containers.count, h->fact->pid, &first);
		h->containers = containers + first;
		measure(b, h);
	}
	const struct fact_collector *c = facts_collector(f, "heaps");

	m->heaps_captured = m->heap_count || (c && c->status && !strcmp(c->status, "ok"));
	if (m->heap_count)
		qsort(m->heaps, m->heap_count, sizeof(*m->heaps), heaps_by_size);
	return 0;
}
