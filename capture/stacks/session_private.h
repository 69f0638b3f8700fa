/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by session.c, its records, its growth and what is written of it. */
#pragma once

#include "session.h"

#define SAMPLES_HEADER "time_ns\tkind\tstate\tthread\tcpu\tstack\tns\tweight\twaker\tstill\n"

/* Takes over what lies in the side rings, in the order of its time. */
void session_take_side(struct session *s);
/* What of it happened up to then. */
void session_apply_events(struct session *s, uint64_t until);
/* Of a ring of the programs: as stacks_probe_drain() wants it. */
int session_record(void *ctx, const void *data, size_t len);
/* What a thread has been through, out of its slot; who is away to the very end. */
void session_on_slot(struct session *s, const struct stacks_slot *slot);
void session_still(void *ctx, const struct stacks_sample *p, const struct stacks_stack *k);
void session_on_growth(struct session *s, const struct stacks_growth *k);
/* Keeps to a share of the CPUs' time. */
void session_growth_turn(struct session *s, uint64_t now);
/* After the probe was stopped. */
void session_take_growth(struct session *s);

/* Allocations of the processes of --heap.  Nothing of it is fatal. */
/* Where their functions are, and whether they may be probed: before sampling starts, it takes up to
 * some seconds. */
void session_allocs_find(struct session *s);
void session_allocs_start(struct session *s);
/* Forks, execs and exits, as they come. */
void session_allocs_event(struct session *s, const struct perf_event_header *h);
/* Ends it when it takes too much of the processes' time. */
void session_allocs_turn(struct session *s, uint64_t now);
/* What of it was not freed. */
void session_allocs_stop(struct session *s);
/* A sample of the lower rung with its stack, which gets its hash here. */
void session_take(struct session *s, struct stacks_sample *p, struct stacks_stack *k);
