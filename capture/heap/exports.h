/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exported symbols of a program or library as they stand in the memory of a process: no file is
 * opened, so it works for deleted files, in containers and on dead mounts.  Symbols that are only
 * in .symtab are not there.  Source: System V ABI, chapter 5; the layout of DT_GNU_HASH as glibc's
 * elf/dl-lookup.c reads it.
 */
#pragma once

#include "regions.h"

struct exports {
	uint64_t bias, symtab, strtab, gnu_hash, hash;
};

/* base: where the file's first byte is mapped.  0, or -ENOEXEC when that is no ELF64 file with
 * exports (or not of this byte order). */
int exports_open(struct exports *ret, struct remote *r, uint64_t base);
/* Its address, or 0. */
uint64_t exports_find(const struct exports *e, struct remote *r, const char *name);
