/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "page.h"

#include <stdio.h>
#include <stdlib.h>

const char *words_hostname(const struct report *r)
{
	const struct facts *f = r->facts;

	if (f->archive.count && f->archive.rows[0].hostname && *f->archive.rows[0].hostname)
		return f->archive.rows[0].hostname;
	return "a machine without a name";
}

const char *words_archive_state(const struct report *r)
{
	const struct fact_archive *a = r->facts->archive.rows;

	if (!r->facts->archive.count)
		return "unknown";
	if (a->cut == 1)
		return "cut short";
	if (a->damage || (a->damaged_members && a->damaged_members != FACT_NONE))
		return "damaged";
	if (a->complete == 1)
		return "complete";
	return a->complete == 0 ? "partial" : "unknown";
}

struct fleet_verdict words_fleet_verdict(const struct report *hosts, size_t count)
{
	struct fleet_verdict v = {.severity = SEVERITY_OK};
	size_t at[4] = {0}, unknown = 0;
	char rest[64] = "";

	for (size_t i = 0; i < count; i++) {
		enum severity s = hosts[i].findings->verdict.severity;

		/* Without MemTotal there was nothing to judge by. */
		if (hosts[i].model->memory_total == FACT_NONE) {
			unknown++;
			if (v.severity < SEVERITY_INFO)
				v.severity = SEVERITY_INFO;
			continue;
		}
		at[s]++;
		if (s > v.severity)
			v.severity = s;
	}
	if (unknown)
		snprintf(rest, sizeof(rest), " Of %zu more nothing can be said.", unknown);
	if (v.severity <= SEVERITY_INFO)
		snprintf(v.text, sizeof(v.text), "Nothing wrong was found on %zu %s.%s",
			 count - unknown, count - unknown == 1 ? "machine" : "machines", rest);
	else
		snprintf(v.text, sizeof(v.text),
			 "%zu of %zu machines need attention: %zu critical, %zu with a warning.%s",
			 at[SEVERITY_CRITICAL] + at[SEVERITY_WARNING], count - unknown,
			 at[SEVERITY_CRITICAL], at[SEVERITY_WARNING], rest);
	return v;
}

struct rank {
	size_t index;
	const struct findings *f;
};

static int worst_first(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->f->verdict.severity != y->f->verdict.severity)
		return x->f->verdict.severity < y->f->verdict.severity ? 1 : -1;
	if (x->f->count && y->f->count && x->f->rows[0].weight != y->f->rows[0].weight)
		return x->f->rows[0].weight < y->f->rows[0].weight ? 1 : -1;
	return x->index < y->index ? -1 : x->index > y->index;
}

size_t *words_fleet_order(const struct report *hosts, size_t count)
{
	struct rank *ranks = calloc(count, sizeof(*ranks));
	size_t *order = calloc(count, sizeof(*order));

	if (ranks && order) {
		for (size_t i = 0; i < count; i++)
			ranks[i] = (struct rank){i, hosts[i].findings};
		qsort(ranks, count, sizeof(*ranks), worst_first);
		for (size_t i = 0; i < count; i++)
			order[i] = ranks[i].index;
	} else {
		free(order);
		order = NULL;
	}
	free(ranks);
	return order;
}
