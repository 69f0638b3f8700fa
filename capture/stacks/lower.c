/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lower.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "perf_samples.h"
#include "session_private.h"

#define THREADS_MAX 4096u
#define FILES_KEPT 64u /* descriptors for everything else */

/* ------------------------------------------------------------------ may we? */

/* Of the kernel's ways to say no the usual one, with its value. */
static void name_refusal(const struct sysroot *root, struct err *e)
{
	char text[16];

	if (e->no != EACCES && e->no != EPERM)
		return;
	if (read_file_at(root->proc_fd, "sys/kernel/perf_event_paranoid", text, sizeof(text)) <= 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	err_set(e, e->no, "perf_event_open: %s (kernel.perf_event_paranoid=%s)", strerror(e->no),
		text);
}

int lower_ask(const struct sysroot *root, struct err *e)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
				       .config = PERF_COUNT_SW_CPU_CLOCK,
				       .exclude_kernel = 1,
				       .exclude_hv = 1,
				       .disabled = 1};
	int fd = perf_event(&attr, 0, -1);

	if (fd < 0) {
		err_set(e, -fd, "perf_event_open: %s", strerror(-fd));
		name_refusal(root, e);
		return fd;
	}
	close(fd);
	return 0;
}

/* ------------------------------------------------------------------ one's own processes */

struct tids {
	pid_t *tids;
	size_t count, left_out;
};

static void add_threads_of(struct tids *t, int proc, const char *pid)
{
	_cleanup_dir_ DIR *dir = NULL;
	char path[48];
	struct dirent *d;
	int fd;

	snprintf(path, sizeof(path), "%.20s/task", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] < '0' || d->d_name[0] > '9')
			continue;
		if (t->count < THREADS_MAX)
			t->tids[t->count++] = (pid_t)strtol(d->d_name, NULL, 10);
		else
			t->left_out++;
	}
}

static int own_threads(const struct session *s, struct tids *t)
{
	_cleanup_dir_ DIR *dir = NULL;
	uid_t self = geteuid();
	struct dirent *d;
	struct stat st;
	int fd = openat(s->c->root->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return -errno;
	t->tids = calloc(THREADS_MAX, sizeof(*t->tids));
	if (!t->tids)
		return -ENOMEM;
	while ((d = readdir(dir)))
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9' && !fstatat(fd, d->d_name, &st, 0) &&
		    st.st_uid == self)
			add_threads_of(t, fd, d->d_name);
	return t->count ? 0 : -ESRCH;
}

/* As many threads as there may be descriptors for. */
static void fit_descriptors(struct tids *t, size_t cpus)
{
	struct rlimit files;
	size_t room;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	room = files.rlim_cur > FILES_KEPT ? (files.rlim_cur - FILES_KEPT) / cpus : 1;
	if (t->count > room) {
		t->left_out += t->count - room;
		t->count = room;
	}
}

static int open_own(struct session *s, size_t bytes, struct perf_samples_got *got, struct err *e)
{
	struct tids t = {0};
	int r = own_threads(s, &t);

	if (!r) {
		fit_descriptors(&t, s->cpu_count);
		r = perf_samples_of(&s->side, t.tids, t.count, s->cpus, s->cpu_count, s->limits.hz,
				    bytes, got, e);
	} else {
		err_set(e, -r, "/proc: %s", strerror(-r));
	}
	got->left_out += t.left_out;
	free(t.tids);
	return r;
}

/* ------------------------------------------------------------------ opening */

static void say_what(struct lower *l, const struct err *bpf, const struct perf_samples_got *got)
{
	char whom[96] = "";

	if (l->mode == LOWER_OWN)
		snprintf(whom, sizeof(whom), " of the processes of uid %u", (unsigned)geteuid());
	snprintf(l->why, sizeof(l->why),
		 "%.200s; using perf events%s: user stacks by frame pointers only%s, and no times "
		 "off the CPU",
		 bpf->text, whom, got->kernel ? "" : ", nothing of the kernel's part");
}

int lower_open(struct session *s, size_t ring_bytes, struct err *e)
{
	struct lower *l = &s->lower;
	struct perf_samples_got got = {0};
	struct err here = {0};
	int r = perf_samples_all(&s->side, s->cpus, s->cpu_count, s->limits.hz, ring_bytes, &got,
				 &here);

	l->mode = LOWER_ALL;
	if (r == -EACCES || r == -EPERM) {
		l->mode = LOWER_OWN;
		r = open_own(s, ring_bytes, &got, &here);
	}
	if (r < 0) {
		l->mode = LOWER_NONE;
		name_refusal(s->c->root, &here);
		err_add(e, "%s", here.text);
		return r;
	}
	l->no = e->no;
	l->clock = got.clock;
	l->cpus = s->cpu_count;
	say_what(l, e, &got);
	if (got.left_out)
		emit_note(s->c->out, "stacks of %zu threads could not be had", got.left_out);
	return 0;
}

/* ------------------------------------------------------------------ samples */

uint64_t lower_time(const struct perf_event_header *h)
{
	struct perf_sample p;

	return perf_sample_parse(h, &p) ? p.time : 0;
}

/* What the thread is called now: the record does not say. */
static void name_of(const struct session *s, uint32_t tid, char comm[16])
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "%u/comm", tid);
	n = read_file_at(s->c->root->proc_fd, path, comm, 16);
	if (n < 0 && n != -E2BIG)
		comm[0] = '\0';
	comm[strcspn(comm, "\n")] = '\0';
}

static size_t at_most(size_t n, size_t most)
{
	return n < most ? n : most;
}

bool lower_sample(struct session *s, const struct perf_event_header *h)
{
	struct stacks_stack k = {.type = STACKS_RECORD_STACK, .exact = {1}};
	struct stacks_sample sample = {.type = STACKS_RECORD_SAMPLE, .state = STACKS_ON_CPU};
	struct perf_sample p;

	if (!perf_sample_parse(h, &p))
		return false;
	s->lower.events++;
	if (!p.tid) {
		s->lower.idle++;
		return true;
	}
	k.pid = sample.pid = p.pid;
	k.time = sample.time = p.time;
	sample.tid = p.tid;
	sample.cpu = p.cpu;
	k.kernel_count = (uint16_t)at_most(p.kernel_count, STACKS_KERNEL_MAX);
	k.user_count = (uint16_t)at_most(p.user_count, STACKS_USER_MAX);
	k.kernel_cut = p.kernel_count > STACKS_KERNEL_MAX;
	/* No user's part at all is a kernel thread, unless user's parts are all there is. */
	k.end = p.user_count ? STACKS_END_POINTERS
		: p.has_user ? STACKS_END_REGISTERS
			     : STACKS_END_KERNEL;
	k.by = p.user_count ? STACKS_BY_POINTER : 0;
	if (k.kernel_count)
		memcpy(k.frames, p.kernel, 8 * (size_t)k.kernel_count);
	if (k.user_count)
		memcpy(k.frames + k.kernel_count, p.user, 8 * (size_t)k.user_count);
	name_of(s, p.tid, sample.comm);
	session_take(s, &sample, &k);
	return true;
}
