/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every memory file of every group of the hierarchies that account memory.  Only files of a list
 * are opened: some files of a cgroup act when they are touched (memory.force_empty,
 * memory.reclaim, cgroup.kill).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "gather.h"
#include "hierarchy.h"

#define MAX_GROUPS 100000u
#define MAX_DEPTH 64
#define MAX_PATH 4096
#define FILE_CAP (60u << 10)
#define PROCS "cgroup.procs"

/* At most 64 each.  The first ones are read at the start as well: usage, and what counts up. */
#define V1_AT_START 3
#define V2_AT_START 4
static const char *const v1_files[] = {
	"memory.usage_in_bytes",
	"memory.failcnt",
	"memory.oom_control",
	"memory.limit_in_bytes",
	"memory.stat",
	"memory.max_usage_in_bytes",
	"memory.soft_limit_in_bytes",
	"memory.use_hierarchy",
	"memory.swappiness",
	"memory.numa_stat",
	"memory.memsw.usage_in_bytes",
	"memory.memsw.limit_in_bytes",
	"memory.memsw.max_usage_in_bytes",
	"memory.memsw.failcnt",
	"memory.kmem.usage_in_bytes",
	"memory.kmem.limit_in_bytes",
	"memory.kmem.max_usage_in_bytes",
	"memory.kmem.failcnt",
	"memory.kmem.tcp.usage_in_bytes",
	"memory.kmem.tcp.limit_in_bytes",
	"memory.kmem.tcp.max_usage_in_bytes",
	"memory.kmem.tcp.failcnt",
	"memory.kmem.slabinfo", /* empty since 5.9 */
	/* Anolis and Alibaba Cloud Linux */
	"memory.min",
	"memory.low",
	"memory.high",
	"memory.events",
	"memory.events.local",
	"memory.pressure",
	"memory.exstat",
	"memory.priority",
	"memory.use_priority_oom",
	"memory.oom.group",
	"memory.wmark_ratio",
	"memory.wmark_high",
	"memory.wmark_low",
	"memory.wmark_scale_factor",
	"memory.wmark_min_adj",
	PROCS,
};

static const char *const v2_files[] = {
	"memory.current",
	"memory.events",
	"memory.pressure",
	"cgroup.stat",
	"memory.max",
	"memory.high",
	"memory.low",
	"memory.min",
	"memory.peak",
	"memory.stat",
	"memory.numa_stat",
	"memory.events.local",
	"memory.oom.group",
	"memory.swap.current",
	"memory.swap.max",
	"memory.swap.high",
	"memory.swap.peak",
	"memory.swap.events",
	"memory.zswap.current",
	"memory.zswap.max",
	"memory.zswap.writeback",
	"memory.wmark_ratio",
	"memory.wmark_high",
	"memory.wmark_low",
	"memory.exstat",
	"hugetlb.2MB.current",
	"hugetlb.1GB.current",
	"cgroup.events",
	"cgroup.type",
	"cgroup.controllers",
	"io.pressure",
	"cpu.pressure",
	"cpu.stat",
	"cpu.max",
	"pids.current",
	"pids.max",
	PROCS,
};

struct walk {
	struct collect *c;
	struct gather g;
	struct gather_clock clock;
	const char *const *files;
	size_t file_count, at_start;
	bool first;
	unsigned groups, beyond, deep, late;
	char path[MAX_PATH]; /* "memory/a/b": the entry's name without the file */
	size_t path_len;
};

static void cgroups_probe(const struct capture_options *o, const struct sysroot *root,
			  struct probe_result *ret)
{
	struct hierarchy h[HIERARCHIES_MAX];

	*ret = (struct probe_result){.status = COLLECTOR_OK, .expected_bytes = 64 << 10};
	if (!hierarchies_find(root, h)) {
		ret->status = COLLECTOR_UNSUPPORTED;
		ret->no = ENOENT;
		snprintf(ret->reason, sizeof(ret->reason),
			 "/proc/self/mountinfo: neither cgroup2 nor a v1 memory hierarchy is "
			 "mounted");
	}
}

static int count_processes(struct walk *w, int dirfd)
{
	_cleanup_fd_ int fd = gather_openat(w->c->root, dirfd, PROCS, O_NOFOLLOW);
	uint64_t lines = 0;
	char text[24];
	ssize_t n;

	if (fd < 0)
		return 0;
	while ((n = read(fd, w->g.chunk, GATHER_CHUNK)) > 0)
		for (char *p = w->g.chunk; (p = memchr(p, '\n', (size_t)(w->g.chunk + n - p))); p++)
			lines++;
	if (n < 0) /* EOPNOTSUPP: a threaded group.  Not known, so not said. */
		return 0;
	memcpy(w->path + w->path_len, "/" PROCS ".count", sizeof("/" PROCS ".count"));
	n = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)lines);
	return pack_data(w->c->out, w->path, text, (size_t)n, 0);
}

static int group_file(struct walk *w, int dirfd, const char *file)
{
	bool cut = false;
	ssize_t n;
	int fd;

	if (!strcmp(file, PROCS))
		return count_processes(w, dirfd);
	w->path[w->path_len] = '/';
	memcpy(w->path + w->path_len + 1, file, strlen(file) + 1);
	fd = gather_openat(w->c->root, dirfd, file, O_NOFOLLOW);
	n = fd < 0 ? fd : gather_read_fd(fd, w->g.chunk, FILE_CAP, &cut);
	if (fd >= 0)
		close(fd);
	if (n >= 0) {
		w->g.delivered++;
		return pack_data(w->c->out, w->path, w->g.chunk, (size_t)n, cut ? EFBIG : 0);
	}
	if (gather_absent((int)-n)) /* the group went away, or PSI is off */
		return 0;
	gather_count(&w->g, file, (int)-n);
	return pack_data(w->c->out, w->path, "", 0, (int)-n);
}

/* The listed files that are there: fewer opens than trying each name in each group. */
static int group_files(struct walk *w, DIR *dir, bool *ret_children)
{
	uint64_t there = 0;
	struct dirent *d;
	int r = 0;

	*ret_children = false;
	while ((d = readdir(dir))) {
		if (d->d_type == DT_DIR || d->d_type == DT_UNKNOWN)
			*ret_children = *ret_children || d->d_name[0] != '.';
		for (size_t i = 0; i < w->file_count; i++)
			if (!strcmp(d->d_name, w->files[i])) {
				there |= UINT64_C(1) << i;
				break;
			}
	}
	if (w->first)
		there &= (UINT64_C(1) << w->at_start) - 1;
	for (size_t i = 0; i < w->file_count && r >= 0; i++)
		if (there & UINT64_C(1) << i)
			r = group_file(w, dirfd(dir), w->files[i]);
	w->groups++;
	return r;
}

static DIR *open_group(struct walk *w, int parent, const char *name)
{
	int fd = gather_openat(w->c->root, parent, name, O_DIRECTORY | O_NOFOLLOW);
	DIR *dir;

	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (!dir)
		close(fd);
	return dir;
}

/* A group, then what is below it: when time runs out, the upper levels are there. */
static int walk_group(struct walk *w, DIR *dir, int depth)
{
	struct dirent *d;
	bool children;
	int r;

	r = group_files(w, dir, &children);
	if (r < 0 || !children)
		return r;
	rewinddir(dir);
	while (r >= 0 && (d = readdir(dir))) {
		size_t len = strlen(d->d_name), saved = w->path_len;
		_cleanup_dir_ DIR *child = NULL;

		if (d->d_name[0] == '.' || (d->d_type != DT_DIR && d->d_type != DT_UNKNOWN))
			continue;
		if (w->groups >= MAX_GROUPS) {
			w->beyond++;
			continue;
		}
		if (depth >= MAX_DEPTH || saved + len + 64 > sizeof(w->path)) {
			w->deep++;
			continue;
		}
		if (gather_expired(&w->clock)) {
			w->late++;
			continue;
		}
		child = open_group(w, dirfd(dir), d->d_name);
		if (!child) /* removed meanwhile, or a file of unknown type */
			continue;
		w->path[saved] = '/';
		memcpy(w->path + saved + 1, d->d_name, len + 1);
		w->path_len = saved + 1 + len;
		r = walk_group(w, child, depth + 1);
		w->path_len = saved;
	}
	return r;
}

/* --cgroup: the groups on the way, whose limits count too, then the group with all below it.
 * 1: it is in this hierarchy, 0: it is not. */
static int walk_narrowed(struct walk *w, const struct hierarchy *h, DIR *root, const char *group)
{
	_cleanup_dir_ DIR *below = NULL;
	DIR *at = root;
	bool children;
	int r = 0;

	if (!hierarchy_below(group, h->prefix[0] ? h->prefix : "/"))
		return 0;
	for (const char *p = group + strlen(h->prefix); *p && r >= 0;) {
		char name[256];
		size_t n;
		DIR *next;

		p += strspn(p, "/");
		n = strcspn(p, "/");
		if (!n)
			break;
		if (n >= sizeof(name) || w->path_len + n + 64 > sizeof(w->path))
			return -ENAMETOOLONG;
		memcpy(name, p, n);
		name[n] = 0;
		p += n;
		next = open_group(w, dirfd(at), name);
		if (!next)
			return 0;
		r = group_files(w, at, &children);
		if (below)
			closedir(below);
		at = below = next;
		w->path[w->path_len] = '/';
		memcpy(w->path + w->path_len + 1, name, n + 1);
		w->path_len += n + 1;
	}
	if (r >= 0)
		r = walk_group(w, at, 0);
	return r < 0 ? r : 1;
}

static int walk_hierarchy(struct walk *w, const struct hierarchy *h, const char *group)
{
	_cleanup_dir_ DIR *root = NULL;
	int fd = gather_open(w->c->root, h->mount, O_DIRECTORY);

	w->files = h->v2 ? v2_files : v1_files;
	w->file_count = h->v2 ? ARRAY_SIZE(v2_files) : ARRAY_SIZE(v1_files);
	w->at_start = h->v2 ? V2_AT_START : V1_AT_START;
	w->path_len =
		(size_t)snprintf(w->path, sizeof(w->path), "%s%s", h->name, group ? "" : h->prefix);
	root = fd < 0 ? NULL : fdopendir(fd);
	if (!root) {
		gather_count(&w->g, h->mount, fd < 0 ? -fd : ENOMEM);
		if (fd >= 0)
			close(fd);
		return 0;
	}
	if (!group)
		return walk_group(w, root, 0);
	w->path_len += (size_t)snprintf(w->path + w->path_len, sizeof(w->path) - w->path_len, "%s",
					h->prefix);
	return walk_narrowed(w, h, root, group);
}

static void report(struct walk *w, const char *group, bool found)
{
	struct emit *out = w->c->out;

	gather_report(&w->g, "root");
	emit_loss(out, "groups beyond the bound", w->beyond);
	emit_loss(out, "groups too deep", w->deep);
	emit_loss(out, "subtrees not read in time", w->late);
	if (group && !found)
		emit_status(out, COLLECTOR_PARTIAL, ENOENT, "--cgroup %s: %s", group,
			    strerror(ENOENT));
	else if (w->late)
		emit_status(out, COLLECTOR_PARTIAL, ETIME,
			    "time ran out after %u groups; %u subtrees were not read", w->groups,
			    w->late);
	else if (w->beyond || w->deep)
		emit_status(out, COLLECTOR_PARTIAL, E2BIG,
			    "%u groups read; %u beyond the bound, %u too deep", w->groups,
			    w->beyond, w->deep);
}

static int cgroups_reading(struct collect *c, bool first)
{
	struct hierarchy h[HIERARCHIES_MAX];
	struct walk w = {.c = c, .first = first};
	char group[1024], member[64], ms[16];
	bool found = false;
	size_t count = hierarchies_find(c->root, h);
	int r = gather_init(&w.g, c);

	if (r < 0)
		return r;
	gather_clock_init(&w.clock, c);
	if (c->options->cgroup) {
		r = hierarchy_path(h, count, c->options->cgroup, group, sizeof(group));
		if (r < 0)
			emit_status(c->out, COLLECTOR_ERROR, -r, "--cgroup %s: %s",
				    c->options->cgroup, strerror(-r));
	}
	if (r >= 0)
		r = gather_pack_open(c, "raw/cgroups");
	for (size_t i = 0; i < count && r >= 0; i++) {
		r = walk_hierarchy(&w, &h[i], c->options->cgroup ? group : NULL);
		found = found || r > 0;
	}
	if (r >= 0)
		r = member_close(c->out, false);
	if (r >= 0) {
		member_time(c, ms);
		snprintf(member, sizeof(member), "raw/host/cgroups.%s", ms);
		r = gather_member(&w.g, member, "proc/cgroups", 64 << 10);
	}
	if (r >= 0 && !first)
		report(&w, c->options->cgroup ? group : NULL, found);
	gather_deinit(&w.g);
	return r < 0 ? r : 0;
}

static int cgroups_start(struct collect *c)
{
	return cgroups_reading(c, true);
}

static int cgroups_write(struct collect *c)
{
	return cgroups_reading(c, false);
}

const struct collector collector_cgroups = {
	.name = "cgroups",
	.summary = "memory usage, limits and events of every control group",
	.needs = "nothing; what containers hide from others needs root",
	.timed = true,
	.memory_share = 2,
	.memory_least_kib = 1024,
	.probe = cgroups_probe,
	.start = cgroups_start,
	.write = cgroups_write,
};
