/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --plan, --estimate-only and `check`, in words. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/units.h"
#include "plan.h"

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

/* An estimate has no more than two digits. */
static uint64_t round_ns(uint64_t ns)
{
	uint64_t step = 1;

	while (ns / step >= 100)
		step *= 10;
	return ns / step * step;
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

/* How the page cache would be read, and why so. */
static void print_memory(const struct ladder *l, const struct capture_options *o, FILE *out)
{
	char a[24], b[24];

	fprintf(out, "\nKernel memory\n");
	fprintf(out, "  %-12s %s\n", "read through",
		l->timed_out ? "unknown"
		: l->no	     ? "nothing"
			     : l->source);
	if (l->refused[0])
		fprintf(out, "  %-12s %s\n", l->no ? "because" : "and not", l->refused);
	if (l->no)
		return;
	if (!l->one_in) {
		fprintf(out, "  %-12s no pages are read: only files that some process has open\n",
			"sample");
		return;
	}
	if (l->one_in == 1)
		fprintf(out, "  %-12s all pages", "sample");
	else
		fprintf(out, "  %-12s one page in %u", "sample", l->one_in);
	if (l->pages)
		fprintf(out, " of %llu", (unsigned long long)l->pages);
	if (o->sample_one_in)
		fprintf(out, ", by --sample");
	else if (l->recorded)
		fprintf(out, ", as in the recording");
	else if (o->record_kernel)
		fprintf(out, ", for --record-kernel to fit");
	else if (l->one_in == 1)
		fprintf(out, ": that is within 1 s of CPU");
	else if (l->all_ns)
		fprintf(out, ": all would take about %s of CPU",
			format_duration(round_ns(l->all_ns), b));
	else
		fprintf(out, ": all would take more than 1 s of CPU");
	if (l->cpu_ns)
		fprintf(out, " (about %s)", format_duration(round_ns(l->cpu_ns), a));
	fputc('\n', out);
}

int plan_print(const struct plan *p, const struct capture_options *o, const struct ladder *memory,
	       FILE *out)
{
	char a[24], size[16];

	fprintf(out, "Would capture %s for %s\n\n", p->facts.hostname,
		format_duration(o->duration_ns, a));
	fprintf(out, "  %-12s %-12s %s\n", "Collector", "when", "expected in the archive");
	for (size_t i = 0; i < p->count; i++) {
		const struct plan_row *r = &p->rows[i];

		if (!plan_runs(r)) {
			print_row(r, word(r), out);
			continue;
		}
		fprintf(out, "  %-12s %-12s about %s%s%s\n", r->collector->name,
			r->collector->timed ? "window" : "once",
			r->probe.expected_bytes ? format_size(r->probe.expected_bytes, size)
						: "? B",
			r->probe.reason[0] ? "; " : "", r->probe.reason);
	}
	fprintf(out, "\nEstimated archive: %s %s compressed\n",
		p->expected_known ? "about" : "more than", format_size(p->expected_bytes, size));
	if (memory)
		print_memory(memory, o, out);
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
	for (size_t i = 0; i < p->count; i++) {
		const struct plan_row *r = &p->rows[i];

		/* What a probe cannot try for every process: as whom we are is known. */
		if (geteuid() != 0 && r->probe.status == COLLECTOR_OK && !r->probe.reason[0] &&
		    r->collector->needs)
			fprintf(out, "  %-12s %-12s not as root (needs: %s)\n", r->collector->name,
				word(r), r->collector->needs);
		else
			print_row(r, word(r), out);
	}
	if (memory)
		print_memory(memory, o, out);
	fprintf(out, "\nHost\n");
	print_fact("name", p->facts.hostname, out);
	print_fact("kernel", p->facts.kernel, out);
	print_fact("lockdown", p->facts.lockdown, out);
	print_fact("container", p->facts.container ? "yes" : "no", out);
	print_budgets(o, out);
	return finish(out);
}
