/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Being a good guest: how little of the machine we take, and knowing how much it was.
 *
 * CPU: a token bucket, filled at --max-cpu percent of one CPU and holding at most half a second's
 * worth, pays for what this process and its children use.  While it is overdrawn the children that
 * work are SIGSTOPped; a stopped child holds no kernel lock.
 * Priority: last, as long as that is enough to get on.  A machine whose CPUs are all taken is the
 * very one to look at, and nice 19 gets half a percent of it: there we are at nice 10, and where
 * even that starves us at the priority we were started with, and the token bucket alone holds us.
 * Memory: Σ of the children's anonymous resident memory and BPF maps, and all of our own.  Measured
 * because it cannot be limited: RLIMIT_AS counts address space, and BPF maps are not in it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "child/child.h"
#include "options.h"

struct budget {
	double max_cpu;
	uint64_t max_memory;
	uint64_t last_ns, last_memory_ns, last_maps_ns; /* of the ticks */
	uint64_t own_cpu_ns;
	int64_t tokens_ns;
	bool paused;
	int nice, nice_now;	/* the one we were started with, and the one we have */
	uint64_t waited_ns;	/* for a CPU, so far */
	uint64_t over_since_ns; /* memory: 0 while within */
	uint64_t memory_bytes, memory_peak_bytes;
};

#define BUDGET_TICK_NS (50 * 1000000ULL)

/* Also lowers our priority, for the children to inherit. */
void budget_init(struct budget *b, const struct capture_options *o, uint64_t now);
/* Measure, and stop and go the children.  Call it every BUDGET_TICK_NS while any lives.  True when
 * we were starving and our priority was raised. */
bool budget_tick(struct budget *b, struct child *children, size_t n, uint64_t now);
/* No more modesty about CPU: we were interrupted and are to finish at once. */
void budget_release(struct budget *b, struct child *children, size_t n, uint64_t now);

/* CPU seconds of this process and of all children that were reaped. */
double budget_cpu_s(void);
