/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The formats of other tools: one const row here and one file in exports/ each. */
#pragma once

#include <stddef.h>

#include "../capture/base/err.h"

struct model;

typedef int (*export_write_fn)(void *ctx, const void *data, size_t len);

struct export_format {
	const char *name; /* of --export NAME=FILE */
	/* Output goes to write.  0, -ENODATA with e set: the archive has nothing for it, or an
	 * error of writing.  NULL: a directory of files, which whoever knows the report writes. */
	int (*run)(const struct model *m, export_write_fn write, void *ctx, struct err *e);
};

extern const struct export_format export_formats[]; /* ends with a NULL name */
/* NULL: no such format. */
const struct export_format *export_find(const char *name, size_t len);
