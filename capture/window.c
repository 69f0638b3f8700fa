/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The run.  One process listens to all collectors' children, keeps the deadlines and the budgets,
 * and is the only one that writes the archive.
 *
 *   window_run_table()  plan → preflight → begin() → window_attend() → finish()
 *   window_attend()     again and again: signals, deadlines, the dead, budgets, the pipes
 *   a signal            every child is told to hand over what it has, and killed a second
 *                       later; finish() then writes a manifest that says so
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "budget.h"
#include "bundle/writer.h"
#include "child/guest.h"
#include "name.h"
#include "run.h"
#include "signals.h"
#include "window_private.h"

/* The exit codes of the contract. */
enum { COMPLETE = 0, USAGE = 2, PARTIAL = 3, NO_ARCHIVE = 4, REFUSED = 5, SIGNALLED = 128 };

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

static void say_cut_name(struct run *r, const char *option, const char *value)
{
	if (value && strlen(value) > NAME_PART_LEN)
		say(&r->say, SAY_PROBLEM,
		    "%s: its first %d bytes are in the archive's name; all of it is in "
		    "capture.json",
		    option, NAME_PART_LEN);
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
	say_cut_name(r, "--label", o->label);
	say_cut_name(r, "--ticket", o->ticket);
	budget_init(&r->budget, o, r->window_start_ns);
	window_start_children(r, clock_ns(CLOCK_MONOTONIC));
	return 0;
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
		/* Between two measurements the sum may have been higher; this much it was. */
		if (c->max_rss_bytes > r->budget.memory_peak_bytes)
			r->budget.memory_peak_bytes = c->max_rss_bytes;
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
		say(&r->say, SAY_PROBLEM, "the log is not kept: %s", e.text);
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
	if (!path || !strcmp(path, "-"))
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
	const struct ladder *memory = NULL;
	struct ladder ladder;
	struct err e = {0};
	const char *path = NULL;

	if (plan_select(&r->plan, table, o, &e))
		return complain(r, &e, USAGE);
	plan_probe(&r->plan, o, r->root, r->signal_fd);
	if (o->plan || o->estimate_only || o->memory_source != MEMORY_AUTO) {
		for (size_t i = 0; i < r->plan.count && !memory; i++) {
			if (plan_reads_memory(&r->plan.rows[i])) {
				ladder_try(&ladder, o, r->root);
				memory = &ladder;
			}
		}
	}
	if (memory && (o->plan || o->estimate_only))
		plan_add_ladder(&r->plan, memory);
	if (o->plan || o->estimate_only)
		return plan_print(&r->plan, o, memory, stdout) ? NO_ARCHIVE : COMPLETE;
	/* After a signal there is an archive that says so, and no more questions. */
	if (!signals_first()) {
		if (memory && memory->no && !memory->timed_out)
			err_set(&e, memory->no, "--memory-source: %s", memory->refused);
		if (e.no || plan_refuse(&r->plan, o, r->root, &e))
			return complain(r, &e, REFUSED);
	}
	if (target_open(&r->target, o, r->plan.expected_bytes, &e))
		return complain(r, &e, REFUSED);
	init_children(r);
	int rc = begin(r);
	if (!rc)
		rc = window_attend(r);
	if (rc) {
		window_abort(r);
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
	r->pool.limit = shares_pool(o->max_memory);
	r->target.dir_fd = -1;
	r->begun_ns = clock_ns(CLOCK_MONOTONIC);
	umask(077);
	guest_enter();
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
