/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "preflight.h"

/* A head, a manifest and a log always come on top. */
#define SMALLEST (256u << 10)

int target_room(const struct target *t, uint64_t bytes, struct err *e)
{
	struct statvfs v;
	char a[16], b[16];

	if (t->dir_fd < 0 || !t->min_free || fstatvfs(t->dir_fd, &v))
		return 0;
	uint64_t available = (uint64_t)v.f_bavail * v.f_frsize;
	if (available >= t->min_free && available - t->min_free >= bytes)
		return 0;
	return err_set(e, ENOSPC, "%s: %s free on the disk, of which --min-free keeps %s", t->dir,
		       format_size(available, a), format_size(t->min_free, b));
}

/* Trees that the kernel makes up: there is no disk below, and nothing to put on it. */
static int check_tree(int fd, const char *dir, struct err *e)
{
	static const unsigned long made_up[] = {
		PROC_SUPER_MAGIC,    SYSFS_MAGIC,	 CGROUP_SUPER_MAGIC,
		CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC,	 TRACEFS_MAGIC,
		SECURITYFS_MAGIC,    DEVPTS_SUPER_MAGIC, BPF_FS_MAGIC,
	};
	struct statfs s;

	if (fstatfs(fd, &s))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(made_up); i++)
		if ((unsigned long)s.f_type == made_up[i])
			return err_set(e, EINVAL,
				       "%s: not a place to write an archive to: the kernel makes "
				       "this directory up",
				       dir);
	return 0;
}

static int check_file(const char *path, struct err *e)
{
	char partial[4200];
	struct stat st;

	if (!lstat(path, &st))
		return err_errno(e, EEXIST, path);
	snprintf(partial, sizeof(partial), "%s.partial", path);
	if (!lstat(partial, &st))
		return err_errno(e, EEXIST, partial);
	return 0;
}

int target_open(struct target *ret, const struct capture_options *o, uint64_t expected,
		struct err *e)
{
	struct target t = {.dir_fd = -1, .min_free = o->min_free};
	const char *output = o->output && *o->output ? o->output : ".";
	struct stat st;
	char dir[4096];
	int rc;

	if (!strcmp(output, "-")) {
		snprintf(t.dir, sizeof(t.dir), "standard output");
		*ret = t;
		return 0;
	}
	snprintf(dir, sizeof(dir), "%s", output);
	if (stat(output, &st) || !S_ISDIR(st.st_mode)) {
		char *slash = strrchr(dir, '/');

		rc = check_file(output, e);
		if (rc)
			return rc;
		if (!slash)
			snprintf(dir, sizeof(dir), ".");
		else
			slash[slash == dir ? 1 : 0] = 0;
	}
	t.dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t.dir_fd < 0)
		return err_errno(e, errno, dir);
	snprintf(t.dir, sizeof(t.dir), "%.255s", dir);
	rc = check_tree(t.dir_fd, dir, e);
	if (rc) {
		target_close(&t);
		return rc;
	}
	if (faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS)) {
		rc = err_errno(e, errno, dir);
		target_close(&t);
		return rc;
	}
	rc = target_room(&t, SMALLEST + expected, e);
	if (rc) {
		target_close(&t);
		return rc;
	}
	*ret = t;
	return 0;
}

void target_close(struct target *t)
{
	if (t->dir_fd >= 0)
		close(t->dir_fd);
	t->dir_fd = -1;
}
