/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hotspot.blocking-io: a disk takes long to answer, and somebody waits for it.  Reads and flushes
 * are waited for; writes mostly go on behind everybody's back, so that slow ones alone are no
 * finding unless CPUs stand still for them.
 */
#include <stdlib.h>

#include "rules.h"

#define REQUESTS_MIN 10
#define SLOW_S 0.02
#define VERY_SLOW_S 0.1
#define HANG_S 1.0
/* Of the time, requests under way. */
#define BUSY 0.2
/* Of one CPU, waiting for I/O. */
#define IOWAIT 0.1
#define NAMED 3

static double iowait(const struct model *m)
{
	double first = figure(facts_counter_first(m->facts, "stat", "cpu_iowait"));
	double last = figure(facts_counter(m->facts, "stat", "cpu_iowait"));

	/* Clock ticks, of which user space sees 100 a second. */
	return last >= first ? (last - first) / 100 / window_s(m) : FACT_NONE_F;
}

static bool is_waited_for(const struct model_delay *d, double wait)
{
	if (!strcmp(d->name, "read") || !strcmp(d->name, "flush"))
		return true;
	return !strcmp(d->name, "write") && wait >= IOWAIT;
}

static double mean(const struct model_delay *d)
{
	return d->count.value > 0 ? d->seconds.value / d->count.value : 0;
}

static bool is_slow(const struct model_delay *d, double covered)
{
	if (figure(d->fact->max_ns) / 1e9 >= HANG_S)
		return true;
	return d->count.low >= REQUESTS_MIN && mean(d) >= SLOW_S &&
	       d->seconds.value >= BUSY * covered;
}

/* Processes that sleep and cannot be woken, at the end of the window. */
static void name_the_blocked(const struct model *m, struct findings *out, struct finding *f)
{
	const char *text = "";
	size_t n = 0;

	for (size_t i = 0; i < m->process_count; i++) {
		const struct fact_process *p = m->processes[i];

		if (!p->state || p->state[0] != 'D')
			continue;
		if (n < NAMED)
			text = arena_printf(out->arena, "%s%s%s (pid %" PRIu64 ")", text,
					    n ? ", " : "", p->comm ? p->comm : "?", p->pid);
		n++;
	}
	if (n)
		finding_because(
			out, f, "#processes",
			"%s processes were blocked in the kernel (state D) at the end: %s%s",
			count_words(out, (double)n), text, n > NAMED ? " …" : "");
}

static void report(const struct model *m, struct findings *out, const struct model_delay *d,
		   double wait)
{
	const struct model_delays *p = &m->delays[DELAY_BLOCK];
	const char *device = d->fact->object && *d->fact->object ? d->fact->object : "(unknown)";
	double h[DELAY_HISTOGRAM], inner = figure(d->fact->inner_ns) / 1e9;
	double longest = figure(d->fact->max_ns) / 1e9;
	struct finding *f;

	f = finding_add(out, "hotspot.blocking-io",
			mean(d) >= VERY_SLOW_S || longest >= HANG_S ? SEVERITY_WARNING
								    : SEVERITY_INFO,
			CONFIDENCE_HIGH, "Disk %s takes %s for a %s on average, %s at the longest",
			device, seconds_words(out, mean(d)), d->name, seconds_words(out, longest));
	if (!f)
		return;
	f->weight = d->seconds.value;
	finding_because(out, f, "#block-io", "%s requests in %s, %s altogether",
			count_words(out, d->count.value), seconds_words(out, p->covered_s),
			seconds_words(out, d->seconds.value));
	if (model_delay_histogram(d->fact, h))
		finding_because(out, f, "#block-io",
				"half of them took less than %s, one in a hundred %s or more",
				seconds_words(out, delay_quantile(h, 0.5)),
				seconds_words(out, delay_quantile(h, 0.99) / 2));
	if (inner >= 0)
		finding_because(
			out, f, "#block-io",
			"%d%% of that time the device itself had them, the rest they waited in "
			"the kernel's queue",
			percent(inner, d->seconds.value));
	if (wait >= IOWAIT)
		finding_because(out, f, "#events", "CPUs stood still for I/O: %d%% of one CPU",
				percent(wait, 1));
	name_the_blocked(m, out, f);
	if (inner >= 0 && inner < d->seconds.value / 2)
		finding_advice(out, f,
			       "The requests wait in the queue: too many at once. Bound the writer "
			       "(io.max, io.weight, ionice), or look at queue/scheduler and "
			       "queue/nr_requests of the device.");
	else
		finding_advice(out, f,
			       "The device is slow by itself: check it (smartctl, the array, the "
			       "cloud volume's quota of operations), and what it stands on (a loop "
			       "file, iSCSI, a network).");
	finding_advice(
		out, f,
		"Find who reads or writes it (iotop, the files of the page cache above), and "
		"move that to another time or disk.");
	f->wrong_if = "it is a disk for backups or archives that nobody waits for";
}

int rule_hotspot_blocking_io(const struct model *m, struct findings *out)
{
	const struct model_delays *p = &m->delays[DELAY_BLOCK];
	double wait = iowait(m);

	if (!(p->covered_s > 0))
		return 0;
	for (size_t i = 0, said = 0; i < p->count && said < MAX_PER_RULE; i++) {
		const struct model_delay *d = p->rows[i];

		if (!is_waited_for(d, wait) || !is_slow(d, p->covered_s))
			continue;
		report(m, out, d, wait);
		said++;
	}
	return 0;
}
