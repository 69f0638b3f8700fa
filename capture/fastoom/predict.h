/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From signals to a probability that the memory of a scope runs out, or that it is already in the
 * livelock that comes before.  Pure functions; the formula and the source of the constants are in
 * predict.c and weights.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

/* A moving average over time constant tau: v' = v + (1 - e^(-dt/tau)) (x - v). */
struct average {
	double value;
	bool any;
};
void average_add(struct average *a, double x, double dt, double tau);

/* Negative where it was not measured: such a signal counts for nothing. */
struct features {
	double available; /* share of the total that can be had without swapping, 0..1 */
	double busy;	  /* share of CPU time in sys, irq, softirq, iowait */
	double refault;	  /* file LRU refaulted, its share per second */
	double stall;	  /* allocation stalls (node) or hits of the limit (cgroup) per second */
	double kswapd;	  /* CPUs */
	double tte_s;	  /* time to exhaustion; infinite when nothing is consumed */
	double swap_free; /* share of the swap, 0..1; 0 where there is none */
	bool consuming;	  /* memory and swap together shrink */
	bool under_oom;	  /* the kernel says so itself */
};

struct profile {
	const char *name;
	double high, low; /* available shares where memory begins to count, and counts in full */
	double probability;
	double hold_s, grace_s;
	double target; /* available share to reach */
	unsigned batch;
};

const struct profile *profile_of(enum sensitivity s);

double predict(const struct features *f, const struct profile *p);
/* How long the probability must stay above the profile's before anybody dies. */
double hold_needed(const struct features *f, const struct profile *p, double reaction_s);
/* Out of memory whatever the model says. */
bool at_the_floor(const struct features *f);
