/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "python_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/sbuf.h"

/* PyTypeObject of Include/cpython/object.h: these members have stood where they stand since 3.0. */
#define AT_NAME 24
#define AT_BASIC_SIZE 32
#define AT_ITEM_SIZE 40
#define AT_FLAGS 168
#define AT_BASE 256
#define AT_DICT 264
#define TYPE_BYTES_READ 272

#define BASIC_SIZE_MAX (1 << 20)
#define NEGATIVES_MAX (TYPE_SLOTS / 4)
#define DEPTH_MAX 8 /* of bases looked at, and of types of types */
#define MODULE_MAX 48
#define KEYS_MAX 512 /* entries of a type's dict that are looked at */

static uint64_t word_at(const uint8_t *p, size_t offset)
{
	uint64_t v;

	memcpy(&v, p + offset, sizeof(v));
	return v;
}

int types_init(struct type_table *t, const struct python *p, struct remote *r, struct census *c)
{
	*t = (struct type_table){.python = p, .r = r, .census = c};
	t->rows = calloc(TYPES_MAX, sizeof(*t->rows));
	t->slots = calloc(TYPE_SLOTS, sizeof(*t->slots));
	if (t->rows && t->slots)
		return 0;
	types_free(t);
	return -ENOMEM;
}

void types_free(struct type_table *t)
{
	free(t->rows);
	free(t->slots);
	t->rows = NULL;
	t->slots = NULL;
}

/* A compact ASCII str, such as all names of modules and attributes are.  Its length, or 0. */
static size_t read_ascii(const struct type_table *t, uint64_t address, char *out, size_t cap)
{
	uint64_t head[3];

	if (!remote_get(t->r, address, head, sizeof(head)) || !head[2] || head[2] >= cap ||
	    !remote_get(t->r, address + t->python->layout->string_header, out, head[2]))
		return 0;
	for (uint64_t i = 0; i < head[2]; i++)
		if (out[i] <= ' ' || out[i] > '~')
			return 0;
	out[head[2]] = 0;
	return head[2];
}

/* The entries of a dict's keys: where they are, how many, how long each is. */
static bool dict_entries(const struct type_table *t, uint64_t keys, uint64_t *ret_entries,
			 uint64_t *ret_count, size_t *ret_stride, size_t *ret_key)
{
	uint64_t words[5];
	uint64_t size, index;

	if (!remote_get(t->r, keys, words, sizeof(words)))
		return false;
	if (t->python->layout->compact_keys) {
		unsigned log2_index = words[1] >> 8 & 0xff, kind = words[1] >> 16 & 0xff;

		if (log2_index > 32)
			return false;
		*ret_entries = keys + 32 + (UINT64_C(1) << log2_index);
		*ret_count = words[3];
		*ret_stride = kind == 0 ? 24 : 16;
		*ret_key = kind == 0 ? 8 : 0;
		return true;
	}
	size = words[1];
	index = size <= 0xff ? 1 : size <= 0xffff ? 2 : 4;
	if (size > UINT32_MAX)
		return false;
	*ret_entries = keys + 40 + size * index;
	*ret_count = words[4];
	*ret_stride = 24;
	*ret_key = 8;
	return true;
}

/* What stands under "__module__" in the type's own dict. */
static size_t module_of(const struct type_table *t, uint64_t dict, char *out, size_t cap)
{
	uint64_t words[6], entries, count;
	size_t stride, key;

	if (!remote_get(t->r, dict, words, sizeof(words)) ||
	    !dict_entries(t, words[4], &entries, &count, &stride, &key))
		return 0;
	for (uint64_t i = 0; i < count && i < KEYS_MAX; i++) {
		uint64_t pair[2];
		char name[12];

		if (!remote_get(t->r, entries + i * stride + key, pair, sizeof(pair)))
			return 0;
		if (read_ascii(t, pair[0], name, sizeof(name)) && !strcmp(name, "__module__"))
			return read_ascii(t, pair[1], out, cap);
	}
	return 0;
}

static enum shape shape_of(struct type_table *t, const uint8_t *type, uint64_t address,
			   uint64_t flags, const char *name)
{
	if (flags & TYPE_DICT)
		return SHAPE_DICT;
	if (flags & TYPE_LIST || !strcmp(name, "array.array"))
		return SHAPE_LIST;
	if (flags & (TYPE_TUPLE | TYPE_BYTES | TYPE_UNICODE))
		return SHAPE_SIZED;
	if (!strcmp(name, "bytearray"))
		return SHAPE_BYTEARRAY;
	if (!strcmp(name, "collections.deque"))
		return SHAPE_DEQUE;
	if (!strcmp(name, "numpy.ndarray"))
		return SHAPE_NDARRAY;
	for (int depth = 0; depth < DEPTH_MAX && address; depth++) {
		uint64_t base = depth ? 0 : word_at(type, AT_BASE);

		if (address == t->python->set_type || address == t->python->frozenset_type)
			return SHAPE_SET;
		if (depth && !remote_get(t->r, address + AT_BASE, &base, sizeof(base)))
			break;
		address = base;
	}
	return SHAPE_PLAIN;
}

/* The type of a type is `type`, or derived from it. */
static bool is_metatype(struct type_table *t, uint64_t address)
{
	uint64_t flags;

	return address == t->python->type_type ||
	       (address && address % 8 == 0 &&
		remote_get(t->r, address + AT_FLAGS, &flags, sizeof(flags)) &&
		(flags & (TYPE_TYPE | TYPE_READY)) == (TYPE_TYPE | TYPE_READY));
}

static size_t utf8_prefix(const char *s, size_t cap)
{
	size_t len = 0;

	while (len < cap && s[len]) {
		int n = utf8_len((const unsigned char *)s + len, cap - len);

		if (n <= 0 || (unsigned char)s[len] < ' ' || s[len] == 0x7f)
			return 0;
		len += (size_t)n;
	}
	return len < cap ? len : 0;
}

/* True and *row filled when the address is a type. */
static bool read_type(struct type_table *t, uint64_t address, struct type_row *row)
{
	uint8_t type[TYPE_BYTES_READ];
	char text[CENSUS_NAME], name[CENSUS_NAME + MODULE_MAX + 2], module[MODULE_MAX];
	uint64_t flags, basic;
	const struct python_layout *l = t->python->layout;
	size_t n;

	if (!remote_get(t->r, address, type, sizeof(type)))
		return false;
	flags = word_at(type, AT_FLAGS);
	basic = word_at(type, AT_BASIC_SIZE);
	if (!(flags & TYPE_READY) || basic < 16 || basic > BASIC_SIZE_MAX ||
	    word_at(type, AT_ITEM_SIZE) > BASIC_SIZE_MAX || !is_metatype(t, word_at(type, 8)))
		return false;
	memset(text, 0, sizeof(text));
	n = remote_read(t->r, word_at(type, AT_NAME), text, sizeof(text) - 1);
	if (!n || !utf8_prefix(text, n))
		return false;
	/* The name of a class has no module before it, those of types written in C mostly do. */
	if (flags & TYPE_HEAP && !strchr(text, '.') &&
	    module_of(t, word_at(type, AT_DICT), module, sizeof(module)) &&
	    strcmp(module, "builtins") != 0)
		snprintf(name, sizeof(name), "%s.%s", module, text);
	else
		snprintf(name, sizeof(name), "%s", text);
	*row = (struct type_row){
		.address = address,
		.flags = flags,
		.shape = shape_of(t, type, address, flags, text),
		.preheader = (uint8_t)((flags & TYPE_HAVE_GC ? 16 : 0) +
				       (flags & l->preheader ? 16 : 0)),
		.values = l->values != VALUES_NONE && flags & 1 << 4,
		.entry = census_entry(t->census, CENSUS_OBJECT, name),
	};
	return row->entry >= 0;
}

/* Without what is not a type, when there is too much of that. */
static void forget_negatives(struct type_table *t)
{
	memset(t->slots, 0, TYPE_SLOTS * sizeof(*t->slots));
	for (size_t i = 0; i < t->count; i++) {
		size_t at = t->rows[i].address * UINT64_C(0x9e3779b97f4a7c15) >> 50;

		while (t->slots[at].address)
			at = (at + 1) & (TYPE_SLOTS - 1);
		t->slots[at].address = t->rows[i].address;
		t->slots[at].row = (int32_t)i;
	}
	t->negatives = 0;
}

const struct type_row *types_find(struct type_table *t, uint64_t address)
{
	size_t at = address * UINT64_C(0x9e3779b97f4a7c15) >> 50; /* 14 bits */
	struct type_row row;
	bool is_type;

	if (address < REMOTE_PAGE || address % 8 || address >> 56)
		return NULL;
	for (; t->slots[at].address; at = (at + 1) & (TYPE_SLOTS - 1))
		if (t->slots[at].address == address)
			return t->slots[at].row < 0 ? NULL : &t->rows[t->slots[at].row];
	is_type = read_type(t, address, &row);
	if (is_type && t->count == TYPES_MAX)
		return NULL;
	if (!is_type && t->negatives == NEGATIVES_MAX) {
		forget_negatives(t);
		return NULL;
	}
	t->slots[at].address = address;
	t->slots[at].row = -1;
	if (!is_type) {
		t->negatives++;
		return NULL;
	}
	t->slots[at].row = (int32_t)t->count;
	t->rows[t->count] = row;
	return &t->rows[t->count++];
}
