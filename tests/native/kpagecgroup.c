/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who a file's cached pages are charged to, by the kernel's own /proc/kpagecgroup:
 *
 *	kpagecgroup fault FILE FROM LENGTH	reads these bytes, no more (no read-ahead)
 *	kpagecgroup hold [FILE LENGTH]...	keeps that much of each in memory until it is killed
 *	kpagecgroup show FILE			"INODE-OF-THE-GROUP PAGES" a line
 *
 * Shares nothing with what it is the truth for.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUPS 64

static int die(const char *what)
{
	perror(what);
	return 1;
}

static int fault(const char *file, long long from, long long length)
{
	static char buf[4096];
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM))
		return die(file);
	for (long long at = from; at < from + length; at += (long long)sizeof(buf)) {
		if (pread(fd, buf, sizeof(buf), at) < 0)
			return die(file);
	}
	close(fd);
	return 0;
}

/* What is mapped is neither reclaimed nor dropped, and stays charged to who read it first. */
static int hold(int n, char **arg)
{
	for (int i = 0; i + 1 < n; i += 2) {
		size_t length = (size_t)strtoull(arg[i + 1], NULL, 10);
		int fd = open(arg[i], O_RDONLY | O_CLOEXEC);
		void *map = fd < 0 ? MAP_FAILED : mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);

		if (map == MAP_FAILED || madvise(map, length, MADV_RANDOM) < 0 ||
		    mlock(map, length) < 0)
			return die(arg[i]);
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

/* The entry of a page of ours, which is mapped. */
static int pfn_of(int pagemap, const void *page, uint64_t *ret)
{
	uint64_t entry;
	off_t at = (off_t)((uintptr_t)page / (uintptr_t)sysconf(_SC_PAGESIZE) * 8);

	if (pread(pagemap, &entry, sizeof(entry), at) != sizeof(entry) || !(entry >> 63))
		return -1;
	*ret = entry & ((UINT64_C(1) << 55) - 1);
	return 0;
}

static int show(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int kpagecgroup = open("/proc/kpagecgroup", O_RDONLY | O_CLOEXEC);
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages, groups = 0;
	uint64_t group[GROUPS], count[GROUPS];
	unsigned char *cached;
	struct stat st;
	char *map;

	if (fd < 0 || fstat(fd, &st) < 0)
		return die(file);
	if (pagemap < 0 || kpagecgroup < 0)
		return die("/proc/kpagecgroup");
	pages = ((size_t)st.st_size + page - 1) / page;
	cached = malloc(pages + 1);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (!cached || map == MAP_FAILED || madvise(map, (size_t)st.st_size, MADV_RANDOM) < 0 ||
	    mincore(map, (size_t)st.st_size, cached) < 0)
		return die(file);
	for (size_t i = 0; i < pages; i++) {
		uint64_t pfn, ino;
		size_t k = 0;

		if (!(cached[i] & 1))
			continue;
		(void)*(volatile char *)(map + i * page);
		if (pfn_of(pagemap, map + i * page, &pfn) < 0 ||
		    pread(kpagecgroup, &ino, sizeof(ino), (off_t)(pfn * 8)) != sizeof(ino))
			return die("page");
		while (k < groups && group[k] != ino)
			k++;
		if (k == GROUPS)
			return 1;
		if (k == groups) {
			group[groups] = ino;
			count[groups++] = 0;
		}
		count[k]++;
	}
	for (size_t k = 0; k < groups; k++)
		printf("%llu %llu\n", (unsigned long long)group[k], (unsigned long long)count[k]);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "fault"))
		return fault(argv[2], strtoll(argv[3], NULL, 10), strtoll(argv[4], NULL, 10));
	if (argc > 2 && !strcmp(argv[1], "hold"))
		return hold(argc - 2, argv + 2);
	if (argc == 3 && !strcmp(argv[1], "show"))
		return show(argv[2]);
	fprintf(stderr,
		"usage: kpagecgroup fault FILE FROM LENGTH | hold FILE LENGTH... | show FILE\n");
	return 2;
}
