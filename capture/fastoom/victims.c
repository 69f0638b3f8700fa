/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the decision to the proof: pidfd → confirm → intent → TERM → grace → KILL → mrelease → exit
 * → memory freed.  Nothing here waits; each step is taken when its time has come.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/proc.h"
#include "guard.h"
#include "sys.h"

#define LATE_NS (3 * NSEC_PER_SEC)	/* after SIGKILL */
#define CAPTURE_S 2			/* what it needs to leave a valid archive */
#define VERIFY_NS (500 * NSEC_PER_MSEC) /* after the exit */

static struct victim *free_slot(struct guard *g)
{
	for (unsigned i = 0; i < GUARD_VICTIMS; i++) {
		if (g->victims[i].stage == STAGE_NONE)
			return &g->victims[i];
	}
	return NULL;
}

unsigned victims_in_flight(const struct guard *g)
{
	unsigned n = 0;

	for (unsigned i = 0; i < GUARD_VICTIMS; i++)
		n += g->victims[i].stage != STAGE_NONE && g->victims[i].stage != STAGE_LATE &&
		     !g->victims[i].who.ours;
	return n;
}

void victims_exclude(struct guard *g)
{
	struct chooser *c = &g->chooser;

	c->n_excluded = 0;
	for (unsigned i = 0; i < GUARD_VICTIMS && c->n_excluded < CHOICE_EXCLUDED; i++) {
		if (g->victims[i].stage == STAGE_NONE)
			continue;
		c->excluded[c->n_excluded].pid = g->victims[i].who.pid;
		c->excluded[c->n_excluded++].starttime = g->victims[i].who.starttime;
	}
}

/* Has it a SIGKILL to come already, from the kernel or another guard? */
static bool dying_already(struct guard *g, pid_t pid)
{
	char path[40];
	const char *at;
	ssize_t n = read_file_at(g->root.proc_fd, pid_path(path, pid, "status"), g->scratch,
				 sizeof(g->scratch));

	if (n < 0)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		const char *name = i ? "\nShdPnd:\t" : "\nSigPnd:\t";

		at = strstr(g->scratch, name);
		/* hexadecimal, signal 9 is bit 8 */
		if (at && strlen(at) > 9 + 16 && (at[9 + 13] - '0') % 2 == 1 && at[9 + 13] <= '9')
			return true;
		if (at && at[9 + 13] >= 'a' && (at[9 + 13] - 'a') % 2 == 1)
			return true;
	}
	return false;
}

static int send(struct guard *g, struct victim *v, int no)
{
	struct proc_stat st;
	char path[40];
	ssize_t n;

	v->signal = no;
	if (v->pidfd >= 0)
		return sys_pidfd_signal(v->pidfd, no);
	/* Without a pidfd there is a moment in which the number may change hands; keep it short. */
	n = read_file_at(g->root.proc_fd, pid_path(path, v->who.pid, "stat"), g->scratch,
			 sizeof(g->scratch));
	if (n < 0 || parse_proc_stat(g->scratch, (size_t)n, &st) < 0 ||
	    st.starttime != v->who.starttime)
		return -ESRCH;
	return kill(v->who.pid, no) < 0 ? -errno : 0;
}

/* A capture takes its time to leave; nobody waits for it. */
static bool is_waited_for(const struct victim *v)
{
	return !v->who.capture;
}

static void forget(struct guard *g, struct victim *v)
{
	if (v->pidfd >= 0)
		close(v->pidfd);
	if (is_waited_for(v) && v->stage != STAGE_LATE && g->watched[v->watched].in_flight)
		g->watched[v->watched].in_flight--;
	v->stage = STAGE_NONE;
}

static void tell_rule(const struct guard *g, const struct watched *w, struct victim *v)
{
	const struct config *c = guard_config(g);
	const struct policy *p = &c->policies[w->scope.policy];

	if (v->who.capture)
		snprintf(v->rule, sizeof(v->rule), "a running capture gives way first");
	else if (v->who.first)
		snprintf(v->rule, sizeof(v->rule), "oom_score_adj %d", v->who.adj);
	else if (v->who.tier < p->n_prefer)
		snprintf(v->rule, sizeof(v->rule), "prefer %.80s",
			 pattern_text(&c->pool, p->prefer[v->who.tier]));
	else
		snprintf(v->rule, sizeof(v->rule), "largest heap");
}

static void signal_first(struct guard *g, struct watched *w, struct victim *v, uint64_t now)
{
	const struct profile *p =
		profile_of(guard_config(g)->policies[w->scope.policy].sensitivity);
	double grace = p->grace_s;

	/* No time to be polite. */
	if (at_the_floor(&w->features) || w->features.tte_s < 2 * grace)
		grace = 0;
	if (v->who.capture)
		grace = CAPTURE_S;
	v->signal = grace > 0 ? SIGTERM : SIGKILL;
	v->stage = grace > 0 ? STAGE_TERM : STAGE_KILL;
	v->signalled_ns = now;
	v->escalate_ns = now + (uint64_t)(grace * 1e9);
	v->late_ns = v->escalate_ns + LATE_NS;
}

/* 0: signalled, or it would have been; -EALREADY: somebody else did; -errno: not, and recorded
 * where that is news. */
int victim_begin(struct guard *g, struct watched *w, const struct candidate *who, uint64_t now)
{
	struct victim *v = free_slot(g);
	static const struct victim none;
	struct identity id;
	struct spared why;
	int r;

	if (!v)
		return -EAGAIN;
	memcpy(v, &none, sizeof(none));
	v->who = *who;
	v->watched = (unsigned)(w - g->watched);
	v->pidfd = sys_pidfd_open(who->pid);
	if (v->pidfd < 0 && v->pidfd != -ENOSYS && v->pidfd != -EMFILE && v->pidfd != -EINVAL)
		return v->pidfd;
	r = confirm(&g->chooser, who, &id, &why);
	/* The kernel or another guard was faster. */
	if (r == 0 && dying_already(g, who->pid))
		r = -EALREADY;
	if (r < 0) {
		if (r == -EPERM)
			record_skip(g, w, &why);
		if (v->pidfd >= 0)
			close(v->pidfd);
		return r;
	}
	snprintf(v->cmdline, sizeof(v->cmdline), "%.511s", id.cmdline);
	snprintf(v->cgroup, sizeof(v->cgroup), "%.255s", id.cgroup);
	v->probability = w->probability;
	v->features = w->features;
	v->available = scope_available(&w->scope, &g->machine);
	v->total = scope_total(&w->scope, &g->machine);
	v->consumption = (uint64_t)scope_consumption(&w->scope, &g->machine);
	tell_rule(g, w, v);
	signal_first(g, w, v, now);
	record_intent(g, v);
	w->in_flight += is_waited_for(v);
	if (guard_config(g)->dry_run) {
		forget(g, v);
		return 0;
	}
	r = send(g, v, v->signal);
	if (r == -ESRCH)
		record_kill(g, v, 0, 0, "vanished");
	else if (r < 0)
		record_kill(g, v, 0, 0, "failed");
	if (r < 0)
		forget(g, v);
	return r;
}

static bool has_exited(struct guard *g, const struct victim *v)
{
	struct pollfd p = {.fd = v->pidfd, .events = POLLIN};
	struct proc_stat st;
	char path[40];
	ssize_t n;

	if (v->pidfd >= 0)
		return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
	n = read_file_at(g->root.proc_fd, pid_path(path, v->who.pid, "stat"), g->scratch,
			 sizeof(g->scratch));
	return n < 0 || parse_proc_stat(g->scratch, (size_t)n, &st) < 0 ||
	       st.starttime != v->who.starttime || (st.state == 'Z' && st.num_threads < 2);
}

/* What has come back since the batch was chosen, and was not yet put down to somebody. */
static uint64_t gained(struct guard *g, struct victim *v)
{
	struct watched *w = &g->watched[v->watched];
	uint64_t now;

	machine_read(&g->machine, clock_ns(CLOCK_MONOTONIC), false, g->scratch, sizeof(g->scratch));
	scope_read(&w->scope, &g->machine, clock_ns(CLOCK_MONOTONIC), true, g->scratch,
		   sizeof(g->scratch));
	now = scope_used(&w->scope, &g->machine);
	return w->mark > now ? w->mark - now : 0;
}

static void settle(struct guard *g, struct victim *v, uint64_t now)
{
	struct watched *w = &g->watched[v->watched];
	uint64_t gain = gained(g, v), took = v->exited_ns - v->signalled_ns;

	/* The others of the batch are still to come: what is beyond this one's heap is theirs. */
	if (w->in_flight > is_waited_for(v) && gain > v->who.heap)
		gain = v->who.heap;
	if (gain < v->who.heap / 2 && now - v->exited_ns < VERIFY_NS)
		return;
	w->mark -= gain;
	record_kill(g, v, gain, took ? took : 1, gain >= v->who.heap / 2 ? "freed" : "exited");
	/* Refaults come for a while after a kill; they are its price, not a reason for another. */
	w->over_ns = 0;
	w->cool_ns = now + (gain >= v->who.heap / 2 ? 500 * NSEC_PER_MSEC : 0);
	forget(g, v);
}

static void escalate(struct guard *g, struct victim *v, uint64_t now)
{
	int r;

	if (v->who.ours) {
		/* Its end would be ours. */
		record_kill(g, v, 0, 0, "pending");
		v->stage = STAGE_LATE;
		return;
	}
	v->stage = STAGE_KILL;
	v->late_ns = now + LATE_NS;
	r = send(g, v, SIGKILL);
	if (r < 0 && r != -ESRCH) {
		record_kill(g, v, 0, 0, "failed");
		forget(g, v);
	}
}

static void release(struct victim *v)
{
	int r;

	if (v->released || v->pidfd < 0)
		return;
	/* Also from who is frozen or stuck in the kernel and cannot die yet. */
	r = sys_mrelease(v->pidfd);
	v->released = r != -EAGAIN && r != -EINTR;
}

static void victim_tick(struct guard *g, struct victim *v, uint64_t now)
{
	struct watched *w = &g->watched[v->watched];

	if (v->stage != STAGE_EXITED && has_exited(g, v)) {
		v->exited_ns = now;
		if (v->stage == STAGE_LATE)
			w->in_flight += is_waited_for(v);
		v->stage = STAGE_EXITED;
	}
	switch (v->stage) {
	case STAGE_TERM:
		if (now >= v->escalate_ns)
			escalate(g, v, now);
		break;
	case STAGE_KILL:
		release(v);
		if (now >= v->late_ns) {
			record_kill(g, v, 0, 0, "pending");
			v->stage = STAGE_LATE;
			w->in_flight -= is_waited_for(v);
			/* mrelease may have freed it all without an exit */
			w->mark -= gained(g, v);
		}
		break;
	case STAGE_EXITED:
		settle(g, v, now);
		break;
	default:
		break;
	}
}

void victims_tick(struct guard *g, uint64_t now)
{
	for (unsigned i = 0; i < GUARD_VICTIMS; i++) {
		if (g->victims[i].stage != STAGE_NONE)
			victim_tick(g, &g->victims[i], now);
	}
}

void victims_hurry(struct guard *g, struct watched *w, uint64_t now)
{
	for (unsigned i = 0; i < GUARD_VICTIMS; i++) {
		struct victim *v = &g->victims[i];

		if (v->stage == STAGE_TERM && !v->who.capture && &g->watched[v->watched] == w)
			escalate(g, v, now);
	}
}
