/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The middle of the run: listening to the children until every one of them is accounted for. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "bundle/writer.h"
#include "run.h"
#include "signals.h"

#define STOP_MARGIN_NS (500 * NSEC_PER_MSEC) /* before the deadline, to stop in order */
#define INTERRUPT_NS (1100 * NSEC_PER_MSEC)  /* of the two seconds after a signal */
#define DIE_NS (300 * NSEC_PER_MSEC)	     /* after SIGKILL, before it is left behind */
#define IDLE_TICK_NS (200 * NSEC_PER_MSEC)

/* ------------------------------------------------------------------ what children hand over */

static void lose_member(struct run *r, struct child *c, const char *name, const struct err *e)
{
	const char *reason = e->text;
	size_t n = strlen(name);

	child_loss(c, "members not written", 1);
	/* Of the writer's errors the member is the object; it need not be named twice. */
	if (!strncmp(reason, name, n) && !strncmp(reason + n, ": ", 2))
		reason += n + 2;
	say(&r->say, SAY_DETAIL, "%s: %s is not kept: %s", c->result.name, name, reason);
	if (!c->lost_reason[0])
		snprintf(c->lost_reason, sizeof(c->lost_reason), "%.200s is not kept: %.280s", name,
			 reason);
}

static int take_member(void *ctx, struct child *c, const char *name, const void *data, size_t len,
		       bool truncated)
{
	struct run *r = ctx;
	struct err e = {0};
	size_t members;
	char size[16];
	int rc = 0;

	bundle_members(r->writer, &members);
	/* The log and the manifest are still to come. */
	if (members + 2 >= BUNDLE_MAX_MEMBERS)
		rc = err_set(&e, EMFILE, "the archive has %d members already", BUNDLE_MAX_MEMBERS);
	if (!rc)
		rc = target_room(&r->target, len, &e);
	if (!rc)
		rc = bundle_add(r->writer, name, data, len, truncated, &e);
	if (!rc) {
		c->bytes += len;
		c->members++;
		say(&r->say, SAY_MEMBER, "%s: %s, %s%s", c->result.name, name,
		    format_size(len, size), truncated ? ", cut" : "");
		return 0;
	}
	if (r->target.dir_fd < 0 && rc != -EFBIG && rc != -EMFILE && rc != -EEXIST &&
	    rc != -EINVAL) {
		/* A stream cannot be cut back to the last whole member. */
		r->fatal = e;
		return rc;
	}
	lose_member(r, c, name, &e);
	return 0;
}

static void take_redacted(void *ctx, const char *kind, const char *where, uint64_t count)
{
	struct run *r = ctx;
	struct capture_manifest *m = &r->manifest;
	struct redaction_count *slot;
	size_t i;

	for (i = 0; i < m->redacted_count; i++)
		if (!strcmp(m->redacted[i].kind, kind) && !strcmp(m->redacted[i].where, where))
			break;
	if (i == ARRAY_SIZE(m->redacted)) {
		/* A receipt that is full still tells how much. */
		slot = &m->redacted[--i];
		snprintf(slot->kind, sizeof(slot->kind), "several");
		snprintf(slot->where, sizeof(slot->where), "several");
	} else if (i == m->redacted_count) {
		slot = &m->redacted[i];
		snprintf(slot->kind, sizeof(slot->kind), "%s", kind);
		snprintf(slot->where, sizeof(slot->where), "%s", where);
		m->redacted_count++;
	}
	m->redacted[i].count += count;
}

/* ------------------------------------------------------------------ attend */

static void interrupt(struct run *r, uint64_t now)
{
	r->interrupted = signals_first();
	say(&r->say, SAY_PROBLEM, "SIG%s: finishing with what there is (again to leave at once)",
	    sigabbrev_np(r->interrupted));
	budget_release(&r->budget, r->children, r->child_count, now);
	bundle_hurry(r->writer);
	for (size_t i = 0; i < r->child_count; i++) {
		struct child *c = &r->children[i];

		if (!child_alive(c))
			continue;
		c->cut = true;
		if (c->deadline_ns > now + INTERRUPT_NS)
			c->deadline_ns = now + INTERRUPT_NS;
		child_stop(c);
	}
}

static void keep_deadline(struct run *r, struct child *c, uint64_t now)
{
	char held[24], late[24];

	if (c->phase == CHILD_RUNNING && now + STOP_MARGIN_NS >= c->deadline_ns)
		child_stop(c);
	if (c->phase != CHILD_RUNNING && c->phase != CHILD_STOPPING)
		return;
	if (now < c->deadline_ns)
		return;
	if (r->interrupted)
		child_kill(c, now, COLLECTOR_PARTIAL,
			   "interrupted by SIG%s, and not done within %s",
			   sigabbrev_np(r->interrupted), format_duration(INTERRUPT_NS, late));
	else if (c->paused_ns)
		child_kill(c, now, COLLECTOR_TIMEOUT,
			   "not done %s after the window's end; --max-cpu held it back for %s",
			   format_duration(RUN_GRACE_NS, late),
			   format_duration(c->paused_ns, held));
	else
		child_kill(c, now, COLLECTOR_TIMEOUT, "not done %s after the window's end",
			   format_duration(RUN_GRACE_NS, late));
}

/* Its process has ended and its pipe is empty: what is to be said of it? */
static void conclude(struct run *r, struct child *c)
{
	struct collector_result *result = &c->result;

	if (result->status == COLLECTOR_OK && c->lost_reason[0]) {
		child_status(c, COLLECTOR_PARTIAL, 0, "%s", c->lost_reason);
	} else if (c->lost_reason[0]) {
		child_note(c, "%s", c->lost_reason);
		say(&r->say, SAY_PROBLEM, "%s: %s", result->name, c->lost_reason);
	}
	if (result->status == COLLECTOR_OK && c->over_memory)
		child_status(c, COLLECTOR_PARTIAL, 0, "ended early by --max-memory");
	if (result->status == COLLECTOR_OK && c->cut && c->collector->timed)
		child_status(c, COLLECTOR_PARTIAL, 0, "its window was ended early by SIG%s",
			     sigabbrev_np(r->interrupted));
	if (c->paused_ns > NSEC_PER_SEC) {
		char text[24];

		child_note(c, "--max-cpu held it back for %s", format_duration(c->paused_ns, text));
	}
	say_collector(&r->say, result, c->bytes);
	c->concluded = true;
}

static int read_child(struct run *r, struct child *c)
{
	const struct child_sink sink = {.ctx = r, .member = take_member, .redacted = take_redacted};

	return child_read(c, &r->pool, &sink);
}

/* Bury what is dead, leave what cannot die.  1: still there, 0: concluded, or a fatal errno. */
static int settle(struct run *r, struct child *c, uint64_t now)
{
	if (c->concluded)
		return 0;
	if (c->phase == CHILD_UNBORN)
		return 1;
	child_reap(c, run_ms(r, now));
	if (child_alive(c) && c->phase == CHILD_KILLED && now >= c->killed_ns + DIE_NS) {
		int rc = 1;

		while (c->fd >= 0 && rc == 1) {
			rc = read_child(r, c);
			if (rc < 0)
				return rc;
		}
		child_abandon(c, &r->pool, run_ms(r, now));
	}
	if (child_alive(c) || c->fd >= 0)
		return 1;
	conclude(r, c);
	return 0;
}

static int next_timeout(const struct run *r, uint64_t now, bool dying)
{
	uint64_t ns = r->next_tick_ns > now ? r->next_tick_ns - now : 0;

	if (dying && ns > 5 * NSEC_PER_MSEC)
		ns = 5 * NSEC_PER_MSEC;
	return (int)((ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

static void tick(struct run *r, uint64_t now, unsigned alive)
{
	bool busy;

	if (now < r->next_tick_ns)
		return;
	if (budget_tick(&r->budget, r->children, r->child_count, now))
		say(&r->say, SAY_INFO, "the CPUs are busy: now at nice %d, --max-cpu holds",
		    r->budget.nice_now);
	busy = r->budget.paused;
	for (size_t i = 0; i < r->child_count; i++)
		busy |= r->children[i].cpu_ns - r->children[i].cpu_before_ns > NSEC_PER_MSEC;
	r->next_tick_ns = now + (busy ? BUDGET_TICK_NS : IDLE_TICK_NS);
	say_count(&r->say, r->window_end_ns > now && !r->interrupted ? r->window_end_ns - now : 0,
		  alive, (unsigned)r->plan.runnable, bundle_bytes_written(r->writer));
}

/* Until every child has been heard and buried.  A negative errno: there will be no archive. */
int window_attend(struct run *r)
{
	for (;;) {
		struct pollfd p[ASK_MAX + 1];
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		bool dying = false;
		unsigned alive = 0;
		int rc;

		if (!r->interrupted && signals_first())
			interrupt(r, now);
		window_start_children(r, now);
		for (size_t i = 0; i < r->child_count; i++) {
			struct child *c = &r->children[i];

			keep_deadline(r, c, now);
			rc = settle(r, c, now);
			if (rc < 0)
				return rc;
			alive += (unsigned)rc;
			dying |= child_alive(c) && (c->fd < 0 || c->phase == CHILD_KILLED);
			p[i] = (struct pollfd){.fd = c->fd, .events = POLLIN};
			if (c->fd >= 0 && frame_waits_for_room(&c->in, &r->pool))
				p[i].fd = -1;
		}
		if (!alive)
			return 0;
		tick(r, now, alive);
		p[r->child_count] = (struct pollfd){
			.fd = r->interrupted ? -1 : r->signal_fd,
			.events = POLLIN,
		};
		if (poll(p, r->child_count + 1, next_timeout(r, now, dying)) <= 0)
			continue;
		for (size_t i = 0; i < r->child_count; i++) {
			struct child *c = &r->children[i];

			if (c->fd < 0 || !p[i].revents || p[i].fd < 0)
				continue;
			rc = read_child(r, c);
			if (rc < 0)
				return rc;
		}
	}
}

/* Nothing will come of it: no child may outlive us. */
void window_abort(struct run *r)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	bool alive = true;

	for (size_t i = 0; i < r->child_count; i++)
		child_kill(&r->children[i], now, COLLECTOR_ERROR, "aborted");
	while (alive && clock_ns(CLOCK_MONOTONIC) < now + DIE_NS) {
		const struct timespec ms = {.tv_nsec = 1000000};

		alive = false;
		for (size_t i = 0; i < r->child_count; i++)
			alive |= !child_reap(&r->children[i], 0);
		if (alive)
			nanosleep(&ms, NULL);
	}
}
