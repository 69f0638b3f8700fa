/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Data for the page's scripts: gzip and base64, as a template element holds it (decode() of
 * templates/text.js). */
#pragma once

#include "out.h"

struct pack;

/* NULL: no memory, which o keeps as its error. */
struct pack *pack_open(struct out *o);
/* A json_write_fn; ctx is the pack. */
int pack_write(void *ctx, const void *data, size_t len);
/* Ends and frees it.  r: 0, or the first error of the writer.  NULL is nothing. */
void pack_close(struct pack *p, int r);
