/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by bpf/stacks.bpf.c and capture/stacks/: fixed-width types only. */
#pragma once

#ifndef __bpf__
#include <linux/types.h>
#endif

/* The kernel's own limit (perf_event_max_stack) is 127 unless somebody raised it. */
#define STACKS_KERNEL_MAX 127u
#define STACKS_USER_MAX 256u
#define STACKS_PYTHON_MAX 128u /* frames of Python, beside the native ones */

enum {
	STACKS_RECORD_SAMPLE = 1,
	STACKS_RECORD_STACK = 2,
	STACKS_RECORD_THREAD = 3,
	STACKS_RECORD_GROWTH = 4,
};

/* What a thread did when it was sampled. */
enum {
	STACKS_ON_CPU = 0,
	STACKS_SLEEP = 1,
	STACKS_DISK = 2,
	STACKS_RUNNABLE = 3,
	STACKS_PREEMPTED = 4,
	STACKS_STATES = 5,
};

/* How the walk of the user's part ended.  Only the first two are the thread's start. */
enum {
	STACKS_END_ROOT = 1,	   /* the unwind table says that there is no caller */
	STACKS_END_ZERO = 2,	   /* the chain of frame pointers ended with 0 */
	STACKS_END_KERNEL = 3,	   /* a kernel thread: there is no user's part */
	STACKS_END_NO_PROCESS = 4, /* the process' mappings are not known yet */
	STACKS_END_NO_MAPPING = 5, /* an address in none of them */
	STACKS_END_NO_TABLE = 6,   /* the file's unwind table is not loaded yet */
	STACKS_END_NO_RULE = 7,	   /* the table has a rule that is not understood */
	STACKS_END_FAULT = 8,	   /* the stack's memory cannot be read */
	STACKS_END_DEPTH = 9,	   /* too deep */
	STACKS_END_STUCK = 10,	   /* the stack pointer did not move towards the bottom */
	STACKS_END_REGISTERS = 11, /* the user's registers were not found */
	STACKS_END_ASLEEP = 12,	   /* of a sleeping thread only the first address is known */
	STACKS_END_POINTERS = 13,  /* the kernel went by frame pointers, to wherever they lead */
};

/* By what means: bits. */
enum { STACKS_BY_TABLE = 1, STACKS_BY_POINTER = 2, STACKS_BY_SIGNAL = 4 };

struct stacks_sample {
	__u32 type; /* STACKS_RECORD_SAMPLE */
	__u32 state;
	__u64 time; /* CLOCK_MONOTONIC */
	__u64 stack;
	__u32 pid, tid;
	__u64 cgroup; /* of the unified hierarchy */
	__u64 ns;     /* off-CPU: how long */
	__u32 cpu;
	/* Off the CPU: it stands for so many / 1024 of its like. */
	__u32 weight;
	__u32 waker; /* tid of who woke it; 0: nobody, or an interrupt on an idle CPU */
	__u32 still; /* 1: it was off the CPU when the window ended */
	char comm[16];
};

#define STACKS_FRAME_WORDS (STACKS_KERNEL_MAX + STACKS_USER_MAX + 2 * STACKS_PYTHON_MAX)

/* Sent when a stack is seen for the first time; perhaps again later. */
struct stacks_stack {
	__u32 type; /* STACKS_RECORD_STACK */
	__u32 pid;
	__u64 hash;
	__u64 time;
	__u16 kernel_count, user_count;
	__u8 end, by, kernel_cut;
	__u8 python_count; /* frames of Python: two words each, behind the user's */
	__u8 python_end;   /* STACKS_PYTHON_… */
	__u8 reserved[7];
	/* Bit i of word i/64: the user's frame i is no return address but where it was interrupted
	 * by a signal (frame 0 always is). */
	__u64 exact[STACKS_USER_MAX / 64];
	__u64 frames[STACKS_FRAME_WORDS]; /* kernel first, leaf first; cut to fit */
};

/* ------------------------------------------------------------------ off the CPU */

/*
 * A thread's place in a table, by the low bits of its tid: no hashing, for this is touched by every
 * context switch.  Two threads that want one place: the one that came first keeps it while it is
 * off the CPU.
 */
struct stacks_slot {
	__u32 tid, pid;
	__u64 out_ns;	   /* since when it is off the CPU; 0: it is on it */
	__u64 wake_ns;	   /* 0: not woken yet */
	__u64 stack;	   /* hash; 0: none was taken this time */
	__u64 expected_ns; /* how long it is usually off the CPU */
	__u32 weight;
	__u32 waker;
	__u32 state;
	__u32 longest_state, longest_waker;
	__u32 reserved;
	__u64 longest_ns, longest_stack, longest_end_ns;
	__u64 total_ns[STACKS_STATES];
	__u64 count[STACKS_STATES];
};

/* What a slot held, when its thread ended or gave it up. */
struct stacks_thread {
	__u32 type; /* STACKS_RECORD_THREAD */
	__u32 reserved;
	__u64 time;
	struct stacks_slot slot;
};

/* Times below it get a stack in proportion to their length; others always.  One for each CPU. */
#define STACKS_UNIT_MIN_NS 5000000ULL
#define STACKS_UNIT_MAX_NS 100000000ULL
#define STACKS_ADJUST_NS 100000000ULL
#define STACKS_ADJUST_STACKS 20u /* taken between two adjustments, at most */

struct stacks_pace {
	__u64 unit_ns, adjusted_ns;
	__u32 taken, reserved;
};

/* A thread that sleeps when the window ends: written by an iterator over all tasks. */
struct stacks_blocked {
	struct stacks_sample sample;
	struct stacks_stack stack; /* cut to fit; none when sample.stack is set */
};

/* ------------------------------------------------------------------ growth */

enum { STACKS_GROWTH_FAULT = 0, STACKS_GROWTH_ALLOC = 1 };

/* A process' anonymous memory grew by a page fault of this thread, or this thread allocated.  Taken
 * in proportion to bytes. */
struct stacks_growth {
	__u32 type; /* STACKS_RECORD_GROWTH */
	__u32 kind;
	__u64 time; /* CLOCK_MONOTONIC */
	__u64 stack;
	__u32 pid, tid;
	__u64 address; /* that faulted (0: not known), or that was given out */
	__u64 size;    /* fault: pages that it stands for; allocation: bytes, for itself only */
	char comm[16];
};

/* What is known of an address space; its address is the key. */
struct stacks_space {
	__u64 pages, first_pages; /* anonymous: last and first seen, to a batch of each CPU */
	__u64 grown_pages;	  /* all rises, as coarse as that */
	__u64 first_ns;
	__u32 pid, reserved;
};

/* Allocations are taken like points that fall on their bytes at random, one in so many bytes: one
 * of SIZE is taken with probability 1 − exp(−SIZE / this). */
#define STACKS_ALLOC_BYTES 65536u

struct stacks_block {
	__u64 address;
	__u64 pid;
};
struct stacks_live {
	__u64 time; /* as in its record */
};
struct stacks_pending { /* between an allocation's begin and its end; the key is the tid */
	__u64 time, stack, size;
	__u64 result; /* where the address will be stored; 0: it is returned */
	__u64 sp;     /* when it began */
};
struct stacks_allocs { /* of a process */
	__u64 calls, returns, bytes, frees, taken, lost;
};
struct stacks_alloc_cpu {
	__s64 left; /* bytes to the next point */
	__u64 sp;   /* of an allocation that has begun: one inside it is the same one */
	__u32 tid;
	__u32 busy;
};

/* Of each CPU: of pages one in so many is taken; of what is larger all. */
#define STACKS_STEP_MIN 32u
#define STACKS_STEP_MAX (1u << 20)
#define STACKS_HUGE_PAGES 512u
#define STACKS_STEP_NS 100000000ULL
#define STACKS_STEP_STACKS 40u /* taken within it: then the step grows */

struct stacks_growth_cpu {
	__u64 faults;	    /* all of them, of files too */
	__u64 space, pages; /* seen last on this CPU */
	__u64 address;	    /* of the last fault */
	__u64 adjusted_ns;
	__u64 step;
	__u32 tid; /* whose fault it was */
	__u32 taken;
};

/* ------------------------------------------------------------------ unwinding */

/*
 * A row of an unwind table: from pc (a virtual address of the file) on, up to the next row's.
 * cfa: 3 bits kind, 13 bits offset / 8.  bp: 2 bits kind, 14 bits signed offset / 8 from the CFA.
 * The return address is at CFA − 8.
 */
struct stacks_row {
	__u32 pc;
	__u16 cfa, bp;
};
enum {
	STACKS_CFA_NONE = 0,	 /* no function here */
	STACKS_CFA_SP = 1,	 /* sp + offset */
	STACKS_CFA_BP = 2,	 /* bp + offset */
	STACKS_CFA_BP_DEREF = 3, /* *(bp − offset): realigned stacks */
	STACKS_CFA_PLT = 4,	 /* sp + 8, + 8 more behind the push of a PLT entry */
	STACKS_CFA_SIGNAL = 5,	 /* a signal's frame: the registers are in a ucontext at sp */
	STACKS_CFA_END = 6,	 /* no caller */
	STACKS_CFA_UNKNOWN = 7,	 /* a rule that this form cannot say */
};
enum { STACKS_BP_SAME = 0, STACKS_BP_AT = 1, STACKS_BP_LOST = 2 };
#define STACKS_CFA_SHIFT 13
#define STACKS_CFA_OFFSET 0x1fff
#define STACKS_BP_SHIFT 14
#define STACKS_BP_OFFSET 0x3fff

/* An executable mapping of a process.  Sorted by start. */
struct stacks_mapping {
	__u64 start, end;
	__u64 bias;	   /* ip − bias is the file's virtual address */
	__u32 first, last; /* rows [first, last); the two below: no rows */
};
#define STACKS_ROWS_POINTER 0u /* last == 0: first is one of these: go by frame pointers */
#define STACKS_ROWS_WANTED 1u  /* there is a table, but it is not loaded */

struct stacks_process {
	__u32 first, count; /* of the mappings */
};

/* ------------------------------------------------------------------ Python */

/* How the walk of Python's frames ended. */
enum {
	STACKS_PYTHON_NONE = 0,	     /* no Python, or a thread of it that runs none */
	STACKS_PYTHON_WHOLE = 1,     /* the outermost frame was reached */
	STACKS_PYTHON_CUT = 2,	     /* too deep */
	STACKS_PYTHON_FAULT = 3,     /* something could not be read */
	STACKS_PYTHON_NO_THREAD = 4, /* no thread of the interpreter's is this one */
};

/*
 * The two words of a frame.  First: the code object's address, and above it STACKS_PYTHON_ENTRY
 * when this frame is the outermost one of a call of the C function that evaluates; then 1 + the
 * number of that function's frame among the user's (0: not known).  Second: where in the code it
 * is, in bytes (the low half, signed), and what the code object said of itself (high half).
 */
#define STACKS_PYTHON_ADDRESS 0x0000ffffffffffffULL
#define STACKS_PYTHON_ENTRY (1ULL << 63)
#define STACKS_PYTHON_NATIVE_SHIFT 48
#define STACKS_PYTHON_NATIVE_MASK 0x7fffULL

/* What a code object's first line and the address of its name make: that it is the same one. */
#define STACKS_PYTHON_IDENTITY(first_line, name)                                                   \
	((__u32)(first_line)*0x9e3779b1u ^ (__u32)((name) >> 4))

enum { STACKS_PYTHON_LASTI_BYTES = 0, STACKS_PYTHON_LASTI_UNITS = 1, STACKS_PYTHON_POINTER = 2 };
enum {
	STACKS_PYTHON_EACH = 0,	  /* each frame has a call of the C function (to 3.10) */
	STACKS_PYTHON_FLAG = 1,	  /* those that have one are marked (3.11) */
	STACKS_PYTHON_MARKER = 2, /* a frame that is none stands between (from 3.12 on) */
};
#define STACKS_PYTHON_OWNER_MARKER 3 /* FRAME_OWNED_BY_CSTACK, from 3.14 on _INTERPRETER */
#define STACKS_PYTHON_NOWHERE 0xffff /* an offset: there is no such field */

/* Where things are in a process' CPython. */
struct stacks_python {
	__u64 interpreters; /* address of the pointer to the first one */
	__u16 interpreter_next, interpreter_threads;
	__u16 thread_next, thread_id;
	__u16 thread_frame;    /* the innermost frame, or with thread_cframe that … */
	__u16 thread_cframe;   /* … what is on the C stack; NOWHERE: there is none */
	__u16 cframe_frame;    /* … which points to the frame; NOWHERE: it does not */
	__u16 cframe_previous; /* … and to the one before it */
	__u16 frame_previous, frame_code, frame_instruction;
	__u16 frame_entry; /* EACH: none; FLAG: a byte; MARKER: the byte `owner` */
	__u16 code_first_line, code_name, code_start;
	__u8 instruction; /* STACKS_PYTHON_LASTI_BYTES … */
	__u8 entry;	  /* STACKS_PYTHON_EACH … */
	__u8 tags;	  /* low bits of a frame's code that are no address */
	__u8 reserved[7];
};

/* Counters: one set for each CPU. */
struct stacks_counters {
	__u64 events;	   /* times the sampling event fired */
	__u64 idle;	   /* … on a CPU that had nothing to do */
	__u64 samples;	   /* records that the ring took */
	__u64 stacks;	   /* … */
	__u64 lost_sample; /* the ring was full */
	__u64 lost_stack;  /* the ring was full: the stack will be sent again when it is seen again
			    */
	__u64 kernel_error, no_scratch;
	__u64 switches, conflicts, lost_thread, lost_off;
	__u64 growth_taken, lost_growth;
};

/* The programs' knobs, set before they are loaded. */
struct stacks_config {
	__u32 wakeup_bytes; /* of the ring in use: then user space is woken */
	__u32 slot_mask;
};
