/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of struct emit, shared by emit.c (members, rows) and emit_pack.c (packs). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "frame.h"

struct emit {
	int fd;
	int error; /* the first, negative; sticky */
	bool open, row_started, has_status, started;
	char name[FRAME_NAME_MAX + 1];
	unsigned part; /* parts of the open member that were sent */
	char *buf;
	size_t len, cap, part_size;
	size_t mark; /* a part may end here */
	char *header;
	size_t header_len;
};
