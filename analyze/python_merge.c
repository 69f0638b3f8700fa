/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "python_merge.h"

#define GROUPS_MAX 512u

/* Frames [first, end) of Python that one call of the evaluation function runs, leaf first. */
struct group {
	size_t first, end;
	uint32_t native;
};

static size_t split(const struct merge *m, struct group *g)
{
	size_t n = 0, first = 0;
	uint32_t above = 0; /* places ascend; what does not is not believed */

	for (size_t i = 0; i < m->python_count && n < GROUPS_MAX; i++) {
		const struct merge_frame *f = &m->python[i];

		if (!f->entry && i + 1 < m->python_count)
			continue;
		g[n] = (struct group){.first = first, .end = i + 1, .native = MERGE_NOWHERE};
		if (f->entry && f->native < m->native_count && f->native >= above) {
			g[n].native = f->native;
			above = f->native + 1;
		}
		first = i + 1;
		n++;
	}
	return n;
}

/*
 * Groups [from, to) have no place: between the native frames [low, high) those that evaluate take
 * them.  When there are not as many of them as groups, one end is surer than the other: the root,
 * for at the leaf a call may just begin; but the leaf, when the root's frames are missing.
 */
static void place(const struct merge *m, struct group *g, size_t from, size_t to, size_t low,
		  size_t high)
{
	size_t found = 0, missing = to - from;
	bool from_leaf;

	for (size_t i = low; i < high; i++)
		found += m->evaluates[i];
	from_leaf = found < missing || !m->python_whole || high < m->native_count;
	if (from_leaf) {
		for (size_t i = low; i < high && from < to; i++)
			if (m->evaluates[i])
				g[from++].native = (uint32_t)i;
		return;
	}
	for (size_t i = high; i > low && from < to; i--)
		if (m->evaluates[i - 1])
			g[--to].native = (uint32_t)(i - 1);
}

static void place_all(const struct merge *m, struct group *g, size_t n)
{
	size_t low = 0;

	for (size_t i = 0; i < n;) {
		size_t end = i;

		if (g[i].native != MERGE_NOWHERE) {
			low = g[i++].native + (size_t)1;
			continue;
		}
		while (end < n && g[end].native == MERGE_NOWHERE)
			end++;
		place(m, g, i, end, low, end < n ? g[end].native : m->native_count);
		i = end;
	}
}

struct output {
	uint32_t *names;
	size_t n;
};

static void put_group(const struct merge *m, const struct group *g, struct output *o)
{
	for (size_t i = g->end; i > g->first; i--)
		o->names[o->n++] = m->python[i - 1].name;
}

static bool any_known(const struct merge *m, const struct group *g)
{
	for (size_t i = g->first; i < g->end; i++)
		if (m->python[i].known)
			return true;
	return false;
}

size_t merge_python(const struct merge *m, uint32_t *out)
{
	struct group g[GROUPS_MAX];
	struct output o = {.names = out};
	size_t n = split(m, g), left;

	place_all(m, g, n);
	left = n;
	/* What the native stack does not reach is above it; in a whole one, it has no name there.
	 */
	while (!m->native_whole && left && g[left - 1].native == MERGE_NOWHERE)
		put_group(m, &g[--left], &o);
	for (size_t i = m->native_count; i > 0; i--) {
		while (left && g[left - 1].native != MERGE_NOWHERE && g[left - 1].native >= i)
			left--;
		/* Without a place of its own: right above the next one that has. */
		size_t next = left;

		while (next && g[next - 1].native == MERGE_NOWHERE)
			next--;
		if (next && next < left && g[next - 1].native == i - 1)
			while (left > next)
				put_group(m, &g[--left], &o);
		if (left && g[left - 1].native == i - 1) {
			left--;
			if (any_known(m, &g[left]))
				put_group(m, &g[left], &o);
			else
				o.names[o.n++] = m->native[i - 1];
			continue;
		}
		o.names[o.n++] = m->native[i - 1];
	}
	while (left)
		put_group(m, &g[--left], &o);
	return o.n;
}
