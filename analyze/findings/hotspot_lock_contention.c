/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hotspot.lock-contention: threads that want to go on wait for a lock that others hold, for a good
 * part of their time.  Workers that wait for a job do not want to go on: their stacks tell
 * (lock_waits.h); and where nobody of those that share a lock does anything meanwhile, the lock is
 * how they wait for work (an accept mutex), and no contention.
 */
#include <stdlib.h>

#include "../lock_waits.h"
#include "rules.h"

#define WAITING 0.5 /* threads, on average */
#define WAITING_WARN 1.0
#define SHARE 0.2     /* of the time that these threads were waiting or at work */
#define ACTIVE 0.1    /* threads at work, on average: somebody holds the lock to some end */
#define SPINNING 0.05 /* of all CPUs' time, at a spin lock */

/* Where the kernel's own locks are wanted, and what that is about. */
static const struct {
	const char *site, *about, *advice;
} known[] = {
	{"do_unlinkat", "a directory", "directory"},
	{"open_last_lookups", "a directory", "directory"},
	{"path_openat", "a directory", "directory"},
	{"filename_create", "a directory", "directory"},
	{"lock_rename", "directories", "directory"},
	{"iterate_dir", "a directory", "directory"},
	{"lookup_slow", "a directory", "directory"},
	{"ext4_buffered_write_iter", "a file that several write", "file"},
	{"xfs_file_buffered_write", "a file that several write", "file"},
	{"generic_file_write_iter", "a file that several write", "file"},
	{"do_truncate", "a file", "file"},
	{"lock_mm_and_find_vma", "a process's address space (mmap_lock)", "mmap"},
	{"do_user_addr_fault", "a process's address space (mmap_lock)", "mmap"},
	{"vm_mmap_pgoff", "a process's address space (mmap_lock)", "mmap"},
	{"__vm_munmap", "a process's address space (mmap_lock)", "mmap"},
	{"do_madvise", "a process's address space (mmap_lock)", "mmap"},
	{"mprotect_fixup", "a process's address space (mmap_lock)", "mmap"},
	{"do_mprotect_pkey", "a process's address space (mmap_lock)", "mmap"},
	{"kernfs_", "the kernel's tree of /sys and cgroups", "kernfs"},
	{"rtnetlink_rcv", "the network configuration (RTNL)", "rtnl"},
	{"cgroup_", "the tree of cgroups", "kernfs"},
};

static const char *about(const char *site, const char **ret_advice)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!strncmp(site, known[i].site, strlen(known[i].site))) {
			*ret_advice = known[i].advice;
			return known[i].about;
		}
	*ret_advice = "";
	return NULL;
}

static void advise_kernel(struct findings *out, struct finding *f, const char *what)
{
	if (!strcmp(what, "directory"))
		finding_advice(out, f,
			       "Let the threads work in different directories: names are made, "
			       "removed and looked up in one directory by one thread at a time.");
	else if (!strcmp(what, "file"))
		finding_advice(out, f,
			       "Let each thread write a file of its own, or write with O_DIRECT "
			       "where the file system lets direct writes run side by side.");
	else if (!strcmp(what, "mmap"))
		finding_advice(out, f,
			       "Have the process map and unmap less: reuse buffers, raise malloc's "
			       "M_MMAP_THRESHOLD and M_TRIM_THRESHOLD, populate beforehand, or use "
			       "processes instead of threads.");
	else if (!strcmp(what, "kernfs"))
		finding_advice(out, f,
			       "Find what reads /sys or makes cgroups all the time (monitoring "
			       "agents, short-lived containers), and let it do so less often.");
	else if (!strcmp(what, "rtnl"))
		finding_advice(out, f,
			       "Find what changes or lists network interfaces and routes all the "
			       "time, and let it do so less often.");
	else
		finding_advice(
			out, f,
			"Look at the stacks off the CPU of these threads: what all of them "
			"do to one object is to be spread over several, or done less often.");
}

static void advise_user(struct findings *out, struct finding *f, const struct hotspot *h,
			const struct lock_wait *w)
{
	const char *lock = h->names[w->lock].function;

	if (strstr(lock, "take_gil")) {
		finding_advice(out, f,
			       "It is Python's global interpreter lock: run processes instead of "
			       "threads (multiprocessing), or move the work into code that "
			       "releases it.");
		return;
	}
	finding_advice(out, f,
		       "Do less in %s while the lock is held (no I/O, no allocation), or give each "
		       "thread or part of the data a lock of its own.",
		       h->names[w->site].function);
	finding_advice(out, f,
		       "With fewer threads there is less waiting for the same work: no more than "
		       "it has CPUs.");
}

static const char *who(struct findings *out, const struct lock_wait *w)
{
	if (w->pid == FACT_NONE)
		return arena_printf(out->arena, "several processes, %s first", w->comm);
	return arena_printf(out->arena, "%s (pid %" PRIu64 ")", w->comm, w->pid);
}

static void say_longest(struct findings *out, struct finding *f, const struct hotspot *h,
			const struct lock_wait *w)
{
	uint32_t thread = hotspot_thread_of(h, w->longest_ended_by);

	if (isnan(w->longest_s))
		return;
	if (thread == UINT32_MAX)
		finding_because(out, f, "#off-cpu", "the longest of them took %s",
				seconds_words(out, w->longest_s));
	else
		finding_because(out, f, "#off-cpu",
				"the longest of them took %s, until thread %" PRIu64
				" of %s gave the lock up",
				seconds_words(out, w->longest_s), w->longest_ended_by,
				h->threads[thread].process_comm);
}

static void report(const struct hotspot *h, struct findings *out, const struct lock_wait *w,
		   double window)
{
	double waited = w->slept_s + w->spun_s, average = waited / window;
	const char *site = h->names[w->site].function, *advice = "";
	const char *of = w->kernel ? about(site, &advice) : NULL;
	struct finding *f;

	f = finding_add(
		out, "hotspot.lock-contention",
		average >= WAITING_WARN ? SEVERITY_WARNING : SEVERITY_INFO, CONFIDENCE_HIGH,
		w->kernel ? "%.1f threads at a time wait for a lock of the kernel's in %s%s%s"
			  : "%.1f threads at a time wait for a lock in %s%s%s",
		average, site, of || !w->kernel ? " of " : "", w->kernel ? of ? of : "" : w->comm);
	if (!f)
		return;
	f->weight = waited;
	if (w->pid != FACT_NONE)
		finding_scope(out, f, "process",
			      arena_printf(out->arena, "%s (%" PRIu64 ")", w->comm, w->pid));
	finding_because(out, f, "#off-cpu",
			"%zu threads of %s waited %s in %s (%s), %d%% of the time in which they "
			"wanted to work",
			w->threads, who(out, w), seconds_words(out, waited),
			seconds_words(out, window), h->names[w->lock].function,
			percent(waited, waited + w->active_s));
	if (w->spun_s >= SHARE * waited)
		finding_because(out, f, "#functions", "%s of that they spun on the CPU",
				seconds_words(out, w->spun_s));
	say_longest(out, f, h, w);
	if (w->kernel)
		advise_kernel(out, f, advice);
	else
		advise_user(out, f, h, w);
	f->wrong_if = "the lock is how these threads hand work to each other, one at a time";
}

int rule_hotspot_lock_contention(const struct model *m, struct findings *out)
{
	const struct hotspot *h = m->hotspot;
	struct lock_wait *w = NULL;
	size_t n = 0, found = 0;
	double window, cpus;
	int r;

	if (!h || h->start_ns == FACT_NONE || h->end_ns == FACT_NONE || h->end_ns <= h->start_ns)
		return 0;
	window = (double)(h->end_ns - h->start_ns) / 1e9;
	cpus = m->facts->archive.count ? figure(m->facts->archive.rows[0].cpus) : FACT_NONE_F;
	r = lock_waits(h, &w, &n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n && found < MAX_PER_RULE; i++) {
		double waited = w[i].slept_s + w[i].spun_s;
		bool spins = w[i].spun_s >= SPINNING * cpus * window;

		if (w[i].threads < 2 || (!spins && (waited < WAITING * window ||
						    waited < SHARE * (waited + w[i].active_s) ||
						    w[i].active_s < ACTIVE * window)))
			continue;
		report(h, out, &w[i], window);
		found++;
	}
	free(w);
	return 0;
}
