/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the probes of delays (syscalls, reclaim, sched_delay, block_io, net_receive) hand to user
 * space: how often and how long, by process, kind and scope.  Fixed-width types only.
 *
 * A probe may look in slices of the window only.  It asks for the time itself, so that a slice ends
 * when it was meant to, however late user space comes to close it.
 */
#pragma once

/* Bucket 0: below 1024 ns; bucket i: from 2^(9+i) to 2^(10+i) ns; the last one: all above. */
#define DELAY_BUCKETS 28
#define DELAY_FIRST_BIT 10
#define DELAY_COMM 16

struct delay_key {
	__u32 tgid;
	__u32 kind;
	__u64 scope;
};

struct delay_value {
	__u64 count;
	__u64 ns;
	__u64 max_ns; /* of those seen whole */
	__u64 amount;
	__u64 inner_ns; /* block I/O: the device's part … */
	__u64 inner;	/* … of so many */
	__u64 cut;	/* of count: began before the slice; ns has what lay inside */
	__u64 cut_ns;	/* of ns: theirs */
	__u32 parent, grandparent;
	__u32 flags;
	__u32 pad;
	__u8 comm[DELAY_COMM];
	__u32 histogram[DELAY_BUCKETS]; /* of those seen whole */
};

#define DELAY_COMPAT 1u	 /* of syscalls: another table of numbers (32 bits) */
#define DELAY_KTHREAD 2u /* no user memory */

/* Written by user space before a slice, read by the programs. */
struct delay_window {
	__u64 start_ns, end_ns; /* CLOCK_MONOTONIC; end 0: closed */
	__s64 realtime_ns;	/* CLOCK_REALTIME − CLOCK_MONOTONIC */
	__u32 own_tgid, own_parent;
};

/* One for each CPU. */
struct delay_counts {
	__u64 events;  /* inside slices */
	__u64 passed;  /* inside slices, and none of ours */
	__u64 lost;    /* no room in the map */
	__u64 skipped; /* without the times that are needed */
};

/* Files below /proc that are opened and read, by name: the last components, the last one first,
 * and "*" for one that begins with a digit. */
#define PROC_PARTS 4
#define PROC_PART 24

struct proc_file_key {
	__u32 tgid;
	__u32 op;
	__u8 name[PROC_PARTS][PROC_PART];
};

enum { PROC_OPEN, PROC_READ };
