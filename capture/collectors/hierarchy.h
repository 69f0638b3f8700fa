/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the cgroup hierarchies that account memory are mounted, and what --cgroup means there. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "../base/err.h"
#include "../base/sysroot.h"

#define HIERARCHIES_MAX 2

struct hierarchy {
	const char *name; /* "memory" (v1) or "unified" (v2) */
	bool v2;
	char mount[512];  /* without the leading slash, for gather_open() */
	char prefix[512]; /* the path of the mounted group: "" for the root, else "/…" */
};

/*
 * From mountinfo of ourselves or, in a recording, of pid 1; where there is none, from the places
 * that systemd uses.  Of several mounts of a hierarchy the one that shows most of it is taken.
 * Returns how many were found, 0..2, v1 first.
 */
size_t hierarchies_find(const struct sysroot *r, struct hierarchy out[HIERARCHIES_MAX]);

/*
 * --cgroup PATH → the path as the kernel has it ("/a/b"): below a mount point of one of the
 * hierarchies, or from their root.  -EINVAL for "..", -ENAMETOOLONG.
 */
int hierarchy_path(const struct hierarchy *h, size_t count, const char *arg, char *out, size_t cap);

/* path is group itself or below it.  The root contains everything. */
bool hierarchy_below(const char *path, const char *group);

/* The line of /proc/PID/cgroup text that belongs to h (memory controller, or "0::").  Returns the
 * path inside text (not NUL-terminated, *ret_len bytes), or NULL. */
const char *hierarchy_of_process(const char *text, bool v2, size_t *ret_len);
