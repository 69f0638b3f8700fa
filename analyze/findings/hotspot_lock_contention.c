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

struct about {
	const char *one, *several, *advice;
};

/* several: there is one of each object, and those who wait may wait for different ones. */
static struct about about(enum lock_object object)
{
	switch (object) {
	case LOCK_DIRECTORY:
		return (struct about){
			"a directory", "directories",
			"Let the threads work in different directories: names are made, removed "
			"and looked up in one directory by one thread at a time."};
	case LOCK_FILE:
		return (struct about){
			"a file that several write", "files that several write",
			"Let each thread write a file of its own, or write with O_DIRECT where the "
			"file system lets direct writes run side by side."};
	case LOCK_MM:
		return (struct about){
			"a process's address space (mmap_lock)", NULL,
			"Have the process map and unmap less: reuse buffers, raise malloc's "
			"M_MMAP_THRESHOLD and M_TRIM_THRESHOLD, populate beforehand, or use "
			"processes instead of threads."};
	case LOCK_OTHER_MM:
		return (struct about){
			"another process's address space (mmap_lock)",
			"other processes' address spaces (mmap_lock)",
			"Let what reads /proc/PID/maps, smaps or other processes' memory "
			"(monitoring agents, debuggers, ps) do so less often; and look at what "
			"those processes do that maps and unmaps so much."};
	case LOCK_KERNFS:
		return (struct about){
			"the kernel's tree of /sys and cgroups", NULL,
			"Find what reads /sys or makes cgroups all the time (monitoring agents, "
			"short-lived containers), and let it do so less often."};
	case LOCK_RTNL:
		return (struct about){
			"the network configuration (RTNL)", NULL,
			"Find what changes or lists network interfaces and routes all the time, "
			"and let it do so less often."};
	default:
		return (struct about){
			NULL, "",
			"Look at the stacks off the CPU of these threads: what all of them do to "
			"one object is to be spread over several, or done less often."};
	}
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

/* What waits, and where. */
static const char *headline(const struct hotspot *h, struct findings *out,
			    const struct lock_wait *w, double average, bool several)
{
	const char *site = h->names[w->site].function;
	struct about k = about(w->object);
	const char *of = several ? k.several : k.one;

	if (!w->kernel)
		return arena_printf(out->arena,
				    "%.1f threads at a time wait for a lock in %s of %s", average,
				    site, w->comm);
	if (w->site_count > 1)
		site = arena_printf(out->arena, "%s and %zu other function%s,", site,
				    w->site_count - 1, w->site_count > 2 ? "s" : "");
	return arena_printf(
		out->arena, "%.1f threads at a time wait for %s of the kernel's in %s%s%s", average,
		several ? "locks" : "a lock", site, of && *of ? " of " : "", of ? of : "");
}

static void say_sites(struct findings *out, struct finding *f, const struct hotspot *h,
		      const struct lock_wait *w)
{
	size_t n = w->site_count < LOCK_SITES ? w->site_count : LOCK_SITES;
	const char *text = "";

	if (w->site_count < 2)
		return;
	for (size_t i = 0; i < n; i++)
		text = arena_printf(out->arena, "%s%s%s (%s)", text, i ? ", " : "",
				    h->names[w->sites[i].name].function,
				    seconds_words(out, w->sites[i].seconds));
	finding_because(out, f, "#off-cpu", "they wanted it in %s%s", text,
			n < w->site_count ? " …" : "");
}

static void report(const struct hotspot *h, struct findings *out, const struct lock_wait *w,
		   double window)
{
	double waited = w->slept_s + w->spun_s, average = waited / window;
	bool several = w->kernel && w->pid == FACT_NONE && about(w->object).several;
	struct finding *f;

	f = finding_add(out, "hotspot.lock-contention",
			average >= WAITING_WARN ? SEVERITY_WARNING : SEVERITY_INFO,
			several ? CONFIDENCE_MEDIUM : CONFIDENCE_HIGH, "%s",
			headline(h, out, w, average, several));
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
	say_sites(out, f, h, w);
	say_longest(out, f, h, w);
	if (several)
		finding_because(out, f, "#off-cpu",
				"each object has a lock of its own there, and which ones these "
				"were is not known: they may be different fights");
	if (w->kernel)
		finding_advice(out, f, "%s", about(w->object).advice);
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
