/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "offcpu.h"

#include <errno.h>
#include <stdlib.h>

#include "../collect.h"

const char *const stacks_states[STACKS_STATES] = {"", "sleep", "disk", "runnable", "preempted"};

int offcpu_init(struct offcpu *o, size_t max)
{
	/* Rows that are not used are not resident. */
	*o = (struct offcpu){.max = max, .rows = calloc(max, sizeof(*o->rows))};
	return o->rows ? intmap_init(&o->by_thread, max) : -ENOMEM;
}

void offcpu_deinit(struct offcpu *o)
{
	free(o->rows);
	intmap_deinit(&o->by_thread);
	*o = (struct offcpu){0};
}

struct offcpu_row *offcpu_row(struct offcpu *o, uint32_t thread)
{
	uint32_t i = thread ? intmap_find(&o->by_thread, thread) : INTMAP_NONE;

	if (i != INTMAP_NONE)
		return &o->rows[i];
	if (!thread || o->count >= o->max ||
	    intmap_set(&o->by_thread, thread, (uint32_t)o->count)) {
		o->dropped++;
		return NULL;
	}
	o->rows[o->count].thread = thread;
	return &o->rows[o->count++];
}

void offcpu_add(struct offcpu_row *row, const struct stacks_slot *slot, uint32_t stack)
{
	for (int i = 1; i < STACKS_STATES; i++) {
		row->total_ns[i] += slot->total_ns[i];
		row->count[i] += slot->count[i];
	}
	if (slot->longest_ns <= row->longest_ns || slot->longest_state >= STACKS_STATES)
		return;
	row->longest_ns = slot->longest_ns;
	row->longest_end_ns = slot->longest_end_ns;
	row->longest_state = slot->longest_state;
	row->longest_waker = slot->longest_waker;
	row->longest_stack = stack;
}

static void optional(struct emit *out, uint64_t v)
{
	if (v)
		row_u64(out, v);
	else
		row_none(out);
}

int offcpu_write(const struct offcpu *o, struct emit *out, uint64_t origin_ns)
{
	int r = member_open(out, "tables/stack_offcpu.tsv",
			    "thread\tstate\ttotal_ns\tcount\tlongest_ns\tlongest_end_ns\t"
			    "longest_stack\tlongest_waker\tstill_ns\tstill_stack\n");

	for (size_t i = 0; i < o->count && !r; i++) {
		const struct offcpu_row *t = &o->rows[i];

		for (uint32_t state = 1; state < STACKS_STATES && !r; state++) {
			bool longest = t->longest_ns && t->longest_state == state;
			bool still = t->still_ns && t->still_state == state;

			if (!t->count[state] && !still)
				continue;
			row_u64(out, t->thread);
			row_cstr(out, stacks_states[state]);
			row_u64(out, t->total_ns[state]);
			row_u64(out, t->count[state]);
			optional(out, longest ? t->longest_ns : 0);
			optional(out, longest && t->longest_end_ns > origin_ns
					      ? t->longest_end_ns - origin_ns
					      : 0);
			optional(out, longest ? t->longest_stack : 0);
			optional(out, longest ? t->longest_waker : 0);
			optional(out, still ? t->still_ns : 0);
			optional(out, still ? t->still_stack : 0);
			r = row_end(out);
		}
	}
	return r ? r : member_close(out, false);
}
