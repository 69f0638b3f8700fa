/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process_pass.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/proc.h"
#include "hierarchy.h"

#define FILE_CAP (60u << 10)
#define PF_KTHREAD 0x00200000

int pass_init(struct pass *p, struct collect *c)
{
	struct hierarchy h[HIERARCHIES_MAX];
	int r;

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

void pass_deinit(struct pass *p)
{
	free(p->buf);
	free(p->before.p);
	free(p->now.p);
}

/* The directory of a process.  O_PATH: a descriptor for openat(), nothing is read from it. */
int process_open(const struct sysroot *r, uint32_t pid)
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
ssize_t process_read(const struct sysroot *r, int dir, const char *file, char *buf, size_t cap,
		     bool *ret_cut)
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

bool process_is_gone(int no)
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

const char *process_entry(struct pass *p, uint32_t pid, const char *file)
{
	snprintf(p->entry, sizeof(p->entry), "%u/%s", pid, file);
	return p->entry;
}

/* Is it in the group of --cgroup, in any hierarchy?  Leaves the text of "cgroup" in buf. */
static bool wanted(struct pass *p, int dir)
{
	bool cut;

	if (process_read(p->c->root, dir, "cgroup", p->buf, FILE_CAP, &cut) <= 0)
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

static bool list_add(struct process_list *l, const struct process *process)
{
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 512;
		struct process *p = realloc(l->p, cap * sizeof(*p));

		if (!p)
			return false;
		l->p = p;
		l->cap = cap;
	}
	l->p[l->count++] = *process;
	return true;
}

static struct process process_of_stat(uint32_t pid, const char *text, size_t len)
{
	struct process process = {.pid = pid, .comm = 2166136261u};
	struct proc_stat st;

	if (parse_proc_stat(text, len, &st) < 0)
		return process;
	process.starttime = st.starttime;
	process.rss_pages = st.rss;
	process.kernel_thread = (st.flags & PF_KTHREAD) != 0;
	for (const char *s = st.comm; *s; s++) /* FNV-1a */
		process.comm = (process.comm ^ (unsigned char)*s) * 16777619u;
	return process;
}

static int put_file(struct pass *p, int dir, uint32_t pid, const char *file, ssize_t *ret_len)
{
	bool cut = false;
	ssize_t n = process_read(p->c->root, dir, file, p->buf, FILE_CAP, &cut);

	*ret_len = n;
	if (n < 0 && process_is_gone((int)-n))
		return 0;
	if (n < 0)
		refuse(p, file, (int)-n);
	return pack_data(p->c->out, process_entry(p, pid, file), p->buf, n < 0 ? 0 : (size_t)n,
			 n < 0 ? (int)-n
			 : cut ? EFBIG
			       : 0);
}

static int put_process(struct pass *p, uint32_t pid, const char *const *files, size_t count,
		       struct process_list *list)
{
	_cleanup_fd_ int dir = process_open(p->c->root, pid);
	int r = 0;

	if (dir < 0) {
		if (process_is_gone(-dir))
			p->vanished++;
		else
			refuse(p, "", -dir);
		return 0;
	}
	if (p->narrowed && !wanted(p, dir))
		return 0;
	for (size_t i = 0; i < count && r >= 0; i++) {
		struct process process;
		ssize_t n;

		r = put_file(p, dir, pid, files[i], &n);
		if (i > 0 || r < 0)
			continue;
		/* A process without stat is gone. */
		if (n < 0 && process_is_gone((int)-n)) {
			p->vanished++;
			return 0;
		}
		process = process_of_stat(pid, p->buf, n < 0 ? 0 : (size_t)n);
		if (!list_add(list, &process))
			return -ENOMEM;
	}
	p->seen++;
	return r;
}

int pass_files(struct pass *p, const struct pids *pids, const char *const *files, size_t count,
	       struct process_list *list)
{
	int r = gather_pack_open(p->c, "raw/processes");

	p->seen = 0;
	for (size_t i = 0; i < pids->count && r >= 0; i++) {
		if (gather_expired(&p->clock)) {
			p->late = pids->count - i;
			break;
		}
		r = put_process(p, pids->pid[i], files, count, list);
	}
	return r < 0 ? r : member_close(p->c->out, p->late > 0);
}

/* exe is a link of procfs: reading it does not touch what it points to. */
static int put_exe(struct pass *p, int dir, uint32_t pid)
{
	ssize_t n = readlinkat(dir, "exe", p->buf, 4096);

	if (n < 0 && (errno == EACCES || errno == EPERM)) {
		p->exe_refused++;
		return 0;
	}
	if (n < 0) /* it has none, or is gone */
		return 0;
	return pack_data(p->c->out, process_entry(p, pid, "exe"), p->buf, (size_t)n, 0);
}

int pass_fixed(struct pass *p, struct process_list *list)
{
	bool open = false;
	int r = 0;

	for (size_t i = 0; i < list->count && r >= 0; i++) {
		struct process *process = &list->p[i];
		_cleanup_fd_ int dir = -1;
		ssize_t n;

		if (process->has_fixed || process->kernel_thread)
			continue;
		if (gather_expired(&p->clock))
			break;
		if (!open)
			r = gather_pack_open(p->c, "raw/processes");
		open = true;
		process->has_fixed = true;
		dir = r < 0 ? -1 : process_open(p->c->root, process->pid);
		if (dir < 0)
			continue;
		r = put_file(p, dir, process->pid, "limits", &n);
		if (r >= 0)
			r = put_exe(p, dir, process->pid);
	}
	return open && r >= 0 ? member_close(p->c->out, false) : r;
}
