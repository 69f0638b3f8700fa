/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One file of those that are open: whether it was there before, its name, its pages. */
#include "open_files_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "../kmem/names.h"

#define SEEN_MAX (OPEN_FILES_SEEN / 4 * 3)

bool open_files_late(struct open_files_walker *w)
{
	const struct open_files_config *c = w->config;

	if (!w->q->no_time)
		w->q->no_time = (c->deadline_ns && clock_ns(CLOCK_MONOTONIC) >= c->deadline_ns) ||
				(c->stop && c->stop(c->stop_ctx));
	return w->q->no_time;
}

static struct file_identity *seen_slot(struct open_files_walker *w, const struct file_identity *i)
{
	uint64_t at = (i->ino * 31 + i->dev + i->other) * 0x9e3779b97f4a7c15ULL >> 40;

	for (;; at++) {
		struct file_identity *s = &w->seen[at % OPEN_FILES_SEEN];

		if (!s->ino || (s->ino == i->ino && s->dev == i->dev && s->other == i->other))
			return s;
	}
}

bool open_files_seen(struct open_files_walker *w, const struct file_identity *i)
{
	return seen_slot(w, i)->ino != 0;
}

/* False: it was seen before, or there is no room. */
bool open_files_see(struct open_files_walker *w, const struct file_identity *i)
{
	struct file_identity *s = seen_slot(w, i);

	if (s->ino || !i->ino)
		return false;
	if (w->seen_count == SEEN_MAX) {
		w->q->files_no_room++;
		return false;
	}
	*s = *i;
	w->seen_count++;
	return true;
}

uint64_t open_files_device(uint32_t major_number, uint32_t minor_number)
{
	return (uint64_t)major_number << 32 | minor_number;
}

/* The lower files of several overlays are one file; each overlay gives them a device of its own but
 * keeps their inode number and times. */
static struct file_identity identity_of(const struct statx *st, const struct mount_entry *m)
{
	struct file_identity i = {
		.dev = m ? open_files_device(m->dev_major, m->dev_minor)
			 : open_files_device(st->stx_dev_major, st->stx_dev_minor),
		.ino = st->stx_ino};

	if (m && !strcmp(m->fstype, "overlay")) {
		i.dev = UINT64_MAX;
		i.other = (uint64_t)st->stx_ctime.tv_sec * 1000000000 + st->stx_ctime.tv_nsec;
		i.other = (i.other * 31 + (uint64_t)st->stx_mtime.tv_sec) * 31 + st->stx_size;
	}
	return i;
}

/* ------------------------------------------------------------------ names */

static bool cut_suffix(char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	if (n < k || strcmp(s + n - k, suffix) != 0)
		return false;
	s[n - k] = '\0';
	return true;
}

/* w->link, as the kernel writes it, to the path within the file system, in w->path. */
static void name_file(struct open_files_walker *w, const struct mount_entry *m,
		      const struct statx *st, struct scan_file *f)
{
	/* The kernel marks a name that was removed; only a file with no link is surely gone.  Of
	 * one with another link this name may be gone, or be really called so. */
	bool marked = cut_suffix(w->link, " (deleted)");
	size_t len;

	f->path = w->path;
	if (!m) { /* memfd, SysV and other shared memory without a name */
		f->state = FILE_UNNAMED;
		snprintf(w->path, sizeof(w->path), "%s", w->link);
	} else {
		const char *point = strcmp(m->point, "/") != 0 ? m->point : "";
		const char *top = strcmp(m->root, "/") != 0 ? m->root : "";

		len = strlen(point);
		f->state = st->stx_nlink == 0 ? FILE_DELETED : FILE_LINKED;
		if (strncmp(w->link, point, len) != 0 || (w->link[len] && w->link[len] != '/'))
			f->state = FILE_UNRESOLVED; /* seen from another root than its mount */
		if (marked && st->stx_nlink)
			f->state = FILE_UNRESOLVED;
		if (f->state == FILE_UNRESOLVED)
			snprintf(w->path, sizeof(w->path), "%s", w->link);
		else
			f->truncated = snprintf(w->path, sizeof(w->path), "%s%s", top,
						w->link + len) >= (int)sizeof(w->path);
	}
	f->path_len = strlen(w->path);
}

/* ------------------------------------------------------------------ one file */

static int open_for_counting(int path_fd)
{
	const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
	fd = open(path, flags | O_NOATIME);
	if (fd < 0 && errno == EPERM) /* not our file: nothing is read, so no time is set */
		fd = open(path, flags);
	return fd < 0 ? -errno : fd;
}

static int tell(struct open_files_walker *w, int path_fd, const struct mount_entry *m,
		const struct statx *st)
{
	struct scan_file f = {.dev_major = m ? m->dev_major : st->stx_dev_major,
			      .dev_minor = m ? m->dev_minor : st->stx_dev_minor,
			      .ino = st->stx_ino,
			      .size = st->stx_size,
			      .nlink = st->stx_nlink,
			      .mode = st->stx_mode,
			      .mtime = st->stx_mtime.tv_sec,
			      .blocks = st->stx_blocks,
			      .fstype = m ? m->fstype : "tmpfs",
			      .s_id = ""};
	_cleanup_fd_ int fd = open_for_counting(path_fd);
	bool overlay = m && !strcmp(m->fstype, "overlay");
	int r = fd < 0 ? fd : residency_count(&w->residency, fd, st->stx_size, overlay, &f.nrpages);

	if (r < 0) {
		w->q->files_refused++;
		return 0;
	}
	if (!f.nrpages)
		return 0;
	name_file(w, m, st, &f);
	f.file = ++w->next_file;
	w->q->files++;
	w->q->pages += f.nrpages;
	return w->config->file(w->config->ctx, &f);
}

/* path_fd: O_PATH.  m: the mount it is on; NULL: shared memory of the kernel's own mount. */
int open_files_look(struct open_files_walker *w, int path_fd, const struct mount_entry *m)
{
	struct file_identity i;
	struct statx st;
	char self[32];
	ssize_t n;

	if (statx(path_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st) < 0) {
		w->q->files_refused++;
		return 0;
	}
	if (!S_ISREG(st.stx_mode) || !st.stx_ino)
		return 0;
	i = identity_of(&st, m);
	if (!open_files_see(w, &i))
		return 0;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", path_fd);
	n = readlink(self, w->link, sizeof(w->link) - 1);
	w->link[n < 0 ? 0 : n] = '\0';
	return tell(w, path_fd, m, &st);
}

/* Shared memory without a name lives on a mount that no list shows, as does what was unmounted
 * lazily: the names are the kernel's own. */
bool open_files_is_own_shmem(const char *link)
{
	static const char *const names[] = {"/memfd:", "/SYSV", "/dev/zero (deleted)"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strncmp(link, names[i], strlen(names[i])))
			return true;
	}
	return false;
}
