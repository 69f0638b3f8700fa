/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of a run, shared by window.c (its two ends) and attend.c (its middle). */
#pragma once

#include <stdint.h>

#include "base/clock.h"
#include "budget.h"
#include "bundle/manifest.h"
#include "child/child.h"
#include "plan.h"
#include "preflight.h"
#include "redact.h"
#include "say.h"

#define RUN_GRACE_NS (10 * NSEC_PER_SEC) /* after the window's end, to read and hand over */

struct run {
	const struct capture_options *options;
	const struct sysroot *root;
	struct say say;
	struct plan plan;
	struct target target;
	struct bundle_writer *writer;
	struct budget budget;
	struct frame_pool pool;
	struct child children[ASK_MAX];
	size_t child_count;
	struct redactor redactor;
	struct capture_head head;
	struct capture_manifest manifest;
	struct err fatal; /* why there will be no archive */
	int signal_fd, interrupted;
	bool disk_warned;
	uint64_t moments_bytes; /* what moments under way have, see shares.h */
	uint64_t begun_ns, window_start_ns, window_end_ns, ended_ns, next_tick_ns;
};

/* Milliseconds since the start of the window. */
static inline double run_ms(const struct run *r, uint64_t now)
{
	return now > r->window_start_ns ? (double)(now - r->window_start_ns) / 1e6 : 0;
}

/*
 * Start those that are planned and fit by now: those with a window first, then from the one that
 * needs least.  Called again and again until nobody waits.
 */
void window_start_children(struct run *r, uint64_t now);
/* Until every child has been heard and buried.  A negative errno: there will be no archive, and
 * r->fatal says why. */
int window_attend(struct run *r);
/* Nothing will come of it: no child may outlive us. */
void window_abort(struct run *r);
