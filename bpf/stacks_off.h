/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads that are off the CPU: how long, in which state, with which stack, woken by whom.
 * Included by stacks.bpf.c.
 *
 * Totals are exact.  Stacks cost twenty times what the rest does, so only as many are taken as the
 * pace of the CPU allows, the longer a thread is usually gone the more likely.
 */
#pragma once

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stacks_slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stacks_pace);
} pace SEC(".maps");

__u64 window_start_ns; /* set when sampling begins */

static __always_inline struct stacks_slot *slot_of(__u32 tid)
{
	__u32 index = tid & config.slot_mask;

	return bpf_map_lookup_elem(&slots, &index);
}

/* What the slot's thread has been through goes to user space; the slot is free. */
static __always_inline void give_up(struct stacks_slot *slot, __u64 now, struct stacks_counters *c)
{
	struct stacks_thread *t = bpf_ringbuf_reserve(&ring, sizeof(*t), 0);

	if (t) {
		t->type = STACKS_RECORD_THREAD;
		t->time = now;
		t->slot = *slot;
		bpf_ringbuf_submit(t, wakeup_flags());
	} else {
		c->lost_thread++;
	}
	__builtin_memset(slot, 0, sizeof(*slot));
}

static __always_inline __u64 state_of(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return BPF_CORE_READ(task, __state);
	return BPF_CORE_READ((struct task_struct___old *)task, state);
}

static __always_inline __u32 name_state(__u64 state)
{
	if (!state)
		return STACKS_PREEMPTED;
	return (state & (TASK_UNINTERRUPTIBLE | TASK_NOLOAD)) == TASK_UNINTERRUPTIBLE
		       ? STACKS_DISK
		       : STACKS_SLEEP;
}

/* Longer when too many stacks are taken on this CPU, shorter when there is room. */
static __always_inline void adjust(struct stacks_pace *p, __u64 now)
{
	__u64 unit = p->unit_ns;

	if (now - p->adjusted_ns < STACKS_ADJUST_NS)
		return;
	if (p->taken > STACKS_ADJUST_STACKS)
		unit *= 2;
	else if (p->taken < STACKS_ADJUST_STACKS / 2)
		unit /= 2;
	if (unit < STACKS_UNIT_MIN_NS)
		unit = STACKS_UNIT_MIN_NS;
	if (unit > STACKS_UNIT_MAX_NS)
		unit = STACKS_UNIT_MAX_NS;
	p->unit_ns = unit;
	p->adjusted_ns = now;
	p->taken = 0;
}

/*
 * The current thread leaves the CPU.  How long it will be gone is not known: whether its stack is
 * taken is drawn by how long it usually is, and the sample's weight makes up for the draw.
 */
static __always_inline void leave_cpu(struct bpf_raw_tracepoint_args *ctx, struct task_struct *prev,
				      struct stacks_pace *p, __u64 now, struct stacks_counters *c)
{
	__u64 id = bpf_get_current_pid_tgid(), state;
	struct stacks_slot *slot = slot_of((__u32)id);
	__u32 scratch_slot = SCRATCH_SWITCH;
	struct scratch *s;

	if (!(__u32)id || !slot)
		return;
	if (slot->tid != (__u32)id) {
		if (slot->tid && slot->out_ns) {
			c->conflicts++;
			return;
		}
		if (slot->tid)
			give_up(slot, now, c);
		slot->tid = (__u32)id;
		slot->pid = id >> 32;
		slot->expected_ns = p->unit_ns / 4; /* who knows? */
	}
	state = state_of(prev);
	if (state & TASK_DEAD) {
		give_up(slot, now, c);
		return;
	}
	slot->state = name_state(state);
	slot->wake_ns = 0;
	slot->waker = 0;
	slot->stack = 0;
	slot->weight = 1024;
	slot->out_ns = now;
	if (slot->expected_ns < p->unit_ns) {
		if (((__u64)bpf_get_prandom_u32() * (p->unit_ns >> 10)) >> 22 > slot->expected_ns)
			return;
		slot->weight = p->unit_ns * 1024 / (slot->expected_ns + 1);
	}
	/* A new thread is sure to get one, and so many at once must not cost more than the rest. */
	if (p->taken > 4 * STACKS_ADJUST_STACKS) {
		slot->weight = 1024;
		return;
	}
	s = bpf_map_lookup_elem(&scratch, &scratch_slot);
	if (!s)
		return;
	p->taken++;
	take_stack(s, scratch_slot, ctx, slot->pid, entry_registers(&s->walk, prev), c);
	s->stack.time = now;
	slot->stack = s->stack.hash;
	send_stack(s, c);
}

static __always_inline void send_off(struct stacks_slot *slot, struct task_struct *task,
				     __u32 state, __u64 ns, __u32 weight, __u64 now,
				     struct stacks_counters *c)
{
	struct stacks_sample *sample = bpf_ringbuf_reserve(&ring, sizeof(*sample), 0);

	if (!sample) {
		c->lost_off++;
		return;
	}
	__builtin_memset(sample, 0, sizeof(*sample));
	sample->type = STACKS_RECORD_SAMPLE;
	sample->state = state;
	sample->time = now;
	sample->stack = slot->stack;
	sample->pid = slot->pid;
	sample->tid = slot->tid;
	sample->ns = ns;
	sample->cpu = bpf_get_smp_processor_id();
	sample->weight = weight;
	sample->waker = slot->waker;
	bpf_probe_read_kernel_str(sample->comm, sizeof(sample->comm), task->comm);
	bpf_ringbuf_submit(sample, wakeup_flags());
}

static __always_inline void count_off(struct stacks_slot *slot, __u32 state, __u64 ns, __u64 now)
{
	if (state >= STACKS_STATES)
		return;
	slot->total_ns[state] += ns;
	slot->count[state]++;
	if (ns > slot->longest_ns) {
		slot->longest_ns = ns;
		slot->longest_state = state;
		slot->longest_stack = slot->stack;
		slot->longest_waker = slot->waker;
		slot->longest_end_ns = now;
	}
}

/* A thread comes back to the CPU: what it waited for, and how long for the CPU itself. */
static __always_inline void enter_cpu(struct task_struct *next, struct stacks_pace *p, __u64 now,
				      struct stacks_counters *c)
{
	__u32 tid = BPF_CORE_READ(next, pid), weight, state;
	struct stacks_slot *slot = slot_of(tid);
	__u64 off, blocked, waited = 0;

	if (!tid || !slot || slot->tid != tid || !slot->out_ns)
		return;
	off = blocked = now - slot->out_ns;
	state = slot->state;
	if (state != STACKS_PREEMPTED && slot->wake_ns > slot->out_ns && slot->wake_ns <= now) {
		blocked = slot->wake_ns - slot->out_ns;
		waited = now - slot->wake_ns;
	}
	count_off(slot, state, blocked, now);
	if (waited)
		count_off(slot, STACKS_RUNNABLE, waited, now);
	slot->out_ns = 0;
	/* It forgets slowly: a thread that was gone for long once may be so again. */
	slot->expected_ns -= slot->expected_ns / 8;
	if (off > slot->expected_ns)
		slot->expected_ns = off;
	/* Long ones count once each, with or without a stack; of short ones those that were drawn
	 * stand for the others. */
	weight = off >= p->unit_ns ? 1024 : slot->weight;
	if (!slot->stack && off < p->unit_ns)
		return;
	send_off(slot, next, state, blocked, weight, now, c);
	if (waited)
		send_off(slot, next, STACKS_RUNNABLE, waited, weight, now, c);
}

SEC("raw_tp")
int stacks_switch(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *prev = (void *)ctx->args[1], *next = (void *)ctx->args[2];
	__u64 now = bpf_ktime_get_ns();
	__u32 zero = 0;
	struct stacks_counters *c = bpf_map_lookup_elem(&counters, &zero);
	struct stacks_pace *p = bpf_map_lookup_elem(&pace, &zero);

	if (!c || !p)
		return 0;
	c->switches++;
	adjust(p, now);
	leave_cpu(ctx, prev, p, now, c);
	enter_cpu(next, p, now, c);
	return 0;
}

SEC("raw_tp")
int stacks_waking(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	__u32 tid = BPF_CORE_READ(task, pid);
	struct stacks_slot *slot = slot_of(tid);

	if (!slot || slot->tid != tid || !slot->out_ns || slot->wake_ns)
		return 0;
	slot->wake_ns = bpf_ktime_get_ns();
	slot->waker = (__u32)bpf_get_current_pid_tgid();
	return 0;
}

/*
 * At the end: every thread that is off the CPU, with how long it has been so, as far as the window
 * goes.  Kernel threads that idle are left out.
 */
SEC("iter/task")
int stacks_still(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	__u32 slot_index = SCRATCH_SWITCH;
	struct stacks_blocked *b;
	struct stacks_slot *slot;
	struct scratch *s;
	__u64 now = bpf_ktime_get_ns(), state, since;
	bool kernel;
	long n;

	if (!task)
		return 0;
	state = state_of(task);
	kernel = task->flags & PF_KTHREAD;
	if (!state || state & TASK_DEAD || (kernel && name_state(state) != STACKS_DISK))
		return 0;
	s = bpf_map_lookup_elem(&scratch, &slot_index);
	slot = slot_of(task->pid);
	if (!s || !slot)
		return 0;
	b = &s->blocked;
	__builtin_memset(&b->sample, 0, sizeof(b->sample));
	since = window_start_ns;
	if (slot->tid == (__u32)task->pid && slot->out_ns) {
		since = slot->out_ns;
		b->sample.stack = slot->stack;
	}
	b->sample.type = STACKS_RECORD_SAMPLE;
	b->sample.state = name_state(state);
	b->sample.time = now;
	b->sample.pid = task->tgid;
	b->sample.tid = task->pid;
	b->sample.ns = now - since;
	b->sample.weight = 1024;
	b->sample.still = 1;
	bpf_probe_read_kernel_str(b->sample.comm, sizeof(b->sample.comm), task->comm);
	if (b->sample.stack) {
		bpf_seq_write(seq, &b->sample, sizeof(b->sample));
		return 0;
	}
	n = bpf_get_task_stack(task, b->stack.frames, STACKS_KERNEL_MAX * 8, 0);
	n = n < 0 ? 0 : (n / 8) & 0x7f;
	b->stack.type = STACKS_RECORD_STACK;
	b->stack.pid = task->tgid;
	b->stack.time = now;
	b->stack.kernel_count = n;
	b->stack.kernel_cut = n == STACKS_KERNEL_MAX;
	b->stack.user_count = 0;
	b->stack.end = kernel ? STACKS_END_KERNEL : STACKS_END_REGISTERS;
	b->stack.by = 0;
	b->stack.python_count = 0;
	b->stack.python_end = STACKS_PYTHON_NONE;
	b->stack.exact[0] = 1;
	if (!kernel && !entry_registers(&s->walk, task)) {
		b->stack.frames[n] = s->walk.ip;
		b->stack.user_count = 1;
		b->stack.end = STACKS_END_ASLEEP;
		n++;
	}
	bpf_seq_write(seq, &b->sample, sizeof(b->sample));
	bpf_seq_write(seq, &b->stack,
		      __builtin_offsetof(struct stacks_stack, frames) + (n & 0xff) * 8);
	return 0;
}
