/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For each of some addresses the symbol that holds it, from symbols that come in any order and are
 * not kept: a symbol can only be of use to the first address at or above its value, or to the ones
 * that follow it, so each address keeps the best few and one sweep hands them on.  O(log n) a
 * symbol, memory by the addresses asked for and not by the file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEAREST_KEPT 3

struct nearest_symbol {
	uint64_t value, end; /* end == value: its extent is not known */
	uint64_t name;	     /* the caller's */
	uint8_t source, rank;
};

struct nearest {
	const uint64_t *address; /* ascending, distinct; borrowed */
	size_t count;
	struct nearest_slot {
		struct nearest_symbol kept[NEAREST_KEPT]; /* that hold the address, best first */
		struct nearest_symbol label; /* the nearest one below without an extent */
		uint8_t kept_count;
		bool has_label;
	} * slots;
};

/* 0 or -ENOMEM. */
int nearest_init(struct nearest *n, const uint64_t *address, size_t count);
void nearest_deinit(struct nearest *n);
void nearest_add(struct nearest *n, const struct nearest_symbol *s);
/* Once, after all symbols and before nearest_get(). */
void nearest_settle(struct nearest *n);
/* NULL: none holds address i.  A symbol with an extent is preferred to a label; a label counts up
 * to the next symbol of any kind. */
const struct nearest_symbol *nearest_get(const struct nearest *n, size_t i);
