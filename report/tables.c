/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct table_def *const groups[] = {
	tables_stacks,	tables_cache,  tables_memory, tables_groups, tables_processes,
	tables_objects, tables_heaps,  tables_growth, tables_guard,  tables_raw,
	tables_hotspot, tables_offcpu, NULL};

const char *table_id(size_t n)
{
	for (size_t i = 0; groups[i]; i++)
		for (const struct table_def *d = groups[i]; d->id; d++)
			if (!n--)
				return d->id;
	return NULL;
}

int table_open(struct table *ret, const char *id, const struct report *r)
{
	for (size_t i = 0; groups[i]; i++)
		for (const struct table_def *d = groups[i]; d->id; d++)
			if (!strcmp(d->id, id)) {
				*ret = (struct table){
					.id = d->id, .report = r, .sorted = -1, .none = "None."};
				return d->open(ret);
			}
	return -ENOENT;
}

void table_close(struct table *t)
{
	free(t->owned);
	t->owned = NULL;
}
