/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that the kernel holds for somebody and that no process list shows: rings of packet
 * sockets, data that waits in sockets and pipes, BPF maps, buffers of devices.  Every open file of
 * every process is looked at in the kernel's own memory, so that no module has to be loaded, no
 * name space entered and no process stopped.  Each subject has a file of its own: object_NAME.c.
 * Where that memory is not to be read there is a lower rung, object_low.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "object_walk.h"
#include "page_owner.h"

#define MAX_SKBS (1u << 20)
#define DRM_MAJOR 226u /* Documentation/admin-guide/devices.txt */
#define TIME_LEFT 8    /* of the time until the deadline, this part is left for the tables */

/* There is always a rung to stand on, on a live machine. */
static void kernel_objects_probe(const struct capture_options *o, const struct sysroot *root,
				 struct probe_result *ret)
{
	(void)o;
	*ret = (struct probe_result){.status = COLLECTOR_OK, .expected_bytes = 16 << 10};
	if (!root->recorded)
		return;
	ret->status = COLLECTOR_UNSUPPORTED;
	snprintf(ret->reason, sizeof(ret->reason),
		 "%s: a recorded tree has no open files to look at", root->path);
}

/* ------------------------------------------------------------------ what a file is */

enum file_class object_class_of_link(const char *link)
{
	static const struct {
		const char *prefix;
		enum file_class class;
	} links[] = {
		{"pipe:[", FILE_CLASS_PIPE},
		{"socket:[", FILE_CLASS_SOCKET},
		{"anon_inode:bpf-map", FILE_CLASS_BPF_MAP},
		{"anon_inode:bpf-prog", FILE_CLASS_BPF_PROG},
		{"anon_inode:bpf_link", FILE_CLASS_BPF_LINK},
		{"/dmabuf:", FILE_CLASS_DMA_BUF},
		{"anon_inode:[io_uring]", FILE_CLASS_IO_URING},
		{"/dev/dri/", FILE_CLASS_DRM},
	};

	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (!strncmp(link, links[i].prefix, strlen(links[i].prefix)))
			return links[i].class;
	return FILE_CLASS_NONE;
}

enum file_class object_class_of_file(const char *link, uint16_t mode, uint32_t rdev)
{
	enum file_class class = object_class_of_link(link);

	/* A FIFO with a name has the operations of a pipe and a link that does not tell. */
	if (S_ISFIFO(mode))
		return FILE_CLASS_PIPE;
	/* The node of a card may have any name, and a regular file that of a card. */
	if (S_ISCHR(mode) && rdev >> 20 == DRM_MAJOR)
		return FILE_CLASS_DRM;
	return class == FILE_CLASS_DRM ? FILE_CLASS_NONE : class;
}

static enum file_class classify(struct object_walk *w, const struct task_file *f)
{
	char path[64], link[256];
	enum file_class class;
	uint64_t file = 0;
	uint32_t rdev = 0;
	uint16_t mode = 0;
	ssize_t n;

	for (unsigned i = 0; i < w->op_count; i++)
		if (w->ops[i].op == f->op)
			return w->ops[i].class;
	if (w->op_count == MAX_OPS)
		return FILE_CLASS_NONE;
	snprintf(path, sizeof(path), "%u/fd/%u", f->pid, f->fd);
	n = readlinkat(w->c->root->proc_fd, path, link, sizeof(link) - 1);
	if (n < 0)
		return FILE_CLASS_NONE;
	link[n] = '\0';
	/* The link is of this file only if the descriptor still is. */
	if (kmem_read(w->s, f->slot, &file, sizeof(file)) < 0 || file != f->file)
		return FILE_CLASS_NONE;
	if (kmem_read(w->s, f->inode + w->l->inode.mode.offset, &mode, sizeof(mode)) < 0 ||
	    kmem_read(w->s, f->inode + w->l->inode.rdev.offset, &rdev, sizeof(rdev)) < 0)
		return FILE_CLASS_NONE;
	class = object_class_of_file(link, mode, rdev);
	w->ops[w->op_count].op = f->op;
	w->ops[w->op_count++].class = class;
	return class;
}

static int one_file(void *ctx, const struct task_file *f)
{
	struct object_walk *w = ctx;
	enum file_class class;
	uint64_t ino = 0;

	w->task_files++;
	w->task_slab += w->ol.slab.file;
	if (object_shmem(w, f))
		return 0;
	class = classify(w, f);
	switch (class) {
	case FILE_CLASS_PIPE:
	case FILE_CLASS_SOCKET:
	case FILE_CLASS_DMA_BUF:
		if (kmem_read(w->s, f->inode + w->l->inode.ino.offset, &ino, sizeof(ino)) < 0 ||
		    !ino)
			return 0;
		if (class == FILE_CLASS_PIPE)
			object_pipe(w, f, ino);
		else if (class == FILE_CLASS_DMA_BUF)
			object_dma_buf(w, f, ino);
		else
			object_socket(w, f, ino);
		return 0;
	case FILE_CLASS_BPF_MAP:
	case FILE_CLASS_BPF_PROG:
	case FILE_CLASS_BPF_LINK:
		object_bpf_hold(w, f, class);
		return 0;
	case FILE_CLASS_IO_URING:
		object_io_uring(w, f);
		return 0;
	case FILE_CLASS_DRM:
		object_drm(w, f->pid, f->fd);
		return 0;
	default:
		return 0;
	}
}

/* ------------------------------------------------------------------ the walk */

/* A pipe of ours with one byte in it tells which buffers are a pipe's own. */
static int make_own_pipe(struct object_walk *w, int *fds)
{
	struct stat st;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	if (write(fds[1], "x", 1) != 1 || fstat(fds[0], &st) < 0)
		return -EIO;
	w->own_pipe = st.st_ino;
	return 0;
}

static bool out_of_time(struct object_walk *w)
{
	if (!w->no_time)
		w->no_time = clock_ns(CLOCK_MONOTONIC) >= w->until_ns || collect_stopping(w->c);
	return w->no_time;
}

static int walk_tasks(struct object_walk *w, struct err *e)
{
	struct tasks tasks = {0};
	uint64_t odd = 0;
	size_t i = 0;
	int r = tasks_list(&tasks, w->s, &w->tasks, w->c->root, e);

	if (r < 0)
		return r;
	for (; i < tasks.count && !out_of_time(w); i++) {
		w->task_files = w->task_slab = 0;
		r = task_files(w->s, &w->tasks, &tasks.rows[i], one_file, w, &w->files);
		object_open_files(w, tasks.rows[i].tgid);
		odd += r == -EFAULT;
		if (r < 0 && r != -EFAULT)
			break;
		r = 0;
	}
	if (r == 0)
		r = object_huge_pages(w, &tasks);
	if (r < 0)
		err_errno(e, r, "the open files of all processes");
	else if (tasks.cut || i < tasks.count)
		emit_status(w->c->out, COLLECTOR_PARTIAL, tasks.cut ? ESTALE : ETIME,
			    tasks.cut ? "the list of processes changed while it was walked: %zu "
					"were seen"
				      : "time ran out after %zu processes",
			    i);
	emit_loss(w->c->out, "processes not looked at", tasks.count - i);
	emit_loss(w->c->out, "processes that changed meanwhile", odd);
	tasks_release(&tasks);
	return r;
}

static int layouts(struct object_walk *w, struct err *e)
{
	struct btf *btf;
	int r = kmem_btf_open(&btf, w->c->options->btf_file, w->c->root, e);

	if (r < 0)
		return r;
	r = tasks_layout_init(&w->tasks, btf, e);
	object_layout_init(&w->ol, btf);
	btf__free(btf);
	return r;
}

/* By the kernel's own structures. */
static int look(struct object_walk *w, struct err *e)
{
	int fds[3] = {-1, -1, object_own_memfd(w)}, r = layouts(w, e);

	if (r == 0 && make_own_pipe(w, fds) < 0)
		emit_note(w->c->out, "pipe: %s: what is in pipes is not told", strerror(errno));
	object_heads_init(w);
	if (r == 0)
		r = walk_tasks(w, e);
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return r;
}

/* What the kernel tells of itself when asked, whatever the rung. */
static void ask(struct object_walk *w)
{
	int r = object_bpf_list(w);

	if (r < 0)
		w->t->untold |= 1u << OBJECT_BPF_MAP;
	if (r < 0 && r != -ENOSYS)
		emit_note(w->c->out, "BPF maps: %s", strerror(-r));
	object_rdma(w);
	object_page_pools(w);
}

static void give_status(struct collect *c, int r, const struct err *e)
{
	enum collector_status s = COLLECTOR_ERROR;

	if (r == -EPERM || r == -EACCES)
		s = COLLECTOR_DENIED;
	else if (r == -ENOTSUP || r == -ENOENT || r == -ENOSYS)
		s = COLLECTOR_UNSUPPORTED;
	emit_status(c->out, s, e->no ? e->no : -r, "%s", e->no ? e->text : strerror(-r));
}

/* The ladder ends its words with the rung it took for pages, which is not ours. */
static const char *without_rung(struct err *e)
{
	char *rung = strstr(e->text, "; using ");

	if (rung)
		*rung = '\0';
	return e->text;
}

/* Less than there would be: said, and partial if it was refused and is not just not there. */
static int look_low(struct object_walk *w, const char *why, bool refused, struct err *e)
{
	int r = object_low(w, e);

	if (r < 0)
		return r;
	if (refused)
		emit_status(w->c->out, COLLECTOR_PARTIAL, EPERM,
			    "%s; using /proc/PID/fd and sock_diag", why);
	else
		emit_note(w->c->out, "%s; using /proc/PID/fd and sock_diag", why);
	return 0;
}

static int write_tables(struct object_walk *w, const char *why, bool refused, struct err *e)
{
	int found, r;

	ask(w);
	found = w->s ? look(w, e) : look_low(w, why, refused, e);
	/* Types that lead nowhere, or no task to start from: still the lower rung. */
	if (w->s && found == -ENOTSUP) {
		char text[512];

		snprintf(text, sizeof(text), "%s", e->no ? e->text : strerror(ENOTSUP));
		*e = (struct err){0};
		found = look_low(w, text, false, e);
	}
	object_drm_end(w);
	emit_loss(w->c->out, "buffers of sockets beyond the bound", w->skbs_skipped);
	emit_loss(w->c->out, "sockets whose cgroup was not looked at", w->groups_beyond);
	r = object_table_emit(w->t, w->c->out);
	if (r >= 0)
		r = page_owner_emit(w->c, w->until_ns);
	return r < 0 ? r : found;
}

static int kernel_objects_write(struct collect *c)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct object_table table = {0};
	struct kmem_rung g = {0};
	struct object_walk w = {.c = c, .t = &table, .skbs_left = MAX_SKBS};
	struct err above = {0}, e = {0};
	bool asked_for = c->options->memory_source == MEMORY_KPAGEFLAGS ||
			 c->options->memory_source == MEMORY_PROCFS;
	int stood, r;

	w.until_ns =
		c->deadline_ns > now ? c->deadline_ns - (c->deadline_ns - now) / TIME_LEFT : now;
	if (getentropy(&w.seed, sizeof(w.seed)) < 0)
		w.seed = now;
	stood = kmem_stand(&g, c->options, c->root, &above);
	w.s = stood == 0 ? g.source : NULL;
	w.l = &g.layout;
	r = object_table_init(&table, c->memory_limit / 2);
	if (r == 0)
		r = write_tables(&w,
				 asked_for  ? "--memory-source: the kernel's memory is not read"
				 : above.no ? without_rung(&above)
					    : "the kernel's memory is not to be read",
				 !asked_for && (stood == 0 ? g.refused : stood == -EPERM), &e);
	if (r < 0)
		give_status(c, r, &e);
	object_table_release(&table);
	if (stood == 0)
		kmem_leave(&g);
	return r;
}

const struct collector collector_kernel_objects = {
	.name = "kernel-objects",
	.summary = "packet rings, socket queues, pipes, BPF maps and more, and who holds them",
	.needs = "root and kernel BTF for all of it; sockets and one's own without",
	.memory_share = 18,
	.memory_least_kib = 4096,
	.loads_types = true,
	.probe = kernel_objects_probe,
	.write = kernel_objects_write,
};
