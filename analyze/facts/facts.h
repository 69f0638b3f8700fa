/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Typed facts: what an archive says, after it was parsed in the worker and checked again in the
 * renderer.  A fact is a flat struct described by a table of fields; that one table drives the
 * worker's encoder, the renderer's checking decoder and the TSV export, so adding a column is one
 * line.
 *
 * Numbers that were not measured are FACT_NONE (FACT_NONE_F for doubles), never 0.  Strings are
 * NUL-terminated valid UTF-8, bounded by their field's max, owned by the facts; a string that was
 * not measured is NULL.  They may hold any control character but NUL: whoever prints them escapes
 * them for the medium.  Sizes are bytes, times are seconds unless the name says otherwise.
 */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../capture/base/err.h"

#define FACT_NONE UINT64_MAX
#define FACT_NONE_F NAN

enum field_kind { FIELD_U64, FIELD_I64, FIELD_F64, FIELD_STR };

struct fact_field {
	const char *name;
	enum field_kind kind;
	uint32_t offset;
	uint32_t
		max; /* strings: bytes at most; longer ones are cut on a character and marked "…" */
};

struct fact_type {
	const char *name; /* also the name in --export tsv */
	uint16_t tag;	  /* on the wire */
	uint32_t size;	  /* of the struct */
	uint32_t max_rows;
	const struct fact_field *fields;
	uint32_t field_count;
};

/* ------------------------------------------------------------------ the types, one file each */

/* archive.c: one row; the head, the manifest and what verification found. */
struct fact_archive {
	const char *name, *tool, *format_version, *label, *ticket, *arguments;
	const char *sha256; /* of the file */
	const char *damage; /* first damage in words, NULL: none */
	uint64_t complete, damaged_members, refused_members, missing_members, cut, has_manifest,
		salvaged;
	uint64_t ends_between; /* cut, but between two members: by a capture that was killed */
	double captured_at;    /* start of the window, seconds since the epoch */
	double window_s;       /* really, not planned */
	double planned_s;
	double observer_cpu_s, observer_wall_s;
	uint64_t observer_max_rss_bytes, bytes_written;
	const char *interrupted; /* signal name or NULL */
	const char *hostname, *kernel, *os, *arch, *lockdown, *capabilities, *redaction;
	uint64_t cpus, page_size, euid, in_container;
	uint64_t malformed; /* lines and rows that could not be read and were left out */
};

struct fact_collector { /* archive.c */
	const char *name, *status, *reason, *notes;
	const char *loss; /* what was dropped, and how often: "mountinfo cut: 2", NULL: nothing */
	double cpu_s, start_s, end_s;
	uint64_t dropped, max_rss_bytes, abandoned_pid;
};

/* counter.c: /proc/meminfo (bytes), /proc/vmstat (as it is), … */
struct fact_counter {
	const char *file; /* "meminfo", "vmstat" … */
	const char *key;
	uint64_t first, last; /* first and last reading; equal when read once */
};

/* process.c: from the last reading; *_first from the first one. */
struct fact_process {
	uint64_t pid, ppid, starttime, kernel_thread, threads, mntns;
	const char *comm, *cmdline, *state, *cgroup; /* cgroup: of the memory hierarchy */
	uint64_t heap_bytes, file_bytes, shmem_bytes, swap_bytes, rss_bytes, locked_bytes,
		page_table_bytes;
	uint64_t heap_first_bytes;
	uint64_t rss_first_bytes; /* FACT_NONE when it started during the window */
	uint64_t hugetlb_bytes;	  /* of hugetlbfs, not part of the resident memory */
	uint64_t anon_huge_bytes; /* transparent; of the largest processes only, as the next two */
	uint64_t pss_bytes;	  /* resident, shared pages divided by who shares them */
	uint64_t private_bytes;	  /* resident and nobody else's: what its end would free */
	int64_t oom_score_adj;	  /* INT64_MIN: not measured */
	uint64_t utime_ticks, stime_ticks; /* over the window */
	uint64_t vanished;		   /* seen at the start only */
};

/* cgroup.c: one row per group of the memory hierarchy, from the last reading. */
struct fact_cgroup {
	const char *path;
	uint64_t version; /* 1 or 2 */
	uint64_t usage_bytes, limit_bytes /* FACT_NONE: none */, limit_known, effective_limit_bytes;
	uint64_t anon_bytes, file_bytes, active_file_bytes, inactive_file_bytes, shmem_bytes,
		slab_bytes;
	/* The largest of its slab caches: v1 before 5.9 only. */
	const char *slab_top;
	uint64_t slab_top_bytes;
	uint64_t slab_reclaimable_bytes, kernel_bytes, swap_bytes, dirty_bytes, mapped_bytes;
	uint64_t usage_first_bytes;
	uint64_t oom_kills, max_events; /* since the group was made */
	uint64_t dying_descendants;	/* v2 cgroup.stat */
	uint64_t children;		/* groups directly below, of this table */
	uint64_t slab_unreclaimable_bytes, kernel_stack_bytes, page_table_bytes, percpu_bytes;
	uint64_t sock_bytes;			   /* v2: of sockets; v1: of TCP's */
	uint64_t high_bytes, low_bytes, min_bytes; /* FACT_NONE: none, or not known */
	uint64_t processes;			   /* in the group itself */
	uint64_t under_oom; /* v1: 1 while its processes wait for somebody to free memory */
	uint64_t high_events;
	/* By the first reading; equal to the last when read once. */
	uint64_t high_events_first, max_events_first, oom_kills_first, dying_first;
	/* Stalled for memory since the group was made: some, all of its processes. */
	uint64_t pressure_some_us, pressure_some_first_us, pressure_full_us, pressure_full_first_us;
	uint64_t vanished; /* seen at the start only */
};

/* cgroup.c: one row per line of /proc/cgroups. */
struct fact_cgroup_controller {
	const char *name;
	uint64_t hierarchy, groups; /* groups: num_cgroups, dying ones included */
	uint64_t groups_first;	    /* at the start of the window */
};

/* mount.c */
struct fact_mount {
	uint64_t mntns, pid, id, parent, major, minor;
	const char *root, *mountpoint, *fstype, *source, *super_options;
	uint64_t host; /* 1: the namespace the capture ran in (pid 1's when it could be seen) */
};

/* container.c */
struct fact_container {
	const char *id, *runtime, *name, *namespace, *pod, *image;
};

/* scan.c: one row, from page_cache_scan.tsv */
struct fact_scan {
	const char *source, *reason;
	uint64_t one_in, pages_total, strata_total, strata_done, pages_read, finished, page_size,
		holes;
	uint64_t discarded, files_dropped;
	double scan_cpu_s, resolve_cpu_s;
	uint64_t meminfo_cached_before_bytes, meminfo_cached_after_bytes;
	uint64_t pair_one_in;  /* FACT_NONE: the sample has no pairs */
	uint64_t block_one_in; /* FACT_NONE: it has no blocks, or was not stopped */
	/* Frames of the dentry cache that were met, slabs of these that were read, objects in them.
	 */
	uint64_t dentry_frames, dentry_slabs, dentry_objects, dentries_dropped;
};

/* cache.c: page_cache_files, _samples, _pairs, _blocks, _cgroups, page_types */
struct fact_cache_file {
	uint64_t file, major, minor, ino, generation, nlink, size, nrpages, rdev_major, rdev_minor;
	const char *fstype, *s_id, *type, *state, *path;
	uint64_t truncated;
	uint64_t mtime,
		blocks; /* seconds since the epoch; 512 bytes each, of tmpfs swap included */
};
struct fact_cache_sample {
	uint64_t file, cgroup, state, pages;
};
struct fact_cache_pair { /* the second is FACT_NONE where it was no page cache */
	uint64_t pairs, file, cgroup, state, file2, cgroup2, state2;
};
struct fact_cache_block { /* FACT_NONE: no page cache; two and two are of one pair */
	uint64_t blocks, file, cgroup, file2, cgroup2, file3, cgroup3, file4, cgroup4;
};
struct fact_cache_cgroup {
	uint64_t cgroup, ino;
	const char *state, *path;
};
struct fact_cgroup_slab { /* of a group's own copy of the named slab cache; old kernels */
	uint64_t cgroup, pages;
	const char *cache;
};
struct fact_page_type {
	const char *kind;
	uint64_t pages;
};

/* dentry.c: names of a sample of slabs, in units of an eighth; which share of all says the rest */
struct fact_dentries {
	uint64_t major, minor, positive, negative, truncated;
	const char *fstype, *path; /* of the directory, within its file system */
};

/* shm.c: segments of System V, from /proc/sysvipc/shm at the end of the window */
struct fact_shm {
	uint64_t shmid, size, cpid, lpid, nattch, uid, rss_bytes, swap_bytes, ctime;
};
/* shm.c: mappings of shared memory of the processes that were asked, one row for each file */
struct fact_shm_map {
	uint64_t pid, major, minor, ino, bytes;
};

/* slab.c */
struct fact_slab {
	const char *name;
	uint64_t objects, active_objects, object_bytes, bytes, bytes_first;
	uint64_t reclaimable; /* 0, 1, FACT_NONE */
};

/* stack.c: timed stacks, as FORMAT.md says */
struct fact_stack_setting {
	const char *key, *value;
};
enum {
	STACK_ON_CPU,
	STACK_SLEEP,
	STACK_DISK,
	STACK_RUNNABLE,
	STACK_PREEMPTED,
	STACK_LOCK,
};
struct fact_stack_sample {
	uint64_t time_ns; /* since the start of the window */
	uint64_t state;	  /* STACK_ON_CPU, or why not */
	uint64_t thread, cpu, stack;
	uint64_t ns;	 /* off CPU: how long */
	uint64_t weight; /* off CPU: times 1/1024, for how many of its like it stands */
};
struct fact_stack_offcpu { /* exact sums of a thread in a state */
	uint64_t thread, state, total_ns, count;
	uint64_t longest_ns, longest_end_ns, longest_stack, longest_waker;
	uint64_t still_ns, still_stack; /* when the window ended; FACT_NONE: it was not so then */
};
struct fact_stack {
	uint64_t stack, process;
	const char *kernel; /* hex addresses, leaf first */
	const char *user;   /* MAPPING:HEX, leaf first; "!" behind: exact, no return address */
	const char *end;    /* how the user's half ended: root … */
	const char *by;	    /* how it was walked */
	uint64_t kernel_cut;
	const char *python;	/* FRAME[^[NATIVE]], leaf first: rows of fact_stack_python */
	const char *python_end; /* how that walk ended: whole … */
};
struct fact_stack_python { /* a place in a function of Python */
	uint64_t frame, process, line, first_line;
	const char *function, *file; /* NULL: the code object could not be read */
};
struct fact_stack_process {
	uint64_t process, pid, own;
	const char *comm, *exe, *cgroup;
};
struct fact_stack_thread {
	uint64_t thread, process, tid;
	const char *comm;
};
struct fact_stack_mapping {
	uint64_t mapping, process, start, end, offset, object;
};
struct fact_stack_object {
	uint64_t object, deleted, pid, no, debug;
	const char *kind, *build_id, *path, *state, *segments;
};
#define FACT_SYMBOL_MAX 4096
struct fact_stack_symbol {
	uint64_t object, offset, address, into, found_in;
	const char *function;  /* as in the symbol table; NULL: none */
	const char *demangled; /* NULL: nothing to demangle */
};

enum { GROWTH_FAULT, GROWTH_ALLOC };
struct fact_stack_growth { /* a sample of what was added to a heap */
	uint64_t time_ns, kind, process, thread, stack, address;
	uint64_t bytes; /* it stands for */
	uint64_t kept;	/* 1: still there when the window ended; FACT_NONE: not looked at */
};
struct fact_stack_grower { /* a process, by a count that is no sample */
	uint64_t process, pid, kind, start_ns, end_ns;
	uint64_t first_bytes, last_bytes, grown_bytes, calls;
	const char *reason; /* why it was not looked at all through; NULL: it was */
};

/* vmalloc.c: summed by caller */
struct fact_vmalloc {
	const char *caller;
	uint64_t bytes, areas;
};

/* zone.c */
struct fact_zone {
	uint64_t node;
	const char *zone;
	uint64_t free_pages, percpu_pages, min_pages, low_pages, high_pages, present_pages,
		managed_pages;
};

/* kernel_object.c: kernel_objects.tsv and kernel_holders.tsv */
struct fact_kernel_object {
	const char *kind;
	uint64_t id;	/* FACT_NONE: the sum of many small ones */
	uint64_t count; /* 0: objects of this kind could not be looked at */
	uint64_t bytes;
	uint64_t page_bytes; /* of these, in whole pages that no counter of the kernel has */
	uint64_t pool_bytes; /* beside those, in pages that a page pool has as well */
	uint64_t capacity, waiting, netns;
	const char *memory, *name, *detail;
};
struct fact_kernel_holder {
	const char *kind;
	uint64_t id, pid, fds;
};

/* huge_pool.c: of one size, on one node or (FACT_NONE) on all; in pages */
struct fact_huge_pool {
	uint64_t node, page_bytes, pages, free_pages, reserved, surplus;
};

/* allocation.c: a place in the kernel's code that holds 64 KiB or more */
struct fact_allocation {
	const char *place, *module, *function;
	uint64_t bytes, calls;
};

/*
 * delay.c: how often and how long, by process, kind and object; one type for all tables of
 * the probes of delays.  count, ns, amount and inner_ns are estimates for the time that the
 * probe covered, with the variances of the first two; seen is what they were made from, cut
 * how many of these began before they were watched (their ns is then a lower bound).
 */
struct fact_delay {
	const char *table; /* syscalls, proc_files, reclaim, sched_delay, block_io,
			      net_receive */
	uint64_t pid, parent, own, kthread, compat;
	const char *comm, *kind, *object;
	uint64_t seen, cut, count, ns, max_ns, amount, inner_ns;
	double count_var, ns_var;
	const char *histogram; /* "BUCKET:COUNT …", see model_delay_histogram() */
};

/* delay.c: one row for each probe: when it looked, and what it missed. */
struct fact_probe {
	const char *name, *source;
	uint64_t start_ns, end_ns; /* since the start of the window */
	uint64_t covered_ns, watched_ns, slices, events, lost, skipped;
};

/* heap.c: heaps that were looked into.  _start and _end: the two readings.  Counts and bytes are
 * estimates where one_in is more than 1. */
struct fact_heap {
	uint64_t pid; /* first, in all of these */
	uint64_t starttime;
	const char *comm;
	const char *runtime, *version; /* "python", "3.11.7"; "java", "native" */
	const char *allocator;	       /* "glibc", "jemalloc" …; NULL: not recognised */
	uint64_t one_in;
	uint64_t start_ms, end_ms;
	uint64_t anon_start, anon_end, swap_end; /* RssAnon, VmSwap */
	uint64_t read_bytes;
	/* glibc's heap and arenas: whole resident pages inside free blocks are trimmable. */
	uint64_t malloc_used, malloc_free, malloc_trimmable, malloc_unwalked;
	uint64_t cut;	    /* 1: time was up before the end */
	const char *reason; /* what could not be seen, NULL: nothing */
};
struct fact_heap_entry {
	uint64_t pid;
	const char *kind; /* "object" "allocator" "mapping" "counter" */
	const char *type;
	uint64_t count_start, count_end, bytes_start, bytes_end;
};
struct fact_heap_container { /* single objects, the largest */
	uint64_t pid;
	const char *type;
	uint64_t length_start, length_end, bytes_start, bytes_end;
};
struct fact_heap_sample {
	uint64_t pid, ms, anon_bytes;
};

/* guard.c: one row a line of fastoom's journals, in the archive's order */
struct fact_guard {
	const char *source; /* "guard": beside the capture; "fastoom": a service's */
	const char *event;  /* start reload state intent kill skip no-victim stop */
	const char *scope, *phase;
	const char *comm, *cmdline, *cgroup; /* of the victim, or of who was spared */
	const char *rule, *signal, *outcome, *reason, *pattern, *error;
	const char *missing;  /* start: what it cannot do there */
	const char *policies; /* start */
	const char *version;
	uint64_t time_ns; /* since the epoch */
	uint64_t dry_run, ok, pid, starttime, heap_bytes, freed_bytes;
	uint64_t available_bytes, total_bytes, consumption_bytes_per_s, need_bytes;
	uint64_t candidates_heap_bytes, processes_seen, victims_in_flight, records_lost, under_oom;
	int64_t oom_score_adj;
	double probability, tte_s, available_share, swap_free_share, busy_share;
	double refault_share_per_s, stalls_per_s, kswapd_cpus, exit_ms;
};
struct fact_guard_holder { /* what held the memory when nobody would have helped */
	uint64_t event;	   /* place of its row in guard, from 0 */
	const char *what;
	uint64_t bytes;
};

/* ------------------------------------------------------------------ the whole */

#define FACT_TABLE(type, name)                                                                     \
	struct {                                                                                   \
		struct type *rows;                                                                 \
		size_t count;                                                                      \
		size_t capacity;                                                                   \
		bool cut; /* max_rows was reached */                                               \
	} name

struct facts {
	FACT_TABLE(fact_archive, archive);
	FACT_TABLE(fact_collector, collectors);
	FACT_TABLE(fact_counter, counters);
	FACT_TABLE(fact_process, processes);
	FACT_TABLE(fact_cgroup, cgroups);
	FACT_TABLE(fact_cgroup_controller, controllers);
	FACT_TABLE(fact_mount, mounts);
	FACT_TABLE(fact_container, containers);
	FACT_TABLE(fact_scan, scan);
	FACT_TABLE(fact_cache_file, cache_files);
	FACT_TABLE(fact_cache_sample, cache_samples);
	FACT_TABLE(fact_cache_pair, cache_pairs);
	FACT_TABLE(fact_cache_block, cache_blocks);
	FACT_TABLE(fact_cgroup_slab, cgroup_slabs);
	FACT_TABLE(fact_cache_cgroup, cache_cgroups);
	FACT_TABLE(fact_page_type, page_types);
	FACT_TABLE(fact_dentries, dentries);
	FACT_TABLE(fact_shm, shm);
	FACT_TABLE(fact_shm_map, shm_maps);
	FACT_TABLE(fact_slab, slabs);
	FACT_TABLE(fact_stack_setting, stack_settings);
	FACT_TABLE(fact_stack_sample, stack_samples);
	FACT_TABLE(fact_stack_offcpu, stack_offcpu);
	FACT_TABLE(fact_stack, stacks);
	FACT_TABLE(fact_stack_python, stack_python);
	FACT_TABLE(fact_stack_process, stack_processes);
	FACT_TABLE(fact_stack_thread, stack_threads);
	FACT_TABLE(fact_stack_mapping, stack_mappings);
	FACT_TABLE(fact_stack_object, stack_objects);
	FACT_TABLE(fact_stack_symbol, stack_symbols);
	FACT_TABLE(fact_stack_growth, stack_growth);
	FACT_TABLE(fact_stack_grower, stack_growers);
	FACT_TABLE(fact_vmalloc, vmalloc);
	FACT_TABLE(fact_zone, zones);
	FACT_TABLE(fact_kernel_object, kernel_objects);
	FACT_TABLE(fact_kernel_holder, kernel_holders);
	FACT_TABLE(fact_huge_pool, huge_pools);
	FACT_TABLE(fact_allocation, allocations);
	FACT_TABLE(fact_delay, delays);
	FACT_TABLE(fact_probe, probes);
	FACT_TABLE(fact_heap, heaps);
	FACT_TABLE(fact_heap_entry, heap_entries);
	FACT_TABLE(fact_heap_container, heap_containers);
	FACT_TABLE(fact_heap_sample, heap_samples);
	FACT_TABLE(fact_guard, guard);
	FACT_TABLE(fact_guard_holder, guard_holders);
	struct arena *arena; /* strings and rows */
};

/* The types, each with where its table is in struct facts.  Ends with a NULL type. */
struct fact_slot {
	const struct fact_type *type;
	size_t table_offset;
};
extern const struct fact_slot fact_slots[];

int facts_create(struct facts **ret);
void facts_destroy(struct facts *f);
/* A new row of f's table of type t, nothing measured yet.  NULL: the table or the memory is
 * full. Earlier rows may move: keep indexes, not pointers, while adding. */
void *facts_add(struct facts *f, const struct fact_type *t);

/* FACT_NONE when there is no such counter. */
uint64_t facts_counter(const struct facts *f, const char *file, const char *key);
uint64_t facts_counter_first(const struct facts *f, const char *file, const char *key);
/* NULL when the collector is not in the manifest. */
const struct fact_collector *facts_collector(const struct facts *f, const char *name);
