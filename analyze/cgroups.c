/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cgroups of the memory hierarchy joined with those the page-cache scan met, and with the
 * containers they are. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "containers.h"
#include "model_build.h"

/* Deeper nesting than this is not looked up for limits; the kernel's cgroup.max.depth is rarely
 * above ten. */
#define MAX_DEPTH 64

struct row {
	struct model_cgroup cgroup;
	uint64_t cache_id;  /* of the last such group the scan met; FACT_NONE: none */
	struct tally tally; /* sampled */
	uint32_t original;  /* place before sorting */
	struct container_path parsed;
	uint64_t mntns;
};

struct rows {
	struct row *rows;
	size_t count;
	struct lookup by_path; /* of facts → row + 1 */
};

static size_t path_length(const char *path)
{
	size_t len = strlen(path);

	while (len && path[len - 1] == '/')
		len--;
	return len;
}

static int add_facts(struct model_build *b, struct rows *t)
{
	for (size_t i = 0; i < b->f->cgroups.count; i++) {
		const struct fact_cgroup *g = &b->f->cgroups.rows[i];
		uint32_t *v;

		if (!g->path)
			continue;
		v = lookup_put(&t->by_path, 0, 0, g->path, path_length(g->path));
		if (!v)
			return -ENOMEM;
		if (*v)
			continue;
		t->rows[t->count++] = (struct row){
			.cgroup = {.fact = g, .path = g->path, .cached = estimate_none()},
			.cache_id = FACT_NONE,
		};
		*v = (uint32_t)t->count;
	}
	return 0;
}

/* A dying group is a row of its own even when an online one has its path: the service was
 * restarted, and the memory of its past life must not look like that of the new one. */
static int add_scanned(struct model_build *b, struct rows *t, struct lookup *ids)
{
	for (size_t i = 0; i < b->f->cache_cgroups.count; i++) {
		const struct fact_cache_cgroup *c = &b->f->cache_cgroups.rows[i];
		bool dying = c->state && !strcmp(c->state, "dying");
		const char *path = c->path;
		uint32_t row = 0, *v = lookup_put(ids, c->cgroup, 0, NULL, 0);

		if (!v)
			return -ENOMEM;
		if (*v || c->cgroup == 0)
			continue;
		if (!path)
			path = arena_printf(b->arena, "[cgroup inode %" PRIu64 "]", c->ino);
		else if (!dying)
			row = lookup_get(&t->by_path, 0, 0, path, path_length(path));
		if (!row) {
			t->rows[t->count++] = (struct row){
				.cgroup = {.path = path, .dying = dying, .cached = estimate_none()},
			};
			row = (uint32_t)t->count;
		}
		t->rows[row - 1].cache_id = c->cgroup;
		*v = row;
	}
	return 0;
}

static void count_pairs(struct model_build *b, struct rows *t, const struct lookup *ids)
{
	for (size_t i = 0; b->design.paired && i < b->f->cache_pairs.count; i++) {
		const struct fact_cache_pair *p = &b->f->cache_pairs.rows[i];
		const uint64_t id[] = {p->cgroup, p->cgroup2};
		uint32_t row[2];

		for (size_t k = 0; k < 2; k++) {
			bool any = id[k] && id[k] != FACT_NONE;

			row[k] = any ? lookup_get(ids, id[k], 0, NULL, 0) : 0;
			if (row[k])
				t->rows[row[k] - 1].tally.paired = none_add(
					t->rows[row[k] - 1].tally.paired, or_zero(p->pairs));
		}
		if (row[0] && row[0] == row[1])
			t->rows[row[0] - 1].tally.both =
				none_add(t->rows[row[0] - 1].tally.both, or_zero(p->pairs));
	}
}

struct cgroup_blocks {
	struct rows *t;
	const struct lookup *ids;
};

static bool side_of_cgroup(void *ctx, uint64_t file, uint64_t cgroup, struct block_side *ret)
{
	const struct lookup *ids = ((struct cgroup_blocks *)ctx)->ids;

	ret->group = cgroup ? lookup_get(ids, cgroup, 0, NULL, 0) : 0;
	ret->weight = 1;
	return ret->group;
}

static void add_block(void *ctx, uint32_t group, const struct block_part *p)
{
	block_tally(&((struct cgroup_blocks *)ctx)->t->rows[group - 1].tally, p);
}

static void count_pages(struct model_build *b, struct rows *t, const struct lookup *ids)
{
	if (!b->sampled)
		return;
	for (size_t i = 0; i < b->f->cache_samples.count; i++) {
		const struct fact_cache_sample *s = &b->f->cache_samples.rows[i];
		uint32_t row = s->cgroup ? lookup_get(ids, s->cgroup, 0, NULL, 0) : 0;

		if (row)
			t->rows[row - 1].tally.pages =
				none_add(t->rows[row - 1].tally.pages, or_zero(s->pages));
	}
	count_pairs(b, t, ids);
	blocks_each(b, side_of_cgroup, add_block, &(struct cgroup_blocks){t, ids});
	for (size_t i = 0; i < t->count; i++)
		t->rows[i].cgroup.cached = t->rows[i].cgroup.fact
						   ? estimate_total(&b->design, &t->rows[i].tally)
						   : estimate_found(&b->design, &t->rows[i].tally);
}

static uint64_t own_limit(const struct fact_cgroup *g)
{
	uint64_t limit = g->limit_bytes;

	if (g->effective_limit_bytes < limit)
		limit = g->effective_limit_bytes;
	return limit;
}

static void limits(struct rows *t)
{
	for (size_t i = 0; i < t->count; i++) {
		struct model_cgroup *g = &t->rows[i].cgroup;
		size_t len = path_length(g->path);

		g->limit_bytes = g->fact ? own_limit(g->fact) : FACT_NONE;
		for (unsigned depth = 0; len && depth < MAX_DEPTH; depth++) {
			uint32_t up;

			while (len && g->path[len - 1] != '/')
				len--;
			while (len && g->path[len - 1] == '/')
				len--;
			up = lookup_get(&t->by_path, 0, 0, g->path, len);
			if (up && own_limit(t->rows[up - 1].cgroup.fact) < g->limit_bytes)
				g->limit_bytes = own_limit(t->rows[up - 1].cgroup.fact);
		}
		/* kubelet: pkg/kubelet/cadvisor, workingSet = usage − total_inactive_file. */
		g->workingset_bytes =
			g->fact ? none_sub(g->fact->usage_bytes, g->fact->inactive_file_bytes)
				: FACT_NONE;
	}
}

static const char *or_null(const char *s)
{
	return s && *s ? s : NULL;
}

static int containers(struct model_build *b, struct rows *t)
{
	const struct facts *f = b->f;
	struct lookup by_id, pods;

	if (lookup_init(&by_id, b->arena, f->containers.count) ||
	    lookup_init(&pods, b->arena, t->count))
		return -ENOMEM;
	for (size_t i = 0; i < f->containers.count; i++) {
		const char *id = f->containers.rows[i].id;
		uint32_t *v = id ? lookup_put(&by_id, 0, 0, id, strlen(id)) : NULL;

		if (v && !*v)
			*v = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < t->count; i++) {
		struct row *r = &t->rows[i];
		struct model_cgroup *g = &r->cgroup;
		const struct fact_container *c = NULL;

		container_parse(g->path, &r->parsed);
		if (!r->parsed.id[0])
			continue;
		uint32_t v = lookup_get(&by_id, 0, 0, r->parsed.id, strlen(r->parsed.id));

		if (v)
			c = &f->containers.rows[v - 1];
		g->runtime = c && or_null(c->runtime) ? c->runtime : r->parsed.runtime;
		g->container = c ? or_null(c->name) : NULL;
		g->pod = c ? or_null(c->pod) : NULL;
		g->namespace = c ? or_null(c->namespace) : NULL;
		/* An id without a name: twelve digits of it, as `docker ps` prints it. */
		if (!g->container)
			g->container =
				arena_strndup(b->arena, r->parsed.id,
					      strlen(r->parsed.id) == 64 ? 12 : CONTAINER_ID_MAX);
		if (g->pod && r->parsed.pod_uid[0]) {
			uint32_t *pod = lookup_put(&pods, 0, 0, r->parsed.pod_uid,
						   strlen(r->parsed.pod_uid));

			if (pod && !*pod)
				*pod = (uint32_t)i + 1;
		}
	}
	/* The pod's own group, and containers whose name was not found, learn from their siblings.
	 */
	for (size_t i = 0; i < t->count; i++) {
		struct row *r = &t->rows[i];
		uint32_t v = r->parsed.pod_uid[0] && !r->cgroup.pod
				     ? lookup_get(&pods, 0, 0, r->parsed.pod_uid,
						  strlen(r->parsed.pod_uid))
				     : 0;

		if (v) {
			r->cgroup.pod = t->rows[v - 1].cgroup.pod;
			r->cgroup.namespace = t->rows[v - 1].cgroup.namespace;
		}
	}
	return 0;
}

static void names(struct model_build *b, struct rows *t)
{
	for (size_t i = 0; i < t->count; i++) {
		struct model_cgroup *g = &t->rows[i].cgroup;
		const char *ns = g->namespace ? g->namespace : "", *slash = g->namespace ? "/" : "";

		if (g->pod && g->container)
			g->name = arena_printf(b->arena, "%s%s%s/%s", ns, slash, g->pod,
					       g->container);
		else if (g->pod)
			g->name = arena_printf(b->arena, "%s%s%s", ns, slash, g->pod);
		else
			g->name = g->container ? g->container : g->path;
	}
}

/* A container's files are where its processes see them: the mount namespace of its oldest process
 * that is not the host's. */
static int namespaces(struct model_build *b, struct rows *t)
{
	const struct facts *f = b->f;
	uint64_t host = paths_host_namespace(b->paths);
	struct lookup oldest;

	if (lookup_init(&oldest, b->arena, f->processes.count))
		return -ENOMEM;
	for (size_t i = 0; i < f->processes.count; i++) {
		const struct fact_process *p = &f->processes.rows[i];
		struct container_path parsed;

		if (!p->cgroup || p->mntns == FACT_NONE || p->mntns == 0 || p->mntns == host)
			continue;
		container_parse(p->cgroup, &parsed);
		uint32_t *v = lookup_put(&oldest, 0, 0, p->cgroup,
					 parsed.container_len ? parsed.container_len
							      : path_length(p->cgroup));

		if (!v)
			return -ENOMEM;
		if (!*v || f->processes.rows[*v - 1].pid > p->pid)
			*v = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < t->count; i++) {
		struct row *r = &t->rows[i];
		size_t len = r->parsed.container_len ? r->parsed.container_len
						     : path_length(r->cgroup.path);
		uint32_t v = r->cgroup.dying ? 0 : lookup_get(&oldest, 0, 0, r->cgroup.path, len);

		r->mntns = v ? f->processes.rows[v - 1].mntns : FACT_NONE;
	}
	return 0;
}

static double weight(const struct row *r)
{
	if (r->cgroup.fact && r->cgroup.fact->usage_bytes != FACT_NONE)
		return (double)r->cgroup.fact->usage_bytes;
	return isnan(r->cgroup.cached.bytes) ? 0 : r->cgroup.cached.bytes;
}

static int by_usage(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	double u = weight(x), v = weight(y);
	int r;

	if (u != v)
		return u > v ? -1 : 1;
	r = strcmp(x->cgroup.path, y->cgroup.path);
	if (r)
		return r;
	return (x->cache_id > y->cache_id) - (x->cache_id < y->cache_id);
}

static int build(struct model_build *b, struct rows *t, uint32_t *place)
{
	const struct facts *f = b->f;
	struct row *rows = t->rows;
	struct lookup ids;
	int r;

	if (lookup_init(&t->by_path, b->arena, f->cgroups.count) ||
	    lookup_init(&ids, b->arena, f->cache_cgroups.count) ||
	    lookup_init(&b->cgroup_ids, b->arena, f->cache_cgroups.count))
		return -ENOMEM;
	r = add_facts(b, t);
	if (r == 0)
		r = add_scanned(b, t, &ids);
	if (r < 0)
		return r;
	count_pages(b, t, &ids);
	limits(t);
	r = containers(b, t);
	if (r == 0)
		r = namespaces(b, t);
	if (r < 0)
		return r;
	names(b, t);
	for (size_t i = 0; i < t->count; i++)
		rows[i].original = (uint32_t)i;
	if (t->count)
		qsort(rows, t->count, sizeof(*rows), by_usage);

	b->m->cgroups = arena_alloc(b->arena, (t->count + 1) * sizeof(*b->m->cgroups));
	b->mntns = arena_alloc(b->arena, (t->count + 1) * sizeof(*b->mntns));
	if (!b->m->cgroups || !b->mntns)
		return -ENOMEM;
	b->m->cgroup_count = t->count;
	for (size_t i = 0; i < t->count; i++) {
		b->m->cgroups[i] = rows[i].cgroup;
		b->mntns[i] = rows[i].mntns;
		place[rows[i].original] = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < f->cache_cgroups.count; i++) {
		uint64_t id = f->cache_cgroups.rows[i].cgroup;
		uint32_t row = lookup_get(&ids, id, 0, NULL, 0);
		uint32_t *v = row ? lookup_put(&b->cgroup_ids, id, 0, NULL, 0) : NULL;

		if (v)
			*v = place[row - 1];
	}
	return 0;
}

int model_build_cgroups(struct model_build *b)
{
	size_t max = b->f->cgroups.count + b->f->cache_cgroups.count;
	struct rows t = {.rows = calloc(max + 1, sizeof(*t.rows))};
	uint32_t *place = calloc(max + 1, sizeof(*place));
	int r = -ENOMEM;

	if (t.rows && place)
		r = build(b, &t, place);
	free(t.rows);
	free(place);
	return r;
}
