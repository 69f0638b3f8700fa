/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that answers questions about other processes, for looking at those may mean to wait for
 * a lock that a stuck one holds for ever.  Question and answer stand in shared memory; one that
 * does not answer in time is killed and replaced, and after a few of those nobody is asked again.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "../base/sysroot.h"

struct helper;

/* shared_bytes: of the memory that both sides see.  serve: in the helper, for each question. */
int helper_create(struct helper **ret, const struct sysroot *root, size_t shared_bytes,
		  void (*serve)(int proc_fd, void *shared));
void helper_destroy(struct helper *h);
/* The question goes in here, the answer comes out of here: of another process, to be checked. */
void *helper_shared(const struct helper *h);
/* Blocks for a quarter of a second at most.  0, -ETIMEDOUT, or why there is no helper. */
int helper_ask(struct helper *h);
/* The last one that could not be killed and did not die since; 0: none. */
pid_t helper_left_behind(struct helper *h);
