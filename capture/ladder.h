/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where would kernel memory be read from, and why from nowhere better? */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/sysroot.h"
#include "options.h"

struct ladder {
	int no;		   /* 0: source works; else the errno of the last rung */
	char source[16];   /* kcore, bpf, core-file, kpageflags, procfs */
	char refused[512]; /* the rungs above it, or all of them, each with its reason; may be "" */
	bool timed_out;	   /* no answer: nothing is known */
	bool denied;	   /* a higher rung is there, but not for us */
	uint64_t pages;	   /* that would be scanned; 0: not known before */
	uint32_t one_in;   /* the sample that would be drawn; 0: no pages are read */
	uint64_t cpu_ns;   /* to read it, roughly; 0: not known before */
	uint64_t all_ns;   /* to read every page */
	bool recorded;	   /* the sample is that of the recording */
	uint64_t expected_bytes; /* of the archive, estimated from the machine; 0: unknown */
};

/* Asked in a process of its own, with a time limit. */
void ladder_try(struct ladder *ret, const struct capture_options *o, const struct sysroot *root);

/* Tries for real: opens the source and closes it again.  An answer for ask.h. */
void ladder_answer(const void *options, const struct sysroot *root, void *ret);
