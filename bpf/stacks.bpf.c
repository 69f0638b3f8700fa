/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timed stacks.  Every sample is a short record {time, hash of the stack, thread}; the stack itself
 * is sent when its hash is seen for the first time.  It counts as seen once the ring has taken it,
 * never before, so that a full ring costs a stack until its next sight and not for good.
 */
#include "vmlinux.h"
#if defined(__TARGET_ARCH_x86)
#include "vmlinux_x86.h"
#else
#include "vmlinux_arm64.h"
#endif
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <stdbool.h>
#include "stacks.h"
#include "stacks_unwind.h"

char LICENSE[] SEC("license") = "GPL";

#define PF_KTHREAD 0x00200000

#define TASK_INTERRUPTIBLE 1
#define TASK_UNINTERRUPTIBLE 2
#define TASK_DEAD 0x80
#define TASK_NOLOAD 0x400

struct mm_struct;
#if defined(__TARGET_ARCH_x86)
struct thread_struct {
	unsigned long fsbase;
} __attribute__((preserve_access_index));
#else
struct thread_struct {
	struct {
		unsigned long tp_value;
	} uw;
} __attribute__((preserve_access_index));
#endif

struct completion;

struct task_struct {
	struct completion *vfork_done;
	void *stack;
	struct mm_struct *mm;
	unsigned int flags;
	unsigned int __state;
	int pid, tgid;
	char comm[16];
	struct thread_struct thread;
} __attribute__((preserve_access_index));

/* Before 5.14. */
struct task_struct___old {
	long state;
} __attribute__((preserve_access_index));

struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id, seq_num;
} __attribute__((preserve_access_index));
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __attribute__((preserve_access_index));

const volatile struct stacks_config config;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, __u8);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stacks_counters);
} counters SEC(".maps");

/* ------------------------------------------------------------------ the user's registers */

#if defined(__TARGET_ARCH_x86)
#define USER_CS 0x33

/*
 * Where the kernel was entered from user space it left the registers at the bottom of the thread's
 * kernel stack.  How large that stack is and what is left free below differs between kernels; the
 * code segment tells whether we are right.
 */
static __always_inline int entry_registers(struct walk *w, struct task_struct *task)
{
	unsigned long stack = (unsigned long)BPF_CORE_READ(task, stack);
	struct pt_regs regs;

#pragma unroll
	for (int i = 0; i < 4; i++) {
		unsigned long size = i & 2 ? 32768 : 16384, pad = i & 1 ? 16 : 0;

		if (bpf_probe_read_kernel(&regs, sizeof(regs),
					  (void *)(stack + size - pad - sizeof(regs))))
			continue;
		if ((regs.cs & 0xffff) != USER_CS)
			continue;
		w->ip = regs.ip;
		w->sp = regs.sp;
		w->bp = regs.bp;
		return 0;
	}
	return -1;
}

static __always_inline int user_registers(struct walk *w, const struct bpf_perf_event_data *ctx)
{
	if ((ctx->regs.cs & 3) == 0)
		return entry_registers(w, (void *)bpf_get_current_task());
	if ((ctx->regs.cs & 0xffff) != USER_CS) /* a 32-bit program */
		return -1;
	w->ip = ctx->regs.ip;
	w->sp = ctx->regs.sp;
	w->bp = ctx->regs.bp;
	return 0;
}
#else
/* The registers' size differs between kernels there. */
static __always_inline int entry_registers(struct walk *w, struct task_struct *task)
{
	(void)w;
	(void)task;
	return -1;
}

static __always_inline int user_registers(struct walk *w, const struct bpf_perf_event_data *ctx)
{
	if (ctx->regs.pstate & 0xf) /* not from user space */
		return -1;
	w->ip = ctx->regs.pc;
	w->sp = ctx->regs.sp;
	w->bp = ctx->regs.regs[29];
	return 0;
}
#endif

static __always_inline __u64 mix(__u64 h, __u64 v)
{
	h = (h ^ v) * 0x9fb21c651e98df25ULL;
	return h ^ (h >> 29);
}

#include "stacks_python.h"

/* ------------------------------------------------------------------ a stack and its hash */

static __always_inline __u32 words_of(const struct stacks_stack *k)
{
	return k->kernel_count + k->user_count + 2 * k->python_count;
}

/* Some words more, from the first on.  1: there are no more. */
__noinline int stacks_hash_some(__u32 slot, __u32 first)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	__u64 a;
	__u32 n;

	if (!s)
		return 1;
	n = s->stack.kernel_count + s->stack.user_count;
	a = s->stack.hash;
	for (__u32 i = 0; i < STACKS_TURNS; i++) {
		__u32 at = first + i;

		if (at >= n)
			break;
		a = mix(a, s->stack.frames[at & 511]); /* n is at most 383 */
	}
	s->stack.hash = a;
	return first + STACKS_TURNS >= n;
}

__noinline int stacks_hash(__u32 slot)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	__u64 b;

	if (!s)
		return -1;
	s->stack.hash =
		mix((__u64)s->stack.pid << 32 | s->stack.kernel_count << 16 | s->stack.user_count,
		    s->stack.end | s->stack.python_end << 8 | s->stack.python_count << 16);
	if (s->stack.python_count)
		s->stack.hash = mix(s->stack.hash, s->python.hash);
	for (__u32 i = 0; i <= (STACKS_KERNEL_MAX + STACKS_USER_MAX) / STACKS_TURNS; i++) {
		if (stacks_hash_some(slot, i * STACKS_TURNS))
			break;
	}
	b = mix(s->stack.hash, s->stack.hash >> 32);
	s->stack.hash = b ? b : 1;
	return 0;
}

static __always_inline __u64 wakeup_flags(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= config.wakeup_bytes
		       ? BPF_RB_FORCE_WAKEUP
		       : BPF_RB_NO_WAKEUP;
}

/* Send the stack unless it has been seen. */
static __always_inline void send_stack(struct scratch *s, struct stacks_counters *c)
{
	__u64 hash = s->stack.hash;
	__u32 n = words_of(&s->stack);
	__u64 size;
	__u8 one = 1;

	if (bpf_map_lookup_elem(&seen, &hash))
		return;
	s->stack.type = STACKS_RECORD_STACK;
	if (n > STACKS_FRAME_WORDS)
		n = STACKS_FRAME_WORDS;
	size = __builtin_offsetof(struct stacks_stack, frames) + n * 8;
	if (bpf_ringbuf_output(&ring, &s->stack, size, wakeup_flags())) {
		c->lost_stack++;
		return;
	}
	c->stacks++;
	bpf_map_update_elem(&seen, &hash, &one, BPF_ANY);
}

/* The kernel's part of the current thread's stack. */
static __always_inline void take_kernel(struct scratch *s, void *ctx, struct stacks_counters *c)
{
	long n = bpf_get_stack(ctx, s->stack.frames, STACKS_KERNEL_MAX * 8, 0);

	if (n < 0) {
		c->kernel_error++;
		n = 0;
	}
	n = (n / 8) & 0x7f;
	s->stack.kernel_count = n;
	s->stack.kernel_cut = n == STACKS_KERNEL_MAX;
}

/* The user's part behind it, and the hash of both. */
static __always_inline void take_user(struct scratch *s, __u32 slot, __u32 pid, int registers)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	s->stack.pid = pid;
	s->walk.kernel_count = s->stack.kernel_count;
	s->walk.count = 0;
	s->walk.by = 0;
	s->walk.end = STACKS_END_REGISTERS;
	s->stack.python_count = 0;
	s->stack.python_end = STACKS_PYTHON_NONE;
#pragma unroll
	for (int i = 0; i < (int)(STACKS_USER_MAX / 64); i++)
		s->stack.exact[i] = 0;
	if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
		s->walk.end = STACKS_END_KERNEL;
	else if (!registers)
		walk_user(s, slot, pid);
	s->stack.user_count = s->walk.count;
	s->stack.end = s->walk.end;
	s->stack.by = s->walk.by;
	if (s->walk.end != STACKS_END_KERNEL)
		walk_python(s, slot, pid, task);
	stacks_hash(slot);
}

static __always_inline void take_stack(struct scratch *s, __u32 slot, void *ctx, __u32 pid,
				       int registers, struct stacks_counters *c)
{
	take_kernel(s, ctx, c);
	take_user(s, slot, pid, registers);
}

/* ------------------------------------------------------------------ on the CPU */

SEC("perf_event")
int stacks_on_cpu(struct bpf_perf_event_data *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 zero = 0, slot = SCRATCH_SAMPLE;
	struct stacks_counters *c = bpf_map_lookup_elem(&counters, &zero);
	struct stacks_sample sample = {.type = STACKS_RECORD_SAMPLE, .state = STACKS_ON_CPU};
	struct scratch *s;

	if (!c)
		return 0;
	c->events++;
	if (!(__u32)id) {
		c->idle++;
		return 0;
	}
	s = bpf_map_lookup_elem(&scratch, &slot);
	if (!s)
		return 0;
	sample.time = bpf_ktime_get_ns();
	sample.pid = id >> 32;
	sample.tid = (__u32)id;
	sample.cpu = bpf_get_smp_processor_id();
	sample.cgroup = bpf_get_current_cgroup_id();
	bpf_get_current_comm(sample.comm, sizeof(sample.comm));
	take_stack(s, slot, ctx, sample.pid, user_registers(&s->walk, ctx), c);
	s->stack.time = sample.time;
	sample.stack = s->stack.hash;
	send_stack(s, c);
	if (bpf_ringbuf_output(&ring, &sample, sizeof(sample), wakeup_flags()))
		c->lost_sample++;
	else
		c->samples++;
	return 0;
}

#include "stacks_off.h"
#include "stacks_growth.h"
#include "stacks_alloc.h"
