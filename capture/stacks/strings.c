/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "strings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STRINGS_FIRST (16u << 10)

int strings_init(struct strings *s, size_t max_bytes, size_t max_texts)
{
	*s = (struct strings){.max = max_bytes, .cap = STRINGS_FIRST, .len = 1};
	s->text = calloc(1, s->cap);
	if (!s->text)
		return -ENOMEM;
	if (intmap_init(&s->by_hash, max_texts)) {
		free(s->text);
		return -ENOMEM;
	}
	return 0;
}

void strings_deinit(struct strings *s)
{
	free(s->text);
	intmap_deinit(&s->by_hash);
	*s = (struct strings){0};
}

static uint64_t hash(const char *text, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * 0x100000001b3ULL;
	return h ? h : 1;
}

static int grow(struct strings *s, size_t need)
{
	size_t cap = s->cap;
	char *text;

	while (cap < need)
		cap *= 2;
	if (cap == s->cap)
		return 0;
	if (cap > s->max)
		cap = s->max;
	if (cap < need)
		return -ENOSPC;
	text = realloc(s->text, cap);
	if (!text)
		return -ENOMEM;
	s->text = text;
	s->cap = cap;
	return 0;
}

uint32_t strings_add(struct strings *s, const char *text, size_t len)
{
	uint64_t key = hash(text, len);
	uint32_t place;

	if (!len)
		return 0;
	/* Two texts with one hash: the second one gets places of its own, again and again. */
	place = intmap_find(&s->by_hash, key);
	if (place != INTMAP_NONE && !strncmp(s->text + place, text, len) && !s->text[place + len])
		return place;
	if (grow(s, s->len + len + 1))
		return UINT32_MAX;
	place = (uint32_t)s->len;
	memcpy(s->text + place, text, len);
	s->text[place + len] = 0;
	if (intmap_set(&s->by_hash, key, place))
		return UINT32_MAX;
	s->len += len + 1;
	return place;
}
