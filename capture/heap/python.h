/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The heap of a CPython process by type, without its help.
 *
 * Walking CPython's own lists of objects (the generations of its garbage collector) while they
 * change ends in freed memory sooner or later, and those lists have no strings, numbers or bytes
 * in them.  So this reads memory instead of lists: pymalloc's pools say by themselves which of
 * their blocks are allocated, glibc's chunks do so for what is larger than 512 bytes, and an object
 * says in its second word of which type it is.  One pool is read in one call; each type is checked
 * once to be one (its own type is a subclass of `type`) and its header has to lie where
 * types with its flags have it.  A heap that is larger than the budget is read in part: windows
 * of 1 MiB, chosen by a hash of their address, so that both readings choose the same ones.
 */
#pragma once

#include "census.h"
#include "glibc.h"
#include "regions.h"

struct python {
	unsigned minor; /* of version 3 */
	char version[16];
	uint64_t type_type, set_type, frozenset_type;
	uint64_t code_type, bytes_type, text_type; /* PyCode_Type …; 0: not exported */
	uint64_t runtime;			   /* _PyRuntime */
	const struct python_layout *layout;
};

/*
 * What differs between versions; what does not is in python_layout.c.  The program's structures
 * are public: Include/object.h, Include/cpython/, Include/internal/ of each version.
 */
struct python_layout {
	unsigned first, last;	/* minor versions */
	unsigned pool_bits;	/* POOL_SIZE of Objects/obmalloc.c */
	uint64_t preheader;	/* type flags that put two words before the object */
	unsigned values;	/* where an instance keeps the values of its attributes */
	unsigned string_header; /* sizeof(PyASCIIObject) */
	bool short_refcount;	/* 32 bits of references, then flags */
	bool compact_keys;	/* dict keys: sizes as logarithms, entries without hashes */
};
enum { VALUES_NONE, VALUES_POINTER, VALUES_TAGGED };

/* NULL: a version that is not known. */
const struct python_layout *python_layout(unsigned minor);

/*
 * Is this process one of CPython, and of which version?  1: yes, 0: no.  -ENOTSUP: it is, but of a
 * build or a version that is not understood; reason then says which.
 */
int python_find(struct python *ret, struct remote *r, const struct regions *regions, char *reason,
		size_t cap);

struct python_walk {
	const struct python *python;
	struct remote *r;
	const struct regions *regions;
	struct census *census;
	uint8_t *buf; /* PYTHON_BUFFER */
	uint64_t one_in;
	bool (*expired)(void *ctx); /* asked now and then */
	void *ctx;
	struct glibc_sum glibc; /* returned */
};
#define PYTHON_BUFFER (1u << 20)

/* Counts into the census' present reading.  0, -ETIME when it was cut, -ENOMEM. */
int python_walk(struct python_walk *w);
