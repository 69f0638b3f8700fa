/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "keep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "record.h"

#define KEEP_PATH 4096
/* Of a sample: what a reader holds in memory of them is a few MiB. */
#define KEEP_PIECES (128u << 10)
#define TYPES_PATH "sys/kernel/btf/vmlinux"

struct keep {
	struct kmem_source *source;
	int fd, dir; /* FILE and FILE.root */
	char file[KEEP_PATH], btf[KEEP_PATH + 8], root[KEEP_PATH + 8];
};

/* In the order they are made, and removed backwards. */
static const char *const directories[] = {"proc", "sys", "sys/kernel", "sys/kernel/btf"};
/* Verbatim; what is not there is left out.  No command line: it may hold secrets. */
static const char *const files[] = {"proc/meminfo", "proc/iomem", "proc/version", "proc/vmstat",
				    "proc/zoneinfo"};

static int copy(int from, int to)
{
	char buf[65536];
	ssize_t n;

	for (;;) {
		n = read(from, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (ssize_t at = 0; at < n;) {
			ssize_t put = write(to, buf + at, (size_t)(n - at));

			if (put < 0 && errno != EINTR)
				return -errno;
			at += put > 0 ? put : 0;
		}
	}
}

static int copy_file(int from_dir, const char *from, int to_dir, const char *to)
{
	_cleanup_fd_ int in = openat(from_dir, from, O_RDONLY | O_CLOEXEC);
	_cleanup_fd_ int out = -1;

	if (in < 0)
		return -errno;
	out = openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return out < 0 ? -errno : copy(in, out);
}

static void remove_all(struct keep *k)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlinkat(k->dir, files[i], 0);
	unlinkat(k->dir, TYPES_PATH, 0);
	for (size_t i = ARRAY_SIZE(directories); i-- > 0;)
		unlinkat(k->dir, directories[i], AT_REMOVEDIR);
	rmdir(k->root);
	unlink(k->btf);
	unlink(k->file);
}

static void destroy(struct keep *k)
{
	kmem_close(k->source);
	cleanup_fd(&k->fd);
	cleanup_fd(&k->dir);
	free(k);
}

static int make_root(struct keep *k, const struct capture_options *o, const struct sysroot *root,
		     struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		if (mkdirat(k->dir, directories[i], 0700) < 0)
			return err_errno(e, errno, k->root);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++) {
		r = copy_file(root->root_fd, files[i], k->dir, files[i]);
		if (r == -ENOENT || r == -EACCES)
			r = 0;
	}
	if (r == 0)
		r = copy_file(o->btf_file ? AT_FDCWD : root->root_fd,
			      o->btf_file ? o->btf_file : TYPES_PATH, k->dir, TYPES_PATH);
	if (r < 0)
		return err_errno(e, r, k->root);
	/* One copy, under both names. */
	if (linkat(k->dir, TYPES_PATH, AT_FDCWD, k->btf, 0) < 0)
		r = copy_file(k->dir, TYPES_PATH, AT_FDCWD, k->btf);
	return r < 0 ? err_errno(e, r, k->btf) : 0;
}

int keep_start(struct keep **ret, struct kmem_source *live, const struct capture_options *o,
	       const struct sysroot *root, const struct scan_config *config, struct err *e)
{
	struct keep *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return err_errno(e, ENOMEM, o->record_kernel);
	k->fd = k->dir = -1;
	if (snprintf(k->file, sizeof(k->file), "%s", o->record_kernel) >= (int)sizeof(k->file)) {
		r = err_errno(e, ENAMETOOLONG, o->record_kernel);
		goto fail;
	}
	snprintf(k->btf, sizeof(k->btf), "%s.btf", k->file);
	snprintf(k->root, sizeof(k->root), "%s.root", k->file);
	if (access(k->btf, F_OK) == 0 || access(k->root, F_OK) == 0) {
		r = err_errno(e, EEXIST, access(k->btf, F_OK) == 0 ? k->btf : k->root);
		goto fail;
	}
	/* What it holds is the kernel's: for its owner only. */
	k->fd = open(k->file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (k->fd < 0) {
		r = err_errno(e, errno, k->file);
		goto fail;
	}
	if (mkdir(k->root, 0700) == 0)
		k->dir = open(k->root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = k->dir < 0 ? err_errno(e, errno, k->root) : make_root(k, o, root, e);
	if (r == 0)
		r = kmem_record_open(&k->source, live, k->fd, o->max_size, e);
	if (r == 0) {
		k->source->recorded_one_in = config->one_in;
		k->source->recorded_seed = config->seed;
		*ret = k;
		return 0;
	}
	remove_all(k);
fail:
	destroy(k);
	return r;
}

struct kmem_source *keep_source(struct keep *k)
{
	return k->source;
}

int keep_end(struct keep *k, int scanned, struct err *e)
{
	int r = scanned;

	if (r == 0) {
		r = kmem_record_finish(k->source, e);
		if (r == -EFBIG)
			err_set(e, EFBIG,
				"%s: larger than --max-size; a smaller --sample makes it "
				"smaller",
				k->file);
	}
	if (r < 0)
		remove_all(k);
	destroy(k);
	return r;
}

uint32_t keep_one_in(const struct kmem_source *s, uint64_t max, uint32_t one_in)
{
	uint64_t pages = kmem_page_count(s);

	if (!one_in)
		one_in = 1;
	/* Files and names take room as well; and of a sample each page is a piece of its own. */
	if (one_in == 1 && pages * s->page_struct_size <= max / 4)
		return 1;
	while (one_in < 1u << 20 && pages / one_in > KEEP_PIECES)
		one_in *= 2;
	return one_in;
}
