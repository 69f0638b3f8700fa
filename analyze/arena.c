/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_ALIGN 16
#define ARENA_FIRST (16u << 10)
#define ARENA_LARGEST (1u << 20)

/* Objects grow up from the front, strings down from the back: neither wastes the other's padding.
 */
struct chunk {
	struct chunk *next;
	size_t front, back;
	_Alignas(ARENA_ALIGN) unsigned char data[];
};

struct arena {
	struct chunk *chunks;
	size_t limit, used, next_size;
	int exhausted;
	char empty[1]; /* what strings are when memory has run out */
};

int arena_create(struct arena **ret, size_t limit)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->limit = limit;
	a->next_size = ARENA_FIRST;
	*ret = a;
	return 0;
}

void arena_destroy(struct arena *a)
{
	if (!a)
		return;
	while (a->chunks) {
		struct chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
	free(a);
}

static struct chunk *chunk_add(struct arena *a, size_t need)
{
	size_t size = need > a->next_size ? need : a->next_size;
	struct chunk *c;

	/* Near the limit a smaller chunk may still do. */
	if (size > a->limit - a->used)
		size = need;
	if (size > a->limit - a->used)
		return NULL;
	c = malloc(sizeof(*c) + size);
	if (!c)
		return NULL;
	a->used += size;
	if (a->next_size < ARENA_LARGEST)
		a->next_size *= 2;
	c->front = 0;
	c->back = size;
	/* A large object fills its own chunk; what is left of the current one stays in use. */
	if (a->chunks && need > a->chunks->back - a->chunks->front && need == size) {
		c->next = a->chunks->next;
		a->chunks->next = c;
	} else {
		c->next = a->chunks;
		a->chunks = c;
	}
	return c;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct chunk *c = a->chunks;
	void *p;

	if (size > SIZE_MAX - ARENA_ALIGN)
		goto full;
	size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (!c || size > c->back - c->front)
		c = chunk_add(a, size);
	if (!c)
		goto full;
	p = c->data + c->front;
	c->front += size;
	return memset(p, 0, size);
full:
	a->exhausted = 1;
	return NULL;
}

/* The place of the chunk that holds p and nothing else, or NULL. */
static struct chunk **chunk_of(struct arena *a, const void *p, size_t size)
{
	for (struct chunk **at = &a->chunks; *at; at = &(*at)->next)
		if ((*at)->data == p && (*at)->front == size && (*at)->back == size)
			return at;
	return NULL;
}

void *arena_grow(struct arena *a, void *old, size_t old_size, size_t new_size)
{
	size_t had = (old_size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	size_t wanted = (new_size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	struct chunk **at = old && had >= ARENA_FIRST ? chunk_of(a, old, had) : NULL;
	struct chunk *c;
	void *p;

	if (at && wanted > had && wanted >= new_size && wanted - had <= a->limit - a->used) {
		c = realloc(*at, sizeof(*c) + wanted);
		if (!c)
			goto full;
		*at = c;
		a->used += wanted - had;
		c->front = c->back = wanted;
		memset(c->data + old_size, 0, wanted - old_size);
		return c->data;
	}
	p = arena_alloc(a, new_size);
	if (p && old)
		memcpy(p, old, old_size);
	return p;
full:
	a->exhausted = 1;
	return NULL;
}

static char *string_alloc(struct arena *a, size_t size)
{
	struct chunk *c = a->chunks;

	if (!c || size > c->back - c->front)
		c = chunk_add(a, size);
	if (!c) {
		a->exhausted = 1;
		return NULL;
	}
	c->back -= size;
	return (char *)c->data + c->back;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *p;

	len = strnlen(s, len);
	p = string_alloc(a, len + 1);
	if (!p)
		return a->empty;
	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	char *text, *p;
	int len = vasprintf(&text, fmt, ap);

	if (len < 0) {
		a->exhausted = 1;
		return a->empty;
	}
	p = arena_strndup(a, text, (size_t)len);
	free(text);
	return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return p;
}

int arena_exhausted(const struct arena *a)
{
	return a->exhausted;
}
