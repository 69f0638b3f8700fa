/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "delays.h"

#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "../capture/base/cleanup.h"
#include "model_build.h"

#define Z95 1.959964
/* Of the calls seen this share may have begun before they were watched, and the time is still said
 * to be known. */
#define CUT_SHARE 0.02

static const char *const table_names[] = {"syscalls",	 "proc_files", "reclaim",
					  "sched_delay", "block_io",   "net_receive"};
_Static_assert(ARRAY_SIZE(table_names) == DELAY_TABLES, "a name for each table");

double delay_bucket_low(size_t bucket)
{
	return bucket ? (double)(1ULL << (9 + bucket)) / 1e9 : 0;
}

double delay_bucket_high(size_t bucket)
{
	return bucket + 1 < DELAY_HISTOGRAM ? (double)(1ULL << (10 + bucket)) / 1e9
					    : (double)INFINITY;
}

bool model_delay_histogram(const struct fact_delay *f, double ret[DELAY_HISTOGRAM])
{
	const char *p = f->histogram;
	bool any = false;

	memset(ret, 0, DELAY_HISTOGRAM * sizeof(*ret));
	while (p && *p) {
		char *end;
		unsigned long bucket = strtoul(p, &end, 10);
		double n;

		if (end == p || *end != ':')
			break;
		p = end + 1;
		n = strtod(p, &end);
		if (end == p || bucket >= DELAY_HISTOGRAM || !(n >= 0 && n < 1e18))
			break;
		ret[bucket] += n;
		any = true;
		p = end + (*end == ' ');
	}
	return any;
}

double delay_quantile(const double h[DELAY_HISTOGRAM], double q)
{
	double sum = 0, at = 0;

	for (size_t i = 0; i < DELAY_HISTOGRAM; i++)
		sum += h[i];
	for (size_t i = 0; i < DELAY_HISTOGRAM && sum > 0; i++) {
		at += h[i];
		if (at >= q * sum)
			return i + 1 < DELAY_HISTOGRAM ? delay_bucket_high(i) : delay_bucket_low(i);
	}
	return FACT_NONE_F;
}

static struct interval spread(uint64_t value, double variance, double unit, double least)
{
	struct interval r = {FACT_NONE_F, FACT_NONE_F, FACT_NONE_F};
	double half;

	if (value == FACT_NONE)
		return r;
	r.value = r.low = r.high = (double)value * unit;
	half = variance > 0 ? Z95 * sqrt(variance) * unit : 0;
	r.low = fmax(r.value - half, fmin(least, r.value));
	r.high = r.value + half;
	return r;
}

/* The number of a call → its name, by the table of the captured machine. */
static const char *call_name(struct model_build *b, const struct fact_delay *f)
{
	const char *arch = b->f->archive.count ? b->f->archive.rows[0].arch : NULL;
	uint32_t token = arch ? seccomp_arch_resolve_name(arch) : 0;
	char *end, *name = NULL;
	const char *copy;
	long number = strtol(f->kind, &end, 10);

	if (*end || end == f->kind || number < 0 || number > 4096)
		return f->kind;
	if (f->compat == 1)
		token = token == SCMP_ARCH_X86_64    ? SCMP_ARCH_X86
			: token == SCMP_ARCH_AARCH64 ? SCMP_ARCH_ARM
						     : 0;
	if (token)
		name = seccomp_syscall_resolve_num_arch(token, (int)number);
	copy = name ? arena_strndup(b->arena, name, strlen(name))
		    : arena_printf(b->arena, "%scall %ld", f->compat == 1 ? "32-bit " : "", number);
	free(name);
	return copy;
}

static const struct fact_process *process_of(const struct model_build *b,
					     const struct lookup *by_pid, uint64_t pid)
{
	uint32_t at = lookup_get(by_pid, pid, 0, NULL, 0);

	return at ? &b->f->processes.rows[at - 1] : NULL;
}

static int larger(const void *a, const void *b)
{
	const struct model_delay *x = *(const struct model_delay *const *)a;
	const struct model_delay *y = *(const struct model_delay *const *)b;
	const char *table = x->fact->table;
	bool by_count = !strcmp(table, table_names[DELAY_SYSCALLS]) ||
			!strcmp(table, table_names[DELAY_PROC_FILES]);
	double u = by_count ? x->count.value : x->seconds.value;
	double v = by_count ? y->count.value : y->seconds.value;

	if (u > v || (isnan(v) && !isnan(u)))
		return -1;
	if (u < v || (isnan(u) && !isnan(v)))
		return 1;
	return (x->fact > y->fact) - (x->fact < y->fact);
}

static const char *cgroup_of(const struct fact_delay *f, const struct fact_process *p)
{
	bool memory =
		!strcmp(f->table, table_names[DELAY_RECLAIM]) && strcmp(f->kind, "kswapd") != 0;

	if (memory && f->object && *f->object)
		return f->object;
	return p ? p->cgroup : NULL;
}

static void fill(struct model_build *b, const struct lookup *by_pid, const struct fact_delay *f,
		 struct model_delay *ret)
{
	const struct fact_process *p = f->pid ? process_of(b, by_pid, f->pid) : NULL;
	double seen = f->seen == FACT_NONE ? 0 : (double)f->seen;

	ret->fact = f;
	ret->name = !strcmp(f->table, table_names[DELAY_SYSCALLS]) ? call_name(b, f) : f->kind;
	ret->comm = f->comm && *f->comm ? f->comm : p && p->comm ? p->comm : "?";
	ret->cgroup = cgroup_of(f, p);
	ret->count = spread(f->count, f->count_var, 1, seen);
	ret->seconds = spread(f->ns, f->ns_var, 1e-9, 0);
	ret->at_least = f->cut != FACT_NONE && (double)f->cut > CUT_SHARE * fmax(seen, 1);
}

static int table_of(const struct fact_delay *f)
{
	for (int i = 0; f->table && i < DELAY_TABLES; i++)
		if (!strcmp(f->table, table_names[i]))
			return i;
	return -1;
}

static void design(struct model_build *b, enum delay_table t, struct model_delays *ret)
{
	/* The files below /proc are of the probe of system calls. */
	const char *name = table_names[t == DELAY_PROC_FILES ? DELAY_SYSCALLS : t];

	ret->covered_s = FACT_NONE_F;
	ret->watched = FACT_NONE_F;
	for (size_t i = 0; i < b->f->probes.count; i++) {
		const struct fact_probe *p = &b->f->probes.rows[i];

		if (!p->name || strcmp(p->name, name) != 0)
			continue;
		ret->probe = p;
		ret->captured = true;
		if (p->covered_ns == FACT_NONE || p->watched_ns == FACT_NONE || !p->covered_ns)
			continue;
		ret->covered_s = (double)p->covered_ns / 1e9;
		ret->watched = fmin(1, (double)p->watched_ns / (double)p->covered_ns);
	}
}

int model_build_delays(struct model_build *b)
{
	const struct facts *f = b->f;
	struct lookup by_pid = {0};
	struct model_delay *rows = arena_alloc(b->arena, (f->delays.count + 1) * sizeof(*rows));
	int r = lookup_init(&by_pid, b->arena, f->processes.count);

	if (r < 0 || !rows)
		return -ENOMEM;
	for (size_t i = 0; i < f->processes.count; i++) {
		uint32_t *at = lookup_put(&by_pid, f->processes.rows[i].pid, 0, NULL, 0);

		if (at)
			*at = (uint32_t)i + 1;
	}
	for (int t = 0; t < DELAY_TABLES; t++) {
		struct model_delays *d = &b->m->delays[t];
		size_t n = 0;

		design(b, (enum delay_table)t, d);
		for (size_t i = 0; i < f->delays.count; i++)
			n += table_of(&f->delays.rows[i]) == t;
		d->rows = arena_alloc(b->arena, (n + 1) * sizeof(void *));
		if (!d->rows)
			return -ENOMEM;
		for (size_t i = 0; i < f->delays.count; i++) {
			if (table_of(&f->delays.rows[i]) != t)
				continue;
			fill(b, &by_pid, &f->delays.rows[i], &rows[i]);
			d->rows[d->count++] = &rows[i];
		}
		d->captured |= d->count > 0;
		if (d->count)
			qsort(d->rows, d->count, sizeof(void *), larger);
	}
	return 0;
}
