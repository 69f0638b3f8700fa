/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From (super block, path within its file system) to the path somebody can type: on the host, and
 * inside a container.  Everything comes from the mountinfo tables of the mount namespaces.
 */
#pragma once

#include "facts/facts.h"

struct paths;

/* Lives in the arena; the facts must outlive it.  0 or -ENOMEM. */
int paths_create(struct paths **ret, const struct facts *f, struct arena *a);

/*
 * The path on the host.  Among the mounts of this file system in the host's namespace whose root
 * is a prefix of the path: one that no other mount hides, then the one with the longest root, then
 * the lowest id.  Never NULL:
 *	/path			   in the host's namespace
 *	[mnt:4026532…]/path	   mounted in another namespace only
 *	[8:1]/path		   mounted nowhere: lazily unmounted, or the mounts were not seen
 *	[memfd:name] [SysV shm …]  never had a path
 *	[block device 254:0 (/dev/vda)]
 *	[ext4 254:0 inode 1234]	   the kernel no longer knows the path
 */
const char *paths_host(struct paths *p, const struct fact_cache_file *file);

/*
 * The path as the namespace `mntns` has it, or NULL when the file cannot be seen there.  host_path
 * is what paths_host() said: the page cache of an overlay belongs to the inode of its upper or
 * lower directory, so that is what its mount options are matched with.
 */
const char *paths_inside(struct paths *p, const struct fact_cache_file *file, const char *host_path,
			 uint64_t mntns);

/* The path inside whatever container has the file in a directory its overlay is stacked from;
 * NULL when there is none. */
const char *paths_overlay(struct paths *p, const char *host_path);

/* The host's mount namespace, FACT_NONE when it is not known. */
uint64_t paths_host_namespace(const struct paths *p);
