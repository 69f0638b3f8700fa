/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 1024u
#define DROPPED_BITS (1u << 20)
#define CGROUP_MAX (1u << 16)

static uint64_t hash64(uint64_t v)
{
	v ^= v >> 32;
	v *= 0x9e3779b97f4a7c15ULL;
	return v ^ v >> 29;
}

/* A slot of n, any n: the tables take what memory there is, not the power of two below it. */
static uint32_t slot_of(uint64_t key, uint32_t n)
{
	return (uint32_t)((hash64(key) & UINT32_MAX) * n >> 32);
}

static uint32_t after(uint32_t slot, uint32_t n)
{
	return slot + 1 == n ? 0 : slot + 1;
}

static int index_init(struct index_table *t, uint32_t entries)
{
	t->size = entries + entries / 4 + 1; /* four fifths full at most */
	t->slots = calloc(t->size, sizeof(*t->slots));
	return t->slots ? 0 : -ENOMEM;
}

static uint32_t double_up_to(uint32_t n, uint32_t most)
{
	return n > most / 2 ? most : n * 2;
}

int tables_init(struct scan_tables *t, size_t memory)
{
	/* A file costs its entry, its index slot and, as a rule, one or two counters. */
	size_t per_file = sizeof(struct file_entry) + sizeof(uint32_t) * 5 / 4 +
			  2 * sizeof(struct sample_entry);
	size_t files = memory / per_file;

	*t = (struct scan_tables){0};
	t->file_max = files < FIRST_CAP ? FIRST_CAP : files > 1u << 28 ? 1u << 28 : (uint32_t)files;
	t->sample_max = t->file_max * 2;
	t->cgroup_max = CGROUP_MAX;
	t->file_cap = t->cgroup_cap = FIRST_CAP;
	t->sample_size = 2 * FIRST_CAP;
	t->files = malloc(t->file_cap * sizeof(*t->files));
	t->cgroups = malloc(t->cgroup_cap * sizeof(*t->cgroups));
	t->samples = calloc(t->sample_size, sizeof(*t->samples));
	if (!t->files || !t->cgroups || !t->samples || index_init(&t->file_index, FIRST_CAP) ||
	    index_init(&t->cgroup_index, FIRST_CAP)) {
		tables_deinit(t);
		return -ENOMEM;
	}
	return 0;
}

void tables_deinit(struct scan_tables *t)
{
	free(t->files);
	free(t->cgroups);
	free(t->samples);
	free(t->file_index.slots);
	free(t->cgroup_index.slots);
	free(t->dropped_bits);
	*t = (struct scan_tables){0};
}

static void index_put(struct index_table *t, uint64_t key, uint32_t index)
{
	uint32_t i = slot_of(key, t->size);

	while (t->slots[i])
		i = after(i, t->size);
	t->slots[i] = index + 1;
}

static bool grow_files(struct scan_tables *t)
{
	uint32_t cap = double_up_to(t->file_cap, t->file_max);
	struct index_table index;
	struct file_entry *files;

	if (cap == t->file_cap || index_init(&index, cap))
		return false;
	files = realloc(t->files, cap * sizeof(*files));
	if (!files) {
		free(index.slots);
		return false;
	}
	for (uint32_t i = 0; i < t->file_count; i++)
		index_put(&index, files[i].mapping, i);
	free(t->file_index.slots);
	t->files = files;
	t->file_index = index;
	t->file_cap = cap;
	return true;
}

uint32_t tables_file(struct scan_tables *t, uint64_t mapping, bool *ret_new)
{
	uint32_t i = slot_of(mapping, t->file_index.size), n;

	*ret_new = false;
	while ((n = t->file_index.slots[i])) {
		if (t->files[n - 1].mapping == mapping)
			return n - 1;
		i = after(i, t->file_index.size);
	}
	if (t->file_count == t->file_cap && !grow_files(t))
		return TABLE_NONE;
	n = t->file_count++;
	t->files[n] = (struct file_entry){.mapping = mapping};
	index_put(&t->file_index, mapping, n);
	*ret_new = true;
	return n;
}

static bool grow_cgroups(struct scan_tables *t)
{
	uint32_t cap = double_up_to(t->cgroup_cap, t->cgroup_max);
	struct index_table index;
	uint64_t *cgroups;

	if (cap == t->cgroup_cap || index_init(&index, cap))
		return false;
	cgroups = realloc(t->cgroups, cap * sizeof(*cgroups));
	if (!cgroups) {
		free(index.slots);
		return false;
	}
	for (uint32_t i = 0; i < t->cgroup_count; i++)
		index_put(&index, cgroups[i], i);
	free(t->cgroup_index.slots);
	t->cgroups = cgroups;
	t->cgroup_index = index;
	t->cgroup_cap = cap;
	return true;
}

uint32_t tables_cgroup(struct scan_tables *t, uint64_t memcg)
{
	uint32_t i = slot_of(memcg, t->cgroup_index.size), n;

	while ((n = t->cgroup_index.slots[i])) {
		if (t->cgroups[n - 1] == memcg)
			return n - 1;
		i = after(i, t->cgroup_index.size);
	}
	if (t->cgroup_count == t->cgroup_cap && !grow_cgroups(t))
		return TABLE_NONE;
	n = t->cgroup_count++;
	t->cgroups[n] = memcg;
	index_put(&t->cgroup_index, memcg, n);
	return n;
}

static struct sample_entry *sample_slot(struct sample_entry *samples, uint32_t size, uint64_t key)
{
	uint32_t i = slot_of(key, size);

	while (samples[i].key != key && samples[i].key)
		i = after(i, size);
	return &samples[i];
}

static bool grow_samples(struct scan_tables *t)
{
	uint32_t size = double_up_to(t->sample_size, t->sample_max);
	struct sample_entry *samples;

	if (size == t->sample_size)
		return false;
	samples = calloc(size, sizeof(*samples));
	if (!samples)
		return false;
	for (uint32_t i = 0; i < t->sample_size; i++) {
		if (t->samples[i].key)
			*sample_slot(samples, size, t->samples[i].key) = t->samples[i];
	}
	free(t->samples);
	t->samples = samples;
	t->sample_size = size;
	return true;
}

uint64_t *tables_sample(struct scan_tables *t, uint32_t file, uint32_t cgroup, unsigned state)
{
	uint64_t cg = cgroup == TABLE_NONE ? 0 : (uint64_t)cgroup + 1;
	uint64_t key = (file == TABLE_NONE ? SAMPLE_DROPPED : ((uint64_t)file + 1) << 32) |
		       cg << 8 | state;
	struct sample_entry *s = sample_slot(t->samples, t->sample_size, key);

	if (s->key)
		return &s->pages;
	if (t->sample_count * 4ULL >= t->sample_size * 3ULL && grow_samples(t))
		s = sample_slot(t->samples, t->sample_size, key);
	/* The last eighth is kept free, so that dropped files always find a counter. */
	if (t->sample_count >= t->sample_size - t->sample_size / 8) {
		if (file != TABLE_NONE) {
			tables_file_dropped(t, t->files[file].mapping);
			return tables_sample(t, TABLE_NONE, cgroup, state);
		}
		if (t->sample_count + 3 > t->sample_size) /* the reserve is used up as well */
			s = sample_slot(t->samples, t->sample_size, key = SAMPLE_DROPPED);
	}
	if (!s->key) {
		s->key = key;
		t->sample_count++;
	}
	return &s->pages;
}

void tables_file_dropped(struct scan_tables *t, uint64_t mapping)
{
	uint32_t bit = (uint32_t)hash64(mapping) % DROPPED_BITS;

	if (!t->dropped_bits)
		t->dropped_bits = calloc(DROPPED_BITS / 64, sizeof(uint64_t));
	if (!t->dropped_bits) {
		t->files_dropped++; /* counts a file more than once: still not lost silently */
		return;
	}
	if (!(t->dropped_bits[bit / 64] >> bit % 64 & 1)) {
		t->dropped_bits[bit / 64] |= 1ULL << bit % 64;
		t->files_dropped++;
	}
}
