/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "residency.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/clock.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* the same on every architecture */
#endif

/* uapi/linux/mman.h since 6.5; our build hosts are older. */
struct range {
	uint64_t off, len; /* len 0: to the end */
};
struct counts {
	uint64_t cache, dirty, writeback, evicted, recently_evicted;
};

#define WINDOW_PAGES 65536u

static int by_cachestat(int fd, uint64_t *ret)
{
	struct range all = {0, 0};
	struct counts n;

	if (syscall(SYS_cachestat, fd, &all, &n, 0) < 0)
		return -errno;
	*ret = n.cache;
	return 0;
}

/* To anybody else mincore() says that everything is there (since 5.2). */
static bool told_the_truth(int fd)
{
	char path[32];
	struct stat st;

	if (geteuid() == 0 || (fstat(fd, &st) == 0 && st.st_uid == geteuid()))
		return true;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
}

static int count_window(int fd, uint64_t offset, size_t len, size_t page_size, uint64_t *total)
{
	unsigned char in_core[WINDOW_PAGES];
	size_t pages = (len + page_size - 1) / page_size;
	void *p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, (off_t)offset);
	int r = 0;

	if (p == MAP_FAILED)
		return -errno;
	if (mincore(p, len, in_core) < 0)
		r = -errno;
	munmap(p, len);
	for (size_t i = 0; r == 0 && i < pages; i++)
		*total += in_core[i] & 1;
	return r;
}

static int by_mincore(const struct residency *q, int fd, uint64_t size, uint64_t *ret)
{
	const size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	const uint64_t window = (uint64_t)WINDOW_PAGES * page_size;
	uint64_t total = 0;

	if (!told_the_truth(fd))
		return -EPERM;
	for (uint64_t at = 0; at < size; at += window) {
		size_t len = size - at < window ? (size_t)(size - at) : (size_t)window;
		int r;

		if (q->deadline_ns && clock_ns(CLOCK_MONOTONIC) >= q->deadline_ns)
			return -ETIME;
		r = count_window(fd, at, len, page_size, &total);
		if (r < 0)
			return r;
	}
	*ret = total;
	return 0;
}

int residency_count(struct residency *q, int fd, uint64_t size, bool through, uint64_t *ret_pages)
{
	if (!through && !q->no_cachestat) {
		int r = by_cachestat(fd, ret_pages);

		if (r != -ENOSYS)
			return r;
		q->no_cachestat = true;
	}
	return by_mincore(q, fd, size, ret_pages);
}
