/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the collectors share: opening files below the machine's root without leaving it, handing
 * them over verbatim, and keeping count of those that were missing, refused or broken, so that
 * forty unreadable files become one sentence instead of forty notes.
 *
 * A path is given from the root without a leading slash: "proc/meminfo", "etc/os-release".  It is
 * opened below sysroot's proc_fd, sys_fd or root_fd.  On a recorded root symlinks are resolved
 * inside that directory, never outside.
 */
#pragma once

#include "../base/sbuf.h"
#include "../collect.h"

#define GATHER_CHUNK (64u << 10)

/* A readable descriptor of a regular file (or a directory, with O_DIRECTORY in flags), or a
 * negative errno.  Anything else is -EINVAL; a FIFO does not block. */
int gather_open(const struct sysroot *r, const char *path, int flags);

/* The same below a directory that is already open. */
int gather_openat(const struct sysroot *r, int dirfd, const char *path, int flags);

/* A whole file into buf, NUL-terminated.  The length, or a negative errno.  *ret_cut (may be
 * NULL): more than cap - 1 bytes were there. */
ssize_t gather_read(const struct sysroot *r, const char *path, char *buf, size_t cap,
		    bool *ret_cut);
ssize_t gather_read_fd(int fd, char *buf, size_t cap, bool *ret_cut);

/* The errno of a file that this kernel or this machine simply does not have. */
bool gather_absent(int no);

struct gather {
	const struct collect *c;
	char *chunk; /* GATHER_CHUNK bytes */
	unsigned delivered;
	unsigned denied, broken, absent;
	int denied_no, broken_no;
	char denied_text[256], broken_text[256], absent_text[200];
	struct sbuf denied_names, broken_names, absent_names;
};

int gather_init(struct gather *g, const struct collect *c);
void gather_deinit(struct gather *g);

/* Count a file that could not be read under its name.  no is a positive errno. */
void gather_count(struct gather *g, const char *name, int no);

/* Text into the open member, whose parts then end at lines' ends. */
int gather_lines(struct emit *out, const char *data, size_t len);

/*
 * The file as a member, or as an entry of the open pack.  At most cap bytes are kept.  What cannot
 * be read is counted in g and is not an error.  0, or the negative errno of the pipe.
 */
int gather_member(struct gather *g, const char *member, const char *path, size_t cap);
int gather_entry(struct gather *g, const char *entry, const char *path, size_t cap);

/* Say it: one note for what is absent, `partial` for what was refused or broken (`denied` when
 * nothing at all was delivered), with what would be needed ("root"). */
void gather_report(struct gather *g, const char *needs);

/* "PREFIX.MS" opened as a member, at a time that no member opened before has. */
int gather_pack_open(const struct collect *c, const char *prefix);
/* Wait until member_time() gives another answer: two readings must not share a name. */
void gather_next_time(const struct collect *c);

/*
 * How long a loop may go on: until shortly before the child's deadline, or for 0.7 s after the
 * window was ended early (the contract leaves two seconds for everything).
 */
struct gather_clock {
	const struct collect *c;
	uint64_t until_ns;
	bool stopped;
};
void gather_clock_init(struct gather_clock *k, const struct collect *c);
bool gather_expired(struct gather_clock *k);
