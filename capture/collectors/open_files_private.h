/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the walk (open_files.c), one file (open_files_one.c) and mappings (open_files_mappings.c)
 * share. */
#pragma once

#include <sys/stat.h>

#include "../kmem/names.h"
#include "mount_table.h"
#include "open_files.h"
#include "residency.h"

#define OPEN_FILES_SEEN (1u << 18)

struct file_identity {
	uint64_t dev, ino, other; /* other: 0, or what tells copies on several overlays */
};

struct open_files_walker {
	const struct sysroot *root;
	const struct open_files_config *config;
	struct open_files_result *q;
	struct mount_table mounts;
	struct residency residency;
	struct file_identity *seen; /* OPEN_FILES_SEEN, open addressing; ino 0: empty */
	size_t seen_count;
	uint32_t next_file;
	int *pids; /* of which the mappings are to be looked at */
	size_t pid_count, pid_cap;
	char link[PATH_ROOM], path[PATH_ROOM];
};

/* Time is up, or we are to stop. */
bool open_files_late(struct open_files_walker *w);
/* True for the first time that this one is asked about, and there is room to remember it. */
bool open_files_see(struct open_files_walker *w, const struct file_identity *i);
bool open_files_seen(struct open_files_walker *w, const struct file_identity *i);
uint64_t open_files_device(uint32_t major_number, uint32_t minor_number);
/* Look at one file: path_fd is O_PATH.  m: the mount it is on; NULL: shared memory of the kernel's
 * own mount.  0, or what config->file returned. */
int open_files_look(struct open_files_walker *w, int path_fd, const struct mount_entry *m);
/* Shared memory without a name lives on a mount that no list shows, as does what was unmounted
 * lazily: the names are the kernel's own. */
bool open_files_is_own_shmem(const char *link);
/* The mappings of w->pids, read by a helper that may be left behind. */
int open_files_mappings(struct open_files_walker *w);
