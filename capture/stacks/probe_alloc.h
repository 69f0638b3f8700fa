/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to probe.c, probe_alloc.c and probe_alloc_try.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "alloc_points.h"

struct stacks_bpf;
struct stacks_probe;

/* Before loading: with room for so many blocks; 0: without these programs. */
void stacks_probe_allocs_load(struct stacks_bpf *s, uint32_t blocks);

/* Of the points of one file, that of points[first], those that a program is for: kind, or with
 * at_return all that give something out. */
int stacks_probe_attach_file(struct stacks_probe *p, pid_t pid, const struct alloc_point *points,
			     size_t n, size_t first, enum alloc_kind kind, bool at_return,
			     struct err *e);
/* All links but the first so many. */
void stacks_probe_drop_after(struct stacks_probe *p, size_t count);
