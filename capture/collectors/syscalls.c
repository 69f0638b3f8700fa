/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System calls by process and number, how often and how long, and the files below /proc that are
 * read.  bpf/syscalls.bpf.c counts, delay_run.c decides when.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/types.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../bpf/syscalls.h"
#include "bpf_probe.h"
#include "delay_run.h"
#include "syscalls.skel.h"

#define THREADS_BATCH 512
#define CALLS 8192 /* pairs of process and number */

struct syscalls_state {
	struct delay_run run; /* the first member */
	struct syscalls_bpf *skel;
};

static void syscalls_probe(const struct capture_options *o, const struct sysroot *root,
			   struct probe_result *ret)
{
	bpf_probe_ask(o, root, ret);
}

/* Calls that were seen to begin and have not ended. */
static void unfinished(struct delay_run *r, uint64_t start_ns, uint64_t end_ns)
{
	struct bpf_map *map = bpf_object__find_map_by_name(r->object, "threads");
	struct syscall_begun *calls = malloc(THREADS_BATCH * (sizeof(*calls) + sizeof(uint32_t)));
	uint32_t *tids = (uint32_t *)(calls + THREADS_BATCH), in = 0, out = 0;
	bool first = true;
	int rc = calls ? 0 : -ENOMEM;

	while (rc == 0) {
		uint32_t n = THREADS_BATCH;

		rc = bpf_map_lookup_batch(bpf_map__fd(map), first ? NULL : &in, &out, tids, calls,
					  &n, NULL);
		if (rc < 0 && rc != -ENOENT)
			break;
		for (uint32_t i = 0; i < n; i++) {
			struct delay_key key = {.tgid = calls[i].tgid, .kind = calls[i].number};
			struct delay_value v = {.cut = 1};

			if (calls[i].start_ns < start_ns || calls[i].start_ns >= end_ns)
				continue;
			v.ns = end_ns - calls[i].start_ns;
			delay_sums_add(&r->maps[0].sums, &key, &v,
				       &(struct delay_slice){.stratum_ns = 1, .slice_ns = 1});
		}
		first = false;
		in = out;
	}
	free(calls);
}

static struct bpf_object_skeleton *open_skeleton(void *run, const struct bpf_object_open_opts *opts)
{
	struct syscalls_state *s = run;

	s->skel = syscalls_bpf__open_opts(opts);
	if (s->skel)
		bpf_map__set_max_entries(s->skel->maps.delays, CALLS);
	return s->skel ? s->skel->skeleton : NULL;
}

static int loaded(struct delay_run *r, struct err *e)
{
	struct syscalls_state *s = (struct syscalls_state *)r;

	r->window = &s->skel->bss->window;
	return delay_run_map(r, "proc_files", sizeof(struct proc_file_key), e);
}

static int syscalls_start(struct collect *c)
{
	static const struct delay_probe probe = {
		.name = "syscalls",
		.state_size = sizeof(struct syscalls_state),
		/* Entry and exit with everything; a pair that only takes the time is 347 ns, one
		 * that finds the window closed 165 (with a call that does nothing). */
		.cost = {.event = 500, .idle = 165},
		.open = open_skeleton,
		.loaded = loaded,
		.unfinished = unfinished,
	};

	return delay_run_start(c, &probe);
}

static void call_words(const struct delay_run *r, const void *key, struct delay_words *ret)
{
	const struct delay_key *k = key;

	snprintf(ret->kind, sizeof(ret->kind), "%u", k->kind);
}

static void file_words(const struct delay_run *r, const void *key, struct delay_words *ret)
{
	const struct proc_file_key *k = key;
	size_t len = 0;

	snprintf(ret->kind, sizeof(ret->kind), "%s", k->op == PROC_OPEN ? "open" : "read");
	len += (size_t)snprintf(ret->object, sizeof(ret->object), "/proc");
	/* All parts are there: there may have been more before them. */
	if (k->name[PROC_PARTS - 1][0])
		len += (size_t)snprintf(ret->object + len, sizeof(ret->object) - len, "/...");
	for (int i = PROC_PARTS; i-- > 0;)
		if (k->name[i][0])
			len += (size_t)snprintf(ret->object + len, sizeof(ret->object) - len,
						"/%.*s", PROC_PART, (const char *)k->name[i]);
}

static int syscalls_write(struct collect *c)
{
	struct syscalls_state *s = c->state;
	int r = delay_write_table(&s->run, "proc_files", &s->run.maps[1].sums, file_words);

	return r < 0 ? r : delay_write(&s->run, call_words);
}

const struct collector collector_syscalls = {
	.name = "syscalls",
	.summary = "system calls by process, how often and how long; who reads /proc",
	.needs = "CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN; kernel BTF",
	.timed = true,
	.memory_share = 9,
	.memory_least_kib = 5632,
	.loads_types = true,
	.probe = syscalls_probe,
	.start = syscalls_start,
	.write = syscalls_write,
};
