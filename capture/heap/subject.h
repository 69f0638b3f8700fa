/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process whose heap is looked at: chosen once, read twice. */
#pragma once

#include "../collect.h"
#include "census.h"
#include "glibc.h"
#include "java.h"
#include "python.h"

#define SUBJECTS_MAX 12u
#define SUBJECT_SAMPLES 32u

enum heap_runtime { HEAP_NATIVE, HEAP_PYTHON, HEAP_JAVA };

struct subject_reading {
	bool done;
	uint64_t ms; /* since the start of the window */
	uint64_t anon_bytes, swap_bytes;
	uint64_t read_bytes, cpu_ns;
	struct glibc_sum glibc;
	bool glibc_known; /* it is glibc's malloc, and was walked */
	bool cut;	  /* time was up before the end */
};

struct subject {
	uint32_t pid;
	uint64_t starttime;
	char comm[64];
	bool asked;  /* by --heap or --pid */
	bool attach; /* by --heap: its runtime may be asked, which may pause it */
	enum heap_runtime runtime;
	char version[64];
	const char *allocator; /* "glibc", "jemalloc" …, NULL: not known */
	struct python python;
	bool python_known;
	uint64_t one_in; /* share of its windows that are read */
	struct census census;
	struct subject_reading readings[2];
	char reason[256]; /* what could not be seen of it, and why */
	struct {
		uint64_t ms, bytes;
	} samples[SUBJECT_SAMPLES]; /* RssAnon over the window */
	size_t sample_count;
};

struct subjects {
	struct subject rows[SUBJECTS_MAX];
	size_t count;
	struct {
		uint32_t pid, pages;
	} * seen; /* all processes at the start, and their anonymous memory */
	size_t seen_count;
	uint64_t smaller; /* processes that were large enough but not among the largest */
	char group[1024]; /* of --cgroup */
	bool narrowed;
};

/* The processes with the most anonymous memory, and those asked for.  0 or a negative errno. */
int subjects_choose(struct subjects *ret, const struct collect *c);
/* Those that were small at the start and have grown since, where there is room for them. */
int subjects_choose_rising(struct subjects *s, const struct collect *c);
void subjects_free(struct subjects *s);

/* RssAnon and VmSwap.  False: it is gone, or another one has its pid. */
bool subject_status(const struct subject *s, const struct collect *c, uint64_t *ret_anon,
		    uint64_t *ret_swap);

/* One reading of its heap into readings[n].  cpu_ns: what it may cost.  What goes wrong is said in
 * s->reason; negative only when we ourselves cannot go on. */
int subject_read(struct subject *s, const struct collect *c, unsigned n, uint64_t cpu_ns);
