/* SPDX-License-Identifier: GPL-2.0-or-later */
/* .gnu_debugdata: a small ELF file with the symbols that strip removed, compressed with xz. */
#pragma once

#include "elf_file.h"

#define XZ_OUTPUT_MAX (8u << 20)
#define XZ_DECODER_MAX (12u << 20) /* xz -6, what everybody uses, needs 9 MiB */

/* Decompress size bytes at offset into memory of the caller's (*ret to be freed).  0; -EBADMSG: not
 * xz, or damaged; -E2BIG: larger than XZ_OUTPUT_MAX, or needs more than XZ_DECODER_MAX to decode;
 * -ENOMEM, -EIO. */
int xz_inflate(const struct elf_source *s, uint64_t offset, uint64_t size, uint8_t **ret,
	       size_t *ret_size);
