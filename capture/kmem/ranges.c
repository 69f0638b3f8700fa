/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which page frames are RAM. */
#include "kmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"

/* "START-END : System RAM", both inclusive, in hexadecimal.  Only the top level: what begins with
 * a space lies inside another range. */
static bool parse_iomem_line(const char *line, uint64_t *ret_start, uint64_t *ret_end)
{
	char *dash, *after;

	if (line[0] == ' ' || !strstr(line, " : System RAM"))
		return false;
	*ret_start = strtoull(line, &dash, 16);
	if (dash == line || *dash != '-')
		return false;
	*ret_end = strtoull(dash + 1, &after, 16);
	return after != dash + 1;
}

static int read_iomem(FILE *file, size_t page_size, struct kmem_range *ranges, size_t *ret_count,
		      struct err *e)
{
	char line[256];
	size_t n = 0;

	while (fgets(line, sizeof(line), file)) {
		uint64_t start, end;

		if (!parse_iomem_line(line, &start, &end))
			continue;
		if (end <= start)
			return err_set(e, EACCES,
				       "/proc/iomem: addresses are hidden (needs CAP_SYS_ADMIN)");
		start = (start + page_size - 1) / page_size;
		end = (end + 1) / page_size;
		if (end <= start)
			continue;
		if (n && ranges[n - 1].end_pfn > start)
			return err_set(e, EINVAL, "/proc/iomem: ranges overlap");
		if (n == KMEM_MAX_RANGES)
			return err_set(e, E2BIG, "/proc/iomem: more than %d ranges of System RAM",
				       KMEM_MAX_RANGES);
		ranges[n++] = (struct kmem_range){start, end};
	}
	*ret_count = n;
	return n ? 0 : err_set(e, ENODATA, "/proc/iomem: no System RAM in it");
}

int kmem_ranges_from_iomem(struct kmem_range **ret, size_t *ret_count, const struct sysroot *root,
			   size_t page_size, struct err *e)
{
	struct kmem_range *ranges;
	_cleanup_file_ FILE *file = NULL;
	int fd, r;

	fd = openat(root->proc_fd, "iomem", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, errno, "/proc/iomem");
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return err_errno(e, ENOMEM, "/proc/iomem");
	}
	ranges = calloc(KMEM_MAX_RANGES, sizeof(*ranges));
	if (!ranges)
		return err_errno(e, ENOMEM, "/proc/iomem");
	r = read_iomem(file, page_size, ranges, ret_count, e);
	if (r < 0)
		free(ranges);
	else
		*ret = ranges;
	return r;
}
