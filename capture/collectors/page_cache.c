/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page cache: which files, whose cgroups, in what state.  See kmem/scan.h for how. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "../collect.h"
#include "../kmem/keep.h"
#include "../kmem/rung.h"
#include "../kmem/scan.h"
#include "page_cache_tables.h"

/* ------------------------------------------------------------------ probe */

static void refuse(struct probe_result *p, enum collector_status s, const struct err *e)
{
	p->status = s;
	p->no = e->no;
	snprintf(p->reason, sizeof(p->reason), "%s", e->text);
}

static uint64_t effective_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

static void probe_types(const struct capture_options *o, const struct sysroot *root,
			struct probe_result *ret)
{
	struct err e = {0};
	struct stat st;

	if (o->btf_file
		    ? stat(o->btf_file, &st) == 0
		    : root->sys_fd >= 0 && fstatat(root->sys_fd, "kernel/btf/vmlinux", &st, 0) == 0)
		return;
	err_errno(&e, errno, o->btf_file ? o->btf_file : "/sys/kernel/btf/vmlinux");
	if (o->btf_file)
		return refuse(ret, COLLECTOR_ERROR, &e);
	err_add(&e, "the kernel carries no type information; --btf FILE gives it");
	refuse(ret, COLLECTOR_UNSUPPORTED, &e);
}

static void probe_core(const struct capture_options *o, const struct sysroot *root,
		       struct probe_result *ret)
{
	struct err e = {0};
	struct stat st;

	probe_types(o, root, ret);
	if (ret->status != COLLECTOR_OK || stat(o->core_file, &st) == 0)
		return;
	err_errno(&e, errno, o->core_file);
	refuse(ret, COLLECTOR_ERROR, &e);
}

/* kcore or bpf, asked for by name. */
static void probe_memory(const struct capture_options *o, const struct sysroot *root,
			 struct probe_result *ret)
{
	uint64_t caps = effective_capabilities();
	char lockdown[KMEM_LOCKDOWN];
	struct err e = {0};
	struct stat st;

	probe_types(o, root, ret);
	if (ret->status != COLLECTOR_OK)
		return;
	kmem_lockdown(root, lockdown);
	if (!strcmp(lockdown, "confidentiality")) {
		err_set(&e, EPERM,
			"/proc/kcore: Operation not permitted (kernel lockdown=confidentiality, "
			"which also forbids bpf)");
		return refuse(ret, COLLECTOR_DENIED, &e);
	}
	if (caps >> CAP_SYS_ADMIN & 1 ||
	    (o->memory_source != MEMORY_BPF && caps >> CAP_SYS_RAWIO & 1 &&
	     fstatat(root->proc_fd, "kcore", &st, 0) == 0))
		return;
	err_set(&e, EPERM,
		"kernel memory: Operation not permitted (/proc/kcore needs CAP_SYS_RAWIO, "
		"bpf needs CAP_SYS_ADMIN)");
	refuse(ret, COLLECTOR_DENIED, &e);
}

static void probe_kpageflags(const struct sysroot *root, struct probe_result *ret)
{
	struct err e = {0};
	struct stat st;

	if (fstatat(root->proc_fd, "kpageflags", &st, 0) < 0) {
		err_errno(&e, errno, "/proc/kpageflags");
		refuse(ret, COLLECTOR_UNSUPPORTED, &e);
	} else if (!(effective_capabilities() >> CAP_SYS_ADMIN & 1)) {
		err_set(&e, EPERM,
			"/proc/kpageflags: Operation not permitted (needs "
			"CAP_SYS_ADMIN)");
		refuse(ret, COLLECTOR_DENIED, &e);
	}
}

/* With `auto` there is always a rung to stand on, on a live machine. */
static void page_cache_probe(const struct capture_options *o, const struct sysroot *root,
			     struct probe_result *ret)
{
	struct err e = {0};

	ret->status = COLLECTOR_OK;
	ret->expected_bytes = 512u << 10;
	if (o->memory_source == MEMORY_CORE)
		return probe_core(o, root, ret);
	if (root->recorded) {
		err_set(&e, ENOTSUP,
			"%s: a recorded tree; --memory-source core:FILE reads the memory "
			"recorded with it",
			root->path);
		return refuse(ret, COLLECTOR_UNSUPPORTED, &e);
	}
	if (o->memory_source == MEMORY_KPAGEFLAGS)
		return probe_kpageflags(root, ret);
	if (o->memory_source == MEMORY_KCORE || o->memory_source == MEMORY_BPF || o->record_kernel)
		return probe_memory(o, root, ret);
	if (o->btf_file)
		probe_types(o, root, ret);
}

/* ------------------------------------------------------------------ the scan */

static bool stopping(void *ctx)
{
	return collect_stopping(ctx);
}

static void give_status(struct collect *c, int r, const struct err *e)
{
	enum collector_status s = COLLECTOR_ERROR;

	if (r == -EPERM || r == -EACCES)
		s = COLLECTOR_DENIED;
	else if (r == -ENOTSUP || r == -ENOENT || r == -ENOSYS)
		s = COLLECTOR_UNSUPPORTED;
	emit_status(c->out, s, e->no, "%s", e->text);
}

/* A recording holds what its own scan read, so that one is repeated. */
static void as_recorded(struct scan_config *config, const struct kmem_source *source)
{
	if (!source->recorded_one_in || config->one_in)
		return;
	config->one_in = source->recorded_one_in;
	config->seed = source->recorded_seed;
}

static struct scan_config plan(struct collect *c, const struct kmem_source *source)
{
	struct scan_config config = {.one_in = c->options->sample_one_in,
				     .seed = cache_seed(),
				     .memory = cache_table_memory(c),
				     .stop = stopping,
				     .stop_ctx = c};
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	as_recorded(&config, source);
	if (config.one_in == 0) {
		config.one_in = scan_auto_one_in(source, CACHE_AUTO_CPU_NS);
		if (c->options->record_kernel)
			config.one_in = keep_one_in(source, c->options->max_size, config.one_in);
		config.cpu_ns = CACHE_MOST_CPU_NS;
		if (config.one_in == 1)
			emit_note(c->out, "sample auto: all of %" PRIu64 " pages",
				  kmem_page_count(source));
		else
			emit_note(c->out, "sample auto: one in %u of %" PRIu64 " pages",
				  config.one_in, kmem_page_count(source));
	}
	/* Naming what was found takes time as well. */
	if (c->deadline_ns > now) {
		config.deadline_ns = now + (c->deadline_ns - now) / 2;
		config.resolve_deadline_ns = now + (c->deadline_ns - now) / 8 * 7;
	}
	return config;
}

static int still_there(struct kmem_source *source, struct err *e)
{
	return source->ops->finish ? source->ops->finish(source, e) : 0;
}

/* name: of the rung, also when source records it.  -EAGAIN: nothing was written yet, and another
 * try may do. */
static int scan_and_write(struct collect *c, struct kmem_source *source, const char *name,
			  const struct scan_config *config, const struct kmem_layout *l,
			  const char *reason, struct err *e)
{
	struct cache_tables t = {.out = c->out};
	struct scan_sink sink = {cache_table, cache_file,     cache_sample, cache_cgroup,    &t,
				 cache_pair,  cache_dentries, cache_block,  cache_group_slab};
	struct cache_moment m;
	struct scan *scan;
	int r, closed;

	cache_moment_start(&m, c);
	r = scan_run(&scan, source, l, config, e);
	if (r < 0)
		return r;
	cache_moment_end(&m, c);
	if (still_there(source, e) < 0) {
		scan_destroy(scan);
		return -EAGAIN;
	}
	r = scan_resolve(scan, &sink, e);
	closed = cache_tables_close(&t, r < 0);
	if (r == 0)
		r = closed;
	if (r == 0) {
		*e = (struct err){0};
		r = still_there(source, e);
	}
	if (r == 0 && e->no)
		emit_note(c->out, "%s", e->text);
	if (r == 0)
		r = cache_summary(c,
				  &(struct cache_summary){.source = name,
							  .reason = reason,
							  .result = scan_result(scan),
							  .files_dropped = scan_files_dropped(scan),
							  .page_size = source->page_size},
				  &m);
	if (r == 0 && !scan_result(scan)->finished)
		emit_status(c->out, COLLECTOR_PARTIAL, 0,
			    "stopped by its budget after %" PRIu64 " of %" PRIu64 " strata",
			    scan_result(scan)->strata_done, scan_result(scan)->strata_total);
	else if (r == 0 && scan_files_dropped(scan))
		emit_status(c->out, COLLECTOR_PARTIAL, 0,
			    "%" PRIu64
			    " files are counted but not named: no room (--max-memory) or "
			    "no time for more",
			    scan_files_dropped(scan));
	emit_loss(c->out, "page changed while it was resolved", scan_result(scan)->discarded);
	emit_loss(c->out, "file without room or time to name it", scan_files_dropped(scan));
	scan_destroy(scan);
	return r;
}

static int from_memory(struct collect *c, struct kmem_rung *g, const char *reason, struct err *e)
{
	const struct scan_config config = plan(c, g->source);
	const char *file = c->options->record_kernel;
	struct keep *keep;
	int r;

	if (!file)
		return scan_and_write(c, g->source, g->name, &config, &g->layout, reason, e);
	r = keep_start(&keep, g->source, c->options, c->root, &config, e);
	if (r < 0)
		return r;
	r = scan_and_write(c, keep_source(keep), g->name, &config, &g->layout, reason, e);
	r = keep_end(keep, r, e);
	if (r == 0)
		emit_note(c->out,
			  "kernel memory recorded: --memory-source core:%s --root %s.root --btf "
			  "%s.btf",
			  file, file, file);
	return r;
}

static int write_from(struct collect *c, struct kmem_rung *g, const char *reason, struct err *e)
{
	if (g->source)
		return from_memory(c, g, reason, e);
	if (c->options->record_kernel)
		return err_set(e, ENOTSUP, "--record-kernel %s: %s", c->options->record_kernel,
			       reason);
	if (g->frames)
		return cache_from_frames(c, g->frames, reason, e);
	return cache_from_procfs(c, reason, e);
}

/*
 * o: where to stand; moved: why not as was asked for, or NULL.  -EAGAIN: as scan_and_write().
 * *ret_stood: there was such a rung.
 */
static int write_once(struct collect *c, const struct capture_options *o, const struct err *moved,
		      bool *ret_stood, struct err *e)
{
	struct err above = {0};
	struct kmem_rung g;
	bool less;
	int r = kmem_stand(&g, o, c->root, &above);

	*ret_stood = r == 0;
	if (r < 0)
		return err_set(e, -r, "%s", above.text);
	if (moved)
		err_set(&above, moved->no, "%s; using %s", moved->text, g.name);
	r = write_from(c, &g, above.text, e);
	less = g.refused || (moved && !g.source);
	kmem_leave(&g);
	if (r == 0 && less)
		emit_status(c->out, COLLECTOR_PARTIAL, above.no, "%s", above.text);
	return r;
}

#define TRIES 3

/* Memory that comes and goes can make kcore unreadable for the moment: then once more, and at last
 * from the next rung. */
static int page_cache_write(struct collect *c)
{
	static const enum memory_source below[] = {MEMORY_BPF, MEMORY_KPAGEFLAGS};
	struct capture_options o = *c->options;
	struct err e = {0}, moved = {0};
	bool stood = false;
	int r = -EAGAIN;

	for (int i = 0; i < TRIES && r == -EAGAIN; i++) {
		if (i)
			emit_note(c->out, "%s: once more", e.text);
		r = write_once(c, &o, NULL, &stood, &e);
	}
	if (r == -EAGAIN && c->options->memory_source == MEMORY_AUTO) {
		err_set(&moved, e.no, "%s, %d times", e.text, TRIES);
		stood = false;
		for (size_t i = 0; i < ARRAY_SIZE(below) && !stood; i++) {
			o.memory_source = below[i];
			r = write_once(c, &o, &moved, &stood, &e);
			if (!stood)
				err_set(&moved, moved.no, "%s; %s", moved.text, e.text);
		}
	}
	if (r < 0)
		give_status(c, r, &e);
	return r;
}

const struct collector collector_page_cache = {
	.name = "page-cache",
	.summary = "which files fill the page cache, for which cgroup",
	.needs = "root (CAP_SYS_RAWIO for /proc/kcore, or CAP_SYS_ADMIN for bpf), kernel BTF; "
		 "less is seen without",
	.timed = false,
	.memory_share = 30,
	.memory_least_kib = 4096,
	.loads_types = true,
	.probe = page_cache_probe,
	.write = page_cache_write,
};
