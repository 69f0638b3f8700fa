/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ground truth: how much of each file the kernel says is in its page cache, by cachestat(2)
 * where it exists (6.5), else by mincore(2) on a fresh mapping.  Prints "BYTES\tPATH".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

struct range {
	uint64_t off, len;
};
struct stats {
	uint64_t cache, dirty, writeback, evicted, recently_evicted;
};

static long long by_mincore(int fd, size_t size, size_t page)
{
	size_t pages = (size + page - 1) / page, cached = 0;
	unsigned char *vec = malloc(pages ? pages : 1);
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	if (!vec || map == MAP_FAILED || mincore(map, size, vec) < 0) {
		free(vec);
		return -1;
	}
	for (size_t i = 0; i < pages; i++)
		cached += vec[i] & 1;
	munmap(map, size);
	free(vec);
	return (long long)(cached * page);
}

int main(int argc, char **argv)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (int i = 1; i < argc; i++) {
		struct range range = {0, 0};
		struct stats stats;
		struct stat st;
		long long bytes;
		int fd = open(argv[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0 || fstat(fd, &st) < 0) {
			fprintf(stderr, "cached: %s: %s\n", argv[i], strerror(errno));
			return 1;
		}
		if (syscall(SYS_cachestat, fd, &range, &stats, 0) == 0)
			bytes = (long long)(stats.cache * page);
		else if (st.st_size == 0)
			bytes = 0;
		else
			bytes = by_mincore(fd, (size_t)st.st_size, page);
		if (bytes < 0) {
			fprintf(stderr, "cached: %s: %s\n", argv[i], strerror(errno));
			return 1;
		}
		printf("%lld\t%s\n", bytes, argv[i]);
		close(fd);
	}
	return 0;
}
