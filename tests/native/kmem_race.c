/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Load for a scan to be torn by: files in DIR are created, renamed, truncated, evicted and deleted
 * without pause until this is killed.  No file is ever larger than 64 KiB, and every name begins
 * with "race-".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES 4000

/* Only what was written back can go. */
static int evict(const char *name)
{
	int fd = open(name, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	static char block[65536];
	uint64_t seed = 88172645463325252ULL;

	if (argc != 2 || chdir(argv[1]) < 0) {
		fprintf(stderr, "usage: kmem_race DIR\n");
		return 2;
	}
	memset(block, 'r', sizeof(block));
	for (;;) {
		char name[64], other[64];
		int fd;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		snprintf(name, sizeof(name), "race-%u", (unsigned)(seed % FILES));
		snprintf(other, sizeof(other), "race-%u", (unsigned)((seed >> 20) % FILES));
		switch ((seed >> 40) % 6) {
		case 0:
		case 1:
			fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
			if (fd >= 0) {
				if (write(fd, block, 1 + (seed >> 44) % sizeof(block)) < 0 &&
				    errno != ENOSPC)
					return 1;
				close(fd);
			}
			break;
		case 2:
			if (rename(name, other) < 0 && errno != ENOENT)
				return 1;
			break;
		case 3:
			if (unlink(name) < 0 && errno != ENOENT)
				return 1;
			break;
		case 4:
			if (truncate(name, (off_t)((seed >> 44) % sizeof(block))) < 0 &&
			    errno != ENOENT && errno != ENOSPC)
				return 1;
			break;
		case 5:
			if (evict(name) < 0 && errno != ENOENT)
				return 1;
			break;
		}
	}
}
