/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a place in a code object of CPython to a line of its source.
 *
 * to 3.9    co_lnotab: pairs (bytes of code, lines as a signed byte)      Objects/lnotab_notes.txt
 * 3.10      co_linetable: the same pairs, each of a range; −128: no line  PEP 626
 * 3.11 on   co_linetable: locations                                       Objects/locations.md
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * minor: of version 3.  at: in bytes from the start of the code; below 0: not begun yet.  Returns
 * the line, 0 when the place has none, or -ERANGE: the table is not of such a place.
 */
int python_line(unsigned minor, const uint8_t *table, size_t len, int first_line, int32_t at);
