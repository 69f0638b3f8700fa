/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every process, twice: at the start what is needed to see growth, at the end everything.  The
 * command lines come last, in a member of their own, because reading one can hang for as long as
 * its process is stuck in the kernel; what was read before has then been handed over already.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "../redact.h"
#include "gather.h"
#include "hierarchy.h"
#include "pids.h"
#include "watch.h"

#define FILE_CAP (60u << 10)
#define CMDLINE_CAP (32u << 10) /* read; the kernel's own bound is 128 KiB and more */
#define CMDLINE_OUT (48u << 10) /* after redaction, which may lengthen it */
#define PATIENCE_NS (500 * NSEC_PER_MSEC)
#define MAX_STUCK 8

static const char *const start_files[] = {"stat", "statm", "cgroup"};
static const char *const end_files[] = {"stat",	  "status",	   "statm",
					"cgroup", "oom_score_adj", "limits"};

enum { FIRST_STAT = 0 }; /* a process without stat is gone */

struct pass {
	struct collect *c;
	struct gather_clock clock;
	const char *const *files;
	size_t file_count;
	bool exe;
	bool narrowed; /* to the groups below: one path per hierarchy */
	char group[1024];
	char *buf; /* GATHER_CHUNK */
	char entry[64];
	uint64_t seen, vanished, late;
	struct {
		const char *file;
		int no;
		uint64_t count;
	} refused; /* the first kind of refusal, and how many of any */
	uint64_t exe_refused;
};

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
	close(fd);
}

/* The directory of a process.  O_PATH: a descriptor for openat(), nothing is read from it. */
static int open_process(const struct sysroot *r, uint32_t pid)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "%u", pid);
	fd = openat(r->proc_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/*
 * One file of a process.  procfs gives all of these in one read when the buffer is large enough,
 * so a short read is the end: that saves a third of the system calls.
 */
static ssize_t read_of_process(const struct sysroot *r, int dir, const char *file, char *buf,
			       size_t cap, bool *ret_cut)
{
	_cleanup_fd_ int fd = -1;
	ssize_t n;

	/* A recording may hold anything: the careful way. */
	if (r->recorded) {
		fd = gather_openat(r, dir, file, O_NOFOLLOW);
		return fd < 0 ? fd : gather_read_fd(fd, buf, cap, ret_cut);
	}
	fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do
		n = read(fd, buf, cap - 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	buf[n] = 0;
	*ret_cut = (size_t)n == cap - 1;
	return n;
}

static bool is_gone(int no)
{
	return no == ESRCH || no == ENOENT;
}

static void refuse(struct pass *p, const char *file, int no)
{
	if (!p->refused.count++) {
		p->refused.file = file;
		p->refused.no = no;
	}
}

static const char *entry_name(struct pass *p, uint32_t pid, const char *file)
{
	snprintf(p->entry, sizeof(p->entry), "%u/%s", pid, file);
	return p->entry;
}

/* Is it in the group of --cgroup, in any hierarchy?  Leaves the text of "cgroup" in buf. */
static bool wanted(struct pass *p, int dir)
{
	bool cut;

	if (read_of_process(p->c->root, dir, "cgroup", p->buf, FILE_CAP, &cut) <= 0)
		return false;
	for (int v2 = 0; v2 < 2; v2++) {
		char path[4096];
		size_t len;
		const char *text = hierarchy_of_process(p->buf, v2, &len);

		if (!text || len >= sizeof(path))
			continue;
		memcpy(path, text, len);
		path[len] = 0;
		if (hierarchy_below(path, p->group))
			return true;
	}
	return false;
}

/* exe is a link of procfs: reading it does not touch what it points to. */
static int put_exe(struct pass *p, int dir, uint32_t pid)
{
	ssize_t n = readlinkat(dir, "exe", p->buf, 4096);

	if (n < 0 && (errno == EACCES || errno == EPERM)) {
		p->exe_refused++;
		return 0;
	}
	if (n < 0) /* a kernel thread has none */
		return 0;
	return pack_data(p->c->out, entry_name(p, pid, "exe"), p->buf, (size_t)n, 0);
}

static int put_process(struct pass *p, uint32_t pid)
{
	_cleanup_fd_ int dir = open_process(p->c->root, pid);
	int r = 0;

	if (dir < 0) {
		if (is_gone(-dir))
			p->vanished++;
		else
			refuse(p, "", -dir);
		return 0;
	}
	if (p->narrowed && !wanted(p, dir))
		return 0;
	for (size_t i = 0; i < p->file_count && r >= 0; i++) {
		bool cut = false;
		ssize_t n = read_of_process(p->c->root, dir, p->files[i], p->buf, FILE_CAP, &cut);

		if (n < 0 && is_gone((int)-n)) {
			if (i == FIRST_STAT) {
				p->vanished++;
				return 0;
			}
			continue;
		}
		if (n < 0)
			refuse(p, p->files[i], (int)-n);
		r = pack_data(p->c->out, entry_name(p, pid, p->files[i]), p->buf,
			      n < 0 ? 0 : (size_t)n,
			      n < 0 ? (int)-n
			      : cut ? EFBIG
				    : 0);
	}
	if (r >= 0 && p->exe)
		r = put_exe(p, dir, pid);
	p->seen++;
	return r;
}

static int pass_init(struct pass *p, struct collect *c)
{
	struct hierarchy h[HIERARCHIES_MAX];
	int r = 0;

	*p = (struct pass){.c = c};
	gather_clock_init(&p->clock, c);
	if (c->options->cgroup) {
		size_t count = hierarchies_find(c->root, h);

		r = hierarchy_path(h, count, c->options->cgroup, p->group, sizeof(p->group));
		if (r < 0) {
			emit_status(c->out, COLLECTOR_ERROR, -r, "--cgroup %s: %s",
				    c->options->cgroup, strerror(-r));
			return r;
		}
		p->narrowed = true;
	}
	p->buf = malloc(GATHER_CHUNK);
	return p->buf ? 0 : -ENOMEM;
}

static int run_pass(struct pass *p, const struct pids *pids)
{
	int r = gather_pack_open(p->c, "raw/processes");

	for (size_t i = 0; i < pids->count && r >= 0; i++) {
		if (gather_expired(&p->clock)) {
			p->late = pids->count - i;
			break;
		}
		r = put_process(p, pids->pid[i]);
	}
	return r < 0 ? r : member_close(p->c->out, p->late > 0);
}

/* ------------------------------------------------------------------ command lines */

struct cmdlines {
	struct pass *p;
	const struct pids *pids;
	uint64_t redacted;
	uint64_t refused;
	uint32_t stuck[MAX_STUCK];
	unsigned stuck_count;
	bool late;
};

#define MARK_CUT (1u << 31)

static ssize_t read_cmdline(void *ctx, size_t index, char *buf, size_t cap, uint32_t *ret_mark)
{
	struct cmdlines *l = ctx;
	const struct collect *c = l->p->c;
	_cleanup_fd_ int dir = open_process(c->root, l->pids->pid[index]);
	uint64_t count = 0;
	bool cut = false;
	ssize_t n;

	if (dir < 0)
		return dir;
	if (l->p->narrowed && !wanted(l->p, dir))
		return -ENOENT;
	n = read_of_process(c->root, dir, "cmdline", buf, CMDLINE_CAP, &cut);
	if (n > 0 && c->redactor)
		n = (ssize_t)redact_cmdline(c->redactor, buf, (size_t)n, cap, &count);
	*ret_mark = (uint32_t)(count < MARK_CUT ? count : MARK_CUT - 1) | (cut ? MARK_CUT : 0);
	return n;
}

static int put_cmdline(void *ctx, size_t index, const char *data, size_t len, int no, uint32_t mark)
{
	struct cmdlines *l = ctx;
	uint32_t pid = l->pids->pid[index];

	if (gather_expired(&l->p->clock)) {
		l->late = true;
		return -ETIME;
	}
	if (is_gone(no))
		return 0;
	if (no == ETIMEDOUT || no == ECHILD) {
		if (l->stuck_count < MAX_STUCK)
			l->stuck[l->stuck_count++] = pid;
	} else if (no) {
		l->refused++;
	}
	l->redacted += mark & ~MARK_CUT;
	return pack_data(l->p->c->out, entry_name(l->p, pid, "cmdline"), data, len,
			 no		   ? no
			 : mark & MARK_CUT ? EFBIG
					   : 0);
}

/* A file system cannot be asked for the deadline of one read; a helper process can be left. */
static int cmdline_pack(struct cmdlines *l, struct watch_outcome *ret)
{
	struct collect *c = l->p->c;
	struct watch w = {
		.read = read_cmdline,
		.sink = put_cmdline,
		.ctx = l,
		.count = l->pids->count,
		.cap = CMDLINE_OUT,
		.patience_ns = PATIENCE_NS,
		.max_stuck = MAX_STUCK,
		.keep = &c->root->proc_fd,
		.keep_count = 1,
	};
	int r = gather_pack_open(c, "raw/processes");

	*ret = (struct watch_outcome){0};
	if (r < 0)
		return r;
	r = watch_each(&w, ret);
	if (r == -ETIME)
		r = 0;
	if (r >= 0 || l->stuck_count || ret->done)
		member_close(c->out, ret->done < l->pids->count);
	if (l->redacted)
		emit_redacted(c->out, "secret", "raw/processes cmdline", l->redacted);
	return r;
}

static void report_cmdlines(const struct cmdlines *l, const struct watch_outcome *o, int error)
{
	struct emit *out = l->p->c->out;
	char names[128];
	struct sbuf b = SBUF(names);

	sbuf_reset(&b);
	for (unsigned i = 0; i < l->stuck_count; i++)
		sbuf_printf(&b, "%s%u", i ? ", " : "", l->stuck[i]);
	if (l->stuck_count)
		emit_status(
			out, COLLECTOR_PARTIAL, ETIMEDOUT,
			"/proc/PID/cmdline: no answer from process %s (its memory map is locked)",
			names);
	if (o->abandoned)
		emit_note(out, "helper %d is stuck in the kernel and was left behind",
			  (int)o->abandoned);
	if (o->done < l->pids->count) {
		emit_loss(out, "command lines not read", l->pids->count - o->done);
		if (error)
			emit_status(out, COLLECTOR_PARTIAL, -error, "/proc/PID/cmdline: %s",
				    strerror(-error));
		else if (!l->stuck_count)
			emit_status(out, COLLECTOR_PARTIAL, ETIME,
				    "time ran out before %zu of %zu command lines",
				    l->pids->count - o->done, l->pids->count);
	}
	if (l->refused)
		emit_note(out, "cmdline of %llu processes could not be read",
			  (unsigned long long)l->refused);
}

/* ------------------------------------------------------------------ the collector */

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

static void report(struct pass *p, const struct pids *pids)
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

static int processes_start(struct collect *c)
{
	struct pids pids = {0};
	struct pass p;
	struct err e = {0};
	int r = pass_init(&p, c);

	p.files = start_files;
	p.file_count = ARRAY_SIZE(start_files);
	if (r >= 0)
		r = pids_list(&pids, c->options, c->root, &e);
	if (r < 0 && e.no)
		emit_status(c->out, COLLECTOR_ERROR, e.no, "%s", e.text);
	if (r >= 0)
		r = run_pass(&p, &pids);
	pids_release(&pids);
	free(p.buf);
	return r < 0 ? r : 0;
}

static int processes_write(struct collect *c)
{
	struct pids pids = {0};
	struct watch_outcome outcome = {0};
	struct pass p;
	struct cmdlines l = {.p = &p, .pids = &pids};
	struct err e = {0};
	int r = pass_init(&p, c);

	p.files = end_files;
	p.file_count = ARRAY_SIZE(end_files);
	p.exe = true;
	if (r >= 0)
		r = pids_list(&pids, c->options, c->root, &e);
	if (r < 0 && e.no)
		emit_status(c->out, COLLECTOR_ERROR, e.no, "%s", e.text);
	if (r >= 0)
		r = run_pass(&p, &pids);
	if (r >= 0) {
		report(&p, &pids);
		/* A failing helper costs the command lines, not the collector. */
		report_cmdlines(&l, &outcome, cmdline_pack(&l, &outcome));
	}
	pids_release(&pids);
	free(p.buf);
	return r < 0 ? r : 0;
}

const struct collector collector_processes = {
	.name = "processes",
	.summary = "memory, state, group and command line of every process",
	.needs = "nothing for one's own; those of others and exe need root",
	.timed = true,
	.memory_share = 14,
	.probe = processes_probe,
	.start = processes_start,
	.write = processes_write,
};
