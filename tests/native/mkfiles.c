/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A leak of small files: COUNT files of MIN..MAX bytes (deterministic sizes) in DIR.  Prints the
 * bytes they occupy in whole pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	uint64_t seed = 88172645463325252ULL, total = 0, page = (uint64_t)sysconf(_SC_PAGESIZE);
	unsigned long count, min, max;
	char *block, path[4096];

	if (argc != 5) {
		fprintf(stderr, "usage: mkfiles DIR COUNT MIN MAX\n");
		return 2;
	}
	count = strtoul(argv[2], NULL, 10);
	min = strtoul(argv[3], NULL, 10);
	max = strtoul(argv[4], NULL, 10);
	block = malloc(max);
	if (!block || min > max)
		return 2;
	memset(block, 'x', max);
	for (unsigned long i = 0; i < count; i++) {
		size_t size;
		int fd;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		size = min + seed % (max - min + 1);
		snprintf(path, sizeof(path), "%s/segment-%06lu", argv[1], i);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 || write(fd, block, size) != (ssize_t)size) {
			fprintf(stderr, "mkfiles: %s: %s\n", path, strerror(errno));
			return 1;
		}
		close(fd);
		total += (size + page - 1) / page * page;
	}
	printf("%llu\n", (unsigned long long)total);
	free(block);
	return 0;
}
