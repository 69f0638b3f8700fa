/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

static bool segment_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

bool bundle_name_ok(const char *name, size_t len)
{
	size_t start = 0;

	for (size_t i = 0; i <= len; i++) {
		if (i < len && name[i] != '/') {
			if (!segment_char(name[i]))
				return false;
			continue;
		}
		size_t n = i - start;

		if (n == 0 || (n <= 2 && memcmp(name + start, "..", n) == 0))
			return false;
		start = i + 1;
	}
	return true;
}

static uint32_t hash(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

/* The slot that holds name, or the free one where it belongs. */
static uint32_t find(char **slots, uint32_t slot_count, const char *name)
{
	uint32_t i = hash(name) & (slot_count - 1);

	while (slots[i] && strcmp(slots[i], name) != 0)
		i = (i + 1) & (slot_count - 1);
	return i;
}

static int grow(struct name_set *set)
{
	uint32_t slot_count = set->slot_count ? set->slot_count * 2 : 64;
	char **slots = calloc(slot_count, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < set->slot_count; i++) {
		if (set->slots[i])
			slots[find(slots, slot_count, set->slots[i])] = set->slots[i];
	}
	free(set->slots);
	set->slots = slots;
	set->slot_count = slot_count;
	return 0;
}

int name_set_add(struct name_set *set, const char *name)
{
	if (set->used * 2 >= set->slot_count && grow(set) < 0)
		return -ENOMEM;

	uint32_t i = find(set->slots, set->slot_count, name);

	if (set->slots[i])
		return 0;
	set->slots[i] = strdup(name);
	if (!set->slots[i])
		return -ENOMEM;
	set->used++;
	return 1;
}

/* Nothing was inserted behind the last name, so that its slot can simply be emptied. */
void name_set_remove_last(struct name_set *set, const char *name)
{
	uint32_t i = find(set->slots, set->slot_count, name);

	if (!set->slots[i])
		return;
	free(set->slots[i]);
	set->slots[i] = NULL;
	set->used--;
}

void name_set_deinit(struct name_set *set)
{
	for (uint32_t i = 0; i < set->slot_count; i++)
		free(set->slots[i]);
	free(set->slots);
	*set = (struct name_set){0};
}
