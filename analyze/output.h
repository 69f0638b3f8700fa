/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a report goes: written to a temporary file beside its place and renamed, so that whoever
 * opens it never sees half a report, and a failed run leaves the older one alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "../capture/base/err.h"

struct output {
	char *path;	 /* the place; NULL for stdout */
	char *temporary; /* NULL: written in place (stdout, a device, a FIFO) */
	int fd;
	size_t len;
	char buf[1 << 16];
};

/* path "-" is stdout. */
int output_open(struct output **ret, const char *path, struct err *e);
/* A report_write_fn; ctx is the output. */
int output_write(void *ctx, const void *data, size_t len);
/* Flush and rename. */
int output_finish(struct output *o, struct err *e);
/* Without output_finish() nothing is left behind. */
void output_destroy(struct output *o);

/* "x.tar.zst" → "x.html"; fleet: "x-fleet.html".  Beside the archive; caller frees. */
char *output_default_path(const char *archive, bool fleet);
/* Are these two names of one existing file? */
bool output_same_file(const char *a, const char *b);

static inline void cleanup_output(struct output **o)
{
	output_destroy(*o);
}
