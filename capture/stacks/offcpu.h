/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What threads did off the CPU, summed: exact, unlike the samples. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../../bpf/stacks.h"
#include "intmap.h"

struct emit;

struct offcpu_row {
	uint32_t thread; /* of stack_threads.tsv */
	uint32_t longest_state, longest_waker, longest_stack;
	uint64_t longest_ns, longest_end_ns; /* end: CLOCK_MONOTONIC */
	uint64_t total_ns[STACKS_STATES], count[STACKS_STATES];
	uint32_t still_state, still_stack; /* state 0: it was not off the CPU at the end */
	uint64_t still_ns;
};

struct offcpu {
	struct offcpu_row *rows;
	size_t count, max;
	struct intmap by_thread;
	uint64_t dropped;
};

int offcpu_init(struct offcpu *o, size_t max);
void offcpu_deinit(struct offcpu *o);
/* The row of a thread, made if need be; NULL: no room. */
struct offcpu_row *offcpu_row(struct offcpu *o, uint32_t thread);
/* Add what a slot has counted.  stack: the number of the longest one's. */
void offcpu_add(struct offcpu_row *row, const struct stacks_slot *slot, uint32_t stack);
/* tables/stack_offcpu.tsv; times are given since origin_ns. */
int offcpu_write(const struct offcpu *o, struct emit *out, uint64_t origin_ns);

extern const char *const stacks_states[STACKS_STATES]; /* "", "sleep", … */
