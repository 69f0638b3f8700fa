/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A ring of one page that nobody empties: what the counters say was lost is exactly what is
 * missing.  Prints "events E idle I taken T lost L stacks S lost-stacks M drained D drained-stacks
 * N".
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../../capture/base/sysroot.h"
#include "../../capture/stacks/probe.h"

static unsigned long drained, drained_stacks;

static int record(void *ctx, const void *data, size_t len)
{
	const struct stacks_sample *s = data;

	(void)ctx;
	(void)len;
	if (s->type == STACKS_RECORD_SAMPLE)
		drained++;
	else
		drained_stacks++;
	return 0;
}

int main(void)
{
	const struct stacks_probe_options o = {.hz = 499,
					       .ring_bytes = 4096,
					       .seen = 64,
					       .rows = 4096,
					       .mappings = 64,
					       .processes = 64};
	struct stacks_counters n;
	struct stacks_probe p;
	struct sysroot root;
	struct err e = {0};
	int *cpus, count;

	if (sysroot_open(&root, "/", &e) < 0 || (count = perf_cpus(&root, &cpus)) < 0 ||
	    stacks_probe_open(&p, &o, record, NULL, &e) < 0 ||
	    stacks_probe_start(&p, cpus, (size_t)count, o.hz, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	for (clock_t end = clock() + CLOCKS_PER_SEC; clock() < end;)
		;
	stacks_probe_stop(&p);
	if (stacks_probe_counters(&p, &n) < 0)
		return 1;
	stacks_probe_drain(&p);
	printf("events %llu idle %llu taken %llu lost %llu stacks %llu lost-stacks %llu drained "
	       "%lu "
	       "drained-stacks %lu\n",
	       n.events, n.idle, n.samples, n.lost_sample, n.stacks, n.lost_stack, drained,
	       drained_stacks);
	stacks_probe_close(&p);
	sysroot_close(&root);
	free(cpus);
	return 0;
}
