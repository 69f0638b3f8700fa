/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared memory by directory: ten thousand small files that leak are one row, not ten thousand
 * that no ranking shows.
 *
 * A sampled scan finds a file of K pages with a probability that depends on K and on how its pages
 * lie in memory.  Two sums do not: each sampled page stands for one_in pages (bytes), and for
 * one_in / K files (files), since a file of K pages gives K / one_in sampled pages on average.
 * What was found is there, so neither estimate goes below it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_build.h"

struct sum {
	struct model_directory dir;
	size_t len;	       /* of the path; the string is some file's */
	uint64_t pages;	       /* sampled */
	double files, squares; /* Horvitz-Thompson, and its variance */
};

/* Length of the directory of a path; of labels, the whole. */
static size_t directory_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (path[0] == '[') { /* "[memfd:a/b]" has no directory, "[mnt:4026532000]/a/b" has */
		const char *end = strchr(path, ']');

		if (!end || !slash || slash < end)
			return strlen(path);
	}
	if (!slash)
		return strlen(path);
	return slash == path ? 1 : (size_t)(slash - path);
}

static int largest_first(const void *a, const void *b)
{
	const struct sum *x = a, *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int r;

	if (x->dir.bytes != y->dir.bytes)
		return x->dir.bytes > y->dir.bytes ? -1 : 1;
	r = memcmp(x->dir.path, y->dir.path, len);
	return r ? r : (x->len > y->len) - (x->len < y->len);
}

static struct estimate at_least(struct estimate e, double found)
{
	e.bytes = fmax(e.bytes, found);
	e.low = fmax(e.low, found);
	e.high = fmax(e.high, e.bytes);
	return e;
}

static void finish(struct model_build *b, struct sum *s)
{
	struct model_directory *d = &s->dir;

	d->path = arena_strndup(b->arena, d->path, s->len);
	d->files_interval = estimate_exact((double)d->files);
	d->bytes_interval = estimate_exact((double)d->bytes);
	if (!b->sampled || b->design.exact)
		return;
	double half = 1.96 * sqrt(s->squares);

	d->bytes_interval = at_least(estimate_total(&b->design, s->pages), (double)d->bytes);
	d->files_interval = at_least((struct estimate){s->files, s->files - half, s->files + half},
				     (double)d->files);
	d->bytes = to_u64(d->bytes_interval.bytes);
	d->files = to_u64(d->files_interval.bytes);
}

static uint64_t sampled_pages(const struct model_build *b, const struct fact_cache_file *file,
			      const struct lookup *ids, const uint64_t *pages)
{
	uint32_t v = b->sampled ? lookup_get(ids, file->file, 0, NULL, 0) : 0;

	return v ? pages[v - 1] : 0;
}

static int build(struct model_build *b, size_t shmem, struct sum *sums, uint64_t *pages)
{
	const struct facts *f = b->f;
	struct model *m = b->m;
	size_t count = 0;
	struct lookup dirs, ids;

	if (lookup_init(&dirs, b->arena, shmem) || lookup_init(&ids, b->arena, shmem))
		return -ENOMEM;
	for (size_t i = 0, k = 0; i < m->file_count; i++) {
		uint32_t *v;

		if (!m->files[i].shmem)
			continue;
		v = lookup_put(&ids, m->files[i].fact->file, 0, NULL, 0);
		if (v && !*v)
			*v = (uint32_t)++k;
	}
	for (size_t i = 0; b->sampled && i < f->cache_samples.count; i++) {
		const struct fact_cache_sample *s = &f->cache_samples.rows[i];
		uint32_t v = lookup_get(&ids, s->file, 0, NULL, 0);

		if (v)
			pages[v - 1] = none_add(pages[v - 1], or_zero(s->pages));
	}
	for (size_t i = 0; i < m->file_count; i++) {
		const struct model_file *file = &m->files[i];
		uint32_t *v;

		if (!file->shmem || file->cached_bytes == 0)
			continue;
		size_t len = directory_length(file->path);

		v = lookup_put(&dirs, 0, 0, file->path, len);
		if (!v)
			return -ENOMEM;
		if (!*v) {
			sums[count] = (struct sum){.dir.path = file->path, .len = len};
			*v = (uint32_t)++count;
		}
		struct sum *s = &sums[*v - 1];
		uint64_t k = sampled_pages(b, file->fact, &ids, pages);

		s->dir.files++;
		s->dir.bytes = none_add(s->dir.bytes, file->cached_bytes);
		if (file->cached_bytes > s->dir.largest_bytes)
			s->dir.largest_bytes = file->cached_bytes;
		if (file->fact->state && !strcmp(file->fact->state, "deleted"))
			s->dir.deleted++;
		s->pages = none_add(s->pages, k);
		if (b->sampled && k) {
			double stands = b->design.population / b->design.draws *
					(double)b->page_size / (double)file->cached_bytes;

			s->files += (double)k * stands;
			s->squares += (double)k * stands * stands;
		}
	}
	m->shm_directories = arena_alloc(b->arena, (count + 1) * sizeof(*m->shm_directories));
	if (!m->shm_directories)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		finish(b, &sums[i]);
	if (arena_exhausted(b->arena))
		return -ENOMEM;
	if (count)
		qsort(sums, count, sizeof(*sums), largest_first);
	for (size_t i = 0; i < count; i++)
		m->shm_directories[i] = sums[i].dir;
	m->shm_directory_count = count;
	return 0;
}

int model_build_shared_memory(struct model_build *b)
{
	struct sum *sums;
	uint64_t *pages;
	size_t shmem = 0;
	int r = -ENOMEM;

	for (size_t i = 0; i < b->m->file_count; i++)
		shmem += b->m->files[i].shmem;
	sums = calloc(shmem + 1, sizeof(*sums));
	pages = calloc(shmem + 1, sizeof(*pages));
	if (sums && pages)
		r = build(b, shmem, sums, pages);
	free(sums);
	free(pages);
	return r;
}
