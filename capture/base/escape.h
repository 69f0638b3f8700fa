/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to base/: one character of a JSON string, shared by sbuf_json() and the JSON writer. */
#pragma once

#include <stddef.h>

#define ESCAPE_MAX 8

/* Write the JSON form of the character at s into out; returns its length, *ret_used how many
 * bytes of s it stands for.  avail > 0. */
size_t escape_json(const unsigned char *s, size_t avail, char out[ESCAPE_MAX], size_t *ret_used);

/* Two lower-case hexadecimal digits. */
void escape_hex(unsigned char c, char out[2]);
