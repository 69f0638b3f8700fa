/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "findings.h"
#include "findings/rules.h"

/* More findings than this help nobody; rules bound themselves well below it. */
#define MAX_FINDINGS 128
#define FINDINGS_MEMORY (16UL << 20)
/* Things not seen that the verdict names; the report lists them all. */
#define VERDICT_NOT_SEEN 3

const struct finding_rule finding_rules[] = {
	{"memory.near-oom", "memory", rule_memory_near_oom},
	{"page-cache.container", "cgroups", rule_page_cache_container},
	{"page-cache.high", "memory", rule_page_cache_high},
	{"shmem.small-files", "page-cache", rule_shmem_small_files},
	{"shmem.unattached", "memory", rule_shmem_unattached},
	{"shmem.high", "memory", rule_shmem_high},
	{"slab.reclaimable", "memory", rule_slab_reclaimable},
	{"slab.negative-dentries", "memory", rule_slab_negative_dentries},
	{"slab.unreclaimable", "memory", rule_slab_unreclaimable},
	{"cgroup.dying", "cgroups", rule_cgroup_dying},
	{"cgroup.near-limit", "cgroups", rule_cgroup_near_limit},
	{"cgroup.throttled", "cgroups", rule_cgroup_throttled},
	{"cgroup.oom-killed", "cgroups", rule_cgroup_oom_killed},
	{"kubernetes.eviction", "cgroups", rule_kubernetes_eviction},
	{"memory.process-heap", "processes", rule_memory_process_heap},
	{"heap.growth", "heaps", rule_heap_growth},
	{"heap.fragmented", "heaps", rule_heap_fragmented},
	{"memory.kernel", "memory", rule_memory_kernel},
	{"memory.huge-pages", "memory", rule_memory_huge_pages},
	{"driver.memory", "kernel-objects", rule_driver_memory},
	{"memory.unaccounted", "memory", rule_memory_unaccounted},
	{"hotspot.proc-readers", "syscalls", rule_hotspot_proc_readers},
	{"hotspot.cpu-burst", "stacks", rule_hotspot_cpu_burst},
	{"hotspot.lock-contention", "stacks", rule_hotspot_lock_contention},
	{"hotspot.sched-delay", "", rule_hotspot_sched_delay},
	{"hotspot.blocking-io", "block-io", rule_hotspot_blocking_io},
	{"net.receive-delay", "net-receive", rule_net_receive_delay},
	{"reclaim.direct", "", rule_reclaim_direct},
	{"reclaim.kswapd", "", rule_reclaim_kswapd},
	{"guard.no-victim", "guard", rule_guard_no_victim},
	{"guard.killed", "guard", rule_guard_killed},
	{"capture.partial", "", rule_capture_partial},
	{NULL, NULL, NULL},
};

const char *severity_name(enum severity s)
{
	static const char *const names[] = {"ok", "info", "warning", "critical"};

	return names[s];
}

const char *confidence_name(enum confidence c)
{
	static const char *const names[] = {"low", "medium", "high"};

	return names[c];
}

struct finding *finding_add(struct findings *out, const char *id, enum severity s,
			    enum confidence c, const char *title_fmt, ...)
{
	struct finding *f;
	va_list ap;

	if (out->count == out->capacity)
		return NULL;
	f = &out->rows[out->count++];
	*f = (struct finding){.id = id, .severity = s, .confidence = c};
	va_start(ap, title_fmt);
	f->title = arena_vprintf(out->arena, title_fmt, ap);
	va_end(ap);
	f->scope_kind = "host";
	f->scope_name = "";
	return f;
}

void finding_because(struct findings *out, struct finding *f, const char *ref, const char *fmt, ...)
{
	va_list ap;

	if (!f || f->because_count == FINDING_BECAUSE)
		return;
	va_start(ap, fmt);
	f->because[f->because_count].text = arena_vprintf(out->arena, fmt, ap);
	f->because[f->because_count++].ref = ref;
	va_end(ap);
}

void finding_advice(struct findings *out, struct finding *f, const char *fmt, ...)
{
	va_list ap;

	if (!f || f->advice_count == FINDING_ADVICE)
		return;
	va_start(ap, fmt);
	f->advice[f->advice_count++] = arena_vprintf(out->arena, fmt, ap);
	va_end(ap);
}

void finding_scope(struct findings *out, struct finding *f, const char *kind, const char *name)
{
	if (!f)
		return;
	f->scope_kind = kind;
	f->scope_name = arena_strndup(out->arena, name, strlen(name));
}

/* A collector that brought nothing makes a rule silent.  One that is not in the manifest does not:
 * a cut archive may still hold all that the rule reads, and the rule looks at that itself. */
static bool has_needs(const struct facts *f, const char *needs)
{
	static const char *const nothing[] = {"denied", "unsupported", "skipped"};
	char name[64];

	while (*needs) {
		size_t len = strcspn(needs, ",");

		if (len < sizeof(name)) {
			memcpy(name, needs, len);
			name[len] = '\0';
			const struct fact_collector *c = facts_collector(f, name);

			for (size_t i = 0; c && c->status && i < 3; i++)
				if (!strcmp(c->status, nothing[i]))
					return false;
		}
		needs += len;
		needs += *needs == ',';
	}
	return true;
}

static bool is_partial(const struct finding *f)
{
	return !strcmp(f->id, "capture.partial");
}

static int most_severe_first(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;
	int r;

	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	/* What is wrong with the machine comes before what is wrong with the archive. */
	if (is_partial(x) != is_partial(y))
		return is_partial(x) ? 1 : -1;
	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	r = strcmp(x->id, y->id);
	return r ? r : strcmp(x->scope_name, y->scope_name);
}

static const char *not_seen(struct findings *out, const struct model *m)
{
	const char *text = "";

	for (size_t i = 0; i < m->not_seen_count && i < VERDICT_NOT_SEEN; i++)
		text = arena_printf(out->arena, "%s%s%s", text,
				    i ? "; " : " Not seen: ", m->not_seen[i].what);
	if (m->not_seen_count > VERDICT_NOT_SEEN)
		text = arena_printf(out->arena, "%s; and %zu more", text,
				    m->not_seen_count - VERDICT_NOT_SEEN);
	return *text ? arena_printf(out->arena, "%s.", text) : text;
}

static void verdict(struct findings *out, const struct model *m)
{
	const struct finding *first = NULL;
	size_t real = 0;

	for (size_t i = 0; i < out->count; i++) {
		if (is_partial(&out->rows[i]))
			continue;
		if (!first)
			first = &out->rows[i];
		real++;
	}
	out->verdict.severity = out->count ? out->rows[0].severity : SEVERITY_OK;
	if (first && real > 1)
		out->verdict.text = arena_printf(out->arena, "%s. %zu more %s below.", first->title,
						 real - 1, real == 2 ? "finding" : "findings");
	else if (first)
		out->verdict.text = arena_printf(out->arena, "%s.", first->title);
	else if (m->memory_total == FACT_NONE) {
		/* Silence about memory nobody looked at is no verdict of health. */
		if (out->verdict.severity < SEVERITY_INFO)
			out->verdict.severity = SEVERITY_INFO;
		out->verdict.text = arena_printf(
			out->arena,
			"Nothing can be said about this machine's memory: its counters were not "
			"captured.%s",
			not_seen(out, m));
	} else if (out->count)
		out->verdict.text = arena_printf(
			out->arena,
			"Nothing wrong was found in what was captured, but the capture is "
			"not complete.%s",
			not_seen(out, m));
	else
		out->verdict.text =
			arena_printf(out->arena, "Nothing wrong was found.%s", not_seen(out, m));
}

int findings_create(struct findings **ret, const struct model *m)
{
	struct findings *out = calloc(1, sizeof(*out));
	int r = -ENOMEM;

	if (!out)
		return r;
	r = arena_create(&out->arena, FINDINGS_MEMORY);
	if (r < 0) {
		free(out);
		return r;
	}
	out->rows = arena_alloc(out->arena, MAX_FINDINGS * sizeof(*out->rows));
	out->capacity = MAX_FINDINGS;
	if (!out->rows)
		r = -ENOMEM;
	for (const struct finding_rule *rule = finding_rules; r == 0 && rule->id; rule++)
		if (has_needs(m->facts, rule->needs))
			r = rule->evaluate(m, out);
	if (r == 0 && out->count)
		qsort(out->rows, out->count, sizeof(*out->rows), most_severe_first);
	if (r == 0)
		verdict(out, m);
	if (r == 0 && arena_exhausted(out->arena))
		r = -ENOMEM;
	if (r < 0) {
		findings_destroy(out);
		return r;
	}
	*ret = out;
	return 0;
}

void findings_destroy(struct findings *f)
{
	if (!f)
		return;
	arena_destroy(f->arena);
	free(f);
}
