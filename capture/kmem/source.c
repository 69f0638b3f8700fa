/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ladder of sources, and what all of them share. */
#include "kmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cleanup.h"
#include "../base/proc.h"

int kmem_view(struct kmem_source *s, uint64_t addr, size_t len, const void **ret)
{
	if (len > KMEM_READ_MAX)
		return -E2BIG;
	return s->ops->read(s, addr, s->buffer, len, ret);
}

int kmem_read(struct kmem_source *s, uint64_t addr, void *buf, size_t len)
{
	const void *p;
	int r;

	if (len > KMEM_READ_MAX)
		return -E2BIG;
	r = s->ops->read(s, addr, buf, len, &p);
	if (r == 0 && p != buf)
		memcpy(buf, p, len);
	return r;
}

int kmem_gather(struct kmem_source *s, const uint64_t *addr, size_t n, size_t size, void *buf,
		size_t *ret_faults)
{
	size_t step, total = 0;

	if (size == 0 || size > KMEM_ITEM_MAX)
		return -E2BIG;
	step = KMEM_READ_MAX / size;
	if (step > KMEM_GATHER_MAX)
		step = KMEM_GATHER_MAX;
	for (size_t i = 0; i < n; i += step) {
		size_t count = n - i < step ? n - i : step, faults;
		char *out = (char *)buf + i * size;
		const void *p;
		int r = s->ops->gather(s, addr + i, count, size, out, &p, &faults);

		if (r < 0)
			return r;
		if (p != out)
			memcpy(out, p, count * size);
		total += faults;
	}
	*ret_faults = total;
	return 0;
}

uint64_t kmem_page_count(const struct kmem_source *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->range_count; i++)
		n += s->ranges[i].end_pfn - s->ranges[i].start_pfn;
	return n;
}

void kmem_close(struct kmem_source *s)
{
	if (s)
		s->ops->close(s);
}

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

void kmem_lockdown(const struct sysroot *root, char out[KMEM_LOCKDOWN])
{
	char text[128];
	const char *open, *close;

	out[0] = '\0';
	if (root->sys_fd < 0 ||
	    read_file_at(root->sys_fd, "kernel/security/lockdown", text, sizeof(text)) < 0)
		return;
	open = strchr(text, '[');
	close = open ? strchr(open, ']') : NULL;
	if (close)
		snprintf(out, KMEM_LOCKDOWN, "%.*s", (int)(close - open - 1), open + 1);
}

/* Under lockdown=confidentiality both rungs are refused, bpf in words that do not say so: the
 * helper is then unknown to the verifier. */
static int explain_lockdown(int r, const struct sysroot *root, struct err *e)
{
	char level[KMEM_LOCKDOWN];

	kmem_lockdown(root, level);
	if (strcmp(level, "confidentiality") != 0)
		return r;
	return err_set(e, EPERM, "%.*s: Operation not permitted (kernel lockdown=confidentiality)",
		       (int)strcspn(e->text, ":"), e->text);
}

int kmem_open(struct kmem_source **ret, const struct capture_options *o, const struct sysroot *root,
	      const struct kmem_layout *l, struct err *e)
{
	struct err kcore = {0}, bpf = {0};
	int r, r2;

	switch (o->memory_source) {
	case MEMORY_CORE:
		return kmem_open_core(ret, o->core_file, root, l, e);
	case MEMORY_KPAGEFLAGS:
		return err_set(e, ENOTSUP, "memory source kpageflags: not in this version");
	case MEMORY_PROCFS:
		return err_set(e, ENOTSUP, "memory source procfs: holds no page-cache scan");
	default:
		break;
	}
	if (root->recorded)
		return err_set(e, ENOTSUP,
			       "%s: a recorded tree; --memory-source core:FILE reads the "
			       "memory recorded with it",
			       root->path);
	if (o->memory_source != MEMORY_BPF) {
		r = kmem_open_kcore(ret, root, l, &kcore);
		if (r == 0)
			return 0;
		r = explain_lockdown(r, root, &kcore);
		if (o->memory_source == MEMORY_KCORE)
			return err_set(e, -r, "%s", kcore.text);
	}
	r2 = kmem_open_bpf(ret, root, l, &bpf);
	if (r2 == 0) {
		if (kcore.no)
			err_set(e, kcore.no, "%s; using bpf", kcore.text);
		return 0;
	}
	r2 = explain_lockdown(r2, root, &bpf);
	if (!kcore.no)
		return err_set(e, -r2, "%s", bpf.text);
	/* A kernel without kcore but a caller without privilege: the second is what to tell. */
	return err_set(e, -r2, "%s; %s", kcore.text, bpf.text);
}
