/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's own symbols, its modules' and BPF programs': /proc/kallsyms. */
#pragma once

#include "symbols_private.h"

/*
 * Name the rows [first, first + count) of order, which are the kernel's.  text_fd: /proc/kallsyms,
 * or something like it.  Sets found_in too.  0; -EACCES: all addresses are
 * zeros (kptr_restrict, no privilege); -ENOMEM; an error of reading.
 */
int kallsyms_name(struct symbols *s, const uint32_t *order, uint32_t first, uint32_t count,
		  int text_fd);

/* The kernel's build-id from /sys/kernel/notes and those of the modules that were named. */
void kernel_build_ids(struct symbols *s, int sys_fd);
