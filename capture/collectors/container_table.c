/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "container_table.h"

#include <stdlib.h>
#include <string.h>

#include "../base/sbuf.h"

bool container_id_ok(const char *id, size_t len)
{
	if (len < 1 || len > 64)
		return false;
	for (size_t i = 0; i < len; i++) {
		char ch = id[i];

		if (!((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') ||
		      (ch >= 'A' && ch <= 'Z') || ((ch == '-' || ch == '_' || ch == '.') && i)))
			return false;
	}
	return true;
}

void container_field(char *out, size_t cap, const char *text, size_t len)
{
	size_t n = 0;

	while (n < len) {
		int step = utf8_len((const unsigned char *)text + n, len - n);

		if (step < 1)
			step = 1;
		if (n + (size_t)step > cap - 1 || !text[n])
			break;
		n += (size_t)step;
	}
	memcpy(out, text, n);
	out[n] = 0;
}

static void complete(char *have, size_t cap, const char *more)
{
	if (!have[0] && more[0])
		container_field(have, cap, more, strlen(more));
}

/* The whole id and its short form.  Only among hexadecimal ones: "web-server-1" is not short for
 * "web-server-10". */
static bool same_id(const char *a, const char *b)
{
	size_t x = strlen(a), y = strlen(b), n = x < y ? x : y;

	if (memcmp(a, b, n) != 0)
		return false;
	return x == y || (n >= CONTAINER_ID_MIN && strspn(a, "0123456789abcdef") == x &&
			  strspn(b, "0123456789abcdef") == y);
}

static struct container *find(struct container_table *t, const char *id)
{
	for (size_t i = 0; i < t->count; i++)
		if (same_id(t->rows[i].id, id))
			return &t->rows[i];
	return NULL;
}

void container_add(struct container_table *t, const struct container *c)
{
	struct container *old = c->id[0] ? find(t, c->id) : NULL;

	if (old) {
		if (strlen(c->id) > strlen(old->id))
			memcpy(old->id, c->id, sizeof(old->id));
		/* A name is worth more than an id seen in a cgroup's path. */
		if (!old->name[0] && c->name[0])
			memcpy(old->source, c->source, sizeof(old->source));
		complete(old->runtime, sizeof(old->runtime), c->runtime);
		complete(old->name, sizeof(old->name), c->name);
		complete(old->namespace, sizeof(old->namespace), c->namespace);
		complete(old->pod, sizeof(old->pod), c->pod);
		complete(old->pod_uid, sizeof(old->pod_uid), c->pod_uid);
		complete(old->image, sizeof(old->image), c->image);
		complete(old->source, sizeof(old->source), c->source);
		return;
	}
	if (t->count == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 32;
		struct container *rows;

		rows = cap > CONTAINERS_MAX ? NULL : realloc(t->rows, cap * sizeof(*rows));
		if (!rows) {
			t->beyond++;
			return;
		}
		t->rows = rows;
		t->cap = cap;
	}
	t->rows[t->count++] = *c;
}

static void join(struct container *c, const struct container_table *from)
{
	for (size_t k = 0; k < from->count; k++) {
		const struct container *o = &from->rows[k];

		if (o == c || !o->pod[0] || strcmp(o->pod_uid, c->pod_uid) != 0)
			continue;
		complete(c->pod, sizeof(c->pod), o->pod);
		complete(c->namespace, sizeof(c->namespace), o->namespace);
		return;
	}
}

void container_join_pods(struct container_table *t, const struct container_table *pods)
{
	for (size_t i = 0; i < t->count; i++) {
		struct container *c = &t->rows[i];

		if (!c->pod_uid[0])
			continue;
		if (!c->pod[0] || !c->namespace[0])
			join(c, t);
		if (!c->pod[0] || !c->namespace[0])
			join(c, pods);
	}
}

int container_table_emit(struct container_table *t, struct emit *out)
{
	int r = member_open(out, "tables/containers.tsv",
			    "id\truntime\tname\tnamespace\tpod\timage\tsource\tpod_uid\n");

	for (size_t i = 0; i < t->count && r >= 0; i++) {
		const struct container *c = &t->rows[i];

		row_cstr(out, c->id);
		row_cstr(out, c->runtime);
		row_cstr(out, c->name);
		row_cstr(out, c->namespace);
		row_cstr(out, c->pod);
		row_cstr(out, c->image);
		row_cstr(out, c->source);
		row_cstr(out, c->pod_uid);
		r = row_end(out);
	}
	emit_loss(out, "containers beyond the bound", t->beyond);
	return r < 0 ? r : member_close(out, false);
}

void container_table_release(struct container_table *t)
{
	free(t->rows);
	*t = (struct container_table){0};
}
