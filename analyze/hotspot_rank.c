/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who was hot: functions by their samples, and the process and function of each second. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hotspot.h"
#include "model_build.h"

#define SECONDS_MAX 100000u
#define TALLIES 1024 /* processes of one second, functions of a process */

/* ------------------------------------------------------------------ functions */

static int by_heat(const void *a, const void *b)
{
	const struct hot_function *x = a, *y = b;

	if (x->self != y->self)
		return x->self < y->self ? 1 : -1;
	if (x->total != y->total)
		return x->total < y->total ? 1 : -1;
	return x->name < y->name ? -1 : x->name > y->name;
}

static int rank_functions(struct hotspot *h, struct arena *a, const uint64_t *weights)
{
	uint32_t *seen = arena_alloc(a, (h->name_count + 1) * sizeof(*seen));
	size_t kept = 0;

	h->functions = arena_alloc(a, (h->name_count + 1) * sizeof(*h->functions));
	if (!seen || !h->functions)
		return -ENOMEM;
	for (size_t i = 0; i < h->name_count; i++)
		h->functions[i].name = (uint32_t)i;
	for (size_t s = 0; s < h->stack_count; s++) {
		const struct hot_stack *k = &h->stacks[s];

		for (uint32_t i = 0; i < k->count && weights[s]; i++) {
			uint32_t name = h->frames[k->first + i];

			h->unnamed_frames +=
				!strcmp(h->names[name].function, "[unknown]") ? weights[s] : 0;
			if (i == k->count - 1)
				h->functions[name].self += weights[s];
			if (seen[name] == s + 1)
				continue;
			seen[name] = (uint32_t)s + 1;
			h->functions[name].total += weights[s];
		}
	}
	for (size_t i = 0; i < h->name_count; i++)
		if (h->functions[i].total)
			h->functions[kept++] = h->functions[i];
	h->function_count = kept;
	qsort(h->functions, kept, sizeof(*h->functions), by_heat);
	return 0;
}

/* ------------------------------------------------------------------ seconds */

struct heat {
	uint64_t key;
	uint32_t thread, samples;
};

/* Add one to the tally of key; the tallies are few: the processes of one second. */
static struct heat *count(struct heat *t, size_t *n, size_t room, uint64_t key)
{
	for (size_t i = 0; i < *n; i++) {
		if (t[i].key != key)
			continue;
		t[i].samples++;
		return &t[i];
	}
	if (*n == room)
		return NULL;
	t[*n] = (struct heat){.key = key, .samples = 1};
	return &t[(*n)++];
}

static const struct heat *most(const struct heat *t, size_t n)
{
	const struct heat *best = NULL;

	for (size_t i = 0; i < n; i++)
		if (!best || t[i].samples > best->samples)
			best = &t[i];
	return best;
}

/* How much of second s the clocks ran, in seconds. */
static double covered(const struct hotspot *h, uint64_t s)
{
	double from = (double)s, to = (double)s + 1;

	if (h->start_ns != FACT_NONE && (double)h->start_ns / 1e9 > from)
		from = (double)h->start_ns / 1e9;
	if (h->end_ns != FACT_NONE && (double)h->end_ns / 1e9 < to)
		to = (double)h->end_ns / 1e9;
	return to > from ? to - from : 0;
}

static void hottest(const struct hotspot *h, size_t first, size_t end, struct hot_second *ret)
{
	struct heat t[TALLIES];
	const struct heat *process, *function;
	size_t n = 0;
	uint64_t pid;

	for (size_t i = first; i < end; i++) {
		const struct hot_thread *thread = &h->threads[h->samples[i].thread];
		struct heat *one;

		if (h->samples[i].state != STACK_ON_CPU || thread->own)
			continue;
		one = count(t, &n, TALLIES, thread->pid);
		if (one && one->samples == 1)
			one->thread = h->samples[i].thread;
	}
	process = most(t, n);
	if (!process)
		return;
	ret->thread = process->thread;
	ret->samples = process->samples;
	ret->cpu_percent = NAN;
	if (covered(h, ret->second) > 0 && h->hz > 0)
		ret->cpu_percent = 100.0 * process->samples / (h->hz * covered(h, ret->second));
	pid = process->key;
	n = 0;
	for (size_t i = first; i < end; i++) {
		const struct hot_stack *k = &h->stacks[h->samples[i].stack];

		if (h->samples[i].state == STACK_ON_CPU && k->count &&
		    h->threads[h->samples[i].thread].pid == pid)
			count(t, &n, TALLIES, h->frames[k->first + k->count - 1]);
	}
	function = most(t, n);
	ret->name = function ? (uint32_t)function->key : UINT32_MAX;
}

static int rank_seconds(struct hotspot *h, struct arena *a)
{
	size_t cap = 0;

	for (size_t i = 0; i < h->sample_count;) {
		struct hot_second s = {.second = h->samples[i].time_ns / 1000000000,
				       .name = UINT32_MAX};
		size_t end = i;

		while (end < h->sample_count && h->samples[end].time_ns / 1000000000 == s.second)
			end++;
		hottest(h, i, end, &s);
		i = end;
		if (!s.samples || h->second_count == SECONDS_MAX)
			continue;
		if (h->second_count == cap) {
			size_t want = cap ? cap * 2 : 64;
			void *more = arena_grow(a, h->seconds, cap * sizeof(s), want * sizeof(s));

			if (!more)
				return -ENOMEM;
			h->seconds = more;
			cap = want;
		}
		h->seconds[h->second_count++] = s;
	}
	return 0;
}

int hotspot_rank(struct hotspot *h, struct arena *a, const uint64_t *weights)
{
	int r = rank_functions(h, a, weights);

	return r ? r : rank_seconds(h, a);
}
