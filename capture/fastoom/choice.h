/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who would go first, and who never.  One pass over the processes of a scope: statm says for every
 * one what its end would free (resident − shared = anonymous), and only who has enough is looked
 * at further.  Order: oom_score_adj near 999, then the place in the prefer list, then heap.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/sysroot.h"
#include "config.h"
#include "reader.h"
#include "scope.h"

#define CHOICE_MAX 64
#define CHOICE_ADJ_FIRST 990
#define CHOICE_ANCESTORS 32
#define CHOICE_EXCLUDED 64
#define MIB (1ULL << 20)

enum why_not {
	NOT_SMALL,	/* below the worth floor */
	NOT_AVOID,	/* the allowlist */
	NOT_PROTECTED,	/* oom_score_adj -1000 */
	NOT_SELF,	/* the guard, its ancestors, pid 1 and 2 */
	NOT_PID1,	/* first process of a pod, spared on request */
	NOT_UNREADABLE, /* its command line hangs, so the allowlist cannot be asked */
	NOT_DYING,	/* a victim of ours that has not gone yet */
	NOT_LEAVING,	/* exiting already, by itself or by others' hands */
	NOT_CAPTURE,	/* works for a running capture, which is asked as a whole */
	NOT_FREEING,	/* the same, and its memory is being given back right now: size unknown */
	NOT_REASONS
};

struct candidate {
	pid_t pid, pgrp, parent;
	pid_t speaker; /* thread that can be asked: another one where the leader has exited */
	uint64_t starttime, heap;
	int adj;
	uint8_t tier; /* index in the prefer list; n_prefer: not named */
	bool first;   /* adj near 999 */
	bool capture; /* a running ossnap-capture: gives way before all others */
	bool ours;    /* and it is the one that started us: it is asked, never made to */
	char comm[64];
};

struct spared {
	pid_t pid;
	uint64_t heap;
	enum why_not why;
	int pattern; /* NOT_AVOID: index in the pool */
	char comm[64];
};

struct choice {
	struct candidate top[CHOICE_MAX]; /* best first */
	unsigned n;
	uint64_t seen, eligible, eligible_heap;
	uint64_t not_counts[NOT_REASONS], not_heap[NOT_REASONS];
	struct spared spared; /* the largest of those spared for a reason other than size */
	uint64_t took_ns;
};

struct chooser {
	const struct sysroot *root;
	const struct config *config;
	struct readers *readers;
	int proc_dir; /* /proc, for its names */
	uint64_t page;
	pid_t self, ancestors[CHOICE_ANCESTORS];
	unsigned n_ancestors;
	struct {
		pid_t pid;
		uint64_t starttime;
	} excluded[CHOICE_EXCLUDED]; /* pending victims */
	unsigned n_excluded;
	/* of the pass that runs */
	const struct scope *scope;
	const struct policy *policy;
	uint64_t floor;
	struct choice *out;
	void (*listen)(void *ctx, const struct spared *s); /* --check: hears of everybody spared */
	void *listen_ctx;
};

int chooser_init(struct chooser *c, const struct sysroot *root, struct readers *readers,
		 pid_t self);
/* need: bytes wanted; total: of the scope.  0, or -errno when the processes cannot be listed. */
int choose(struct chooser *c, const struct config *config, const struct scope *scope, uint64_t need,
	   uint64_t total, struct choice *ret);
/* Call fn for every pid of the scope. */
int each_pid(const struct chooser *c, const struct scope *scope, int (*fn)(void *ctx, pid_t pid),
	     void *ctx);
uint64_t worth_floor(uint64_t need, uint64_t total);
/* Everything about one process; -ENOENT, or -EPERM with *ret_why when it may never be killed. */
int consider(struct chooser *c, pid_t pid, struct candidate *ret, struct spared *ret_why);
/* May this one, chosen before, still be killed?  Same start, still allowed, still in the scope.
 * ret: as identity_of() saw it. */
int confirm(struct chooser *c, const struct candidate *v, struct identity *ret,
	    struct spared *ret_why);
const char *why_not_text(enum why_not why);
