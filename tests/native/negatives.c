/* SPDX-License-Identifier: GPL-2.0-or-later */
/* negatives DIRECTORY COUNT: look for that many names that do not exist. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	char path[4096];
	struct stat st;
	long n;

	if (argc != 3)
		return 2;
	n = strtol(argv[2], NULL, 10);
	for (long i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/not-there-%ld", argv[1], i);
		if (stat(path, &st) == 0)
			return 1;
	}
	return 0;
}
