/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mounts of each mount namespace, and which process is in which.
 *
 * A namespace is known by the inode number of /proc/PID/ns/mnt.  That link is refused without
 * ptrace access to the process, while its mountinfo can be read by all.  The ids of mounts are
 * unique on a machine: the first one of a mountinfo tells whether it is of a namespace that is
 * known by another process, and else stands for the inode number (which is never that small).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../redact.h"
#include "../base/units.h"
#include "gather.h"
#include "pids.h"

#define MAX_NAMESPACES 4096
#define MOUNTINFO_CAP (2u << 20)

struct member_of {
	uint32_t pid;
	bool by_mount;	/* mntns is the id of its first mount */
	uint64_t mntns; /* inode number */
};

struct namespace
{
	uint64_t mntns, first_mount;
};

struct mounts {
	struct collect *c;
	struct gather_clock clock;
	struct member_of *of;
	size_t count;
	uint64_t *done; /* namespaces whose mountinfo was read */
	size_t done_count;
	uint64_t refused, late, beyond, unread, cut, redacted;
	int unread_no;
	char *buf; /* MOUNTINFO_CAP */
};

static void mounts_probe(const struct capture_options *o, const struct sysroot *root,
			 struct probe_result *ret)
{
	int fd = gather_open(root, root->recorded ? "proc/1/mountinfo" : "proc/self/mountinfo", 0);

	*ret = (struct probe_result){.status = COLLECTOR_OK, .expected_bytes = 32 << 10};
	if (fd >= 0) {
		close(fd);
		return;
	}
	ret->status = gather_absent(-fd) ? COLLECTOR_UNSUPPORTED : COLLECTOR_DENIED;
	ret->no = -fd;
	snprintf(ret->reason, sizeof(ret->reason), "%s: %s",
		 root->recorded ? "/proc/1/mountinfo" : "/proc/self/mountinfo", strerror(-fd));
}

/* "mnt:[4026531840]" → the number.  0 or a negative errno. */
static int namespace_of(const struct sysroot *r, const char *pid, uint64_t *ret)
{
	char path[32], text[64];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/ns/mnt", pid);
	n = readlinkat(r->proc_fd, path, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = 0;
	if (n < 7 || strncmp(text, "mnt:[", 5) != 0 || text[n - 1] != ']')
		return -EINVAL;
	text[n - 1] = 0;
	return parse_u64(text + 5, ret);
}

/* The id in the first line of a process's mountinfo. */
static int first_mount_of(const struct sysroot *r, const char *pid, uint64_t *ret)
{
	char path[64], text[64];
	ssize_t n;

	snprintf(path, sizeof(path), "proc/%s/mountinfo", pid);
	n = gather_read(r, path, text, sizeof(text), NULL);
	if (n < 0)
		return (int)n;
	text[strspn(text, "0123456789")] = 0;
	return parse_u64(text, ret);
}

static bool is_done(const struct mounts *m, uint64_t mntns)
{
	for (size_t i = m->done_count; i-- > 0;)
		if (m->done[i] == mntns)
			return true;
	return false;
}

/* 1: read; 0: this process cannot show it, ask the next one in the namespace. */
static int put_mountinfo(struct mounts *m, const char *pid, uint64_t mntns)
{
	uint64_t hidden = 0;
	char path[64], entry[64];
	bool cut = false;
	ssize_t n;
	int r;

	snprintf(path, sizeof(path), "proc/%s/mountinfo", pid);
	n = gather_read(m->c->root, path, m->buf, MOUNTINFO_CAP, &cut);
	/* EINVAL: it has exited, or has no root any more. */
	if (n < 0) {
		if (!gather_absent((int)-n) && n != -ESRCH && n != -EINVAL && !m->unread++)
			m->unread_no = (int)-n;
		return 0;
	}
	if (m->c->redactor)
		n = (ssize_t)redact_urls(m->c->redactor, m->buf, (size_t)n, MOUNTINFO_CAP, &hidden);
	m->redacted += hidden;
	m->cut += cut;
	snprintf(entry, sizeof(entry), "%llu/%s", (unsigned long long)mntns, pid);
	r = pack_data(m->c->out, entry, m->buf, (size_t)n, cut ? EFBIG : 0);
	m->done[m->done_count++] = mntns;
	return r < 0 ? r : 1;
}

static const struct member_of *find_process(const struct mounts *m, uint32_t pid)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->of[i].pid == pid)
			return &m->of[i];
	return NULL;
}

/* The first entry is the host's: pid 1's, or our own when that one cannot be seen. */
static int put_host(struct mounts *m)
{
	const uint32_t pids[] = {1, m->c->root->recorded ? 0 : (uint32_t)getpid()};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(pids) && r >= 0; i++) {
		const struct member_of *of = find_process(m, pids[i]);
		char pid[16];

		snprintf(pid, sizeof(pid), "%u", pids[i]);
		if (of && !is_done(m, of->mntns))
			r = put_mountinfo(m, pid, of->mntns);
	}
	return r;
}

static int put_namespaces(struct mounts *m)
{
	int r = put_host(m);

	for (size_t i = 0; i < m->count && r >= 0; i++) {
		char pid[16];

		if (is_done(m, m->of[i].mntns))
			continue;
		if (m->done_count >= MAX_NAMESPACES) {
			m->beyond++;
			continue;
		}
		if (gather_expired(&m->clock)) {
			m->late++;
			continue;
		}
		snprintf(pid, sizeof(pid), "%u", m->of[i].pid);
		r = put_mountinfo(m, pid, m->of[i].mntns);
	}
	return r < 0 ? r : 0;
}

/* Those known by their first mount only: whose namespace is it? */
static int resolve_by_mount(struct mounts *m)
{
	struct namespace *known = calloc(MAX_NAMESPACES, sizeof(*known));
	size_t count = 0;

	if (!known)
		return -ENOMEM;
	for (size_t i = 0; i < m->count && count < MAX_NAMESPACES; i++) {
		char pid[16];
		size_t k = 0;

		while (k < count && known[k].mntns != m->of[i].mntns)
			k++;
		if (m->of[i].by_mount || k < count)
			continue;
		snprintf(pid, sizeof(pid), "%u", m->of[i].pid);
		if (first_mount_of(m->c->root, pid, &known[k].first_mount) < 0)
			continue;
		known[k].mntns = m->of[i].mntns;
		count++;
	}
	for (size_t i = 0; i < m->count; i++)
		for (size_t k = 0; k < count && m->of[i].by_mount; k++)
			if (known[k].first_mount == m->of[i].mntns) {
				m->of[i].mntns = known[k].mntns;
				m->of[i].by_mount = false;
			}
	free(known);
	return 0;
}

static int find_namespaces(struct mounts *m, const struct pids *pids)
{
	bool any_by_mount = false;

	m->of = calloc(pids->count + 1, sizeof(*m->of));
	m->done = calloc(MAX_NAMESPACES + 2, sizeof(*m->done));
	m->buf = malloc(MOUNTINFO_CAP);
	if (!m->of || !m->done || !m->buf)
		return -ENOMEM;
	for (size_t i = 0; i < pids->count; i++) {
		struct member_of of = {.pid = pids->pid[i]};
		char pid[16];
		int r;

		snprintf(pid, sizeof(pid), "%u", pids->pid[i]);
		r = namespace_of(m->c->root, pid, &of.mntns);
		if (r < 0 && first_mount_of(m->c->root, pid, &of.mntns) >= 0)
			of.by_mount = true;
		else if (r == -EACCES || r == -EPERM)
			m->refused++;
		if (r >= 0 || of.by_mount)
			m->of[m->count++] = of;
		any_by_mount = any_by_mount || of.by_mount;
	}
	return any_by_mount ? resolve_by_mount(m) : 0;
}

static int put_table(const struct mounts *m)
{
	int r = member_open(m->c->out, "tables/mount_namespaces.tsv", "mntns\tpid\n");

	for (size_t i = 0; i < m->count && r >= 0; i++) {
		row_u64(m->c->out, m->of[i].mntns);
		row_u64(m->c->out, m->of[i].pid);
		r = row_end(m->c->out);
	}
	return r < 0 ? r : member_close(m->c->out, false);
}

static void report(const struct mounts *m, const struct pids *pids)
{
	struct emit *out = m->c->out;

	emit_loss(out, "processes of namespaces beyond the bound", m->beyond);
	emit_loss(out, "processes of namespaces not read in time", m->late);
	emit_loss(out, "processes beyond the bound", pids->beyond);
	emit_loss(out, "mountinfo cut", m->cut);
	if (m->redacted)
		emit_redacted(out, "secret", "raw/mountinfo", m->redacted);
	if (!m->done_count)
		emit_status(out, m->unread_no ? COLLECTOR_DENIED : COLLECTOR_ERROR,
			    m->unread_no ? m->unread_no : ENOENT, "/proc/PID/mountinfo: %s",
			    strerror(m->unread_no ? m->unread_no : ENOENT));
	else if (m->late)
		emit_status(out, COLLECTOR_PARTIAL, ETIME,
			    "time ran out; the mounts of %llu processes are missing",
			    (unsigned long long)m->late);
	else if (m->beyond || pids->beyond)
		emit_status(out, COLLECTOR_PARTIAL, E2BIG,
			    "more than %d mount namespaces, or %u processes", MAX_NAMESPACES,
			    PIDS_MAX);
	else if (m->refused && geteuid() != 0)
		emit_status(out, COLLECTOR_PARTIAL, EACCES,
			    "/proc/PID/ns/mnt: %s for %llu of %zu processes (needs root)",
			    strerror(EACCES), (unsigned long long)m->refused, pids->count);
	else if (m->unread)
		emit_status(out, COLLECTOR_PARTIAL, m->unread_no, "/proc/PID/mountinfo: %s",
			    strerror(m->unread_no));
	else if (m->cut)
		emit_status(out, COLLECTOR_PARTIAL, EFBIG,
			    "/proc/PID/mountinfo: cut at %u MiB in %llu mount namespaces",
			    MOUNTINFO_CAP >> 20, (unsigned long long)m->cut);
	/* Root is refused by single processes: more capable ones, other security contexts. */
	if (m->refused && geteuid() == 0) {
		emit_loss(out, "mount namespace not readable", m->refused);
		emit_note(out, "/proc/PID/ns/mnt: %s for %llu of %zu processes", strerror(EACCES),
			  (unsigned long long)m->refused, pids->count);
	}
}

static int mounts_write(struct collect *c)
{
	/* --pid and --cgroup narrow processes; paths need every namespace. */
	struct capture_options all = *c->options;
	struct mounts m = {.c = c};
	struct pids pids = {0};
	struct err e = {0};
	int r;

	all.pid = 0;
	gather_clock_init(&m.clock, c);
	r = pids_list(&pids, &all, c->root, &e);
	if (r < 0)
		emit_status(c->out, COLLECTOR_ERROR, e.no, "%s", e.text);
	if (r >= 0)
		r = find_namespaces(&m, &pids);
	if (r >= 0)
		r = member_open(c->out, "raw/mountinfo", NULL);
	if (r >= 0)
		r = put_namespaces(&m);
	if (r >= 0)
		r = member_close(c->out, false);
	if (r >= 0)
		r = put_table(&m);
	if (r >= 0)
		report(&m, &pids);
	pids_release(&pids);
	free(m.of);
	free(m.done);
	free(m.buf);
	return r < 0 ? r : 0;
}

const struct collector collector_mounts = {
	.name = "mounts",
	.summary = "the mounts of every mount namespace",
	.needs = "nothing for one's own; those of others need root",
	.memory_share = 5,
	.memory_least_kib = 3072,
	.probe = mounts_probe,
	.write = mounts_write,
};
