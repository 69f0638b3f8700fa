/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "decode.h"

#define PF_KTHREAD 0x00200000u /* include/linux/sched.h; has stood since 2.6 */
#define LIST_TRIES 6
#define PID_LIMIT (1u << 22)
#define MAX_DESCRIPTORS (1u << 22)
#define SLOTS 1024u /* pointers read at a time */

int tasks_layout_init(struct tasks_layout *ret, const struct btf *btf, struct err *e)
{
	struct tasks_layout l = {0};
	const struct {
		struct kmem_field *field;
		const char *structure, *names;
	} needed[] = {
		{&l.tasks_next, "task_struct", "tasks.next"},
		{&l.tgid, "task_struct", "tgid"},
		{&l.flags, "task_struct", "flags"},
		{&l.group_leader, "task_struct", "group_leader"},
		{&l.files, "task_struct", "files"},
		{&l.fdt, "files_struct", "fdt"},
		{&l.fdt_fd, "fdtable", "fd"},
		{&l.fdt_max, "fdtable", "max_fds"},
		{&l.file_op, "file", "f_op"},
		{&l.file_private, "file", "private_data"},
		{&l.file_inode, "file", "f_inode"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!kmem_find_field(btf, needed[i].structure, needed[i].names, needed[i].field))
			return err_set(e, ENOTSUP, "BTF: struct %s: no member %s",
				       needed[i].structure, needed[i].names);
	l.fdt_size = kmem_find_size(btf, "fdtable");
	l.file_size = kmem_find_size(btf, "file");
	if (l.fdt_size > KMEM_ITEM_MAX || l.file_size > KMEM_ITEM_MAX)
		return err_set(e, ENOTSUP, "BTF: struct file: implausibly large");
	*ret = l;
	return 0;
}

/* ------------------------------------------------------------------ where to start */

/* The task of the first process, which is never freed.  Needs KALLSYMS_ALL, and that addresses are
 * not hidden. */
static uint64_t init_task(const struct sysroot *root)
{
	_cleanup_file_ FILE *f = NULL;
	char line[256];
	int fd = openat(root->proc_fd, "kallsyms", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return 0;
	}
	while (fgets(line, sizeof(line), f)) {
		char *name = strstr(line, " init_task\n"), *end;
		uint64_t addr;

		/* "ADDRESS TYPE NAME" */
		if (!name || name != line + strcspn(line, " ") + 2)
			continue;
		addr = strtoull(line, &end, 16);
		if (end != line && *end == ' ')
			return addr;
	}
	return 0;
}

static bool read_u64(struct kmem_source *s, uint64_t addr, uint64_t *ret)
{
	return kmem_read(s, addr, ret, sizeof(*ret)) == 0;
}

static bool read_u32(struct kmem_source *s, uint64_t addr, uint32_t *ret)
{
	return kmem_read(s, addr, ret, sizeof(*ret)) == 0;
}

/* A live leader of a thread group, or the idle task, which leads itself too. */
static bool is_leader(struct kmem_source *s, const struct tasks_layout *l, uint64_t task,
		      uint32_t *ret_tgid)
{
	uint64_t leader;

	return plausible_object(task) && read_u64(s, task + l->group_leader.offset, &leader) &&
	       leader == task && read_u32(s, task + l->tgid.offset, ret_tgid) &&
	       *ret_tgid <= PID_LIMIT;
}

/* ------------------------------------------------------------------ the list */

static bool add_task(struct tasks *t, size_t *cap, uint64_t addr, uint32_t tgid)
{
	if (t->count == *cap) {
		size_t more = *cap ? *cap * 2 : 1024;
		struct task_ref *rows = realloc(t->rows, more * sizeof(*rows));

		if (!rows)
			return false;
		t->rows = rows;
		*cap = more;
	}
	t->rows[t->count++] = (struct task_ref){addr, tgid};
	return true;
}

/* Once around the circle.  False: it was broken on the way (cut), or there was no memory. */
static bool walk_list(struct tasks *t, size_t *cap, struct kmem_source *s,
		      const struct tasks_layout *l, uint64_t start)
{
	uint64_t task = start, next;
	uint32_t tgid, flags;
	size_t steps = 0;

	t->count = 0;
	do {
		if (!is_leader(s, l, task, &tgid) || ++steps > 2 * TASKS_MAX ||
		    !read_u32(s, task + l->flags.offset, &flags) ||
		    !read_u64(s, task + l->tasks_next.offset, &next))
			return false;
		if (tgid && !(flags & PF_KTHREAD) &&
		    (t->count == TASKS_MAX || !add_task(t, cap, task, tgid)))
			return false;
		task = next - l->tasks_next.offset;
	} while (task != start);
	return true;
}

static void own_first(struct tasks *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->rows[i].tgid == (uint32_t)getpid()) {
			struct task_ref own = t->rows[i];

			t->rows[i] = t->rows[0];
			t->rows[0] = own;
			return;
		}
}

int tasks_list(struct tasks *ret, struct kmem_source *s, const struct tasks_layout *l,
	       const struct sysroot *root, struct err *e)
{
	struct tasks best = {0}, t = {0};
	uint64_t start = s->own_task;
	size_t best_cap = 0, cap = 0;
	bool whole = false;
	uint32_t tgid;

	if (!start || !read_u64(s, start + l->group_leader.offset, &start))
		start = init_task(root);
	if (!start)
		return err_set(e, ENOTSUP,
			       "/proc/kallsyms: init_task is not there or hidden: no task to start "
			       "from");
	if (!is_leader(s, l, start, &tgid))
		return err_set(e, ENOTSUP, "the task to start from is none");
	/* One that exits while we stand on it breaks the walk; from the start it goes on. */
	for (int tries = 0; tries < LIST_TRIES && !whole; tries++) {
		whole = walk_list(&t, &cap, s, l, start);
		if (whole || t.count > best.count) {
			struct tasks swap = best;
			size_t swap_cap = best_cap;

			best = t;
			best_cap = cap;
			t = swap;
			cap = swap_cap;
		}
	}
	free(t.rows);
	best.cut = !whole;
	own_first(&best);
	*ret = best;
	return 0;
}

void tasks_release(struct tasks *t)
{
	free(t->rows);
	*t = (struct tasks){0};
}

/* ------------------------------------------------------------------ the files of one */

struct slots {
	uint64_t pointer[SLOTS], file[SLOTS];
	uint32_t fd[SLOTS];
};

static int give_files(struct kmem_source *s, const struct tasks_layout *l, const struct task_ref *t,
		      const struct slots *slots, size_t n, uint64_t table,
		      int (*file)(void *ctx, const struct task_file *f), void *ctx)
{
	_cleanup_free_ unsigned char *items = malloc((n ? n : 1) * l->file_size);
	size_t faults;
	int r;

	if (!items)
		return -ENOMEM;
	r = kmem_gather(s, slots->file, n, l->file_size, items, &faults);
	for (size_t i = 0; r == 0 && i < n; i++) {
		const unsigned char *p = items + i * l->file_size;
		struct task_file f = {
			.pid = t->tgid,
			.fd = slots->fd[i],
			.file = slots->file[i],
			.op = page_word(p, l->file_op),
			.private_data = page_word(p, l->file_private),
			.inode = page_word(p, l->file_inode),
			.slot = table + slots->fd[i] * sizeof(uint64_t),
		};

		if (plausible_object(f.op) && plausible_object(f.inode))
			r = file(ctx, &f);
	}
	return r;
}

int task_files(struct kmem_source *s, const struct tasks_layout *l, const struct task_ref *t,
	       int (*file)(void *ctx, const struct task_file *f), void *ctx, uint64_t *ret_files)
{
	struct slots slots;
	uint64_t files, fdt, table;
	uint32_t max;
	int r = 0;

	if (!read_u64(s, t->addr + l->files.offset, &files) || !files)
		return 0; /* exiting */
	if (!plausible_object(files) || !read_u64(s, files + l->fdt.offset, &fdt) ||
	    !plausible_object(fdt) || !read_u64(s, fdt + l->fdt_fd.offset, &table) ||
	    !plausible_object(table) || !read_u32(s, fdt + l->fdt_max.offset, &max) ||
	    max > MAX_DESCRIPTORS)
		return -EFAULT;
	for (uint32_t at = 0; r == 0 && at < max; at += SLOTS) {
		uint32_t count = max - at < SLOTS ? max - at : SLOTS;
		size_t n = 0;

		if (kmem_read(s, table + at * sizeof(uint64_t), slots.pointer,
			      count * sizeof(uint64_t)) < 0)
			return -EFAULT;
		for (uint32_t i = 0; i < count; i++)
			if (plausible_object(slots.pointer[i])) {
				slots.file[n] = slots.pointer[i];
				slots.fd[n++] = at + i;
			}
		*ret_files += n;
		r = give_files(s, l, t, &slots, n, table, file, ctx);
	}
	return r;
}
