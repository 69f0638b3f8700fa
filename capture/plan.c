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

	p->expected_known = true;
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
		if (r->probe.status != COLLECTOR_OK)
			continue;
		p->runnable++;
		p->expected_bytes += r->probe.expected_bytes;
		if (!r->probe.expected_bytes)
			p->expected_known = false;
	}
}

void plan_names(const struct plan *p, char *out, size_t cap, const char *separator)
{
	struct sbuf b = {.p = out, .cap = cap};

	sbuf_reset(&b);
	for (size_t i = 0; i < p->count; i++)
		if (p->rows[i].wanted && p->rows[i].probe.status == COLLECTOR_OK)
			sbuf_printf(&b, "%s%s", b.len ? separator : "", p->rows[i].collector->name);
}

/* ------------------------------------------------------------------ printing */

static int finish(FILE *out)
{
	return fflush(out) || ferror(out) ? -EIO : 0;
}

static void print_budgets(const struct capture_options *o, FILE *out)
{
	char a[16];

	fprintf(out, "\nBudgets\n");
	fprintf(out, "  %-12s %s\n", "--max-size", format_size(o->max_size, a));
	fprintf(out, "  %-12s %g%% of one CPU\n", "--max-cpu", o->max_cpu);
	fprintf(out, "  %-12s %s\n", "--max-memory", format_size(o->max_memory, a));
	fprintf(out, "  %-12s %s\n", "--min-free", format_size(o->min_free, a));
}

static const char *word(const struct plan_row *r)
{
	return r->probe.status == COLLECTOR_OK ? "available"
					       : collector_status_name(r->probe.status);
}

static void print_row(const struct plan_row *r, const char *what, FILE *out)
{
	const char *reason = r->probe.reason;

	if (reason[0])
		fprintf(out, "  %-12s %-12s %s\n", r->collector->name, what, reason);
	else
		fprintf(out, "  %-12s %s\n", r->collector->name, what);
}

int plan_print(const struct plan *p, const struct capture_options *o, FILE *out)
{
	char a[24], size[16];

	fprintf(out, "Would capture %s for %s\n\nCollectors\n", p->facts.hostname,
		format_duration(o->duration_ns, a));
	for (size_t i = 0; i < p->count; i++) {
		const struct plan_row *r = &p->rows[i];
		const char *what = word(r);

		if (r->probe.status == COLLECTOR_OK)
			what = r->collector->timed ? "window" : "once";
		if (o->estimate_only && r->probe.status == COLLECTOR_OK)
			what = r->probe.expected_bytes ? format_size(r->probe.expected_bytes, size)
						       : "unknown";
		print_row(r, what, out);
	}
	if (o->estimate_only)
		fprintf(out, "\nExpected archive: %s%s\n", p->expected_known ? "" : "more than ",
			format_size(p->expected_bytes, size));
	print_budgets(o, out);
	return finish(out);
}

static void print_fact(const char *name, const char *value, FILE *out)
{
	fprintf(out, "  %-12s %s\n", name, value[0] ? value : "unknown");
}

int plan_print_check(const struct plan *p, const struct capture_options *o,
		     const struct ladder *memory, FILE *out)
{
	fprintf(out, "Collectors\n");
	for (size_t i = 0; i < p->count; i++)
		print_row(&p->rows[i], word(&p->rows[i]), out);
	if (memory) {
		fprintf(out, "\nKernel memory\n");
		fprintf(out, "  %-12s %s\n", "read through",
			memory->no ? "nothing" : memory->source);
		if (memory->refused[0])
			fprintf(out, "  %-12s %s\n", memory->no ? "because" : "and not",
				memory->refused);
	}
	fprintf(out, "\nHost\n");
	print_fact("name", p->facts.hostname, out);
	print_fact("kernel", p->facts.kernel, out);
	print_fact("lockdown", p->facts.lockdown, out);
	print_fact("container", p->facts.container ? "yes" : "no", out);
	print_budgets(o, out);
	return finish(out);
}
