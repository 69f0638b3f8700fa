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
#include "open_files_private.h"

#define MAX_DEPTH 64

/* ------------------------------------------------------------------ one process */

/* pos, flags, mnt_id and, since 5.14, ino. */
static const struct mount_entry *mount_of_fd(struct open_files_walker *w, const char *pid,
					     const char *fd, uint64_t *ret_ino)
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

static int open_descriptor(struct open_files_walker *w, const char *pid, const char *name)
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
	if (m ? !m->local : !open_files_is_own_shmem(w->link)) {
		w->q->files_foreign++;
		return 0;
	}
	if (m && ino &&
	    open_files_seen(w, &(struct file_identity){
				       open_files_device(m->dev_major, m->dev_minor), ino, 0}))
		return 0;
	fd = openat(w->root->proc_fd, path, O_PATH | O_CLOEXEC);
	return fd < 0 ? 0 : open_files_look(w, fd, m);
}

static int descriptors(struct open_files_walker *w, const char *pid)
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
	while (r == 0 && !open_files_late(w) && (entry = readdir(d))) {
		if (entry->d_name[0] != '.')
			r = open_descriptor(w, pid, entry->d_name);
	}
	return r;
}

/* ------------------------------------------------------------------ tmpfs */

static int open_below(int dir, const char *name, int flags)
{
	struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC,
			       .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS |
					  RESOLVE_NO_MAGICLINKS};

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

static int walk_directory(struct open_files_walker *w, int dir, const struct mount_entry *m,
			  int depth)
{
	_cleanup_dir_ DIR *d = fdopendir(dir);
	struct dirent *entry;
	int r = 0;

	if (!d) {
		close(dir);
		return -ENOMEM;
	}
	while (r == 0 && !open_files_late(w) && (entry = readdir(d))) {
		const char *name = entry->d_name;

		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		if (entry->d_type == DT_REG) {
			_cleanup_fd_ int fd = open_below(dirfd(d), name, O_PATH | O_NOFOLLOW);

			r = fd < 0 ? 0 : open_files_look(w, fd, m);
		} else if (entry->d_type == DT_DIR && depth < MAX_DEPTH) {
			int sub = open_below(dirfd(d), name, O_RDONLY | O_DIRECTORY);

			r = sub < 0 ? 0 : walk_directory(w, sub, m, depth + 1);
		}
	}
	return r;
}

/* All files of the tmpfs mounts that came with this process's namespace: they are memory whether
 * they are open or not. */
static int walk_tmpfs(struct open_files_walker *w, const char *pid, size_t first)
{
	int r = 0;

	for (size_t i = first; r == 0 && i < w->mounts.count && !open_files_late(w); i++) {
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

/* ------------------------------------------------------------------ all processes */

static int add_process(struct open_files_walker *w, int pid)
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

static int process(struct open_files_walker *w, const char *pid)
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

static int processes(struct open_files_walker *w, struct err *e)
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
	while (r == 0 && !open_files_late(w) && (entry = readdir(d))) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			r = process(w, entry->d_name);
	}
	if (r == 0)
		r = open_files_mappings(w);
	return r < 0 ? err_errno(e, r, "open files") : 0;
}

int open_files_walk(const struct sysroot *root, const struct open_files_config *config,
		    struct open_files_result *ret, struct err *e)
{
	struct open_files_walker *w = calloc(1, sizeof(*w));
	int r = -ENOMEM;

	*ret = (struct open_files_result){0};
	if (!w)
		return err_errno(e, ENOMEM, "open files");
	w->root = root;
	w->config = config;
	w->q = ret;
	w->residency.deadline_ns = config->deadline_ns;
	w->seen = calloc(OPEN_FILES_SEEN, sizeof(*w->seen));
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
