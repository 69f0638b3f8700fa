/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page cache by file system: what a million small files hold, of which a sampled scan finds
 * some. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rollup.h"

struct row {
	struct rollup sum;
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
