/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Huge pages that a process has mapped and never touched: the pool keeps them for it
 * (resv_hugepages) and gives them to nobody else.  The kernel does not tell who reserved, so the
 * mappings do: those of the file systems huge pages come from, less what of them is resident
 * (HugetlbPages of status). Nobody's maps are read while nothing is reserved.  Source: mm/hugetlb.c
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "gather.h"
#include "object_walk.h"
#include "watch.h"

#define MAX_DEVICES 64
#define PATIENCE_NS (300 * NSEC_PER_MSEC)
#define MAX_STUCK 4
#define MAP_SHIFT 26 /* MAP_HUGE_SHIFT */

struct huge_walk {
	struct object_walk *w;
	const struct tasks *tasks;
	uint64_t device[MAX_DEVICES]; /* major << 32 | minor, of the file systems of huge pages */
	unsigned device_count;
	uint64_t reserved;
	unsigned stuck;
};

/* A number that ends with this character; NULL: it is none.  Else what follows. */
static const char *number(const char *p, int base, char end, uint64_t *ret)
{
	char *after;

	if (!p || *p == '-' || *p == '+' || *p == ' ')
		return NULL;
	*ret = strtoull(p, &after, base);
	return after != p && *after == end ? after + 1 : NULL;
}

/* "START-END PERMS OFFSET MAJ:MIN INODE …", as maps has it. */
static bool parse_mapping(const char *line, uint64_t *start, uint64_t *end, uint64_t *maj,
			  uint64_t *min)
{
	const char *p = number(number(line, 16, '-', start), 16, ' ', end);

	for (int i = 0; i < 2 && p; i++) { /* permissions, offset */
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	return number(number(p, 16, ':', maj), 16, ' ', min) != NULL;
}

static bool is_huge(const struct huge_walk *h, uint64_t maj, uint64_t min)
{
	for (unsigned i = 0; i < h->device_count; i++)
		if (h->device[i] == (maj << 32 | min))
			return true;
	return false;
}

static void add_numbers(struct huge_walk *h, uint64_t maj, uint64_t min)
{
	if (!is_huge(h, maj, min) && h->device_count < MAX_DEVICES)
		h->device[h->device_count++] = maj << 32 | min;
}

/* The kernel's own mount of each size shows no name; a mapping of ours that reserves nothing does.
 */
static void own_mount(struct huge_walk *h, unsigned shift)
{
	size_t len = (size_t)1 << shift;
	void *p = mmap(NULL, len, PROT_READ,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE |
			       (int)(shift << MAP_SHIFT),
		       -1, 0);
	_cleanup_file_ FILE *f = NULL;
	char line[512];

	if (p == MAP_FAILED)
		return;
	f = fopen("/proc/self/maps", "re");
	while (f && fgets(line, sizeof(line), f)) {
		uint64_t start, end, maj, min;

		if (parse_mapping(line, &start, &end, &maj, &min) && start == (uintptr_t)p)
			add_numbers(h, maj, min);
	}
	munmap(p, len);
}

/* Every pool: whether anything is reserved, and the mount behind it. */
static void pools(struct huge_walk *h)
{
	const struct sysroot *root = h->w->c->root;
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *entry;
	int fd = gather_open(root, "sys/kernel/mm/hugepages", O_DIRECTORY);

	if (fd < 0)
		return;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return;
	}
	while ((entry = readdir(d))) {
		const char *size = entry->d_name + strlen("hugepages-");
		char path[320], text[32];
		uint64_t kb, n;

		if (strncmp(entry->d_name, "hugepages-", strlen("hugepages-")) != 0 ||
		    !number(size, 10, 'k', &kb) || !kb || kb & (kb - 1))
			continue;
		snprintf(path, sizeof(path), "sys/kernel/mm/hugepages/%s/resv_hugepages",
			 entry->d_name);
		if (gather_read(root, path, text, sizeof(text), NULL) <= 0)
			continue;
		n = strtoull(text, NULL, 10);
		if (!n)
			continue;
		h->reserved += n * kb * 1024;
		own_mount(h, (unsigned)__builtin_ctzll(kb) + 10);
	}
}

static void named_mounts(struct huge_walk *h)
{
	_cleanup_file_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	while (f && getline(&line, &room, f) > 0) {
		const char *p = strchr(line, ' '); /* behind the mount's id */
		uint64_t maj, min;

		p = p ? strchr(p + 1, ' ') : NULL; /* and its parent's */
		if (p && strstr(line, " - hugetlbfs ") &&
		    number(number(p + 1, 10, ':', &maj), 10, ' ', &min))
			add_numbers(h, maj, min);
	}
}

/* In the helper, which may never come back: the bytes of the process's mappings of huge pages. */
static ssize_t read_mappings(void *ctx, size_t index, char *buf, size_t cap, uint32_t *ret_mark)
{
	struct huge_walk *h = ctx;
	_cleanup_file_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	uint64_t bytes = 0;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "%u/maps", h->tasks->rows[index].tgid);
	fd = openat(h->w->c->root->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	while (getline(&line, &room, f) > 0) {
		uint64_t start, end, maj, min;

		if (parse_mapping(line, &start, &end, &maj, &min) && end > start &&
		    is_huge(h, maj, min))
			bytes += end - start;
	}
	return bytes ? snprintf(buf, cap, "%" PRIu64, bytes) : 0;
}

static uint64_t resident(struct huge_walk *h, uint32_t pid)
{
	char path[32], text[8192];
	unsigned long long kb;

	snprintf(path, sizeof(path), "%u/status", pid);
	if (read_file_at(h->w->c->root->proc_fd, path, text, sizeof(text)) < 0 ||
	    find_key_u64(text, "HugetlbPages", &kb) < 0)
		return 0;
	return kb * 1024;
}

static int one_process(void *ctx, size_t index, const char *data, size_t len, int no, uint32_t mark)
{
	struct huge_walk *h = ctx;
	uint32_t pid = h->tasks->rows[index].tgid;
	struct object o = {.kind = OBJECT_HUGE_PAGES,
			   .memory = MEMORY_HUGETLB,
			   .id = pid,
			   .capacity = OBJECT_NONE,
			   .waiting = OBJECT_NONE,
			   .count = 1};
	uint64_t mapped = 0, used;
	char text[32];

	h->stuck += no == ETIMEDOUT || no == ECHILD;
	if (!len || len >= sizeof(text))
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	mapped = strtoull(text, NULL, 10);
	used = resident(h, pid);
	if (mapped <= used)
		return 0;
	/* Of a mapping that reserves nothing (MAP_NORESERVE) nothing is kept. */
	o.bytes = mapped - used < h->reserved ? mapped - used : h->reserved;
	o.page_bytes = 0;
	snprintf(o.name, sizeof(o.name), "huge pages, reserved and not used");
	snprintf(o.detail, sizeof(o.detail), "mapped %" PRIu64 " MiB, in use %" PRIu64 " MiB",
		 mapped >> 20, used >> 20);
	if (!object_find(h->w->t, OBJECT_HUGE_PAGES, pid)) {
		object_add(h->w->t, &o);
		object_hold(h->w->t, OBJECT_HUGE_PAGES, pid, pid);
	}
	return 0;
}

int object_huge_pages(struct object_walk *w, const struct tasks *tasks)
{
	struct huge_walk h = {.w = w, .tasks = tasks};
	const struct watch watch = {.read = read_mappings,
				    .sink = one_process,
				    .ctx = &h,
				    .count = tasks->count,
				    .cap = 64,
				    .patience_ns = PATIENCE_NS,
				    .max_stuck = MAX_STUCK,
				    .keep = &w->c->root->proc_fd,
				    .keep_count = 1};
	struct watch_outcome outcome = {0};
	int r;

	pools(&h);
	if (!h.reserved)
		return 0;
	named_mounts(&h);
	r = watch_each(&watch, &outcome);
	emit_loss(w->c->out, "processes whose mappings are locked", h.stuck);
	return r == -ETIME ? 0 : r;
}
