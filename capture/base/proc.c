/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proc.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A cursor over text that ends at end, whatever stands there. */
struct cursor {
	const char *p, *end;
};

static bool take_u64(struct cursor *c, uint64_t *ret)
{
	uint64_t v = 0;
	const char *start;

	while (c->p < c->end && *c->p == ' ')
		c->p++;
	start = c->p;
	for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*c->p - '0'), &v))
			return false;
	}
	if (c->p == start || (c->p < c->end && *c->p != ' ' && *c->p != '\n'))
		return false;
	*ret = v;
	return true;
}

static bool take_i64(struct cursor *c, int64_t *ret)
{
	bool negative = false;
	uint64_t v;

	while (c->p < c->end && *c->p == ' ')
		c->p++;
	if (c->p < c->end && *c->p == '-') {
		negative = true;
		c->p++;
		if (c->p < c->end && *c->p == ' ')
			return false;
	}
	if (!take_u64(c, &v) || v > (uint64_t)INT64_MAX)
		return false;
	*ret = negative ? -(int64_t)v : (int64_t)v;
	return true;
}

static bool take_i32(struct cursor *c, int32_t *ret)
{
	int64_t v;

	if (!take_i64(c, &v) || v < INT32_MIN || v > INT32_MAX)
		return false;
	*ret = (int32_t)v;
	return true;
}

static bool skip_numbers(struct cursor *c, unsigned n)
{
	int64_t ignored;

	while (n--) {
		if (!take_i64(c, &ignored))
			return false;
	}
	return true;
}

int parse_proc_stat(const char *text, size_t len, struct proc_stat *ret)
{
	const char *open = memchr(text, '(', len);
	const char *close = memrchr(text, ')', len);
	struct proc_stat s = {0};
	struct cursor c;
	size_t comm;
	uint64_t flags;

	if (!open || !close || close < open)
		return -EINVAL;
	c = (struct cursor){.p = text, .end = open};
	if (!take_i32(&c, &s.pid))
		return -EINVAL;
	comm = (size_t)(close - open - 1);
	if (comm >= sizeof(s.comm))
		comm = sizeof(s.comm) - 1;
	memcpy(s.comm, open + 1, comm);

	c = (struct cursor){.p = close + 1, .end = text + len};
	if (c.end - c.p < 3 || c.p[0] != ' ' || c.p[1] == ' ' || c.p[2] != ' ')
		return -EINVAL;
	s.state = c.p[1];
	c.p += 2;
	if (!take_i32(&c, &s.ppid) || !take_i32(&c, &s.pgrp) || !take_i32(&c, &s.session) ||
	    !skip_numbers(&c, 2) || /* tty_nr, tpgid */
	    !take_u64(&c, &flags) || !take_u64(&c, &s.minflt) ||
	    !skip_numbers(&c, 1) ||				/* cminflt */
	    !take_u64(&c, &s.majflt) || !skip_numbers(&c, 1) || /* cmajflt */
	    !take_u64(&c, &s.utime) || !take_u64(&c, &s.stime) ||
	    !skip_numbers(&c, 4) || /* cutime, cstime, priority, nice */
	    !take_i64(&c, &s.num_threads) || !skip_numbers(&c, 1) || /* itrealvalue */
	    !take_u64(&c, &s.starttime) || !take_u64(&c, &s.vsize) || !take_u64(&c, &s.rss))
		return -EINVAL;
	s.flags = (uint32_t)flags;
	*ret = s;
	return 0;
}

int parse_proc_statm(const char *text, struct proc_statm *ret)
{
	struct cursor c = {.p = text, .end = text + strlen(text)};
	struct proc_statm s;
	uint64_t lib;

	if (!take_u64(&c, &s.size) || !take_u64(&c, &s.resident) || !take_u64(&c, &s.shared) ||
	    !take_u64(&c, &s.text) || !take_u64(&c, &lib) || !take_u64(&c, &s.data))
		return -EINVAL;
	*ret = s;
	return 0;
}

/* The kernel writes blanks, backslashes and '#' of names as \ooo (fs/seq_file.c mangle_path). */
static void decode_octal(char *s)
{
	char *out = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

/* The next field up to one blank; a field may be empty, as the source of a mount can be. */
static char *field(char **pos)
{
	char *start = *pos, *blank;

	if (!start)
		return NULL;
	blank = strchr(start, ' ');
	if (blank)
		*blank++ = '\0';
	*pos = blank;
	return start;
}

static bool whole_u32(const char *s, uint32_t *ret)
{
	struct cursor c = {.p = s, .end = s + strlen(s)};
	uint64_t v;

	if (*s == ' ' || !take_u64(&c, &v) || c.p != c.end || v > INT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

int parse_mountinfo_line(char *line, struct mountinfo *ret)
{
	char *pos = line, *id, *parent, *dev, *minor, *root, *mountpoint, *options, *optional;
	char *fstype, *source, *super;
	uint32_t id_no, parent_no, major_no, minor_no;

	line[strcspn(line, "\n")] = '\0';
	id = field(&pos);
	parent = field(&pos);
	dev = field(&pos);
	root = field(&pos);
	mountpoint = field(&pos);
	options = field(&pos);
	do {
		optional = field(&pos);
	} while (optional && strcmp(optional, "-") != 0);
	fstype = field(&pos);
	source = field(&pos);
	super = pos;
	if (!super || !*root || !*mountpoint || !*fstype)
		return -EINVAL;
	minor = strchr(dev, ':');
	if (!minor)
		return -EINVAL;
	*minor++ = '\0';
	if (!whole_u32(id, &id_no) || !whole_u32(parent, &parent_no) ||
	    !whole_u32(dev, &major_no) || !whole_u32(minor, &minor_no))
		return -EINVAL;
	decode_octal(root);
	decode_octal(mountpoint);
	decode_octal(options);
	decode_octal(fstype);
	decode_octal(source);
	decode_octal(super);
	*ret = (struct mountinfo){
		.id = (int)id_no,
		.parent = (int)parent_no,
		.major = major_no,
		.minor = minor_no,
		.root = root,
		.mountpoint = mountpoint,
		.options = options,
		.fstype = fstype,
		.source = source,
		.super_options = super,
	};
	return 0;
}

int parse_cgroup_line(char *line, struct cgroup_line *ret)
{
	char *controllers, *path;
	uint32_t hierarchy;

	line[strcspn(line, "\n")] = '\0';
	controllers = strchr(line, ':');
	if (!controllers)
		return -EINVAL;
	path = strchr(controllers + 1, ':');
	if (!path || path[1] != '/')
		return -EINVAL;
	*controllers++ = '\0';
	*path++ = '\0';
	if (!whole_u32(line, &hierarchy))
		return -EINVAL;
	*ret = (struct cgroup_line){
		.hierarchy = (int)hierarchy,
		.controllers = controllers,
		.path = path,
	};
	return 0;
}

char *next_line(char **pos)
{
	char *line = *pos, *end;

	if (!line || !*line)
		return NULL;
	end = strchr(line, '\n');
	if (end)
		*end++ = '\0';
	*pos = end ? end : line + strlen(line);
	return line;
}
