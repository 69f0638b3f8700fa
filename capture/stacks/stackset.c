/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stackset.h"

#include <errno.h>
#include <stdlib.h>

#define FRAMES_FIRST 4096

int stackset_init(struct stackset *s, size_t max_stacks, size_t max_frames)
{
	/* Rows that are not used are not resident. */
	*s = (struct stackset){.max = max_stacks,
			       .frame_max = max_frames,
			       .rows = calloc(max_stacks, sizeof(*s->rows))};
	return s->rows ? intmap_init(&s->by_hash, max_stacks) : -ENOMEM;
}

void stackset_deinit(struct stackset *s)
{
	free(s->rows);
	free(s->frames);
	intmap_deinit(&s->by_hash);
	*s = (struct stackset){0};
}

uint32_t stackset_number(struct stackset *s, uint64_t hash)
{
	uint32_t i = hash ? intmap_find(&s->by_hash, hash) : INTMAP_NONE;

	if (i != INTMAP_NONE)
		return i + 1;
	if (!hash || s->count >= s->max || intmap_set(&s->by_hash, hash, (uint32_t)s->count)) {
		s->dropped++;
		return 0;
	}
	return (uint32_t)++s->count;
}

struct stack_frame *stackset_frames(struct stackset *s, uint32_t number, size_t n)
{
	struct stack_row *row = number ? &s->rows[number - 1] : NULL;

	if (!row || row->known)
		return NULL;
	if (s->frame_count + n > s->frame_capacity) {
		size_t capacity = s->frame_capacity ? s->frame_capacity * 2 : FRAMES_FIRST;
		struct stack_frame *frames;

		if (capacity > s->frame_max)
			capacity = s->frame_max;
		frames = s->frame_count + n > capacity
				 ? NULL
				 : realloc(s->frames, capacity * sizeof(*frames));
		if (!frames) {
			s->dropped++;
			return NULL;
		}
		s->frames = frames;
		s->frame_capacity = capacity;
	}
	row->known = true;
	row->frames = (uint32_t)s->frame_count;
	s->frame_count += n;
	return s->frames + row->frames;
}
