/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page_owner: a kernel that was booted with page_owner=on keeps for each page the stack that
 * allocated it.  Summed here by the first function above the page allocator, and its module.
 *
 * Since 6.9 page_owner_stacks/show_stacks has each stack once, with its pages.  Before that
 * page_owner has an entry of some 500 bytes for each block of pages, in the order of the frames: it
 * is read from its start for as long as there is time, and what share that was is told.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../collect.h"

#define OWNER_NAME 96
#define OWNER_MODULE 56
#define OWNERS_MAX 4096

struct owner {
	char function[OWNER_NAME], module[OWNER_MODULE]; /* "": the kernel itself */
	uint64_t pages, blocks;
};

struct owners {
	struct owner *rows; /* OWNERS_MAX */
	uint32_t *index;
	size_t count;
	uint64_t beyond; /* pages without room */
	uint64_t last_pfn;
	/* The entry that is being read. */
	struct owner now;
	bool counting;
};

int owners_init(struct owners *o);
void owners_release(struct owners *o);
/* One line of either file, NUL-terminated. */
void owners_line(struct owners *o, const char *line);

/* tables/page_owner.tsv, where the kernel offers it; until_ns: CLOCK_MONOTONIC. */
int page_owner_emit(struct collect *c, uint64_t until_ns);
