/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every process: what changes at the start and at the end of the window, what does not change in
 * between, when there is time.  At the end only those that have come meanwhile, or have called
 * exec, are asked for it, so that the end is short also where there are tens of thousands.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "process_pass.h"

static const char *const start_files[] = {"stat", "statm", "cgroup"};
static const char *const end_files[] = {"stat", "status", "statm", "cgroup", "oom_score_adj"};

static void processes_probe(const struct capture_options *o, const struct sysroot *root,
			    struct probe_result *ret)
{
	int fd = gather_openat(root, root->proc_fd, ".", O_DIRECTORY);

	*ret = (struct probe_result){.status = COLLECTOR_OK, .expected_bytes = 256 << 10};
	if (fd < 0) {
		ret->status = gather_absent(-fd) ? COLLECTOR_UNSUPPORTED : COLLECTOR_DENIED;
		ret->no = -fd;
		snprintf(ret->reason, sizeof(ret->reason), "/proc: %s", strerror(-fd));
		return;
	}
	if (!root->recorded && faccessat(fd, "self", F_OK, AT_SYMLINK_NOFOLLOW)) {
		ret->status = COLLECTOR_ERROR;
		ret->no = errno;
		snprintf(ret->reason, sizeof(ret->reason), "/proc: no proc file system is mounted");
	}
	close(fd);
}

/* Pid 1 is in every pid namespace; a /proc that does not show it hides more than that. */
static bool hides_others(const struct sysroot *r)
{
	int fd;

	if (r->recorded)
		return false;
	fd = openat(r->proc_fd, "1/stat", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static void report_processes(struct pass *p, const struct pids *pids)
{
	struct emit *out = p->c->out;
	const struct capture_options *o = p->c->options;

	if (p->vanished)
		emit_note(out, "%llu processes vanished before they could be read",
			  (unsigned long long)p->vanished);
	emit_loss(out, "processes beyond the bound", pids->beyond);
	emit_loss(out, "processes not read in time", p->late);
	if (o->pid > 0 && !p->seen)
		emit_status(out, COLLECTOR_PARTIAL, p->refused.no ? p->refused.no : ESRCH,
			    "/proc/%d: %s", (int)o->pid,
			    strerror(p->refused.no ? p->refused.no : ESRCH));
	else if (p->narrowed && !p->seen)
		emit_status(out, COLLECTOR_PARTIAL, ESRCH, "--cgroup %s: no process is in it",
			    p->group);
	else if (p->late)
		emit_status(out, COLLECTOR_PARTIAL, ETIME,
			    "time ran out before %llu of %zu processes",
			    (unsigned long long)p->late, pids->count);
	else if (pids->beyond)
		emit_status(out, COLLECTOR_PARTIAL, E2BIG, "%llu processes beyond the bound of %u",
			    (unsigned long long)pids->beyond, PIDS_MAX);
	else if (o->pid <= 0 && hides_others(p->c->root))
		emit_status(out, COLLECTOR_PARTIAL, EPERM,
			    "/proc: mounted with hidepid, processes of other users cannot be seen "
			    "(needs root)");
	else if (p->refused.count)
		emit_status(out, COLLECTOR_PARTIAL, p->refused.no, "/proc/PID/%s: %s (%llu files)",
			    p->refused.file, strerror(p->refused.no),
			    (unsigned long long)p->refused.count);
	else if (p->exe_refused && geteuid() != 0)
		emit_status(out, COLLECTOR_PARTIAL, EACCES,
			    "/proc/PID/exe: %s for %llu of %llu processes (needs root)",
			    strerror(EACCES), (unsigned long long)p->exe_refused,
			    (unsigned long long)p->seen);
	/* Root is refused by single processes: more capable ones, other security contexts. */
	if (p->exe_refused && geteuid() == 0)
		emit_note(out, "/proc/PID/exe: %s for %llu of %llu processes", strerror(EACCES),
			  (unsigned long long)p->exe_refused, (unsigned long long)p->seen);
}

static void report_cmdlines(struct pass *p)
{
	struct emit *out = p->c->out;
	char names[192];
	struct sbuf b = SBUF(names);

	if (p->redacted)
		emit_redacted(out, "secret", "raw/processes cmdline", p->redacted);
	emit_loss(out, "command lines not read", p->cmdlines_late);
	if (p->cmdlines_refused)
		emit_note(out, "cmdline of %llu processes could not be read",
			  (unsigned long long)p->cmdlines_refused);
	if (p->abandoned)
		emit_note(out, "helper %d is stuck in the kernel and was left behind",
			  (int)p->abandoned);
	sbuf_reset(&b);
	for (unsigned i = 0; i < p->stuck_count; i++)
		sbuf_printf(&b, "%s%u", i ? ", " : "", p->stuck[i]);
	if (p->stuck_count)
		emit_status(
			out, COLLECTOR_PARTIAL, ETIMEDOUT,
			"/proc/PID/cmdline: no answer from process %s (its memory map is locked)",
			names);
	else if (p->cmdline_error)
		emit_status(out, COLLECTOR_PARTIAL, -p->cmdline_error, "/proc/PID/cmdline: %s",
			    strerror(-p->cmdline_error));
	else if (p->cmdlines_late && !p->late)
		emit_status(out, COLLECTOR_PARTIAL, ETIME,
			    "time ran out before %llu of %zu command lines",
			    (unsigned long long)p->cmdlines_late, p->now.count);
}

/* Who was there at the start under the same name need not be asked again. */
static void take_over(const struct process_list *before, struct process_list *now)
{
	size_t k = 0;

	for (size_t i = 0; i < now->count; i++) {
		while (k < before->count && before->p[k].pid < now->p[i].pid)
			k++;
		if (k == before->count)
			return;
		if (before->p[k].pid != now->p[i].pid ||
		    before->p[k].starttime != now->p[i].starttime ||
		    before->p[k].comm != now->p[i].comm)
			continue;
		now->p[i].has_fixed = before->p[k].has_fixed;
		now->p[i].has_cmdline = before->p[k].has_cmdline;
	}
}

static int list_and_read(struct pass *p, struct pids *pids, const char *const *files, size_t count,
			 struct process_list *list)
{
	struct err e = {0};
	int r = pids_list(pids, p->c->options, p->c->root, &e);

	if (r < 0) {
		emit_status(p->c->out, COLLECTOR_ERROR, e.no, "%s", e.text);
		return r;
	}
	return pass_files(p, pids, files, count, list);
}

static int processes_start(struct collect *c)
{
	struct pass *p = malloc(sizeof(*p));
	struct pids pids = {0};
	long r;

	if (!p)
		return -ENOMEM;
	r = pass_init(p, c);
	if (r >= 0)
		r = list_and_read(p, &pids, start_files, ARRAY_SIZE(start_files), &p->before);
	pids_release(&pids);
	/* The window is long enough for most; what is not done by its end is done then. */
	if (p->clock.until_ns > c->window_end_ns)
		p->clock.until_ns = c->window_end_ns;
	if (r >= 0)
		r = pass_fixed(p, &p->before);
	if (r >= 0)
		r = pass_cmdlines(p, &p->before);
	if (r < 0) {
		pass_deinit(p);
		free(p);
		return (int)r;
	}
	c->state = p;
	return 0;
}

static int processes_write(struct collect *c)
{
	struct pass *p = c->state;
	struct pids pids = {0};
	long r;

	if (!p) /* start() has failed and has said why */
		return -ECANCELED;
	gather_clock_init(&p->clock, c);
	p->late = p->vanished = 0;
	r = list_and_read(p, &pids, end_files, ARRAY_SIZE(end_files), &p->now);
	if (r >= 0) {
		take_over(&p->before, &p->now);
		r = pass_fixed(p, &p->now);
	}
	if (r >= 0)
		r = pass_cmdlines(p, &p->now);
	if (r >= 0) {
		p->cmdlines_late = (uint64_t)r;
		r = pass_smaps(p, &p->now);
	}
	if (r >= 0) {
		report_processes(p, &pids);
		report_cmdlines(p);
	}
	pids_release(&pids);
	pass_deinit(p);
	free(p);
	c->state = NULL;
	return r < 0 ? (int)r : 0;
}

const struct collector collector_processes = {
	.name = "processes",
	.summary = "memory, state, group and command line of every process",
	.needs = "nothing for one's own; those of others and exe need root",
	.timed = true,
	.memory_share = 4,
	.memory_least_kib = 1536,
	.probe = processes_probe,
	.start = processes_start,
	.write = processes_write,
};
