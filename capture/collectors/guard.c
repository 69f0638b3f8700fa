/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard beside the capture, and the journals.  With --guard fastoom runs from the start of the
 * window to its end; what a fastoom that runs here as a service has written is taken in every
 * capture.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "gather.h"
#include "guard_journal.h"
#include "guard_run.h"

#define END_NS (2500 * NSEC_PER_MSEC) /* fastoom sees its victims off, in 2 s at most */
/* Interrupted: the capture's second of grace must do for all.  The guard itself may have asked for
 * it, and has then work in hand. */
#define HURRY_STAY_NS (450 * NSEC_PER_MSEC)
#define HURRY_END_NS (250 * NSEC_PER_MSEC)

static const struct {
	const char *path, *member;
} journals[] = {
	{"var/log/fastoom/journal.jsonl.1", "journal/fastoom.1.jsonl"},
	{"var/log/fastoom/journal.jsonl", "journal/fastoom.jsonl"},
};

static void guard_probe(const struct capture_options *o, const struct sysroot *root,
			struct probe_result *ret)
{
	*ret = (struct probe_result){.status = COLLECTOR_OK, .expected_bytes = 1 << 10};
	if (!o->guard)
		return;
	ret->expected_bytes = 64 << 10;
	if (root->recorded) {
		ret->status = COLLECTOR_ERROR;
		ret->no = EINVAL;
		snprintf(ret->reason, sizeof(ret->reason),
			 "--guard: a recording has no processes to guard");
	}
}

static int guard_start(struct collect *c)
{
	struct guard_run *g;
	struct err e = {0};

	if (!c->options->guard)
		return 0;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	c->state = g;
	if (guard_start_run(g, *c->options->guard ? c->options->guard : NULL, &e) < 0)
		emit_status(c->out, COLLECTOR_ERROR, e.no, "%s", e.text);
	return 0;
}

/* What it could not do here, in its own words. */
static void note_said(struct collect *c, const struct guard_run *g)
{
	const char *at = g->said;

	while (*at) {
		size_t n = strcspn(at, "\n");

		if (n)
			emit_note(c->out, "%.*s", (int)n, at);
		at += n + (at[n] == '\n');
	}
}

static int guard_stop(struct collect *c)
{
	struct guard_run *g = c->state;
	const struct timespec pause = {.tv_nsec = 10 * NSEC_PER_MSEC};
	uint64_t now = clock_ns(CLOCK_MONOTONIC), stay = now + HURRY_STAY_NS;
	bool early = now + 100 * NSEC_PER_MSEC < c->window_end_ns;

	if (!g || g->journal < 0)
		return 0;
	if (guard_ended(g)) {
		if (WIFSIGNALED(g->status))
			emit_status(c->out, COLLECTOR_PARTIAL, 0,
				    "fastoom was killed by SIG%s before the window's end",
				    sigabbrev_np(WTERMSIG(g->status)));
		else if (!g->said_len)
			emit_status(c->out, COLLECTOR_PARTIAL, 0,
				    "fastoom ended before the window did, with exit code %d",
				    WEXITSTATUS(g->status));
		note_said(c, g);
		return 0;
	}
	while (early && clock_ns(CLOCK_MONOTONIC) < stay && !guard_ended(g))
		nanosleep(&pause, NULL);
	if (guard_stop_run(g, early ? HURRY_END_NS : END_NS) < 0)
		emit_note(c->out, "fastoom had not ended when its journal was taken");
	note_said(c, g);
	return 0;
}

static int take(struct collect *c, int fd, const char *member, const char *name)
{
	struct journal_taken taken;
	int no, r = journal_member(c, fd, member, &taken, &no);

	if (r < 0)
		return r;
	if (taken.redacted)
		emit_redacted(c->out, "secret", "journal", taken.redacted);
	if (taken.left_out)
		emit_loss(c->out, "lines that are no journal's", taken.left_out);
	if (taken.skipped_bytes)
		emit_note(c->out, "%s: its last %u bytes were taken, %llu before them left out",
			  name, JOURNAL_TAIL, (unsigned long long)taken.skipped_bytes);
	if (no)
		emit_status(c->out, COLLECTOR_PARTIAL, no, "%s: %s", name, strerror(no));
	return 0;
}

static int guard_write(struct collect *c)
{
	struct guard_run *g = c->state;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(journals); i++) {
		_cleanup_fd_ int fd = gather_open(c->root, journals[i].path, 0);

		if (fd >= 0)
			r = take(c, fd, journals[i].member, journals[i].path);
		else if (!gather_absent(-fd))
			emit_status(c->out,
				    fd == -EACCES || fd == -EPERM ? COLLECTOR_DENIED
								  : COLLECTOR_PARTIAL,
				    -fd, "/%s: %s", journals[i].path, strerror(-fd));
	}
	if (g) {
		if (r >= 0 && g->journal >= 0)
			r = take(c, g->journal, "journal/guard.jsonl", "the guard's journal");
		guard_release(g);
		free(g);
		c->state = NULL;
	}
	return r;
}

const struct collector collector_guard = {
	.name = "guard",
	.summary = "fastoom's journals; with --guard, fastoom itself",
	.needs = "root, to signal others and to lock memory",
	.timed = true,
	.memory_share = 2,
	.memory_least_kib = 1024,
	.probe = guard_probe,
	.start = guard_start,
	.stop = guard_stop,
	.write = guard_write,
};
