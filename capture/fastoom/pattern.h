/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PATTERN: an unanchored match with . * + ? [] ^ $ | and \ before any of them.  Parentheses are
 * ordinary characters.  A pattern is a list of atoms in a pool; matching moves a set of positions
 * over the text once, so its time is (atoms × bytes) at most whatever the pattern, and it
 * allocates nothing.  Characters are bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/err.h"

#define PATTERN_ATOMS 2048 /* of one pool */
#define PATTERN_CLASSES 64
#define PATTERN_MAX 64
#define PATTERN_LONGEST 250 /* atoms of one pattern */

struct pattern_atom {
	uint8_t kind, quantity, arg;
};

struct pattern_pool {
	struct pattern_atom atoms[PATTERN_ATOMS];
	uint8_t classes[PATTERN_CLASSES][32];
	struct {
		uint16_t first, count;
		uint16_t text; /* in texts, for messages */
	} patterns[PATTERN_MAX];
	char texts[6144];
	uint16_t n_atoms, n_classes, n_patterns, texts_len;
};

/* Its index in the pool, or -errno; refused: an empty pattern or alternative, nothing to repeat,
 * an open class. */
int pattern_add(struct pattern_pool *p, const char *text, struct err *e);
bool pattern_match(const struct pattern_pool *p, unsigned index, const char *text, size_t len);
const char *pattern_text(const struct pattern_pool *p, unsigned index);
