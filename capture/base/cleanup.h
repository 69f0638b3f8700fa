/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cleanup attributes: a resource is released where its name goes out of scope. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <dirent.h>

static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static inline void cleanup_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _cleanup_fd_ _cleanup_(cleanup_fd)
#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_dir_ _cleanup_(cleanup_dir)
#define _cleanup_file_ _cleanup_(cleanup_file)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
