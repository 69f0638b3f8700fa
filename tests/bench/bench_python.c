/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the walk of Python's frames adds to a sample: turns with and without it, on whatever Python
 * runs here meanwhile (bench/python.sh starts some).  Prints "WAY NS SAMPLES FRAMES" a line: run
 * time of the sampling program as the kernel counts it, for each sample, and frames of Python kept
 * for each of those that had any.  The native part goes by frame pointers here, in both ways.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../capture/base/clock.h"
#include "../../capture/stacks/probe.h"
#include "../../capture/stacks/pyframes.h"

#define HZ 499
#define TURN_US 700000

struct seen {
	uint64_t stacks, frames;
};

static int record(void *ctx, const void *data, size_t len)
{
	const struct stacks_stack *k = data;
	struct seen *s = ctx;

	if (len > offsetof(struct stacks_stack, frames) && k->type == STACKS_RECORD_STACK &&
	    k->python_count) {
		s->stacks++;
		s->frames += k->python_count;
	}
	return 0;
}

static void fatal(const char *what)
{
	fprintf(stderr, "bench_python: %s\n", what);
	exit(1);
}

int main(int argc, char **argv)
{
	const struct stacks_probe_options o = {.hz = HZ,
					       .ring_bytes = 1 << 20,
					       .seen = 1,
					       .rows = 1,
					       .mappings = 1,
					       .processes = 1,
					       .python_processes = 1024,
					       .python_threads = 4096};
	unsigned turns = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 6;
	uint64_t ns[2] = {0}, runs[2] = {0};
	struct seen seen[2] = {0};
	struct stacks_probe probe;
	struct sysroot root;
	struct err e = {0};
	int *cpus, n;

	if (sysroot_open(&root, "/", &e) < 0 || (n = perf_cpus(&root, &cpus)) <= 0)
		fatal("no CPUs");
	for (unsigned i = 0; i < 2 * turns; i++) {
		struct pyframes python = {0};
		struct stacks_cost cost;
		struct strings paths = {0};
		unsigned way = i % 2;

		if (stacks_probe_open(&probe, &o, record, &seen[way], &e) < 0)
			fatal(e.text);
		if (pyframes_init(&python, &root, &paths, 64, 1024, stacks_probe_set_python,
				  &probe) < 0)
			fatal("no memory");
		if (way)
			pyframes_find(&python, NSEC_PER_SEC);
		if (stacks_probe_start(&probe, cpus, (size_t)n, HZ, &e) < 0)
			fatal(e.text);
		for (int k = 0; k < 20; k++) {
			usleep(TURN_US / 20);
			stacks_probe_drain(&probe);
		}
		stacks_probe_stop(&probe);
		stacks_probe_cost(&probe, &cost);
		ns[way] += cost.run_ns;
		runs[way] += cost.runs;
		pyframes_deinit(&python);
		stacks_probe_close(&probe);
	}
	free(cpus);
	for (unsigned way = 0; way < 2; way++)
		printf("%s %.0f %llu %.1f\n", way ? "python" : "native",
		       runs[way] ? (double)ns[way] / (double)runs[way] : 0.0,
		       (unsigned long long)runs[way],
		       seen[way].stacks ? (double)seen[way].frames / (double)seen[way].stacks
					: 0.0);
	return 0;
}
