/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may have how much of --max-memory, decided before anything starts:
 *
 *   ours + Σ held + Σ moments under way ≤ --max-memory, at any time
 *
 *   ours    this process: the members under way, the compressor
 *   held    what a collector with a window may have from its start to its end
 *   moment  what is given back: all that a collector without a window may have; and the kernel's
 *           types, which a collector with a window has in memory while its programs are loaded
 *
 * A collector that can never fit is refused beforehand; one whose moment does not fit yet waits for
 * others' to pass.  Each makes its tables, rings and maps by its limit; budget.c measures whether
 * it keeps to it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect.h"

struct share {
	uint64_t limit;	 /* what the collector may have, bytes */
	uint64_t held;	 /* of it, for as long as it lives */
	uint64_t moment; /* beyond it, until it has started (with a window), or has ended */
};

/* Bytes of the kernel's types (the BTF file): 0 when there is none. */
uint64_t shares_types(const struct capture_options *o, const struct sysroot *root);

/* A child hands its members over in parts of this size at most. */
size_t shares_part(uint64_t max_memory, uint64_t limit);
/* What this process may have. */
uint64_t shares_ours(uint64_t max_memory);
/* Of it, for members under way. */
size_t shares_pool(uint64_t max_memory);

/* In which turn a collector is to be let in: first those that need little, last those that can do
 * with what is left. */
#define SHARES_TURNS 3u
static inline unsigned shares_turn(const struct collector *c)
{
	return c->loads_types ? 1 + !c->timed : 0;
}

struct shares {
	uint64_t max_memory, types;
	uint64_t held, most_moment; /* Σ and the largest of those that were let in */
};

/*
 * Let one more collector in: *ret is its share.  False when it does not fit beside those that are
 * in already; then *ret_needs is what it would need and *ret_left what there is.
 */
bool shares_let_in(struct shares *s, const struct collector *c, struct share *ret,
		   uint64_t *ret_needs, uint64_t *ret_left);
/* What all moments under way may have together, once everybody has been let in. */
uint64_t shares_for_moments(const struct shares *s);
