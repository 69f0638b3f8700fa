/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which collectors will run: what was asked for, and what their probes say of this machine. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "child/ask.h"
#include "collect.h"
#include "head.h"
#include "ladder.h"
#include "shares.h"

#define PLAN_PROBE_NS (3 * 1000000000ULL)

struct plan_row {
	const struct collector *collector;
	bool wanted;		   /* not skipped on request */
	struct probe_result probe; /* SKIPPED when not wanted */
	pid_t left_behind;	   /* its probe hangs and does not die */
	struct share share;	   /* of --max-memory, when it runs */
};

struct plan {
	struct plan_row rows[ASK_MAX - 1];
	size_t count, runnable;
	uint64_t expected_bytes; /* Σ of those known */
	bool expected_known;	 /* of all that can run */
	struct host_facts facts;
	struct shares shares; /* of those that run */
};

static inline bool plan_runs(const struct plan_row *r)
{
	return r->probe.status == COLLECTOR_OK || r->probe.status == COLLECTOR_PARTIAL;
}

/*
 * Select from table by --collect and --skip, without looking at the machine.  -EINVAL: a name that
 * is not in the table, or nothing is left.
 */
int plan_select(struct plan *p, const struct collector *const *table,
		const struct capture_options *o, struct err *e);
/* Ask every wanted collector's probe, and for the facts of the host, all at once. */
void plan_probe(struct plan *p, const struct capture_options *o, const struct sysroot *root,
		int cancel_fd);

/* "host,memory,…": those that will run. */
void plan_names(const struct plan *p, char *out, size_t cap, const char *separator);

/* Does its result depend on the ladder? */
bool plan_reads_memory(const struct plan_row *r);
/* What the ladder has shown goes into the rows that read kernel memory: that they cannot, or can
 * only in part, and what they will take. */
void plan_add_ladder(struct plan *p, const struct ladder *l);
/* What was asked for by name and cannot be had here.  0, or a negative errno with e set. */
int plan_refuse(const struct plan *p, const struct capture_options *o, const struct sysroot *root,
		struct err *e);

/* --plan and --estimate-only.  memory as for `check`. */
int plan_print(const struct plan *p, const struct capture_options *o, const struct ladder *memory,
	       FILE *out);
/* `check`.  memory: NULL when no collector reads kernel memory. */
int plan_print_check(const struct plan *p, const struct capture_options *o,
		     const struct ladder *memory, FILE *out);
