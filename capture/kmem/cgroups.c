/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mem_cgroup → css → cgroup → kernfs node → path, and whether the group is online or dying. */
#include "scan_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 128
#define PATH_ROOM KMEM_CGROUP_PATH
#define MAX_NAME 255

static bool read_pointer(struct kmem_source *s, uint64_t base, struct kmem_field f, uint64_t *ret)
{
	return field_present(f) && kmem_read(s, base + f.offset, ret, sizeof(*ret)) == 0 && *ret;
}

/* A name of the kernel's: NUL within MAX_NAME + 1 bytes. */
static int read_name(struct kmem_source *s, uint64_t addr, char out[MAX_NAME + 1])
{
	size_t len = 0;

	while (len <= MAX_NAME) {
		size_t n = 64 - (addr + len) % 64;

		if (n > MAX_NAME + 1 - len)
			n = MAX_NAME + 1 - len;
		if (kmem_read(s, addr + len, out + len, n) < 0)
			return -EFAULT;
		if (memchr(out + len, '\0', n))
			return 0;
		len += n;
	}
	return -ENAMETOOLONG;
}

/* Is there a mem_cgroup at addr?  It is one when its css belongs to the controller "memory". */
static bool is_memcg(struct kmem_source *s, const struct kmem_layout *l, uint64_t addr)
{
	uint64_t css = addr + l->cgroup.memcg_css.offset, ss, name;
	char text[MAX_NAME + 1];

	return read_pointer(s, css, l->cgroup.css_ss, &ss) &&
	       read_pointer(s, ss, l->cgroup.ss_name, &name) && read_name(s, name, text) == 0 &&
	       !strcmp(text, "memory");
}

/*
 * What stands in memcg_data is a mem_cgroup, or (for kernel memory, and on the newest kernels for
 * all folios) an obj_cgroup that leads to one.  Which, is found by looking.
 */
static uint64_t memcg_of(struct kmem_source *s, const struct kmem_layout *l, uint64_t data)
{
	uint64_t addr = data & ~7ULL, memcg;

	if (!(data & 2) && is_memcg(s, l, addr))
		return addr;
	if (read_pointer(s, addr, l->cgroup.objcg_memcg, &memcg) && is_memcg(s, l, memcg))
		return memcg;
	return 0;
}

static bool read_path(struct kmem_source *s, const struct kmem_layout *l, uint64_t kn, char *path,
		      struct scan_cgroup *ret)
{
	unsigned char image[512];
	char *end = path + PATH_ROOM, name[MAX_NAME + 1];
	size_t len = 0;

	if (l->kernfs.size == 0 || l->kernfs.size > sizeof(image))
		return false;
	for (int depth = 0; depth < MAX_DEPTH; depth++) {
		uint64_t parent, at;
		size_t n;

		if (kmem_read(s, kn, image, l->kernfs.size) < 0)
			return false;
		if (depth == 0) {
			ret->ino = field_get(image, l->kernfs.id);
			if (l->kernfs.id_is_ino)
				ret->ino &= UINT32_MAX;
		}
		parent = field_get(image, l->kernfs.parent);
		at = field_get(image, l->kernfs.name);
		if (!parent) {
			if (len == 0)
				end[-(ptrdiff_t)++len] = '/';
			ret->path = end - len;
			ret->path_len = len;
			return true;
		}
		if (!at || read_name(s, at, name) < 0)
			return false;
		n = strlen(name);
		if (n == 0 || len + n + 1 > PATH_ROOM)
			break;
		len += n;
		memcpy(end - len, name, n);
		end[-(ptrdiff_t)++len] = '/';
		kn = parent;
	}
	ret->path = end - len;
	ret->path_len = len;
	ret->truncated = true;
	return true;
}

static void read_cgroup(struct kmem_source *s, const struct kmem_layout *l, uint64_t memcg,
			char *path, struct scan_cgroup *ret)
{
	uint64_t css = memcg + l->cgroup.memcg_css.offset, cgroup, kn, flags;
	uint32_t half;

	if (!field_present(l->cgroup.css_flags) || !field_present(l->kernfs.id) ||
	    kmem_read(s, css + l->cgroup.css_flags.offset, &half, sizeof(half)) < 0 ||
	    !read_pointer(s, css, l->cgroup.css_cgroup, &cgroup) ||
	    !read_pointer(s, cgroup, l->cgroup.cgroup_kn, &kn) || !read_path(s, l, kn, path, ret))
		return;
	flags = half;
	ret->online = flags & l->cgroup.online && !(flags & l->cgroup.dying);
	ret->known = true;
}

bool kmem_cgroup(struct kmem_source *s, const struct kmem_layout *l, uint64_t memcg,
		 char path[KMEM_CGROUP_PATH], struct scan_cgroup *ret)
{
	*ret = (struct scan_cgroup){.path = ""};
	if (!is_memcg(s, l, memcg))
		return false;
	read_cgroup(s, l, memcg, path, ret);
	return ret->known;
}

int scan_resolve_cgroups(struct scan *s, const struct scan_sink *sink, struct err *e)
{
	struct scan_tables *t = &s->tables;
	char *path = malloc(PATH_ROOM);
	int r = 0;

	if (!path)
		return err_errno(e, ENOMEM, "page-cache scan");
	/* Groups found behind an obj_cgroup are appended, and so visited as well. */
	s->canonical = calloc(t->cgroup_max, sizeof(*s->canonical));
	if (!s->canonical)
		r = -ENOMEM;
	for (uint32_t i = 0; r >= 0 && i < t->cgroup_count; i++) {
		struct scan_cgroup c = {.cgroup = i + 1, .path = "", .path_len = 0};
		uint64_t memcg = memcg_of(s->source, s->l, t->cgroups[i]);

		s->canonical[i] = i + 1;
		if (memcg && memcg != t->cgroups[i]) {
			uint32_t other = tables_cgroup(t, memcg);

			if (other != TABLE_NONE) {
				s->canonical[i] = other + 1;
				continue;
			}
		}
		if (memcg)
			read_cgroup(s->source, s->l, memcg, path, &c);
		r = sink->cgroup(sink->ctx, &c);
	}
	free(path);
	return r < 0 ? err_errno(e, r, "page-cache scan: naming cgroups") : 0;
}
