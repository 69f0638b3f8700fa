/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes and threads over time: what each had mapped at the time of a sample.
 *
 * A process is known from its first sample on (then /proc is read), or from its fork or exec on
 * (then the kernel's events tell everything).  A child shares its parent's mappings until either
 * changes them.  An exec makes another process of the same pid.
 */
#pragma once

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "intmap.h"
#include "procread.h"
#include "strings.h"

struct task_map {
	uint64_t start, end, offset, ino;
	uint32_t major, minor;
	uint32_t path; /* in tasks.paths */
	uint32_t file; /* 1 + number in the unwinder's table of files; 0: not looked up */
};

struct task_maps {
	uint32_t shared_by, count, capacity;
	struct task_map *rows; /* executable ones only, by start */
};

struct task {
	uint32_t pid, ppid;
	uint32_t row;	 /* of stack_processes.tsv, from 1; 0: nothing was sampled yet */
	uint32_t cgroup; /* in tasks.paths; 0: not known */
	uint32_t maps_serial;
	struct task_maps *maps; /* NULL: not known */
	char comm[16];
	bool used, exited, asked; /* asked: /proc has been read, or could not be */
	bool exec;		  /* since its exec the events have told everything */
	bool own;		  /* of this capture */
	uint64_t exited_ns;
	uint32_t python_serial; /* pyframes_look()'s: 1 + maps_serial when it last looked */
	/* The unwinder's. */
	uint32_t published_first, published_count, published_serial, published_epoch;
};

struct task_row { /* stack_processes.tsv */
	uint32_t pid, ppid;
	uint32_t cgroup; /* in paths */
	bool own;
	char comm[16];
};

struct thread_row { /* stack_threads.tsv */
	uint32_t tid, process;
	uint64_t cgroup;
	char comm[16];
};

struct tasks_limits {
	uint32_t tasks, maps, processes, threads, path_bytes;
};
extern const struct tasks_limits tasks_default_limits;

struct tasks {
	struct tasks_limits limits;
	struct task *tasks; /* places never move once taken */
	size_t count, free_count;
	uint32_t *free;
	struct intmap by_pid, by_tid;
	struct strings paths;
	uint32_t maps_in_use; /* rows of all sets together */
	struct task_row *rows;
	size_t row_count;
	struct thread_row *threads;
	size_t thread_count;
	struct helper *procread;
	uint32_t capture_pid; /* of the tool itself: its children are `own` */
	uint64_t dropped_tasks, dropped_maps, dropped_rows, unreadable;
};

int tasks_init(struct tasks *t, const struct tasks_limits *limits, const struct sysroot *root,
	       pid_t capture_pid);
void tasks_deinit(struct tasks *t);

/* One of the kernel's records, in order of time.  *ret_gone: pid of a process that ended or became
 * another program, or 0. */
void tasks_event(struct tasks *t, const struct perf_event_header *h, uint32_t *ret_gone);
/* Is it the exec (of any of its threads) or the end of a process? */
bool tasks_event_end(const struct perf_event_header *h, uint32_t *ret_pid, bool *ret_exec);
/* Is it the fork of a process? */
bool tasks_event_fork(const struct perf_event_header *h, uint32_t *ret_parent, uint32_t *ret_pid);
/* Its time, or 0. */
uint64_t tasks_event_time(const struct perf_event_header *h);

/* The process of a sample, with a row.  comm: of a thread of it, in case nobody knows a better one.
 * ask: /proc, for it has addresses to be named. NULL: no room. */
struct task *tasks_sampled(struct tasks *t, uint32_t pid, const char *comm, bool ask);
/* The row of a sample's thread, from 1; 0: no room.  cgroup 0: not known. */
uint32_t tasks_thread(struct tasks *t, const struct task *task, uint32_t tid, uint64_t cgroup,
		      const char *comm);
/* The executable mapping that holds address, or NULL. */
struct task_map *tasks_find_map(const struct task *task, uint64_t address);
/* Forget those that ended before. */
void tasks_sweep(struct tasks *t, uint64_t before_ns);
