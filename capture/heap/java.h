/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The heap of a HotSpot JVM: its counters, passively, and on request its histogram of classes. */
#pragma once

#include "../base/sysroot.h"
#include "census.h"
#include "regions.h"

/* Is libjvm.so mapped? */
bool java_find(const struct regions *regions);

/*
 * The counters that a JVM keeps in /tmp/hsperfdata_USER/PID, read where the JVM itself has that
 * file mapped: no file of the container is opened.  Spaces of the heap and metaspace go into the
 * census' present reading, collections as counters; version (may be NULL) gets "17.0.15+6".
 * 0, -ENOENT: it keeps none (-XX:-UsePerfData), -EBADMSG: not what is understood.
 * Source: PerfDataPrologue and PerfDataEntry of HotSpot's runtime/perfMemory.hpp, version 2.
 */
int java_counters(struct remote *r, const struct regions *regions, struct census *census,
		  char *version, size_t cap);

/*
 * The histogram of all classes by the attach protocol ("inspectheap -all"): the JVM stops its
 * threads while it counts, dead objects are counted too, so no collection is forced.  In a
 * process of its own, with the JVM's uid and gid, within its mount and pid namespace.
 * 0, or a negative errno with reason; limit_ns: how long it may take.
 */
int java_histogram(const struct sysroot *root, pid_t pid, uint64_t limit_ns, int cancel_fd,
		   struct census *census, char *reason, size_t cap);
