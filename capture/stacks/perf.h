/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Perf events, one for each CPU: the clock that samples, and the record of what processes map,
 * execute and fork, without which those that live for 5 ms have no names.
 */
#pragma once

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/err.h"
#include "../base/sysroot.h"

struct perf_ring {
	int fd, cpu;
	void *base;	/* NULL: a clock without a ring */
	uint64_t bytes; /* of data, behind the first page */
};

struct perf_set {
	struct perf_ring *rings;
	size_t count;
	uint64_t lost, throttled; /* as the kernel's own records say */
	char *record;		  /* room for a record that goes around the ring's end */
};

/* Every record of ours ends with these: sample_id_all with TID, TIME and CPU. */
struct perf_trailer {
	uint32_t pid, tid;
	uint64_t time;
	uint32_t cpu, reserved;
};

/* The CPUs that are online, in *ret (malloc); their number, or a negative errno. */
int perf_cpus(const struct sysroot *root, int **ret);

/* Hardware cycles where there is a PMU that counts them, else cpu-clock; hz samples a second. */
enum perf_clock { PERF_CLOCK_CYCLES, PERF_CLOCK_CPU };
const char *perf_clock_name(enum perf_clock c);

/*
 * Open one event for each CPU.  bytes: of each ring, a power of two and at least a page; 0: none.
 * 0, or -EACCES, -EPERM, -ENOENT … with e set.  The events are disabled.
 */
int perf_open_clock(struct perf_set *s, const int *cpus, size_t n, unsigned hz,
		    enum perf_clock *ret, struct err *e);
int perf_open_side(struct perf_set *s, const int *cpus, size_t n, size_t bytes, struct err *e);
/* The same of any event: 0, or a negative errno; what is open by then is closed by perf_close(). */
int perf_open_all(struct perf_set *s, struct perf_event_attr *attr, const int *cpus, size_t n,
		  size_t bytes);
void perf_close(struct perf_set *s);
int perf_enable(const struct perf_set *s, bool on);

/* The parts of it.  perf_init: room for n.  perf_event: a descriptor, or a negative errno. */
int perf_init(struct perf_set *s, size_t n);
int perf_event(struct perf_event_attr *attr, pid_t tid, int cpu);
int perf_map(struct perf_ring *r, size_t bytes);

/*
 * All records that are in the rings now.  A record is valid during the call only.  Stops when fn
 * returns non-zero, and returns that.
 */
int perf_drain(struct perf_set *s, int (*fn)(void *ctx, const struct perf_event_header *h),
	       void *ctx);
