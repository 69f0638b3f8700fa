/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of parsers: members as text in, rows in a struct facts out. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../analyze/facts/parse.h"

static inline int facts_rows_take(void *ctx, const struct fact_type *t, const void *row)
{
	struct facts *f = ctx;
	char *to = facts_add(f, t);

	assert_non_null(to);
	memcpy(to, row, t->size);
	for (uint32_t i = 0; i < t->field_count; i++) {
		const char **s = (const char **)(to + t->fields[i].offset);

		if (t->fields[i].kind == FIELD_STR && *s)
			*s = arena_strndup(f->arena, *s, strlen(*s));
	}
	return 0;
}

struct facts_rows {
	struct facts *f;
	struct parse *p;
};

static inline struct facts_rows facts_rows_start(void)
{
	struct facts_rows t;

	assert_int_equal(facts_create(&t.f), 0);
	assert_int_equal(parse_create(&t.p, (struct fact_sink){.row = facts_rows_take, .ctx = t.f},
				      16 << 20),
			 0);
	t.p->page_size = 4096;
	return t;
}

/* The data in memory of its own size, so that a sanitizer sees one byte too many. */
static inline void facts_rows_member_n(struct facts_rows *t, const char *name, const void *data,
				       size_t len)
{
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, data, len);
	assert_int_equal(parse_member(t->p, name, copy, len), 0);
	free(copy);
}

static inline void facts_rows_member(struct facts_rows *t, const char *name, const char *data)
{
	facts_rows_member_n(t, name, data, strlen(data));
}

/* A pack from name, data, name, data, …, NULL. */
static inline void facts_rows_pack(struct facts_rows *t, const char *member, ...)
{
	char pack[65536];
	size_t len = 0;
	const char *name;
	va_list ap;

	va_start(ap, member);
	while ((name = va_arg(ap, const char *))) {
		const char *data = va_arg(ap, const char *);

		len += (size_t)snprintf(pack + len, sizeof(pack) - len, "@%zu %zu 0\n%s\n%s\n",
					strlen(name), strlen(data), name, data);
		assert_true(len < sizeof(pack));
	}
	va_end(ap);
	facts_rows_member_n(t, member, pack, len);
}

static inline struct facts *facts_rows_end(struct facts_rows *t)
{
	assert_int_equal(parse_finish(t->p), 0);
	parse_destroy(t->p);
	t->p = NULL;
	return t->f;
}
