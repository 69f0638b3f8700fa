/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text that cannot deceive a reader.  Names come from the customer's machine and from whoever
 * could create a file there: control characters, direction overrides and invisible characters
 * are written out (newline as \n, U+202E as <U+202E>), bytes that are not UTF-8 as \xNN.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct visible {
	const char *text; /* not NUL-terminated; in the input or in buf */
	size_t len;
	bool changed;
	char buf[16];
};

/* The next character, or run of harmless ones, of s.  Returns the bytes consumed; 0 at the end. */
size_t visible_next(const char *s, struct visible *ret);

/* All of s, from malloc.  NULL when memory has run out. */
char *visible_dup(const char *s);

/* True when a terminal would not take s as it stands: it needs $'…' quoting to be copied. */
bool visible_needs_quoting(const char *s);
/* s as a shell word in $'…' form, from malloc. */
char *visible_shell_quote(const char *s);
