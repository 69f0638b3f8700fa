/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timed stacks with names: what the ranking, the picture and the exports are made of.  Columnar and
 * interned; samples refer to stacks, stacks to names.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct facts;
struct arena;

struct hot_name {	      /* distinct (function, module) */
	const char *function; /* demangled; "[unknown]" where there is no symbol */
	const char *module;   /* the file's last part, "[kernel]", a kernel module; never NULL */
	bool kernel;
	bool python; /* function is "NAME (FILE:LINE)", module the file's whole path */
};

/* "kernel", "python" or "native". */
static inline const char *hot_language(const struct hot_name *n)
{
	return n->kernel ? "kernel" : n->python ? "python" : "native";
}

struct hot_stack {
	uint32_t first, count; /* into frames; root first, the kernel's part last */
	bool truncated;	       /* it goes on below the first frame, and the rest is not known */
};

struct hot_thread {
	uint64_t pid, tid;			  /* FACT_NONE: not known */
	const char *comm, *process_comm, *cgroup; /* never NULL; cgroup "" when not known */
	bool own;				  /* the capture itself */
};

struct hot_sample {
	uint64_t time_ns;	     /* since the start of the window */
	uint32_t thread, stack, cpu; /* cpu UINT32_MAX: not known */
	uint8_t state;		     /* STACK_ON_CPU: one sample; else why not */
	uint64_t ns;	  /* for how long, and for others of its like that were not drawn */
	uint64_t took_ns; /* this one alone */
};

enum { GROWTH_GONE, GROWTH_STAYED, GROWTH_NOT_LOOKED_AT };

struct hot_growth { /* of a heap: a sample, in proportion to bytes */
	uint64_t time_ns;
	uint32_t thread, stack;
	uint8_t kind; /* GROWTH_FAULT, GROWTH_ALLOC */
	uint8_t kept; /* when the window ended: GROWTH_GONE … */
	uint64_t bytes;
};

struct hot_function {
	uint32_t name;
	uint64_t self, total; /* samples on the CPU; total counts a recursion once */
};

struct hot_wait { /* a thread off the CPU, in one state */
	uint32_t thread;
	uint64_t state; /* STACK_SLEEP … */
	double seconds; /* in the window, the last one that has not ended included */
	uint64_t count; /* times; FACT_NONE: not known */
	double still;	/* of it: off the CPU when the window ended; NaN: it was not */
	double longest, longest_end_ns; /* of those that ended; NaN: another state's was longer */
	uint32_t longest_stack;		/* of that one; 0: none */
	uint32_t stack;			/* the one it is in still, or else the longest one's */
	uint64_t waker;			/* tid that ended the longest; FACT_NONE: nobody known */
};

struct hot_second {	    /* the process that was hottest */
	uint64_t second;    /* of the window, from 0 */
	double cpu_percent; /* of one CPU; NaN: the rate is not known */
	uint32_t thread;    /* one of its threads */
	uint32_t name;	    /* its function with the most samples at the top of the stack */
	uint64_t samples;
};

struct hotspot {
	struct hot_name *names;
	size_t name_count;
	uint32_t *frames; /* indexes of names */
	size_t frame_count;
	struct hot_stack *stacks; /* [0] is the unknown one: no frames, truncated */
	size_t stack_count;
	struct hot_thread *threads; /* [0] is the unknown one */
	size_t thread_count;
	struct hot_sample *samples; /* by time */
	size_t sample_count;
	struct hot_growth *growth; /* by time */
	size_t growth_count;
	struct hot_function *functions; /* by self, then total, largest first */
	size_t function_count;
	struct hot_wait *waits; /* by seconds, longest first */
	size_t wait_count;
	struct hot_second *seconds; /* ascending; those with a sample of somebody else's */
	size_t second_count;

	double hz;						   /* NaN: not known */
	uint64_t on_cpu;					   /* samples of that state */
	uint64_t expected, received;				   /* FACT_NONE: not known */
	uint64_t lost_ring_full, lost_stack_error, lost_throttled; /* FACT_NONE: not counted */
	uint64_t start_ns, end_ns; /* of the window, when there were clocks; FACT_NONE */
	uint64_t unnamed_frames;   /* of samples on the CPU */
	uint64_t truncated;	   /* samples on the CPU whose stack is */
	bool cut;		   /* more than a table holds */
};

/* NULL in *ret when no stacks were captured.  0 or -ENOMEM. */
int hotspot_create(struct hotspot **ret, const struct facts *f, struct arena *a);

/* hotspot_rank.c, for hotspot_create(): functions and seconds.  weights: samples on the CPU of each
 * stack. */
int hotspot_rank(struct hotspot *h, struct arena *a, const uint64_t *weights);

/* Names that go into hotspot_create(), for whoever has an address. */
struct frame_namer;
int frame_namer_create(struct frame_namer **ret, const struct facts *f, struct arena *a);
/* An index into names; UINT32_MAX: no memory.  mapping 0: of the kernel's. */
uint32_t frame_namer_find(struct frame_namer *n, uint64_t mapping, bool kernel, uint64_t address);
/* Of a row of stack_python.tsv.  *ret_known: it has a name. */
uint32_t frame_namer_python(struct frame_namer *n, uint64_t frame, bool *ret_known);
/* Is it CPython's function that evaluates? */
bool frame_namer_evaluates(const struct frame_namer *n, uint32_t name);
size_t frame_namer_names(const struct frame_namer *n, struct hot_name **ret);
