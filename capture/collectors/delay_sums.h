/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Adding up what the probes of bpf/delay.h counted in slices of the window.
 *
 * The window is cut into strata; in each, the probe watches one slice at a random place.  What was
 * seen in a slice, times stratum/slice, estimates its stratum (Horvitz–Thompson); the sum of these
 * is the estimate.  Its variance is estimated from strata side by side, as if the two of a pair
 * had the same mean: Σ (y1 − y2)² (1 − slice/stratum) (collapsed strata; Cochran, Sampling
 * Techniques, 5A.12).  It errs to the large side.
 *
 * Being looked at costs time, and a program that has none to spare does less in a slice than it
 * would have done: by how much at most is known, whether it did is not.  That goes into the
 * variance of counts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "../../bpf/delay.h"

#define DELAY_KEY_MAX 112
#define DELAY_SUMS_MAX 16384

struct delay_sum {
	uint8_t key[DELAY_KEY_MAX];
	uint64_t seen, seen_cut, max_ns;
	uint32_t parent, grandparent, flags;
	char comm[DELAY_COMM];
	double count, ns, amount, inner_ns, inner;
	double count_var, ns_var;
	float histogram[DELAY_BUCKETS];
	/* The pair of strata that is being added up. */
	uint64_t pair;
	double pair_count[2], pair_ns[2], pair_factor;
	double missed; /* of count, at most: not done for being looked at */
};

struct delay_sums {
	size_t key_size, count, capacity;
	struct delay_sum *rows;
	uint32_t *slots; /* of rows + 1 */
	size_t slot_count;
	uint64_t lost; /* rows beyond DELAY_SUMS_MAX, or without memory */
};

/* What a slice stands for. */
struct delay_slice {
	uint64_t stratum_ns, slice_ns; /* equal: all of it was seen */
	uint64_t number;	       /* of the stratum */
	double taken;		       /* of the slice, by the looking itself: a share */
};

void delay_sums_init(struct delay_sums *s, size_t key_size);
void delay_sums_deinit(struct delay_sums *s);
/* The row of a key, made if need be; NULL: no room, counted.  Rows move when one is made. */
struct delay_sum *delay_sums_row(struct delay_sums *s, const void *key);
void delay_sums_add(struct delay_sums *s, const void *key, const struct delay_value *v,
		    const struct delay_slice *slice);
/* After the last: the variances are complete then. */
void delay_sums_end(struct delay_sums *s);
