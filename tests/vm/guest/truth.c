/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ground truth of the guest, from the kernel's own system calls: static, needs nothing.
 *
 *   truth hold READY DELETED BYTES MEMFD BYTES SHM-BYTES   keep what has no name alive; READY gets
 *                                                          the truth of the shared memory
 *   truth show NAME STATE FSPATH PATH                      one row about a file
 *   truth touch PATH BYTES                                 a file of huge pages, touched
 *   truth tails PATH                                       how many of its pages lie inside a
 *                                                          larger folio
 *   truth frames PATH                                      its lowest and its highest page frame
 *   truth pagesize                                         in bytes
 *
 * A row: name, state and path that are expected, device, inode, bytes, pages in the page cache.
 * Readahead may leave pages beyond the end of a file; they are cached, and count.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

#define BEYOND_END (1 << 20)

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t resident(void *map, size_t bytes)
{
	size_t pages = (bytes + page_size() - 1) / page_size(), n = 0;
	unsigned char *in = calloc(pages + 1, 1);

	if (!in || mincore(map, bytes, in) < 0)
		die("mincore");
	for (size_t i = 0; i < pages; i++)
		n += in[i] & 1;
	free(in);
	return n;
}

static void show(const char *name, const char *state, const char *fspath, const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	size_t pages = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(path);
	if (st.st_size) {
		size_t bytes = (size_t)st.st_size + BEYOND_END;
		void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);

		if (map == MAP_FAILED)
			die(path);
		pages = resident(map, bytes);
	}
	printf("%s\t%s\t%s\t%u:%u\t%llu\t%llu\t%zu\n", name, state, fspath, major(st.st_dev),
	       minor(st.st_dev), (unsigned long long)st.st_ino, (unsigned long long)st.st_size,
	       pages);
}

static void fill(int fd, size_t bytes)
{
	char block[4096];

	memset(block, 'x', sizeof(block));
	while (bytes) {
		size_t n = bytes < sizeof(block) ? bytes : sizeof(block);

		if (write(fd, block, n) != (ssize_t)n)
			die("write");
		bytes -= n;
	}
}

/* Our own line of /proc/self/maps: device and inode of the segment. */
static void shm_row(FILE *out, void *map, size_t bytes)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];

	if (!maps)
		die("/proc/self/maps");
	while (fgets(line, sizeof(line), maps)) {
		unsigned long start, ino;
		unsigned maj, min;

		if (sscanf(line, "%lx-%*x %*s %*x %x:%x %lu", &start, &maj, &min, &ino) == 4 &&
		    start == (unsigned long)(uintptr_t)map)
			fprintf(out, "sysv-shm\tunnamed\tSYSV\t%u:%u\t%lu\t%zu\t%zu\n", maj, min,
				ino, bytes, resident(map, bytes));
	}
	fclose(maps);
}

static void hold(char **argv)
{
	size_t shm_bytes = strtoul(argv[5], NULL, 10);
	int deleted = open(argv[1], O_RDWR | O_CREAT | O_EXCL, 0600);
	int memfd = memfd_create(argv[3], 0);
	int id = shmget(IPC_PRIVATE, shm_bytes, IPC_CREAT | 0600);
	void *map;
	FILE *ready;
	char partial[256];

	if (deleted < 0 || memfd < 0 || id < 0)
		die("hold");
	fill(deleted, strtoul(argv[2], NULL, 10));
	if (unlink(argv[1]) < 0)
		die(argv[1]);
	fill(memfd, strtoul(argv[4], NULL, 10));
	map = shmat(id, NULL, 0);
	if (map == (void *)-1)
		die("shmat");
	memset(map, 'x', shm_bytes);
	/* Where show finds them: fixed descriptors. */
	if (dup2(deleted, 20) < 0 || dup2(memfd, 21) < 0)
		die("dup2");
	snprintf(partial, sizeof(partial), "%s.partial", argv[0]);
	ready = fopen(partial, "w");
	if (!ready)
		die(partial);
	shm_row(ready, map, shm_bytes);
	fclose(ready);
	if (rename(partial, argv[0]) < 0)
		die(argv[0]);
	for (;;)
		pause();
}

static void touch(const char *path, size_t bytes)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	void *map;

	if (fd < 0)
		die(path);
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die(path);
	memset(map, 'x', bytes);
}

#define PAGEMAP_PRESENT (1ULL << 63)
#define PAGEMAP_FRAME ((1ULL << 55) - 1)
#define KPF_COMPOUND_TAIL (1ULL << 16)

/* Of the page frames of a file: how many are tails, the lowest and the highest number. */
static void frames(const char *path, size_t *ret_tails, uint64_t *ret_low, uint64_t *ret_high)
{
	int fd = open(path, O_RDONLY), pagemap = open("/proc/self/pagemap", O_RDONLY);
	int flags = open("/proc/kpageflags", O_RDONLY);
	volatile unsigned char *map;
	struct stat st;

	if (fd < 0 || pagemap < 0 || flags < 0 || fstat(fd, &st) < 0)
		die(path);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die(path);
	*ret_tails = 0;
	*ret_low = UINT64_MAX;
	*ret_high = 0;
	for (size_t i = 0; i < (size_t)st.st_size; i += page_size()) {
		uint64_t entry, frame, of_page;

		(void)map[i];
		if (pread(pagemap, &entry, 8, (off_t)(((uintptr_t)map + i) / page_size() * 8)) !=
			    8 ||
		    !(entry & PAGEMAP_PRESENT))
			die("pagemap");
		frame = entry & PAGEMAP_FRAME;
		if (pread(flags, &of_page, 8, (off_t)(frame * 8)) != 8)
			die("kpageflags");
		*ret_tails += !!(of_page & KPF_COMPOUND_TAIL);
		*ret_low = frame < *ret_low ? frame : *ret_low;
		*ret_high = frame > *ret_high ? frame : *ret_high;
	}
}

static void show_frames(const char *path, int only_tails)
{
	uint64_t low, high;
	size_t tails;

	frames(path, &tails, &low, &high);
	if (only_tails)
		printf("%zu\n", tails);
	else
		printf("%llu %llu\n", (unsigned long long)low, (unsigned long long)high);
}

int main(int argc, char **argv)
{
	if (argc == 8 && strcmp(argv[1], "hold") == 0)
		hold(argv + 2);
	else if (argc == 6 && strcmp(argv[1], "show") == 0)
		show(argv[2], argv[3], argv[4], argv[5]);
	else if (argc == 4 && strcmp(argv[1], "touch") == 0)
		touch(argv[2], strtoul(argv[3], NULL, 10));
	else if (argc == 3 && strcmp(argv[1], "tails") == 0)
		show_frames(argv[2], 1);
	else if (argc == 3 && strcmp(argv[1], "frames") == 0)
		show_frames(argv[2], 0);
	else if (argc == 2 && strcmp(argv[1], "pagesize") == 0)
		printf("%zu\n", page_size());
	else
		return 2;
	return 0;
}
