/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's own figures of its memory, verbatim, at the start and at the end of the window.
 * meminfo and vmstat come first in each reading: they are what everything else is compared with.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "gather.h"

#define MAX_NODES 1024
#define MAX_SLAB_CACHES 16384
#define MEMORY_NEEDS "root"
#define QUIET_NS (30 * NSEC_PER_MSEC)

struct memory_file {
	const char *name, *path;
	size_t cap;
};

/* Read first and one right after the other, before anything is handed over: what is free and what
 * is in use is only as good as the two are of one moment. */
static const struct memory_file together[] = {
	{"meminfo", "proc/meminfo", 64 << 10},
	{"zoneinfo", "proc/zoneinfo", 2 << 20},
};

static const struct memory_file files[] = {
	{"vmstat", "proc/vmstat", 256 << 10},
	{"buddyinfo", "proc/buddyinfo", 256 << 10},
	{"slabinfo", "proc/slabinfo", 4 << 20},
	{"vmallocinfo", "proc/vmallocinfo", 16 << 20},
	{"swaps", "proc/swaps", 64 << 10},
	{"pressure-memory", "proc/pressure/memory", 4096},
	{"pressure-cpu", "proc/pressure/cpu", 4096},
	{"pressure-io", "proc/pressure/io", 4096},
	{"pressure-irq", "proc/pressure/irq", 4096},
	{"stat", "proc/stat", 1 << 20},
	{"diskstats", "proc/diskstats", 1 << 20},
	{"loadavg", "proc/loadavg", 4096},
	{"softnet_stat", "proc/net/softnet_stat", 256 << 10},
	{"sockstat", "proc/net/sockstat", 4096},
	{"sockstat6", "proc/net/sockstat6", 4096},
	{"protocols", "proc/net/protocols", 64 << 10},
	{"interrupts", "proc/interrupts", 16 << 20},
	{"softirqs", "proc/softirqs", 1 << 20},
	{"dentry-state", "proc/sys/fs/dentry-state", 4096},
	{"inode-nr", "proc/sys/fs/inode-nr", 4096},
	{"sysvipc-shm", "proc/sysvipc/shm", 4 << 20},
	{"pagetypeinfo", "proc/pagetypeinfo", 1 << 20},
	{"allocinfo", "proc/allocinfo", 4 << 20},
	{"arcstats", "proc/spl/kstat/zfs/arcstats", 64 << 10},
};

/* Small ones, in a pack under their own path. */
static const char *const small[] = {
	"proc/sys/fs/file-nr",
	"proc/sys/fs/inode-state",
	"sys/kernel/mm/ksm/run",
	"sys/kernel/mm/ksm/pages_shared",
	"sys/kernel/mm/ksm/pages_sharing",
	"sys/kernel/mm/ksm/pages_unshared",
	"sys/kernel/mm/ksm/pages_volatile",
	"sys/kernel/mm/ksm/general_profit",
	"sys/kernel/mm/transparent_hugepage/khugepaged/pages_collapsed",
	"sys/kernel/mm/transparent_hugepage/khugepaged/full_scans",
	"sys/kernel/debug/zswap/pool_total_size",
	"sys/kernel/debug/zswap/stored_pages",
	"sys/kernel/debug/zswap/written_back_pages",
	"sys/kernel/debug/zswap/reject_reclaim_fail",
	"sys/kernel/debug/percpu_stats",
	"sys/kernel/debug/dma_buf/bufinfo",
};

/* One value in each directory of a kind: DIRECTORY/PREFIX*\/FILE. */
struct memory_family {
	const char *directory, *prefix;
	const char *files[8];
};

static const struct memory_family families[] = {
	{"sys/devices/system/node",
	 "node",
	 {"meminfo", "vmstat", "numastat", "hugepages/hugepages-2048kB/nr_hugepages",
	  "hugepages/hugepages-2048kB/free_hugepages",
	  "hugepages/hugepages-2048kB/surplus_hugepages",
	  "hugepages/hugepages-1048576kB/nr_hugepages",
	  "hugepages/hugepages-1048576kB/free_hugepages"}},
	{"sys/kernel/mm/hugepages",
	 "hugepages-",
	 {"nr_hugepages", "free_hugepages", "resv_hugepages", "surplus_hugepages",
	  "nr_overcommit_hugepages"}},
	{"sys/block", "zram", {"mm_stat", "disksize", "comp_algorithm", "io_stat"}},
	/* Areas for contiguous allocations; the latter with CONFIG_CMA_DEBUGFS. */
	{"sys/kernel/mm/cma",
	 "",
	 {"total_pages", "available_pages", "alloc_pages_success", "release_pages_success"}},
	{"sys/kernel/debug/cma", "", {"count", "used"}},
};

static void memory_probe(const struct capture_options *o, const struct sysroot *root,
			 struct probe_result *ret)
{
	int fd = gather_open(root, "proc/meminfo", 0);

	*ret = (struct probe_result){.status = COLLECTOR_OK, .expected_bytes = 96 << 10};
	if (fd < 0) {
		ret->status = gather_absent(-fd) ? COLLECTOR_UNSUPPORTED : COLLECTOR_DENIED;
		ret->no = -fd;
		snprintf(ret->reason, sizeof(ret->reason), "/proc/meminfo: %s", strerror(-fd));
		return;
	}
	close(fd);
	fd = gather_open(root, "proc/slabinfo", 0);
	if (fd >= 0)
		close(fd);
	else if (!gather_absent(-fd))
		snprintf(ret->reason, sizeof(ret->reason),
			 "/proc/slabinfo: %s (needs root); the rest can be read", strerror(-fd));
}

static int family_entries(struct gather *g, const struct memory_family *f)
{
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *d;
	unsigned seen = 0;
	int r = 0;
	int fd = gather_open(g->c->root, f->directory, O_DIRECTORY);

	if (fd < 0)
		return 0; /* this kernel has none of them */
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return 0;
	}
	while (r >= 0 && (d = readdir(dir))) {
		char path[512];

		if (d->d_name[0] == '.' || strncmp(d->d_name, f->prefix, strlen(f->prefix)) != 0)
			continue;
		if (++seen > MAX_NODES) {
			emit_loss(g->c->out, "directories beyond the bound", 1);
			continue;
		}
		for (size_t i = 0; i < ARRAY_SIZE(f->files) && f->files[i] && r >= 0; i++) {
			snprintf(path, sizeof(path), "%s/%s/%s", f->directory, d->d_name,
				 f->files[i]);
			r = gather_entry(g, path, path, 16 << 10);
		}
	}
	return r;
}

static int small_member(struct gather *g)
{
	char member[64], ms[16];
	unsigned absent = g->absent;
	size_t absent_len = g->absent_names.len;
	int r;

	member_time(g->c, ms);
	snprintf(member, sizeof(member), "raw/memory/sys.%s", ms);
	r = member_open(g->c->out, member, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(small) && r >= 0; i++)
		r = gather_entry(g, small[i], small[i], 60 << 10);
	for (size_t i = 0; i < ARRAY_SIZE(families) && r >= 0; i++)
		r = family_entries(g, &families[i]);
	if (r >= 0)
		r = member_close(g->c->out, false);
	/* A feature that is not there (no ksm, no zram) is no news. */
	g->absent = absent;
	g->absent_names.len = absent_len;
	g->absent_text[absent_len] = 0;
	return r;
}

static int read_together(struct gather *g)
{
	char *text[ARRAY_SIZE(together)] = {NULL};
	ssize_t len[ARRAY_SIZE(together)];
	bool cut[ARRAY_SIZE(together)] = {false};
	int fd[ARRAY_SIZE(together)], r = 0;
	char member[64], ms[16];

	for (size_t i = 0; i < ARRAY_SIZE(together); i++) {
		fd[i] = gather_open(g->c->root, together[i].path, 0);
		text[i] = malloc(together[i].cap);
		len[i] = fd[i] < 0 ? fd[i] : -ENOMEM;
		if (text[i]) /* so that no page of it is fetched between the two */
			memset(text[i], 0,
			       together[i].cap < 256 << 10 ? together[i].cap : 256 << 10);
	}
	member_time(g->c, ms);
	for (size_t i = 0; i < ARRAY_SIZE(together); i++)
		if (fd[i] >= 0 && text[i])
			len[i] = gather_read_fd(fd[i], text[i], together[i].cap, &cut[i]);
	for (size_t i = 0; i < ARRAY_SIZE(together); i++) {
		if (fd[i] >= 0)
			close(fd[i]);
		if (len[i] < 0 || cut[i])
			gather_count(g, together[i].path, len[i] < 0 ? (int)-len[i] : EFBIG);
		snprintf(member, sizeof(member), "raw/memory/%s.%s", together[i].name, ms);
		if (r >= 0 && len[i] >= 0) {
			r = member_open(g->c->out, member, NULL);
			if (r >= 0)
				r = gather_lines(g->c->out, text[i], (size_t)len[i]);
			if (r >= 0)
				r = member_close(g->c->out, cut[i]);
			g->delivered++;
		}
		free(text[i]);
	}
	return r;
}

/*
 * At the end of the window all collectors read and hand over at once, and take memory for it.  So
 * the last look at the two is a moment before, when all of them sleep.  False: there was no time.
 */
static bool wait_for_quiet(const struct collect *c)
{
	uint64_t until = c->window_end_ns - QUIET_NS;

	for (;;) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		struct pollfd p = {.fd = c->stop_fd, .events = POLLIN};

		if (c->window_end_ns < QUIET_NS || now >= c->window_end_ns)
			return false;
		if (now >= until)
			return true;
		uint64_t ms = (until - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
		if (poll(&p, 1, ms > 60000 ? 60000 : (int)ms) > 0)
			return false;
	}
}

static int quiet_reading(struct collect *c)
{
	_cleanup_(gather_deinit) struct gather g = {0};
	int r;

	if (!wait_for_quiet(c))
		return 0;
	c->state = c; /* not NULL: it has been read */
	r = gather_init(&g, c);
	if (r >= 0)
		r = read_together(&g);
	if (r >= 0 && g.broken)
		gather_report(&g, MEMORY_NEEDS);
	return r;
}

static int memory_reading(struct collect *c, bool last)
{
	_cleanup_(gather_deinit) struct gather g = {0};
	struct gather_clock clock;
	int r = gather_init(&g, c);

	gather_clock_init(&clock, c);
	gather_next_time(c);
	if (r >= 0 && !(last && c->state))
		r = read_together(&g);
	for (size_t i = 0; i < ARRAY_SIZE(files) && r >= 0; i++) {
		char member[64], ms[16];

		if (gather_expired(&clock)) {
			gather_count(&g, files[i].path, ETIME);
			continue;
		}
		member_time(c, ms);
		snprintf(member, sizeof(member), "raw/memory/%s.%s", files[i].name, ms);
		r = gather_member(&g, member, files[i].path, files[i].cap);
	}
	if (r >= 0)
		r = small_member(&g);
	/* The reading at the end says it; the first one only if it was the worse. */
	if (r >= 0 && (last || !g.delivered))
		gather_report(&g, MEMORY_NEEDS);
	return r < 0 ? r : 0;
}

/*
 * Which caches the kernel can shrink.  SLUB keeps a directory, or for a merged cache a link, under
 * each name; the flag stands nowhere else.
 */
static int slab_caches_table(struct collect *c)
{
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *d;
	unsigned rows = 0;
	int r, fd = gather_open(c->root, "sys/kernel/slab", O_DIRECTORY);

	if (fd < 0)
		return 0;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return 0;
	}
	r = member_open(c->out, "tables/slab_caches.tsv", "name\treclaimable\n");
	while (r >= 0 && (d = readdir(dir))) {
		char path[512], text[16];

		/* ":0000192" is a merged cache's own directory; its links carry the names. */
		if (d->d_name[0] == '.' || d->d_name[0] == ':')
			continue;
		if (++rows > MAX_SLAB_CACHES) {
			emit_loss(c->out, "slab caches beyond the bound", 1);
			continue;
		}
		snprintf(path, sizeof(path), "sys/kernel/slab/%s/reclaim_account", d->d_name);
		if (gather_read(c->root, path, text, sizeof(text), NULL) < 1)
			continue; /* destroyed meanwhile, or refused: not in the table, not measured
				   */
		row_cstr(c->out, d->d_name);
		row_u64(c->out, text[0] == '1');
		r = row_end(c->out);
	}
	return r < 0 ? r : member_close(c->out, false);
}

static int memory_start(struct collect *c)
{
	int r = memory_reading(c, false);

	if (r >= 0)
		r = slab_caches_table(c);
	return r < 0 ? r : quiet_reading(c);
}

static int memory_write(struct collect *c)
{
	return memory_reading(c, true);
}

const struct collector collector_memory = {
	.name = "memory",
	.summary = "the kernel's memory figures, at the start and the end",
	.needs = "nothing; slabinfo, vmallocinfo and pagetypeinfo need root",
	.timed = true,
	.memory_share = 3,
	.memory_least_kib = 1536,
	.probe = memory_probe,
	.start = memory_start,
	.write = memory_write,
};
