/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page cache by file system: what a million small files hold, of which a sampled scan finds
 * some. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rollup.h"

struct row {
	struct rollup sum;
	const struct fact_mount *mount;
	struct model_file_system out;
};

static int largest_first(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->out.bytes.bytes != y->out.bytes.bytes)
		return x->out.bytes.bytes > y->out.bytes.bytes ? -1 : 1;
	if (x->out.major != y->out.major)
		return x->out.major < y->out.major ? -1 : 1;
	return (x->out.minor > y->out.minor) - (x->out.minor < y->out.minor);
}

/* Where people know it: of the host's mounts of it the whole one, and of these the shortest. */
static bool better(const struct fact_mount *m, const struct fact_mount *old)
{
	bool whole = m->root && !strcmp(m->root, "/");
	bool old_whole = old && old->root && !strcmp(old->root, "/");

	if (m->host != 1 || !m->mountpoint)
		return false;
	if (!old || whole != old_whole)
		return !old || whole;
	return strlen(m->mountpoint) < strlen(old->mountpoint);
}

static int name_mountpoints(struct model_build *b, struct row *rows, size_t count)
{
	struct lookup devices;

	if (lookup_init(&devices, b->arena, count))
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		uint32_t *v = lookup_put(&devices, rows[i].out.major, rows[i].out.minor, NULL, 0);

		if (!v)
			return -ENOMEM;
		*v = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < b->f->mounts.count; i++) {
		const struct fact_mount *m = &b->f->mounts.rows[i];
		uint32_t v = m->major == FACT_NONE
				     ? 0
				     : lookup_get(&devices, m->major, m->minor, NULL, 0);

		if (v && better(m, rows[v - 1].mount))
			rows[v - 1].mount = m;
	}
	for (size_t i = 0; i < count; i++)
		rows[i].out.mountpoint = rows[i].mount ? rows[i].mount->mountpoint : NULL;
	return 0;
}

static int build(struct model_build *b, struct row *rows, uint32_t *group_of)
{
	struct model *m = b->m;
	struct lookup ids;
	size_t count = 0;

	if (lookup_init(&ids, b->arena, m->file_count))
		return -ENOMEM;
	for (size_t i = 0; i < m->file_count; i++) {
		const struct fact_cache_file *f = m->files[i].fact;
		const char *type = f->fstype ? f->fstype : "";
		uint32_t *v = lookup_put(&ids, f->major, f->minor, type, strlen(type));

		if (!v)
			return -ENOMEM;
		if (!*v) {
			rows[count].out = (struct model_file_system){
				.fstype = f->fstype, .major = f->major, .minor = f->minor};
			*v = (uint32_t)++count;
		}
		group_of[i] = *v;
		rollup_file(b, &rows[*v - 1].sum, i);
	}
	rollup_pairs(b, &rows->sum, sizeof(*rows), group_of);
	for (size_t i = 0; i < count; i++) {
		rows[i].out.files = rollup_files(b, &rows[i].sum);
		rows[i].out.bytes = rollup_bytes(b, &rows[i].sum);
	}
	if (name_mountpoints(b, rows, count))
		return -ENOMEM;
	if (count)
		qsort(rows, count, sizeof(*rows), largest_first);
	m->file_systems = arena_alloc(b->arena, (count + 1) * sizeof(*m->file_systems));
	if (!m->file_systems)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		m->file_systems[i] = rows[i].out;
	m->file_system_count = count;
	return 0;
}

int model_build_file_systems(struct model_build *b)
{
	struct row *rows;
	uint32_t *group_of;
	int r = -ENOMEM;

	if (!b->sampled)
		return 0;
	rows = calloc(b->m->file_count + 1, sizeof(*rows));
	group_of = calloc(b->m->file_count + 1, sizeof(*group_of));
	if (rows && group_of)
		r = build(b, rows, group_of);
	free(rows);
	free(group_of);
	return r;
}
