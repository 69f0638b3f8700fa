/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What follows from the facts before anyone judges it: files with their paths on the host and in
 * the container, estimates with intervals, cgroups with their containers, memory in disjoint
 * parts.  Pure: the same facts give the same model.  Everything here is what the report shows and
 * the findings read; strings and rows live in the model's arena or in the facts.
 */
#pragma once

#include "delays.h"
#include "hotspot.h"
#include "facts/facts.h"

struct estimate { /* bytes with a 95% interval; low == high == bytes when exact */
	double bytes, low, high;
};

struct model_group_slab {
	const char *cache;
	struct estimate bytes;
};

struct model_cgroup {
	const struct fact_cgroup *fact; /* NULL: only known from the page cache (dying, say) */
	const char *path;
	const char *namespace, *pod, *container, *runtime; /* NULL when it is no container's */
	const char *name; /* what people call it: "ns/pod/container", container name, or path */
	const char *qos;  /* of Kubernetes: Guaranteed, Burstable, BestEffort; NULL: no pod's */
	bool dying;
	uint64_t limit_bytes;	   /* effective: minimum over the ancestors; FACT_NONE: none */
	uint64_t workingset_bytes; /* usage − inactive_file, as the kubelet counts it */
	uint64_t request_bytes;	   /* as the kubelet was told it, to 0.1% of memory; FACT_NONE */
	struct estimate cached;	   /* by the scan; NaN when not scanned */
	struct model_file_share *files; /* largest first */
	size_t file_count;
	/* Of its own copies of slab caches, which hold it when it is deleted; only old kernels have
	 * such.  NaN: none were seen. */
	struct estimate slab;
	struct model_group_slab *slabs; /* largest first */
	size_t slab_count;
};

struct model_file {
	const struct fact_cache_file *fact;
	const char *path;	    /* on the host; for unnamed and unresolved ones a label in [] */
	const char *container_path; /* NULL: same or not in a container */
	uint64_t cached_bytes;	    /* exact: nrpages */
	struct estimate active, dirty;
	bool shmem;
	/* Of shared memory. */
	uint64_t swapped_bytes;		    /* FACT_NONE: not known */
	const struct fact_shm *segment;	    /* System V, or NULL */
	const struct fact_process *maker;   /* of the segment, when it still runs */
	const struct fact_process *mapper;  /* who maps most of it, of those asked; or NULL */
	uint64_t mapped_bytes, mappers;	    /* by it; how many of those asked map it */
	const struct fact_process *holder;  /* who has it open, of one without a name; or NULL */
	struct model_cgroup_share *cgroups; /* largest first */
	size_t cgroup_count;
};

struct model_file_share {
	const struct model_file *file;
	struct estimate bytes;
	double active; /* bytes of it on the active list */
};
struct model_cgroup_share {
	const struct model_cgroup *cgroup;
	struct estimate bytes;
};

struct model_directory { /* many files of shared memory, rolled up */
	const char *path;
	uint64_t files, bytes, largest_bytes;
	/* The same as estimates: a sampled scan does not find every small file. */
	struct estimate files_interval, bytes_interval;
	uint64_t deleted;		/* of the files found */
	uint64_t swapped_bytes, oldest; /* of the files found; oldest: seconds since the epoch */
};

struct model_file_system { /* all files of it in the page cache */
	const char *fstype;
	uint64_t major, minor;
	const char *mountpoint; /* on the host, the shortest; NULL: of no mount of the host */
	struct estimate files, bytes;
};

struct model_dying_parent { /* where deleted groups piled up */
	const char *path;
	uint64_t groups;       /* directly below it, at least */
	uint64_t groups_first; /* at the start of the window; FACT_NONE */
	uint64_t found;	       /* of these, those the scan met */
	double cached;	       /* page cache charged to those; NaN: none met */
};

struct model_eviction { /* a pod, in the order in which the kubelet would evict them */
	const struct model_cgroup *pod;
	double above; /* bytes of working set above its request */
};

struct model_dentry_tree { /* a directory with all below it */
	const char *path;  /* on the host */
	const char *fstype;
	struct estimate dentries, negative; /* numbers, not bytes */
	double own;			    /* of the dentries those directly in it */
	double bytes;			    /* of the dentry cache */
};

struct model_slab_cause { /* the directory tree that fills a cache of names or inodes */
	const struct fact_slab *slab;
	const char *path;	      /* NULL: no one tree */
	double share, negative_share; /* of the cache's objects */
};

struct model_program { /* processes of one name; sums of what was measured of them */
	const char *comm;
	const struct fact_process *largest;
	const char *cgroup; /* they are all in it; NULL: in several */
	uint64_t count, threads;
	uint64_t heap_bytes, swap_bytes, file_bytes, shmem_bytes, hugetlb_bytes;
	double heap_grown; /* of those that were there at both ends; NaN: of none */
};

/* Kernel objects of one kind that one process holds, or that nobody holds by a descriptor. */
struct model_holding {
	const char *kind;		    /* as in kernel_objects.tsv */
	uint64_t pid;			    /* FACT_NONE: no descriptor leads to them */
	const struct fact_process *process; /* NULL: none, or gone when processes were read */
	const struct model_cgroup *cgroup;  /* of the process; NULL: not known */
	uint64_t bytes, objects, waiting;
	const struct fact_kernel_object *largest;
	uint64_t shared_with;		  /* other processes that hold some of them too */
	const struct fact_process *other; /* the first of these */
};

/* What a process has of a graphics device, by its clients of the device's driver. */
struct model_gpu_use {
	const char *device; /* "DRIVER PCI-ADDRESS", or the driver alone */
	uint64_t pid;	    /* FACT_NONE: not known whose */
	const struct fact_process *process;
	uint64_t vram_bytes, ram_bytes; /* FACT_NONE: the driver tells none */
};

/* A heap that was looked into, with what it is made of. */
struct model_heap {
	const struct fact_heap *fact;
	const struct fact_heap_entry **entries; /* by bytes, largest first */
	size_t entry_count;
	const struct fact_heap_container **containers; /* the same */
	size_t container_count;
	uint64_t anon_bytes;	  /* of the last reading; FACT_NONE: none */
	uint64_t explained_bytes; /* of it, by objects of a type; FACT_NONE: no types known */
	double grown_bytes;	  /* of RssAnon over the window; NaN: not measured */
	double steady;		  /* share of its samples' intervals in which it grew; NaN */
	double late;		  /* share of the growth that came in the second half; NaN */
	double grown_s;		  /* between the two readings */
};

struct model_site {    /* a function at which a heap grew, whatever called it */
	uint32_t name; /* of hotspot->names; UINT32_MAX: the stacks that have none of the program's
			*/
	uint32_t caller;	  /* UINT32_MAX: not known */
	uint32_t stack;		  /* of hotspot->stacks: the one with the most bytes of it */
	double came, kept, error; /* bytes; kept ± error is a 95% interval; NaN both: not known */
	double unknown;		  /* of came: whether it stayed was not looked at */
	uint64_t samples;
};

/* A process' heap and the stacks at which it grew. */
struct model_growth {
	uint64_t pid;
	const char *comm, *cgroup;
	uint64_t kind;	    /* GROWTH_FAULT: who touched new pages; GROWTH_ALLOC: who allocated */
	double grown_bytes; /* of RssAnon over the window; NaN: not measured */
	double came, kept; /* estimates: what was added, and what of it was there at the end; NaN */
	double named;	   /* of kept: with a function of the program's; NaN */
	double unknown;	   /* of came: whether it stayed was not looked at */
	double scale;	   /* from the time it was looked at to that of grown_bytes */
	double explained;  /* share of the growth that is named; NaN: it did not grow */
	double watched_s;  /* part of the window in which it was looked at; NaN */
	const char *reason;	  /* why not all of it, or NULL */
	struct model_site *sites; /* by kept, largest first */
	size_t site_count;
};

struct model_account { /* one kind of memory by the frames the scan saw, and by the counters */
	const char *what, *kinds, *counters;
	const char *about; /* what an honest difference may be, or NULL */
	struct estimate frames;
	double counted;	   /* at the end of the window; NaN: no such counter */
	double difference; /* frames − counted */
	double reach;	   /* of both: the interval, and what the counters moved meanwhile */
	bool agrees;
};

struct memory_part {
	const char *id, *label;
	uint64_t bytes;
	const char *source; /* where it was measured, in the kernel's words */
};

struct model {
	const struct facts *facts;
	struct memory_part *parts; /* only measured ones, in the contract's order */
	size_t part_count;
	uint64_t memory_total, memory_available; /* FACT_NONE */
	int64_t unaccounted;			 /* total − Σ parts; INT64_MIN: not measured */

	struct model_file *files; /* largest first */
	size_t file_count;
	struct model_cgroup *cgroups; /* by usage, largest first */
	size_t cgroup_count;
	const struct fact_process **processes; /* by heap + swap, largest first */
	size_t process_count;
	const struct model_cgroup **process_cgroups; /* of each, or NULL: the root, or not known */
	/* Of each row of the facts' processes, by the clients of DRM drivers that it holds;
	 * FACT_NONE: it has none.  NULL: nobody has. */
	uint64_t *process_vram;
	struct model_program *programs; /* by heap + swap, largest first */
	size_t program_count;
	struct model_directory *shm_directories; /* largest first */
	size_t shm_directory_count;
	struct model_file_system *file_systems; /* largest first; NULL: not scanned */
	size_t file_system_count;
	const struct fact_slab **slabs; /* largest first */
	size_t slab_count;

	/* Places in the kernel's code that allocated what is in no part, where the kernel tells. */
	const struct fact_allocation **uncounted; /* largest first */
	size_t uncounted_count;

	struct model_account *accounts; /* NULL: not scanned */
	size_t account_count;

	struct model_holding *holdings; /* largest first */
	size_t holding_count;
	struct model_gpu_use *gpu_uses; /* by device, then pid */
	size_t gpu_use_count;
	bool gpu_seen;		  /* although it may not be known of which device */
	struct model_heap *heaps; /* by anonymous memory, largest first */
	size_t heap_count;
	struct model_growth *growth; /* by kept, largest first; none of the capture itself */
	size_t growth_count;
	bool growth_captured;
	bool heaps_captured;		 /* although there may be none that is large enough */
	const struct fact_guard **guard; /* by time */
	size_t guard_count;
	double dentries, dentries_unused, dentries_negative; /* numbers; NaN: not measured */
	double dentry_bytes;
	uint64_t dentry_slabs_read;		/* 0: not sampled */
	struct model_dentry_tree *dentry_trees; /* largest first */
	size_t dentry_tree_count;
	struct model_slab_cause *slab_causes;
	size_t slab_cause_count;
	struct model_slab_cause negative_cause;	       /* of the negative dentries alone */
	double drop_page_cache_bytes, drop_slab_bytes; /* what drop_caches would free; NaN */

	bool scanned;
	bool scan_exact;			  /* every page was read: no sample */
	uint64_t dying_cgroups;			  /* FACT_NONE: not measured */
	uint64_t dying_by_sockets;		  /* of these, so many some socket refers to */
	uint64_t dying_sockets;			  /* and how many sockets that are */
	const struct fact_process *dying_holder;  /* who has most of those sockets; or NULL */
	uint64_t dying_cgroups_first;		  /* at the start of the window */
	struct model_dying_parent *dying_parents; /* most groups first */
	size_t dying_parent_count;
	double kubelet_available;	  /* its memory.available; NaN: no pods, or not known */
	struct model_eviction *evictions; /* the first one first */
	size_t eviction_count;
	double dying_slab_bytes;   /* of these by their own slab caches; NaN: none were seen */
	double dying_cached_bytes; /* page cache charged to them; NaN: not scanned */
	uint64_t shmem_bytes;	   /* Σ nrpages of shmem files */
	double found_bytes;	   /* the scan's own sum, without reference to meminfo */
	double found_low, found_high;
	double meminfo_bytes; /* mean of Cached + Buffers before and after */
	double residual_bytes, residual_low, residual_high;

	struct model_delays delays[DELAY_TABLES];
	struct hotspot *hotspot; /* NULL: no stacks were captured */

	struct not_seen { /* what could not be seen, and why */
		const char *what, *why;
	} * not_seen;
	size_t not_seen_count;
	struct arena *arena;
};

/* What is known of where pid's heap grew: by allocations, or else by page faults; NULL: nothing. */
const struct model_growth *model_growth_of(const struct model *m, uint64_t pid);

int model_create(struct model **ret, const struct facts *f);
void model_destroy(struct model *m);
