/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Timed stacks of all CPUs.  See stacks/session.h for how. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../collect.h"
#include "../stacks/session.h"
#include "bpf_probe.h"

/* Without BPF there may be a lower rung, which takes it upon itself to say what it lacks. */
static void step_down(const struct sysroot *root, struct probe_result *ret)
{
	struct err e = {0};
	size_t n = strlen(ret->reason);

	if (lower_ask(root, &e) < 0) {
		snprintf(ret->reason + n, sizeof(ret->reason) - n, "; %.200s", e.text);
		return;
	}
	ret->status = COLLECTOR_OK;
	ret->no = 0;
	snprintf(ret->reason + n, sizeof(ret->reason) - n, "; using perf events");
}

static void stacks_probe(const struct capture_options *o, const struct sysroot *root,
			 struct probe_result *ret)
{
	bpf_probe_ask(o, root, ret);
	ret->expected_bytes = 0; /* it depends on what runs */
	if (ret->status != COLLECTOR_OK && !root->recorded)
		step_down(root, ret);
}

/*
 * On a machine whose CPUs are all taken, a low priority would mean to load for seconds and to see
 * nothing of the window, and SCHED_BATCH to come late with every unwind table.  What this collector
 * takes is bounded by its clock; the budget stays.
 */
static void come_forward(void)
{
	const struct sched_param param = {0};

	sched_setscheduler(0, SCHED_OTHER, &param);
	if (getpriority(PRIO_PROCESS, 0) > 0)
		setpriority(PRIO_PROCESS, 0, 0);
}

static int stacks_start(struct collect *c)
{
	struct session_limits limits;
	struct err e = {0};
	struct session *s;
	int r;

	come_forward();
	session_limits_for(&limits, c->memory_limit, (unsigned)sysconf(_SC_NPROCESSORS_ONLN));
	r = session_open(&s, c, &limits, &e);
	if (!r && (r = session_start(s, &e)) < 0)
		session_close(s);
	if (!r && s->lower.mode && (s->lower.no == EPERM || s->lower.no == EACCES))
		emit_status(c->out, COLLECTOR_PARTIAL, s->lower.no, "%s", s->lower.why);
	else if (!r && s->lower.mode)
		emit_note(c->out, "%s", s->lower.why);
	if (r < 0) {
		emit_status(c->out,
			    r == -EPERM || r == -EACCES ? COLLECTOR_DENIED : COLLECTOR_UNSUPPORTED,
			    -r, "%s", e.text);
		return r;
	}
	c->state = s;
	return 0;
}

static int stacks_run(struct collect *c)
{
	return session_run(c->state);
}

static int stacks_stop(struct collect *c)
{
	return session_stop(c->state);
}

static int stacks_write(struct collect *c)
{
	int r = session_write(c->state);

	session_close(c->state);
	return r;
}

const struct collector collector_stacks = {
	.name = "stacks",
	.summary = "what every CPU was doing, 99 times a second: kernel and user stacks",
	.needs = "root, or CAP_BPF and CAP_PERFMON",
	.timed = true,
	.memory_share = 28,
	.memory_least_kib = 16384,
	.loads_types = true,
	.probe = stacks_probe,
	.start = stacks_start,
	.run = stacks_run,
	.stop = stacks_stop,
	.write = stacks_write,
};
