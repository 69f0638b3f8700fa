/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Super blocks and dentries: what a file system is, and what a file is called in it.  Directories
 * are shared by many files, so both are cached, in tables of fixed size.
 */
#pragma once

#include "kmem.h"

#define MAX_NAME 255
#define PATH_ROOM (16u << 10) /* bytes of one path */

struct sb_info {
	uint64_t addr;
	uint32_t dev;
	uint64_t flags, magic, root;
	char fstype[32], id[32];
};

struct name_info { /* a dentry, as far as a path needs it */
	uint64_t addr, parent;
	uint8_t len;
	char name[MAX_NAME];
};

struct namer {
	struct kmem_source *source;
	const struct kmem_layout *l;
	struct sb_info *sbs;	    /* NAMER_SUPER_BLOCKS, zeroed; the caller's */
	struct name_info *dentries; /* NAMER_DENTRIES, zeroed; the caller's */
};
#define NAMER_SUPER_BLOCKS 64u
#define NAMER_DENTRIES 1024u

/* Valid until the next call; NULL when it cannot be read. */
const struct sb_info *names_super_block(struct namer *p, uint64_t addr);

/*
 * The best alias of an inode: one that is hashed, else the first.  addr: the first dentry of its
 * list, image: its bytes.  -ENOENT: none that makes sense.
 */
int names_alias(struct namer *p, uint64_t inode, uint64_t addr, unsigned char *image,
		bool *ret_hashed, struct name_info *ret);

/* What a path needs of the dentry whose bytes are image; false when it makes no sense. */
bool names_parse(struct namer *p, uint64_t addr, const unsigned char *image, struct name_info *ret);
/* The same of the dentry at addr.  Valid until the next call; NULL when it cannot be read. */
const struct name_info *names_cached(struct namer *p, uint64_t addr);

/* Write "/a/b/c" so that it ends at end, PATH_ROOM bytes at most; returns its length.
 * *ret_whole: the root was reached. */
size_t names_climb(struct namer *p, const struct name_info *n, char *end, bool *ret_whole);
