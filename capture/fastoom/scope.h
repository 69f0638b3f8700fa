/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scope: the machine, or a memory cgroup with every ancestor whose limit binds it.  The group's
 * files stay open; a group that goes away is noticed by ENODEV on them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../base/err.h"
#include "../base/sysroot.h"
#include "config.h"
#include "machine.h"

#define SCOPE_LEVELS 5

/* Where the memory controller's hierarchy is mounted. */
struct hierarchy {
	int fd; /* the mount, O_PATH; -1: there is none */
	bool v2;
	char mount[128]; /* for messages */
	char root[128];	 /* what of the hierarchy the mount shows, "/" for all */
};

int hierarchy_open(struct hierarchy *h, const struct sysroot *root, struct err *e);
void hierarchy_close(struct hierarchy *h);

struct scope_level {
	int usage, limit, stat, events; /* -1: not there */
	uint64_t limit_bytes;		/* UINT64_MAX: none */
};

struct scope {
	enum scope_kind kind;
	unsigned policy;
	bool v2;
	char name[280];	     /* "node", "cgroup:/PATH", "pod:NS/NAME" */
	char path[256];	     /* in the hierarchy, "" for the machine */
	char proc_path[384]; /* the same as /proc/PID/cgroup has it */
	int dir;
	int swap_usage, swap_limit, oom_control, threshold; /* threshold: eventfd, v1 */
	struct scope_level levels[SCOPE_LEVELS];
	unsigned n_levels;

	/* the last reading */
	uint64_t total, available, swap_free, swap_total, usage, inactive_file, shmem, anon, kernel;
	uint64_t file_lru, refaults, hits, read_ns, deep_ns, last_use, last_usage;
	bool under_oom, deep;
	int binding, last_binding; /* which level has the least to have; -1: the machine */
	struct average use, use_fast, refault, stall, shmem_growth;
};

void scope_node(struct scope *s, unsigned policy);
/* path: in the hierarchy, with a leading slash. */
int scope_add_cgroup(struct scope *s, unsigned policy, enum scope_kind kind,
		     const struct hierarchy *h, const char *path, const char *name, struct err *e);
/* "cgroup:PATH": PATH absolute (with or without the mount point in front) or relative. */
void scope_path(const struct hierarchy *h, const char *where, char out[256]);
void scope_close(struct scope *s);

/* Read the group; the machine was read before.  -ENODEV: the group is gone. */
int scope_read(struct scope *s, const struct machine *m, uint64_t now_ns, bool deep, char *buf,
	       size_t cap);
void scope_features(const struct scope *s, const struct machine *m, struct features *ret);
double scope_consumption(const struct scope *s, const struct machine *m);
/* How fast shared memory (tmpfs) grows, bytes per second. */
double scope_shmem_growth(const struct scope *s, const struct machine *m);
uint64_t scope_available(const struct scope *s, const struct machine *m); /* with free swap */
/* What a victim's end makes smaller: the group's own usage, swap included. */
uint64_t scope_used(const struct scope *s, const struct machine *m);
uint64_t scope_shmem(const struct scope *s, const struct machine *m);
uint64_t scope_anon(const struct scope *s, const struct machine *m);
uint64_t scope_total(const struct scope *s, const struct machine *m);
/* v1: ask for an event when usage passes the share of the limit.  0, or why not. */
int scope_threshold(struct scope *s, double share);
