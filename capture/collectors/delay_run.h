/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a probe of bpf/delay.h: loaded, attached, looking in slices of the window or all the
 * time, read, written.
 *
 * What a probe costs the machine is bounded by how much of the time it looks (delay_pace.h).  Where
 * events are rare it looks all the time and nothing is estimated.
 */
#pragma once

#include "../collect.h"
#include "delay_pace.h"
#include "delay_sums.h"

#define DELAY_PROGRAMS 8
#define DELAY_MAPS 2

struct bpf_object;
struct bpf_object_skeleton;
struct bpf_object_open_opts;
struct bpf_program;
struct bpf_link;
struct bpf_map;

struct delay_probe;
struct delay_run;

/* A map of delay_value that is emptied after each slice. */
struct delay_map {
	int fd;
	struct delay_sums sums;
};

struct delay_run {
	struct collect *c;
	const struct delay_probe *probe;
	struct bpf_object_skeleton *skeleton;
	struct bpf_object *object;
	struct delay_window *window; /* the programs' own */
	struct bpf_program *programs[DELAY_PROGRAMS];
	struct bpf_link *links[DELAY_PROGRAMS];
	size_t program_count;
	bool attached;
	struct delay_map maps[DELAY_MAPS];
	size_t map_count;
	void *buffer; /* for emptying maps */

	struct delay_counts *per_cpu, *before;
	int counts_fd, cpus;
	uint64_t rng, attach_ns, covered_to_ns;
	struct delay_pace pace;
	double taken; /* of the busiest CPU, by the last looking: a share */
	/* What came of it. */
	uint64_t start_ns, end_ns, watched_ns, covered_ns, slices, strata;
	uint64_t attachments;
	struct delay_counts total;
	bool whole; /* watched without a gap */
};

/* What a probe is. */
struct delay_probe {
	const char *name;  /* of the members: tables/NAME.tsv, tables/NAME_probe.tsv */
	size_t state_size; /* of the collector's own, of which struct delay_run is the first member
			    */
	struct delay_cost cost;
	/* As for bpf_probe_load(), with the run. */
	struct bpf_object_skeleton *(*open)(void *run, const struct bpf_object_open_opts *opts);
	/* After it was loaded: sets r->window, and what else it needs.  0 or a negative errno with
	 * e set. */
	int (*loaded)(struct delay_run *r, struct err *e);
	/* Called when a stretch that was watched without a gap has ended: what goes on still is
	 * added by it.  May be NULL. */
	void (*unfinished)(struct delay_run *r, uint64_t start_ns, uint64_t end_ns);
};

/* A collector's start(): c->state is made, and the window watched.  The status is said. */
int delay_run_start(struct collect *c, const struct delay_probe *probe);
/* The same in two steps: the state, NULL without memory; then 0, or a negative errno with e set:
 * it could not be loaded, or nothing could be attached. */
struct delay_run *delay_run_new(struct collect *c, const struct delay_probe *probe);
int delay_run_watch(struct delay_run *r, struct err *e);
/* From loaded(): do not attach this one. */
void delay_run_without(struct delay_run *r, const struct bpf_program *program);
/* Another map beside "delays", from loaded(). */
int delay_run_map(struct delay_run *r, const char *map, size_t key_size, struct err *e);

/* What stands in the columns that differ. */
struct delay_words {
	char kind[24];
	char object[512];
};

/* tables/TABLE.tsv from the rows of one map; words says what a row is. */
int delay_write_table(struct delay_run *r, const char *table, struct delay_sums *sums,
		      void (*words)(const struct delay_run *r, const void *key,
				    struct delay_words *ret));
/* tables/NAME_probe.tsv, and what was lost. */
int delay_write_design(struct delay_run *r);
/* A collector's write() of one table: tables/NAME.tsv and its design. */
int delay_write(struct delay_run *r,
		void (*words)(const struct delay_run *r, const void *key, struct delay_words *ret));
/* A row of a process of ours, by what the kernel calls us. */
bool delay_is_own(const struct delay_run *r, uint32_t tgid, uint32_t parent, uint32_t grandparent);
