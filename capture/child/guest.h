/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each of our processes is to the machine it is a guest on.  budget.h measures the rest. */
#pragma once

#include <stdint.h>

/* This process and its children to come: first to die, last to read the disk, no core dump. */
void guest_enter(void);
/* A collector's child, on top of that.  memory_limit: a backstop only. */
void guest_child(uint64_t memory_limit);
