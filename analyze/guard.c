/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard's events in the order of time, whoever wrote them. */
#include <errno.h>
#include <stdlib.h>

#include "model_build.h"

static int by_time(const void *a, const void *b)
{
	const struct fact_guard *x = *(const struct fact_guard *const *)a;
	const struct fact_guard *y = *(const struct fact_guard *const *)b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return (x > y) - (x < y);
}

int model_build_guard(struct model_build *b)
{
	const struct facts *f = b->f;
	struct model *m = b->m;

	m->guard = arena_alloc(b->arena, (f->guard.count + 1) * sizeof(void *));
	if (!m->guard)
		return -ENOMEM;
	for (size_t i = 0; i < f->guard.count; i++)
		if (f->guard.rows[i].event)
			m->guard[m->guard_count++] = &f->guard.rows[i];
	if (m->guard_count)
		qsort(m->guard, m->guard_count, sizeof(void *), by_time);
	return 0;
}
