/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "open_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "mount_table.h"
#include "../kmem/names.h"
#include "residency.h"
#include "watch.h"

#define SEEN_SIZE (1u << 18)
#define SEEN_MAX (SEEN_SIZE / 4 * 3)
#define MAX_DEPTH 64
#define MAPPINGS_CAP (256u << 10) /* of one process: lines of files that are new */
#define PATIENCE_NS (500 * NSEC_PER_MSEC)
#define MAX_STUCK 8

struct identity {
	uint64_t dev, ino, other; /* other: 0, or what tells copies on several overlays */
};

struct walker {
	const struct sysroot *root;
	const struct open_files_config *config;
	struct open_files_result *q;
	struct mount_table mounts;
	struct residency residency;
	struct identity *seen; /* SEEN_SIZE, open addressing; ino 0: empty */
	size_t seen_count;
	uint32_t next_file;
	int *pids; /* of which the mappings are to be looked at */
	size_t pid_count, pid_cap;
	char link[PATH_ROOM], path[PATH_ROOM];
};

static bool out_of_time(struct walker *w)
{
	const struct open_files_config *c = w->config;

	if (!w->q->no_time)
		w->q->no_time = (c->deadline_ns && clock_ns(CLOCK_MONOTONIC) >= c->deadline_ns) ||
				(c->stop && c->stop(c->stop_ctx));
	return w->q->no_time;
}

/* ------------------------------------------------------------------ each file once */

static struct identity *seen_slot(struct walker *w, const struct identity *i)
{
	uint64_t at = (i->ino * 31 + i->dev + i->other) * 0x9e3779b97f4a7c15ULL >> 40;

	for (;; at++) {
		struct identity *s = &w->seen[at % SEEN_SIZE];

		if (!s->ino || (s->ino == i->ino && s->dev == i->dev && s->other == i->other))
			return s;
	}
}

static bool is_seen(struct walker *w, const struct identity *i)
{
	return seen_slot(w, i)->ino != 0;
}

/* False: it was seen before, or there is no room. */
static bool see(struct walker *w, const struct identity *i)
{
	struct identity *s = seen_slot(w, i);

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

static uint64_t device(uint32_t major_number, uint32_t minor_number)
{
	return (uint64_t)major_number << 32 | minor_number;
}

/* The lower files of several overlays are one file; each overlay gives them a device of its own but
 * keeps their inode number and times. */
static struct identity identity_of(const struct statx *st, const struct mount_entry *m)
{
	struct identity i = {.dev = m ? device(m->dev_major, m->dev_minor)
				      : device(st->stx_dev_major, st->stx_dev_minor),
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
static void name_file(struct walker *w, const struct mount_entry *m, const struct statx *st,
		      struct scan_file *f)
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

static int tell(struct walker *w, int path_fd, const struct mount_entry *m, const struct statx *st)
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
static int look(struct walker *w, int path_fd, const struct mount_entry *m)
{
	struct identity i;
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
	if (!see(w, &i))
		return 0;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", path_fd);
	n = readlink(self, w->link, sizeof(w->link) - 1);
	w->link[n < 0 ? 0 : n] = '\0';
	return tell(w, path_fd, m, &st);
}

/* Shared memory without a name lives on a mount that no list shows, as does what was unmounted
 * lazily: the names are the kernel's own. */
static bool is_own_shmem(const char *link)
{
	static const char *const names[] = {"/memfd:", "/SYSV", "/dev/zero (deleted)"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strncmp(link, names[i], strlen(names[i])))
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------ one process */

/* pos, flags, mnt_id and, since 5.14, ino. */
static const struct mount_entry *mount_of_fd(struct walker *w, const char *pid, const char *fd,
					     uint64_t *ret_ino)
{
	unsigned long long id, ino;
	char path[544], text[1024];

	snprintf(path, sizeof(path), "%s/fdinfo/%s", pid, fd);
	if (read_file_at(w->root->proc_fd, path, text, sizeof(text)) < 0 &&
	    !text[0]) /* epoll's may be long; what counts comes first */
		return NULL;
	*ret_ino = find_key_u64(text, "ino", &ino) == 0 ? ino : 0;
	return find_key_u64(text, "mnt_id", &id) == 0 ? mount_by_id(&w->mounts, (int)id) : NULL;
}

static int open_descriptor(struct walker *w, const char *pid, const char *name)
{
	const struct mount_entry *m;
	_cleanup_fd_ int fd = -1;
	char path[544];
	uint64_t ino = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/fd/%s", pid, name);
	n = readlinkat(w->root->proc_fd, path, w->link, sizeof(w->link) - 1);
	if (n <= 0 || w->link[0] != '/')
		return 0; /* a pipe, a socket, or gone */
	w->link[n] = '\0';
	m = mount_of_fd(w, pid, name, &ino);
	if (m ? !m->local : !is_own_shmem(w->link)) {
		w->q->files_foreign++;
		return 0;
	}
	if (m && ino && is_seen(w, &(struct identity){device(m->dev_major, m->dev_minor), ino, 0}))
		return 0;
	fd = openat(w->root->proc_fd, path, O_PATH | O_CLOEXEC);
	return fd < 0 ? 0 : look(w, fd, m);
}

static int descriptors(struct walker *w, const char *pid)
{
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *entry;
	char path[544];
	int fd, r = 0;

	snprintf(path, sizeof(path), "%s/fd", pid);
	fd = openat(w->root->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	while (r == 0 && !out_of_time(w) && (entry = readdir(d))) {
		if (entry->d_name[0] != '.')
			r = open_descriptor(w, pid, entry->d_name);
	}
	return r;
}

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

static int open_mapping(struct walker *w, const char *pid, const struct mapping *g)
{
	const struct mount_entry *m = mount_by_device(&w->mounts, g->dev_major, g->dev_minor);
	const struct identity i = {device(g->dev_major, g->dev_minor), g->ino, 0};
	_cleanup_fd_ int fd = -1;
	char path[PATH_ROOM];

	if (m ? !m->local : !is_own_shmem(g->path)) {
		w->q->files_foreign++;
		return 0;
	}
	if (is_seen(w, &i))
		return 0;
	snprintf(path, sizeof(path), "%s/map_files/%s", pid, g->range);
	fd = openat(w->root->proc_fd, path, O_PATH | O_CLOEXEC);
	if (fd < 0 && m) { /* needs a capability; of our own processes the path will do */
		snprintf(path, sizeof(path), "%s/root%s", pid, g->path);
		fd = openat(w->root->proc_fd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0) {
		w->q->files_refused += see(w, &i);
		return 0;
	}
	return look(w, fd, m);
}

/* ------------------------------------------------------------------ tmpfs */

static int open_below(int dir, const char *name, int flags)
{
	struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC,
			       .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS |
					  RESOLVE_NO_MAGICLINKS};

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

static int walk_directory(struct walker *w, int dir, const struct mount_entry *m, int depth)
{
	_cleanup_dir_ DIR *d = fdopendir(dir);
	struct dirent *entry;
	int r = 0;

	if (!d) {
		close(dir);
		return -ENOMEM;
	}
	while (r == 0 && !out_of_time(w) && (entry = readdir(d))) {
		const char *name = entry->d_name;

		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		if (entry->d_type == DT_REG) {
			_cleanup_fd_ int fd = open_below(dirfd(d), name, O_PATH | O_NOFOLLOW);

			r = fd < 0 ? 0 : look(w, fd, m);
		} else if (entry->d_type == DT_DIR && depth < MAX_DEPTH) {
			int sub = open_below(dirfd(d), name, O_RDONLY | O_DIRECTORY);

			r = sub < 0 ? 0 : walk_directory(w, sub, m, depth + 1);
		}
	}
	return r;
}

/* All files of the tmpfs mounts that came with this process's namespace: they are memory whether
 * they are open or not. */
static int walk_tmpfs(struct walker *w, const char *pid, size_t first)
{
	int r = 0;

	for (size_t i = first; r == 0 && i < w->mounts.count && !out_of_time(w); i++) {
		const struct mount_entry *m = &w->mounts.rows[i];
		char path[PATH_ROOM];
		struct stat st;
		int fd;

		if (!m->tmpfs || mount_by_device(&w->mounts, m->dev_major, m->dev_minor) < m)
			continue;
		snprintf(path, sizeof(path), "%s/root%s", pid, m->point);
		fd = openat(w->root->proc_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		/* Something else may be mounted on top of it. */
		if (fstat(fd, &st) == 0 && major(st.st_dev) == m->dev_major &&
		    minor(st.st_dev) == m->dev_minor) {
			int dir = open_below(fd, ".", O_RDONLY | O_DIRECTORY);

			r = dir < 0 ? 0 : walk_directory(w, dir, m, 0);
		}
		close(fd);
	}
	return r;
}

/* ------------------------------------------------------------------ mappings */

/* Newer kernels list mappings without the lock that opening one still waits for. */
static void try_lock(struct walker *w, int pid, const char *range)
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
	struct walker *w = ctx;
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
		struct identity i;
		struct mapping g;

		if ((size_t)n + 1 > cap - len) {
			*ret_mark = 1;
			break;
		}
		memcpy(copy, line, (size_t)n + 1);
		if (!parse_mapping(line, &g))
			continue;
		i = (struct identity){device(g.dev_major, g.dev_minor), g.ino, 0};
		if (!see(w, &i))
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
	struct walker *w = ctx;
	char pid[16], line[PATH_ROOM];
	int r = 0;

	if (out_of_time(w))
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

static int mappings(struct walker *w)
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

/* ------------------------------------------------------------------ all processes */

static int add_process(struct walker *w, int pid)
{
	if (w->pid_count == w->pid_cap) {
		size_t cap = w->pid_cap ? w->pid_cap * 2 : 1024;
		int *pids = realloc(w->pids, cap * sizeof(*pids));

		if (!pids)
			return -ENOMEM;
		w->pids = pids;
		w->pid_cap = cap;
	}
	w->pids[w->pid_count++] = pid;
	return 0;
}

static int process(struct walker *w, const char *pid)
{
	size_t first = 0;
	int r = mount_table_add(&w->mounts, w->root, pid, &first);

	if (r == -ENOMEM)
		return r;
	r = r > 0 ? walk_tmpfs(w, pid, first) : 0;
	if (r == 0)
		r = descriptors(w, pid);
	if (r == -EACCES || r == -EPERM) {
		w->q->refused++;
		return 0;
	}
	if (r == -ENOENT || r == -ESRCH)
		return 0; /* gone */
	w->q->processes++;
	return r < 0 ? r : add_process(w, (int)strtol(pid, NULL, 10));
}

static int processes(struct walker *w, struct err *e)
{
	int fd = openat(w->root->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	_cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	size_t first = 0;

	if (!d)
		return err_errno(e, errno, "/proc");
	/* First ours: its mounts are those that paths are told by. */
	r = mount_table_add(&w->mounts, w->root, "self", &first);
	r = r > 0 ? walk_tmpfs(w, "self", first) : 0;
	while (r == 0 && !out_of_time(w) && (entry = readdir(d))) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			r = process(w, entry->d_name);
	}
	if (r == 0)
		r = mappings(w);
	return r < 0 ? err_errno(e, r, "open files") : 0;
}

int open_files_walk(const struct sysroot *root, const struct open_files_config *config,
		    struct open_files_result *ret, struct err *e)
{
	struct walker *w = calloc(1, sizeof(*w));
	int r = -ENOMEM;

	*ret = (struct open_files_result){0};
	if (!w)
		return err_errno(e, ENOMEM, "open files");
	w->root = root;
	w->config = config;
	w->q = ret;
	w->residency.deadline_ns = config->deadline_ns;
	w->seen = calloc(SEEN_SIZE, sizeof(*w->seen));
	if (w->seen && mount_table_init(&w->mounts, root) == 0) {
		r = processes(w, e);
		mount_table_deinit(&w->mounts);
	} else {
		err_errno(e, ENOMEM, "open files");
	}
	free(w->seen);
	free(w->pids);
	free(w);
	return r;
}
