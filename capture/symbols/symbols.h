/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses → names, at the end of a capture.
 *
 * A collector says what processes had mapped and which addresses it wants named; one call names
 * them, and one call writes the tables that the analyzer joins with the stacks.  The raw addresses,
 * the mappings and the build-ids go into the archive whether or not a name was found.
 *
 * Nothing here opens, reads or closes a file of the customer's in the calling process.  A child
 * with the caller's privilege only opens (/proc/PID/map_files/…, then /proc/PID/root/PATH, then
 * PATH on the host, each believed only if build-id or device and inode agree) and hands the
 * descriptor to a second one, which has no privilege and a system-call filter, and which is the
 * only one that looks at bytes made by others.  Either may hang or crash: both are then given up,
 * the module says why, and the next one is read by a new pair.
 *
 * Memory: bounded by struct symbols_limits, decided at the start.  What does not fit is counted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/err.h"
#include "../base/sysroot.h"

struct emit;
struct symbols;

#define SYMBOLS_KERNEL 0u /* the map id that stands for the kernel's half of the address space */
#define SYMBOLS_NO_MAP UINT32_MAX
#define SYMBOLS_BUILD_ID_MAX 20

/* One mapping of one process, as a mmap2 event or a line of /proc/PID/maps says it. */
struct symbol_map {
	uint32_t process;    /* the caller's name for it (a pid may be two processes') */
	uint32_t pid;	     /* tgid in our own pid namespace */
	uint64_t start, end; /* virtual addresses, end exclusive */
	uint64_t pgoff;	     /* bytes: where in the file start is; 0 for what is no file */
	uint32_t major, minor;
	uint64_t ino;	  /* 0: not known (an event that has a build-id instead), or no file */
	const char *path; /* as the kernel says it: "/usr/bin/x", "… (deleted)", "[vdso]", "//anon",
			     "" Copied. */
	uint8_t build_id[SYMBOLS_BUILD_ID_MAX];
	uint8_t build_id_len; /* 0: not known */
};

struct symbols_limits {
	uint32_t maps, modules, addresses; /* rows */
	uint32_t name_bytes;		   /* of symbol names kept, in all */
};
/* 64K maps, 4K modules, 192K addresses, 6 MiB of names: about 20 MiB when all are full. */
extern const struct symbols_limits symbols_default_limits;

int symbols_create(struct symbols **ret, const struct symbols_limits *limits);
void symbols_destroy(struct symbols *s);

/*
 * Note a mapping.  Returns its id, the same one for the same (process, start, end, pgoff, file), or
 * SYMBOLS_NO_MAP when the table is full (counted).  A process that has exec'ed or whose pid is
 * another's simply adds more: the caller knows which map was there at the time of a sample.
 */
uint32_t symbols_map(struct symbols *s, const struct symbol_map *map);

/*
 * Ask for the name of address, which lies in map (SYMBOLS_KERNEL: in the kernel).  Cheap; the same
 * one may be asked for again and again.  Return addresses: ask for address − 1, as one wants the
 * line of the call.  0, -E2BIG when the table is full (counted), -ERANGE when outside map.
 */
int symbols_want(struct symbols *s, uint32_t map, uint64_t address);

struct symbols_outcome {
	uint64_t wanted, named;		      /* addresses */
	uint64_t modules, modules_unread;     /* unread: not to be opened, or not what was mapped */
	uint64_t maps_dropped, wants_dropped; /* did not fit; also by the callee's last call */
	uint64_t names_dropped;		      /* found, but did not fit */
	bool kernel_restricted;		      /* /proc/kallsyms has zeros for addresses */
	bool out_of_time;
	pid_t left_behind; /* a child that did not die; 0: none */
	char note[256];	   /* the first thing that went wrong, "" if nothing did */
};

/*
 * Name what was asked for.  until_ns: CLOCK_MONOTONIC; stop_fd: readable when we are to hurry, -1:
 * none.  Whatever was named by then stays.  0, or a negative errno when nothing could be tried.
 */
int symbols_resolve(struct symbols *s, const struct sysroot *root, uint64_t until_ns, int stop_fd,
		    struct symbols_outcome *ret);

/*
 * A name, for callers that need one during the capture.  NULL: none.  *ret_offset: of address in
 * the symbol.  Valid until symbols_destroy().
 */
const char *symbols_name(const struct symbols *s, uint32_t map, uint64_t address,
			 uint64_t *ret_offset);

/*
 * tables/stack_mappings.tsv, stack_objects.tsv, stack_symbols.tsv (FORMAT.md).  A stack is joined
 * to them by (map id, address).
 */
int symbols_emit(const struct symbols *s, struct emit *out);
