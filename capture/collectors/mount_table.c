/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mount_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/cleanup.h"
#include "../base/proc.h"

/* Without a block device, and yet of this machine. */
static const char *const memory_types[] = {"tmpfs", "devtmpfs", "ramfs", "overlay", "zfs"};
/* With one, and yet they may wait for somebody else. */
static const char *const shared_types[] = {"fuseblk", "gfs2", "ocfs2", "lustre", "gpfs"};

static bool listed(const char *const *list, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(list[i], s))
			return true;
	}
	return false;
}

/* /proc/filesystems: "nodev\tNAME" or "\tNAME". */
static void find_local_types(struct mount_table *t, const struct sysroot *root)
{
	char text[8192], *at = text, *line;
	size_t len = 1;

	t->local_types[0] = '\n';
	if (read_file_at(root->proc_fd, "filesystems", text, sizeof(text)) < 0)
		return;
	while ((line = next_line(&at))) {
		size_t n;

		if (line[0] != '\t' || listed(shared_types, ARRAY_SIZE(shared_types), line + 1))
			continue;
		n = strlen(line + 1);
		if (len + n + 2 > sizeof(t->local_types))
			return;
		memcpy(t->local_types + len, line + 1, n);
		len += n;
		t->local_types[len++] = '\n';
		t->local_types[len] = '\0';
	}
}

static bool is_local(const struct mount_table *t, const char *fstype)
{
	char word[64];

	if (listed(memory_types, ARRAY_SIZE(memory_types), fstype))
		return true;
	return snprintf(word, sizeof(word), "\n%s\n", fstype) < (int)sizeof(word) &&
	       strstr(t->local_types, word);
}

int mount_table_init(struct mount_table *t, const struct sysroot *root)
{
	*t = (struct mount_table){0};
	t->namespaces = calloc(MOUNT_NAMESPACES_MAX, sizeof(*t->namespaces));
	if (!t->namespaces)
		return -ENOMEM;
	find_local_types(t, root);
	return 0;
}

void mount_table_deinit(struct mount_table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		free(t->rows[i].root);
		free(t->rows[i].point);
	}
	free(t->rows);
	free(t->namespaces);
}

static int add_mount(struct mount_table *t, const struct mountinfo *m)
{
	struct mount_entry *row;

	if (t->count == MOUNT_TABLE_MAX)
		return -E2BIG;
	if (t->count == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		struct mount_entry *rows = realloc(t->rows, cap * sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		t->rows = rows;
		t->cap = cap;
	}
	row = &t->rows[t->count];
	*row = (struct mount_entry){.id = m->id, .dev_major = m->major, .dev_minor = m->minor};
	snprintf(row->fstype, sizeof(row->fstype), "%s", m->fstype);
	row->local = is_local(t, m->fstype);
	row->tmpfs = !strcmp(m->fstype, "tmpfs");
	row->root = strdup(m->root);
	row->point = strdup(m->mountpoint);
	if (!row->root || !row->point) {
		free(row->root);
		free(row->point);
		return -ENOMEM;
	}
	t->count++;
	return 0;
}

/* The namespace's inode number, or 0 where the link may not be read. */
static uint64_t namespace_of(const struct sysroot *root, const char *pid)
{
	char path[288], text[64];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/ns/mnt", pid);
	n = readlinkat(root->proc_fd, path, text, sizeof(text) - 1);
	if (n <= 5)
		return 0;
	text[n] = '\0';
	return strtoull(text + 5, NULL, 10); /* "mnt:[4026531841]" */
}

int mount_table_add(struct mount_table *t, const struct sysroot *root, const char *pid,
		    size_t *ret_first)
{
	uint64_t ns = namespace_of(root, pid);
	_cleanup_file_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	size_t cap = 0, first = t->count;
	struct mountinfo m;
	char path[288];
	int fd, r = 0;

	if (!ns)
		return -EACCES;
	for (size_t i = 0; i < t->namespace_count; i++) {
		if (t->namespaces[i] == ns)
			return 0;
	}
	if (t->namespace_count == MOUNT_NAMESPACES_MAX)
		return -E2BIG;
	snprintf(path, sizeof(path), "%s/mountinfo", pid);
	fd = openat(root->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	while (r == 0 && getline(&line, &cap, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (parse_mountinfo_line(line, &m) == 0)
			r = add_mount(t, &m);
	}
	if (r < 0)
		return r;
	t->namespaces[t->namespace_count++] = ns;
	*ret_first = first;
	return 1;
}

const struct mount_entry *mount_by_id(struct mount_table *t, int id)
{
	uint32_t *hint = &t->by_id[(unsigned)id % MOUNT_HINTS];

	if (*hint < t->count && t->rows[*hint].id == id)
		return &t->rows[*hint];
	for (uint32_t i = 0; i < t->count; i++) {
		if (t->rows[i].id == id) {
			*hint = i;
			return &t->rows[i];
		}
	}
	return NULL;
}

const struct mount_entry *mount_by_device(const struct mount_table *t, uint32_t dev_major,
					  uint32_t dev_minor)
{
	for (size_t i = 0; i < t->count; i++) {
		if (t->rows[i].dev_major == dev_major && t->rows[i].dev_minor == dev_minor)
			return &t->rows[i];
	}
	return NULL;
}
