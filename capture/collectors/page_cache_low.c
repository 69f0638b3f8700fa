/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page cache where kernel memory cannot be read.  From kpageflags: how much of it there is, in
 * what state and for which cgroup.  From procfs: how much of it belongs to the files that can be
 * found otherwise.  See kmem/frames.h and open_files.h for what neither of them sees.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "../kmem/frames.h"
#include "open_files.h"
#include "hierarchy.h"
#include "page_cache_tables.h"

#define MAX_GROUPS 16384u
#define MAX_DIRECTORIES 200000u
#define MAX_PATH 4096u

static bool stopping(void *ctx)
{
	return collect_stopping(ctx);
}

/* ------------------------------------------------------------------ cgroups by inode number */

struct group {
	uint64_t ino;
	char *path; /* NULL: not found */
};

struct groups {
	struct group *rows; /* ascending by ino */
	size_t count, named;
	unsigned left; /* directories that may still be looked at */
	struct collect *c;
	char path[MAX_PATH];
};

static int by_ino(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return (x->ino > y->ino) - (x->ino < y->ino);
}

static void name_group(struct groups *g, uint64_t ino)
{
	struct group *found =
		bsearch(&(struct group){.ino = ino}, g->rows, g->count, sizeof(*g->rows), by_ino);

	if (!found || found->path)
		return;
	found->path = strdup(*g->path ? g->path : "/");
	g->named += found->path != NULL;
}

/* Takes the descriptor over. */
static void walk_groups(struct groups *g, int fd, int depth)
{
	size_t len = strlen(g->path);
	_cleanup_dir_ DIR *d = fdopendir(fd);
	struct dirent *entry;
	struct stat st;

	if (!d) {
		close(fd);
		return;
	}
	if (fstat(fd, &st) == 0)
		name_group(g, st.st_ino);
	while (depth < 64 && g->named < g->count && !collect_stopping(g->c) &&
	       (entry = readdir(d))) {
		int sub;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' || !g->left)
			continue;
		if (snprintf(g->path + len, sizeof(g->path) - len, "/%s", entry->d_name) <
		    (int)(sizeof(g->path) - len)) {
			g->left--;
			sub = openat(dirfd(d), entry->d_name,
				     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (sub >= 0)
				walk_groups(g, sub, depth + 1);
		}
		g->path[len] = '\0';
	}
}

/* A v1 memory hierarchy has the groups that pages are charged to; else the unified one. */
static void name_groups(struct groups *g)
{
	struct hierarchy h[HIERARCHIES_MAX];
	size_t n = hierarchies_find(g->c->root, h);
	int fd;

	if (!n || !g->count)
		return;
	fd = openat(g->c->root->root_fd, h[0].mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	snprintf(g->path, sizeof(g->path), "%s", h[0].prefix);
	walk_groups(g, fd, 0);
}

static int list_groups(struct groups *g, const struct frames_count *counts, size_t n)
{
	g->rows = calloc(MAX_GROUPS, sizeof(*g->rows));
	if (!g->rows)
		return -ENOMEM;
	g->left = MAX_DIRECTORIES;
	/* The counts stand in the order of their groups. */
	for (size_t i = 0; i < n && g->count < MAX_GROUPS; i++) {
		if (counts[i].cgroup_ino &&
		    (!g->count || g->rows[g->count - 1].ino != counts[i].cgroup_ino))
			g->rows[g->count++].ino = counts[i].cgroup_ino;
	}
	return 0;
}

static int put_groups(struct groups *g, struct cache_tables *t)
{
	int r = cache_table(t, SCAN_CGROUPS);

	for (size_t i = 0; r == 0 && i < g->count; i++) {
		const char *path = g->rows[i].path;
		struct scan_cgroup row = {.cgroup = (uint32_t)i + 1,
					  .ino = g->rows[i].ino,
					  .known = path,
					  .online = path,
					  .path = path ? path : "",
					  .path_len = path ? strlen(path) : 0};

		r = cache_cgroup(t, &row);
	}
	return r;
}

static void free_groups(struct groups *g)
{
	for (size_t i = 0; i < g->count; i++)
		free(g->rows[i].path);
	free(g->rows);
	free(g);
}

static int put_counts(struct groups *g, struct cache_tables *t, const struct frames_count *counts,
		      size_t n)
{
	int r = cache_table(t, SCAN_SAMPLES);

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct group *found = bsearch(&(struct group){.ino = counts[i].cgroup_ino}, g->rows,
					      g->count, sizeof(*g->rows), by_ino);

		r = cache_sample(t, 0, found ? (uint32_t)(found - g->rows) + 1 : 0, counts[i].state,
				 counts[i].pages);
	}
	return r;
}

/* ------------------------------------------------------------------ open and mapped files */

static int walk_files(struct collect *c, struct cache_tables *t, struct open_files_result *q,
		      struct err *e)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct open_files_config config = {
		.stop = stopping, .stop_ctx = c, .file = cache_file, .ctx = t};
	int r = cache_table(t, SCAN_FILES), closed;

	*q = (struct open_files_result){0};
	if (c->deadline_ns > now)
		config.deadline_ns = now + (c->deadline_ns - now) / 4 * 3;
	t->no_generation = true;
	if (r == 0)
		r = open_files_walk(c->root, &config, q, e);
	closed = cache_tables_close(t, r < 0);
	emit_loss(c->out, "process whose open files may not be seen", q->refused);
	emit_loss(c->out, "process whose mappings are locked", q->stuck);
	emit_loss(c->out, "file that may not be asked what is cached of it", q->files_refused);
	emit_loss(c->out, "file without room", q->files_no_room);
	emit_note(c->out,
		  "open and mapped files of %" PRIu64 " processes: %" PRIu64 " have %" PRIu64
		  " pages in the cache; not touched: %" PRIu64
		  " times a file that is not on a local disk or tmpfs",
		  q->processes, q->files, q->pages, q->files_foreign);
	if (q->no_time)
		emit_status(c->out, COLLECTOR_PARTIAL, 0,
			    "no time to look at the open files of all processes");
	else if (q->stuck)
		emit_status(c->out, COLLECTOR_PARTIAL, ETIMEDOUT,
			    "/proc/PID/maps: no answer from %" PRIu64
			    " processes (their memory map is locked)",
			    q->stuck);
	return r < 0 ? r : closed;
}

/* ------------------------------------------------------------------ the rungs */

static struct scan_config plan(struct collect *c, struct frames *f)
{
	struct scan_config config = {.one_in = c->options->sample_one_in,
				     .seed = cache_seed(),
				     .stop = stopping,
				     .stop_ctx = c};
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (!config.one_in) {
		config.one_in = frames_auto_one_in(f, CACHE_AUTO_CPU_NS);
		config.cpu_ns = CACHE_MOST_CPU_NS;
		emit_note(c->out, "sample auto: one in %u pages", config.one_in);
	}
	if (c->deadline_ns > now)
		config.deadline_ns = now + (c->deadline_ns - now) / 2;
	return config;
}

static int put_frames(struct collect *c, struct frames *f, struct groups *g)
{
	struct cache_tables t = {.out = c->out};
	const struct frames_count *counts;
	size_t n = frames_counts(f, &counts);
	int r = list_groups(g, counts, n), closed;

	if (r < 0)
		return r;
	name_groups(g);
	r = put_groups(g, &t);
	if (r == 0)
		r = put_counts(g, &t, counts, n);
	closed = cache_tables_close(&t, r < 0);
	return r < 0 ? r : closed;
}

int cache_from_frames(struct collect *c, struct frames *f, const char *reason, struct err *e)
{
	const struct scan_config config = plan(c, f);
	struct cache_tables t = {.out = c->out};
	struct open_files_result walked;
	struct cache_moment m;
	struct groups *g;
	int r;

	cache_moment_start(&m, c);
	r = frames_scan(f, &config, e);
	if (r < 0)
		return r;
	cache_moment_end(&m, c);
	g = calloc(1, sizeof(*g));
	if (!g)
		return err_errno(e, ENOMEM, "cgroups");
	g->c = c;
	r = put_frames(c, f, g);
	free_groups(g);
	/* All that cannot hang is handed over before the files are looked at. */
	if (r == 0)
		r = cache_summary(
			c,
			&(struct cache_summary){.source = "kpageflags",
						.reason = reason,
						.result = frames_result(f),
						.page_size = (size_t)sysconf(_SC_PAGESIZE)},
			&m);
	if (r < 0)
		return err_errno(e, r, "the page cache's tables");
	emit_loss(c->out, "page of a cgroup without room", frames_without_room(f));
	if (!frames_has_cgroups(f))
		emit_note(c->out, "/proc/kpagecgroup: not to be read, so no cgroup is known");
	if (!frames_result(f)->finished)
		emit_status(c->out, COLLECTOR_PARTIAL, 0,
			    "stopped by its budget after %" PRIu64 " of %" PRIu64 " strata",
			    frames_result(f)->strata_done, frames_result(f)->strata_total);
	return walk_files(c, &t, &walked, e);
}

/* What was found is all that counts as looked at: a population of its own, known exactly.  What is
 * missing is the difference to meminfo. */
int cache_from_procfs(struct collect *c, const char *reason, struct err *e)
{
	struct cache_tables t = {.out = c->out};
	struct open_files_result q = {0};
	struct scan_result result = {.one_in = 1, .finished = true};
	struct cache_moment m;
	int r;

	cache_moment_start(&m, c);
	r = walk_files(c, &t, &q, e);
	if (r < 0)
		return r;
	/* Nobody's files were looked at: that is not measured, which is another thing than zero. */
	if (!q.processes)
		return err_set(e, ENOENT, "/proc: no process can be seen, so no open file either");
	cache_moment_end(&m, c);
	result.strata_total = result.strata_done = result.pages_read = q.pages;
	r = cache_table(&t, SCAN_CGROUPS);
	if (r == 0)
		r = cache_table(&t, SCAN_SAMPLES);
	if (r == 0 && q.pages)
		r = cache_sample(&t, 0, 0, 0, q.pages);
	if (r == 0)
		r = cache_tables_close(&t, false);
	if (r == 0)
		r = cache_summary(
			c,
			&(struct cache_summary){.source = "procfs",
						.reason = reason,
						.result = &result,
						.files_dropped = q.files_no_room,
						.page_size = (size_t)sysconf(_SC_PAGESIZE),
						.no_kinds = true},
			&m);
	return r < 0 ? err_errno(e, r, "the page cache's tables") : 0;
}
