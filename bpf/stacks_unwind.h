/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walking a thread's user stack.  Included by stacks.bpf.c.
 *
 * One frame at a time: by the unwind table of the file that the address lies in (x86-64), by the
 * frame pointer where there is none.  The functions that are called in a loop are global: the
 * verifier looks at each of them once, not once for every turn; and long loops are loops of loops,
 * so that it looks at twice 16 turns instead of 256.
 */
#pragma once

#if defined(__TARGET_ARCH_x86)
#define STACKS_TABLES 1
#else
#define STACKS_TABLES 0
#endif

#define STACKS_TURNS 16 /* of one loop */

struct walk {
	__u64 ip, sp, bp;
	__u32 count; /* frames so far */
	__u32 first, mappings;
	__u32 kernel_count;
	__u8 end, by;
	__u8 exact; /* ip is where it was interrupted, no return address */
	__u8 has_process;
	__u8 switched; /* to another stack, by frame pointer */
};

/* How far the walk of Python's frames has come. */
struct python_walk {
	__u64 interpreter, thread; /* while the thread is searched */
	__u64 found, tls;	   /* its state, and what it is known by */
	__u64 frame, cframe;
	__u64 hash;
	__u32 base;   /* of the words */
	__u32 native; /* the user's frame that the next C stack address is looked for from */
	__u8 end;
};

struct scratch {
	struct walk walk;
	struct python_walk python;
	/* The stack pointer in each of the user's frames, as far as it lies above the first one. */
	__u64 first_sp;
	__u32 depth[STACKS_USER_MAX];
	union {
		struct stacks_stack stack;
		struct stacks_blocked blocked;
	};
};

/* One for each program that may interrupt another. */
enum {
	SCRATCH_SAMPLE = 0,
	SCRATCH_SWITCH = 1,
	SCRATCH_GROWTH = 2,
	SCRATCH_ALLOC = 3,
	SCRATCH_COUNT
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_COUNT);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stacks_row);
} rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stacks_mapping);
} mappings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stacks_process);
} processes SEC(".maps");

/* The last row of [first, last) whose pc is not above; -1 when there is none. */
__noinline int stacks_find_row(__u32 first, __u32 last, __u32 pc)
{
	__u32 low = first, high = last;

	for (int i = 0; i < 24; i++) {
		const struct stacks_row *row;
		__u32 middle;

		if (low >= high)
			break;
		middle = low + (high - low) / 2;
		row = bpf_map_lookup_elem(&rows, &middle);
		if (!row)
			return -1;
		if (row->pc <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	return low == first ? -1 : (int)(low - 1);
}

/* The mapping of [first, first + count) that pc lies in, or -1. */
__noinline int stacks_find_mapping(__u32 first, __u32 count, __u64 pc)
{
	__u32 low = first, high = first + count;

	for (int i = 0; i < 16; i++) {
		const struct stacks_mapping *m;
		__u32 middle;

		if (low >= high)
			break;
		middle = low + (high - low) / 2;
		m = bpf_map_lookup_elem(&mappings, &middle);
		if (!m)
			return -1;
		if (pc < m->start)
			high = middle;
		else if (pc >= m->end)
			low = middle + 1;
		else
			return (int)middle;
	}
	return -1;
}

/* 1: that was the last one. */
static __always_inline int walk_end(struct walk *w, __u8 end)
{
	w->end = end;
	return 1;
}

static __always_inline int step_by_pointer(struct walk *w)
{
	__u64 pair[2], bp = w->bp;
	int switched;

	if (!bp)
		return walk_end(w, w->count > 1 ? STACKS_END_ZERO : STACKS_END_FAULT);
	/* Go's runtime works on a stack of the thread's and was called from one of its own making,
	 * which lies anywhere.  Once, and never to an end: a register that is no frame pointer
	 * might hold anything as well. */
	if (bp & 7 || (bp < w->sp && w->switched))
		return walk_end(w, STACKS_END_STUCK);
	switched = bp < w->sp;
	if (bpf_probe_read_user(pair, sizeof(pair), (void *)bp))
		return walk_end(w, STACKS_END_FAULT);
	if (!pair[1])
		return walk_end(w, switched ? STACKS_END_STUCK : STACKS_END_ZERO);
	w->switched |= switched;
	w->by |= STACKS_BY_POINTER;
	w->ip = pair[1];
	w->sp = bp + 16;
	w->bp = pair[0];
	w->exact = 0;
	return 0;
}

#if STACKS_TABLES
/* rsp, rip and rbp in the ucontext that the kernel laid down for a signal's handler. */
#define UCONTEXT_RBP 120
#define UCONTEXT_RSP 160
#define UCONTEXT_RIP 168

static __always_inline int step_over_signal(struct walk *w)
{
	__u64 at = w->sp, ip, sp, bp;

	if (bpf_probe_read_user(&ip, 8, (void *)(at + UCONTEXT_RIP)) ||
	    bpf_probe_read_user(&sp, 8, (void *)(at + UCONTEXT_RSP)) ||
	    bpf_probe_read_user(&bp, 8, (void *)(at + UCONTEXT_RBP)))
		return walk_end(w, STACKS_END_FAULT);
	w->by |= STACKS_BY_SIGNAL;
	w->ip = ip;
	w->sp = sp;
	w->bp = bp;
	w->exact = 1;
	return 0;
}

static __always_inline int step_by_row(struct walk *w, const struct stacks_row *row)
{
	__u32 kind = row->cfa >> STACKS_CFA_SHIFT, offset = row->cfa & STACKS_CFA_OFFSET;
	__u32 bp_kind = row->bp >> STACKS_BP_SHIFT;
	__s64 bp_offset = (__s64)((__u64)(row->bp & STACKS_BP_OFFSET) << 50) >> 47;
	__u64 cfa, ip, bp = w->bp;

	switch (kind) {
	case STACKS_CFA_SP:
		cfa = w->sp + (__u64)offset * 8;
		break;
	case STACKS_CFA_BP:
		cfa = w->bp + (__u64)offset * 8;
		break;
	case STACKS_CFA_BP_DEREF:
		if (bpf_probe_read_user(&cfa, 8, (void *)(w->bp - (__u64)offset * 8)))
			return walk_end(w, STACKS_END_FAULT);
		break;
	case STACKS_CFA_PLT:
		cfa = w->sp + 8 + ((w->ip & 15) >= 11 ? 8 : 0);
		break;
	case STACKS_CFA_SIGNAL:
		return step_over_signal(w);
	case STACKS_CFA_END:
		return walk_end(w, STACKS_END_ROOT);
	case STACKS_CFA_NONE:
		/* Code without a description.  glibc's threads begin in such, with no frame. */
		if (!w->bp)
			return walk_end(w, w->count > 1 ? STACKS_END_ROOT : STACKS_END_NO_RULE);
		return step_by_pointer(w);
	default:
		return walk_end(w, STACKS_END_NO_RULE);
	}
	if (cfa <= w->sp)
		return walk_end(w, STACKS_END_STUCK);
	if (bpf_probe_read_user(&ip, 8, (void *)(cfa - 8)))
		return walk_end(w, STACKS_END_FAULT);
	if (bp_kind == STACKS_BP_AT) {
		/* A realigned frame keeps it where rbp points to. */
		__u64 base = kind == STACKS_CFA_BP_DEREF ? w->bp : cfa;

		if (bpf_probe_read_user(&bp, 8, (void *)(base + bp_offset)))
			return walk_end(w, STACKS_END_FAULT);
	}
	w->by |= STACKS_BY_TABLE;
	if (!ip)
		return walk_end(w, STACKS_END_ROOT);
	w->ip = ip;
	w->sp = cfa;
	w->bp = bp;
	w->exact = 0;
	return 0;
}

static __always_inline int step(struct walk *w)
{
	const struct stacks_mapping *m;
	const struct stacks_row *row;
	__u64 pc = w->ip - !w->exact;
	__u32 index;
	int found;

	if (!w->has_process)
		return step_by_pointer(w);
	found = stacks_find_mapping(w->first, w->mappings, pc);
	if (found < 0)
		return walk_end(w, STACKS_END_NO_MAPPING);
	index = (__u32)found;
	m = bpf_map_lookup_elem(&mappings, &index);
	if (!m)
		return walk_end(w, STACKS_END_NO_MAPPING);
	if (!m->last) {
		if (m->first == STACKS_ROWS_WANTED)
			return walk_end(w, STACKS_END_NO_TABLE);
		return step_by_pointer(w);
	}
	found = stacks_find_row(m->first, m->last, (__u32)(pc - m->bias));
	if (found < 0)
		return walk_end(w, STACKS_END_NO_RULE);
	index = (__u32)found;
	row = bpf_map_lookup_elem(&rows, &index);
	return row ? step_by_row(w, row) : walk_end(w, STACKS_END_NO_RULE);
}
#else
static __always_inline int step(struct walk *w)
{
	return step_by_pointer(w);
}
#endif

/* Keep the frame that the walk stands at, and go to its caller.  1: there is none. */
__noinline int stacks_step(__u32 slot)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	__u32 at, n;

	if (!s)
		return 1;
	n = s->walk.count;
	at = s->walk.kernel_count + n;
	if (n >= STACKS_USER_MAX || at >= STACKS_FRAME_WORDS)
		return walk_end(&s->walk, STACKS_END_DEPTH);
	s->stack.frames[at] = s->walk.ip;
	if (!n)
		s->first_sp = s->walk.sp;
	s->depth[n & (STACKS_USER_MAX - 1)] = (__u32)(s->walk.sp - s->first_sp);
	if (s->walk.exact)
		s->stack.exact[(n >> 6) & (STACKS_USER_MAX / 64 - 1)] |= 1ULL << (n & 63);
	s->walk.count = n + 1;
	return step(&s->walk);
}

/* 1: that was the last one. */
__noinline int stacks_steps(__u32 slot)
{
	for (int i = 0; i < STACKS_TURNS; i++) {
		if (stacks_step(slot))
			return 1;
	}
	return 0;
}

/* Registers of the walk are set; the user's frames go behind the kernel's. */
static __always_inline void walk_user(struct scratch *s, __u32 slot, __u32 pid)
{
	const struct stacks_process *p = bpf_map_lookup_elem(&processes, &pid);

	s->walk.has_process = 0;
	if (p) {
		s->walk.first = p->first;
		s->walk.mappings = p->count;
		s->walk.has_process = 1;
	}
	s->walk.exact = 1;
	s->walk.switched = 0;
	for (int i = 0; i <= (int)(STACKS_USER_MAX / STACKS_TURNS); i++) {
		if (stacks_steps(slot))
			break;
	}
	/* Without the tables the chain of frame pointers may be anything. */
	if (STACKS_TABLES && !p)
		s->walk.end = STACKS_END_NO_PROCESS;
}
