/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that processes have mapped.  A process whose mappings are locked is passed over. */
#include "open_files_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "watch.h"

#define MAPPINGS_CAP (256u << 10) /* of one process: lines of files that are new */
#define PATIENCE_NS (500 * NSEC_PER_MSEC)
#define MAX_STUCK 8

struct mapping {
	const char *range; /* START-END */
	uint32_t dev_major, dev_minor;
	uint64_t ino;
	const char *path;
};

/* "START-END PERMS OFFSET MAJ:MIN INODE PATH".  ret points into line, which is cut up. */
static bool parse_mapping(char *line, struct mapping *ret)
{
	char *p = line, *end;

	line[strcspn(line, "\n")] = '\0';
	ret->range = strsep(&p, " ");
	for (int i = 0; i < 2 && p; i++) /* permissions, offset */
		strsep(&p, " ");
	if (!p)
		return false;
	ret->dev_major = (unsigned)strtoul(p, &end, 16);
	if (end == p || *end != ':')
		return false;
	p = end + 1;
	ret->dev_minor = (unsigned)strtoul(p, &end, 16);
	if (end == p || *end != ' ')
		return false;
	p = end + 1;
	ret->ino = strtoull(p, &end, 10);
	if (end == p)
		return false;
	ret->path = end + strspn(end, " ");
	return ret->ino && *ret->path == '/';
}

static int open_mapping(struct open_files_walker *w, const char *pid, const struct mapping *g)
{
	const struct mount_entry *m = mount_by_device(&w->mounts, g->dev_major, g->dev_minor);
	const struct file_identity i = {open_files_device(g->dev_major, g->dev_minor), g->ino, 0};
	_cleanup_fd_ int fd = -1;
	char path[PATH_ROOM];

	if (m ? !m->local : !open_files_is_own_shmem(g->path)) {
		w->q->files_foreign++;
		return 0;
	}
	if (open_files_seen(w, &i))
		return 0;
	snprintf(path, sizeof(path), "%s/map_files/%s", pid, g->range);
	fd = openat(w->root->proc_fd, path, O_PATH | O_CLOEXEC);
	if (fd < 0 && m) { /* needs a capability; of our own processes the path will do */
		snprintf(path, sizeof(path), "%s/root%s", pid, g->path);
		fd = openat(w->root->proc_fd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0) {
		w->q->files_refused += open_files_see(w, &i);
		return 0;
	}
	return open_files_look(w, fd, m);
}

/* Newer kernels list mappings without the lock that opening one still waits for. */
static void try_lock(struct open_files_walker *w, int pid, const char *range)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%d/map_files/%.40s", pid, range);
	fd = openat(w->root->proc_fd, path, O_PATH | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
}

/*
 * In the helper, which may never come back from this read: the lines of files that were not seen
 * yet.  Its marks of what was seen are its own copy.
 */
static ssize_t read_mappings(void *ctx, size_t index, char *buf, size_t cap, uint32_t *ret_mark)
{
	struct open_files_walker *w = ctx;
	_cleanup_file_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	size_t room = 0, len = 0;
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%d/maps", w->pids[index]);
	fd = openat(w->root->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	errno = 0;
	while ((n = getline(&line, &room, file)) > 0) {
		char *copy = buf + len;
		struct file_identity i;
		struct mapping g;

		if ((size_t)n + 1 > cap - len) {
			*ret_mark = 1;
			break;
		}
		memcpy(copy, line, (size_t)n + 1);
		if (!parse_mapping(line, &g))
			continue;
		i = (struct file_identity){open_files_device(g.dev_major, g.dev_minor), g.ino, 0};
		if (!open_files_see(w, &i))
			continue;
		if (!len)
			try_lock(w, w->pids[index], g.range);
		len += (size_t)n + 1;
	}
	return len ? (ssize_t)len : -errno;
}

/* In the walker itself. */
static int open_mappings(void *ctx, size_t index, const char *data, size_t len, int no,
			 uint32_t mark)
{
	struct open_files_walker *w = ctx;
	char pid[16], line[PATH_ROOM];
	int r = 0;

	if (open_files_late(w))
		return -ETIME;
	w->q->stuck += no == ETIMEDOUT || no == ECHILD;
	w->q->files_no_room += mark;
	snprintf(pid, sizeof(pid), "%d", w->pids[index]);
	for (size_t at = 0, n; r == 0 && at < len; at += n + 1) {
		struct mapping g;

		n = strnlen(data + at, len - at);
		if (n >= sizeof(line))
			continue;
		memcpy(line, data + at, n);
		line[n] = '\0';
		if (parse_mapping(line, &g))
			r = open_mapping(w, pid, &g);
	}
	return r;
}

int open_files_mappings(struct open_files_walker *w)
{
	const struct watch watch = {.read = read_mappings,
				    .sink = open_mappings,
				    .ctx = w,
				    .count = w->pid_count,
				    .cap = MAPPINGS_CAP,
				    .patience_ns = PATIENCE_NS,
				    .max_stuck = MAX_STUCK,
				    .keep = &w->root->proc_fd,
				    .keep_count = 1};
	struct watch_outcome outcome = {0};
	int r = watch_each(&watch, &outcome);

	return r == -ETIME ? 0 : r;
}
