/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who allocates and does not free: probes at malloc() and its like, in processes that were asked
 * for.  Included by stacks.bpf.c.
 *
 * Of each allocation only its size is looked at; where one of the random points falls into it, its
 * stack is taken, and its address is remembered until it is freed.
 */
#pragma once

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct stacks_block);
	__type(value, struct stacks_live);
} live SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stacks_pending);
} pending SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct stacks_allocs);
} allocs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stacks_alloc_cpu);
} alloc_cpu SEC(".maps");

#if defined(__TARGET_ARCH_x86)
#define ALLOC_CTX struct pt_regs
#define ALLOC_ARG1(c) ((c)->di)
#define ALLOC_ARG2(c) ((c)->si)
#define ALLOC_ARG3(c) ((c)->dx)
#define ALLOC_RET(c) ((c)->ax)
#define ALLOC_SP(c) ((c)->sp)

static __always_inline int alloc_registers(struct walk *w, const ALLOC_CTX *c)
{
	if ((c->cs & 0xffff) != USER_CS)
		return -1;
	w->ip = c->ip;
	w->sp = c->sp;
	w->bp = c->bp;
	return 0;
}
#else
#define ALLOC_CTX struct user_pt_regs
#define ALLOC_ARG1(c) ((c)->regs[0])
#define ALLOC_ARG2(c) ((c)->regs[1])
#define ALLOC_ARG3(c) ((c)->regs[2])
#define ALLOC_RET(c) ((c)->regs[0])
#define ALLOC_SP(c) ((c)->sp)

/* The function has not made its frame yet: the caller is in the link register. */
static __always_inline int alloc_registers(struct walk *w, const ALLOC_CTX *c)
{
	w->ip = c->regs[30] - 4;
	w->sp = c->sp;
	w->bp = c->regs[29];
	return 0;
}
#endif

/* −ln of a number drawn from (0, 1], times STACKS_ALLOC_BYTES: how far it is to the next point. */
static __always_inline __s64 next_point(void)
{
	__u32 u = bpf_get_prandom_u32() | 1, whole = 31;
	__u64 m, log2;

#pragma unroll
	for (int step = 16; step; step >>= 1)
		if (!(u >> (32 - step))) {
			u <<= step;
			whole -= step;
		}
	/* log2(1 + m) ≈ m + 0.344 m (1 − m), within 0.01; in 1/65536. */
	m = (u >> 15) & 0xffff;
	log2 = ((__u64)whole << 16) + m + (((m * (65536 - m)) >> 16) * 22544 >> 16);
	/* ln 2 is 45426 / 65536 */
	return (((32ULL << 16) - log2) * 45426 >> 16) * (STACKS_ALLOC_BYTES >> 16) + 1;
}

static __always_inline void take_alloc(ALLOC_CTX *ctx, struct stacks_alloc_cpu *cpu,
				       struct stacks_allocs *sums, __u64 id, __u64 size,
				       __u64 result)
{
	struct stacks_pending p = {.size = size, .result = result, .sp = ALLOC_SP(ctx)};
	__u32 zero = 0, slot = SCRATCH_ALLOC, tid = (__u32)id;
	struct stacks_counters *c = bpf_map_lookup_elem(&counters, &zero);
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);

	/* Where these programs can be preempted, another may have the scratch. */
	if (!c || !s || cpu->busy) {
		__sync_fetch_and_add(&sums->lost, 1);
		return;
	}
	cpu->busy = 1;
	p.time = bpf_ktime_get_ns();
	s->stack.kernel_count = 0;
	s->stack.kernel_cut = 0;
	take_user(s, slot, id >> 32, alloc_registers(&s->walk, ctx));
	s->stack.time = p.time;
	p.stack = s->stack.hash;
	send_stack(s, c);
	cpu->busy = 0;
	__sync_fetch_and_add(&sums->taken, 1);
	bpf_map_update_elem(&pending, &tid, &p, BPF_ANY);
}

static __always_inline int begin_alloc(ALLOC_CTX *ctx, __u64 size, __u64 result)
{
	__u64 id = bpf_get_current_pid_tgid(), sp = ALLOC_SP(ctx);
	__u32 zero = 0, pid = id >> 32;
	struct stacks_alloc_cpu *cpu = bpf_map_lookup_elem(&alloc_cpu, &zero);
	struct stacks_allocs *sums = bpf_map_lookup_elem(&allocs, &pid);

	if (!cpu || !sums)
		return 0;
	__sync_fetch_and_add(&sums->calls, 1);
	/* operator new() calls malloc(): one allocation. */
	if (cpu->tid == (__u32)id && sp < cpu->sp && cpu->sp - sp < 512)
		return 0;
	cpu->tid = (__u32)id;
	cpu->sp = sp;
	if (size > 1ULL << 46) /* no allocation, a mistake */
		return 0;
	__sync_fetch_and_add(&sums->bytes, size);
	if (!cpu->left)
		cpu->left = next_point();
	cpu->left -= (__s64)size;
	if (cpu->left > 0)
		return 0;
	cpu->left = next_point();
	take_alloc(ctx, cpu, sums, id, size, result);
	return 0;
}

static __always_inline void forget(__u64 address)
{
	struct stacks_block b = {.address = address, .pid = bpf_get_current_pid_tgid() >> 32};

	if (address)
		bpf_map_delete_elem(&live, &b);
}

SEC("uprobe")
int stacks_malloc(ALLOC_CTX *ctx)
{
	return begin_alloc(ctx, ALLOC_ARG1(ctx), 0);
}

SEC("uprobe")
int stacks_calloc(ALLOC_CTX *ctx)
{
	__u64 n = ALLOC_ARG1(ctx), size = ALLOC_ARG2(ctx);

	return begin_alloc(ctx, n > 1ULL << 46 || size > 1ULL << 46 ? ~0ULL : n * size, 0);
}

SEC("uprobe")
int stacks_realloc(ALLOC_CTX *ctx)
{
	forget(ALLOC_ARG1(ctx));
	return begin_alloc(ctx, ALLOC_ARG2(ctx), 0);
}

/* aligned_alloc(), memalign(): (alignment, size) */
SEC("uprobe")
int stacks_memalign(ALLOC_CTX *ctx)
{
	return begin_alloc(ctx, ALLOC_ARG2(ctx), 0);
}

SEC("uprobe")
int stacks_posix_memalign(ALLOC_CTX *ctx)
{
	return begin_alloc(ctx, ALLOC_ARG3(ctx), ALLOC_ARG1(ctx));
}

SEC("uprobe")
int stacks_free(ALLOC_CTX *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct stacks_allocs *sums = bpf_map_lookup_elem(&allocs, &pid);

	if (!sums)
		return 0;
	__sync_fetch_and_add(&sums->frees, 1);
	forget(ALLOC_ARG1(ctx));
	return 0;
}

SEC("uretprobe")
int stacks_allocated(ALLOC_CTX *ctx)
{
	__u64 id = bpf_get_current_pid_tgid(), address = ALLOC_RET(ctx);
	__u32 zero = 0, tid = (__u32)id, pid = id >> 32;
	struct stacks_alloc_cpu *cpu = bpf_map_lookup_elem(&alloc_cpu, &zero);
	struct stacks_growth growth = {.type = STACKS_RECORD_GROWTH, .kind = STACKS_GROWTH_ALLOC};
	struct stacks_block b = {.pid = pid};
	struct stacks_counters *c = bpf_map_lookup_elem(&counters, &zero);
	struct stacks_allocs *sums = bpf_map_lookup_elem(&allocs, &pid);
	struct stacks_pending *p;
	struct stacks_live l;

	if (!cpu || !c || !sums)
		return 0;
	__sync_fetch_and_add(&sums->returns, 1);
	if (cpu->tid == tid)
		cpu->tid = 0;
	p = bpf_map_lookup_elem(&pending, &tid);
	/* One that another was built on (musl's posix_memalign() calls aligned_alloc()) ends below
	 * where the outer one began. */
	if (!p || ALLOC_SP(ctx) < p->sp)
		return 0;
	if (p->result && (address || bpf_probe_read_user(&address, 8, (void *)p->result)))
		address = 0; /* posix_memalign() returns an error */
	growth.time = l.time = p->time;
	growth.stack = p->stack;
	growth.size = p->size;
	growth.pid = pid;
	growth.tid = tid;
	growth.address = b.address = address;
	bpf_map_delete_elem(&pending, &tid);
	if (!address)
		return 0;
	bpf_get_current_comm(growth.comm, sizeof(growth.comm));
	if (bpf_map_update_elem(&live, &b, &l, BPF_ANY)) {
		__sync_fetch_and_add(&sums->lost, 1);
		return 0;
	}
	if (bpf_ringbuf_output(&ring, &growth, sizeof(growth), wakeup_flags()))
		c->lost_growth++;
	else
		c->growth_taken++;
	return 0;
}
