/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared memory by directory: ten thousand small files that leak are one row, not ten thousand
 * that no ranking shows.
 * How sure that is stands in estimate.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rollup.h"

struct sum {
	struct rollup sum;
	struct model_directory dir;
	size_t len; /* of the path; the string is some file's */
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

static void finish(struct model_build *b, struct sum *s)
{
	struct model_directory *d = &s->dir;

	d->path = arena_strndup(b->arena, d->path, s->len);
	d->files_interval = rollup_files(b, &s->sum);
	d->bytes_interval = rollup_bytes(b, &s->sum);
	d->bytes = to_u64(d->bytes_interval.bytes);
	d->files = to_u64(d->files_interval.bytes);
}

static int build(struct model_build *b, size_t shmem, struct sum *sums, uint32_t *group_of)
{
	struct model *m = b->m;
	size_t count = 0;
	struct lookup dirs;

	if (lookup_init(&dirs, b->arena, shmem))
		return -ENOMEM;
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
			sums[count] = (struct sum){.dir.path = file->path,
						   .dir.swapped_bytes = FACT_NONE,
						   .dir.oldest = FACT_NONE,
						   .len = len};
			*v = (uint32_t)++count;
		}
		struct sum *s = &sums[*v - 1];

		group_of[i] = *v;
		rollup_file(b, &s->sum, i);
		if (file->cached_bytes > s->dir.largest_bytes)
			s->dir.largest_bytes = file->cached_bytes;
		if (file->swapped_bytes != FACT_NONE)
			s->dir.swapped_bytes =
				none_add(or_zero(s->dir.swapped_bytes), file->swapped_bytes);
		if (file->fact->mtime < s->dir.oldest)
			s->dir.oldest = file->fact->mtime;
		if (file->fact->state && !strcmp(file->fact->state, "deleted"))
			s->dir.deleted++;
	}
	rollup_pairs(b, &sums->sum, sizeof(*sums), group_of);
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
	uint32_t *group_of;
	size_t shmem = 0;
	int r = -ENOMEM;

	for (size_t i = 0; i < b->m->file_count; i++)
		shmem += b->m->files[i].shmem;
	sums = calloc(shmem + 1, sizeof(*sums));
	group_of = calloc(b->m->file_count + 1, sizeof(*group_of));
	if (sums && group_of)
		r = build(b, shmem, sums, group_of);
	free(sums);
	free(group_of);
	return r;
}
