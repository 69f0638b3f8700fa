/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's side of bpf/delay.h, and the kernel's types that more than one probe reads. */
#pragma once

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "delay.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct css_set {
	struct cgroup_subsys_state *subsys[1];
};

struct mm_struct;
struct files_struct;

struct sched_info {
	unsigned long long last_queued;
};

struct thread_info {
	unsigned long flags;
	__u32 status;
};

struct task_struct {
	struct thread_info thread_info;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct mm_struct *mm;
	struct files_struct *files;
	struct css_set *cgroups;
	struct sched_info sched_info;
	char comm[16];
};

#pragma clang attribute pop

struct delay_window window;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct delay_counts);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct delay_key);
	__type(value, struct delay_value);
} delays SEC(".maps");

/* Too large for the stack: every CPU has one to begin a new row with.  Always of zeros. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct delay_value);
} fresh SEC(".maps");

static __always_inline struct delay_counts *counted(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&counts, &zero);
}

/* The time, or 0 outside the window.  Between slices this is all a program does: the clock is
 * dearer than the look at whether there is one. */
static __always_inline __u64 time_in_window(void)
{
	__u64 end = window.end_ns, now;

	if (!end)
		return 0;
	now = bpf_ktime_get_ns();
	return now >= window.start_ns && now < end ? now : 0;
}

static __always_inline __u32 log2_bucket(__u64 ns)
{
	__u64 v = ns >> DELAY_FIRST_BIT;
	__u32 b = 0;

	if (v >> 16) {
		b += 16;
		v >>= 16;
	}
	if (v >> 8) {
		b += 8;
		v >>= 8;
	}
	if (v >> 4) {
		b += 4;
		v >>= 4;
	}
	if (v >> 2) {
		b += 2;
		v >>= 2;
	}
	if (v >> 1) {
		b += 1;
		v >>= 1;
	}
	b += v;
	return b < DELAY_BUCKETS ? b : DELAY_BUCKETS - 1;
}

/* Who it is; once for each row. */
static __always_inline void describe(struct delay_value *v, struct task_struct *task)
{
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);

	v->parent = BPF_CORE_READ(parent, tgid);
	v->grandparent = BPF_CORE_READ(parent, real_parent, tgid);
	v->flags = BPF_CORE_READ(task, mm) ? 0 : DELAY_KTHREAD;
	bpf_probe_read_kernel(v->comm, sizeof(v->comm), &task->comm);
}

/* The row of key in map, made if need be.  NULL: no room.  task: NULL for rows of no process. */
static __always_inline struct delay_value *delay_row(void *map, const void *key,
						     struct task_struct *task)
{
	struct delay_value *v = bpf_map_lookup_elem(map, key), *blank;
	__u32 zero = 0;

	if (v)
		return v;
	blank = bpf_map_lookup_elem(&fresh, &zero);
	if (!blank)
		return 0;
	bpf_map_update_elem(map, key, blank, BPF_NOEXIST);
	v = bpf_map_lookup_elem(map, key);
	/* Two CPUs may both do it, and write the same. */
	if (v && task)
		describe(v, task);
	return v;
}

static __always_inline void delay_add(struct delay_value *v, __u64 ns, __u64 amount)
{
	__u32 b = log2_bucket(ns);

	__sync_fetch_and_add(&v->count, 1);
	__sync_fetch_and_add(&v->ns, ns);
	if (amount)
		__sync_fetch_and_add(&v->amount, amount);
	if (ns > v->max_ns)
		v->max_ns = ns;
	if (b < DELAY_BUCKETS)
		__sync_fetch_and_add(&v->histogram[b], 1);
}

/* One that began before the slice. */
static __always_inline void delay_add_cut(struct delay_value *v, __u64 ns, __u64 amount)
{
	__sync_fetch_and_add(&v->count, 1);
	__sync_fetch_and_add(&v->cut, 1);
	__sync_fetch_and_add(&v->ns, ns);
	__sync_fetch_and_add(&v->cut_ns, ns);
	if (amount)
		__sync_fetch_and_add(&v->amount, amount);
}

/* Run once by user space: what the kernel calls us, whatever pid namespace we are in. */
SEC("raw_tp")
int identify(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	(void)ctx;
	window.own_tgid = bpf_get_current_pid_tgid() >> 32;
	window.own_parent = BPF_CORE_READ(task, real_parent, tgid);
	return 0;
}
