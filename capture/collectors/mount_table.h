/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mounts of all mount namespaces that can be seen, by their id and by their device. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/sysroot.h"

struct mount_entry {
	int id;
	uint32_t dev_major, dev_minor; /* of the super block */
	bool local;		       /* may be asked: it answers from this machine */
	bool tmpfs;
	char fstype[24];
	char *root, *point; /* within the file system; as its namespace sees it */
};

#define MOUNT_HINTS 1024u
struct mount_table {
	struct mount_entry *rows;
	size_t count, cap;
	uint64_t *namespaces; /* inode numbers of those that were read */
	size_t namespace_count;
	char local_types[4096];	     /* "\next4\nxfs\n" */
	uint32_t by_id[MOUNT_HINTS]; /* where the one asked for last was */
};
#define MOUNT_TABLE_MAX 65536u
#define MOUNT_NAMESPACES_MAX 4096u

int mount_table_init(struct mount_table *t, const struct sysroot *root);
void mount_table_deinit(struct mount_table *t);

/* Read the mounts of the process's namespace, unless they are known.  1: they were new and begin
 * at *ret_first; 0: known; negative errno: not to be read. */
int mount_table_add(struct mount_table *t, const struct sysroot *root, const char *pid,
		    size_t *ret_first);

const struct mount_entry *mount_by_id(struct mount_table *t, int id);
const struct mount_entry *mount_by_device(const struct mount_table *t, uint32_t dev_major,
					  uint32_t dev_minor);
