/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "delay_sums.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROWS 256

void delay_sums_init(struct delay_sums *s, size_t key_size)
{
	*s = (struct delay_sums){.key_size = key_size};
}

void delay_sums_deinit(struct delay_sums *s)
{
	free(s->rows);
	free(s->slots);
	*s = (struct delay_sums){0};
}

/* FNV-1a: nobody can gain anything by collisions in a table of at most 16,384 rows. */
static uint64_t hash(const uint8_t *p, size_t n)
{
	uint64_t h = 14695981039346656037ULL;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 1099511628211ULL;
	return h ^ h >> 32;
}

static size_t place(const struct delay_sums *s, const uint8_t *key)
{
	size_t i = hash(key, s->key_size) & (s->slot_count - 1);

	while (s->slots[i] && memcmp(s->rows[s->slots[i] - 1].key, key, s->key_size) != 0)
		i = (i + 1) & (s->slot_count - 1);
	return i;
}

static bool grow(struct delay_sums *s)
{
	size_t capacity = s->capacity ? s->capacity * 2 : FIRST_ROWS;
	struct delay_sum *rows;
	uint32_t *slots;

	if (capacity > DELAY_SUMS_MAX)
		return false;
	rows = realloc(s->rows, capacity * sizeof(*rows));
	if (!rows)
		return false;
	s->rows = rows;
	slots = calloc(capacity * 2, sizeof(*slots));
	if (!slots)
		return false;
	free(s->slots);
	s->slots = slots;
	s->slot_count = capacity * 2;
	s->capacity = capacity;
	for (size_t i = 0; i < s->count; i++)
		s->slots[place(s, s->rows[i].key)] = (uint32_t)i + 1;
	return true;
}

struct delay_sum *delay_sums_row(struct delay_sums *s, const void *key)
{
	struct delay_sum *row;
	size_t i;

	if (s->slot_count) {
		i = place(s, key);
		if (s->slots[i])
			return &s->rows[s->slots[i] - 1];
	}
	if (s->count == s->capacity && !grow(s)) {
		s->lost++;
		return NULL;
	}
	i = place(s, key);
	row = &s->rows[s->count++];
	*row = (struct delay_sum){.pair = UINT64_MAX};
	memcpy(row->key, key, s->key_size);
	s->slots[i] = (uint32_t)s->count;
	return row;
}

static void finish_pair(struct delay_sum *r)
{
	double count = r->pair_count[0] - r->pair_count[1], ns = r->pair_ns[0] - r->pair_ns[1];

	r->count_var += count * count * r->pair_factor;
	r->ns_var += ns * ns * r->pair_factor;
	memset(r->pair_count, 0, sizeof(r->pair_count));
	memset(r->pair_ns, 0, sizeof(r->pair_ns));
	r->pair_factor = 0;
}

static void describe(struct delay_sum *r, const struct delay_value *v)
{
	/* The last one seen: a process may take another name. */
	if (v->comm[0]) {
		memcpy(r->comm, v->comm, sizeof(r->comm));
		r->comm[sizeof(r->comm) - 1] = '\0';
	}
	if (v->parent) {
		r->parent = v->parent;
		r->grandparent = v->grandparent;
	}
	r->flags |= v->flags;
}

void delay_sums_add(struct delay_sums *s, const void *key, const struct delay_value *v,
		    const struct delay_slice *slice)
{
	bool sampled = slice->slice_ns < slice->stratum_ns;
	double weight = sampled && slice->slice_ns
				? (double)slice->stratum_ns / (double)slice->slice_ns
				: 1;
	struct delay_sum *r = delay_sums_row(s, key);
	double count, ns;

	if (!r)
		return;
	describe(r, v);
	/*
	 * Of what began before a slice the part inside it was counted, of what goes on after it
	 * nothing.  Slices lie at random, so both parts have the same mean: the one stands for the
	 * other.
	 */
	count = weight * (double)v->count;
	ns = weight * ((double)v->ns + (sampled ? (double)v->cut_ns : 0));
	r->seen += v->count;
	r->seen_cut += v->cut;
	if (v->max_ns > r->max_ns)
		r->max_ns = v->max_ns;
	r->count += count;
	r->ns += ns;
	r->amount += weight * (double)v->amount;
	r->inner_ns += weight * (double)v->inner_ns;
	r->inner += weight * (double)v->inner;
	for (int i = 0; i < DELAY_BUCKETS; i++)
		r->histogram[i] += (float)(weight * v->histogram[i]);
	if (!sampled)
		return;
	if (r->pair != slice->number / 2) {
		finish_pair(r);
		r->pair = slice->number / 2;
	}
	if (slice->taken > 0)
		r->missed += slice->taken < 0.5 ? count * slice->taken / (1 - slice->taken) : count;
	r->pair_count[slice->number & 1] += count;
	r->pair_ns[slice->number & 1] += ns;
	r->pair_factor = 1 - 1 / weight;
}

void delay_sums_end(struct delay_sums *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct delay_sum *r = &s->rows[i];

		finish_pair(r);
		/* Twice the standard deviation is all of it. */
		r->count_var += r->missed * r->missed / 4;
		r->missed = 0;
	}
}
