/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page frames as /proc/kpageflags and /proc/kpagecgroup show them: of each its kind, state and
 * cgroup.  Not its file.  A group that is gone is shown as the nearest one above it that is not.
 */
#pragma once

#include "scan.h"

struct frames;

/* -EACCES, -EPERM: no privilege; -ENOENT: this kernel has no such file. */
int frames_open(struct frames **ret, const struct sysroot *root, struct err *e);
void frames_close(struct frames *f);

/* As scan_run(); of the configuration memory and resolve_deadline_ns are not used. */
int frames_scan(struct frames *f, const struct scan_config *c, struct err *e);
const struct scan_result *frames_result(const struct frames *f);
/* As scan_auto_one_in(). */
uint32_t frames_auto_one_in(const struct frames *f, uint64_t cpu_ns);

struct frames_count {	     /* pages of the cache */
	uint64_t cgroup_ino; /* of its directory; 0: none, or not known */
	unsigned state;	     /* enum page_state */
	uint64_t pages;
};
/* By cgroup and state.  Valid until frames_close(). */
size_t frames_counts(struct frames *f, const struct frames_count **ret);
/* Pages whose group did not fit into the table; they are counted without one. */
uint64_t frames_without_room(const struct frames *f);
/* Whether the kernel tells the cgroup of a page. */
bool frames_has_cgroups(const struct frames *f);

/* What one word of kpageflags says; KIND_FILE and KIND_SHMEM: *ret_state is set. */
enum page_kind frame_kind(uint64_t flags, unsigned *ret_state);
