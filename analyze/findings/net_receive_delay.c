/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net.receive-delay: packets lie in the machine for long before the process reads them.  The
 * network is then not what is slow, although it looks so from outside.
 */
#include <stdlib.h>

#include "rules.h"

#define PACKETS_MIN 10
#define SLOW_S 0.02
#define VERY_SLOW_S 0.2

static double mean(const struct model_delay *d)
{
	return d->count.value > 0 ? d->seconds.value / d->count.value : 0;
}

/* Did it wait for a CPU?  NULL: it is not known. */
static const struct model_delay *sched_of(const struct model *m, uint64_t pid)
{
	const struct model_delays *p = &m->delays[DELAY_SCHED];

	for (size_t i = 0; i < p->count; i++)
		if (p->rows[i]->fact->pid == pid)
			return p->rows[i];
	return NULL;
}

static void report(const struct model *m, struct findings *out, const struct model_delay *d)
{
	const struct model_delays *p = &m->delays[DELAY_NET];
	const struct model_delay *s = sched_of(m, d->fact->pid);
	double waited = s ? s->seconds.value / p->covered_s : FACT_NONE_F;
	double h[DELAY_HISTOGRAM];
	struct finding *f;

	f = finding_add(out, "net.receive-delay",
			mean(d) >= VERY_SLOW_S ? SEVERITY_WARNING : SEVERITY_INFO, CONFIDENCE_HIGH,
			"Packets for %s lie in its sockets for %s on average before it reads them",
			d->comm, seconds_words(out, mean(d)));
	if (!f)
		return;
	f->weight = d->seconds.value;
	finding_scope(out, f, "process",
		      arena_printf(out->arena, "%s (%" PRIu64 ")", d->comm, d->fact->pid));
	finding_because(out, f, "#net-receive", "%s reads of %s packets in %s, %s at the longest",
			count_words(out, d->count.value), d->name, seconds_words(out, p->covered_s),
			seconds_words(out, figure(d->fact->max_ns) / 1e9));
	if (model_delay_histogram(d->fact, h))
		finding_because(
			out, f, "#net-receive",
			"half of them lay for less than %s, one in a hundred for %s or more",
			seconds_words(out, delay_quantile(h, 0.5)),
			seconds_words(out, delay_quantile(h, 0.99) / 2));
	if (waited >= 0)
		finding_because(out, f, "#sched-delay",
				"the process waited for a CPU %d%% of the time",
				percent(waited, 1));
	if (waited >= 0.1)
		finding_advice(out, f,
			       "The process is late because it does not get a CPU: see scheduling "
			       "delay; give it more weight or fewer neighbours.");
	else
		finding_advice(out, f,
			       "The process itself comes late: it is busy with something else, or "
			       "blocked. Look at what its threads do (stacks, system calls), read "
			       "in a thread of its own, or start more workers.");
	finding_advice(out, f,
		       "Do not look for it in the network: the packets had arrived. Larger socket "
		       "buffers only make the queue longer.");
	f->wrong_if =
		"the program lets data wait on purpose, as a proxy does that holds back a sender";
}

int rule_net_receive_delay(const struct model *m, struct findings *out)
{
	const struct model_delays *p = &m->delays[DELAY_NET];

	if (!(p->covered_s > 0))
		return 0;
	for (size_t i = 0, said = 0; i < p->count && said < MAX_PER_RULE; i++) {
		const struct model_delay *d = p->rows[i];

		if (d->fact->own == 1 || d->count.low < PACKETS_MIN || mean(d) < SLOW_S)
			continue;
		report(m, out, d);
		said++;
	}
	return 0;
}
