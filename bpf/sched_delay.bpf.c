/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scheduling delay: how long a task that could run waited for its CPU.  The scheduler notes when it
 * queued a task (sched_info.last_queued), so one look when the task gets the CPU is enough; nothing
 * has to be remembered, and waits that began before the slice are seen whole.  A task that was
 * moved to another CPU's queue counts there from then on.
 */
#include "delay.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct rq {
	__u64 clock;
};

struct cfs_rq {
	struct rq *rq; /* with FAIR_GROUP_SCHED */
};

struct sched_entity {
	struct cfs_rq *cfs_rq; /* also of tasks of other classes */
};

/* What only this probe reads of a task. */
struct task_struct___sched {
	struct sched_entity se;
	struct sched_info sched_info;
};

#pragma clang attribute pop

/* 0 after loading: this kernel does not keep what is needed. */
__u32 supported;

SEC("raw_tp")
int look_around(void *ctx)
{
	struct task_struct___sched *task = 0;
	struct cfs_rq *queue = 0;

	(void)ctx;
	supported = bpf_core_field_exists(task->se.cfs_rq) && bpf_core_field_exists(queue->rq) &&
		    bpf_core_field_exists(task->sched_info.last_queued);
	return 0;
}

/* Arguments: preempted, the task that stops, the one that goes on. */
SEC("raw_tp/sched_switch")
int sched_switch(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *next = (void *)ctx->args[2];
	struct delay_counts *c;
	struct delay_key key = {};
	struct delay_value *v;
	__u64 queued, clock;

	if (!time_in_window())
		return 0;
	c = counted();
	if (!c)
		return 0;
	c->events++;
	/* Of the idle task, and of one that was not queued: it has the CPU already. */
	queued = BPF_CORE_READ(next, sched_info.last_queued);
	if (!queued)
		return 0;
	/* The clock that last_queued is of; it has just been brought up to date. */
	clock = BPF_CORE_READ((struct task_struct___sched *)next, se.cfs_rq, rq, clock);
	if (clock < queued) {
		c->skipped++;
		return 0;
	}
	key.tgid = BPF_CORE_READ(next, tgid);
	v = delay_row(&delays, &key, next);
	if (v)
		delay_add(v, clock - queued, 0);
	else
		c->lost++;
	return 0;
}
