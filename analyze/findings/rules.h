/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules, one file each, and the words they share. */
#pragma once

#include <inttypes.h>
#include <string.h>

#include "../arena.h"
#include "../findings.h"

int rule_memory_near_oom(const struct model *m, struct findings *out);
int rule_page_cache_container(const struct model *m, struct findings *out);
int rule_page_cache_high(const struct model *m, struct findings *out);
int rule_shmem_small_files(const struct model *m, struct findings *out);
int rule_shmem_unattached(const struct model *m, struct findings *out);
int rule_shmem_high(const struct model *m, struct findings *out);
int rule_slab_reclaimable(const struct model *m, struct findings *out);
int rule_slab_negative_dentries(const struct model *m, struct findings *out);
int rule_slab_unreclaimable(const struct model *m, struct findings *out);
int rule_cgroup_dying(const struct model *m, struct findings *out);
int rule_memory_process_heap(const struct model *m, struct findings *out);
int rule_heap_growth(const struct model *m, struct findings *out);
int rule_heap_fragmented(const struct model *m, struct findings *out);
int rule_memory_kernel(const struct model *m, struct findings *out);
int rule_memory_huge_pages(const struct model *m, struct findings *out);
int rule_driver_memory(const struct model *m, struct findings *out);
int rule_memory_unaccounted(const struct model *m, struct findings *out);
int rule_cgroup_near_limit(const struct model *m, struct findings *out);
int rule_cgroup_throttled(const struct model *m, struct findings *out);
int rule_cgroup_oom_killed(const struct model *m, struct findings *out);
int rule_kubernetes_eviction(const struct model *m, struct findings *out);
int rule_hotspot_proc_readers(const struct model *m, struct findings *out);
int rule_hotspot_lock_contention(const struct model *m, struct findings *out);
int rule_hotspot_cpu_burst(const struct model *m, struct findings *out);
int rule_hotspot_sched_delay(const struct model *m, struct findings *out);
int rule_hotspot_blocking_io(const struct model *m, struct findings *out);
int rule_net_receive_delay(const struct model *m, struct findings *out);
int rule_reclaim_direct(const struct model *m, struct findings *out);
int rule_reclaim_kswapd(const struct model *m, struct findings *out);
int rule_guard_killed(const struct model *m, struct findings *out);
int rule_guard_no_victim(const struct model *m, struct findings *out);
int rule_capture_partial(const struct model *m, struct findings *out);

#define KIB (1024.0)
#define MIB (1024.0 * 1024)
#define GIB (1024.0 * 1024 * 1024)

/* On a large machine a share of memory that sounds little is plenty: this much is room. */
#define ROOM (4 * GIB)

/* Findings of one rule: the worst ones; the tables of the report have the rest. */
#define MAX_PER_RULE 10

/* Figures as doubles, NaN when not measured: comparisons with NaN are false, so a rule that asks
 * "is it more than" says nothing about what nobody measured. */
static inline double figure(uint64_t v)
{
	return v == FACT_NONE ? FACT_NONE_F : (double)v;
}
static inline double meminfo(const struct model *m, const char *key)
{
	return figure(facts_counter(m->facts, "meminfo", key));
}
/* How much a counter of /proc/vmstat grew between the two readings. */
double vmstat_delta(const struct model *m, const char *key);
/* Allocations that had to reclaim memory themselves, in the window; NaN: not measured. */
double direct_reclaims(const struct model *m);
/* MemAvailable, and what ZFS would give back of its cache, which no counter of the kernel has. */
double room_left(const struct model *m);
/* Length of the window in seconds, NaN when not known. */
double window_s(const struct model *m);

/* "228 MiB"; "10 s"; "1,234". */
const char *size_words(struct findings *out, double bytes);
const char *seconds_words(struct findings *out, double s);
const char *count_words(struct findings *out, double n);
/* bytes of total as a whole percentage, 0 when either is not known. */
int percent(double bytes, double total);
/* "container shop/api-7d9f/api", "pod shop/api-7d9f", "cgroup /system.slice/x.service". */
const char *cgroup_words(struct findings *out, const struct model_cgroup *g);
void scope_cgroup(struct findings *out, struct finding *f, const struct model_cgroup *g);
/*
 * A path from the archive inside a command that somebody will paste into a root shell: quoted where
 * it must be, and the placeholder where quoting does not make it safe to look at (control
 * characters, anything that is not ASCII) or it is no path of the host.
 */
const char *shell_word(struct findings *out, const char *path, const char *placeholder);
/* True when path is dir or below it. */
bool path_below(const char *path, const char *dir);

/* Files and the bytes of each that count. */
struct file_bytes {
	const struct model_file *file;
	double bytes;
};

/* The few files that make up most of a list, in words. */
struct file_words {
	size_t files;	    /* that are meant */
	double bytes;	    /* theirs */
	const char *phrase; /* "two log files under /var/log/app", "the file /data/x", "31 files" */
	const char *largest;   /* "/var/log/app/a.log (114 MiB), …", at most three */
	const char *directory; /* they all lie under it, NULL: no one directory */
	bool logs;
};
/* rows: largest first.  false when there is nothing to say. */
bool describe_files(struct findings *out, const struct file_bytes *rows, size_t count,
		    struct file_words *ret);

/* The files charged to g and to the groups below it, largest first, without shared memory.  The
 * caller frees *ret; NULL and 0 when the scan has none. */
int files_of_tree(const struct model *m, const struct model_cgroup *g, struct file_bytes **ret,
		  size_t *ret_count);
/* The same of the bytes that are on the active list. */
int active_files_of_tree(const struct model *m, const struct model_cgroup *g,
			 struct file_bytes **ret, size_t *ret_count);

/* Of a group's usage what no reclaim frees: neither file cache nor reclaimable slab.  NaN. */
double group_fixed(const struct fact_cgroup *c);
/* How much a counter grew over the window; NaN: not measured twice. */
double group_delta(uint64_t first, uint64_t last);
/* What Kubernetes would do about a pod's or container's memory; nothing of other groups. */
void group_in_kubernetes(const struct model *m, struct findings *out, struct finding *f,
			 const struct model_cgroup *g);
