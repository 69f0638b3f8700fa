/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stacks without BPF: the kernel's own samples, with its own walk of the stack.  Of all CPUs where
 * that is permitted, else of the processes of one's own user.  Nobody knows where a walk by frame
 * pointers ended: such a stack is never said to reach the thread's start.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/err.h"
#include "../base/sysroot.h"
#include "perf.h"

struct session;

enum lower_mode {
	LOWER_NONE, /* BPF */
	LOWER_ALL,  /* all CPUs */
	LOWER_OWN,  /* one user's processes */
};

struct lower {
	enum lower_mode mode;
	int no;	       /* errno of what stands against BPF */
	char why[400]; /* that, and what is used instead */
	enum perf_clock clock;
	size_t cpus;
	uint64_t events, idle;
};

/* For a collector's probe(): is there one?  0, or a negative errno with e set. */
int lower_ask(const struct sysroot *root, struct err *e);
/* Opens the events, disabled, into s->side.  e: what stands against BPF; on failure also what
 * against this. */
int lower_open(struct session *s, size_t ring_bytes, struct err *e);
/* Its time, if h is a sample of these; else 0. */
uint64_t lower_time(const struct perf_event_header *h);
bool lower_sample(struct session *s, const struct perf_event_header *h);
