/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walking the frames of CPython at the moment of the sample.  Included by stacks.bpf.c.
 *
 * User space says where things are in a process (struct stacks_python).  The thread is found once
 * among those of the interpreters, by its thread pointer, which pthread_self() is or lies little
 * below; from then on one word says whether what was found is still it.  Every address comes from
 * the process: it may be anything, and then nothing can be read there.
 */
#pragma once

#define PYTHON_THREADS_MAX 512 /* looked at, all interpreters together */
#define PYTHON_AGAIN_NS 1000000000ull

struct python_thread {
	__u64 state;	   /* 0: it had none */
	__u64 searched_ns; /* then, when that was found out */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stacks_python);
} python_processes SEC(".maps");

/* Thread → its state in the interpreter. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct python_thread);
} python_threads SEC(".maps");

static __always_inline int read_word(__u64 address, __u64 *ret)
{
	return bpf_probe_read_user(ret, sizeof(*ret), (void *)address);
}

#if defined(__TARGET_ARCH_x86)
static __always_inline __u64 thread_pointer(struct task_struct *task)
{
	return BPF_CORE_READ(task, thread.fsbase);
}

static __always_inline bool is_thread(__u64 id, __u64 tls)
{
	return id == tls;
}
#else
static __always_inline __u64 thread_pointer(struct task_struct *task)
{
	return BPF_CORE_READ(task, thread.uw.tp_value);
}

/* The descriptor ends where the thread pointer points to; how large it is, the C library knows. */
static __always_inline bool is_thread(__u64 id, __u64 tls)
{
	return tls - id < 8192;
}
#endif

/* Look at one thread's state and go to the next.  1: found, or there are no more. */
__noinline int stacks_python_search(__u32 slot, __u32 pid)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	const struct stacks_python *p = bpf_map_lookup_elem(&python_processes, &pid);
	__u64 id = 0, next = 0;

	if (!s || !p)
		return 1;
	if (!s->python.thread) {
		if (!s->python.interpreter)
			return 1;
		read_word(s->python.interpreter + p->interpreter_threads, &next);
		s->python.thread = next;
		next = 0;
		read_word(s->python.interpreter + p->interpreter_next, &next);
		s->python.interpreter = next;
		return 0;
	}
	if (read_word(s->python.thread + p->thread_id, &id)) {
		s->python.thread = 0;
		return 0;
	}
	if (is_thread(id, s->python.tls)) {
		/* One that runs something comes before one that does not: a thread may have a state
		 * in each of several interpreters. */
		read_word(s->python.thread + (p->cframe_frame == STACKS_PYTHON_NOWHERE
						      ? p->thread_frame
						      : p->thread_cframe),
			  &next);
		if (next || !s->python.found)
			s->python.found = s->python.thread;
		if (next)
			return 1;
	}
	next = 0;
	read_word(s->python.thread + p->thread_next, &next);
	s->python.thread = next;
	return 0;
}

__noinline int stacks_python_searches(__u32 slot, __u32 pid)
{
	for (int i = 0; i < STACKS_TURNS; i++) {
		if (stacks_python_search(slot, pid))
			return 1;
	}
	return 0;
}

/*
 * Which of the user's frames an address on the C stack lies in: 1 + its number, or 0.  Addresses
 * come in ascending order.
 */
__noinline int stacks_python_native(__u32 slot, __u64 address)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	__u32 low, high;
	__u64 depth;

	if (!s)
		return 0;
	depth = address - s->first_sp;
	low = s->python.native;
	high = s->walk.count;
	if (depth > 0xffffffff)
		return 0;
	/* The last frame that begins below; of the last one of all nobody knows where it ends. */
	for (int i = 0; i < 9; i++) {
		__u32 middle = low + (high - low) / 2;

		if (low >= high)
			break;
		if (s->depth[middle & (STACKS_USER_MAX - 1)] <= depth)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || low >= s->walk.count)
		return 0;
	s->python.native = low - 1;
	return (int)low;
}

static __always_inline int python_end(struct scratch *s, __u8 end)
{
	s->python.end = end;
	return 1;
}

/* The frame kept last was the outermost of a call of the C function that has this on its stack. */
static __always_inline void mark_entry(struct scratch *s, __u32 slot, __u64 on_stack)
{
	__u32 at = s->python.base + 2 * (s->stack.python_count - 1u);
	__u64 native = 0;

	if (!s->stack.python_count || at >= STACKS_FRAME_WORDS)
		return;
	if (on_stack)
		native = (__u64)stacks_python_native(slot, on_stack) & STACKS_PYTHON_NATIVE_MASK;
	s->stack.frames[at] |= STACKS_PYTHON_ENTRY | native << STACKS_PYTHON_NATIVE_SHIFT;
}

/* Of 3.10 and 3.11: the C function's own record, one for each call. */
static __always_inline void mark_cframe(struct scratch *s, __u32 slot,
					const struct stacks_python *p)
{
	__u64 previous = 0;

	mark_entry(s, slot, s->python.cframe);
	if (!s->python.cframe)
		return;
	read_word(s->python.cframe + p->cframe_previous, &previous);
	s->python.cframe = previous;
}

static __always_inline __s32 place_in_code(const struct stacks_python *p, __u64 frame, __u64 code)
{
	__u64 at = 0;
	__s32 lasti = 0;

	if (p->instruction == STACKS_PYTHON_POINTER) {
		if (read_word(frame + p->frame_instruction, &at))
			return -1;
		return (__s32)(at - (code + p->code_start));
	}
	if (bpf_probe_read_user(&lasti, sizeof(lasti), (void *)(frame + p->frame_instruction)))
		return -1;
	return p->instruction == STACKS_PYTHON_LASTI_UNITS ? lasti * 2 : lasti;
}

/* Keep the frame that the walk stands at, and go to its caller.  1: there is none. */
__noinline int stacks_python_step(__u32 slot, __u32 pid)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &slot);
	const struct stacks_python *p = bpf_map_lookup_elem(&python_processes, &pid);
	__u64 frame, code, name = 0, previous, place;
	__u32 at, first_line = 0;
	__u8 entry = 0;

	if (!s || !p)
		return 1;
	frame = s->python.frame;
	if (!frame)
		return python_end(s, STACKS_PYTHON_WHOLE);
	if (p->entry != STACKS_PYTHON_EACH)
		bpf_probe_read_user(&entry, 1, (void *)(frame + p->frame_entry));
	if (read_word(frame + p->frame_previous, &previous))
		return python_end(s, STACKS_PYTHON_FAULT);
	s->python.frame = previous;
	if (p->entry == STACKS_PYTHON_MARKER && entry >= STACKS_PYTHON_OWNER_MARKER) {
		mark_entry(s, slot, frame);
		return 0;
	}
	if (read_word(frame + p->frame_code, &code))
		return python_end(s, STACKS_PYTHON_FAULT);
	code &= ~(__u64)p->tags;
	if (s->stack.python_count >= STACKS_PYTHON_MAX)
		return python_end(s, STACKS_PYTHON_CUT);
	at = s->python.base + 2 * s->stack.python_count;
	if (at >= STACKS_FRAME_WORDS - 1)
		return python_end(s, STACKS_PYTHON_CUT);
	bpf_probe_read_user(&first_line, sizeof(first_line), (void *)(code + p->code_first_line));
	read_word(code + p->code_name, &name);
	s->stack.frames[at] = code & STACKS_PYTHON_ADDRESS;
	place = (__u64)STACKS_PYTHON_IDENTITY(first_line, name) << 32 |
		(__u32)place_in_code(p, frame, code);
	s->stack.frames[at + 1] = place;
	s->python.hash = mix(s->python.hash, code ^ place);
	s->stack.python_count++;
	if (p->entry == STACKS_PYTHON_EACH || (p->entry == STACKS_PYTHON_FLAG && entry))
		mark_cframe(s, slot, p);
	return 0;
}

__noinline int stacks_python_steps(__u32 slot, __u32 pid)
{
	for (int i = 0; i < STACKS_TURNS; i++) {
		if (stacks_python_step(slot, pid))
			return 1;
	}
	return 0;
}

/*
 * That a thread has none is remembered for a second, where to find that out takes more than one
 * round: a thread that is not Python's, beside hundreds that are, would cost that at each sample.
 * In a process of few threads it is looked for each time, for one may call Python now and then.
 */
static __always_inline __u64 find_python_thread(struct scratch *s, __u32 slot, __u32 pid,
						const struct stacks_python *p, __u32 tid)
{
	struct python_thread *known = bpf_map_lookup_elem(&python_threads, &tid), new = {0};
	__u64 id = 0, found, now = bpf_ktime_get_ns();
	int rounds = 0;

	if (known && known->state && !read_word(known->state + p->thread_id, &id) &&
	    is_thread(id, s->python.tls))
		return known->state;
	if (known && !known->state && now - known->searched_ns < PYTHON_AGAIN_NS)
		return 0;
	s->python.found = s->python.thread = 0;
	if (read_word(p->interpreters, &found))
		return 0;
	s->python.interpreter = found;
	for (int i = 0; i < PYTHON_THREADS_MAX / STACKS_TURNS; i++) {
		if (stacks_python_searches(slot, pid))
			break;
		rounds++;
	}
	new.state = s->python.found;
	new.searched_ns = now;
	if (new.state || rounds)
		bpf_map_update_elem(&python_threads, &tid, &new, BPF_ANY);
	return new.state;
}

/* The user's part is there; Python's goes behind it. */
static __always_inline void walk_python(struct scratch *s, __u32 slot, __u32 pid,
					struct task_struct *task)
{
	const struct stacks_python *p = bpf_map_lookup_elem(&python_processes, &pid);
	__u64 thread, frame = 0, cframe = 0;

	if (!p)
		return;
	s->python.tls = thread_pointer(task);
	s->python.base = s->walk.kernel_count + s->walk.count;
	s->python.native = 0;
	s->python.hash = 0;
	s->python.end = STACKS_PYTHON_NO_THREAD;
	thread = find_python_thread(s, slot, pid, p, (__u32)bpf_get_current_pid_tgid());
	if (thread && p->thread_cframe != STACKS_PYTHON_NOWHERE)
		read_word(thread + p->thread_cframe, &cframe);
	if (cframe && p->cframe_frame != STACKS_PYTHON_NOWHERE)
		read_word(cframe + p->cframe_frame, &frame);
	else if (thread)
		read_word(thread + p->thread_frame, &frame);
	if (frame) {
		s->python.frame = frame;
		s->python.cframe = cframe;
		s->python.end = STACKS_PYTHON_CUT;
		/* Markers between frames are steps, too. */
		for (int i = 0; i <= (int)(2 * STACKS_PYTHON_MAX / STACKS_TURNS); i++) {
			if (stacks_python_steps(slot, pid))
				break;
		}
	} else if (thread) {
		s->python.end = STACKS_PYTHON_NONE;
	}
	s->stack.python_end = s->python.end;
}
