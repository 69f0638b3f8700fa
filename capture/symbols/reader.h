/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process that reads files made by others, and what it says over a pipe.  Whoever listens
 * treats it as hostile: it may say anything, once.
 */
#pragma once

#include "symbols_private.h"

enum said_kind {
	SAID_BEGIN,  /* module: work on it begins */
	SAID_MODULE, /* payload: struct said_module */
	SAID_NAME,   /* index: of the row; payload: the name */
	SAID_SAME,   /* index: of the row; the name of the SAID_NAME before */
	SAID_PLACE,  /* index: of the row; its address, no name */
	SAID_END,    /* all is said */
};

struct said {
	uint32_t kind, index, len; /* len: of the payload that follows */
	uint32_t unused;
	uint64_t address, symbol;
};

struct said_module {
	uint32_t status, source;
	int32_t no;
	uint32_t has_debug, load_count;
	uint8_t build_id[SYMBOLS_BUILD_ID_MAX];
	uint8_t build_id_len, pad[3];
	struct {
		uint64_t offset, vaddr, filesz;
	} loads[ELF_LOADS_MAX];
};

/* The modules that rows ask for, from first on.  order: symbols_order().  Never returns. */
_Noreturn void reader_run(const struct symbols *s, const uint32_t *order, uint32_t first,
			  int opener_fd, int out_fd);
