/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hotspot.proc-readers: a program that reads files below /proc all the time.  Each read makes the
 * kernel walk its own structures, often under locks that others wait for; agents do it once in some
 * seconds.  The capture's own reads do not count.
 */
#include <errno.h>
#include <stdlib.h>

#include "rules.h"

/* A monitoring agent that looks at 300 processes every 5 s opens 200 files a second. */
#define OFTEN_PER_S 1000
/* Of one CPU, in these calls. */
#define COSTLY 0.05
#define COSTLY_PER_S 100
#define WARN 0.2
#define FILES_NAMED 3

struct reader { /* the processes of one name */
	const char *comm;
	const struct model_delay *first;
	const struct model_delay *top[FILES_NAMED];
	double calls, opens, seconds, low;
	size_t processes;
	uint64_t pid;
};

static int by_program(const void *a, const void *b)
{
	const struct model_delay *x = *(const struct model_delay *const *)a;
	const struct model_delay *y = *(const struct model_delay *const *)b;
	int r = strcmp(x->comm, y->comm);

	if (r)
		return r;
	if (x->fact->pid != y->fact->pid)
		return x->fact->pid < y->fact->pid ? -1 : 1;
	return (x->fact > y->fact) - (x->fact < y->fact);
}

static int most_costly(const void *a, const void *b)
{
	const struct reader *x = a, *y = b;

	if (x->seconds != y->seconds)
		return x->seconds > y->seconds ? -1 : 1;
	return strcmp(x->comm, y->comm);
}

static void add(struct reader *r, const struct model_delay *d)
{
	size_t at = FILES_NAMED;

	if (!r->first)
		*r = (struct reader){.comm = d->comm, .first = d};
	if (!r->processes || r->pid != d->fact->pid)
		r->processes++;
	r->pid = d->fact->pid;
	r->calls += d->count.value;
	r->low += d->count.low;
	r->seconds += isnan(d->seconds.value) ? 0 : d->seconds.value;
	if (!strcmp(d->name, "open"))
		r->opens += d->count.value;
	while (at && (!r->top[at - 1] || r->top[at - 1]->seconds.value < d->seconds.value))
		at--;
	for (size_t i = FILES_NAMED - 1; i > at; i--)
		r->top[i] = r->top[i - 1];
	if (at < FILES_NAMED)
		r->top[at] = d;
}

static bool reads(const struct reader *r, const char *name)
{
	for (size_t i = 0; i < FILES_NAMED; i++) {
		const char *path = r->top[i] ? r->top[i]->fact->object : NULL;
		const char *last = path ? strrchr(path, '/') : NULL;

		if (last && !strcmp(last + 1, name))
			return true;
	}
	return false;
}

static void advise(struct findings *out, struct finding *f, const struct reader *r)
{
	if (reads(r, "smaps") || reads(r, "numa_maps") || reads(r, "maps"))
		finding_advice(
			out, f,
			"smaps and numa_maps walk every page of a process while its threads "
			"wait to map memory: read smaps_rollup or statm instead, and rarely.");
	if (reads(r, "tcp") || reads(r, "tcp6") || reads(r, "udp"))
		finding_advice(out, f,
			       "/proc/net/tcp lists every socket as text: ask by netlink (ss, "
			       "sock_diag), which filters in the kernel.");
	if (reads(r, "fd") || reads(r, "fdinfo"))
		finding_advice(out, f,
			       "Counting descriptors costs one directory entry each; since 6.2 "
			       "stat() of /proc/PID/fd gives their number as its size.");
	finding_advice(out, f,
		       "Find out what %s looks for: raise its interval, let it ask only for the "
		       "processes it means, or replace polling with events (pidfd, cgroup "
		       "files, netlink).",
		       r->comm);
	finding_advice(out, f,
		       "Cap it meanwhile with a CPU quota (systemctl set-property UNIT "
		       "CPUQuota=5%%).");
}

static void report(const struct model *m, struct findings *out, const struct reader *r)
{
	const struct model_delays *p = &m->delays[DELAY_PROC_FILES];
	double share = r->seconds / p->covered_s, rate = r->calls / p->covered_s;
	struct finding *f;

	f = finding_add(out, "hotspot.proc-readers",
			share >= WARN ? SEVERITY_WARNING : SEVERITY_INFO, CONFIDENCE_HIGH,
			"%s %s files below /proc %s times a second, which takes %d%% of a CPU",
			r->comm, r->opens > r->calls / 2 ? "opens" : "reads",
			count_words(out, rate), percent(share, 1));
	if (!f)
		return;
	f->weight = r->seconds;
	finding_scope(out, f, "process",
		      r->processes == 1 ? arena_printf(out->arena, "%s (%" PRIu64 ")", r->comm,
						       r->first->fact->pid)
					: r->comm);
	if (r->processes > 1)
		finding_because(out, f, "#proc-files", "%s processes are named so",
				count_words(out, (double)r->processes));
	for (size_t i = 0; i < FILES_NAMED && r->top[i]; i++) {
		const struct model_delay *d = r->top[i];

		finding_because(out, f, "#proc-files",
				"%s of %s: %s times in %s, %.3g s altogether",
				!strcmp(d->name, "open") ? "open" : "read",
				d->fact->object ? d->fact->object : "?",
				count_words(out, d->count.value), seconds_words(out, p->covered_s),
				isnan(d->seconds.value) ? 0 : d->seconds.value);
	}
	if (p->watched < 0.99)
		finding_because(out, f, "#syscalls",
				"counted in %.2g%% of the time and scaled; between %s and %s times "
				"a second, with 95%% confidence",
				100 * p->watched, count_words(out, r->low / p->covered_s),
				count_words(out, (2 * r->calls - r->low) / p->covered_s));
	advise(out, f, r);
	f->wrong_if = "it was started to find the very fault that is looked for here";
}

int rule_hotspot_proc_readers(const struct model *m, struct findings *out)
{
	const struct model_delays *p = &m->delays[DELAY_PROC_FILES];
	const struct model_delay **rows;
	struct reader *readers;
	size_t n = 0, count = 0;

	if (!p->count || !(p->covered_s > 0))
		return 0;
	rows = arena_alloc(out->arena, p->count * sizeof(void *));
	readers = arena_alloc(out->arena, p->count * sizeof(*readers));
	if (!rows || !readers)
		return -ENOMEM;
	for (size_t i = 0; i < p->count; i++)
		if (p->rows[i]->fact->own != 1 && p->rows[i]->count.value > 0)
			rows[n++] = p->rows[i];
	if (n)
		qsort(rows, n, sizeof(void *), by_program);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || strcmp(rows[i]->comm, rows[i - 1]->comm) != 0)
			count++;
		add(&readers[count - 1], rows[i]);
	}
	if (count)
		qsort(readers, count, sizeof(*readers), most_costly);
	for (size_t i = 0, said = 0; i < count && said < MAX_PER_RULE; i++) {
		/* What is sure of it decides. */
		double rate = readers[i].low / p->covered_s;
		double share = readers[i].seconds / p->covered_s;

		if (rate < COSTLY_PER_S || (rate < OFTEN_PER_S && share < COSTLY))
			continue;
		report(m, out, &readers[i]);
		said++;
	}
	return 0;
}
