/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lower rung of kernel-objects, where the kernel's memory is not to be read: no BPF, not root,
 * a locked kernel.  Sockets by sock_diag, of every network namespace that can be entered; BPF maps,
 * DMA and graphics buffers by the fdinfo of their descriptors; who holds what by the links in
 * /proc/PID/fd.  What pipes and io_uring hold, and how much of a queue is whole pages, nothing
 * tells.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "object_walk.h"
#include "pids.h"

#define MAX_NAMESPACES 256u
#define FDINFO_MAX 4096

struct low {
	struct object_walk *w;
	uint64_t namespaces[MAX_NAMESPACES];
	unsigned namespace_count, beyond, closed;
	uint64_t refused; /* processes whose descriptors may not be seen */
	int diag;	  /* what sock_diag failed with, or 0 */
	size_t done;	  /* processes */
};

static bool out_of_time(struct object_walk *w)
{
	if (!w->no_time)
		w->no_time = clock_ns(CLOCK_MONOTONIC) >= w->until_ns || collect_stopping(w->c);
	return w->no_time;
}

/* ------------------------------------------------------------------ sockets */

static bool is_new(struct low *l, uint64_t ns)
{
	for (unsigned i = 0; i < l->namespace_count; i++)
		if (l->namespaces[i] == ns)
			return false;
	if (l->namespace_count == MAX_NAMESPACES) {
		l->beyond++;
		return false;
	}
	l->namespaces[l->namespace_count++] = ns;
	return true;
}

static uint64_t namespace_of(const struct low *l, uint32_t pid, char path[64])
{
	struct stat st;

	snprintf(path, 64, "%u/ns/net", pid);
	return fstatat(l->w->c->root->proc_fd, path, &st, 0) < 0 ? 0 : st.st_ino;
}

static void note_namespace(struct low *l, size_t from, uint64_t ns)
{
	struct object_table *t = l->w->t;

	for (size_t i = from; i < t->count; i++)
		if (t->rows[i].kind == OBJECT_SOCKET || t->rows[i].kind == OBJECT_PACKET_RING)
			t->rows[i].netns = (uint32_t)ns;
}

static void diag(struct low *l, uint64_t ns)
{
	size_t from = l->w->t->count;
	int r = object_diag(l->w);

	if (r < 0)
		l->diag = r;
	note_namespace(l, from, ns);
}

/* Of our own namespace, then of every other one that somebody is in. */
static void sockets(struct low *l, const struct pids *pids)
{
	int proc = l->w->c->root->proc_fd;
	_cleanup_fd_ int own = openat(proc, "self/ns/net", O_RDONLY | O_CLOEXEC);
	char path[64];
	struct stat st;
	uint64_t ns = fstatat(proc, "self/ns/net", &st, 0) < 0 ? 0 : st.st_ino;

	is_new(l, ns);
	diag(l, ns);
	for (size_t i = 0; own >= 0 && i < pids->count && !out_of_time(l->w); i++) {
		_cleanup_fd_ int fd = -1;

		ns = namespace_of(l, pids->pid[i], path);
		if (!ns || !is_new(l, ns))
			continue;
		fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) {
			l->closed++;
			continue;
		}
		diag(l, ns);
		if (setns(own, CLONE_NEWNET) < 0)
			return; /* what is still asked for is not of the network */
	}
}

/* ------------------------------------------------------------------ descriptors */

static ssize_t fdinfo(const struct low *l, uint32_t pid, uint32_t fd, char text[FDINFO_MAX])
{
	char path[64];

	snprintf(path, sizeof(path), "%u/fdinfo/%u", pid, fd);
	return read_file_at(l->w->c->root->proc_fd, path, text, FDINFO_MAX);
}

/* "KEY:\tWORD" */
static void word_of(const char *text, const char *key, char *ret, size_t cap)
{
	const char *at = strstr(text, key);
	size_t n;

	ret[0] = '\0';
	if (!at)
		return;
	at += strlen(key);
	at += strspn(at, " \t");
	n = strcspn(at, "\n");
	if (n >= cap)
		n = cap - 1;
	memcpy(ret, at, n);
	ret[n] = '\0';
}

static void dma_buf(struct low *l, uint32_t pid, uint32_t fd)
{
	struct object o = {.kind = OBJECT_DMA_BUF,
			   .memory = MEMORY_UNKNOWN,
			   .page_bytes = OBJECT_NONE,
			   .capacity = OBJECT_NONE,
			   .waiting = OBJECT_NONE,
			   .count = 1};
	char text[FDINFO_MAX], path[64];
	unsigned long long size;
	struct stat st;

	snprintf(path, sizeof(path), "%u/fd/%u", pid, fd);
	if (fstatat(l->w->c->root->proc_fd, path, &st, 0) < 0 || !st.st_ino ||
	    fdinfo(l, pid, fd, text) < 0 || find_key_u64(text, "size", &size) < 0)
		return;
	o.id = st.st_ino;
	o.bytes = size;
	word_of(text, "exp_name:", o.name, 32);
	word_of(text, "\nname:", o.detail, 32);
	if (!strncmp(o.name, "system", 6)) { /* drivers/dma-buf/heaps/system_heap.c */
		o.memory = MEMORY_PAGES;
		o.page_bytes = o.bytes;
	}
	if (object_seen(l->w->t, OBJECT_DMA_BUF, o.id))
		;
	else if (o.bytes < OBJECT_LEAST)
		object_add_small(l->w->t, &o);
	else
		object_add(l->w->t, &o);
	object_hold(l->w->t, OBJECT_DMA_BUF, o.id, pid);
}

static void bpf_file(struct low *l, uint32_t pid, uint32_t fd, enum file_class class)
{
	char text[FDINFO_MAX];
	unsigned long long id;

	if (fdinfo(l, pid, fd, text) < 0)
		return;
	if (class == FILE_CLASS_BPF_MAP && find_key_u64(text, "map_id", &id) == 0)
		object_hold(l->w->t, OBJECT_BPF_MAP, id, pid);
	else if (class != FILE_CLASS_BPF_MAP && find_key_u64(text, "prog_id", &id) == 0 &&
		 id <= UINT32_MAX)
		object_bpf_hold_program(l->w, (uint32_t)id, pid);
}

static void one_descriptor(struct low *l, uint32_t pid, uint32_t fd, const char *link)
{
	enum file_class class = object_class_of_link(link);
	struct object_table *t = l->w->t;
	uint64_t ino;

	switch (class) {
	case FILE_CLASS_SOCKET:
		ino = strtoull(link + strlen("socket:["), NULL, 10);
		object_hold(t, OBJECT_PACKET_RING, ino, pid);
		object_hold(t, OBJECT_SOCKET, ino, pid);
		return;
	case FILE_CLASS_DMA_BUF:
		dma_buf(l, pid, fd);
		return;
	case FILE_CLASS_BPF_MAP:
	case FILE_CLASS_BPF_PROG:
	case FILE_CLASS_BPF_LINK:
		bpf_file(l, pid, fd, class);
		return;
	case FILE_CLASS_DRM:
		object_drm(l->w, pid, fd);
		return;
	default:
		return;
	}
}

static void descriptors(struct low *l, uint32_t pid)
{
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *entry;
	char path[64], link[256];
	int fd;

	snprintf(path, sizeof(path), "%u/fd", pid);
	fd = openat(l->w->c->root->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		l->refused += errno == EACCES || errno == EPERM;
		return;
	}
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return;
	}
	while ((entry = readdir(d)) && !l->w->no_time) {
		char *end;
		unsigned long number = strtoul(entry->d_name, &end, 10);
		ssize_t n;

		if (*end || end == entry->d_name || number > UINT32_MAX)
			continue;
		if (l->w->files++ % 256 == 0 && out_of_time(l->w))
			return;
		n = readlinkat(dirfd(d), entry->d_name, link, sizeof(link) - 1);
		if (n < 0)
			continue;
		link[n] = '\0';
		one_descriptor(l, pid, (uint32_t)number, link);
	}
}

/* ------------------------------------------------------------------ all of it */

static int huge_pages(struct object_walk *w, const struct pids *pids)
{
	struct tasks tasks = {.rows = calloc(pids->count + 1, sizeof(*tasks.rows))};
	int r;

	if (!tasks.rows)
		return -ENOMEM;
	for (size_t i = 0; i < pids->count; i++)
		tasks.rows[tasks.count++].tgid = pids->pid[i];
	r = object_huge_pages(w, &tasks);
	free(tasks.rows);
	return r;
}

static void report(struct low *l, size_t processes)
{
	struct emit *out = l->w->c->out;
	char missing[128];

	object_diag_missing(l->w, missing, sizeof(missing));
	if (*missing)
		emit_note(out,
			  "sockets of %s: this kernel's module that tells of them is not loaded",
			  missing);
	if (l->diag)
		emit_note(out, "sock_diag: %s", strerror(-l->diag));
	if (!(l->w->families & 1) || l->diag)
		l->w->t->untold |= 1u << OBJECT_PACKET_RING;
	if (l->refused)
		emit_note(out, "descriptors of %" PRIu64 " processes may not be seen (needs root)",
			  l->refused);
	if (l->closed)
		emit_note(out, "%u network namespaces could not be entered (needs root)",
			  l->closed);
	emit_loss(out, "network namespaces beyond the bound", l->beyond);
	emit_loss(out, "processes not looked at", processes - l->done);
}

int object_low(struct object_walk *w, struct err *e)
{
	struct low l = {.w = w};
	struct pids pids = {0};
	int r = pids_list(&pids, w->c->options, w->c->root, e);

	if (r < 0)
		return r;
	/* Nothing tells what these hold. */
	w->t->untold |= 1u << OBJECT_PIPE | 1u << OBJECT_IO_URING | 1u << OBJECT_OPEN_FILES;
	object_diag_families(w);
	sockets(&l, &pids);
	for (; l.done < pids.count && !out_of_time(w); l.done++)
		descriptors(&l, pids.pid[l.done]);
	r = huge_pages(w, &pids);
	report(&l, pids.count);
	pids_release(&pids);
	return r;
}
