/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A first look at a tar header, before libarchive sees it: only what is needed to know where the
 * next header is, and to keep everything but plain regular members away from libarchive's
 * extensions (sparse maps, long links, pax attributes, which cost memory or open files).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAR_BLOCK 512

struct tarhead {
	uint64_t size; /* of the data that follows */
	char type;     /* '0' for a regular file */
	bool regular;
	bool renames_next; /* a header that changes what the next one means */
};

/* 0 or -EBADMSG: not a ustar header with a right checksum. */
int tarhead_parse(const uint8_t block[TAR_BLOCK], struct tarhead *ret);

/* Does its path start with the directory top? */
bool tarhead_under(const uint8_t block[TAR_BLOCK], const char *top);

bool tar_block_is_zero(const uint8_t block[TAR_BLOCK]);

/* A header for tests and warming up: a regular member of a valid name. */
void tarhead_make(uint8_t block[TAR_BLOCK], const char *path, uint64_t size);
/* Write the checksum of a header that was filled in by hand. */
void tarhead_checksum(uint8_t block[TAR_BLOCK]);
