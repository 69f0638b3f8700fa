/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As much of an ELF file as names need: segments, build-id, symbol tables.  The file is anybody's:
 * every offset, size and count in it is a claim that is checked against the bytes that are there.
 * Nothing is mapped (a file that is cut while we read it gives -EIO, not SIGBUS) and only the
 * symbol tables' places are kept, so memory does not depend on the file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ELF_LOADS_MAX 32
#define ELF_BUILD_ID_MAX 20
#define ELF_NAME_MAX 4096
#define ELF_SYMBOLS_MAX (8u << 20) /* of one table; Chromium with all its symbols has 2 million */

/* Bytes in a file or in memory. */
struct elf_source {
	int fd;		    /* -1: memory */
	const uint8_t *mem; /* borrowed */
	uint64_t size;
};

/* All of len bytes at offset, or -EIO when they are not there. */
int elf_read(const struct elf_source *s, uint64_t offset, void *buf, size_t len);

struct elf_load {
	uint64_t offset, vaddr, filesz;
	bool exec;
};

struct elf_table { /* of symbols */
	uint64_t offset, size;
	uint64_t strings, strings_size;
};

struct elf_file {
	struct elf_source src;
	bool is64;
	uint16_t type, machine; /* ET_*, EM_* */
	struct elf_load loads[ELF_LOADS_MAX];
	size_t load_count;
	uint8_t build_id[ELF_BUILD_ID_MAX];
	uint8_t build_id_len;
	struct elf_table symtab, dynsym;    /* size 0: none */
	uint64_t debugdata, debugdata_size; /* .gnu_debugdata */
};

/* 0; -ENOEXEC: no ELF, or not of this byte order; -EBADMSG: it contradicts itself; -EIO.  Memory in
 * src must outlive f. */
int elf_open(struct elf_file *f, const struct elf_source *src);

/* The address in the file's own terms (p_vaddr) of what lies at offset; executable segments are
 * preferred.  False when no segment holds it. */
bool elf_address(const struct elf_file *f, uint64_t offset, uint64_t *ret);

struct elf_symbol {
	uint64_t value, size;
	uint32_t name; /* in the table's strings */
	uint8_t rank;  /* of two at one address the higher one is the better name */
};
/* Every symbol that may be code.  fn returns 0 to go on, anything else ends and is returned. */
int elf_symbols(const struct elf_file *f, const struct elf_table *t,
		int (*fn)(void *ctx, const struct elf_symbol *s), void *ctx);

/* NUL-terminated, cut to cap; its length, or a negative errno. */
ssize_t elf_name(const struct elf_file *f, const struct elf_table *t, uint32_t name, char *out,
		 size_t cap);

/* The GNU build-id among notes; its length, 0: none. */
uint8_t elf_note_build_id(const uint8_t *notes, size_t size, uint8_t ret[ELF_BUILD_ID_MAX]);
