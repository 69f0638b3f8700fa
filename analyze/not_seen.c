/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the archive does not say, in plain words, and why not. */
#include <errno.h>
#include <string.h>

#include "../capture/base/cleanup.h"
#include "../capture/base/units.h"
#include "model_build.h"

#define MAX_NOT_SEEN 96
#define NEGLIGIBLE 0.001 /* of the page cache, when that changed while it was read */

static bool has_host(const struct facts *f)
{
	return f->archive.count && f->archive.rows[0].hostname;
}
static bool has_memory(const struct facts *f)
{
	return f->counters.count > 0;
}
static bool has_processes(const struct facts *f)
{
	return f->processes.count > 0;
}
static bool has_cgroups(const struct facts *f)
{
	return f->cgroups.count > 0;
}
static bool has_mounts(const struct facts *f)
{
	return f->mounts.count > 0;
}
static bool has_containers(const struct facts *f)
{
	return f->containers.count > 0;
}
static bool has_page_cache(const struct facts *f)
{
	return f->scan.count > 0 || f->cache_files.count > 0;
}

static bool has_heaps(const struct facts *f)
{
	return f->heaps.count > 0;
}
/* A probe that ran left its design, also when it counted nothing. */
static bool has_probe(const struct facts *f, const char *name)
{
	for (size_t i = 0; i < f->probes.count; i++)
		if (f->probes.rows[i].name && !strcmp(f->probes.rows[i].name, name))
			return true;
	return false;
}
static bool has_syscalls(const struct facts *f)
{
	return has_probe(f, "syscalls");
}
static bool has_reclaim(const struct facts *f)
{
	return has_probe(f, "reclaim");
}
static bool has_sched_delay(const struct facts *f)
{
	return has_probe(f, "sched_delay");
}
static bool has_block_io(const struct facts *f)
{
	return has_probe(f, "block_io");
}
static bool has_net_receive(const struct facts *f)
{
	return has_probe(f, "net_receive");
}
static bool has_stacks(const struct facts *f)
{
	return f->stack_samples.count > 0;
}

/* What the reader misses when a collector fails, and whether something of it is there. */
static const struct {
	const char *collector, *what;
	bool (*has)(const struct facts *f);
} meaning[] = {
	{"host", "what the machine is", has_host},
	{"memory", "the kernel's memory counters", has_memory},
	{"processes", "the processes and their memory", has_processes},
	{"cgroups", "the cgroups and their limits", has_cgroups},
	{"mounts", "the paths of files on the host and in containers", has_mounts},
	{"containers", "the names of containers and pods", has_containers},
	{"page-cache", "which files fill the page cache", has_page_cache},
	{"heaps", "what the heaps of processes are made of", has_heaps},
	{"syscalls", "which system calls the processes make, and who reads /proc", has_syscalls},
	{"reclaim", "who waits for memory to be freed, and for how long", has_reclaim},
	{"sched-delay", "who waits for a CPU, and for how long", has_sched_delay},
	{"block-io", "how long each disk takes to answer", has_block_io},
	{"net-receive", "how long packets lie before they are read", has_net_receive},
	{"stacks", "what the CPUs did, and what threads waited for", has_stacks},
};

static void add(struct model_build *b, const char *what, const char *why)
{
	struct model *m = b->m;

	if (m->not_seen_count < MAX_NOT_SEEN)
		m->not_seen[m->not_seen_count++] = (struct not_seen){what, why};
}

static const char *misses(struct model_build *b, const char *collector)
{
	for (size_t i = 0; i < ARRAY_SIZE(meaning); i++)
		if (!strcmp(meaning[i].collector, collector))
			return meaning[i].what;
	if (!strcmp(collector, "guard"))
		return "what the guard, fastoom, did";
	return arena_printf(b->arena, "what the collector %s reads", collector);
}

/* Read is not verified, but it is not unseen either. */
static void no_manifest(struct model_build *b)
{
	add(b, "whether what was read is all of it, and as it was captured",
	    "read but not verified, because the archive has no manifest, which a finished capture "
	    "writes last");
	for (size_t i = 0; i < ARRAY_SIZE(meaning); i++)
		if (!meaning[i].has(b->f))
			add(b, meaning[i].what,
			    "nothing of it is in the archive, which ends early");
}

/* Not in the manifest at all: asked for without it, or from a smaller tool. */
static void not_listed(struct model_build *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(meaning); i++)
		if (!facts_collector(b->f, meaning[i].collector))
			add(b, meaning[i].what, "the capture did not include it");
}

static void collectors(struct model_build *b)
{
	static const struct {
		const char *status, *what, *why;
	} words[] = {
		{"partial", "some of ", "only a part was captured"},
		{"timeout", "some of ", "it did not finish in time"},
		{"denied", "", "permission was denied"},
		{"unsupported", "", "this kernel does not offer it"},
		{"skipped", "", "it was not run"},
		{"error", "", "the collector failed"},
	};

	for (size_t i = 0; i < b->f->collectors.count; i++) {
		const struct fact_collector *c = &b->f->collectors.rows[i];

		for (size_t k = 0; c->name && c->status && k < ARRAY_SIZE(words); k++) {
			if (strcmp(c->status, words[k].status) != 0)
				continue;
			add(b, arena_printf(b->arena, "%s%s", words[k].what, misses(b, c->name)),
			    c->reason && *c->reason
				    ? arena_printf(b->arena, "%s: %s", words[k].why, c->reason)
				    : words[k].why);
		}
	}
	if (b->f->archive.count && b->f->archive.rows[0].has_manifest == 1)
		not_listed(b);
	else if (b->f->archive.count)
		no_manifest(b);
}

/* What a collector lost although it is content: of the page cache, what is not said by the scan. */
static void losses(struct model_build *b)
{
	const struct fact_scan *s = b->f->scan.count ? &b->f->scan.rows[0] : NULL;

	for (size_t i = 0; i < b->f->collectors.count; i++) {
		const struct fact_collector *c = &b->f->collectors.rows[i];
		uint64_t lost = c->dropped;

		if (!c->name || !c->status || strcmp(c->status, "ok") != 0 || lost == FACT_NONE)
			continue;
		if (s && !strcmp(c->name, "page-cache"))
			lost = none_sub(none_sub(lost, s->discarded), s->files_dropped);
		if (lost && lost != FACT_NONE)
			add(b, arena_printf(b->arena, "a few of %s", misses(b, c->name)),
			    arena_printf(b->arena, "lost: %s",
					 c->loss ? c->loss : "no cause given"));
	}
}

static bool failed(const struct model_build *b, const char *collector)
{
	const struct fact_collector *c = facts_collector(b->f, collector);

	return !c || !c->status || strcmp(c->status, "ok") != 0;
}

/* On the rungs that read no kernel memory: how much page cache belongs to files not named. */
static void rung(struct model_build *b, const struct fact_scan *s)
{
	const char *reason = s->reason && *s->reason ? s->reason : "as was asked for";
	const struct model *m = b->m;
	uint64_t named = 0;
	char left[16];

	if (!s->source)
		return;
	for (size_t i = 0; i < m->file_count; i++)
		named = none_add(named, m->files[i].cached_bytes);
	if (!strcmp(s->source, "kpageflags")) {
		format_size(isnan(m->found_bytes) ? 0 : none_sub(to_u64(m->found_bytes), named),
			    left);
		add(b, arena_printf(b->arena, "the files behind %s of page cache", left),
		    arena_printf(b->arena,
				 "kernel memory was not read (%s): page flags tell what each page "
				 "is and for which group, but not its file; only files that are "
				 "open, mapped or on tmpfs were asked",
				 reason));
		add(b,
		    "which groups share a file, and which groups that are gone still hold memory",
		    "page flags name only groups that exist, without their files");
	} else if (!strcmp(s->source, "procfs")) {
		add(b,
		    "page cache of files that no process has open, of block devices and of other "
		    "users",
		    arena_printf(b->arena,
				 "kernel memory was not read (%s): only files that are open, "
				 "mapped or on tmpfs were asked",
				 reason));
		add(b,
		    "which group the page cache belongs to, and how much of it is active or dirty",
		    "neither kernel memory nor page flags were read");
	}
}

static void scan(struct model_build *b)
{
	const struct fact_scan *s = b->f->scan.count ? &b->f->scan.rows[0] : NULL;
	struct model *m = b->m;
	char size[16];

	if (!s || !b->sampled) {
		if (!failed(b, "page-cache"))
			add(b, misses(b, "page-cache"),
			    s && s->reason && *s->reason ? s->reason
							 : "kernel memory was not read");
		return;
	}
	rung(b, s);
	if (s->one_in != FACT_NONE && s->one_in > 1)
		add(b, "files and groups with little page cache",
		    arena_printf(b->arena,
				 "one page in %" PRIu64
				 " was read: sizes of the files found are exact, "
				 "shares of groups are estimates, small files may be missing",
				 s->one_in));
	if (s->finished == 0)
		add(b, "the page cache in the part of memory that was not reached",
		    s->strata_total != FACT_NONE && s->strata_total
			    ? arena_printf(b->arena,
					   "the scan stopped at its budget after %.0f%% of memory, "
					   "taken in random order",
					   100 * fmin(1, (double)s->strata_done /
								 (double)s->strata_total))
			    : "the scan stopped at its budget");
	if (s->discarded != FACT_NONE && s->page_size != FACT_NONE && s->one_in != FACT_NONE) {
		double changed = (double)s->discarded * (double)s->page_size * (double)s->one_in;

		if (m->found_bytes > 0 && changed > NEGLIGIBLE * m->found_bytes)
			add(b,
			    arena_printf(b->arena, "the files behind %s of page cache",
					 format_size(to_u64(changed), size)),
			    arena_printf(b->arena, "%" PRIu64 " pages changed while they were read",
					 s->discarded));
	}
	if (s->files_dropped != FACT_NONE && s->files_dropped)
		add(b,
		    arena_printf(b->arena, "the names of %" PRIu64 " files in the page cache",
				 s->files_dropped),
		    "there were more files than fit in the capture's memory budget");
	if (m->scan_exact && !isnan(m->residual_bytes) &&
	    m->residual_bytes > 0.01 * m->meminfo_bytes)
		add(b,
		    arena_printf(b->arena, "the files behind %s of page cache",
				 format_size(to_u64(m->residual_bytes), size)),
		    "meminfo counts more than the scan found");
}

/* Kinds of kernel objects that the collector says it could not look at. */
static void objects(struct model_build *b)
{
	static const struct {
		const char *kind, *what, *why;
	} kinds[] = {
		{"pipe", "what waits in pipes", "kernel memory was not read"},
		{"io-uring", "what io_uring rings hold", "kernel memory was not read"},
		{"open-files", "slab behind open files", "kernel memory was not read"},
		{"packet-ring", "rings of packet sockets",
		 "kernel memory was not read, and sock_diag did not answer for them"},
		{"bpf-map", "BPF maps", "the kernel did not list them (it needs CAP_SYS_ADMIN)"},
		{"rdma", "memory registered with RDMA devices", "the devices did not answer"},
		{"page-pool", "pages in network receive queues",
		 "the kernel tells of page pools since 6.8, and no scan saw every page"},
	};

	for (size_t i = 0; i < b->f->kernel_objects.count; i++) {
		const struct fact_kernel_object *o = &b->f->kernel_objects.rows[i];

		for (size_t k = 0; o->kind && o->count == 0 && k < ARRAY_SIZE(kinds); k++) {
			if (strcmp(o->kind, kinds[k].kind) != 0)
				continue;
			if (!strcmp(o->kind, "page-pool") && b->m->scan_exact)
				continue;
			add(b, kinds[k].what, kinds[k].why);
		}
	}
}

static void files(struct model_build *b)
{
	const struct facts *f = b->f;

	if (facts_counter(f, "meminfo", "MemTotal") == FACT_NONE && !failed(b, "memory"))
		add(b, misses(b, "memory"), "/proc/meminfo was not in the archive");
	if (f->slabs.count == 0 && !failed(b, "memory"))
		add(b, "which slab caches hold the kernel's memory",
		    "/proc/slabinfo could not be read (it needs root and a kernel with "
		    "SLUB_DEBUG)");
	if (f->vmalloc.count == 0 && !failed(b, "memory"))
		add(b, "who in the kernel holds vmalloc memory",
		    "/proc/vmallocinfo could not be read (it needs root)");
	if (f->cgroups.count == 0 && !failed(b, "cgroups"))
		add(b, misses(b, "cgroups"), "no group of a memory hierarchy was in the archive");
	if (f->archive.count && f->archive.rows[0].in_container == 1)
		add(b, "the host outside the container",
		    "the capture ran inside a container: paths and processes are the container's, "
		    "memory counters are the host's");
	if (f->archive.count && f->archive.rows[0].euid != 0 &&
	    f->archive.rows[0].euid != FACT_NONE)
		add(b, "other users' processes, kernel memory", "the capture ran without root");
}

static void damage(struct model_build *b)
{
	if (b->f->archive.count == 0)
		return;
	const struct fact_archive *a = &b->f->archive.rows[0];

	if (a->ends_between == 1)
		add(b, "what the capture had still to write",
		    "it was killed: the archive ends after a whole member, but has no end");
	else if (a->cut == 1)
		add(b, "what came after the archive's cut",
		    "the archive ends early, in the middle of a member");
	else if (a->damage && *a->damage)
		add(b, "the damaged members of the archive", a->damage);
	const struct {
		bool cut;
		const char *what;
	} tables[] = {
		{b->f->processes.cut, "some processes"},
		{b->f->cgroups.cut, "some cgroups"},
		{b->f->mounts.cut, "some mounts"},
		{b->f->cache_files.cut, "some files in the page cache"},
		{b->f->cache_samples.cut, "some samples of the page cache"},
		{b->f->slabs.cut, "some slab caches"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (tables[i].cut)
			add(b, tables[i].what, "the archive has more of them than are analysed");
}

/* Of memory that came whether it stayed: when time was up, or where it may not be looked at. */
static void not_checked(struct model_build *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->f->stack_growth.count; i++)
		n += b->f->stack_growth.rows[i].kept > 1;
	if (n)
		add(b, "which of the new memory of heaps stayed",
		    arena_printf(b->arena,
				 "%zu of %zu samples of it were not looked at when the window "
				 "ended; what stayed is estimated from the others",
				 n, b->f->stack_growth.count));
}

/* Stacks without those of growing heaps. */
static void growth(struct model_build *b)
{
	for (size_t i = 0; i < b->f->stack_settings.count; i++) {
		const struct fact_stack_setting *s = &b->f->stack_settings.rows[i];

		if (s->key && s->value && !strcmp(s->key, "growth") && strcmp(s->value, "on") != 0)
			add(b, "where heaps grew", s->value);
	}
	not_checked(b);
}

/* What no collector of the capture looked at; a healthy verdict does not speak of it. */
static void not_looked_at(struct model_build *b)
{
	if (b->f->archive.count == 0)
		return;
	if (!facts_collector(b->f, "gpu"))
		add(b, "GPUs", "the capture does not look at them in this version");
}

int model_build_not_seen(struct model_build *b)
{
	b->m->not_seen = arena_alloc(b->arena, MAX_NOT_SEEN * sizeof(*b->m->not_seen));
	if (!b->m->not_seen)
		return -ENOMEM;
	collectors(b);
	losses(b);
	scan(b);
	objects(b);
	files(b);
	damage(b);
	growth(b);
	not_looked_at(b);
	return 0;
}
