/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two things that only descriptors tell: who has a memfd, or a deleted file of tmpfs, open without
 * mapping it; and whose sockets keep a deleted memory cgroup alive, which each socket refers to
 * from its making on (sk_memcg).  Sources: mm/shmem.c, mm/memcontrol.c mem_cgroup_sk_alloc()
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../kmem/decode.h"
#include "object_walk.h"

int object_own_memfd(struct object_walk *w)
{
	int fd = memfd_create("ossnap", MFD_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0)
		w->own_memfd = st.st_ino;
	return fd;
}

static uint64_t number_at(struct object_walk *w, uint64_t addr, struct kmem_field f)
{
	unsigned char b[8];

	if (!field_present(f) || f.size > sizeof(b) ||
	    kmem_read(w->s, addr + f.offset, b, f.size) < 0)
		return OBJECT_NONE;
	f.offset = 0;
	return field_get(b, f);
}

static void name_of(struct object_walk *w, const struct task_file *f, struct object *o)
{
	static const char deleted[] = " (deleted)";
	char path[64], link[512], *end;
	ssize_t n;

	snprintf(path, sizeof(path), "%u/fd/%u", f->pid, f->fd);
	n = readlinkat(w->c->root->proc_fd, path, link, sizeof(link) - 1);
	if (n < 0)
		return;
	link[n] = '\0';
	end = n > (ssize_t)strlen(deleted) ? link + n - strlen(deleted) : NULL;
	if (end && !strcmp(end, deleted))
		*end = '\0';
	snprintf(o->name, sizeof(o->name), "%.63s", !strncmp(link, "/memfd:", 7) ? link + 1 : link);
}

bool object_shmem(struct object_walk *w, const struct task_file *f)
{
	struct object o = {.kind = OBJECT_SHMEM,
			   .memory = MEMORY_SHMEM,
			   .capacity = OBJECT_NONE,
			   .waiting = OBJECT_NONE,
			   .count = 1};
	const struct kmem_layout *l = w->l;
	uint64_t ino, sb, dev, pages;

	if (w->shmem_op ? f->op != w->shmem_op : !w->own_memfd)
		return false;
	ino = number_at(w, f->inode, l->inode.ino);
	if (!w->shmem_op && ino == w->own_memfd && f->pid == (uint32_t)getpid())
		w->shmem_op = f->op;
	if (!w->shmem_op)
		return false;
	if (ino == w->own_memfd || number_at(w, f->inode, l->inode.nlink) != 0)
		return true;
	sb = number_at(w, f->inode, l->inode.sb);
	dev = plausible_object(sb) ? number_at(w, sb, l->sb.dev) : OBJECT_NONE;
	pages = number_at(w, f->inode + l->inode.data.offset, l->mapping.nrpages);
	if (dev == OBJECT_NONE || pages == OBJECT_NONE || pages >> 40 || !ino || ino >> 40)
		return true;
	o.id = (dev & 0xfffff) << 40 | ino;
	if (object_seen(w->t, OBJECT_SHMEM, o.id)) {
		object_hold(w->t, OBJECT_SHMEM, o.id, f->pid);
		return true;
	}
	o.bytes = pages * w->s->page_size;
	if (o.bytes < OBJECT_LEAST) {
		object_add_small(w->t, &o);
		return true;
	}
	name_of(w, f, &o);
	object_add(w->t, &o);
	object_hold(w->t, OBJECT_SHMEM, o.id, f->pid);
	return true;
}

/* ------------------------------------------------------------------ deleted groups */

/* The inode number of the group if it is deleted, else 0. */
static uint64_t deleted_group(struct object_walk *w, uint64_t memcg, struct object *o)
{
	_cleanup_free_ char *room = malloc(KMEM_CGROUP_PATH);
	struct scan_cgroup g;
	size_t skip;

	if (!room || !kmem_cgroup(w->s, w->l, memcg, room, &g) || g.online || !g.ino)
		return 0;
	/* The end of a path says more than its start. */
	skip = g.path_len < sizeof(o->detail) ? 0 : g.path_len - sizeof(o->detail) + 1;
	snprintf(o->detail, sizeof(o->detail), "%.*s", (int)(g.path_len - skip), g.path + skip);
	return g.ino;
}

void object_socket_group(struct object_walk *w, uint64_t memcg, uint32_t pid)
{
	struct object o = {.kind = OBJECT_DYING_GROUP,
			   .memory = MEMORY_UNKNOWN,
			   .capacity = OBJECT_NONE,
			   .waiting = OBJECT_NONE,
			   .count = 1};
	struct object *row;
	unsigned at = (unsigned)(memcg * 0x9e3779b97f4a7c15ULL >> 54) % GROUPS;

	if (!plausible_object(memcg))
		return;
	for (unsigned i = 0; i < GROUPS; i++, at = (at + 1) % GROUPS) {
		if (w->groups[at].memcg == memcg)
			break;
		if (w->groups[at].memcg)
			continue;
		w->groups[at].memcg = memcg;
		w->groups[at].dying = deleted_group(w, memcg, &o);
		break;
	}
	if (w->groups[at].memcg != memcg) {
		w->groups_beyond++;
		return;
	}
	o.id = w->groups[at].dying;
	if (!o.id)
		return;
	row = object_find(w->t, OBJECT_DYING_GROUP, o.id);
	if (row) {
		row->count++;
	} else {
		snprintf(o.name, sizeof(o.name), "deleted cgroup, kept by sockets");
		object_add(w->t, &o);
	}
	object_hold(w->t, OBJECT_DYING_GROUP, o.id, pid);
}
