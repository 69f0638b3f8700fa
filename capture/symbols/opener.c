/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "opener.h"

#define NAMESPACES_MAX 64
#define PERF_MAP_MAX (64u << 20)
#define MAPS_LINE_MAX 4400

struct opener {
	const struct sysroot *root;
	bool listed;
	unsigned count;
	struct {
		uint64_t ino;
		uint32_t pid;
	} namespaces[NAMESPACES_MAX]; /* [0] is our own */
};

/* path below the directory dirfd as if that were the root; a place, not yet open for reading. */
static int place_below(int dirfd, const char *path, bool follow)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS |
			   (follow ? 0 : RESOLVE_NO_SYMLINKS),
	};
	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static int proc_root(const struct opener *o, uint32_t pid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "%" PRIu32 "/root", pid);
	fd = openat(o->root->proc_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* ------------------------------------------------------------------ identity */

/* Does the process still have this very file mapped there? */
static bool still_mapped(const struct opener *o, const struct open_question *q)
{
	_cleanup_file_ FILE *maps = NULL;
	char line[MAPS_LINE_MAX], path[32], *p;
	int fd;

	snprintf(path, sizeof(path), "%" PRIu32 "/maps", q->pid);
	fd = openat(o->root->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	maps = fdopen(fd, "r");
	if (!maps) {
		close(fd);
		return false;
	}
	while (fgets(line, sizeof(line), maps)) {
		/* START-END PERM OFFSET MAJOR:MINOR INO PATH */
		uint64_t start = strtoull(line, &p, 16), end = 0, dev_major, dev_minor;

		if (start < q->start)
			continue;
		if (*p == '-')
			end = strtoull(p + 1, &p, 16);
		if (start > q->start || end != q->end || strlen(p) < 6)
			return false;
		strtoull(p + 6, &p, 16);
		dev_major = strtoull(p, &p, 16);
		dev_minor = *p == ':' ? strtoull(p + 1, &p, 16) : UINT64_MAX;
		return dev_major == q->major && dev_minor == q->minor &&
		       strtoull(p, NULL, 10) == q->ino;
	}
	return false;
}

static int check_identity(const struct opener *o, const struct open_question *q,
			  const struct stat *st)
{
	uint64_t changed =
		(uint64_t)st->st_ctim.tv_sec * NSEC_PER_SEC + (uint64_t)st->st_ctim.tv_nsec;

	if (!q->ino)
		return 0;
	if (q->how != OPEN_MAP_FILES && q->seen_ns && changed > q->seen_ns)
		return -ESTALE;
	if (st->st_ino == q->ino && major(st->st_dev) == q->major && minor(st->st_dev) == q->minor)
		return 0;
	/* overlayfs and btrfs show a device number that no mapping does. */
	if (major(st->st_dev) == 0) {
		if (q->how == OPEN_MAP_FILES ? still_mapped(o, q) : st->st_ino == q->ino)
			return 0;
	}
	return -ESTALE;
}

/* ------------------------------------------------------------------ the ways */

static int place_map_files(const struct opener *o, const struct open_question *q)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64, q->pid, q->start,
		 q->end);
	fd = openat(o->root->proc_fd, path, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int place_in_process(const struct opener *o, uint32_t pid, const char *path, bool follow)
{
	_cleanup_fd_ int root = proc_root(o, pid);

	return root < 0 ? root : place_below(root, path, follow);
}

static uint64_t mount_namespace(const struct opener *o, const char *pid)
{
	char path[64], link[64];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/ns/mnt", pid);
	n = readlinkat(o->root->proc_fd, path, link, sizeof(link) - 1);
	if (n <= 0)
		return 0;
	link[n] = 0;
	return strncmp(link, "mnt:[", 5) == 0 ? strtoull(link + 5, NULL, 10) : 0;
}

/* One process of each mount namespace, so that a file can be found whose process is gone. */
static void list_namespaces(struct opener *o)
{
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *d;
	int fd = openat(o->root->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	o->listed = true;
	o->namespaces[0].ino = mount_namespace(o, "self");
	o->count = 1;
	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && o->count < NAMESPACES_MAX && (d = readdir(dir))) {
		uint64_t ino;
		unsigned i = 0;

		if (!isdigit((unsigned char)d->d_name[0]))
			continue;
		ino = mount_namespace(o, d->d_name);
		while (i < o->count && o->namespaces[i].ino != ino)
			i++;
		if (!ino || i < o->count)
			continue;
		o->namespaces[o->count].ino = ino;
		o->namespaces[o->count++].pid = (uint32_t)strtoul(d->d_name, NULL, 10);
	}
}

static int place_in_namespace(struct opener *o, const struct open_question *q)
{
	if (!o->listed)
		list_namespaces(o);
	if (q->nth + 1 >= o->count)
		return -ENODATA;
	return place_in_process(o, o->namespaces[q->nth + 1].pid, q->path, true);
}

static int place_debug(const struct opener *o, const struct open_question *q)
{
	char path[96] = "usr/lib/debug/.build-id/";
	size_t at = strlen(path);

	if (q->build_id_len < 2 || q->build_id_len > sizeof(q->build_id) || q->nth > 1)
		return -EINVAL;
	for (unsigned i = 0; i < q->build_id_len; i++) {
		at += (size_t)snprintf(path + at, sizeof(path) - at, "%02x%s", q->build_id[i],
				       i == 0 ? "/" : "");
	}
	snprintf(path + at, sizeof(path) - at, ".debug");
	if (q->nth)
		return place_in_process(o, q->pid, path, true);
	return place_below(o->root->root_fd, path, true);
}

/* ------------------------------------------------------------------ maps of code made at run time
 */

struct owner {
	uint32_t euid;
	uint32_t inner_pid; /* in its innermost pid namespace: how it calls itself */
};

static int owner_of(const struct opener *o, uint32_t pid, struct owner *ret)
{
	char path[32], text[4096], *line, *last;
	ssize_t n;

	snprintf(path, sizeof(path), "%" PRIu32 "/status", pid);
	n = read_file_at(o->root->proc_fd, path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	line = strstr(text, "\nUid:");
	if (!line)
		return -EBADMSG;
	strtoul(line + strlen("\nUid:"), &line, 10); /* the real one */
	ret->euid = (uint32_t)strtoul(line, NULL, 10);
	ret->inner_pid = pid;
	line = strstr(text, "\nNSpid:");
	if (line) {
		line++;
		line[strcspn(line, "\n")] = 0;
		last = strrchr(line, '\t');
		if (last)
			ret->inner_pid = (uint32_t)strtoul(last + 1, NULL, 10);
	}
	return 0;
}

static int place_perf_map(const struct opener *o, const struct open_question *q,
			  struct owner *ret_owner)
{
	char path[48];
	int r = owner_of(o, q->pid, ret_owner);

	if (r)
		return r;
	snprintf(path, sizeof(path), "tmp/perf-%" PRIu32 ".map", ret_owner->inner_pid);
	return place_in_process(o, q->pid, path, false);
}

/* /tmp is everybody's: the file must be the process's own. */
static int check_perf_map(const struct owner *owner, const struct stat *st)
{
	if ((st->st_uid != owner->euid && st->st_uid != 0) || st->st_nlink != 1)
		return -EPERM;
	return (uint64_t)st->st_size > PERF_MAP_MAX ? -EFBIG : 0;
}

/* ------------------------------------------------------------------ answering */

static int open_for(struct opener *o, const struct open_question *q, uint64_t *ret_size)
{
	_cleanup_fd_ int place = -1;
	struct owner owner = {0};
	struct stat st;
	char self[48];
	int r = -EINVAL, fd;

	switch (q->how) {
	case OPEN_MAP_FILES:
		place = place_map_files(o, q);
		break;
	case OPEN_ROOT:
		place = place_in_process(o, q->pid, q->path, true);
		break;
	case OPEN_HOST:
		place = place_below(o->root->root_fd, q->path, true);
		break;
	case OPEN_NAMESPACE:
		place = place_in_namespace(o, q);
		break;
	case OPEN_DEBUG:
		place = place_debug(o, q);
		break;
	case OPEN_PERF_MAP:
		place = place_perf_map(o, q, &owner);
		break;
	default:
		return -EINVAL;
	}
	if (place < 0)
		return place;
	if (fstat(place, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EMEDIUMTYPE;
	if (q->how <= OPEN_NAMESPACE)
		r = check_identity(o, q, &st);
	else
		r = q->how == OPEN_PERF_MAP ? check_perf_map(&owner, &st) : 0;
	if (r)
		return r;
	snprintf(self, sizeof(self), "self/fd/%d", place);
	fd = openat(o->root->proc_fd, self, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_size = (uint64_t)st.st_size;
	return fd;
}

/* fd -1: nothing goes with it. */
static int answer(int sock, const struct open_answer *a, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = (void *)a, .iov_len = sizeof(*a)};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *c;

		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(sock, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

_Noreturn void opener_run(int sock, const struct sysroot *root)
{
	static struct open_question q;
	struct opener o = {.root = root};

	for (;;) {
		struct open_answer a = {0};
		ssize_t n = recv(sock, &q, sizeof(q), 0);
		int fd = -EBADMSG;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(0);
		/* What comes in is from the process that reads hostile files. */
		if ((size_t)n >= offsetof(struct open_question, path) &&
		    q.path_len == (size_t)n - offsetof(struct open_question, path) &&
		    q.path_len < OPEN_PATH_MAX) {
			q.path[q.path_len] = 0;
			fd = open_for(&o, &q, &a.size);
		}
		a.no = fd < 0 ? fd : 0;
		if (answer(sock, &a, fd) < 0)
			_exit(1);
		if (fd >= 0)
			close(fd);
	}
}

int opener_ask(int sock, const struct open_question *q, int *ret_fd, uint64_t *ret_size)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct open_answer a;
	struct iovec iov = {.iov_base = &a, .iov_len = sizeof(a)};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c;
	ssize_t n;

	do
		n = send(sock, q, offsetof(struct open_question, path) + q->path_len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(a))
		return n < 0 ? -errno : -EPIPE;
	if (a.no)
		return a.no;
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EBADMSG;
	memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	*ret_size = a.size;
	return 0;
}
