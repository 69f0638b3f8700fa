/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "page.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

	if (r->refused)
		return "refused";
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

const char *words_fleet_name(const struct report *r)
{
	const struct facts *f = r->facts;

	if ((!f->archive.count || !f->archive.rows[0].hostname) && r->file)
		return r->file;
	return words_hostname(r);
}

/* A host without a name is nobody else's. */
static bool same_machine(const struct report *a, const struct report *b)
{
	const struct fact_archive *x = a->facts->archive.count ? a->facts->archive.rows : NULL;
	const struct fact_archive *y = b->facts->archive.count ? b->facts->archive.rows : NULL;

	return x && y && x->hostname && y->hostname && *x->hostname &&
	       !strcmp(x->hostname, y->hostname);
}

static void say(struct fleet_verdict *v, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void say(struct fleet_verdict *v, const char *fmt, ...)
{
	size_t len = strlen(v->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->text + len, sizeof(v->text) - len, fmt, ap);
	va_end(ap);
}

static const char *several(size_t n, const char *one, const char *more)
{
	return n == 1 ? one : more;
}

/* "3 archives: 2 read, 1 refused (other.tar.zst)." */
static void say_refused(struct fleet_verdict *v, const struct report *hosts, size_t count,
			size_t refused)
{
	size_t named = 0;

	say(v, " %zu archives: %zu read, %zu refused (", count, count - refused, refused);
	for (size_t i = 0; i < count && named < 3; i++)
		if (hosts[i].refused)
			say(v, "%s%.100s", named++ ? ", " : "", words_fleet_name(&hosts[i]));
	say(v, "%s).", refused > named ? ", \xe2\x80\xa6" : "");
}

struct fleet_verdict words_fleet_verdict(const struct report *hosts, size_t count)
{
	struct fleet_verdict v = {.severity = SEVERITY_OK};
	size_t at[4] = {0}, unknown = 0, refused = 0, judged;
	char of[64];

	for (size_t i = 0; i < count; i++) {
		enum severity s = hosts[i].findings->verdict.severity;
		bool again = false;

		if (hosts[i].refused) {
			refused++;
			continue;
		}
		for (size_t k = 0; k < i && !again; k++)
			again = same_machine(&hosts[k], &hosts[i]);
		v.machines += !again;
		v.captures++;
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
	if (refused && v.severity < SEVERITY_INFO)
		v.severity = SEVERITY_INFO;
	judged = v.captures - unknown;
	if (v.captures == v.machines)
		snprintf(of, sizeof(of), "%zu %s", judged, several(judged, "machine", "machines"));
	else
		snprintf(of, sizeof(of), "%zu captures of %zu %s", judged, v.machines,
			 several(v.machines, "machine", "machines"));
	if (!judged)
		say(&v, "Nothing can be said: no archive has the counters of memory.");
	else if (v.severity <= SEVERITY_INFO)
		say(&v, "Nothing wrong was found on %s.", of);
	else
		say(&v, "%zu of %s %s attention: %zu critical, %zu with a warning.",
		    at[SEVERITY_CRITICAL] + at[SEVERITY_WARNING], of,
		    several(at[SEVERITY_CRITICAL] + at[SEVERITY_WARNING], "needs", "need"),
		    at[SEVERITY_CRITICAL], at[SEVERITY_WARNING]);
	if (unknown && judged)
		say(&v, " Of %zu more nothing can be said.", unknown);
	if (refused)
		say_refused(&v, hosts, count, refused);
	return v;
}

struct rank {
	size_t index, machine; /* machine: index of its worst capture */
	const struct report *r, *worst;
};

static int worse(const struct report *a, const struct report *b)
{
	const struct findings *x = a->findings, *y = b->findings;

	if (x->verdict.severity != y->verdict.severity)
		return x->verdict.severity < y->verdict.severity ? 1 : -1;
	if (x->count && y->count && x->rows[0].weight != y->rows[0].weight)
		return x->rows[0].weight < y->rows[0].weight ? 1 : -1;
	return 0;
}

static double captured_at(const struct report *r)
{
	double t = r->facts->archive.count ? r->facts->archive.rows[0].captured_at : 0;

	return isnan(t) ? 0 : t;
}

static int worst_first(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;
	int r = worse(x->worst, y->worst);

	if (r)
		return r;
	if (x->machine != y->machine)
		return x->machine < y->machine ? -1 : 1;
	if (captured_at(x->r) != captured_at(y->r))
		return captured_at(x->r) < captured_at(y->r) ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

size_t *words_fleet_order(const struct report *hosts, size_t count)
{
	struct rank *ranks = calloc(count, sizeof(*ranks));
	size_t *order = calloc(count, sizeof(*order));

	if (ranks && order) {
		for (size_t i = 0; i < count; i++) {
			size_t worst = i;

			/* of those that are as bad, the first: the same for each of its captures */
			for (size_t k = 0; k < count; k++) {
				int r = k != i && same_machine(&hosts[i], &hosts[k])
						? worse(&hosts[k], &hosts[worst])
						: 1;

				if (r < 0 || (r == 0 && k < worst))
					worst = k;
			}
			ranks[i] = (struct rank){i, worst, &hosts[i], &hosts[worst]};
		}
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
