/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slab that belongs to one group, as until 5.8: of its own copies of the kernel's caches. */
#include <string.h>

#include "scan_internal.h"

#define NAME 64

static bool is_group_slab(const struct slab_cache *c)
{
	return c->addr && c->memcg && c->frames;
}

void scan_find_slab_cgroups(struct scan *s)
{
	for (size_t i = 0; i < SLAB_CACHES; i++)
		if (is_group_slab(&s->slabs->caches[i]))
			tables_cgroup(&s->tables, s->slabs->caches[i].memcg);
}

static int emit_cache(struct scan *s, const struct slab_cache *c, const struct scan_sink *sink)
{
	uint32_t cgroup = tables_cgroup(&s->tables, c->memcg);
	char name[NAME] = "";

	if (cgroup == TABLE_NONE)
		return 0;
	/* At the end of a page less can be read. */
	for (size_t n = NAME - 1; n && kmem_read(s->source, c->name, name, n) < 0; n /= 2)
		name[0] = '\0';
	name[NAME - 1] = '\0';
	return sink->group_slab(sink->ctx, s->canonical[cgroup], name, strlen(name), c->frames);
}

int scan_resolve_group_slabs(struct scan *s, const struct scan_sink *sink)
{
	bool open = false;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < SLAB_CACHES; i++) {
		if (!is_group_slab(&s->slabs->caches[i]))
			continue;
		if (!open)
			r = sink->table(sink->ctx, SCAN_GROUP_SLABS);
		open = true;
		if (r >= 0)
			r = emit_cache(s, &s->slabs->caches[i], sink);
	}
	return r;
}
