/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/sbuf.h"
#include "base/units.h"
#include "plan.h"

static const struct collector *find(const struct collector *const *table, const char *name,
				    size_t len)
{
	for (; *table; table++)
		if (strlen((*table)->name) == len && !memcmp((*table)->name, name, len))
			return *table;
	return NULL;
}

/* Is name in the comma-separated list? */
static bool listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	while (list && *list) {
		size_t n = strcspn(list, ",");

		if (n == len && !memcmp(list, name, n))
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

static int check_names(const struct collector *const *table, const char *option, const char *list,
		       struct err *e)
{
	char known[512];
	struct sbuf b = SBUF(known);

	while (list && *list) {
		size_t n = strcspn(list, ",");

		if (!find(table, list, n)) {
			sbuf_reset(&b);
			for (; *table; table++)
				sbuf_printf(&b, "%s%s", b.len ? ", " : "", (*table)->name);
			return err_set(e, EINVAL,
				       "%s: no collector is called '%.*s' (there are %s)", option,
				       (int)n, list, known);
		}
		list += n + (list[n] == ',');
	}
	return 0;
}

int plan_select(struct plan *p, const struct collector *const *table,
		const struct capture_options *o, struct err *e)
{
	size_t wanted = 0;

	*p = (struct plan){0};
	int rc = check_names(table, "--collect", o->collect, e);
	if (!rc)
		rc = check_names(table, "--skip", o->skip, e);
	if (rc)
		return rc;
	for (; *table && p->count < sizeof(p->rows) / sizeof(p->rows[0]); table++) {
		struct plan_row *r = &p->rows[p->count++];
		const char *name = (*table)->name;

		r->collector = *table;
		r->probe.status = COLLECTOR_SKIPPED;
		if (o->collect && !listed(o->collect, name))
			snprintf(r->probe.reason, sizeof(r->probe.reason), "not in --collect");
		else if (listed(o->skip, name))
			snprintf(r->probe.reason, sizeof(r->probe.reason), "in --skip");
		else
			r->wanted = true;
		wanted += r->wanted;
	}
	if (!wanted)
		return err_set(e, EINVAL, "--skip: no collector is left");
	return 0;
}

/* ------------------------------------------------------------------ probes */

struct probe_question {
	const struct collector *collector;
	const struct capture_options *options;
};

static void probe_answer(const void *ctx, const struct sysroot *root, void *ret)
{
	const struct probe_question *q = ctx;
	struct probe_result *r = ret;

	if (q->collector->probe)
		q->collector->probe(q->options, root, r);
	r->reason[sizeof(r->reason) - 1] = 0;
}

static void add_up(struct plan *p)
{
	p->expected_known = true;
	p->expected_bytes = 0;
	for (size_t i = 0; i < p->count; i++) {
		const struct plan_row *r = &p->rows[i];

		if (!r->wanted || !plan_runs(r))
			continue;
		p->expected_bytes += r->probe.expected_bytes;
		p->expected_known &= r->probe.expected_bytes != 0;
	}
}

/* Who fits within --max-memory beside the others. */
static void share_out(struct plan *p, const struct capture_options *o, const struct sysroot *root)
{
	char needs[16], left[16], max[16];

	p->shares = (struct shares){.max_memory = o->max_memory, .types = shares_types(o, root)};
	for (size_t i = 0; i < SHARES_TURNS * p->count; i++) {
		struct plan_row *r = &p->rows[i % p->count];
		uint64_t need, room;

		if (!r->wanted || r->probe.status != COLLECTOR_OK ||
		    shares_turn(r->collector) != i / p->count ||
		    shares_let_in(&p->shares, r->collector, &r->share, &need, &room))
			continue;
		r->probe = (struct probe_result){.status = COLLECTOR_DENIED, .no = ENOMEM};
		snprintf(r->probe.reason, sizeof(r->probe.reason),
			 "it may need %s; --max-memory %s leaves %s beside the others",
			 format_size(need, needs), format_size(o->max_memory, max),
			 format_size(room, left));
	}
}

void plan_probe(struct plan *p, const struct capture_options *o, const struct sysroot *root,
		int cancel_fd)
{
	struct question q[ASK_MAX] = {0};
	struct probe_question pq[ASK_MAX];
	struct plan_row *asked[ASK_MAX];
	size_t n = 1;

	q[0] = (struct question){
		.answer = host_facts_answer, .ctx = o, .ret = &p->facts, .size = sizeof(p->facts)};
	for (size_t i = 0; i < p->count; i++) {
		struct plan_row *r = &p->rows[i];

		if (!r->wanted)
			continue;
		pq[n] = (struct probe_question){.collector = r->collector, .options = o};
		q[n] = (struct question){.answer = probe_answer,
					 .ctx = &pq[n],
					 .ret = &r->probe,
					 .size = sizeof(r->probe)};
		asked[n++] = r;
	}
	ask_all(q, n, root, PLAN_PROBE_NS, cancel_fd);

	for (size_t i = 1; i < n; i++) {
		struct plan_row *r = asked[i];

		if (!q[i].answered) {
			r->probe = (struct probe_result){.status = COLLECTOR_TIMEOUT};
			snprintf(r->probe.reason, sizeof(r->probe.reason), "probe of %s: %s",
				 r->collector->name, q[i].problem);
			r->left_behind = q[i].left_behind;
			if (strncmp(q[i].problem, "no answer", 9) != 0)
				r->probe.status = COLLECTOR_ERROR;
			continue;
		}
	}
	share_out(p, o, root);
	for (size_t i = 0; i < p->count; i++)
		p->runnable += p->rows[i].wanted && p->rows[i].probe.status == COLLECTOR_OK;
	add_up(p);
}

bool plan_reads_memory(const struct plan_row *r)
{
	return r->wanted && r->probe.status == COLLECTOR_OK &&
	       !strcmp(r->collector->name, "page-cache");
}

void plan_add_ladder(struct plan *p, const struct ladder *l)
{
	for (size_t i = 0; i < p->count; i++) {
		struct plan_row *r = &p->rows[i];

		if (!plan_reads_memory(r) || l->timed_out)
			continue;
		r->probe.expected_bytes = l->expected_bytes;
		if (!l->no && !l->denied)
			continue;
		/* `partial`: it runs, and will say that it was not let at what tells more. */
		r->probe.status = !l->no			      ? COLLECTOR_PARTIAL
				  : l->no == EPERM || l->no == EACCES ? COLLECTOR_DENIED
								      : COLLECTOR_UNSUPPORTED;
		r->probe.no = l->no;
		snprintf(r->probe.reason, sizeof(r->probe.reason), "%s", l->refused);
		p->runnable -= l->no != 0;
	}
	add_up(p);
}

void plan_names(const struct plan *p, char *out, size_t cap, const char *separator)
{
	struct sbuf b = {.p = out, .cap = cap};

	sbuf_reset(&b);
	for (size_t i = 0; i < p->count; i++)
		if (p->rows[i].wanted && p->rows[i].probe.status == COLLECTOR_OK)
			sbuf_printf(&b, "%s%s", b.len ? separator : "", p->rows[i].collector->name);
}
