/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "../capture/base/err.h"

/*
 * Lock this process in: no new privileges, rlimits (address space, CPU, no files, no children),
 * landlock with no rules where the kernel has it, and a seccomp filter that allows reading and
 * writing open descriptors, memory and exit; anything else kills.  Call it after locale, zone and
 * allocator are warm.  Returns 0 or a negative errno with e set; a kernel without landlock is not
 * an error, one without seccomp is.
 */
int sandbox_enter(uint64_t max_memory, unsigned max_cpu_s, struct err *e);
