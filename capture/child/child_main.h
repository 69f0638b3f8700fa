/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a forked process does before and while it works for us. */
#pragma once

#include "../collect.h"

/*
 * Leave behind what belongs to the parent: signals, descriptors (0, 1 and 2 become useless, all
 * but *keep are closed), and die with it.  keep: pointers to descriptors, updated; -1 is allowed.
 */
void child_detach(pid_t parent, int **keep, size_t keep_count);

/* The life of a collector's child: runs it and never returns. */
_Noreturn void child_run(const struct collector *collector, const struct collect *t, int out_fd,
			 int stop_fd, pid_t parent);
