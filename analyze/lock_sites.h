/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's locks guard, by the functions in which they are wanted. */
#pragma once

#include <stdbool.h>

enum lock_object {
	LOCK_OTHER, /* not known */
	LOCK_DIRECTORY,
	LOCK_FILE,
	LOCK_MM,       /* mmap_lock of who waits: one of each process */
	LOCK_OTHER_MM, /* mmap_lock of a process that is looked at; which one is not known */
	LOCK_KERNFS,
	LOCK_RTNL,
};

/* reads_map: seq_read() called it.  /proc/PID/maps has an m_start(), as /proc/mounts has. */
enum lock_object lock_object(const char *site, bool reads_map);

/* Names of one thing differ in underscores before and what the compiler hung on behind. */
const char *lock_bare_name(const char *name);
