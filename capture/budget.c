/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/sysroot.h"
#include "base/units.h"
#include "budget.h"

#define BUCKET_NS ((int64_t)(500 * NSEC_PER_MSEC))
#define RESUME_NS ((int64_t)(10 * NSEC_PER_MSEC))
#define MEMORY_EVERY_NS (100 * NSEC_PER_MSEC)
#define MAPS_EVERY_NS (250 * NSEC_PER_MSEC)
#define NICE_LAST 19
#define NICE_MODEST 10			 /* a tenth of what others get */
#define STARVING_NS (30 * NSEC_PER_MSEC) /* at the lowest priority, in a tick */
#define STARVED_NS (200 * NSEC_PER_MSEC) /* at the modest one */
#define MEMORY_GRACE_NS (1000 * NSEC_PER_MSEC)

/* ------------------------------------------------------------------ priority */

/* More tasks want a CPU at this moment than there are: "0.5 0.4 0.3 7/120 4711". */
static bool cpus_taken(void)
{
	char text[96];
	const char *p = text;

	if (read_file_at(AT_FDCWD, "/proc/loadavg", text, sizeof(text)) <= 0)
		return false;
	for (int i = 0; i < 3 && p; i++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	/* We are one of them. */
	return p && strtol(p, NULL, 10) > sysconf(_SC_NPROCESSORS_ONLN);
}

static void set_nice(struct budget *b, int nice, struct child *children, size_t n)
{
	b->nice_now = nice;
	setpriority(PRIO_PROCESS, 0, nice);
	for (size_t i = 0; i < n; i++)
		if (child_alive(&children[i]))
			setpriority(PRIO_PROCESS, (id_t)children[i].pid, nice);
}

static void step_back(struct budget *b)
{
	b->nice = b->nice_now = getpriority(PRIO_PROCESS, 0);
	if (b->nice >= NICE_MODEST)
		return;
	/* Without CAP_SYS_NICE there is no way back: then not all the way. */
	setpriority(PRIO_PROCESS, 0, b->nice + 1);
	bool way_back = !setpriority(PRIO_PROCESS, 0, b->nice);
	set_nice(b, way_back && !cpus_taken() ? NICE_LAST : NICE_MODEST, NULL, 0);
}

/* How long this process has waited for a CPU: the second field of schedstat.  0 without it. */
static uint64_t waited_for_cpu(void)
{
	char text[96], *end;

	if (read_file_at(AT_FDCWD, "/proc/self/schedstat", text, sizeof(text)) <= 0)
		return 0;
	strtoull(text, &end, 10);
	return strtoull(end, NULL, 10);
}

/* One step forward when we waited for long: the higher we are already, the longer. */
static bool step_forward(struct budget *b, struct child *children, size_t n)
{
	uint64_t now = waited_for_cpu(), waited = now - b->waited_ns;

	b->waited_ns = now;
	if (b->nice_now == NICE_LAST && b->nice < NICE_MODEST && waited > STARVING_NS)
		set_nice(b, NICE_MODEST, children, n);
	else if (b->nice_now == NICE_MODEST && b->nice < NICE_MODEST && waited > STARVED_NS)
		set_nice(b, b->nice, children, n);
	else
		return false;
	return true;
}

static double seconds(const struct rusage *ru)
{
	return (double)(ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) +
	       (double)(ru->ru_utime.tv_usec + ru->ru_stime.tv_usec) / 1e6;
}

double budget_cpu_s(void)
{
	struct rusage self, children;

	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	return seconds(&self) + seconds(&children);
}

void budget_init(struct budget *b, const struct capture_options *o, uint64_t now)
{
	*b = (struct budget){
		.max_cpu = o->max_cpu,
		.max_memory = o->max_memory,
		.last_ns = now,
		.own_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID),
		.tokens_ns = BUCKET_NS,
	};
	b->waited_ns = waited_for_cpu();
	step_back(b);
}

/* ------------------------------------------------------------------ CPU */

static void measure_cpu(struct child *c)
{
	clockid_t id;
	struct timespec ts;

	c->cpu_before_ns = c->cpu_ns;
	if (!child_alive(c) || clock_getcpuclockid(c->pid, &id) || clock_gettime(id, &ts))
		return;
	uint64_t ns = (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
	if (ns > c->cpu_ns)
		c->cpu_ns = ns;
}

static void cpu_tick(struct budget *b, struct child *children, size_t n, uint64_t now)
{
	uint64_t own = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	int64_t used = (int64_t)(own - b->own_cpu_ns);

	b->own_cpu_ns = own;
	for (size_t i = 0; i < n; i++) {
		measure_cpu(&children[i]);
		used += (int64_t)(children[i].cpu_ns - children[i].cpu_before_ns);
	}
	b->tokens_ns += (int64_t)((double)(now - b->last_ns) * b->max_cpu / 100) - used;
	if (b->tokens_ns > BUCKET_NS)
		b->tokens_ns = BUCKET_NS;

	if (b->max_cpu > 0 && b->tokens_ns < 0)
		b->paused = true;
	else if (b->tokens_ns >= RESUME_NS)
		b->paused = false;
	for (size_t i = 0; i < n; i++) {
		struct child *c = &children[i];
		bool busy = c->cpu_ns - c->cpu_before_ns > NSEC_PER_MSEC;

		if (!b->paused)
			child_pause(c, false, now);
		else if (busy)
			child_pause(c, true, now);
	}
}

/* ------------------------------------------------------------------ memory */

/* Resident pages; anonymous ones only where the rest is shared with us anyway. */
static uint64_t resident(pid_t pid, bool anonymous)
{
	char path[48], text[128];
	struct proc_statm m;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	if (read_file_at(AT_FDCWD, path, text, sizeof(text)) <= 0 || parse_proc_statm(text, &m))
		return 0;
	uint64_t pages = m.resident;
	if (anonymous)
		pages = m.resident > m.shared ? m.resident - m.shared : 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* What the BPF maps a process holds take: fdinfo says it as "memlock:". */
static uint64_t bpf_maps(pid_t pid)
{
	char path[64], text[1024], link[64];
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *d;
	uint64_t sum = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((d = readdir(dir))) {
		unsigned long long bytes;

		ssize_t len = readlinkat(dirfd(dir), d->d_name, link, sizeof(link) - 1);
		if (len <= 0)
			continue;
		link[len] = 0;
		if (strcmp(link, "anon_inode:bpf-map") != 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.20s", (int)pid, d->d_name);
		if (read_file_at(AT_FDCWD, path, text, sizeof(text)) > 0 &&
		    !find_key_u64(text, "memlock", &bytes))
			sum += bytes;
	}
	return sum;
}

/* How much more it has than it may. */
static int64_t over_share(const struct child *c)
{
	uint64_t may = c->memory_limit + (c->collector->timed ? c->moment_bytes : 0);

	return (int64_t)c->memory_bytes - (int64_t)may;
}

/* Who has to go when all together have too much: whoever is furthest above its share, or, where
 * nobody is, the largest. */
static bool goes_before(const struct child *a, const struct child *b)
{
	int64_t over_a = over_share(a), over_b = over_share(b);

	if (over_a > 0 || over_b > 0)
		return over_a > over_b;
	return a->memory_bytes > b->memory_bytes;
}

static void memory_tick(struct budget *b, struct child *children, size_t n, uint64_t now)
{
	bool maps = now - b->last_maps_ns >= MAPS_EVERY_NS;
	struct child *culprit = NULL;
	uint64_t sum = resident(getpid(), false);
	char used[16], limit[16];

	b->last_memory_ns = now;
	if (maps)
		b->last_maps_ns = now;
	for (size_t i = 0; i < n; i++) {
		struct child *c = &children[i];

		if (!child_alive(c))
			continue;
		if (maps)
			c->maps_bytes = bpf_maps(c->pid);
		c->memory_bytes = resident(c->pid, true) + c->maps_bytes;
		sum += c->memory_bytes;
		if ((c->phase == CHILD_RUNNING || c->phase == CHILD_STOPPING) &&
		    (!culprit || goes_before(c, culprit)))
			culprit = c;
	}
	b->memory_bytes = sum;
	if (sum > b->memory_peak_bytes)
		b->memory_peak_bytes = sum;
	if (sum <= b->max_memory) {
		b->over_since_ns = 0;
		return;
	}
	if (!b->over_since_ns)
		b->over_since_ns = now;
	if (!culprit)
		return;
	/* First asked to hand over what it has; that may take memory too, but not for long. */
	if (culprit->phase == CHILD_RUNNING && sum < 2 * b->max_memory) {
		culprit->over_memory = true;
		child_note(culprit,
			   "ended early: memory of all collectors %s, limit %s (--max-memory)",
			   format_size(sum, used), format_size(b->max_memory, limit));
		child_stop(culprit);
		b->over_since_ns = now;
	} else if (now - b->over_since_ns > MEMORY_GRACE_NS || sum >= 2 * b->max_memory) {
		child_kill(culprit, now, COLLECTOR_PARTIAL,
			   "pid %d used %s of memory; limit for all %s (--max-memory)",
			   (int)culprit->pid, format_size(culprit->memory_bytes, used),
			   format_size(b->max_memory, limit));
		b->over_since_ns = now;
	}
}

/* ------------------------------------------------------------------ */

bool budget_tick(struct budget *b, struct child *children, size_t n, uint64_t now)
{
	cpu_tick(b, children, n, now);
	if (now - b->last_memory_ns >= MEMORY_EVERY_NS)
		memory_tick(b, children, n, now);
	b->last_ns = now;
	return step_forward(b, children, n);
}

void budget_release(struct budget *b, struct child *children, size_t n, uint64_t now)
{
	b->max_cpu = 0;
	b->paused = false;
	set_nice(b, b->nice, children, n);
	for (size_t i = 0; i < n; i++)
		child_pause(&children[i], false, now);
}
