/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loading BPF programs in a collector's child: may we, one at a time, and what to say if not. */
#pragma once

#include <stdbool.h>

#include "../collect.h"

struct bpf_object_skeleton;
struct bpf_object_open_opts;

/* For a collector's probe(): OK, or DENIED or UNSUPPORTED with the reason.  Loads nothing. */
void bpf_probe_ask(const struct capture_options *o, const struct sysroot *root,
		   struct probe_result *ret);

/*
 * libbpf holds the kernel's whole type information (some 10 MiB) while it loads: the children take
 * turns, for they share one memory budget.  Returns a descriptor to close() when done; −1 when the
 * turn did not come in time or there is no such lock here, and then one goes on without.
 */
int bpf_probe_lock(const struct collect *c);

/*
 * open() gives a skeleton that is open and not loaded (NULL: errno); it is loaded, and opened anew
 * when a signal came between.  0 or a negative errno with e set.  The caller destroys *ret.
 */
int bpf_probe_load(const struct collect *c,
		   struct bpf_object_skeleton *(*open)(void *ctx,
						       const struct bpf_object_open_opts *opts),
		   void *ctx, struct bpf_object_skeleton **ret, struct err *e);

/* Turn a failure of this room into the collector's status. */
void bpf_probe_status(struct collect *c, int r, const struct err *e);
