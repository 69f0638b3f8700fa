/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared memory and who has it: how much of a file is in swap, who maps it, and of a System V
 * segment who made it.
 *
 * What a file of tmpfs takes (i_blocks) is in memory or in swap: what is not in the page cache is
 * swapped.  The inode number of a System V segment is its id.  Source: mm/shmem.c,
 * shmem_recalc_inode(); ipc/shm.c, newseg()
 */
#include <errno.h>
#include <string.h>

#include "model_build.h"

static bool is_segment(const struct model_file *f)
{
	return f->shmem && !strncmp(f->path, "[SysV shm", strlen("[SysV shm"));
}

static void swapped(struct model_build *b, struct model_file *f)
{
	const struct fact_cache_file *c = f->fact;
	bool tmpfs = c->fstype && !strcmp(c->fstype, "tmpfs");

	f->swapped_bytes = FACT_NONE;
	if (f->shmem && tmpfs && c->nrpages != FACT_NONE)
		f->swapped_bytes =
			none_sub(none_mul(c->blocks, 512), none_mul(c->nrpages, b->page_size));
}

static int segments(struct model_build *b)
{
	const struct facts *f = b->f;
	struct model *m = b->m;
	struct lookup ids;

	if (lookup_init(&ids, b->arena, f->shm.count))
		return -ENOMEM;
	for (size_t i = 0; i < f->shm.count; i++) {
		uint32_t *v = lookup_put(&ids, f->shm.rows[i].shmid, 0, NULL, 0);

		if (!v)
			return -ENOMEM;
		*v = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < m->file_count; i++) {
		struct model_file *file = &m->files[i];
		uint32_t v = is_segment(file) ? lookup_get(&ids, file->fact->ino, 0, NULL, 0) : 0;

		/* Another namespace of ipc may have the same number: the size tells. */
		if (v && f->shm.rows[v - 1].size == file->fact->size) {
			file->segment = &f->shm.rows[v - 1];
			if (file->segment->swap_bytes != FACT_NONE)
				file->swapped_bytes = file->segment->swap_bytes;
		}
	}
	return 0;
}

static const struct fact_process *process_of(const struct lookup *pids, const struct model *m,
					     uint64_t pid)
{
	uint32_t v = lookup_get(pids, pid, 0, NULL, 0);

	return v ? m->processes[v - 1] : NULL;
}

static int mappers(struct model_build *b, const struct lookup *pids)
{
	const struct facts *f = b->f;
	struct model *m = b->m;
	struct lookup files;

	if (lookup_init(&files, b->arena, m->file_count))
		return -ENOMEM;
	for (size_t i = 0; i < m->file_count; i++) {
		const struct fact_cache_file *c = m->files[i].fact;
		uint32_t *v;

		if (!m->files[i].shmem || c->major != 0)
			continue;
		v = lookup_put(&files, c->minor, c->ino, NULL, 0);
		if (!v)
			return -ENOMEM;
		if (!*v)
			*v = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < f->shm_maps.count; i++) {
		const struct fact_shm_map *map = &f->shm_maps.rows[i];
		uint32_t v =
			map->major == 0 ? lookup_get(&files, map->minor, map->ino, NULL, 0) : 0;
		struct model_file *file = v ? &m->files[v - 1] : NULL;

		if (!file)
			continue;
		file->mappers++;
		/* The one that maps most of it; of equal ones the first. */
		if (!file->mapper || or_zero(map->bytes) > file->mapped_bytes) {
			file->mapper = process_of(pids, m, map->pid);
			file->mapped_bytes = or_zero(map->bytes);
		}
	}
	return 0;
}

int model_build_shm_owners(struct model_build *b)
{
	struct model *m = b->m;
	struct lookup pids;
	int r;

	if (lookup_init(&pids, b->arena, m->process_count))
		return -ENOMEM;
	for (size_t i = 0; i < m->process_count; i++) {
		uint32_t *v = lookup_put(&pids, m->processes[i]->pid, 0, NULL, 0);

		if (!v)
			return -ENOMEM;
		if (m->processes[i]->vanished != 1)
			*v = (uint32_t)i + 1;
		else if (!*v)
			*v = (uint32_t)i + 1;
	}
	r = segments(b);
	if (r == 0)
		r = mappers(b, &pids);
	for (size_t i = 0; i < m->file_count && r == 0; i++)
		if (m->files[i].segment)
			m->files[i].maker = process_of(&pids, m, m->files[i].segment->cpid);
	return r;
}

/* Before the directories are summed: of each file what of it is in swap. */
int model_build_swapped(struct model_build *b)
{
	for (size_t i = 0; i < b->m->file_count; i++)
		swapped(b, &b->m->files[i]);
	return 0;
}
