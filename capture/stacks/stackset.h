/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each stack once, known by its hash.  It has a number from the first sample on that names it; its
 * frames may come later, or never when the ring was full.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../bpf/stacks.h"
#include "intmap.h"

struct stack_row {
	uint32_t process; /* row of stack_processes.tsv; 0: not known */
	uint32_t frames;  /* where they begin; kernel first */
	uint16_t kernel_count, user_count;
	uint16_t python_count; /* behind the user's: see pyframes_take() */
	uint8_t end, by, kernel_cut, python_end;
	bool known; /* the frames have come */
};

struct stack_frame {
	uint64_t address;
	uint32_t map; /* symbols_map()'s; of kernel frames 0 */
	uint32_t exact;
};

struct stackset {
	struct stack_row *rows; /* number i + 1 */
	size_t count, max;
	struct stack_frame *frames;
	size_t frame_count, frame_capacity, frame_max;
	struct intmap by_hash;
	uint64_t dropped; /* stacks that did not fit */
};

int stackset_init(struct stackset *s, size_t max_stacks, size_t max_frames);
void stackset_deinit(struct stackset *s);
/* The number of the stack with that hash, a new one if need be; 0: there is no room. */
uint32_t stackset_number(struct stackset *s, uint64_t hash);
/* Room for the frames of a stack that has none yet; NULL: it has, or there is no room. */
struct stack_frame *stackset_frames(struct stackset *s, uint32_t number, size_t n);
