/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the BPF programs know of processes: their executable mappings, each with the rows of its
 * file's unwind table.  Filled in when a stack did not reach the thread's start: the process first,
 * then the files it went through, each once.
 */
#pragma once

#include "../../bpf/stacks.h"
#include "maker.h"
#include "tasks.h"

enum unwind_state {
	UNWIND_UNKNOWN, /* nobody needed it yet */
	UNWIND_QUEUED,
	UNWIND_TABLE,	/* rows [first, last) */
	UNWIND_POINTER, /* it has no table: by frame pointers */
	UNWIND_FAILED,	/* it cannot be read, or does not fit */
};

struct unwind_file {
	uint64_t ino;
	uint32_t major, minor;
	uint32_t path; /* in tasks.paths */
	enum unwind_state state;
	int no;
	uint32_t first, last, epoch; /* epoch: when it got its state */
	/* A mapping of it, for whoever opens it. */
	uint32_t pid;
	uint64_t start, end;
	uint32_t load_count;
	struct maker_load loads[MAKER_LOADS];
};

/* The two maps of the programs; a test gives functions of its own. */
struct unwind_target {
	struct stacks_mapping *mappings;
	uint32_t max_mappings;
	int (*set)(void *ctx, uint32_t pid, const struct stacks_process *p); /* p NULL: remove */
	void *ctx;
};

struct unwinder {
	struct tasks *tasks;
	struct unwind_target target;
	struct maker maker;
	struct unwind_file *files;
	uint32_t file_count, max_files;
	struct intmap by_file; /* device and inode → file */
	uint32_t *queue;
	uint32_t queue_first, queue_count;
	uint32_t mappings_used, epoch;
	bool changed; /* a file got its table: those published are to be brought up to date */
	uint64_t evicted_ns;
	uint64_t dropped_files, tables, failed, restarts, evictions;
};

int unwinder_init(struct unwinder *u, struct tasks *t, const struct unwind_target *target,
		  const struct sysroot *root, struct stacks_row *rows, uint32_t max_rows,
		  uint32_t max_files);
void unwinder_deinit(struct unwinder *u);

/* A stack of task ended at address for want of a table, or because the process is not known. */
void unwinder_want(struct unwinder *u, struct task *task, uint64_t address);
void unwinder_forget(struct unwinder *u, uint32_t pid);
/* Ask for the next table, take the last one, publish what changed.  Cheap when nothing did. */
void unwinder_turn(struct unwinder *u, uint64_t now);
/* Nothing is being made: nothing to wait for. */
static inline bool unwinder_idle(const struct unwinder *u)
{
	return !u->maker.busy && !u->queue_count;
}
