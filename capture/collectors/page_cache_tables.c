/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "page_cache_tables.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "../base/clock.h"
#include "../base/proc.h"

/* Type information while it is parsed, buffers, BPF maps, the part buffer: not for tables. */
#define OTHER_MEMORY (3u << 20) /* the types are gone before the tables grow */
#define MOST_TABLES (24u << 20)
#define LEAST_TABLES (2u << 20)

static const char *const members[][2] = {
	[SCAN_FILES] =
		{"tables/page_cache_files.tsv",
		 "file\tdev\tino\tgeneration\tfstype\ts_id\ttype\tnlink\tsize\tnrpages\trdev\t"
		 "state\tpath\ttruncated\tmtime\tblocks\n"},
	[SCAN_CGROUPS] = {"tables/page_cache_cgroups.tsv", "cgroup\tino\tstate\tpath\n"},
	[SCAN_SAMPLES] = {"tables/page_cache_samples.tsv", "file\tcgroup\tstate\tpages\n"},
	[SCAN_PAIRS] = {"tables/page_cache_pairs.tsv",
			"pairs\tfile\tcgroup\tstate\tfile2\tcgroup2\tstate2\n"},
	[SCAN_DENTRIES] = {"tables/dentries.tsv",
			   "dev\tfstype\tpath\tpositive\tnegative\ttruncated\n"},
	[SCAN_GROUP_SLABS] = {"tables/cgroup_slabs.tsv", "cgroup\tcache\tpages\n"},
	[SCAN_BLOCKS] = {"tables/page_cache_blocks.tsv",
			 "blocks\tfile\tcgroup\tfile2\tcgroup2\tfile3\tcgroup3\tfile4\tcgroup4\n"},
};

int cache_table(void *ctx, enum scan_table t)
{
	struct cache_tables *o = ctx;
	int r = o->open ? member_close(o->out, false) : 0;

	if (r < 0)
		return r;
	o->open = true;
	return member_open(o->out, members[t][0], members[t][1]);
}

static const char *type_name(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "reg";
	case S_IFDIR:
		return "dir";
	case S_IFLNK:
		return "lnk";
	case S_IFBLK:
		return "blk";
	case S_IFCHR:
		return "chr";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "sock";
	default:
		return "none";
	}
}

static void row_device(struct emit *out, uint32_t major_number, uint32_t minor_number)
{
	char text[32];

	snprintf(text, sizeof(text), "%u:%u", major_number, minor_number);
	row_cstr(out, text);
}

int cache_file(void *ctx, const struct scan_file *f)
{
	struct cache_tables *o = ctx;

	o->files++;
	o->unresolved += f->state == FILE_UNRESOLVED;
	o->truncated += f->truncated;
	row_u64(o->out, f->file);
	row_device(o->out, f->dev_major, f->dev_minor);
	row_u64(o->out, f->ino);
	if (o->no_generation)
		row_none(o->out);
	else
		row_u64(o->out, f->generation);
	row_cstr(o->out, f->fstype);
	row_cstr(o->out, f->s_id);
	row_cstr(o->out, type_name(f->mode));
	row_u64(o->out, f->nlink);
	row_u64(o->out, f->size);
	row_u64(o->out, f->nrpages);
	if (f->is_blockdev)
		row_device(o->out, f->rdev_major, f->rdev_minor);
	else
		row_none(o->out);
	row_cstr(o->out, file_state_name(f->state));
	row_str(o->out, f->path, f->path_len);
	row_u64(o->out, f->truncated);
	if (f->mtime >= 0)
		row_u64(o->out, (uint64_t)f->mtime);
	else
		row_none(o->out);
	if (f->blocks != UINT64_MAX)
		row_u64(o->out, f->blocks);
	else
		row_none(o->out);
	return row_end(o->out);
}

int cache_cgroup(void *ctx, const struct scan_cgroup *c)
{
	struct cache_tables *o = ctx;

	row_u64(o->out, c->cgroup);
	if (c->ino || c->known)
		row_u64(o->out, c->ino);
	else
		row_none(o->out);
	row_cstr(o->out, !c->known ? "" : c->online ? "online" : "dying");
	row_str(o->out, c->path, c->path_len);
	return row_end(o->out);
}

int cache_sample(void *ctx, uint32_t file, uint32_t cgroup, unsigned state, uint64_t pages)
{
	struct cache_tables *o = ctx;

	row_u64(o->out, file);
	row_u64(o->out, cgroup);
	row_u64(o->out, state);
	row_u64(o->out, pages);
	return row_end(o->out);
}

static void put_side(struct emit *out, const struct scan_sample *s)
{
	const uint32_t v[] = {s ? s->file : 0, s ? s->cgroup : 0, s ? s->state : 0};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		if (s)
			row_u64(out, v[i]);
		else
			row_none(out);
	}
}

int cache_pair(void *ctx, const struct scan_sample *a, const struct scan_sample *b, uint64_t pairs)
{
	struct cache_tables *o = ctx;

	row_u64(o->out, pairs);
	put_side(o->out, a);
	put_side(o->out, b);
	return row_end(o->out);
}

int cache_group_slab(void *ctx, uint32_t cgroup, const char *cache, size_t len, uint64_t pages)
{
	struct cache_tables *o = ctx;

	row_u64(o->out, cgroup);
	row_str(o->out, cache, len);
	row_u64(o->out, pages);
	return row_end(o->out);
}

int cache_dentries(void *ctx, const struct scan_dentries *d)
{
	struct cache_tables *o = ctx;

	row_device(o->out, d->dev_major, d->dev_minor);
	row_cstr(o->out, d->fstype);
	row_str(o->out, d->path, d->path_len);
	row_u64(o->out, d->positive);
	row_u64(o->out, d->negative);
	row_u64(o->out, d->truncated);
	return row_end(o->out);
}

int cache_block(void *ctx, const struct scan_sample *const side[4], uint64_t blocks)
{
	struct cache_tables *o = ctx;

	row_u64(o->out, blocks);
	for (size_t i = 0; i < 4; i++) {
		if (side[i]) {
			row_u64(o->out, side[i]->file);
			row_u64(o->out, side[i]->cgroup);
		} else {
			row_none(o->out);
			row_none(o->out);
		}
	}
	return row_end(o->out);
}

/* ------------------------------------------------------------------ what it was */

/* Cached + Buffers in kB, or -1. */
static int64_t meminfo_cached(const struct sysroot *root)
{
	unsigned long long cached, buffers;
	char text[8192];

	if (read_file_at(root->proc_fd, "meminfo", text, sizeof(text)) < 0 ||
	    find_key_u64(text, "Cached", &cached) < 0 ||
	    find_key_u64(text, "Buffers", &buffers) < 0)
		return -1;
	return (int64_t)(cached + buffers);
}

void cache_moment_start(struct cache_moment *m, const struct collect *c)
{
	m->before_kb = meminfo_cached(c->root);
	m->start_ns = clock_ns(CLOCK_MONOTONIC);
}

void cache_moment_end(struct cache_moment *m, const struct collect *c)
{
	m->end_ns = clock_ns(CLOCK_MONOTONIC);
	m->after_kb = meminfo_cached(c->root);
}

static void key_u64(struct emit *out, const char *key, uint64_t v)
{
	row_cstr(out, key);
	row_u64(out, v);
	row_end(out);
}

static void key_str(struct emit *out, const char *key, const char *v)
{
	row_cstr(out, key);
	row_cstr(out, v);
	row_end(out);
}

static uint64_t window_ms(const struct collect *c, uint64_t ns)
{
	return ns > c->window_start_ns ? (ns - c->window_start_ns) / NSEC_PER_MSEC : 0;
}

static int put_kinds(struct emit *out, const struct scan_result *q)
{
	int r = member_open(out, "tables/page_types.tsv", "kind\tpages\n");

	for (int k = 0; r == 0 && k < KIND_COUNT; k++) {
		if (q->kinds[k])
			key_u64(out, page_kind_name(k), q->kinds[k]);
	}
	return r < 0 ? r : member_close(out, false);
}

int cache_summary(struct collect *c, const struct cache_summary *s, const struct cache_moment *m)
{
	const struct scan_result *q = s->result;
	struct emit *out = c->out;
	int r = s->no_kinds ? 0 : put_kinds(out, q);

	if (r == 0)
		r = member_open(out, "tables/page_cache_scan.tsv", "key\tvalue\n");
	if (r < 0)
		return r;
	key_str(out, "source", s->source);
	key_u64(out, "one_in", q->one_in);
	if (q->pages_total)
		key_u64(out, "pages_total", q->pages_total);
	key_u64(out, "strata_total", q->strata_total);
	key_u64(out, "strata_done", q->strata_done);
	key_u64(out, "pages_read", q->pages_read);
	key_u64(out, "finished", q->finished);
	key_u64(out, "seed", q->seed);
	if (q->pair_one_in && !q->pairs_dropped)
		key_u64(out, "pair_one_in", q->pair_one_in);
	if (q->block_one_in && !q->blocks_dropped && !q->finished)
		key_u64(out, "block_one_in", q->block_one_in);
	key_u64(out, "page_size", s->page_size);
	key_u64(out, "holes", q->holes);
	key_u64(out, "discarded", q->discarded);
	key_u64(out, "files_dropped", s->files_dropped);
	key_u64(out, "scan_cpu_ns", q->scan_cpu_ns);
	key_u64(out, "resolve_cpu_ns", q->resolve_cpu_ns);
	key_u64(out, "start_ms", window_ms(c, m->start_ns));
	key_u64(out, "end_ms", window_ms(c, m->end_ns));
	if (q->dentry_slabs) {
		key_u64(out, "dentry_frames", q->dentry_frames);
		key_u64(out, "dentry_slabs", q->dentry_slabs);
		key_u64(out, "dentry_objects", q->dentry_objects);
		key_u64(out, "dentries_dropped", q->dentries_dropped);
		key_u64(out, "dentries_cpu_ns", q->dentries_cpu_ns);
	}
	if (m->before_kb >= 0)
		key_u64(out, "meminfo_cached_kb_before", (uint64_t)m->before_kb);
	if (m->after_kb >= 0)
		key_u64(out, "meminfo_cached_kb_after", (uint64_t)m->after_kb);
	key_str(out, "reason", s->reason);
	return member_close(out, false);
}

int cache_tables_close(struct cache_tables *t, bool truncated)
{
	bool open = t->open;

	t->open = false;
	return open ? member_close(t->out, truncated) : 0;
}

size_t cache_table_memory(const struct collect *c)
{
	uint64_t n = c->memory_limit > OTHER_MEMORY ? c->memory_limit - OTHER_MEMORY : 0;

	if (c->memory_limit == 0 || n > MOST_TABLES)
		n = MOST_TABLES;
	return n < LEAST_TABLES ? LEAST_TABLES : (size_t)n;
}

uint64_t cache_seed(void)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = clock_ns(CLOCK_MONOTONIC);
	return seed;
}
