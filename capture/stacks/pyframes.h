/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of Python: which processes run it, told to the BPF programs, and what the frames mean that
 * these found.  A frame is a place in a code object of a process; each is looked at once, soon
 * after its first sample, for later the code object may be gone.
 */
#pragma once

#include "pyread.h"
#include "stackset.h"
#include "tasks.h"

struct emit;

enum pyframe_state { PYFRAME_KNOWN, PYFRAME_REPLACED, PYFRAME_UNREADABLE };

struct pyframe { /* stack_python.tsv */
	uint32_t process;
	uint32_t name, file; /* in texts */
	int32_t line, first_line;
	uint8_t state;
};

struct pyprocess {
	uint32_t pid;	 /* 0: this place is free */
	uint32_t parent; /* whose child it is without an exec; 0: none */
	uint8_t tries;
	bool known;
	struct python_build build;
};

struct pyframes {
	struct helper *helper;
	const struct strings *paths;
	int (*set)(void *ctx, uint32_t pid, const struct stacks_python *p); /* p NULL: remove */
	void *ctx;
	struct pyprocess *processes;
	uint32_t process_count, max_processes, known;
	struct intmap by_pid;
	struct pyframe *rows; /* number i + 1 */
	size_t count, max;
	struct intmap by_place;
	struct strings texts;
	char reason[160]; /* why the frames of one process cannot be seen */
	uint32_t reason_pid;
	uint64_t dropped, unsupported;
};

int pyframes_init(struct pyframes *p, const struct sysroot *root, const struct strings *paths,
		  size_t max_frames, uint32_t max_processes,
		  int (*set)(void *ctx, uint32_t pid, const struct stacks_python *v), void *ctx);
void pyframes_deinit(struct pyframes *p);

/* Those that run it before the first sample, as many as are looked at in so long. */
void pyframes_find(struct pyframes *p, uint64_t ns);
/* A process was sampled: does it run Python? */
void pyframes_look(struct pyframes *p, struct task *task);
void pyframes_fork(struct pyframes *p, uint32_t parent, uint32_t pid);
void pyframes_forget(struct pyframes *p, uint32_t pid);
/* The numbers of count frames, two words each, into out: address: the number (0: no room), exact:
 * the outermost one of a call, map: 1 + its native frame. */
void pyframes_take(struct pyframes *p, const struct task *task, const uint64_t *words,
		   uint32_t count, struct stack_frame *out);
int pyframes_write(const struct pyframes *p, struct emit *out);
