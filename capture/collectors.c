/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of collectors: one line and one file each.  The order is the order of the plan. */
#include "collect.h"

extern const struct collector collector_host, collector_memory, collector_processes,
	collector_cgroups, collector_mounts, collector_containers, collector_page_cache,
	collector_guard, collector_kernel_objects, collector_syscalls, collector_reclaim,
	collector_heaps, collector_stacks, collector_sched_delay, collector_block_io,
	collector_net_receive;

const struct collector *const collectors[] = {
	&collector_host,
	&collector_memory,
	&collector_processes,
	&collector_cgroups,
	&collector_mounts,
	&collector_containers,
	&collector_page_cache,
	&collector_stacks,
	&collector_kernel_objects,
	&collector_guard,
	&collector_syscalls,
	&collector_reclaim,
	&collector_heaps,
	&collector_sched_delay,
	&collector_block_io,
	&collector_net_receive,
	NULL,
};
