/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.near-oom: the machine, or a group with a limit, is about to run out of memory that can
 * be taken back.
 */
#include "rules.h"

/* MemAvailable is what can be had without swapping, watermarks already taken off.  Below 5 % the
 * working set of programs is next; on large machines a share means little, so 2 GiB are enough. */
#define LOW_SHARE 0.05
#define LOW_BYTES (2 * GIB)
#define CRITICAL_SHARE 0.02
#define CRITICAL_BYTES (512 * MIB)
/* A swap this large that is full, with this little left beside it, comes to the same. */
#define SWAP_LARGE 0.25
#define SWAP_FULL 0.05
#define SWAP_FULL_AVAILABLE 0.1
/* Swap that could still take this much of what is missing makes it less than critical. */
#define SWAP_HELPS 0.1
/* A group whose memory that no reclaim frees is this near the limit is next for the OOM killer. */
#define GROUP_NEAR 0.9
#define GROUP_CRITICAL 0.97

static void largest_processes(const struct model *m, struct findings *out, struct finding *f,
			      const char *cgroup)
{
	const char *text = "";
	unsigned n = 0;

	for (size_t i = 0; i < m->process_count && n < 3; i++) {
		const struct fact_process *p = m->processes[i];
		double heap = figure(p->heap_bytes);

		if (!(heap > 0) || (cgroup && !(p->cgroup && path_below(p->cgroup, cgroup))))
			continue;
		text = arena_printf(out->arena, "%s%s%s (pid %" PRIu64 ") %s", text, n ? ", " : "",
				    p->comm ? p->comm : "?", p->pid, size_words(out, heap));
		n++;
	}
	if (n)
		finding_because(out, f, "#processes", "the largest heaps: %s", text);
}

static void host(const struct model *m, struct findings *out)
{
	double total = figure(m->memory_total), available = figure(m->memory_available);
	double killed = vmstat_delta(m, "oom_kill"), swap = meminfo(m, "SwapFree");
	double stalls = direct_reclaims(m), heap = meminfo(m, "AnonPages");
	double swaps = meminfo(m, "SwapTotal"), room = room_left(m);
	bool full = swaps >= SWAP_LARGE * total && swap <= SWAP_FULL * swaps &&
		    room < fmin(SWAP_FULL_AVAILABLE * total, ROOM);
	bool low = full || room < fmin(LOW_SHARE * total, LOW_BYTES);
	bool critical = room < fmin(CRITICAL_SHARE * total, CRITICAL_BYTES);
	enum severity s =
		critical && !(swap >= SWAP_HELPS * total) ? SEVERITY_CRITICAL : SEVERITY_WARNING;
	const char *share = "";
	struct finding *f;

	if (percent(available, total) > 0) /* "0%" would be none */
		share = arena_printf(out->arena, " (%d%%)", percent(available, total));
	/* A kill with plenty available was a group's, or a constrained allocation's; the guard's
	 * and the kernel's logs tell.  With little available it is the machine's. */
	if (!(total > 0) || !low)
		return;
	if (killed > 0)
		s = SEVERITY_CRITICAL;
	f = finding_add(out, "memory.near-oom", s, CONFIDENCE_HIGH,
			"The machine is nearly out of memory: %s of %s are available%s%s%s%s%s",
			size_words(out, available), size_words(out, total), share,
			full ? ", swap is full" : "", heap >= total / 3 ? ", and " : "",
			heap >= total / 3 ? size_words(out, heap) : "",
			heap >= total / 3 ? " are heap of processes" : "");
	if (!f)
		return;
	f->weight = total - available + total; /* before all that merely explains it */
	finding_because(out, f, "#memory", "%s of %s are available without swapping",
			size_words(out, available), size_words(out, total));
	if (killed > 0)
		finding_because(out, f, "#memory", "the kernel killed %s for memory in %s",
				killed == 1 ? "one process" : count_words(out, killed),
				seconds_words(out, window_s(m)));
	if (stalls > 0)
		finding_because(out, f, "#memory",
				"allocations had to reclaim memory themselves %s times in %s",
				count_words(out, stalls), seconds_words(out, window_s(m)));
	if (meminfo(m, "SwapTotal") == 0)
		finding_because(out, f, "#memory", "there is no swap");
	else if (!isnan(swap))
		finding_because(out, f, "#memory", "%s of swap are free", size_words(out, swap));
	largest_processes(m, out, f, NULL);
	finding_advice(
		out, f,
		"Stop or restart the process that should not be this large; other findings, if "
		"there are any, name memory that can be given back without that.");
	finding_advice(
		out, f,
		"Set memory limits (memory.max, or the pod's limits), so that one service cannot "
		"take the machine with it.");
	finding_advice(out, f, "If all of it is needed: more memory, or move a service elsewhere.");
	f->wrong_if =
		"the program that uses the memory gives it back by itself before anything else "
		"needs it";
}

static void group(const struct model *m, struct findings *out, const struct model_cgroup *g,
		  size_t *said)
{
	const struct fact_cgroup *c = g->fact;
	double usage = figure(c->usage_bytes), limit = figure(c->limit_bytes);
	double shmem = figure(c->shmem_bytes), kills = figure(c->oom_kills);
	double fixed = group_fixed(c);
	struct finding *f;

	if (!(limit > 0) || limit >= figure(m->memory_total) || !(fixed >= GROUP_NEAR * limit) ||
	    !(usage <= 2 * limit))
		return;
	if ((*said)++ >= MAX_PER_RULE)
		return;
	f = finding_add(
		out, "memory.near-oom",
		fixed >= GROUP_CRITICAL * limit ? SEVERITY_CRITICAL : SEVERITY_WARNING,
		CONFIDENCE_HIGH,
		"The memory of %s is nearly used up: %s of its limit of %s cannot be taken back%s",
		cgroup_words(out, g), size_words(out, fixed), size_words(out, limit),
		meminfo(m, "SwapFree") > 0 ? " without swapping" : "");
	if (!f)
		return;
	f->weight = fixed;
	scope_cgroup(out, f, g);
	finding_because(out, f, "#cgroups",
			"%s are used; %s of that are neither file cache nor reclaimable slab",
			size_words(out, usage), size_words(out, fixed));
	if (shmem >= 0.1 * usage)
		finding_because(out, f, "#shared-memory",
				"%s of it are shared memory or tmpfs files",
				size_words(out, shmem));
	if (kills > 0)
		finding_because(out, f, "#cgroups",
				"%s of its processes were killed for memory since it was started",
				count_words(out, kills));
	largest_processes(m, out, f, g->path);
	group_in_kubernetes(m, out, f, g);
	finding_advice(out, f, "Find out why the largest process grew, or raise the limit of %s.",
		       cgroup_words(out, g));
	if (shmem >= 0.1 * usage)
		finding_advice(out, f,
			       "Delete files that are no longer needed in its tmpfs and /dev/shm: "
			       "they count against the limit.");
	f->wrong_if = "the program sizes itself to its limit on purpose, as some caches and Java "
		      "heaps do";
}

int rule_memory_near_oom(const struct model *m, struct findings *out)
{
	size_t said = 0;

	host(m, out);
	for (size_t i = 0; i < m->cgroup_count; i++)
		if (m->cgroups[i].fact && !m->cgroups[i].dying)
			group(m, out, &m->cgroups[i], &said);
	if (said > MAX_PER_RULE && out->count)
		finding_because(out, &out->rows[out->count - 1], "#cgroups",
				"%s more groups are as near to their limits",
				count_words(out, (double)(said - MAX_PER_RULE)));
	return 0;
}
