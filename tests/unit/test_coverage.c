/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Do the 95% intervals hold the truth 95% of the time?
 *
 * The page maps of fixtures/page_map_*.zst are those of a real machine (tests/native/page_map.c):
 * one where files lie in base pages, one with large folios of all orders up to 2 MiB.  Each is made
 * into a kernel's memory again, scanned with the scan's own code at two rates, 200 times with
 * another seed (COVERAGE_TRIALS=N: N times), and what the analyzer makes of the tables is held
 * against the map.
 *
 * Of each kind of sum all trials are pooled; each has to lie within 93–97%, give or take two
 * standard errors of so many trials: of 200 that is 3.1%, of 6000 it is 0.6%.  (Sums of one trial
 * are not independent of each other, so that many of them to a trial do not lessen it.)  A sum
 * whose sample count hardly varies under this design (its true variance is below STEADY: files as
 * whole folios, for instance, of which every sample has the same number of pages) cannot be missed
 * 5% of the time by any interval that has a width.  Those are counted apart, and have to be held no
 * less often.
 */
#define W_PAGES (1u << 19)
#define W_HEAP (32u << 20)
#include "model_fixture.h"
#include "kmem_world.h"

#include <inttypes.h>
#include <math.h>
#include <zstd.h>

#define STEADY 4.0
#define FILES 40000
#define GROUPS 256
#define DIRECTORIES 20000

enum { ACTIVE = 1, DIRTY = 2 };
enum kind {
	FOUND,
	CGROUP,
	FILE_ACTIVE,
	FILE_DIRTY,
	FILE_CGROUP,
	DIR_FILES,
	DIR_BYTES,
	FS_FILES,
	FS_BYTES,
	KINDS
};
static unsigned trials = 200;

static const char *const kind_names[KINDS] = {
	"page cache",
	"cgroup",
	"active of a file",
	"dirty of a file",
	"cgroup's of a file",
	"files of a directory",
	"bytes of a directory",
	"files of a file system",
	"bytes of a file system",
};

struct frame {
	uint32_t file, cgroup, directory, fs;
	unsigned char state, order;
};

/* A sum over the map, and the variance of its estimate in sampled pages. */
struct truth {
	double value, variance;
};

struct map {
	struct frame *frame;
	uint32_t frames;
	struct world *w;
	uint32_t directory[FILES], fs[FILES], pages[FILES];
	uint64_t total;
};

struct tallies {
	uint64_t inside[KINDS], all[KINDS], steady_inside, steady;
	double bias;  /* Σ of (found − truth) / truth */
	double width; /* Σ of half the interval of the whole / truth */
};

/* ------------------------------------------------------------------ the map */

static char *unpacked(const char *name)
{
	char path[512], *packed = malloc(1 << 20), *text;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/fixtures/%s", SOURCE_DIR, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(packed, 1, 1 << 20, f);
	fclose(f);
	unsigned long long size = ZSTD_getFrameContentSize(packed, n);

	assert_true(size < 64 << 20);
	text = malloc(size + 1);
	assert_int_equal(ZSTD_decompress(text, size, packed, n), size);
	text[size] = '\0';
	free(packed);
	return text;
}

static uint64_t flags_of(const struct frame *f)
{
	return W_LRU | (f->state & ACTIVE ? W_ACTIVE : 0) | (f->state & DIRTY ? W_DIRTY : 0);
}

/* Into the memory of a kernel.  All file systems are tmpfs here, so that the roll-up by directory,
 * which is of shared memory, is one of all files. */
static void make_world(struct map *m)
{
	struct world *w = m->w = world_create();
	struct w_inode **inode = calloc(FILES, sizeof(*inode));
	uint64_t *directory = calloc(DIRECTORIES, sizeof(*directory)), memcg[GROUPS] = {0};
	struct w_sb *sb[GROUPS] = {0};
	char name[32];

	w->ranges[0].end_pfn = m->frames;
	for (uint32_t i = 0; i < m->frames;) {
		const struct frame *f = &m->frame[i];
		uint32_t n = 1u << f->order;

		if (!f->file) {
			i++;
			continue;
		}
		if (!sb[f->fs])
			sb[f->fs] = w_sb(w, "tmpfs", 8 << 20 | f->fs);
		if (!directory[f->directory]) {
			snprintf(name, sizeof(name), "d%u", f->directory);
			directory[f->directory] = w_addr(
				w, w_dentry(w, sb[f->fs]->root, name, strlen(name), NULL, true));
		}
		if (!inode[f->file]) {
			snprintf(name, sizeof(name), "f%u", f->file);
			inode[f->file] = w_inode(w, sb[f->fs], f->file);
			w_dentry(w, directory[f->directory], name, strlen(name), inode[f->file],
				 true);
		}
		if (f->cgroup && !memcg[f->cgroup]) {
			snprintf(name, sizeof(name), "g%u", f->cgroup);
			memcg[f->cgroup] = w_memcg(w, name, 2, 1000 + f->cgroup);
		}
		if (n > 1)
			w_folio(w, inode[f->file], i, n, flags_of(f));
		else
			w_pages(w, inode[f->file], i, 1, flags_of(f), 0);
		w->pages[i].memcg = f->cgroup ? memcg[f->cgroup] : 0;
		i += n;
	}
	free(inode);
	free(directory);
}

static struct map *map_read(const char *name)
{
	struct map *m = calloc(1, sizeof(*m));
	char *text = unpacked(name), *save = NULL;

	m->frame = calloc(W_PAGES, sizeof(*m->frame));
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned n, file, cgroup, state, order, directory, fs;
		int fields = sscanf(line, "%u %u %u %u %u %u %u", &n, &file, &cgroup, &state,
				    &order, &directory, &fs);

		assert_true((fields == 7 || fields == 1) && m->frames + n <= W_PAGES);
		if (fields == 1) {
			m->frames += n;
			continue;
		}
		assert_true(file < FILES && cgroup < GROUPS && directory < DIRECTORIES &&
			    fs < GROUPS && order <= 9 && n % (1u << order) == 0);
		for (unsigned i = 0; i < n; i++) {
			/* Files are dirty in one piece where this was recorded: those with an even
			 * number get dirty folios in random places, a fifth of them. */
			uint32_t folio = m->frames >> order;

			if (file % 2 == 0)
				state = (state & ~(unsigned)DIRTY) |
					(folio * 2654435761u >> 16) % 5 / 4 * DIRTY;
			m->frame[m->frames++] = (struct frame){file,
							       cgroup,
							       directory,
							       fs,
							       (unsigned char)state,
							       (unsigned char)order};
		}
		m->directory[file] = directory;
		m->fs[file] = fs;
		m->pages[file] += n;
		m->total += n;
	}
	free(text);
	make_world(m);
	return m;
}

static void map_destroy(struct map *m)
{
	world_destroy(m->w);
	free(m->frame);
	free(m);
}

/* ------------------------------------------------------------------ the truth */

/*
 * value and variance of what is added up by weight(frame): two draws from each N frames, so
 * Σ 2 S² (1 − 2/N), S² the variance in these frames with divisor N − 1.  Of a scan that was stopped
 * after one batch, two of each B such pairs of strata: Σ 2 (1 − 2/B) T² + (2/B) of the former, T²
 * the variance of what a pair gives on average, 2 x̄, in each B pairs with divisor B − 1.
 */
struct table { /* key → sums, of one kind */
	struct truth *row;
	double *x, *xx; /* of the frames of this stratum */
	uint32_t *touched, touched_count;
	double *y, *yy; /* of the pairs of this block */
	uint32_t *touched_of_block, touched_of_block_count;
};

static void table_add(struct table *t, uint32_t key, double weight, double value)
{
	t->row[key].value += value;
	if (weight == 0)
		return;
	if (t->xx[key] == 0)
		t->touched[t->touched_count++] = key;
	t->x[key] += weight;
	t->xx[key] += weight * weight;
}

static void table_stratum(struct table *t, double n, double part)
{
	for (uint32_t i = 0; i < t->touched_count; i++) {
		uint32_t k = t->touched[i];
		double s2 = (t->xx[k] - t->x[k] * t->x[k] / n) / (n - 1), y = 2 * t->x[k] / n;

		t->row[k].variance += 2 * s2 * (1 - 2 / n) * part;
		if (part < 1) {
			if (t->yy[k] == 0)
				t->touched_of_block[t->touched_of_block_count++] = k;
			t->y[k] += y;
			t->yy[k] += y * y;
		}
		t->x[k] = t->xx[k] = 0;
	}
	t->touched_count = 0;
}

static void table_block(struct table *t, double b)
{
	for (uint32_t i = 0; i < t->touched_of_block_count; i++) {
		uint32_t k = t->touched_of_block[i];

		t->row[k].variance +=
			2 * (1 - 2 / b) * (t->yy[k] - t->y[k] * t->y[k] / b) / (b - 1);
		t->y[k] = t->yy[k] = 0;
	}
	t->touched_of_block_count = 0;
}

static void table_init(struct table *t, uint32_t keys)
{
	t->row = calloc(keys, sizeof(*t->row));
	t->x = calloc(keys, sizeof(*t->x));
	t->xx = calloc(keys, sizeof(*t->xx));
	t->touched = calloc(keys, sizeof(*t->touched));
	t->y = calloc(keys, sizeof(*t->y));
	t->yy = calloc(keys, sizeof(*t->yy));
	t->touched_of_block = calloc(keys, sizeof(*t->touched_of_block));
	t->touched_count = t->touched_of_block_count = 0;
}

static void table_deinit(struct table *t)
{
	free(t->row);
	free(t->x);
	free(t->xx);
	free(t->touched);
	free(t->y);
	free(t->yy);
	free(t->touched_of_block);
}

#define FILE_GROUPS (1u << 20) /* file × cgroup, hashed; a collision is found */

struct truths {
	struct table of[KINDS];
	uint64_t *file_group;
};

static uint32_t file_group(struct truths *t, uint32_t file, uint32_t cgroup)
{
	uint64_t key = (uint64_t)file << 32 | cgroup | 1u << 31;
	uint32_t i = (uint32_t)(key * 0x9e3779b97f4a7c15ULL >> 44);

	while (t->file_group[i] && t->file_group[i] != key)
		i = (i + 1) % FILE_GROUPS;
	t->file_group[i] = key;
	return i;
}

static bool is_small(const struct map *m, uint32_t file, uint32_t one_in)
{
	return m->pages[file] < 8 * one_in;
}

/* Twice over the map: the sums first, then what each frame adds to the variance of shares.
 * block: of a scan that is stopped after one batch, pairs of strata in a block; 0: finished. */
static struct truths *truths_of(const struct map *m, uint32_t one_in, uint32_t block)
{
	struct truths *t = calloc(1, sizeof(*t));
	static const uint32_t keys[KINDS] = {1,		  GROUPS,      FILES,  FILES, FILE_GROUPS,
					     DIRECTORIES, DIRECTORIES, GROUPS, GROUPS};
	uint32_t n = 2 * one_in;

	t->file_group = calloc(FILE_GROUPS, sizeof(*t->file_group));
	for (int k = 0; k < KINDS; k++)
		table_init(&t->of[k], keys[k]);
	for (uint32_t i = 0; i < m->frames; i++) {
		const struct frame *f = &m->frame[i];

		if (!f->file)
			continue;
		t->of[FILE_ACTIVE].row[f->file].value += f->state & ACTIVE ? 1 : 0;
		t->of[FILE_DIRTY].row[f->file].value += f->state & DIRTY ? 1 : 0;
		t->of[FILE_CGROUP].row[file_group(t, f->file, f->cgroup)].value++;
	}
	for (uint32_t file = 1; file < FILES; file++) {
		if (!m->pages[file])
			continue;
		t->of[DIR_FILES].row[m->directory[file]].value++;
		t->of[FS_FILES].row[m->fs[file]].value++;
	}
	for (uint32_t start = 0; start < m->frames; start += n) {
		for (uint32_t i = start; i < start + n && i < m->frames; i++) {
			const struct frame *f = &m->frame[i];
			double pages;

			if (!f->file)
				continue;
			pages = m->pages[f->file];
			table_add(&t->of[FOUND], 0, 1, 1);
			if (f->cgroup)
				table_add(&t->of[CGROUP], f->cgroup, 1, 1);
			double active = t->of[FILE_ACTIVE].row[f->file].value / pages;
			double dirty = t->of[FILE_DIRTY].row[f->file].value / pages;

			table_add(&t->of[FILE_ACTIVE], f->file,
				  (f->state & ACTIVE ? 1 : 0) - active, 0);
			table_add(&t->of[FILE_DIRTY], f->file, (f->state & DIRTY ? 1 : 0) - dirty,
				  0);
			/* The residuals of the rest of the file are as large together: with
			 * the part's own, this is what the variance of a share comes to. */
			uint32_t key = file_group(t, f->file, f->cgroup);

			table_add(&t->of[FILE_CGROUP], key,
				  1 - t->of[FILE_CGROUP].row[key].value / pages, 0);
			table_add(&t->of[DIR_BYTES], f->directory,
				  is_small(m, f->file, one_in) ? 1 : 0, 1);
			table_add(&t->of[FS_BYTES], f->fs, is_small(m, f->file, one_in) ? 1 : 0, 1);
			if (is_small(m, f->file, one_in)) {
				table_add(&t->of[DIR_FILES], f->directory, 1 / pages, 0);
				table_add(&t->of[FS_FILES], f->fs, 1 / pages, 0);
			}
		}
		bool end = block && (start / n % block == block - 1 || start + n >= m->frames);

		for (int k = 0; k < KINDS; k++) {
			table_stratum(&t->of[k], n, block ? 2.0 / block : 1);
			if (end)
				table_block(&t->of[k], block);
		}
	}
	return t;
}

static void truths_destroy(struct truths *t)
{
	for (int k = 0; k < KINDS; k++)
		table_deinit(&t->of[k]);
	free(t->file_group);
	free(t);
}

/* ------------------------------------------------------------------ one scan */

static int to_table(void *ctx, enum scan_table t)
{
	return 0;
}

static int to_file(void *ctx, const struct scan_file *s)
{
	struct facts *f = ctx;
	struct fact_cache_file *c = ADD(f, cache_files);

	c->file = s->file;
	c->major = s->dev_major;
	c->minor = s->dev_minor;
	c->ino = s->ino;
	c->fstype = "tmpfs";
	c->type = "reg";
	c->state = "linked";
	c->nrpages = s->nrpages;
	c->path = arena_strndup(f->arena, s->path, s->path_len);
	return 0;
}

static int to_cgroup(void *ctx, const struct scan_cgroup *s)
{
	struct facts *f = ctx;
	struct fact_cache_cgroup *c = ADD(f, cache_cgroups);

	c->cgroup = s->cgroup;
	c->ino = s->ino;
	c->state = "online";
	c->path = arena_strndup(f->arena, s->path, s->path_len);
	return 0;
}

static int to_sample(void *ctx, uint32_t file, uint32_t cgroup, unsigned state, uint64_t pages)
{
	sample(ctx, file, cgroup, state, pages);
	return 0;
}

static int to_pair(void *ctx, const struct scan_sample *a, const struct scan_sample *b,
		   uint64_t pairs)
{
	struct facts *f = ctx;
	struct fact_cache_pair *p = ADD(f, cache_pairs);

	*p = (struct fact_cache_pair){pairs,	 a->file,   a->cgroup, a->state,
				      FACT_NONE, FACT_NONE, FACT_NONE};
	if (b) {
		p->file2 = b->file;
		p->cgroup2 = b->cgroup;
		p->state2 = b->state;
	}
	return 0;
}

static int to_block(void *ctx, const struct scan_sample *const side[4], uint64_t blocks)
{
	struct facts *f = ctx;
	struct fact_cache_block *c = ADD(f, cache_blocks);
	uint64_t *of[][2] = {{&c->file, &c->cgroup},
			     {&c->file2, &c->cgroup2},
			     {&c->file3, &c->cgroup3},
			     {&c->file4, &c->cgroup4}};

	c->blocks = blocks;
	for (size_t i = 0; i < 4; i++) {
		*of[i][0] = side[i] ? side[i]->file : FACT_NONE;
		*of[i][1] = side[i] ? side[i]->cgroup : FACT_NONE;
	}
	return 0;
}

static struct facts *scan_facts(struct map *m, const struct scan_config *c)
{
	struct facts *f = no_facts();
	struct scan_sink sink = {to_table, to_file, to_sample, to_cgroup, f,
				 to_pair,  NULL,    to_block,  NULL};
	struct fact_scan *s = scanned(f, c->one_in);
	struct err e = {0};
	struct scan *scan;

	for (uint32_t fs = 1; fs < 16; fs++) {
		char *where = arena_printf(f->arena, "/m%u", fs);

		mount_is(f, 1, fs, 0, fs, "/", where);
	}
	assert_int_equal(scan_run(&scan, &m->w->s, &m->w->l, c, &e), 0);
	assert_int_equal(scan_resolve(scan, &sink, &e), 0);
	const struct scan_result *r = scan_result(scan);

	s->pages_total = r->pages_total;
	s->strata_total = r->strata_total;
	s->strata_done = r->strata_done;
	s->pages_read = r->pages_read;
	s->finished = r->finished;
	s->pair_one_in = r->pair_one_in ? r->pair_one_in : FACT_NONE;
	if (!r->finished && r->block_one_in && !r->blocks_dropped)
		s->block_one_in = r->block_one_in;
	s->meminfo_cached_before_bytes = s->meminfo_cached_after_bytes = m->total * 4096;
	scan_destroy(scan);
	return f;
}

/* ------------------------------------------------------------------ is it in there? */

/* steady: below STEADY in units of unit² */
static void judge_one(struct tallies *t, enum kind kind, const struct truth *truth, double unit,
		      double page, struct estimate e)
{
	double v = truth->value * page;
	bool inside = e.low <= v * (1 + 1e-9) && v <= e.high * (1 + 1e-9);

	if (truth->variance < STEADY * unit * unit) {
		t->steady++;
		t->steady_inside += inside;
		return;
	}
	t->all[kind]++;
	t->inside[kind] += inside;
}

static unsigned number_in(const char *path, const char *before)
{
	const char *p = strstr(path, before);

	return p ? (unsigned)strtoul(p + strlen(before), NULL, 10) : 0;
}

static void judge_files(struct tallies *t, struct truths *truth, const struct map *m,
			const struct model *model, uint32_t one_in)
{
	for (size_t i = 0; i < model->file_count; i++) {
		const struct model_file *file = &model->files[i];
		uint32_t id = (uint32_t)file->fact->ino;

		/* Below, whether it was found at all decides. */
		if (m->pages[id] < 8 * one_in)
			continue;
		judge_one(t, FILE_ACTIVE, &truth->of[FILE_ACTIVE].row[id], 1, 4096, file->active);
		judge_one(t, FILE_DIRTY, &truth->of[FILE_DIRTY].row[id], 1, 4096, file->dirty);
		for (size_t k = 0; k < file->cgroup_count; k++) {
			unsigned g = number_in(file->cgroups[k].cgroup->path, "/g");

			judge_one(t, FILE_CGROUP,
				  &truth->of[FILE_CGROUP].row[file_group(truth, id, g)], 1, 4096,
				  file->cgroups[k].bytes);
		}
	}
}

static void judge_rollups(struct tallies *t, struct truths *truth, const struct model *model)
{
	for (size_t i = 0; i < model->shm_directory_count; i++) {
		const struct model_directory *d = &model->shm_directories[i];
		unsigned id = number_in(d->path, "/d");

		assert_int_not_equal(id, 0);
		judge_one(t, DIR_FILES, &truth->of[DIR_FILES].row[id], 0.25, 1, d->files_interval);
		judge_one(t, DIR_BYTES, &truth->of[DIR_BYTES].row[id], 1, 4096, d->bytes_interval);
	}
	for (size_t i = 0; i < model->file_system_count; i++) {
		const struct model_file_system *s = &model->file_systems[i];

		judge_one(t, FS_FILES, &truth->of[FS_FILES].row[s->minor], 0.25, 1, s->files);
		judge_one(t, FS_BYTES, &truth->of[FS_BYTES].row[s->minor], 1, 4096, s->bytes);
	}
}

static void trial(struct tallies *t, struct map *m, struct truths *truth,
		  const struct scan_config *c)
{
	struct facts *f = scan_facts(m, c);
	struct model *model;

	assert_int_equal(model_create(&model, f), 0);
	judge_one(t, FOUND, &truth->of[FOUND].row[0], 1, 4096,
		  (struct estimate){model->found_bytes, model->found_low, model->found_high});
	/* meminfo says the truth here: no residual is one of its interval. */
	assert_true((model->residual_low <= 0 && model->residual_high >= 0) ==
		    (model->found_low <= (double)m->total * 4096 &&
		     (double)m->total * 4096 <= model->found_high));
	t->width += (model->found_high - model->found_low) / 2 / 4096 / (double)m->total;
	t->bias += model->found_bytes / 4096 / (double)m->total - 1;
	for (size_t i = 0; i < model->cgroup_count; i++) {
		unsigned g = number_in(model->cgroups[i].path, "/g");

		judge_one(t, CGROUP, &truth->of[CGROUP].row[g], 1, 4096, model->cgroups[i].cached);
	}
	judge_files(t, truth, m, model, c->one_in);
	judge_rollups(t, truth, model);
	model_destroy(model);
	facts_destroy(f);
}

static void sum_up(const struct tallies *t, const char *name, uint32_t one_in)
{
	double coverage, error = 2 * sqrt(0.05 * 0.95 / trials);
	uint64_t inside = 0, all = 0;
	int bad = 0;

	for (int k = 0; k < KINDS; k++) {
		if (!t->all[k])
			continue;
		inside += t->inside[k];
		all += t->all[k];
		coverage = (double)t->inside[k] / (double)t->all[k];
		bad += coverage < 0.93 - error || coverage > 0.97 + error;
		print_message("%-16s 1/%-3u %-24s %6.2f%% of %" PRIu64 "\n", name, one_in,
			      kind_names[k], 100 * coverage, t->all[k]);
	}
	assert_true(all > 1000);
	coverage = (double)inside / (double)all;
	print_message("%-16s 1/%-3u %-24s %6.2f%% of %" PRIu64 "; nearly without variance: "
		      "%.2f%% of %" PRIu64 "; bias %+.3f%%, the whole ±%.2f%%\n",
		      name, one_in, "all", 100 * coverage, all,
		      100.0 * (double)t->steady_inside / (double)t->steady, t->steady,
		      100 * t->bias / trials, 100 * t->width / trials);
	if (bad || coverage < 0.93 || coverage > 0.97)
		fail_msg("95%% intervals held the truth %.2f%% of the time, %d kinds are out of "
			 "93-97%% (give or take %.1f%%)",
			 100 * coverage, bad, 100 * error);
	assert_true((double)t->steady_inside >= 0.93 * (double)t->steady);
}

static void cover(const char *fixture, uint32_t one_in)
{
	struct map *m = map_read(fixture);
	struct truths *truth = truths_of(m, one_in, 0);
	struct tallies t = {0};

	for (uint64_t seed = 1; seed <= trials; seed++)
		trial(&t, m, truth,
		      &(struct scan_config){
			      .one_in = one_in, .seed = seed * 7919, .memory = 24u << 20});
	sum_up(&t, fixture, one_in);
	truths_destroy(truth);
	map_destroy(m);
}

static void test_base_16(void **state)
{
	cover("page_map_base.zst", 16);
}
static void test_base_64(void **state)
{
	cover("page_map_base.zst", 64);
}
static void test_large_16(void **state)
{
	cover("page_map_large.zst", 16);
}
static void test_large_64(void **state)
{
	cover("page_map_large.zst", 64);
}
static void test_base_128(void **state)
{
	cover("page_map_base.zst", 128);
}
static void test_large_128(void **state)
{
	cover("page_map_large.zst", 128);
}

/* ------------------------------------------------------------------ stopped by its budget
 */

struct asked {
	unsigned times, of;
};

static bool after_batches(void *ctx)
{
	struct asked *a = ctx;

	return ++a->times > a->of;
}

/*
 * Several batches, of which `batches` are visited, two pairs of each block of 11.  Nothing is
 * favoured: the mean of all trials is the truth.
 */
static void stop(const char *fixture, uint32_t one_in, unsigned batches)
{
	struct map *m = map_read(fixture);
	uint32_t strata = m->frames / one_in;
	struct truths *truth = truths_of(m, one_in, 11);
	struct tallies t = {0};
	char name[64];

	for (uint64_t seed = 1; seed <= trials; seed++) {
		struct asked asked = {.of = batches};

		trial(&t, m, truth,
		      &(struct scan_config){.one_in = one_in,
					    .seed = seed * 104729,
					    .memory = 24u << 20,
					    .batch_strata = strata / 4,
					    .stop = after_batches,
					    .stop_ctx = &asked});
		assert_true(asked.times > batches);
	}
	snprintf(name, sizeof(name), "%s, stopped", fixture);
	sum_up(&t, name, one_in);
	assert_true(fabs(t.bias / trials) < 0.005);
	truths_destroy(truth);
	map_destroy(m);
}

static void test_stopped_base_2(void **state)
{
	stop("page_map_base.zst", 2, 1);
}
static void test_stopped_base_16(void **state)
{
	stop("page_map_base.zst", 16, 1);
}
static void test_stopped_large_2(void **state)
{
	stop("page_map_large.zst", 2, 1);
}
static void test_stopped_large_16(void **state)
{
	stop("page_map_large.zst", 16, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base_16),		cmocka_unit_test(test_base_64),
		cmocka_unit_test(test_base_128),	cmocka_unit_test(test_large_16),
		cmocka_unit_test(test_large_64),	cmocka_unit_test(test_large_128),
		cmocka_unit_test(test_stopped_base_2),	cmocka_unit_test(test_stopped_base_16),
		cmocka_unit_test(test_stopped_large_2), cmocka_unit_test(test_stopped_large_16),
	};
	if (getenv("COVERAGE_TRIALS"))
		trials = (unsigned)atoi(getenv("COVERAGE_TRIALS"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
