/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose anonymous memory grows, and at which stack.  Included by stacks.bpf.c.
 *
 * The kernel says when it counts another page to a process (kmem:rss_stat), and in a fault that is
 * a new one: so file pages are not taken for heap, and what is unmapped is not taken for new.  Of
 * faults of one page one of so many is drawn; a huge page is known by the jump of the count, which
 * the kernel keeps in batches of each CPU below that.
 *
 * Before 6.2 it says so once in 64 faults of a thread: the one that closes the batch stands for it.
 */
#pragma once

#define MM_ANONPAGES 1 /* of an enum without a name, unchanged since 2.6.34 */

struct percpu_counter {
	__s64 count;
} __attribute__((preserve_access_index));

struct mm_struct {
	struct percpu_counter rss_stat[4];
} __attribute__((preserve_access_index));

/* Before 6.2.  Known by its name; a mere declaration would match nothing. */
struct mm_rss_stat {
	int events;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct stacks_space);
} spaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stacks_growth_cpu);
} growth_cpu SEC(".maps");

static __always_inline void note_fault(__u64 address)
{
	__u32 zero = 0;
	struct stacks_growth_cpu *cpu = bpf_map_lookup_elem(&growth_cpu, &zero);

	if (!cpu)
		return;
	cpu->faults++;
	cpu->address = address;
	cpu->tid = (__u32)bpf_get_current_pid_tgid();
}

/* The next growth of this thread is of this address. */
SEC("raw_tp")
int stacks_fault_user(struct bpf_raw_tracepoint_args *ctx)
{
	note_fault(ctx->args[0]);
	return 0;
}

/* The kernel writes into the user's memory; faults of its own are no growth of anybody. */
SEC("raw_tp")
int stacks_fault_kernel(struct bpf_raw_tracepoint_args *ctx)
{
	if ((__s64)ctx->args[0] > 0)
		note_fault(ctx->args[0]);
	return 0;
}

/* How much larger the space is than when it was last looked at. */
static __always_inline __u64 grown(__u64 key, __u64 pages, __u32 pid)
{
	struct stacks_space *space = bpf_map_lookup_elem(&spaces, &key);
	struct stacks_space new = {.pages = pages, .first_pages = pages};
	__u64 more;

	if (!space || space->pid != pid) {
		new.pid = pid;
		new.first_ns = bpf_ktime_get_ns();
		bpf_map_update_elem(&spaces, &key, &new, BPF_ANY);
		return 0;
	}
	more = pages > space->pages ? pages - space->pages : 0;
	space->pages = pages;
	space->grown_pages += more;
	return more;
}

static __always_inline void adjust_step(struct stacks_growth_cpu *cpu, __u64 now)
{
	if (cpu->taken >= STACKS_STEP_STACKS) {
		if (cpu->step < STACKS_STEP_MAX)
			cpu->step *= 4;
	} else if (now - cpu->adjusted_ns < STACKS_STEP_NS) {
		return;
	} else if (cpu->taken < STACKS_STEP_STACKS / 8 && cpu->step > STACKS_STEP_MIN) {
		cpu->step /= 2;
	}
	cpu->adjusted_ns = now;
	cpu->taken = 0;
}

/* Drawn in proportion to its size: what it stands for, or 0. */
static __always_inline __u64 draw(__u64 pages, __u64 step)
{
	if (pages >= step)
		return pages;
	return ((__u64)bpf_get_prandom_u32() * step) >> 32 < pages ? step : 0;
}

static __always_inline void send_growth(struct stacks_growth_cpu *cpu, struct task_struct *task,
					__u64 id, __u64 pages)
{
	struct stacks_growth growth = {
		.type = STACKS_RECORD_GROWTH, .kind = STACKS_GROWTH_FAULT, .size = pages};
	__u32 zero = 0, slot = SCRATCH_GROWTH;
	struct stacks_counters *c = bpf_map_lookup_elem(&counters, &zero);
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);

	if (!c || !s)
		return;
	cpu->taken++;
	growth.time = bpf_ktime_get_ns();
	adjust_step(cpu, growth.time);
	growth.pid = id >> 32;
	growth.tid = (__u32)id;
	growth.address = cpu->address;
	bpf_get_current_comm(growth.comm, sizeof(growth.comm));
	s->stack.kernel_count = 0;
	s->stack.kernel_cut = 0;
	take_user(s, slot, growth.pid, entry_registers(&s->walk, task));
	s->stack.time = growth.time;
	growth.stack = s->stack.hash;
	send_stack(s, c);
	if (bpf_ringbuf_output(&ring, &growth, sizeof(growth), wakeup_flags()))
		c->lost_growth++;
	else
		c->growth_taken++;
}

SEC("raw_tp")
int stacks_grow(struct bpf_raw_tracepoint_args *ctx)
{
	struct mm_struct *mm = (void *)ctx->args[0];
	const bool batches = bpf_core_type_exists(struct mm_rss_stat);
	struct stacks_growth_cpu *cpu;
	struct task_struct *task;
	__u64 id, jump = 0;
	__u32 zero = 0;
	__s64 pages;
	bool fault;

	if ((__u32)ctx->args[1] != MM_ANONPAGES)
		return 0;
	cpu = bpf_map_lookup_elem(&growth_cpu, &zero);
	if (!cpu)
		return 0;
	id = bpf_get_current_pid_tgid();
	fault = cpu->tid == (__u32)id;
	if (!cpu->step)
		cpu->step = STACKS_STEP_MIN;
	if (batches)
		pages = (__s64)ctx->args[2];
	else
		pages = BPF_CORE_READ(mm, rss_stat[MM_ANONPAGES].count);
	if (pages < 0)
		pages = 0;
	/* Most often nothing is to be done: one of the pages that are not drawn. */
	if (cpu->space == (__u64)mm && cpu->pages == (__u64)pages) {
		if (!fault)
			return 0;
		cpu->tid = 0;
		if (batches || !draw(1, cpu->step))
			return 0;
		task = (void *)bpf_get_current_task();
		if (BPF_CORE_READ(task, mm) == mm)
			send_growth(cpu, task, id, cpu->step);
		return 0;
	}
	task = (void *)bpf_get_current_task();
	if (BPF_CORE_READ(task, mm) != mm) /* fork, reclaim, exit */
		return 0;
	cpu->tid = 0;
	/* Another process, in its parent's space until it executes something: that stays the
	 * parent's, who waits meanwhile. */
	if (BPF_CORE_READ(task, vfork_done))
		return 0;
	if (cpu->space == (__u64)mm && cpu->pages > (__u64)pages)
		fault = false; /* unmapped, after a fault that brought nothing */
	cpu->space = (__u64)mm;
	cpu->pages = pages;
	jump = grown((__u64)mm, pages, id >> 32);
	if (!fault)
		return 0;
	if (!batches)
		jump = jump >= STACKS_HUGE_PAGES / 2 ? STACKS_HUGE_PAGES : 1;
	jump = jump ? draw(jump, cpu->step) : 0;
	if (jump)
		send_growth(cpu, task, id, jump);
	return 0;
}
