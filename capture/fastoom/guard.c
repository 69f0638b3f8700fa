/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../base/clock.h"
#include "sys.h"

#define SLEEP_MAX NSEC_PER_SEC
#define SLEEP_ALERT (50 * NSEC_PER_MSEC)
#define SLEEP_MIN (4 * NSEC_PER_MSEC)
#define LOOKUP_NS (2 * NSEC_PER_SEC)
/* Nobody fills memory faster than this. */
#define FASTEST (2.0 * 1073741824)

/* ---- scopes found and lost ---- */

static struct watched *slot_for(struct guard *g, const char *name, unsigned policy)
{
	struct watched *empty = NULL;

	for (unsigned i = 0; i < GUARD_SCOPES; i++) {
		struct watched *w = &g->watched[i];

		if (w->used && w->scope.policy == policy && strcmp(w->scope.name, name) == 0)
			return NULL;
		if (!w->used && !w->in_flight && !empty)
			empty = w;
	}
	return empty;
}

static struct watched *take_slot(struct watched *w)
{
	static const struct watched nothing;

	memcpy(w, &nothing, sizeof(nothing));
	w->used = true;
	return w;
}

static int watch_cgroup(struct guard *g, unsigned policy, enum scope_kind kind, const char *path,
			const char *name, struct watched **ret, struct err *e)
{
	const struct profile *p = profile_of(guard_config(g)->policies[policy].sensitivity);
	struct watched *w = slot_for(g, name, policy);
	int r;

	if (!w)
		return -EEXIST;
	take_slot(w);
	r = scope_add_cgroup(&w->scope, policy, kind, &g->hierarchy, path, name, e);
	if (r < 0) {
		w->used = false;
		return r;
	}
	if (scope_threshold(&w->scope, 1 - p->high - 0.1) == 0)
		g->can.thresholds++;
	if (ret)
		*ret = w;
	return 0;
}

static void watch_pods(struct guard *g)
{
	for (unsigned i = 0; i < g->pods.n; i++) {
		const struct pod *p = &g->pods.found[i];
		struct watched *w;
		char name[140];

		snprintf(name, sizeof(name), "pod:%s", p->name);
		if (watch_cgroup(g, p->policy, SCOPE_POD, p->path, name, &w, NULL) == 0)
			record_state(g, w, "found");
	}
}

unsigned guard_watch(struct guard *g, void (*say)(void *ctx, const char *text), void *ctx)
{
	const struct config *c = guard_config(g);
	unsigned n = 0;

	for (unsigned i = 0; i < c->n_policies; i++) {
		const struct policy *p = &c->policies[i];
		struct err e = {0};
		char path[256], name[264];
		int r = 0;

		if (p->kind == SCOPE_NODE) {
			struct watched *w = slot_for(g, "node", i);

			if (w)
				scope_node(&take_slot(w)->scope, i);
		} else if (g->hierarchy.fd < 0) {
			r = err_set(&e, ENOENT, "cgroups: no memory hierarchy is mounted");
		} else if (p->kind == SCOPE_CGROUP) {
			scope_path(&g->hierarchy, p->where, path);
			snprintf(name, sizeof(name), "cgroup:%s", path);
			r = watch_cgroup(g, i, SCOPE_CGROUP, path, name, NULL, &e);
		}
		if (r < 0 && r != -EEXIST && say)
			say(ctx, e.text);
		n += r >= 0 || r == -EEXIST;
	}
	return n;
}

static void unwatch(struct guard *g, struct watched *w, const char *phase)
{
	w->probability = 0;
	record_state(g, w, phase);
	scope_close(&w->scope);
	w->used = false;
}

static bool has_pods(const struct config *c)
{
	for (unsigned i = 0; i < c->n_policies; i++) {
		if (c->policies[i].kind == SCOPE_POD)
			return true;
	}
	return false;
}

/* Runs in the journal's thread: whatever may wait for a disk. */
static void chore(void *ctx)
{
	struct guard *g = ctx;

	if (atomic_load(&g->reload) == 1) {
		char *text = g->reload_text;
		int n = 0;

		g->reload_error.no = 0;
		if (g->options->config_path)
			n = options_read(g->options, text, sizeof(g->reload_text),
					 &g->reload_error);
		g->reload_result =
			n < 0 ? n
			      : options_config(g->options, g->options->config_path ? text : NULL,
					       (size_t)n, &g->configs[!g->current],
					       &g->reload_error);
		atomic_store(&g->reload, 2);
		eventfd_write(g->wake, 1);
	} else if (atomic_load(&g->reload) == 0 && atomic_load(&g->pods.ready) == 0 &&
		   has_pods(guard_config(g))) {
		pods_find(&g->pods, &g->root, &g->hierarchy, guard_config(g));
		atomic_store(&g->pods.ready, 1);
		eventfd_write(g->wake, 1);
	}
}

static void finish_reload(struct guard *g)
{
	if (atomic_load(&g->reload) != 2)
		return;
	if (g->reload_result < 0) {
		record_reload(g, false, g->reload_error.text);
		dprintf(STDERR_FILENO, "fastoom: %s; the configuration stays as it was\n",
			g->reload_error.text);
	} else {
		/* Who is already dying belongs to the old policies; their slots stay until then. */
		for (unsigned i = 0; i < GUARD_SCOPES; i++) {
			if (g->watched[i].used)
				unwatch(g, &g->watched[i], "reload");
		}
		g->current = !g->current;
		g->journal.chore_every_ns = has_pods(guard_config(g)) ? LOOKUP_NS : 0;
		guard_watch(g, NULL, NULL);
		record_reload(g, true, NULL);
	}
	atomic_store(&g->pods.ready, 0);
	atomic_store(&g->reload, 0);
}

/* ---- start ---- */

static bool write_own(const struct guard *g, const char *name, const char *value)
{
	char path[64];
	int fd;
	bool done;

	snprintf(path, sizeof(path), "self/%s", name);
	fd = openat(g->root.proc_fd, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, value, strlen(value)) > 0;
	close(fd);
	return done;
}

static int open_pressure(const struct guard *g)
{
	/* 100 ms of stalling in a second: late, but it wakes us when we sleep */
	static const char trigger[] = "some 100000 1000000";
	int fd = openat(g->root.proc_fd, "pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && write(fd, trigger, sizeof(trigger)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static void self_test(struct guard *g)
{
	struct sched_param rr = {.sched_priority = 1};
	char text[64];
	int fd;

	fd = sys_pidfd_open(getpid());
	g->can.pidfd = fd >= 0 && sys_pidfd_signal(fd, 0) == 0;
	if (fd >= 0)
		close(fd);
	g->can.mrelease = sys_mrelease(-1) == -EBADF;
	g->can.adj = write_own(g, "oom_score_adj", "-999");
	/* who started us may have been nice and first to die; we are neither, as far as we may */
	if (!g->can.adj)
		write_own(g, "oom_score_adj", "0");
	if (setpriority(PRIO_PROCESS, 0, -20) < 0)
		setpriority(PRIO_PROCESS, 0, 0);
	sys_ioprio_default();
	g->can.realtime = sched_setscheduler(0, SCHED_RR, &rr) == 0;
	rr.sched_priority = 0;
	if (!g->can.realtime)
		sched_setscheduler(0, SCHED_OTHER, &rr);
	g->can.signal_others = kill(1, 0) == 0;
	g->can.see_others = read_file_at(g->root.proc_fd, "1/statm", text, sizeof(text)) > 0;
	g->psi = open_pressure(g);
	g->can.pressure = g->psi >= 0;
	g->can.locked = mlockall(MCL_CURRENT | MCL_FUTURE) == 0;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a journal that may not grow is a full one */
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int guard_start(struct guard *g, struct err *e)
{
	int r;

	raise_limits();
	g->signals = open_signals();
	g->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (g->signals < 0 || g->wake < 0)
		return err_errno(e, errno, "signalfd");
	r = journal_open(&g->journal, guard_config(g)->journal, e);
	if (r < 0)
		return r;
	self_test(g);
	g->trace = -1;
	if (g->options->trace) {
		g->trace = open(g->options->trace, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0640);
		if (g->trace < 0)
			return err_errno(e, errno, g->options->trace);
	}
	r = readers_start(&g->readers);
	if (r < 0)
		return err_errno(e, r, "threads");
	g->journal.chore = chore;
	g->journal.chore_ctx = g;
	g->journal.chore_every_ns = has_pods(guard_config(g)) ? LOOKUP_NS : 0;
	r = journal_start(&g->journal);
	if (r < 0)
		return err_errno(e, r, "threads");
	record_start(g);
	return 0;
}

/* ---- the loop ---- */

static uint64_t clamp_ns(double seconds, uint64_t low, uint64_t high)
{
	double ns = seconds * 1e9;

	return !(ns < (double)high) ? high : ns > (double)low ? (uint64_t)ns : low;
}

/* When to look again. */
static uint64_t sleep_for(const struct guard *g, const struct watched *w, uint64_t now)
{
	double left = (double)scope_available(&w->scope, &g->machine);
	uint64_t ns = clamp_ns(w->features.tte_s / 20, SLEEP_MIN, SLEEP_MAX);
	uint64_t longest = SLEEP_MAX;

	if (now < w->alert_ns)
		return SLEEP_MIN;
	if (w->probability > 0.05 || w->in_flight)
		longest = SLEEP_ALERT;
	/* An event comes when usage passes the threshold; without one, half of what is left may
	 * be gone by then, and no more. */
	else if (w->scope.kind != SCOPE_NODE && w->scope.threshold < 0)
		longest = clamp_ns(left / FASTEST / 2, SLEEP_ALERT, SLEEP_MAX);
	else if (w->scope.kind == SCOPE_NODE && g->psi < 0)
		longest = clamp_ns(left / FASTEST / 2, 5 * SLEEP_ALERT, SLEEP_MAX);
	return ns < longest ? ns : longest;
}

static void drain(struct guard *g, struct pollfd *fds, unsigned n, uint64_t now)
{
	struct signalfd_siginfo info;
	eventfd_t ignored;

	while (read(g->signals, &info, sizeof(info)) == sizeof(info)) {
		int none = 0;

		if (info.ssi_signo != SIGHUP) {
			g->stop = true;
			g->stop_signal = (int)info.ssi_signo;
		} else if (atomic_compare_exchange_strong(&g->reload, &none, 1)) {
			journal_ask_chore(&g->journal);
		}
	}
	eventfd_read(g->wake, &ignored);
	for (unsigned i = 3; i < n; i++) {
		if (!(fds[i].revents & POLLIN))
			continue;
		for (unsigned k = 0; k < GUARD_SCOPES; k++) {
			struct watched *w = &g->watched[k];

			if (w->used && w->scope.threshold == fds[i].fd) {
				eventfd_read(w->scope.threshold, &ignored);
				w->alert_ns = now + 4 * SLEEP_ALERT;
			}
		}
	}
}

static void wait_for(struct guard *g, uint64_t ns)
{
	struct pollfd fds[3 + GUARD_SCOPES + GUARD_VICTIMS] = {
		{.fd = g->signals, .events = POLLIN},
		{.fd = g->wake, .events = POLLIN},
		{.fd = g->psi, .events = POLLPRI},
	};
	struct timespec ts = {.tv_sec = (time_t)(ns / NSEC_PER_SEC),
			      .tv_nsec = (long)(ns % NSEC_PER_SEC)};
	unsigned n = 3;

	for (unsigned i = 0; i < GUARD_SCOPES; i++) {
		if (g->watched[i].used && g->watched[i].scope.threshold >= 0)
			fds[n++] = (struct pollfd){.fd = g->watched[i].scope.threshold,
						   .events = POLLIN};
	}
	for (unsigned i = 0; i < GUARD_VICTIMS; i++) {
		const struct victim *v = &g->victims[i];

		if ((v->stage == STAGE_TERM || v->stage == STAGE_KILL) && v->pidfd >= 0)
			fds[n++] = (struct pollfd){.fd = v->pidfd, .events = POLLIN};
	}
	ppoll(fds, n, &ts, NULL);
	drain(g, fds, n, clock_ns(CLOCK_MONOTONIC));
}

/* Far from the end the cheap files are enough. */
static bool near(const struct guard *g, const struct watched *w, double share)
{
	const struct profile *p =
		profile_of(guard_config(g)->policies[w->scope.policy].sensitivity);

	return share < p->high + 0.15 || w->in_flight;
}

static int look_at(struct guard *g, struct watched *w, uint64_t now)
{
	struct scope *s = &w->scope;
	bool deep;
	int r;

	if (s->kind == SCOPE_NODE)
		return 0;
	deep = s->read_ns && s->deep && near(g, w, (double)s->available / (double)s->total);
	r = scope_read(s, &g->machine, now, deep, g->scratch, sizeof(g->scratch));
	if (r < 0 || deep || !near(g, w, (double)s->available / (double)s->total))
		return r;
	/* page cache and all, it looks near: see what of it can be had back */
	return scope_read(s, &g->machine, now, true, g->scratch, sizeof(g->scratch));
}

static uint64_t tick(struct guard *g, bool act)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), ns = SLEEP_MAX;
	bool deep = false;

	for (unsigned i = 0; i < GUARD_SCOPES; i++) {
		struct watched *w = &g->watched[i];

		if (w->used && g->machine.total)
			deep |= near(g, w,
				     (double)g->machine.available / (double)g->machine.total) ||
				w->probability > 0.05;
	}
	machine_read(&g->machine, now, deep, g->scratch, sizeof(g->scratch));
	victims_tick(g, now);
	for (unsigned i = 0; i < GUARD_SCOPES; i++) {
		struct watched *w = &g->watched[i];
		uint64_t next;

		if (!w->used)
			continue;
		if (look_at(g, w, now) < 0) {
			unwatch(g, w, "lost");
			continue;
		}
		if (act)
			act_on(g, w, now);
		if (g->trace >= 0)
			record_trace(g, w, now);
		next = sleep_for(g, w, now);
		if (next < ns)
			ns = next;
	}
	return victims_in_flight(g) && ns > 5 * SLEEP_MIN ? 5 * SLEEP_MIN : ns;
}

static void look_up(struct guard *g, uint64_t now)
{
	finish_reload(g);
	if (atomic_load(&g->pods.ready)) {
		watch_pods(g);
		atomic_store(&g->pods.ready, 0);
	}
	if (now - g->lookup_ns < LOOKUP_NS)
		return;
	/* a group that went may be made again */
	g->lookup_ns = now;
	guard_watch(g, NULL, NULL);
}

int guard_run(struct guard *g)
{
	uint64_t now = g->started_ns = clock_ns(CLOCK_MONOTONIC), last;

	while (!g->stop) {
		uint64_t ns = tick(g, true);

		now = clock_ns(CLOCK_MONOTONIC);
		if (g->end_ns) {
			if (now >= g->end_ns)
				break;
			if (now + ns > g->end_ns)
				ns = g->end_ns - now;
		}
		wait_for(g, ns);
		look_up(g, clock_ns(CLOCK_MONOTONIC));
	}
	/* Who was signalled is seen to the end, within reason; nobody else is chosen. */
	last = now + 2 * NSEC_PER_SEC;
	while (victims_in_flight(g) && clock_ns(CLOCK_MONOTONIC) < last) {
		tick(g, false);
		wait_for(g, 5 * SLEEP_MIN);
	}
	record_stop(g, !g->stop ? "duration" : g->stop_signal == SIGTERM ? "SIGTERM" : "SIGINT");
	return journal_flush(&g->journal, NSEC_PER_SEC) ? 0 : -ETIMEDOUT;
}
