/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The .eh_frame section of an x86-64 file as rows that a BPF program can search (bpf/stacks.h).
 *
 * Sources: System V ABI for AMD64 3.7 and 4.2.3, Linux Standard Base 10.6, DWARF 5 section 6.4.  Of
 * the rules, those for the frame's address, the return address and rbp are kept.  The file is
 * anybody's: every length in it is a claim, and what contradicts itself is left out.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../../bpf/stacks.h"
#include "../symbols/elf_file.h"

struct cfi_result {
	size_t rows;
	uint32_t functions, bad; /* descriptions read, and left out */
	uint32_t unknown;	 /* rows with a rule that a row cannot say */
};

/*
 * Rows sorted by pc; they end with one that says where the last function ends.  0; -ENODATA: the
 * file has no .eh_frame; -ENOSPC: more than max rows (what was written is of no use); -EIO.
 */
int cfi_read(const struct elf_source *src, struct stacks_row *rows, size_t max,
	     struct cfi_result *ret);
