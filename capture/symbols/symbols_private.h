/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What symbols.c keeps and resolve.c fills in. */
#pragma once

#include "elf_file.h"
#include "symbols.h"

enum module_kind {
	MODULE_ELF,	/* a file */
	MODULE_VDSO,	/* the kernel's, the same in every process */
	MODULE_ANON,	/* of one process, no file: code made at run time */
	MODULE_KERNEL,	/* vmlinux */
	MODULE_KMODULE, /* path is its name */
	MODULE_BPF,	/* all BPF programs */
};

enum module_status {
	MODULE_UNREAD, /* not tried, or not got to in time */
	MODULE_READ,
	MODULE_ABSENT,	/* no file that is what was mapped */
	MODULE_REFUSED, /* EACCES and the like */
	MODULE_BAD,	/* not what it should be: no ELF, contradicts itself */
	MODULE_STUCK,	/* no answer in time */
};

/* Where a file was found. */
enum module_source {
	FOUND_NOT,
	FOUND_MAP_FILES,
	FOUND_ROOT,
	FOUND_HOST,
	FOUND_NAMESPACE,
	FOUND_SELF
};

#define MODULE_WITNESSES 4

struct symbol_module {
	enum module_kind kind;
	enum module_status status;
	enum module_source source;
	bool deleted;	/* the path had " (deleted)" */
	bool has_debug; /* names come from a separate debug file too */
	uint32_t major, minor;
	uint64_t ino;
	uint8_t build_id[SYMBOLS_BUILD_ID_MAX];
	uint8_t build_id_len;
	uint32_t pid;	  /* MODULE_ANON: its process */
	int no;		  /* errno that goes with status */
	uint64_t seen_ns; /* CLOCK_REALTIME: when a mapping of it was last noted */
	char *path;
	struct elf_load loads[ELF_LOADS_MAX]; /* executable ones, as read */
	uint8_t load_count;
	/* Mappings of it, to find it by; the last ones seen, which are the likeliest to be there.
	 */
	uint32_t witness[MODULE_WITNESSES];
	uint32_t witness_count;
};

struct symbol_row {
	uint64_t offset;   /* in the file; of kernel and anonymous code the address itself */
	uint64_t address;  /* in the file's own terms; 0: not known */
	uint64_t symbol;   /* the symbol's, in the same terms */
	uint32_t module;   /* with offset what is asked for; all of the kernel's are 0 */
	uint32_t name;	   /* 1 + where in names; 0: none */
	uint32_t found_in; /* the kernel's: the module it turned out to be of; 0: vmlinux */
};

struct symbol_map_row {
	uint64_t start, end, pgoff;
	uint32_t process, pid, module;
};

/* Open addressing; the slots hold 1 + the index of a row. */
struct index {
	uint32_t *slots;
	uint32_t mask, used;
};

struct symbols {
	struct symbols_limits limits;
	struct symbol_map_row *maps; /* [0] is SYMBOLS_KERNEL */
	uint32_t map_count, map_cap;
	struct symbol_module *modules; /* [0] is vmlinux */
	uint32_t module_count, module_cap;
	struct symbol_row *rows;
	uint32_t row_count, row_cap;
	struct index map_index, module_index, row_index;
	char *names;
	uint32_t name_len, name_cap;
	uint64_t maps_dropped, wants_dropped, names_dropped;
};

/* Keep a name; 1 + where, or 0 when it does not fit (counted). */
uint32_t symbols_keep_name(struct symbols *s, const char *name, size_t len);
/* The row of a module of the kernel's, by name; UINT32_MAX: table full. */
uint32_t symbols_kernel_module(struct symbols *s, enum module_kind kind, const char *name);
/* The row numbers, ordered by module and offset; to be freed.  NULL: out of memory. */
uint32_t *symbols_order(const struct symbols *s);
