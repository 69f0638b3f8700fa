/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parsers for the kernel's own text formats.  They take text, not paths: pure, allocation-free. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* /proc/PID/stat.  comm may contain spaces, parentheses and newlines: it ends at the last ')'.
 * Times in clock ticks, vsize bytes, rss pages.  0 or -EINVAL. */
struct proc_stat {
	int32_t pid, ppid, pgrp, session;
	char comm[64];
	char state;
	uint32_t flags; /* PF_*; PF_KTHREAD 0x00200000 */
	uint64_t minflt, majflt, utime, stime, starttime, vsize, rss;
	int64_t num_threads;
};
int parse_proc_stat(const char *text, size_t len, struct proc_stat *ret);

/* /proc/PID/statm, pages. */
struct proc_statm {
	uint64_t size, resident, shared, text, data;
};
int parse_proc_statm(const char *text, struct proc_statm *ret);

/* One line of /proc/PID/mountinfo.  Strings point into line, which is modified: octal escapes are
 * decoded.  0 or -EINVAL.  Source: Documentation/filesystems/proc.rst 3.5. */
struct mountinfo {
	int id, parent;
	unsigned major, minor;
	const char *root, *mountpoint, *options, *fstype, *source, *super_options;
};
int parse_mountinfo_line(char *line, struct mountinfo *ret);

/* One line of /proc/PID/cgroup: "hierarchy:controllers:path".  Strings point into line. */
struct cgroup_line {
	int hierarchy;
	const char *controllers, *path;
};
int parse_cgroup_line(char *line, struct cgroup_line *ret);

/* The next line of text (without '\n'), NUL-terminated in place; *pos advances.  NULL at the end.
 */
char *next_line(char **pos);
