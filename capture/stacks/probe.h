/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf/stacks.bpf.c loaded, attached and listened to. */
#pragma once

#include "../../bpf/stacks.h"
#include "../base/err.h"
#include "perf.h"

struct stacks_probe_options {
	unsigned hz;
	uint32_t ring_bytes; /* a power of two, at least a page */
	uint32_t seen, rows, mappings, processes;
	uint32_t python_processes, python_threads; /* 0: no frames of Python */
	uint32_t slots;	      /* of threads off the CPU, a power of two; 0: on the CPU only */
	uint32_t spaces;      /* whose growth is followed; 0: none */
	uint32_t blocks;      /* allocations that are followed; 0: none */
	const char *btf_file; /* NULL: the kernel's own */
};

struct stacks_probe {
	struct stacks_bpf *skel;
	struct ring_buffer *ring;
	struct perf_set clock;
	enum perf_clock clock_kind;
	struct stacks_row *rows; /* both mapped from the programs' maps */
	struct stacks_mapping *mappings;
	struct stacks_slot *slots;
	size_t rows_bytes, mappings_bytes, slots_bytes;
	uint32_t slot_count;
	struct bpf_link *links[2];
	char off_cpu[128]; /* why not; "": it is on */
	bool growth_on;
	struct bpf_link *growth_links[3];
	uint32_t space_count;
	char growth[160]; /* why not; "": it is on */
	struct stacks_alloc_link {
		struct bpf_link *link; /* or a descriptor of one; -1 */
		int fd;
	} * alloc_links;
	bool alloc_each;   /* one for each function: this kernel cannot do several at once */
	int alloc_stop_fd; /* readable: no more of them */
	size_t alloc_link_count;
	int (*record)(void *ctx, const void *data, size_t len);
	void *ctx;
};

/* Of the running program, as the kernel counts; 0 where it does not. */
struct stacks_cost {
	uint64_t run_ns, runs, recursion_misses;
};

/* record: called by stacks_probe_drain() for each record of the ring; non-zero ends that. */
int stacks_probe_open(struct stacks_probe *p, const struct stacks_probe_options *o,
		      int (*record)(void *ctx, const void *data, size_t len), void *ctx,
		      struct err *e);
/* Start sampling on these CPUs. */
int stacks_probe_start(struct stacks_probe *p, const int *cpus, size_t n, unsigned hz,
		       struct err *e);
void stacks_probe_stop(struct stacks_probe *p);
void stacks_probe_close(struct stacks_probe *p);

/* After the stop: every thread that is off the CPU now.  stack: NULL when the sample knows it. */
int stacks_probe_still(struct stacks_probe *p,
		       void (*fn)(void *ctx, const struct stacks_sample *sample,
				  const struct stacks_stack *stack),
		       void *ctx);

/* Growth of anonymous memory: attached by stacks_probe_start(), detached here, before the end: what
 * is told of it is to be looked at while it is still there. */
void stacks_probe_growth_start(struct stacks_probe *p);
void stacks_probe_growth_stop(struct stacks_probe *p);
/* Page faults that these programs have seen, of all processes. */
uint64_t stacks_probe_growth_faults(const struct stacks_probe *p);
/* Every address space that has grown, as the programs know it. */
int stacks_probe_spaces(const struct stacks_probe *p,
			void (*fn)(void *ctx, const struct stacks_space *space), void *ctx);

/*
 * Allocations of a process: a probe at each of the points.  Slow for the process: a trap for each
 * call and each return.  0 or a negative errno with e set, and then nothing of it is left behind.
 */
struct alloc_point;
/* Before all that follows.  stop_fd: readable when no more are to be placed; -1: none. */
void stacks_probe_allocs_prepare(struct stacks_probe *p, int stop_fd);
int stacks_probe_allocs_start(struct stacks_probe *p, pid_t pid, const struct alloc_point *points,
			      size_t n, struct err *e);
/*
 * Do return probes leave a process alone whose system calls are filtered?  Tried on a child, for
 * all: a process may set up its filter later.  0, or a negative errno with e set: place none.
 */
int stacks_probe_allocs_try(struct stacks_probe *p, struct err *e);
/* CPU time that one hit of a probe takes here, tried on ourselves; 0: not to be had. */
uint64_t stacks_probe_alloc_cost(struct stacks_probe *p);
/* Of all processes; may take some 100 ms.  What was allocated and not freed stays known. */
void stacks_probe_allocs_stop(struct stacks_probe *p);
int stacks_probe_allocs(const struct stacks_probe *p, uint32_t pid, struct stacks_allocs *ret);
/* Whether the block that was given out then is there still, or was when the probes were removed. */
bool stacks_probe_is_live(const struct stacks_probe *p, uint32_t pid, uint64_t address,
			  uint64_t time);

int stacks_probe_fd(const struct stacks_probe *p); /* readable when the ring fills */
int stacks_probe_drain(struct stacks_probe *p);
int stacks_probe_set_process(void *probe, uint32_t pid, const struct stacks_process *v);
int stacks_probe_set_python(void *probe, uint32_t pid, const struct stacks_python *v);
/* Summed over the CPUs. */
int stacks_probe_counters(const struct stacks_probe *p, struct stacks_counters *ret);
void stacks_probe_cost(const struct stacks_probe *p, struct stacks_cost *ret);
