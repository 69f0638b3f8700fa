/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much of the time a probe of bpf/delay.h looks, and what it does when it does not.
 *
 * A probe that is attached and does not look still costs its call; one that is detached costs
 * nothing, but attaching and detaching it patches the kernel's text: an interrupt to every CPU
 * several times over, for system calls a walk over all threads under the lock that fork() wants,
 * and perhaps a wait for RCU.  On a machine of many CPUs, or a sick one, that is what hurts.  So
 * the probe is attached once where that can be paid for, and else no more often than what patching
 * took on this very machine allows.
 */
#pragma once

#include <stdint.h>

/* What a probe takes of the busiest CPU while it looks in slices. */
#define DELAY_BUDGET 0.006
/* Of this at most so much goes into being attached without looking. */
#define DELAY_IDLE_BUDGET 0.004
/*
 * Attaching and detaching take at most this share of the time, unless that would leave too few
 * slices of the window to estimate from: so many are worth more, up to the second share.
 */
#define DELAY_PATCH_SHARE 0.02
#define DELAY_SLICES_WANTED 10
#define DELAY_PATCH_SHARE_MAX 0.25

enum delay_mode {
	DELAY_WHOLE,	/* looks all the time */
	DELAY_GATED,	/* looks in slices, attached all the time */
	DELAY_DETACHED, /* looks in slices, and is attached in them only */
};

/* What calling the programs costs, in ns.  event 0: not worth bounding. */
struct delay_cost {
	double event;  /* one that is counted */
	double passed; /* one that is looked at and is none of ours */
	double idle;   /* any, while the program only finds that it does not look */
};

struct delay_pace {
	struct delay_cost cost;
	double window_ns;
	enum delay_mode mode;
	double share; /* of the time that it looks */
	/* What it would take of the busiest CPU to look all the time, and never; and what attaching
	 * and detaching took together.  All are forgotten slowly. */
	double whole, idle, patch_ns;
	unsigned seen; /* how often delay_pace_seen() was told anything */
};

/* A stratum of the window and how much of it is looked at. */
struct delay_plan {
	uint64_t stratum_ns, slice_ns;
};

void delay_pace_init(struct delay_pace *p, const struct delay_cost *cost, uint64_t window_ns);
/* So many on the busiest CPU while it looked for ns. */
void delay_pace_seen(struct delay_pace *p, uint64_t events, uint64_t passed, uint64_t ns);
/* It was attached and detached; both together took so long. */
void delay_pace_patched(struct delay_pace *p, uint64_t ns);
/* The next stratum, of left_ns at most; for DELAY_GATED and DELAY_DETACHED.  slice_ns is 0 when
 * what is left is too short for one. */
struct delay_plan delay_pace_plan(const struct delay_pace *p, uint64_t left_ns);
