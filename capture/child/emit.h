/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The child's end of the pipe, for those who make one: child.c, and tests of collectors. */
#pragma once

#include "../collect.h"

/* fd is borrowed.  part: how large a part may be, 0: BUNDLE_PART_SIZE.  NULL: out of memory. */
struct emit *emit_create(int fd, size_t part);
/* Closes an open member, sends what was gathered for the end.  0 or the first error of the pipe. */
int emit_finish(struct emit *out);
bool emit_has_status(const struct emit *out);
void emit_destroy(struct emit *out);
