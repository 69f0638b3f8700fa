/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reclaim.kswapd: kswapd is busy most of the time.  It frees in the background and stops nobody,
 * but while it has so much to do the machine lives at its watermark, and it takes a CPU.
 */
#include <stdlib.h>

#include "rules.h"

#define BUSY 0.2
#define VERY_BUSY 0.6
#define TICKS_PER_S 100.0 /* USER_HZ, in which /proc/PID/stat counts */

/* Of the busiest kswapd: share of the time it was awake, by the tracepoints. */
static double awake_share(const struct model *m, const char **ret_node)
{
	const struct model_delays *p = &m->delays[DELAY_RECLAIM];
	double most = FACT_NONE_F;

	if (!p->captured || !(p->covered_s > 0))
		return most;
	most = 0;
	for (size_t i = 0; i < p->count; i++) {
		const struct model_delay *d = p->rows[i];
		double share = d->seconds.value / p->covered_s;

		if (!strcmp(d->name, "kswapd") && share > most) {
			most = share;
			*ret_node = d->fact->object;
		}
	}
	return fmin(most, 1);
}

/* And of the CPU time, which every capture has. */
static double cpu_share(const struct model *m)
{
	double most = FACT_NONE_F, window = window_s(m);

	for (size_t i = 0; i < m->process_count; i++) {
		const struct fact_process *p = m->processes[i];
		double ticks = figure(p->stime_ticks);

		if (!p->comm || strncmp(p->comm, "kswapd", 6) != 0 || p->kernel_thread != 1 ||
		    isnan(ticks) || !(window > 0))
			continue;
		if (isnan(most) || ticks / TICKS_PER_S / window > most)
			most = ticks / TICKS_PER_S / window;
	}
	return most;
}

int rule_reclaim_kswapd(const struct model *m, struct findings *out)
{
	const char *node = NULL;
	double awake = awake_share(m, &node), cpu = cpu_share(m);
	double scanned = vmstat_delta(m, "pgscan_kswapd"),
	       stolen = vmstat_delta(m, "pgsteal_kswapd");
	double direct = vmstat_delta(m, "pgsteal_direct");
	double share = isnan(cpu) ? awake : isnan(awake) ? cpu : fmax(awake, cpu);
	struct finding *f;

	if (!(share >= BUSY))
		return 0;
	f = finding_add(out, "reclaim.kswapd",
			share >= VERY_BUSY ? SEVERITY_WARNING : SEVERITY_INFO, CONFIDENCE_HIGH,
			"kswapd is %s %d%% of the time: the machine lives at its watermark",
			awake >= cpu || isnan(cpu) ? "freeing memory" : "running",
			percent(share, 1));
	if (!f)
		return 0;
	f->weight = share;
	if (awake >= 0)
		finding_because(out, f, "#reclaim", "kswapd%s%s was awake %d%% of the time",
				node ? " of " : "", node ? node : "", percent(awake, 1));
	if (cpu >= 0)
		finding_because(out, f, "#processes", "it took %d%% of a CPU", percent(cpu, 1));
	if (scanned > 0)
		finding_because(out, f, "#events",
				"it looked at %s pages and freed %s of them (%d%%)%s",
				count_words(out, scanned), count_words(out, stolen),
				percent(stolen, scanned),
				stolen < scanned / 4 ? ": most of what it finds is in use" : "");
	if (stolen > 0 && direct >= 0)
		finding_because(out, f, "#events",
				"it freed %d%% of what was freed; processes had to free the rest",
				percent(stolen, stolen + direct));
	if (scanned > 0 && stolen < scanned / 4)
		finding_advice(out, f,
			       "Little of the memory can be given back: find what holds it (heap, "
			       "shared memory), add memory or swap, or bound the largest group.");
	else
		finding_advice(out, f,
			       "Something fills the page cache as fast as kswapd empties it: find "
			       "the reader or writer of the files named above and let it use "
			       "O_DIRECT or POSIX_FADV_DONTNEED, or bound its group.");
	finding_advice(out, f,
		       "If processes stall as well, raise vm.watermark_scale_factor; if they do "
		       "not, leave it: a higher watermark makes kswapd work more.");
	f->wrong_if = "the window fell into a backup or a large copy";
	return 0;
}
