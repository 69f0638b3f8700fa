/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processes of a /proc, and which of them --pid and --cgroup leave. */
#pragma once

#include <stdint.h>

#include "../collect.h"

#define PIDS_MAX (1u << 18)

struct pids {
	uint32_t *pid; /* ascending */
	size_t count;
	uint64_t beyond; /* not listed: more than PIDS_MAX, or than memory allows */
};

/* Every numeric directory of r's /proc, or just options->pid.  0 or a negative errno. */
int pids_list(struct pids *ret, const struct capture_options *o, const struct sysroot *r,
	      struct err *e);
void pids_release(struct pids *p);
