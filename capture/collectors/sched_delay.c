/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scheduling delay by process.  Beside the probe, the kernel's own sums at both ends of the window:
 * /proc/schedstat, where there is one, needs no privilege and misses nothing, but tells neither who
 * waited nor how long each time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/types.h>

#include "../base/cleanup.h"
#include "bpf_probe.h"
#include "delay_run.h"
#include "gather.h"
#include "sched_delay.skel.h"

#define SCHEDSTAT_CAP (1u << 20)

struct sched_delay_state {
	struct delay_run run; /* the first member */
	struct sched_delay_bpf *skel;
	bool probing; /* else only schedstat is there */
};

static bool has_schedstat(const struct sysroot *root)
{
	char text[64];

	return gather_read(root, "proc/schedstat", text, sizeof(text), NULL) > 0;
}

static void sched_delay_probe(const struct capture_options *o, const struct sysroot *root,
			      struct probe_result *ret)
{
	bpf_probe_ask(o, root, ret);
	if (ret->status != COLLECTOR_OK && has_schedstat(root)) {
		ret->status = COLLECTOR_OK;
		ret->no = 0;
	}
}

static int schedstat(struct collect *c)
{
	_cleanup_(gather_deinit) struct gather g = {0};
	char member[64], ms[16];
	int r = gather_init(&g, c);

	if (r < 0 || !has_schedstat(c->root))
		return r;
	member_time(c, ms);
	snprintf(member, sizeof(member), "raw/sched/schedstat.%s", ms);
	return gather_member(&g, member, "proc/schedstat", SCHEDSTAT_CAP);
}

static struct bpf_object_skeleton *open_skeleton(void *run, const struct bpf_object_open_opts *opts)
{
	struct sched_delay_state *s = run;

	s->skel = sched_delay_bpf__open_opts(opts);
	return s->skel ? s->skel->skeleton : NULL;
}

static int loaded(struct delay_run *r, struct err *e)
{
	struct sched_delay_state *s = (struct sched_delay_state *)r;

	r->window = &s->skel->bss->window;
	if (!s->skel->bss->supported)
		return err_set(e, ENOTSUP,
			       "bpf: this kernel does not keep when a task was queued "
			       "(SCHED_INFO, FAIR_GROUP_SCHED)");
	return 0;
}

static const struct delay_probe probe = {
	.name = "sched_delay",
	.state_size = sizeof(struct sched_delay_state),
	.cost = {.event = 500, .idle = 70},
	.open = open_skeleton,
	.loaded = loaded,
};

static int sched_delay_start(struct collect *c)
{
	struct delay_run *run = delay_run_new(c, &probe);
	struct sched_delay_state *s = (struct sched_delay_state *)run;
	struct probe_result ask;
	struct err e = {0};
	int r;

	if (!run)
		return -ENOMEM;
	r = schedstat(c);
	if (r < 0)
		return r;
	bpf_probe_ask(c->options, c->root, &ask);
	if (ask.status != COLLECTOR_OK)
		r = err_set(&e, ask.no ? ask.no : ENOTSUP, "%s", ask.reason);
	else
		r = delay_run_watch(run, &e);
	s->probing = r == 0;
	if (r == 0)
		return 0;
	if (!has_schedstat(c->root)) {
		bpf_probe_status(c, r, &e);
		return r;
	}
	err_add(&e, "using /proc/schedstat, which has sums only");
	if (r == -EPERM || r == -EACCES)
		emit_status(c->out, COLLECTOR_PARTIAL, e.no, "%s", e.text);
	else
		emit_note(c->out, "%s", e.text);
	return 0;
}

static void sched_words(const struct delay_run *r, const void *key, struct delay_words *ret)
{
	snprintf(ret->kind, sizeof(ret->kind), "wait");
}

static int sched_delay_write(struct collect *c)
{
	struct sched_delay_state *s = c->state;
	int r = schedstat(c);

	if (r < 0 || !s->probing)
		return r;
	return delay_write(&s->run, sched_words);
}

const struct collector collector_sched_delay = {
	.name = "sched-delay",
	.summary = "how long processes that could run waited for a CPU",
	.needs = "CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN; kernel BTF; sums without",
	.timed = true,
	.memory_share = 3,
	.memory_least_kib = 1792,
	.loads_types = true,
	.probe = sched_delay_probe,
	.start = sched_delay_start,
	.write = sched_delay_write,
};
