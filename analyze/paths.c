/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "lookup.h"
#include "overlay.h"
#include "paths.h"

#define ANY_NAMESPACE UINT64_MAX
/* Bounds on the work for one file, since the tables may be hostile.  More mounts than this are not
 * looked through for one that is not hidden; no mount lies more components deep; no path crosses
 * more mounts. */
#define MAX_TRIES 16
#define MAX_DEPTH 64
#define MAX_MOVES 128

struct entry {
	const struct fact_mount *m;
	uint32_t next, next_any; /* the same root of the same file system; entry + 1, 0: end */
};

struct layer {
	uint32_t entry; /* + 1 */
	uint32_t next;	/* layer + 1: other overlays with this directory */
	bool upper;
};

struct paths {
	const struct facts *f;
	struct arena *arena;
	uint64_t host; /* namespace */
	struct entry *entries;
	size_t count;
	struct lookup by_root;	/* namespace, device, root → entry + 1 */
	struct lookup children; /* namespace, parent id, mountpoint → entry + 1 */
	struct lookup roots;	/* namespace → entry + 1 of the mount the namespace starts with */
	struct lookup sources;	/* device → entry + 1 of a mount that names its source */
	struct lookup layers;	/* namespace, directory → layer + 1 */
	struct layer *layer_rows;
	size_t layer_count, layer_capacity;
};

static uint64_t device(uint64_t major, uint64_t minor)
{
	return major << 32 ^ minor;
}

static int by_namespace_and_id(const void *a, const void *b)
{
	const struct fact_mount *x = ((const struct entry *)a)->m,
				*y = ((const struct entry *)b)->m;

	if ((x->host == 1) != (y->host == 1))
		return x->host == 1 ? -1 : 1;
	if (x->mntns != y->mntns)
		return x->mntns < y->mntns ? -1 : 1;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Length of a mount's root without "//deleted", which is no part of the path, and without a
 * trailing slash: "/" has length 0, so that a prefix of that length ends on a component. */
static size_t root_length(const char *root)
{
	size_t len = strlen(root);

	if (len > 9 && !memcmp(root + len - 9, "//deleted", 9))
		len -= 9;
	while (len && root[len - 1] == '/')
		len--;
	return len;
}

static int add_mount(struct paths *p, uint32_t i)
{
	struct entry *e = &p->entries[i];
	const struct fact_mount *m = e->m;
	uint64_t dev = device(m->major, m->minor);
	size_t root = root_length(m->root), point = root_length(m->mountpoint);
	uint32_t *v;

	v = lookup_put(&p->by_root, m->mntns, dev, m->root, root);
	if (!v)
		return -ENOMEM;
	e->next = *v;
	*v = i + 1;
	v = lookup_put(&p->by_root, ANY_NAMESPACE, dev, m->root, root);
	if (!v)
		return -ENOMEM;
	e->next_any = *v;
	*v = i + 1;

	/* Later mounts have higher ids and entries come in falling order: the first one stays. */
	v = lookup_put(&p->children, m->mntns, m->parent, m->mountpoint, point);
	if (!v)
		return -ENOMEM;
	if (!*v)
		*v = i + 1;

	if (m->source && m->source[0] == '/') {
		v = lookup_put(&p->sources, 0, dev, NULL, 0);
		if (!v)
			return -ENOMEM;
		*v = i + 1;
	}
	return 0;
}

/* The mount a namespace starts with: at "/", with a parent that is not in the table. */
static int add_roots(struct paths *p, const struct lookup *ids)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct fact_mount *m = p->entries[i].m;
		bool orphan = m->parent == m->id || !lookup_get(ids, m->mntns, m->parent, NULL, 0);
		uint32_t *v;

		if (root_length(m->mountpoint) != 0)
			continue;
		v = lookup_put(&p->roots, m->mntns, 0, NULL, 0);
		if (!v)
			return -ENOMEM;
		/* Without an orphan (a cycle) anything at "/" is better than nothing. */
		if (!*v)
			*v = (uint32_t)i + 1;
		else if (orphan) {
			const struct fact_mount *old = p->entries[*v - 1].m;

			if (old->parent != old->id &&
			    lookup_get(ids, old->mntns, old->parent, NULL, 0))
				*v = (uint32_t)i + 1;
		}
	}
	return 0;
}

static int add_layer(struct paths *p, uint64_t mntns, const struct overlay_layer *l, uint32_t entry)
{
	uint32_t *v = lookup_put(&p->layers, mntns, 0, l->path, strlen(l->path));

	if (!v || p->layer_count == p->layer_capacity)
		return -ENOMEM;
	p->layer_rows[p->layer_count] = (struct layer){entry, *v, l->upper};
	*v = (uint32_t)++p->layer_count;
	return 0;
}

/* docker and podman mount with lowerdir=D/l/SHORT, SHORT a link to ../ID/diff.  The links are not
 * in the archive: D/l stands for all of them, and paths_… know what that means. */
static const char *link_directory(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash || slash - path < 3 || memcmp(slash - 2, "/l", 2) != 0)
		return NULL;
	return arena_strndup(a, path, (size_t)(slash - path));
}

static int add_overlays(struct paths *p)
{
	struct overlay_layer *layers = arena_alloc(p->arena, OVERLAY_MAX_LAYERS * sizeof(*layers));
	size_t overlays = 0, options = 0;
	int r;

	if (!layers)
		return -ENOMEM;
	for (size_t i = 0; i < p->count; i++) {
		const struct fact_mount *m = p->entries[i].m;

		if (m->fstype && !strcmp(m->fstype, "overlay") && m->super_options) {
			overlays++;
			for (const char *c = m->super_options; *c; c++)
				options += *c == ':' || *c == ',';
		}
	}
	/* Each layer twice: for its own namespace and for any. */
	p->layer_capacity = 2 * (overlays * 2 + options);
	p->layer_rows = arena_alloc(p->arena, (p->layer_capacity + 1) * sizeof(*p->layer_rows));
	if (!p->layer_rows)
		return -ENOMEM;
	r = lookup_init(&p->layers, p->arena, p->layer_capacity + 1);
	for (size_t i = p->count; i-- > 0 && r == 0;) {
		const struct fact_mount *m = p->entries[i].m;
		const char *links = NULL;

		if (!m->fstype || strcmp(m->fstype, "overlay") != 0 || !m->super_options)
			continue;
		size_t n = overlay_layers(p->arena, m->super_options, layers, OVERLAY_MAX_LAYERS);

		for (size_t k = 0; k < n && r == 0; k++) {
			struct overlay_layer l = layers[k];
			const char *dir = l.upper ? NULL : link_directory(p->arena, l.path);

			if (dir) {
				if (links && !strcmp(links, dir))
					continue;
				l.path = links = dir;
			}
			r = add_layer(p, m->mntns, &l, (uint32_t)i + 1);
			if (r == 0)
				r = add_layer(p, ANY_NAMESPACE, &l, (uint32_t)i + 1);
		}
	}
	return r;
}

int paths_create(struct paths **ret, const struct facts *f, struct arena *a)
{
	struct paths *p = arena_alloc(a, sizeof(*p));
	struct lookup ids;
	int r;

	if (!p)
		return -ENOMEM;
	p->f = f;
	p->arena = a;
	p->host = FACT_NONE;
	p->entries = arena_alloc(a, (f->mounts.count + 1) * sizeof(*p->entries));
	if (!p->entries || lookup_init(&p->by_root, a, f->mounts.count * 2) ||
	    lookup_init(&p->children, a, f->mounts.count) ||
	    lookup_init(&ids, a, f->mounts.count) || lookup_init(&p->roots, a, f->mounts.count) ||
	    lookup_init(&p->sources, a, f->mounts.count))
		return -ENOMEM;
	for (size_t i = 0; i < f->mounts.count; i++)
		if (f->mounts.rows[i].root && f->mounts.rows[i].mountpoint)
			p->entries[p->count++].m = &f->mounts.rows[i];
	if (p->count)
		qsort(p->entries, p->count, sizeof(*p->entries), by_namespace_and_id);
	if (p->count && p->entries[0].m->host == 1)
		p->host = p->entries[0].m->mntns;

	/* Backwards, each in front of its chain: the chains then run from the lowest id. */
	for (size_t i = p->count; i-- > 0;) {
		uint32_t *v =
			lookup_put(&ids, p->entries[i].m->mntns, p->entries[i].m->id, NULL, 0);

		if (!v)
			return -ENOMEM;
		*v = (uint32_t)i + 1;
		r = add_mount(p, (uint32_t)i);
		if (r < 0)
			return r;
	}
	r = add_roots(p, &ids);
	if (r == 0)
		r = add_overlays(p);
	if (r < 0)
		return r;
	*ret = p;
	return 0;
}

uint64_t paths_host_namespace(const struct paths *p)
{
	return p->host;
}

/* The mount on which a walk along `path` ends in this namespace: as the kernel walks, stepping
 * onto whatever is mounted where it stands.  entry + 1, 0 when the root is not known. */
static uint32_t walk(const struct paths *p, uint64_t mntns, const char *path)
{
	uint32_t cur = lookup_get(&p->roots, mntns, 0, NULL, 0);
	unsigned moves = 0, depth = 0;

	if (!cur)
		return 0;
	for (const char *at = path;; at++) {
		if (*at == '/' || *at == '\0') {
			/* Stacked mounts: each is the child of the one below. */
			while (moves++ < MAX_MOVES) {
				uint32_t child =
					lookup_get(&p->children, mntns, p->entries[cur - 1].m->id,
						   path, (size_t)(at - path));

				if (!child || child == cur)
					break;
				cur = child;
			}
			if (++depth > MAX_DEPTH)
				return cur;
		}
		if (*at == '\0')
			return cur;
	}
}

static const char *join(struct paths *p, const char *mountpoint, const char *rest)
{
	size_t len = root_length(mountpoint);

	if (len == 0)
		return *rest ? rest : "/";
	return arena_printf(p->arena, "%.*s%s", (int)len, mountpoint, rest);
}

/* Length of the first MAX_DEPTH components. */
static size_t depth_limit(const char *path)
{
	unsigned depth = 0;

	for (size_t i = 0;; i++)
		if (path[i] == '\0' || (path[i] == '/' && ++depth > MAX_DEPTH))
			return i;
}

struct found {
	const struct entry *entry; /* NULL: none */
	const char *path, *rest;
	bool hidden;
};

/* The best mount of `dev` in a namespace for a path from its root; see paths_host(). */
static struct found find(struct paths *p, uint64_t mntns, uint64_t dev, const char *path)
{
	struct found best = {.hidden = true};
	unsigned tries = 0;

	for (size_t len = depth_limit(path);; len--) {
		uint32_t i;

		if (path[len] != '/' && path[len] != '\0')
			continue; /* not on a component; len == 0 is always on one */
		/* The root of a file system has no name of its own there. */
		const char *rest = path + len + !strcmp(path + len, "/");

		i = lookup_get(&p->by_root, mntns, dev, path, len);
		while (i && tries++ < MAX_TRIES) {
			const struct entry *e = &p->entries[i - 1];
			const char *full = join(p, e->m->mountpoint, rest);

			if (walk(p, e->m->mntns, full) == i)
				return (struct found){e, full, rest, false};
			if (!best.entry)
				best = (struct found){e, full, rest, true};
			i = mntns == ANY_NAMESPACE ? e->next_any : e->next;
		}
		if (len == 0)
			return best;
	}
}

static const char *label(struct paths *p, const struct fact_cache_file *file)
{
	const char *name = file->path;

	if (!name || !*name)
		return arena_printf(p->arena, "[%s %" PRIu64 ":%" PRIu64 " inode %" PRIu64 "]",
				    file->fstype ? file->fstype : "file", file->major, file->minor,
				    file->ino);
	while (*name == '/' || *name == '[')
		name++;
	size_t len = strlen(name);

	while (len && name[len - 1] == ']')
		len--;
	return arena_printf(p->arena, "[%s%.*s]", strncmp(name, "SYSV", 4) ? "" : "SysV shm ",
			    (int)len, name);
}

static const char *block_device(struct paths *p, const struct fact_cache_file *file)
{
	uint32_t i =
		lookup_get(&p->sources, 0, device(file->rdev_major, file->rdev_minor), NULL, 0);

	if (file->rdev_major == FACT_NONE || file->rdev_minor == FACT_NONE)
		return arena_printf(p->arena, "[block device, inode %" PRIu64 "]", file->ino);
	if (i)
		return arena_printf(p->arena, "[block device %" PRIu64 ":%" PRIu64 " (%s)]",
				    file->rdev_major, file->rdev_minor,
				    p->entries[i - 1].m->source);
	return arena_printf(p->arena, "[block device %" PRIu64 ":%" PRIu64 "]", file->rdev_major,
			    file->rdev_minor);
}

static bool has_path(const struct fact_cache_file *file)
{
	return file->path && file->path[0] == '/' &&
	       !(file->state &&
		 (!strcmp(file->state, "unnamed") || !strcmp(file->state, "unresolved")));
}

const char *paths_host(struct paths *p, const struct fact_cache_file *file)
{
	uint64_t dev = device(file->major, file->minor);
	struct found f = {0};

	if (file->type && !strcmp(file->type, "blk"))
		return block_device(p, file);
	if (!has_path(file))
		return label(p, file);
	if (p->host != FACT_NONE)
		f = find(p, p->host, dev, file->path);
	if (f.entry)
		return f.path;
	f = find(p, ANY_NAMESPACE, dev, file->path);
	if (!f.entry)
		return arena_printf(p->arena, "[%" PRIu64 ":%" PRIu64 "]%s", file->major,
				    file->minor, file->path);
	if (f.entry->m->host == 1)
		return f.path;
	return arena_printf(p->arena, "[mnt:%" PRIu64 "]%s", f.entry->m->mntns, f.path);
}

/* The directory under D that a D/l/SHORT link leads to is D/ID/diff: what is left of `rest`
 * ("/ID/diff/…") after it, or NULL. */
static const char *behind_link(const char *rest)
{
	const char *id = rest + 1, *slash = *rest == '/' ? strchr(id, '/') : NULL;

	if (!slash || slash == id || strncmp(slash, "/diff", 5) != 0)
		return NULL;
	return slash[5] == '/' || slash[5] == '\0' ? slash + 5 : NULL;
}

static struct found find_layer(struct paths *p, uint64_t mntns, const char *host_path)
{
	char links[4096];
	struct found best = {.hidden = true};

	if (host_path[0] != '/')
		return best;
	for (size_t len = depth_limit(host_path); len > 0; len--) {
		if (host_path[len] != '/' && host_path[len] != '\0')
			continue;
		const char *rest = host_path + len, *linked = behind_link(rest);
		uint32_t i = lookup_get(&p->layers, mntns, 0, host_path, len);

		if (!i && linked && len + 3 < sizeof(links)) {
			snprintf(links, sizeof(links), "%.*s/l", (int)len, host_path);
			i = lookup_get(&p->layers, mntns, 0, links, len + 2);
			rest = linked;
		}
		for (unsigned tries = 0; i && tries < MAX_TRIES; tries++) {
			const struct layer *l = &p->layer_rows[i - 1];
			const struct entry *e = &p->entries[l->entry - 1];
			const char *full = join(p, e->m->mountpoint, rest);
			bool hidden = walk(p, e->m->mntns, full) != l->entry;
			/* Of several, the container's own view comes before the host's. */
			bool host = e->m->host == 1;

			if (!best.entry || (best.hidden && !hidden) ||
			    (best.hidden == hidden && best.entry->m->host == 1 && !host))
				best = (struct found){e, full, rest, hidden};
			i = l->next;
		}
		if (best.entry)
			return best;
	}
	return best;
}

const char *paths_inside(struct paths *p, const struct fact_cache_file *file, const char *host_path,
			 uint64_t mntns)
{
	struct found f = find_layer(p, mntns, host_path);

	if (!f.entry && has_path(file) && !(file->type && !strcmp(file->type, "blk")))
		f = find(p, mntns, device(file->major, file->minor), file->path);
	return f.entry && !f.hidden ? f.path : NULL;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

const char *paths_overlay(struct paths *p, const char *host_path)
{
	struct found f = find_layer(p, ANY_NAMESPACE, host_path);

	if (!f.entry)
		return NULL;
	/* Only seen from the host: a runtime's mount of a container's root says by its name that it
	 * is one. */
	if (f.entry->m->host == 1 && (ends_with(f.entry->m->mountpoint, "/merged") ||
				      ends_with(f.entry->m->mountpoint, "/rootfs")))
		return *f.rest ? f.rest : "/";
	return f.hidden ? NULL : f.path;
}
