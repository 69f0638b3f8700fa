/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the exports of stacks share: samples on the CPU, alike ones together. */
#pragma once

#include <stdio.h>

#include "../model.h"
#include "formats.h"

struct export_row {
	const char *comm; /* of the process */
	uint32_t stack;
	uint64_t samples;
};

/*
 * The samples on the CPU by (process name, stack), in the order of their first sight.  *ret is to
 * be freed.  -ENODATA with e set when there are none, -ENOMEM.
 */
int export_rows(const struct model *m, struct export_row **ret, size_t *ret_count, struct err *e);

/* Text is handed on in pieces of this size. */
#define EXPORT_BUFFER 65536u
struct export_out {
	export_write_fn write;
	void *ctx;
	int error; /* the first */
	size_t len;
	char buf[EXPORT_BUFFER];
};
void export_put(struct export_out *o, const void *data, size_t len);
void export_puts(struct export_out *o, const char *s);
/* At most 511 bytes. */
#define export_printf(o, ...)                                                                      \
	do {                                                                                       \
		char text_[512];                                                                   \
		snprintf(text_, sizeof(text_), __VA_ARGS__);                                       \
		export_puts((o), text_);                                                           \
	} while (0)
/* s with control characters and those in special replaced: control characters by '?', the others by
 * ':'. */
void export_name(struct export_out *o, const char *s, const char *special);
int export_end(struct export_out *o);
