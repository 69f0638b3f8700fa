/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timed stacks of one window.
 *
 * Records of samples come from the programs' ring, records of what processes map, execute and fork
 * from perf's; each turn merges both by time, so that a sample meets its process as it was then.
 */
#pragma once

#include "../collect.h"
#include "../symbols/symbols.h"
#include "growth.h"
#include "lower.h"
#include "offcpu.h"
#include "perf.h"
#include "probe.h"
#include "pyframes.h"
#include "stackset.h"
#include "tasks.h"
#include "unwinder.h"

struct session_limits {
	unsigned hz;
	uint32_t ring_bytes, side_bytes; /* side: of all CPUs together */
	uint32_t seen, rows, mappings, processes, files, stacks, frames;
	uint32_t slots;		 /* of threads off the CPU; 0: they are not looked at */
	uint32_t blocks;	 /* allocations that are followed */
	uint32_t spaces, growth; /* processes, and samples, of growing memory; 0: not looked at */
	uint32_t python_processes, python_threads, python_frames;
	struct tasks_limits tasks;
	struct symbols_limits symbols;
};

/* What fits in so many bytes, maps and rings included. */
void session_limits_for(struct session_limits *ret, uint64_t memory, unsigned cpus);

struct side_event {
	uint64_t time;
	uint32_t at; /* in the buffer */
};

struct session {
	struct collect *c;
	struct session_limits limits;
	struct stacks_probe probe;
	struct lower lower; /* instead of the probe */
	struct perf_set side;
	int side_epoll;
	struct tasks tasks;
	struct unwinder unwinder;
	struct stackset stacks;
	struct pyframes python;
	struct offcpu offcpu;
	struct growth growth;
	/* Where faults are very many, growth is looked at in slices of the window. */
	struct {
		uint64_t since_ns, faults; /* of the slice */
		uint64_t end_ns, again_ns; /* 0: it is looked at */
		uint64_t covered_ns;
	} growth_slice;
	struct session_allocs {
		uint32_t pid;
		uint64_t begun_ns;	    /* the first probe was to be placed; 0: none was */
		uint64_t start_ns, end_ns;  /* end 0: it is looked at; start 0: it never was */
		struct alloc_point *points; /* until they are probed */
		size_t point_count;
		char reason[256];
	} allocs[HEAP_PIDS_MAX]; /* of --heap */
	size_t alloc_count;
	/* Their children that have not called exec: these run into the probes as well. */
	struct session_fork {
		uint32_t parent, pid; /* 0: none */
		uint64_t time;
	} forks[16];
	unsigned fork_ends;    /* that never did */
	uint64_t alloc_hit_ns; /* what one hit of their probes takes */
	struct symbols *symbols;
	bool symbols_done;
	struct symbols_outcome symbols_outcome;
	int *cpus;
	size_t cpu_count;
	/* What the kernel told in this turn, by time. */
	char *events;
	size_t events_len, events_cap;
	struct side_event *order;
	size_t order_count, order_cap, order_next;
	uint64_t cut_ns;
	uint64_t start_ns, end_ns, swept_ns, wanted_ns;
	uint64_t samples_written, off_written, samples_without_thread, side_dropped;
};

int session_open(struct session **ret, struct collect *c, const struct session_limits *limits,
		 struct err *e);
void session_close(struct session *s);
/* From now on samples are taken; the member they go to is open. */
int session_start(struct session *s, struct err *e);
/* Until the window's end or an early stop. */
int session_run(struct session *s);
/* No more samples; what the rings hold is taken. */
int session_stop(struct session *s);
/* Names, and the tables. */
int session_write(struct session *s);
