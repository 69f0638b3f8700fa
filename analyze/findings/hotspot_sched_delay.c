/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hotspot.sched-delay: tasks that could run wait for a CPU.  Short waits are what a scheduler
 * makes; it is a finding when some process waits for a good part of the time, a slice of others'
 * each time.
 */
#include <stdlib.h>

#include "rules.h"

/* Of the time, a process's threads together; and each time at least this, on average. */
#define SHARE 0.25
#define MEAN_S 1e-3
/* Tasks waiting for each CPU. */
#define CROWDED 2.0
#define LONG_S 0.1
/* Idle all the same. */
#define IDLE 0.2
#define STEAL 0.05
#define NAMED 3

struct waits {
	double seconds; /* of everybody */
	double victims; /* of processes that wait for long */
	double histogram[DELAY_HISTOGRAM];
	double longest;
	const struct model_delay *named[NAMED];
	size_t processes;
};

static bool waits_for_long(const struct model_delay *d, double covered)
{
	return d->fact->own != 1 && d->fact->kthread != 1 && d->count.value > 0 &&
	       d->seconds.low >= SHARE * covered && d->seconds.value / d->count.value >= MEAN_S;
}

static struct waits add_up(const struct model_delays *p)
{
	struct waits w = {0};

	for (size_t i = 0; i < p->count; i++) {
		const struct model_delay *d = p->rows[i];
		double h[DELAY_HISTOGRAM];

		w.seconds += isnan(d->seconds.value) ? 0 : d->seconds.value;
		if (!waits_for_long(d, p->covered_s))
			continue;
		if (w.processes < NAMED)
			w.named[w.processes] = d;
		w.processes++;
		w.victims += d->seconds.value;
		w.longest = fmax(w.longest, figure(d->fact->max_ns) / 1e9);
		if (model_delay_histogram(d->fact, h))
			for (size_t b = 0; b < DELAY_HISTOGRAM; b++)
				w.histogram[b] += h[b];
	}
	return w;
}

static double cpu_delta(const struct model *m, const char *key)
{
	double first = figure(facts_counter_first(m->facts, "stat", key));
	double last = figure(facts_counter(m->facts, "stat", key));

	return last >= first ? last - first : FACT_NONE_F;
}

/* Share of all CPUs' time; NaN: not measured. */
static double cpu_share(const struct model *m, const char *key)
{
	static const char *const keys[] = {"cpu_user",	 "cpu_nice", "cpu_system",  "cpu_idle",
					   "cpu_iowait", "cpu_irq",  "cpu_softirq", "cpu_steal"};
	double sum = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		double d = cpu_delta(m, keys[i]);

		sum += isnan(d) ? 0 : d;
	}
	return sum > 0 ? cpu_delta(m, key) / sum : FACT_NONE_F;
}

/* Without the probe: how much was waited, from /proc/schedstat; not by whom. */
static void by_sums(const struct model *m, struct findings *out)
{
	double first = figure(facts_counter_first(m->facts, "schedstat", "run_delay_ns"));
	double last = figure(facts_counter(m->facts, "schedstat", "run_delay_ns"));
	double cpus = m->facts->archive.count ? figure(m->facts->archive.rows[0].cpus) : 1;
	double waiting = (last - first) / 1e9 / window_s(m);
	struct finding *f;

	if (!(waiting >= CROWDED * cpus))
		return;
	f = finding_add(out, "hotspot.sched-delay", SEVERITY_WARNING, CONFIDENCE_MEDIUM,
			"%.1f tasks wait for a CPU on average, on %s CPUs", waiting,
			count_words(out, cpus));
	if (!f)
		return;
	f->weight = waiting;
	finding_because(
		out, f, "#collectors",
		"the run delay in /proc/schedstat grew by %s; which tasks and how long each "
		"time is not known: the scheduler was not watched",
		seconds_words(out, (last - first) / 1e9));
	finding_advice(
		out, f,
		"Capture as root on a kernel with BTF, to see who waits; start fewer threads "
		"or give the machine more CPUs.");
}

int rule_hotspot_sched_delay(const struct model *m, struct findings *out)
{
	const struct model_delays *p = &m->delays[DELAY_SCHED];
	double cpus =
		m->facts->archive.count ? figure(m->facts->archive.rows[0].cpus) : FACT_NONE_F;
	double idle = cpu_share(m, "cpu_idle"), steal = cpu_share(m, "cpu_steal");
	enum severity severity;
	double waiting, p99;
	struct finding *f;
	struct waits w;
	int share;

	if (!p->captured || !(p->covered_s > 0)) {
		by_sums(m, out);
		return 0;
	}
	w = add_up(p);
	if (!w.processes)
		return 0;
	waiting = w.seconds / p->covered_s;
	p99 = delay_quantile(w.histogram, 0.99);
	severity = waiting >= CROWDED * cpus || p99 >= LONG_S ? SEVERITY_WARNING : SEVERITY_INFO;
	share = percent(w.named[0]->seconds.value, p->covered_s);
	if (w.processes == 1)
		f = finding_add(out, "hotspot.sched-delay", severity, CONFIDENCE_HIGH,
				"%s waited for a CPU %d%% of the time", w.named[0]->comm, share);
	else
		f = finding_add(out, "hotspot.sched-delay", severity, CONFIDENCE_HIGH,
				"%s processes waited long for a CPU; %s the most, %d%% of the time",
				count_words(out, (double)w.processes), w.named[0]->comm, share);
	if (!f)
		return 0;
	f->weight = w.victims;
	finding_scope(out, f, w.processes == 1 ? "process" : "host",
		      w.processes == 1 ? arena_printf(out->arena, "%s (%" PRIu64 ")",
						      w.named[0]->comm, w.named[0]->fact->pid)
				       : "");
	for (size_t i = 0; i < NAMED && w.named[i]; i++) {
		const struct model_delay *d = w.named[i];

		finding_because(out, f, "#sched-delay",
				"%s (pid %" PRIu64
				") could run and waited %s times, %s altogether, "
				"%s at the longest",
				d->comm, d->fact->pid, count_words(out, d->count.value),
				seconds_words(out, d->seconds.value),
				seconds_words(out, figure(d->fact->max_ns) / 1e9));
	}
	finding_because(out, f, "#sched-delay",
			"%.1f tasks waited on average%s; of the waits of those named, one in a "
			"hundred was %s or longer",
			waiting, cpus >= 1 ? arena_printf(out->arena, ", on %.0f CPUs", cpus) : "",
			seconds_words(out, p99));
	if (idle >= IDLE)
		finding_because(out, f, "#events",
				"the CPUs were idle %d%% of the time meanwhile: what waits may not "
				"use them",
				percent(idle, 1));
	if (steal >= STEAL)
		finding_because(out, f, "#events",
				"the hypervisor gave %d%% of the CPU time to others (steal)",
				percent(steal, 1));
	if (idle >= IDLE)
		finding_advice(out, f,
			       "Look at what binds the tasks: affinity (taskset -p, isolcpus), "
			       "cpusets, and CPU quotas (cpu.max, nr_throttled in cpu.stat) of "
			       "their groups; loosen it or spread them.");
	else
		finding_advice(out, f,
			       "There is more to run than CPUs: start fewer threads, move batch "
			       "work away, or add CPUs.");
	finding_advice(out, f,
		       "Give what must answer quickly more weight (cpu.weight, nice −5), and batch "
		       "work less (nice 19, SCHED_IDLE).");
	if (steal >= STEAL)
		finding_advice(out, f, "Ask whoever runs the host: its CPUs are oversold.");
	f->wrong_if = "they are batch jobs that may take as long as they like";
	return 0;
}
