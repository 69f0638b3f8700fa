/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "intmap.h"

#include <errno.h>
#include <stdlib.h>

int intmap_init(struct intmap *m, size_t max)
{
	size_t slots = 64;

	while (slots < max * 2)
		slots *= 2;
	m->slots = calloc(slots, sizeof(*m->slots));
	if (!m->slots)
		return -ENOMEM;
	m->mask = slots - 1;
	m->count = 0;
	m->max = max;
	return 0;
}

void intmap_deinit(struct intmap *m)
{
	free(m->slots);
	m->slots = NULL;
}

static size_t place(const struct intmap *m, uint64_t key)
{
	return (size_t)((key * 0x9e3779b97f4a7c15ULL) >> 20) & m->mask;
}

/* Where key is, or the free slot where it would be. */
static size_t seek(const struct intmap *m, uint64_t key)
{
	size_t i = place(m, key);

	while (m->slots[i].key && m->slots[i].key != key)
		i = (i + 1) & m->mask;
	return i;
}

uint32_t intmap_find(const struct intmap *m, uint64_t key)
{
	const struct intmap_slot *s = &m->slots[seek(m, key)];

	return s->key ? s->value : INTMAP_NONE;
}

int intmap_set(struct intmap *m, uint64_t key, uint32_t value)
{
	struct intmap_slot *s = &m->slots[seek(m, key)];

	if (!s->key) {
		if (m->count >= m->max)
			return -ENOSPC;
		s->key = key;
		m->count++;
	}
	s->value = value;
	return 0;
}

/* Linear probing: what stands behind the gap and belongs before it moves up. */
void intmap_remove(struct intmap *m, uint64_t key)
{
	size_t gap = seek(m, key), i = gap;

	if (!m->slots[gap].key)
		return;
	for (;;) {
		i = (i + 1) & m->mask;
		if (!m->slots[i].key)
			break;
		size_t home = place(m, m->slots[i].key);

		if (((i - home) & m->mask) >= ((i - gap) & m->mask)) {
			m->slots[gap] = m->slots[i];
			gap = i;
		}
	}
	m->slots[gap].key = 0;
	m->count--;
}
