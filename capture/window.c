/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The run.  One process listens to all collectors' children, keeps the deadlines and the budgets,
 * and is the only one that writes the archive.
 *
 *   window_run_table()   plan → preflight → begin() → attend() → finish()
 *   attend()             one pass: signals, deadlines, the dead, budgets, what the pipes have
 *   a signal             interrupt(): every child is told to hand over, gets INTERRUPT_NS, is
 * killed; finish() then writes a manifest that says so
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/sbuf.h"
#include "base/units.h"
#include "budget.h"
#include "bundle/writer.h"
#include "child.h"
#include "name.h"
#include "preflight.h"
#include "redact.h"
#include "say.h"
#include "signals.h"
#include "window_private.h"

#define GRACE_NS (10 * NSEC_PER_SEC)	     /* after the window's end, to read and hand over */
#define STOP_MARGIN_NS (500 * NSEC_PER_MSEC) /* before the deadline, to stop in order */
#define INTERRUPT_NS (1100 * NSEC_PER_MSEC)  /* of the two seconds after a signal */
#define DIE_NS (300 * NSEC_PER_MSEC)	     /* after SIGKILL, before it is left behind */
#define IDLE_TICK_NS (200 * NSEC_PER_MSEC)
#define POOL_BYTES (2 * (size_t)BUNDLE_PART_SIZE + (64u << 10))

/* The exit codes of the contract. */
enum { COMPLETE = 0, USAGE = 2, PARTIAL = 3, NO_ARCHIVE = 4, REFUSED = 5, SIGNALLED = 128 };

struct run {
	const struct capture_options *options;
	const struct sysroot *root;
	struct say say;
	struct plan plan;
	struct target target;
	struct bundle_writer *writer;
	struct budget budget;
	struct frame_pool pool;
	struct child children[ASK_MAX];
	size_t child_count;
	struct redactor redactor;
	struct capture_head head;
	struct capture_manifest manifest;
	struct err fatal; /* why there will be no archive */
	int signal_fd, interrupted;
	bool disk_warned;
	uint64_t begun_ns, window_start_ns, window_end_ns, ended_ns, next_tick_ns;
};

static double since_start_ms(const struct run *r, uint64_t now)
{
	return now > r->window_start_ns ? (double)(now - r->window_start_ns) / 1e6 : 0;
}

/* ------------------------------------------------------------------ what children hand over */

static void lose_member(struct run *r, struct child *c, const char *name, const struct err *e)
{
	child_loss(c, "members not written", 1);
	if (c->lost_reason[0])
		return;
	snprintf(c->lost_reason, sizeof(c->lost_reason), "%.200s: %.300s", name, e->text);
	say(&r->say, SAY_PROBLEM, "%s: %s is not kept: %s", c->result.name, name, e->text);
}

static int take_member(void *ctx, struct child *c, const char *name, const void *data, size_t len,
		       bool truncated)
{
	struct run *r = ctx;
	struct err e = {0};
	size_t members;
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

/* ------------------------------------------------------------------ begin */

static void init_children(struct run *r)
{
	for (size_t i = 0; i < r->plan.count; i++) {
		const struct plan_row *row = &r->plan.rows[i];
		struct child *c = &r->children[r->child_count++];

		child_init(c, row->collector);
		if (row->probe.status != COLLECTOR_OK) {
			child_status(c, row->probe.status, row->probe.no, "%s", row->probe.reason);
			c->result.abandoned_pid = row->left_behind;
			c->phase = CHILD_GONE;
		}
	}
}

static int write_head(struct run *r)
{
	_cleanup_(membuf_deinit) struct membuf m = {0};
	struct json j;

	json_init(&j, membuf_write, &m);
	j.pretty = true;
	capture_head_write(&j, &r->head);
	int rc = json_end(&j);
	if (rc)
		return err_errno(&r->fatal, rc, BUNDLE_HEAD);
	return bundle_add(r->writer, BUNDLE_HEAD, m.p, m.len, false, &r->fatal);
}

static int begin(struct run *r)
{
	const struct capture_options *o = r->options;
	struct capture_head *h = &r->head;
	uint8_t random[8];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return err_errno(&r->fatal, errno, "getrandom");
	head_fill(h, o, &r->plan.facts);
	h->clock = clock_anchor_now();
	name_make(h->name, o->label,
		  o->redact == REDACT_STRICT || !h->hostname[0] ? "host" : h->hostname, o->ticket,
		  h->clock.realtime_ns, random);
	plan_names(&r->plan, h->collectors, sizeof(h->collectors), ",");

	int rc = bundle_create(&r->writer, o->output, h->name, o->max_size, &r->fatal);
	if (rc)
		return rc;
	r->window_start_ns = clock_ns(CLOCK_MONOTONIC);
	r->window_end_ns = r->window_start_ns + o->duration_ns;
	h->window_start_monotonic_ns = r->window_start_ns;
	rc = write_head(r);
	if (rc)
		return rc;
	say_start(&r->say, h->name, o->duration_ns, h->collectors);
	budget_init(&r->budget, o, r->window_start_ns);
	for (size_t i = 0; i < r->child_count; i++) {
		struct child *c = &r->children[i];
		struct collect t = {
			.options = o,
			.root = r->root,
			.redactor = &r->redactor,
			.window_start_ns = r->window_start_ns,
			.window_end_ns = r->window_end_ns,
			.deadline_ns = r->window_end_ns + GRACE_NS,
			.memory_limit = o->max_memory / 100 * c->collector->memory_share,
			.stop_fd = -1,
		};

		if (c->phase != CHILD_UNBORN)
			continue;
		if (signals_first()) {
			child_status(c, COLLECTOR_PARTIAL, 0, "interrupted before it started");
			c->phase = CHILD_GONE;
		} else if (child_start(c, &t, since_start_ms(r, clock_ns(CLOCK_MONOTONIC)))) {
			c->phase = CHILD_GONE;
		}
	}
	return 0;
}

/* ------------------------------------------------------------------ attend */

static void interrupt(struct run *r, uint64_t now)
{
	r->interrupted = signals_first();
	say(&r->say, SAY_PROBLEM, "SIG%s: finishing with what there is (again to leave at once)",
	    sigabbrev_np(r->interrupted));
	budget_release(&r->budget, r->children, r->child_count, now);
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
			   format_duration(GRACE_NS, late), format_duration(c->paused_ns, held));
	else
		child_kill(c, now, COLLECTOR_TIMEOUT, "not done %s after the window's end",
			   format_duration(GRACE_NS, late));
}

/* Its process has ended and its pipe is empty: what is to be said of it? */
static void conclude(struct run *r, struct child *c)
{
	struct collector_result *result = &c->result;

	if (result->status == COLLECTOR_OK && c->lost_reason[0])
		child_status(c, COLLECTOR_PARTIAL, 0, "%s", c->lost_reason);
	else if (c->lost_reason[0])
		child_note(c, "%s", c->lost_reason);
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
	child_reap(c, since_start_ms(r, now));
	if (child_alive(c) && c->phase == CHILD_KILLED && now >= c->killed_ns + DIE_NS) {
		int rc = 1;

		while (c->fd >= 0 && rc == 1) {
			rc = read_child(r, c);
			if (rc < 0)
				return rc;
		}
		child_abandon(c, &r->pool, since_start_ms(r, now));
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
	budget_tick(&r->budget, r->children, r->child_count, now);
	busy = r->budget.paused;
	for (size_t i = 0; i < r->child_count; i++)
		busy |= r->children[i].cpu_ns - r->children[i].cpu_before_ns > NSEC_PER_MSEC;
	r->next_tick_ns = now + (busy ? BUDGET_TICK_NS : IDLE_TICK_NS);
	say_count(&r->say, r->window_end_ns > now && !r->interrupted ? r->window_end_ns - now : 0,
		  alive, (unsigned)r->plan.runnable, bundle_bytes_written(r->writer));
}

/* Until every child has been heard and buried.  A negative errno: there will be no archive. */
static int attend(struct run *r)
{
	for (;;) {
		struct pollfd p[ASK_MAX + 1];
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		bool dying = false;
		unsigned alive = 0;
		int rc;

		if (!r->interrupted && signals_first())
			interrupt(r, now);
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
static void abort_children(struct run *r)
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

/* ------------------------------------------------------------------ finish */

static void fill_manifest(struct run *r)
{
	struct capture_manifest *m = &r->manifest;
	struct rusage self;
	uint64_t now;

	m->version_major = BUNDLE_MAJOR;
	m->version_minor = BUNDLE_MINOR;
	m->complete = !r->interrupted;
	m->observer_cpu_s = budget_cpu_s();
	for (size_t i = 0; i < r->child_count; i++) {
		const struct collector_result *c = &r->children[i].result;

		m->complete &= collector_status_complete(c->status);
		m->collectors[m->collector_count++] = *c;
		if (c->abandoned_pid)
			m->observer_cpu_s += c->cpu_s;
	}
	m->exit_code = r->interrupted ? SIGNALLED + r->interrupted
		       : m->complete  ? COMPLETE
				      : PARTIAL;
	if (r->interrupted)
		snprintf(m->interrupted, sizeof(m->interrupted), "SIG%s",
			 sigabbrev_np(r->interrupted));
	now = clock_ns(CLOCK_MONOTONIC);
	m->finished_realtime_ns = clock_ns(CLOCK_REALTIME);
	m->finished_monotonic_ns = now;
	m->window_end_monotonic_ns =
		r->ended_ns < r->window_end_ns ? r->ended_ns : r->window_end_ns;
	m->observer_wall_s = (double)(now - r->begun_ns) / 1e9;
	getrusage(RUSAGE_SELF, &self);
	m->observer_max_rss_bytes = (uint64_t)self.ru_maxrss * 1024;
	if (r->budget.memory_peak_bytes > m->observer_max_rss_bytes)
		m->observer_max_rss_bytes = r->budget.memory_peak_bytes;
	m->bytes_written = bundle_bytes_written(r->writer);
}

static int finish(struct run *r, const char **ret_path)
{
	_cleanup_(membuf_deinit) struct membuf text = {0};
	const struct bundle_member *members;
	struct err e = {0};
	struct json j;
	size_t count;

	if (r->say.log_len && bundle_add(r->writer, "log/capture.log", r->say.log, r->say.log_len,
					 r->say.log_cut, &e))
		say(&r->say, SAY_PROBLEM, "log/capture.log is not kept: %s", e.text);
	if (!r->interrupted)
		r->interrupted = signals_first();
	fill_manifest(r);
	members = bundle_members(r->writer, &count);
	json_init(&j, membuf_write, &text);
	capture_manifest_write(&j, &r->manifest, members, count);
	int rc = json_end(&j);
	if (rc)
		return err_errno(&r->fatal, rc, BUNDLE_MANIFEST);
	return bundle_finish(r->writer, text.p, text.len, ret_path, &r->fatal);
}

static void print_path(struct run *r, const char *path)
{
	if (!strcmp(path, "-"))
		return;
	if (printf("%s\n", path) < 0 || fflush(stdout))
		say(&r->say, SAY_PROBLEM, "standard output: %s; the archive is %s", strerror(errno),
		    path);
}

/* ------------------------------------------------------------------ the whole of it */

static int complain(struct run *r, const struct err *e, int code)
{
	say(&r->say, SAY_ERROR, "%s%s", e->text, code == NO_ARCHIVE ? "; no archive" : "");
	return code;
}

static int run(struct run *r, const struct collector *const *table)
{
	const struct capture_options *o = r->options;
	struct err e = {0};
	const char *path;

	if (plan_select(&r->plan, table, o, &e))
		return complain(r, &e, USAGE);
	plan_probe(&r->plan, o, r->root, r->signal_fd);
	if (o->plan || o->estimate_only)
		return plan_print(&r->plan, o, stdout) ? NO_ARCHIVE : COMPLETE;
	if (target_open(&r->target, o, r->plan.expected_bytes, &e))
		return complain(r, &e, REFUSED);
	init_children(r);
	int rc = begin(r);
	if (!rc)
		rc = attend(r);
	if (rc) {
		abort_children(r);
		return complain(r, &r->fatal, NO_ARCHIVE);
	}
	r->ended_ns = clock_ns(CLOCK_MONOTONIC);
	if (finish(r, &path))
		return complain(r, &r->fatal, NO_ARCHIVE);
	int code = r->manifest.exit_code;
	/* A signal that came after the manifest was made: the archive is whole all the same. */
	if (signals_first())
		code = SIGNALLED + signals_first();
	say_end(&r->say, path, bundle_bytes_written(r->writer), r->manifest.complete, code);
	print_path(r, path);
	return code;
}

int window_run_table(const struct capture_options *o, const struct sysroot *root,
		     const struct collector *const *table)
{
	struct run *r = calloc(1, sizeof(*r));

	if (!r)
		return NO_ARCHIVE;
	r->options = o;
	r->root = root;
	r->redactor.level = o->redact;
	r->pool.limit = POOL_BYTES;
	r->target.dir_fd = -1;
	r->begun_ns = clock_ns(CLOCK_MONOTONIC);
	umask(077);
	budget_be_polite();
	say_init(&r->say, o);
	r->signal_fd = signals_install();
	int code = run(r, table);
	bundle_destroy(r->writer);
	target_close(&r->target);
	say_deinit(&r->say);
	if (r->signal_fd >= 0)
		close(r->signal_fd);
	for (size_t i = 0; i < r->child_count; i++)
		frame_done(&r->children[i].in, &r->pool);
	free(r);
	return code;
}
