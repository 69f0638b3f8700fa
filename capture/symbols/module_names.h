/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names of addresses of one module, from the files that were opened for it. */
#pragma once

#include "elf_file.h"

#define MODULE_CHUNK 16384u /* addresses looked up in one pass: 2 MiB of memory */

struct module_names {
	const uint64_t *offsets; /* in the file, ascending; borrowed */
	size_t count;
	/* address: 0 where no segment holds the offset.  name: NULL where there is none.  i
	 * ascends, but each chunk of MODULE_CHUNK by address.  Non-zero ends. */
	int (*found)(void *ctx, size_t i, uint64_t address, uint64_t symbol, const char *name,
		     size_t len);
	void *ctx;
};

/*
 * main: what was mapped.  debug: its separate debug file, or NULL.  Tables are taken together:
 * .symtab of either, .gnu_debugdata, .dynsym.  0 or a negative errno; a table that makes no sense
 * costs its own names only.
 */
int module_names(const struct module_names *n, const struct elf_file *main,
		 const struct elf_file *debug);

/* The same from the text of a perf-PID.map: lines "START SIZE NAME"; the offsets are addresses. */
int module_names_perf_map(const struct module_names *n, const struct elf_source *text);
