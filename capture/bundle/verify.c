/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cleanup.h"
#include "verify.h"

struct check {
	struct bundle_verdict *v;
	const struct bundle_limits *limits;
	size_t seen_cap;
	size_t cursor; /* manifests list members in the order of the archive */
	struct err *err;
};

static void problem(struct bundle_verdict *v, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void problem(struct bundle_verdict *v, const char *fmt, ...)
{
	va_list ap;

	if (v->first_problem[0])
		return;
	va_start(ap, fmt);
	vsnprintf(v->first_problem, sizeof(v->first_problem), fmt, ap);
	va_end(ap);
}

static struct bundle_seen *find_seen(struct check *c, const char *name)
{
	struct bundle_verdict *v = c->v;

	for (size_t i = 0; i < v->seen_count; i++) {
		size_t k = (c->cursor + i) % v->seen_count;

		if (strcmp(v->seen[k].name, name) == 0) {
			c->cursor = k + 1;
			return &v->seen[k];
		}
	}
	return NULL;
}

static int listed_member(void *ctx, const struct bundle_member *m)
{
	struct check *c = ctx;
	struct bundle_verdict *v = c->v;
	struct bundle_seen *s = find_seen(c, m->name);

	if (!s) {
		v->missing++;
		problem(v, "%s: is in the manifest, but not in the archive", m->name);
		return 0;
	}
	if (s->listed || s->size != m->size ||
	    memcmp(s->sha256, m->sha256, sizeof(s->sha256)) != 0) {
		v->mismatched++;
		problem(v, "%s: %s", m->name,
			s->listed ? "is in the manifest twice"
				  : "is not what the manifest says (size or SHA-256 differ)");
		s->listed = true;
		s->matches = false;
		return 0;
	}
	s->listed = s->matches = true;
	s->truncated = m->truncated;
	return 0;
}

/* A result of parsing: 0 to go on, or what ends the walk. */
static int parsed(struct check *c, int r, const struct err *e)
{
	if (r != -EBADMSG)
		return r == 0 ? 0 : err_set(c->err, -r, "%s", e->text);
	problem(c->v, "%s", e->text);
	return 0;
}

static int parse_head(struct check *c, const char *data, size_t size)
{
	struct err e = {0};
	int r = capture_head_parse(data, size, &c->v->head, &e);

	c->v->head_ok = r == 0;
	return parsed(c, r, &e);
}

static int parse_manifest(struct check *c, const char *data, size_t size)
{
	struct bundle_verdict *v = c->v;
	struct err e = {0};
	int r = capture_manifest_parse(data, size, &v->manifest, listed_member, c, &e);

	v->manifest_ok = r == 0;
	if (r == -EBADMSG) {
		/* What a broken manifest listed before it broke proves nothing. */
		v->mismatched = v->missing = 0;
		for (size_t i = 0; i < v->seen_count; i++)
			v->seen[i].listed = v->seen[i].matches = false;
	}
	return parsed(c, r, &e);
}

static int see(struct check *c, const struct bundle_member *m)
{
	struct bundle_verdict *v = c->v;

	if (v->seen_count == c->seen_cap) {
		size_t cap = c->seen_cap ? c->seen_cap * 2 : 64;
		struct bundle_seen *seen = realloc(v->seen, cap * sizeof(*seen));

		if (!seen)
			return err_errno(c->err, ENOMEM, "archive");
		v->seen = seen;
		c->seen_cap = cap;
	}
	struct bundle_seen *s = &v->seen[v->seen_count++];

	*s = (struct bundle_seen){.size = m->size};
	memcpy(s->name, m->name, sizeof(s->name));
	memcpy(s->sha256, m->sha256, sizeof(s->sha256));
	return 0;
}

static int on_member(void *ctx, const struct bundle_member *m, const void *data)
{
	struct check *c = ctx;
	int r = 0;

	if (strcmp(m->name, BUNDLE_HEAD) == 0)
		r = parse_head(c, data, m->size);
	else if (strcmp(m->name, BUNDLE_MANIFEST) == 0)
		r = parse_manifest(c, data, m->size);
	if (r == 0)
		r = see(c, m);
	if (r == 0 && strcmp(m->name, BUNDLE_MANIFEST) == 0 && c->v->manifest_ok)
		c->v->seen[c->v->seen_count - 1].listed = c->v->seen[c->v->seen_count - 1].matches =
			true;
	return r;
}

/* What the members say of each other. */
static void conclude(struct bundle_verdict *v)
{
	const struct bundle_outcome *o = &v->outcome;
	const struct capture_manifest *m = &v->manifest;

	if (o->damage[0])
		problem(v, "%s", o->damage);
	if (!v->head_ok)
		problem(v, "%s: is missing", BUNDLE_HEAD);
	if (v->head_ok && strcmp(v->seen[0].name, BUNDLE_HEAD) != 0)
		problem(v, "%s: is not the first member", BUNDLE_HEAD);
	if (v->head_ok && strcmp(v->head.name, o->top) != 0)
		problem(v, "%s: names another archive than the top directory does", BUNDLE_HEAD);
	if (!v->manifest_ok)
		problem(v, "%s: is missing", BUNDLE_MANIFEST);
	for (size_t i = 0; v->manifest_ok && i < v->seen_count; i++) {
		if (v->seen[i].listed)
			continue;
		v->unlisted++;
		problem(v, "%s: is in the archive, but not in the manifest", v->seen[i].name);
	}
	for (size_t i = 0; v->manifest_ok && m->complete && i < m->collector_count; i++) {
		if (!collector_status_complete(m->collectors[i].status))
			problem(v, "%s: claims to be complete, but collector %s is %s",
				BUNDLE_MANIFEST, m->collectors[i].name,
				collector_status_name(m->collectors[i].status));
	}
	if (o->refused)
		problem(v, "%u members were refused (name, kind or duplicate)", o->refused);
	if (o->trailing)
		problem(v, "there is more after the end of the tar");
}

int bundle_verify(int fd, const struct bundle_limits *limits, struct bundle_verdict *ret,
		  struct err *e)
{
	/* A quarter of a megabyte: too much for the stack of a thread. */
	_cleanup_free_ struct bundle_verdict *v = calloc(1, sizeof(*v));
	struct check c = {.v = v, .limits = limits, .err = e};
	int r;

	if (!v)
		return err_errno(e, ENOMEM, "archive");
	r = bundle_read(fd, limits, on_member, &c, &v->outcome, e);
	if (r < 0) {
		free(v->seen);
		return r;
	}
	conclude(v);
	*ret = *v;
	return 0;
}

void bundle_verdict_deinit(struct bundle_verdict *v)
{
	free(v->seen);
	v->seen = NULL;
	v->seen_count = 0;
}

bool bundle_verdict_whole(const struct bundle_verdict *v)
{
	const struct bundle_outcome *o = &v->outcome;

	return v->head_ok && v->manifest_ok && v->manifest.complete && !v->first_problem[0] &&
	       o->has_manifest && !o->cut && !o->damaged && !o->refused && !o->trailing &&
	       !v->mismatched && !v->missing && !v->unlisted;
}
