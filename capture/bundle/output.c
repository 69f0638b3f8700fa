/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "format.h"
#include "output.h"

#define SUFFIX ".tar.zst"
#define PARTIAL ".partial"
/* Blocks are reserved ahead in steps, to ask the file system seldom. */
#define RESERVE_STEP (1u << 20)
/* Write-back is started in pieces of this size; two of them are in the page cache at most. */
#define DROP_STEP (256u << 10)
/* How long a stream's reader may take to read on; and when we were told to come to an end. */
#define PATIENCE_NS (30 * NSEC_PER_SEC)
#define URGENT_NS (500 * NSEC_PER_MSEC)

static bool ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n > m && strcmp(s + n - m, suffix) == 0;
}

/* write() or pwrite() (offset >= 0) that reports a closed pipe and a file size limit as errors
 * even when the caller left SIGPIPE and SIGXFSZ deadly. */
static ssize_t write_quietly(int fd, const void *data, size_t len, off_t offset)
{
	static const struct timespec now = {0};
	sigset_t deadly, old, pending;
	bool was_pending;
	ssize_t n;
	int no;

	sigemptyset(&deadly);
	sigaddset(&deadly, SIGPIPE);
	sigaddset(&deadly, SIGXFSZ);
	sigpending(&pending);
	was_pending = sigismember(&pending, SIGPIPE) || sigismember(&pending, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &deadly, &old);
	n = offset >= 0 ? pwrite(fd, data, len, offset) : write(fd, data, len);
	no = errno;
	if (n < 0 && (no == EPIPE || no == EFBIG) && !was_pending) {
		while (sigtimedwait(&deadly, NULL, &now) < 0 && errno == EINTR)
			;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = no;
	return n;
}

/* 0 or a negative errno. */
static int write_all(int fd, const char *data, size_t len, off_t offset)
{
	while (len) {
		ssize_t n = write_quietly(fd, data, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		len -= n;
		offset += n;
	}
	return 0;
}

/* Wait until a stream takes PIPE_BUF bytes.  A signal that arrives meanwhile makes it urgent. */
static int wait_writable(struct output *o)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC);

	for (;;) {
		struct pollfd p = {.fd = o->fd, .events = POLLOUT};
		uint64_t patience = o->urgent ? URGENT_NS : PATIENCE_NS;
		uint64_t waited = clock_ns(CLOCK_MONOTONIC) - start;
		int r;

		if (waited >= patience)
			return -ETIMEDOUT;
		r = poll(&p, 1, (int)((patience - waited) / NSEC_PER_MSEC + 1));
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r < 0)
			o->urgent = true;
	}
}

/* A stream's reader may stop reading (a dead ssh link), and a blocking write() would then hold
 * every deadline up.  What poll() promises is room for PIPE_BUF bytes: so much at a time. */
static int write_stream(struct output *o, const char *data, size_t len)
{
	while (len) {
		size_t some = len < PIPE_BUF ? len : PIPE_BUF;
		ssize_t n;
		int r = o->regular ? 0 : wait_writable(o);

		if (r < 0)
			return r;
		n = write_quietly(o->fd, data, o->regular ? len : some, -1);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		len -= n;
	}
	return 0;
}

static bool unsupported(int no)
{
	return no == EOPNOTSUPP || no == ENOSYS || no == EINVAL || no == ENODEV;
}

static int reserve_to(struct output *o, uint64_t offset)
{
	int r;

	if (o->no_reserve || offset <= o->reserved)
		return 0;
	do {
		r = fallocate(o->fd, FALLOC_FL_KEEP_SIZE, o->reserved, offset - o->reserved);
	} while (r < 0 && errno == EINTR);
	if (r < 0) {
		if (!unsupported(errno))
			return -errno;
		o->no_reserve = true;
		return 0;
	}
	o->reserved = offset;
	return 0;
}

/* Keep the page cache as it was: the capture describes it, and must not fill it. */
static void drop_written(struct output *o, bool all)
{
	if (!o->regular || (!all && o->end - o->started < DROP_STEP))
		return;
	if (o->started > o->clean) {
		sync_file_range(o->fd, o->clean, o->started - o->clean,
				SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
					SYNC_FILE_RANGE_WAIT_AFTER);
		posix_fadvise(o->fd, 0, o->started, POSIX_FADV_DONTNEED);
		o->clean = o->started;
	}
	if (o->end > o->started)
		sync_file_range(o->fd, o->started, o->end - o->started, SYNC_FILE_RANGE_WRITE);
	o->started = o->end;
}

static int open_stream(struct output *o, struct err *e)
{
	struct stat st;

	o->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (o->fd < 0)
		return err_errno(e, errno, "standard output");
	memcpy(o->path, "-", 2);
	if (isatty(o->fd))
		return err_set(e, EINVAL,
			       "standard output: is a terminal; an archive goes to a "
			       "file or a pipe");
	o->regular = fstat(o->fd, &st) == 0 && S_ISREG(st.st_mode);
	return 0;
}

/* Split output into a directory and a base name. */
static int resolve(struct output *o, const char *output, const char *name, char dir[PATH_MAX],
		   struct err *e)
{
	struct stat st;
	const char *shown = output && *output ? output : "";
	const char *slash;
	int n;

	if (strlen(shown) >= PATH_MAX)
		return err_set(e, ENAMETOOLONG, "%.100s…: File name too long", shown);
	if (!*shown || (stat(shown, &st) == 0 && S_ISDIR(st.st_mode))) {
		size_t len = strlen(shown);

		n = snprintf(o->path, sizeof(o->path), "%s%s%s" SUFFIX, shown,
			     len && shown[len - 1] != '/' ? "/" : "", name);
		if (n < 0 || (size_t)n >= sizeof(o->path))
			return err_set(e, ENAMETOOLONG, "%.100s…: File name too long", shown);
		snprintf(o->base, sizeof(o->base), "%s" SUFFIX, name);
		snprintf(dir, PATH_MAX, "%s", *shown ? shown : ".");
		return 0;
	}
	if (!ends_with(shown, SUFFIX))
		return err_set(e, ENOTDIR,
			       "%s: neither a directory nor a name that ends in " SUFFIX, shown);
	slash = strrchr(shown, '/');
	if (strlen(slash ? slash + 1 : shown) + sizeof(PARTIAL) > sizeof(o->base))
		return err_errno(e, ENAMETOOLONG, shown);
	snprintf(o->path, sizeof(o->path), "%s", shown);
	snprintf(o->base, sizeof(o->base), "%s", slash ? slash + 1 : shown);
	if (!slash)
		memcpy(dir, ".", 2);
	else
		snprintf(dir, PATH_MAX, "%.*s", slash == shown ? 1 : (int)(slash - shown), shown);
	return 0;
}

static int open_file(struct output *o, const char *output, const char *name, struct err *e)
{
	char dir[PATH_MAX];
	struct stat st;
	int r = resolve(o, output, name, dir, e);

	if (r < 0)
		return r;
	snprintf(o->partial, sizeof(o->partial), "%.*s" PARTIAL,
		 (int)(sizeof(o->partial) - sizeof(PARTIAL)), o->base);
	o->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o->dir_fd < 0)
		return err_errno(e, errno, dir);
	if (fstatat(o->dir_fd, o->base, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, EEXIST, "%s: File exists (never overwritten)", o->path);
	o->fd = openat(o->dir_fd, o->partial,
		       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (o->fd < 0) {
		r = -errno;
		err_set(e, -r, "%s" PARTIAL ": %s", o->path, strerror(-r));
		if (r == -EEXIST)
			err_add(e, "another capture is writing it, or one was killed");
		return r;
	}
	o->regular = true;
	/* A umask that takes the owner's bits away must not keep him from his archive. */
	r = fchmod(o->fd, 0600) < 0 ? -errno : 0;
	if (r == -EPERM || r == -EOPNOTSUPP || r == -EINVAL)
		r = 0; /* FAT and some network file systems have no modes to set */
	if (r == 0)
		r = reserve_to(o, OUTPUT_RESERVE);
	if (r < 0) {
		err_set(e, -r, "%s" PARTIAL ": %s (reserving %u KiB for the manifest)", o->path,
			strerror(-r), OUTPUT_RESERVE >> 10);
		unlinkat(o->dir_fd, o->partial, 0);
		return r;
	}
	return 0;
}

int output_open(struct output *o, const char *output, const char *name, struct err *e)
{
	int r;

	*o = (struct output){.fd = -1, .dir_fd = -1};
	if (output && strcmp(output, "-") == 0)
		r = open_stream(o, e);
	else
		r = open_file(o, output, name, e);
	if (r < 0) {
		cleanup_fd(&o->fd);
		cleanup_fd(&o->dir_fd);
		o->fd = o->dir_fd = -1;
	}
	return r;
}

static int append_stream(struct output *o, const void *data, size_t len, struct err *e)
{
	if (!o->dead)
		o->dead = write_stream(o, data, len);
	if (o->dead == -ETIMEDOUT)
		return err_set(e, ETIMEDOUT, "standard output: nobody reads it");
	if (o->dead)
		return err_errno(e, o->dead, "standard output");
	o->end += len;
	return 0;
}

int output_append(struct output *o, const void *data, size_t len, bool last, struct err *e)
{
	uint64_t need = o->end + len + (last ? 0 : OUTPUT_RESERVE);
	int r = 0;

	if (o->dir_fd < 0) {
		r = append_stream(o, data, len, e);
		if (r == 0 && o->regular) {
			/* Appended to a file of unknown length: the whole of it is dropped. */
			sync_file_range(o->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
			posix_fadvise(o->fd, 0, 0, POSIX_FADV_DONTNEED);
		}
		return r;
	}
	/* Blocks first: a disk that is full is noticed before a byte is written. */
	if (need > o->reserved && reserve_to(o, need + RESERVE_STEP) < 0)
		r = reserve_to(o, need);
	if (r < 0 && !last)
		return err_set(e, -r, "%s" PARTIAL ": %s (the rest is reserved for the manifest)",
			       o->path, strerror(-r));
	r = write_all(o->fd, data, len, (off_t)o->end);
	if (r < 0) {
		err_set(e, -r, "%s" PARTIAL ": %s", o->path, strerror(-r));
		/* Cutting gives the reserve back, too: take it again at once. */
		if (ftruncate(o->fd, (off_t)o->end) == 0) {
			o->reserved = o->end;
			reserve_to(o, o->end + OUTPUT_RESERVE);
		}
		return r;
	}
	o->end += len;
	drop_written(o, false);
	return 0;
}

/* Rename without ever replacing, also on file systems that do not know the flag. */
static int rename_new(struct output *o)
{
	struct stat st;

	if (renameat2(o->dir_fd, o->partial, o->dir_fd, o->base, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(o->dir_fd, o->partial, o->dir_fd, o->base, 0) == 0)
		return unlinkat(o->dir_fd, o->partial, 0) < 0 ? -errno : 0;
	if (errno == EEXIST)
		return -errno;
	/* Neither: what is left is to look first. */
	if (fstatat(o->dir_fd, o->base, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return renameat(o->dir_fd, o->partial, o->dir_fd, o->base) < 0 ? -errno : 0;
}

int output_finish(struct output *o, struct err *e)
{
	int r;

	if (o->dir_fd < 0) {
		if (o->regular) {
			if (fsync(o->fd) < 0)
				return err_errno(e, errno, "standard output");
			posix_fadvise(o->fd, 0, 0, POSIX_FADV_DONTNEED);
		}
		o->renamed = true;
		return 0;
	}
	/* Of the same length, but without the blocks behind it.  Where that fails they are freed
	 * when the file is. */
	if (ftruncate(o->fd, (off_t)o->end) < 0 && errno == EIO)
		return err_set(e, EIO, "%s" PARTIAL ": %s", o->path, strerror(EIO));
	if (fsync(o->fd) < 0) {
		r = -errno;
		return err_set(e, -r, "%s" PARTIAL ": %s (fsync)", o->path, strerror(-r));
	}
	drop_written(o, true);
	posix_fadvise(o->fd, 0, 0, POSIX_FADV_DONTNEED);
	r = rename_new(o);
	if (r < 0)
		return err_set(e, -r, "%s: %s (renaming the finished " PARTIAL ")", o->path,
			       strerror(-r));
	o->renamed = true;
	if (fsync(o->dir_fd) < 0 && errno != EINVAL && errno != EROFS)
		return err_set(e, errno, "%s: %s (fsync of its directory)", o->path,
			       strerror(errno));
	return 0;
}

void output_close(struct output *o)
{
	if (o->dir_fd >= 0 && !o->renamed && o->end == 0)
		unlinkat(o->dir_fd, o->partial, 0);
	else if (o->dir_fd >= 0 && !o->renamed && ftruncate(o->fd, (off_t)o->end) == 0)
		posix_fadvise(o->fd, 0, 0, POSIX_FADV_DONTNEED);
	if (o->fd >= 0)
		close(o->fd);
	if (o->dir_fd >= 0)
		close(o->dir_fd);
	o->fd = o->dir_fd = -1;
}
