/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program headers of an ELF core: /proc/kcore, or a file.  Nothing in it is trusted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/err.h"

struct elf_segment {
	uint64_t vaddr, paddr, offset, size; /* paddr: UINT64_MAX when there is none */
};

struct elfcore {
	int fd;			      /* owned */
	struct elf_segment *segments; /* ascending by vaddr */
	size_t count;
	unsigned char *notes; /* the PT_NOTE, up to ELFCORE_MAX_NOTES bytes */
	size_t notes_len;
	uint64_t hash; /* of the program headers as they stood: to tell whether they changed */
	size_t last;   /* the segment of the last read */
};
#define ELFCORE_MAX_SEGMENTS (1u << 20)
#define ELFCORE_MAX_NOTES (1u << 20)

/* Takes the descriptor over, also on failure.  name is for messages. */
int elfcore_open(struct elfcore *ret, int fd, const char *name, struct err *e);
void elfcore_close(struct elfcore *c);

/* -EFAULT: not all of it is in a segment, or it could not be read. */
int elfcore_read(struct elfcore *c, uint64_t vaddr, void *buf, size_t len);

/* The note of that name and type; its description points into c->notes.  -ENOENT. */
int elfcore_note(const struct elfcore *c, const char *name, uint32_t type, const void **ret,
		 size_t *ret_len);

/*
 * Did the program headers change since they were read?  -ESTALE: and segments lie elsewhere in the
 * file now, so that what was read meanwhile may be anything.
 */
int elfcore_changed(struct elfcore *c, bool *ret);
