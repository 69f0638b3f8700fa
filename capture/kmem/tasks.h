/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From one task to all of them, and to every file each has open: task_struct → files_struct →
 * fdtable → file.  Nothing is asked of the processes themselves, so none of them is held up, and
 * what no system call shows can be reached: private_data is the socket, the pipe, the BPF map.
 *
 * The lists are read without their locks.  Whatever is followed is checked to be what it should be
 * before it is believed, every walk is bounded, and a list that changed underfoot is walked again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kmem.h"

struct tasks_layout {
	struct kmem_field tasks_next, tgid, flags, group_leader, files, fdt, fdt_fd, fdt_max,
		file_op, file_private, file_inode;
	uint32_t fdt_size, file_size;
};

/* -ENOTSUP: this kernel's types do not lead from a task to its files. */
int tasks_layout_init(struct tasks_layout *ret, const struct btf *btf, struct err *e);

struct task_ref {
	uint64_t addr;
	uint32_t tgid;
};
struct tasks {
	struct task_ref *rows; /* processes of user space; our own first */
	size_t count;
	bool cut; /* the list could not be walked to its end */
};
#define TASKS_MAX (1u << 18)

/* -ENOTSUP: no task to start from (kallsyms without init_task, or hidden); -ENOMEM. */
int tasks_list(struct tasks *ret, struct kmem_source *s, const struct tasks_layout *l,
	       const struct sysroot *root, struct err *e);
void tasks_release(struct tasks *t);

struct task_file {
	uint32_t pid, fd;
	uint64_t file, op, private_data, inode;
	uint64_t slot; /* where the pointer to file stands: to see whether it still does */
};

/*
 * Every open file of a task, one call each; a negative return ends the walk and is returned.  0,
 * also when the task is gone; -EFAULT when what was found there made no sense.  *ret_files counts
 * them.
 */
int task_files(struct kmem_source *s, const struct tasks_layout *l, const struct task_ref *t,
	       int (*file)(void *ctx, const struct task_file *f), void *ctx, uint64_t *ret_files);
