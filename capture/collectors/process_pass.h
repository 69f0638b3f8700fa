/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to the processes collector: one walk over processes, each kind of file in a pack. */
#pragma once

#include "gather.h"
#include "pids.h"

/* A process as it was seen: the same one again when pid, start time and name agree.  (The name
 * changes with exec, and so does what is read but once.) */
struct process {
	uint32_t pid;
	uint32_t comm; /* a hash */
	uint64_t starttime, rss_pages;
	bool kernel_thread; /* has no limits, exe and command line worth reading */
	bool has_fixed, has_cmdline;
};

struct process_list {
	struct process *p; /* ascending by pid */
	size_t count, cap;
};

struct pass {
	struct collect *c;
	struct gather_clock clock;
	char *buf; /* GATHER_CHUNK */
	char entry[64];
	bool narrowed;
	char group[1024]; /* of --cgroup */
	struct process_list before, now;
	uint64_t seen, vanished, late;
	struct {
		const char *file;
		int no;
		uint64_t count;
	} refused; /* the first kind of refusal, and how many of any */
	uint64_t exe_refused;
	uint64_t cmdlines_late, cmdlines_refused, redacted;
	int cmdline_error;
	uint32_t stuck[16];
	unsigned stuck_count;
	pid_t abandoned;
};

int pass_init(struct pass *p, struct collect *c);
void pass_deinit(struct pass *p);

/* What changes: the files of every process, with stat first, into a pack of its own.  Those that
 * have a stat are added to list. */
int pass_files(struct pass *p, const struct pids *pids, const char *const *files, size_t count,
	       struct process_list *list);
/* What does not change: limits and exe, of those in list that lack them, until time runs out.
 * What was read is marked in list. */
int pass_fixed(struct pass *p, struct process_list *list);
/* The same for the command lines.  Returns how many were left, or a negative errno of the pipe. */
long pass_cmdlines(struct pass *p, struct process_list *list);

/* smaps_rollup of the largest of list, each once.  0, or a negative errno of the pipe. */
int pass_smaps(struct pass *p, const struct process_list *list);

/* Their mappings of shared memory, likewise. */
int pass_maps(struct pass *p, const struct process *of, size_t count);

/* For process_cmdline.c and process_smaps.c. */
int process_open(const struct sysroot *r, uint32_t pid);
ssize_t process_read(const struct sysroot *r, int dir, const char *file, char *buf, size_t cap,
		     bool *ret_cut);
bool process_is_gone(int no);
const char *process_entry(struct pass *p, uint32_t pid, const char *file);
