/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ladder, from what tells most to what tells least:
 *
 *   kcore, bpf   the kernel's own structures: every page, its file, its cgroup (kmem.h, scan.h)
 *   kpageflags   every page, its kind and its cgroup, but not its file (frames.h)
 *   procfs       no pages; how much is cached of what some process has open
 * (collectors/open_files.h)
 */
#pragma once

#include "frames.h"
#include "kmem.h"

struct kmem_rung {
	const char *name;	    /* as in page_cache_scan.tsv */
	struct kmem_source *source; /* of the kernel's memory, or NULL */
	struct frames *frames;	    /* of kpageflags, or NULL; both NULL: procfs */
	struct kmem_layout layout;  /* with source */
	bool refused;		    /* a higher rung is there, but not for us */
};

/*
 * Take the best rung that works, or the one that was asked for.  Every rung above that was tried
 * and failed stands in e, also on success.  ret stays where it is until kmem_leave(): source points
 * into it.  After a failure there is nothing to leave.
 */
int kmem_stand(struct kmem_rung *ret, const struct capture_options *o, const struct sysroot *root,
	       struct err *e);
void kmem_leave(struct kmem_rung *g);
