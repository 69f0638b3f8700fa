/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "census.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t hash_of(enum census_kind kind, const char *name)
{
	uint32_t h = 2166136261u ^ (uint32_t)kind; /* FNV-1a */

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h;
}

static int grow(struct census *c)
{
	size_t capacity = c->capacity ? c->capacity * 2 : 64, size = capacity * 4;
	struct census_entry *entries = realloc(c->entries, capacity * sizeof(*entries));
	uint32_t *index;

	if (!entries)
		return -ENOMEM;
	c->entries = entries;
	index = calloc(size, sizeof(*index));
	if (!index)
		return -ENOMEM;
	for (size_t i = 0; i < c->count; i++) {
		size_t at = entries[i].hash & (size - 1);

		while (index[at])
			at = (at + 1) & (size - 1);
		index[at] = (uint32_t)i + 1;
	}
	free(c->index);
	c->index = index;
	c->index_size = size;
	c->capacity = capacity;
	return 0;
}

int census_entry(struct census *c, enum census_kind kind, const char *name)
{
	uint32_t h;
	size_t at;
	struct census_entry *e;

	if (c->count >= CENSUS_MAX - CENSUS_KINDS - 32 && kind == CENSUS_OBJECT)
		name = "(other types)";
	h = hash_of(kind, name);
	if (c->count + 1 >= c->capacity && grow(c) < 0)
		return -ENOMEM;
	for (at = h & (c->index_size - 1); c->index[at]; at = (at + 1) & (c->index_size - 1)) {
		e = &c->entries[c->index[at] - 1];
		if (e->hash == h && e->kind == kind && !strncmp(e->name, name, CENSUS_NAME - 1))
			return (int)c->index[at] - 1;
	}
	e = &c->entries[c->count];
	*e = (struct census_entry){.kind = kind, .hash = h};
	memcpy(e->name, name, strnlen(name, CENSUS_NAME - 1));
	c->index[at] = (uint32_t)++c->count;
	return (int)c->count - 1;
}

void census_add(struct census *c, int entry, uint64_t count, uint64_t bytes)
{
	if (entry < 0)
		return;
	c->entries[entry].count[c->reading] += count;
	c->entries[entry].bytes[c->reading] += bytes;
}

void census_container(struct census *c, int entry, uint64_t address, uint64_t length,
		      uint64_t bytes)
{
	struct census_container *rows = c->containers, row = {.address = address};
	size_t at = c->container_count;

	for (size_t i = 0; i < c->container_count; i++)
		if (rows[i].address == address && rows[i].entry == (uint32_t)entry) {
			row = rows[i];
			memmove(&rows[i], &rows[i + 1], (--c->container_count - i) * sizeof(*rows));
			at = c->container_count;
			break;
		}
	row.entry = (uint32_t)entry;
	row.length[c->reading] = length;
	row.bytes[c->reading] = bytes;
	while (at && (rows[at - 1].bytes[c->reading] > rows[at - 1].bytes[0]
			      ? rows[at - 1].bytes[c->reading]
			      : rows[at - 1].bytes[0]) < bytes)
		at--;
	if (at == CENSUS_CONTAINERS)
		return;
	if (c->container_count < CENSUS_CONTAINERS)
		c->container_count++;
	memmove(&rows[at + 1], &rows[at], (c->container_count - 1 - at) * sizeof(*rows));
	rows[at] = row;
}

void census_free(struct census *c)
{
	free(c->entries);
	free(c->index);
	*c = (struct census){0};
}
