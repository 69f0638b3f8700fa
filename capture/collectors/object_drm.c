/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Graphics buffers, by the clients of the DRM drivers: each open file of a device prints in its
 * fdinfo what it has, by memory region.  Descriptors of one file (dup, fork, sent over a socket)
 * carry one client id, and count once.  Source: Documentation/gpu/drm-usage-stats.rst
 *
 * On the card are the regions vram* (amdgpu, nouveau, xe) and local* (i915).  The others are RAM,
 * but only drivers that stand on TTM take it as pages of their own; objects of the rest are shared
 * memory and in Shmem.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cleanup.h"
#include "../stacks/helper.h"
#include "object_walk.h"

#define FDINFO_MAX 16384
#define MAX_REGIONS 16
#define REGION_NAME 24

struct region {
	char name[REGION_NAME];
	uint64_t resident, memory, total, shared; /* OBJECT_NONE: not printed */
};

struct client {
	char driver[24], pdev[32];
	uint64_t id;
	struct region regions[MAX_REGIONS];
	unsigned region_count;
};

static struct region *region_of(struct client *c, const char *name, size_t len)
{
	struct region *r;

	for (unsigned i = 0; i < c->region_count; i++)
		if (!strncmp(c->regions[i].name, name, len) && !c->regions[i].name[len])
			return &c->regions[i];
	if (c->region_count == MAX_REGIONS || len >= REGION_NAME)
		return NULL;
	r = &c->regions[c->region_count++];
	*r = (struct region){.resident = OBJECT_NONE,
			     .memory = OBJECT_NONE,
			     .total = OBJECT_NONE,
			     .shared = OBJECT_NONE};
	memcpy(r->name, name, len);
	return r;
}

/* "12345 KiB", "12 MiB", "4096" */
static uint64_t size_of(const char *text)
{
	char *end;
	uint64_t v = strtoull(text, &end, 10), unit = 1;

	if (end == text || *text == '-')
		return OBJECT_NONE;
	while (*end == ' ' || *end == '\t')
		end++;
	if (!strncmp(end, "KiB", 3))
		unit = 1 << 10;
	else if (!strncmp(end, "MiB", 3))
		unit = 1 << 20;
	else if (*end && *end != '\n')
		return OBJECT_NONE;
	return __builtin_mul_overflow(v, unit, &v) ? OBJECT_NONE : v;
}

/* "drm-KEY-REGION:\tVALUE": the value of the region, or nothing. */
static void memory_line(struct client *c, const char *key, size_t key_len, const char *value)
{
	static const struct {
		const char *prefix;
		size_t field;
	} kinds[] = {
		{"drm-resident-", offsetof(struct region, resident)},
		{"drm-memory-", offsetof(struct region, memory)}, /* before resident was */
		{"drm-total-", offsetof(struct region, total)},
		{"drm-shared-", offsetof(struct region, shared)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t n = strlen(kinds[i].prefix);
		struct region *r;

		if (key_len <= n || strncmp(key, kinds[i].prefix, n) != 0)
			continue;
		r = region_of(c, key + n, key_len - n);
		if (r)
			*(uint64_t *)((char *)r + kinds[i].field) = size_of(value);
		return;
	}
}

static void copy_word(char *ret, size_t cap, const char *value)
{
	size_t n = strcspn(value, " \t\n");

	if (n >= cap)
		n = cap - 1;
	memcpy(ret, value, n);
	ret[n] = '\0';
}

static void parse(struct client *c, const char *text)
{
	for (const char *line = text; line && *line;) {
		const char *colon = line + strcspn(line, ":\n"), *value = colon + 1;
		size_t len = (size_t)(colon - line);

		if (*colon == ':') {
			value += strspn(value, " \t");
			if (len == 10 && !strncmp(line, "drm-driver", 10))
				copy_word(c->driver, sizeof(c->driver), value);
			else if (len == 8 && !strncmp(line, "drm-pdev", 8))
				copy_word(c->pdev, sizeof(c->pdev), value);
			else if (len == 13 && !strncmp(line, "drm-client-id", 13))
				c->id = size_of(value);
			else
				memory_line(c, line, len, value);
		}
		line = strchr(line, '\n');
		if (line)
			line++;
	}
}

static bool on_card(const char *region)
{
	return !strncmp(region, "vram", 4) || !strncmp(region, "local", 5) ||
	       !strncmp(region, "stolen-local", 12);
}

/* Of system memory that firmware took: not in MemTotal. */
static bool is_stolen(const char *region)
{
	return !strncmp(region, "stolen", 6);
}

/* Drivers whose buffers in RAM are TTM's: pages of their own (drivers/gpu/drm/ttm/ttm_pool.c). */
static bool is_ttm(const char *driver)
{
	static const char *const drivers[] = {"amdgpu", "radeon", "nouveau", "xe",
					      "vmwgfx", "qxl",	  "loongson"};

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (!strcmp(driver, drivers[i]))
			return true;
	return false;
}

static uint64_t held(const struct region *r)
{
	return r->resident != OBJECT_NONE ? r->resident
	       : r->memory != OBJECT_NONE ? r->memory
					  : r->total;
}

/* A client id is unique on its device at least. */
static uint64_t key_of(const struct client *c)
{
	uint64_t h = 1469598103934665603ULL;

	for (const char *p = c->pdev; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211ULL;
	return ((h ^ c->id * 0x9e3779b97f4a7c15ULL) >> 8) | 1;
}

static void add(struct object_table *t, const struct client *c, enum object_kind kind, uint32_t pid)
{
	struct object o = {.kind = (uint8_t)kind,
			   .memory = kind == OBJECT_VRAM ? MEMORY_VRAM : MEMORY_UNKNOWN,
			   .id = key_of(c),
			   .page_bytes =
				   kind == OBJECT_VRAM || !is_ttm(c->driver) ? OBJECT_NONE : 0,
			   .capacity = OBJECT_NONE,
			   .waiting = OBJECT_NONE,
			   .count = 1};
	bool any = false;

	if (object_seen(t, kind, o.id)) {
		object_hold(t, kind, o.id, pid);
		return;
	}
	for (unsigned i = 0; i < c->region_count; i++) {
		const struct region *r = &c->regions[i];
		uint64_t bytes = held(r), shared = r->shared == OBJECT_NONE ? 0 : r->shared;
		size_t len = strlen(o.detail);

		if (on_card(r->name) != (kind == OBJECT_VRAM) || bytes == OBJECT_NONE ||
		    (kind != OBJECT_VRAM && is_stolen(r->name)))
			continue;
		any = true;
		o.bytes += bytes;
		/* What another client has as well may be counted there. */
		if (o.page_bytes != OBJECT_NONE && bytes > shared)
			o.page_bytes += bytes - shared;
		snprintf(o.detail + len, sizeof(o.detail) - len, "%s%s %llu KiB", len ? ", " : "",
			 r->name, (unsigned long long)(bytes >> 10));
	}
	if (!any)
		return;
	if (o.page_bytes != OBJECT_NONE)
		o.memory = MEMORY_PAGES;
	else if (kind == OBJECT_VRAM)
		o.page_bytes = 0;
	snprintf(o.name, sizeof(o.name), "%s%s%s", c->driver, *c->pdev ? " " : "", c->pdev);
	if (o.bytes < OBJECT_LEAST) {
		object_add_small(t, &o);
		return;
	}
	object_add(t, &o);
	object_hold(t, kind, o.id, pid);
}

void object_drm_text(struct object_table *t, const char *fdinfo, uint32_t pid)
{
	struct client c = {.id = OBJECT_NONE};

	parse(&c, fdinfo);
	/* Without an id (amdgpu before 5.19) descriptors of one file could not be told apart. */
	if (!*c.driver || c.id == OBJECT_NONE)
		return;
	add(t, &c, OBJECT_DRM, pid);
	add(t, &c, OBJECT_VRAM, pid);
}

/* ------------------------------------------------------------------ asking */

/* In memory that the helper shares. */
struct question {
	uint32_t pid, fd;
	int32_t len; /* of text, or a negative errno */
	char text[FDINFO_MAX];
};

static void serve(int proc_fd, void *shared)
{
	struct question *q = shared;
	char path[64];

	snprintf(path, sizeof(path), "%u/fdinfo/%u", q->pid, q->fd);
	q->len = (int32_t)read_file_at(proc_fd, path, q->text, sizeof(q->text));
}

/*
 * A driver may take locks of the buffers to print what they are (amdgpu_show_fdinfo()), and after a
 * hang of the card wait for ever.  What has been seen of other objects is not to be lost by that.
 */
void object_drm(struct object_walk *w, uint32_t pid, uint32_t fd)
{
	struct question *q;
	int r = 0;

	if (!w->graphics.helper)
		r = helper_create(&w->graphics.helper, w->c->root, sizeof(*q), serve);
	if (r == 0) {
		q = helper_shared(w->graphics.helper);
		q->pid = pid;
		q->fd = fd;
		r = helper_ask(w->graphics.helper);
	}
	if (r != 0) {
		w->graphics.silent++;
		w->graphics.error = r;
		return;
	}
	if (q->len <= 0)
		return;
	w->graphics.told++;
	q->text[sizeof(q->text) - 1] = '\0';
	object_drm_text(w->t, q->text, pid);
}

void object_drm_end(struct object_walk *w)
{
	pid_t stuck = w->graphics.helper ? helper_left_behind(w->graphics.helper) : 0;

	helper_destroy(w->graphics.helper);
	w->graphics.helper = NULL;
	if (!w->graphics.silent)
		return;
	if (!w->graphics.told)
		w->t->untold |= 1u << OBJECT_DRM | 1u << OBJECT_VRAM;
	emit_note(w->c->out, "fdinfo of graphics devices: %s", strerror(-w->graphics.error));
	if (stuck)
		emit_note(w->c->out,
			  "fdinfo of graphics devices: pid %d does not die and was left behind",
			  (int)stuck);
	emit_loss(w->c->out, "descriptors of graphics devices that did not answer",
		  w->graphics.silent);
}
