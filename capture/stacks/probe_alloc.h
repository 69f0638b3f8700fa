/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to probe.c and probe_alloc.c. */
#pragma once

#include <stdint.h>

struct stacks_bpf;

/* Before loading: with room for so many blocks; 0: without these programs. */
void stacks_probe_allocs_load(struct stacks_bpf *s, uint32_t blocks);
