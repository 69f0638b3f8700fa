/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For `check`: where would kernel memory be read from, and why from nowhere better? */
#pragma once

#include "base/sysroot.h"

struct ladder {
	int no;		   /* 0: source works; else the errno of the last rung */
	char source[16];   /* kcore, bpf, core-file, kpageflags, procfs */
	char refused[512]; /* the rungs above it, or all of them, each with its reason; may be "" */
};

/* Tries for real: opens the source and closes it again.  An answer for ask.h. */
void ladder_answer(const void *options, const struct sysroot *root, void *ret);
