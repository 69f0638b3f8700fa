/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel objects that hold memory, and who holds them: tables/kernel_objects.tsv and
 * tables/kernel_holders.tsv.  A row of the first without an id is the sum of many small ones; one
 * that counts none says that objects of its kind could not be looked at. */
#include <errno.h>
#include <string.h>

#include "parse.h"
#include "tsv.h"

static const struct fact_field fields_fact_kernel_object[] = {
	FACT_STR(fact_kernel_object, kind, 32),	   FACT_U64(fact_kernel_object, id),
	FACT_U64(fact_kernel_object, count),	   FACT_U64(fact_kernel_object, bytes),
	FACT_U64(fact_kernel_object, page_bytes),  FACT_U64(fact_kernel_object, capacity),
	FACT_U64(fact_kernel_object, waiting),	   FACT_STR(fact_kernel_object, memory, 16),
	FACT_U64(fact_kernel_object, netns),	   FACT_STR(fact_kernel_object, name, 128),
	FACT_STR(fact_kernel_object, detail, 256), FACT_U64(fact_kernel_object, pool_bytes),
};
FACT_TYPE(fact_kernel_object, "kernel_objects", 40, 200000);

static const struct fact_field fields_fact_kernel_holder[] = {
	FACT_STR(fact_kernel_holder, kind, 32),
	FACT_U64(fact_kernel_holder, id),
	FACT_U64(fact_kernel_holder, pid),
	FACT_U64(fact_kernel_holder, fds),
};
FACT_TYPE(fact_kernel_holder, "kernel_holders", 41, 1000000);

static const char *field(const struct tsv *t, const char *name)
{
	const char *s = tsv_str(t, tsv_column(t, name));

	return s && *s ? s : NULL;
}

static uint64_t number(const struct tsv *t, const char *name)
{
	return tsv_u64(t, tsv_column(t, name));
}

static int object_row(struct parse *p, const struct tsv *t)
{
	struct fact_kernel_object row = {
		.kind = field(t, "kind"),
		.id = number(t, "id"),
		.count = number(t, "count"),
		.bytes = number(t, "bytes"),
		.page_bytes = number(t, "page_bytes"),
		.capacity = number(t, "capacity"),
		.waiting = number(t, "waiting"),
		.pool_bytes = number(t, "pool_bytes"),
		.memory = field(t, "memory"),
		.netns = number(t, "netns"),
		.name = field(t, "name"),
		.detail = field(t, "detail"),
	};

	if (row.kind && row.bytes != FACT_NONE)
		return parse_emit(p, &fact_kernel_object_type, &row);
	p->bad++;
	return 0;
}

static int holder_row(struct parse *p, const struct tsv *t)
{
	struct fact_kernel_holder row = {
		.kind = field(t, "kind"),
		.id = number(t, "id"),
		.pid = number(t, "pid"),
		.fds = number(t, "fds"),
	};

	if (row.kind && row.id != FACT_NONE && row.pid != FACT_NONE)
		return parse_emit(p, &fact_kernel_holder_type, &row);
	p->bad++;
	return 0;
}

static int kernel_object_member(struct parse *p, void *state, const struct member_ref *m,
				const char *data, size_t len)
{
	bool objects = !strcmp(m->name, "tables/kernel_objects.tsv");
	struct tsv t;
	int r = 0;

	if (tsv_init(&t, data, len) < 0)
		return -ENOMEM;
	while (r >= 0 && tsv_next(&t))
		r = objects ? object_row(p, &t) : holder_row(p, &t);
	p->bad += t.bad;
	tsv_deinit(&t);
	return r;
}

const struct fact_parser kernel_object_parser = {.member = kernel_object_member};
