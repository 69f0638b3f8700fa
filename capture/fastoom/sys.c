/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The same numbers on every architecture. */
#define NR_PIDFD_SEND_SIGNAL 424
#define NR_PIDFD_OPEN 434
#define NR_PROCESS_MRELEASE 448
/* linux/futex.h, which musl does not bring */
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129

static int result(long r)
{
	return r < 0 ? -errno : (int)r;
}

int sys_pidfd_open(pid_t pid)
{
	return result(syscall(NR_PIDFD_OPEN, pid, 0));
}

int sys_pidfd_signal(int pidfd, int no)
{
	return result(syscall(NR_PIDFD_SEND_SIGNAL, pidfd, no, NULL, 0));
}

int sys_mrelease(int pidfd)
{
	return result(syscall(NR_PROCESS_MRELEASE, pidfd, 0));
}

void sys_ioprio_default(void)
{
	const int process = 1, none = 0;

	syscall(SYS_ioprio_set, process, 0, none);
}

void sys_wait(_Atomic uint32_t *word, uint32_t value, uint64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000U),
			      .tv_nsec = (long)(ns % 1000000000U)};

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &ts, NULL, 0);
}

void sys_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

ssize_t read_open(int fd, char *buf, size_t cap)
{
	size_t len = 0;

	while (len + 1 < cap) {
		ssize_t n = pread(fd, buf + len, cap - 1 - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	buf[len] = '\0';
	return (ssize_t)len;
}

struct entry64 {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

int each_name(int dirfd, unsigned char type, char *buf, size_t cap,
	      int (*fn)(void *ctx, const char *name), void *ctx)
{
	if (lseek(dirfd, 0, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		long n = syscall(SYS_getdents64, dirfd, buf, cap);

		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (long at = 0; at < n;) {
			const struct entry64 *e = (const void *)(buf + at);

			at += e->len;
			if (e->name[0] == '.' || (type != DT_UNKNOWN && e->type != type))
				continue;
			if (fn(ctx, e->name))
				return 0;
		}
	}
}

char *pid_path(char out[40], pid_t pid, const char *name)
{
	char digits[12];
	size_t n = 0, len = 0;
	unsigned v = (unsigned)pid;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		out[len++] = digits[--n];
	out[len++] = '/';
	for (; *name && len < 39; name++)
		out[len++] = *name;
	out[len] = '\0';
	return out;
}
