/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which stacks made the heaps grow: a bounded sample of the page faults that added anonymous
 * memory, and for each whether that memory is still there when the window ends.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/sysroot.h"

struct emit;

enum { GROWTH_GONE = 0, GROWTH_KEPT = 1, GROWTH_UNKNOWN = 2 };

struct growth_row {
	uint64_t time, address, bytes;
	uint32_t pid, process, thread, stack; /* rows of the other tables; 0: not known */
	uint32_t kind;			      /* STACKS_GROWTH_… */
	uint32_t kept;
};

struct growth_process { /* counted, not sampled */
	uint32_t pid, process, kind;
	/* Of faults first and last size; of allocations the sum of all. */
	uint64_t first_bytes, last_bytes, grown_bytes, calls;
	uint64_t start_ns, end_ns;
	char reason[256]; /* why it was not looked at all through; "": it was */
};

struct growth {
	struct growth_row *rows; /* shared with the child that asks what is still there */
	size_t count, max;
	struct growth_process *processes;
	size_t process_count, process_max;
	uint32_t thin; /* each row stands for so many: room was made by chance */
	uint64_t seed, dropped;
	pid_t left_behind;
};

/* max: rows at most.  -ENOMEM. */
int growth_init(struct growth *g, size_t max_rows, size_t max_processes);
void growth_deinit(struct growth *g);
/* When it is full half of them go, and the others weigh double. */
void growth_add(struct growth *g, const struct growth_row *row);
/* Page faults from `from` to `to` stand for those until `until` too, when nobody looked. */
void growth_scale(struct growth *g, uint64_t from, uint64_t to, uint64_t until);
/* A number below n, by chance. */
uint64_t growth_chance(struct growth *g, uint64_t n);
/* A sample of what is drawn with probability 1 − exp(−size / rate) stands for so many bytes. */
uint64_t growth_weight(uint64_t size, uint64_t rate);
void growth_add_process(struct growth *g, const struct growth_process *p);
/* Fill in `kept`.  A child reads /proc/PID/pagemap, for that waits for a lock which a stuck process
 * may hold for ever.  0; -ETIMEDOUT: what it did not come to stays unknown. */
int growth_check(struct growth *g, const struct sysroot *root);
/* tables/stack_growth.tsv and stack_growth_processes.tsv; times are given since origin_ns. */
int growth_write(const struct growth *g, struct emit *out, uint64_t origin_ns);
