/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The counters of a JVM. */
#include "java.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cleanup.h"

#define MAGIC 0xcafec0c0u /* as bytes, in this order */
#define LITTLE_ENDIAN_DATA 1
#define MAJOR 2
#define FILE_MOST (256u << 10) /* 32 KiB by default (PerfDataMemorySize) */
#define ENTRIES_MOST 8192
#define GENERATIONS 4
#define SPACES 8
#define COLLECTORS 4
#define NAME 24

struct prologue {
	uint8_t magic[4];
	uint8_t byte_order, major, minor, accessible;
	int32_t used, overflow;
	int64_t modified;
	int32_t entry_offset, entries;
};

struct entry_head {
	int32_t length, name_offset, vector_length;
	char type;
	uint8_t flags, units, variability;
	int32_t data_offset;
};

struct space {
	char name[NAME];
	bool known;
	uint64_t capacity, used;
};

struct counters {
	struct {
		char name[NAME];
		struct space spaces[SPACES];
	} generations[GENERATIONS];
	struct space metaspace;
	struct {
		char name[64];
		uint64_t invocations;
	} collectors[COLLECTORS];
	uint64_t threads;
	char version[64];
};

bool java_find(const struct regions *regions)
{
	for (size_t i = 0; i < regions->count; i++)
		if (!strcmp(regions->rows[i].name, "libjvm.so"))
			return true;
	return false;
}

static void copy(char *out, size_t cap, const char *text, size_t len)
{
	size_t n = strnlen(text, len);

	n = n < cap ? n : cap - 1;
	memcpy(out, text, n);
	out[n] = 0;
}

static void space_value(struct space *s, const char *key, uint64_t v)
{
	if (!strcmp(key, "capacity")) {
		s->capacity = v;
		s->known = true;
	} else if (!strcmp(key, "used")) {
		s->used = v;
		s->known = true;
	}
}

/* "PREFIX" and a digit and a dot: what is behind them, and the digit.  NULL: it is not that. */
static const char *numbered(const char *name, const char *prefix, unsigned limit, unsigned *ret)
{
	size_t n = strlen(prefix);

	if (strncmp(name, prefix, n) != 0 || name[n] < '0' || name[n] > '9' || name[n + 1] != '.')
		return NULL;
	*ret = (unsigned)(name[n] - '0');
	return *ret < limit ? name + n + 2 : NULL;
}

static void number(struct counters *c, const char *name, uint64_t v)
{
	const char *rest, *key;
	unsigned i, k;

	rest = numbered(name, "sun.gc.generation.", GENERATIONS, &i);
	key = rest ? numbered(rest, "space.", SPACES, &k) : NULL;
	if (key) {
		space_value(&c->generations[i].spaces[k], key, v);
		return;
	}
	rest = numbered(name, "sun.gc.collector.", COLLECTORS, &i);
	if (rest && !strcmp(rest, "invocations"))
		c->collectors[i].invocations = v;
	else if (!strncmp(name, "sun.gc.metaspace.", 17))
		space_value(&c->metaspace, name + 17, v);
	else if (!strcmp(name, "java.threads.live"))
		c->threads = v;
}

static void text(struct counters *c, const char *name, const char *value, size_t len)
{
	const char *rest, *key;
	unsigned i, k;

	rest = numbered(name, "sun.gc.generation.", GENERATIONS, &i);
	key = rest ? numbered(rest, "space.", SPACES, &k) : NULL;
	if (key && !strcmp(key, "name")) {
		copy(c->generations[i].spaces[k].name, NAME, value, len);
		return;
	}
	if (rest && !strcmp(rest, "name")) {
		copy(c->generations[i].name, NAME, value, len);
		return;
	}
	rest = numbered(name, "sun.gc.collector.", COLLECTORS, &i);
	if (rest && !strcmp(rest, "name"))
		copy(c->collectors[i].name, sizeof(c->collectors[i].name), value, len);
	else if (!strcmp(name, "java.property.java.vm.version"))
		copy(c->version, sizeof(c->version), value, len);
}

/* One entry at offset; its length, or 0 when it makes no sense. */
static size_t take_entry(struct counters *c, const uint8_t *data, size_t size, size_t offset)
{
	struct entry_head h;
	const char *name;
	uint64_t v;

	if (offset + sizeof(h) > size)
		return 0;
	memcpy(&h, data + offset, sizeof(h));
	if (h.length < (int32_t)sizeof(h) || (size_t)h.length > size - offset ||
	    h.name_offset < (int32_t)sizeof(h) || h.name_offset >= h.length ||
	    h.data_offset < (int32_t)sizeof(h) || h.data_offset >= h.length || h.vector_length < 0)
		return 0;
	name = (const char *)data + offset + h.name_offset;
	if (!memchr(name, 0, (size_t)(h.length - h.name_offset)))
		return 0;
	if (h.type == 'J' && h.vector_length == 0 && h.length - h.data_offset >= 8) {
		memcpy(&v, data + offset + h.data_offset, sizeof(v));
		number(c, name, v);
	} else if (h.type == 'B' && h.vector_length) {
		size_t most = (size_t)(h.length - h.data_offset);

		text(c, name, (const char *)data + offset + h.data_offset,
		     (size_t)h.vector_length < most ? (size_t)h.vector_length : most);
	}
	return (size_t)h.length;
}

static int parse(struct counters *c, const uint8_t *data, size_t size)
{
	static const uint8_t magic[4] = {MAGIC >> 24, MAGIC >> 16 & 0xff, MAGIC >> 8 & 0xff,
					 MAGIC & 0xff};
	struct prologue p;
	size_t offset;

	if (size < sizeof(p))
		return -EBADMSG;
	memcpy(&p, data, sizeof(p));
	if (memcmp(p.magic, magic, sizeof(magic)) != 0 || p.byte_order != LITTLE_ENDIAN_DATA ||
	    p.major != MAJOR || p.entry_offset < (int32_t)sizeof(p) || p.entries < 0)
		return -EBADMSG;
	offset = (size_t)p.entry_offset;
	for (int32_t i = 0; i < p.entries && i < ENTRIES_MOST; i++) {
		size_t length = take_entry(c, data, size, offset);

		if (!length)
			break;
		offset += length;
	}
	return 0;
}

static int count(struct census *census, enum census_kind kind, const char *name, uint64_t times,
		 uint64_t bytes)
{
	int entry = census_entry(census, kind, name);

	census_add(census, entry, times, bytes);
	return entry < 0 ? entry : 0;
}

static int count_space(struct census *census, const char *where, const char *name,
		       const struct space *s)
{
	char used[CENSUS_NAME], spare[CENSUS_NAME];
	int r;

	if (!s->known)
		return 0;
	snprintf(used, sizeof(used), "Java %s%s%s: in use", where, *name ? " " : "", name);
	snprintf(spare, sizeof(spare), "Java %s%s%s: committed, free", where, *name ? " " : "",
		 name);
	r = count(census, CENSUS_ALLOCATOR, used, 0, s->used);
	if (r == 0 && s->capacity > s->used)
		r = count(census, CENSUS_ALLOCATOR, spare, 0, s->capacity - s->used);
	return r;
}

static int count_all(struct census *census, const struct counters *c)
{
	char name[CENSUS_NAME];
	int r = 0;

	for (int g = 0; g < GENERATIONS; g++)
		for (int s = 0; s < SPACES && r == 0; s++) {
			const struct space *x = &c->generations[g].spaces[s];

			snprintf(name, sizeof(name), "%s%s%s", c->generations[g].name,
				 strcmp(x->name, c->generations[g].name) ? " " : "",
				 strcmp(x->name, c->generations[g].name) ? x->name : "");
			r = count_space(census, "heap,", name, x);
		}
	if (r == 0)
		r = count_space(census, "metaspace", "", &c->metaspace);
	for (int i = 0; i < COLLECTORS && r == 0; i++) {
		if (!c->collectors[i].name[0])
			continue;
		snprintf(name, sizeof(name), "collections: %s", c->collectors[i].name);
		r = count(census, CENSUS_COUNTER, name, c->collectors[i].invocations, 0);
	}
	if (r == 0 && c->threads)
		r = count(census, CENSUS_COUNTER, "Java threads", c->threads, 0);
	return r;
}

int java_counters(struct remote *r, const struct regions *regions, struct census *census,
		  char *version, size_t cap)
{
	const struct region *x = NULL;
	struct counters c = {0};
	size_t size;
	uint8_t *data;
	int error;

	for (size_t i = 0; i < regions->count && !x; i++)
		if (regions->rows[i].perf_data)
			x = &regions->rows[i];
	if (!x)
		return -ENOENT;
	size = x->end - x->start < FILE_MOST ? (size_t)(x->end - x->start) : FILE_MOST;
	data = malloc(size);
	if (!data)
		return -ENOMEM;
	size = remote_read(r, x->start, data, size);
	error = parse(&c, data, size);
	free(data);
	if (error == 0)
		error = count_all(census, &c);
	if (error == 0 && version)
		copy(version, cap, c.version, sizeof(c.version));
	return error;
}
