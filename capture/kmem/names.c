/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "names.h"

#include <errno.h>
#include <string.h>

#define MAX_DEPTH 256  /* of a path; more is a torn chain */
#define MAX_ALIASES 64 /* hard links looked at */

/* A NUL-terminated string of the kernel, up to cap-1 bytes; what cannot be read ends it. */
static void read_string(struct kmem_source *s, uint64_t addr, char *out, size_t cap)
{
	size_t len = 0;

	while (len + 1 < cap) {
		/* Never across a 64-byte line: the next one may not be there. */
		size_t n = 64 - (addr + len) % 64;

		if (n > cap - 1 - len)
			n = cap - 1 - len;
		if (kmem_read(s, addr + len, out + len, n) < 0)
			break;
		if (memchr(out + len, '\0', n))
			return;
		len += n;
	}
	out[len] = '\0';
}

const struct sb_info *names_super_block(struct namer *p, uint64_t addr)
{
	const struct kmem_layout *l = p->l;
	struct sb_info *sb = &p->sbs[(addr >> 6) % NAMER_SUPER_BLOCKS];
	unsigned char image[KMEM_ITEM_MAX];
	uint32_t span = l->sb.size < sizeof(image) ? l->sb.size : sizeof(image);
	uint64_t name;

	if (sb->addr == addr && addr)
		return sb;
	if (l->sb.id.offset + l->sb.id.size > span || kmem_read(p->source, addr, image, span) < 0)
		return NULL;
	*sb = (struct sb_info){.addr = addr};
	sb->dev = (uint32_t)field_get(image, l->sb.dev);
	sb->flags = field_get(image, l->sb.flags);
	sb->magic = field_get(image, l->sb.magic);
	sb->root = field_get(image, l->sb.root);
	memcpy(sb->id, image + l->sb.id.offset,
	       l->sb.id.size < sizeof(sb->id) ? l->sb.id.size : sizeof(sb->id));
	sb->id[sizeof(sb->id) - 1] = '\0';
	if (kmem_read(p->source, field_get(image, l->sb.type) + l->fs_type_name.offset, &name,
		      sizeof(name)) == 0)
		read_string(p->source, name, sb->fstype, sizeof(sb->fstype));
	return sb;
}

/* What a path needs of the dentry whose bytes are image; false when it makes no sense. */
bool names_parse(struct namer *p, uint64_t addr, const unsigned char *image, struct name_info *ret)
{
	const struct kmem_layout *l = p->l;
	uint64_t len = field_get(image, l->dentry.name_len);
	uint64_t name = field_get(image, l->dentry.name);

	if (len > MAX_NAME)
		return false;
	ret->addr = addr;
	ret->parent = field_get(image, l->dentry.parent);
	ret->len = (uint8_t)len;
	if (name >= addr && name + len <= addr + l->dentry.size)
		memcpy(ret->name, image + (name - addr), len);
	else if (len && kmem_read(p->source, name, ret->name, len) < 0)
		return false;
	return ret->parent && !memchr(ret->name, '\0', len);
}

const struct name_info *names_cached(struct namer *p, uint64_t addr)
{
	struct name_info *n = &p->dentries[(addr >> 6) % NAMER_DENTRIES];
	unsigned char image[512];

	if (n->addr == addr && addr)
		return n;
	n->addr = 0;
	if (p->l->dentry.size > sizeof(image) ||
	    kmem_read(p->source, addr, image, p->l->dentry.size) < 0)
		return NULL;
	if (!names_parse(p, addr, image, n)) {
		n->addr = 0;
		return NULL;
	}
	return n;
}

/* Write "/a/b/c" so that it ends at end; returns its length.  *ret_whole: the root was reached. */
size_t names_climb(struct namer *p, const struct name_info *n, char *end, bool *ret_whole)
{
	size_t len = 0;

	*ret_whole = false;
	for (int depth = 0; depth < MAX_DEPTH; depth++) {
		if (n->parent == n->addr) {
			*ret_whole = true;
			if (len == 0) {
				end[-1] = '/';
				len = 1;
			}
			return len;
		}
		if (len + n->len + 1u > PATH_ROOM || n->len == 0 || memchr(n->name, '/', n->len))
			return len;
		len += n->len;
		memcpy(end - len, n->name, n->len);
		end[-(ptrdiff_t)++len] = '/';
		n = names_cached(p, n->parent);
		if (!n)
			return len;
	}
	return len;
}

/* The best alias: one that is hashed, else the first.  image is the first; -ENOENT: none. */
int names_alias(struct namer *p, uint64_t inode, uint64_t addr, unsigned char *image,
		bool *ret_hashed, struct name_info *ret)
{
	const struct kmem_layout *l = p->l;
	unsigned char other[512];
	const unsigned char *at = image;
	bool any = false;

	if (l->dentry.size > sizeof(other))
		return -ENOENT;
	for (int i = 0; addr && i < MAX_ALIASES; i++) {
		struct name_info n;
		bool hashed;
		uint64_t next;

		if (field_get(at, l->dentry.inode) != inode)
			break; /* torn, or on its way out */
		hashed = field_get(at, l->dentry.hash_pprev) != 0;
		if ((hashed || !any) && names_parse(p, addr, at, &n)) {
			*ret = n;
			*ret_hashed = hashed;
			any = true;
			if (hashed)
				break;
		}
		next = field_get(at, l->dentry.alias_next);
		addr = next ? next - l->dentry.alias_next.offset : 0;
		if (!addr || kmem_read(p->source, addr, other, l->dentry.size) < 0)
			break;
		at = other;
	}
	return any ? 0 : -ENOENT;
}
