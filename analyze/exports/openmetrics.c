/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OpenMetrics 1.0 text: the memory of the machine, of its cgroups, processes, files and slabs, who
 * waited, and where its CPUs were, each with the time of the window's end, so that it can be put
 * into a Prometheus beside what that has of the machine.  What was not measured has no sample.
 * At most MOST rows of a kind, largest first.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lookup.h"
#include "stacks.h"

#define MOST 10000u
#define MEMORY (256u << 20)

struct metrics {
	struct export_out out;
	const struct model *m;
	char time[32]; /* " 1795250400.250", or nothing */
	struct arena *arena;
	struct lookup seen; /* sets of labels of this family */
	int error;
	bool first_label;
};

/* ------------------------------------------------------------------ lines */

static void family(struct metrics *x, const char *name, const char *type, const char *unit,
		   const char *help)
{
	if (lookup_init(&x->seen, x->arena, MOST) < 0)
		x->error = -ENOMEM;
	export_printf(&x->out, "# TYPE %s %s\n", name, type);
	if (*unit)
		export_printf(&x->out, "# UNIT %s %s\n", name, unit);
	export_printf(&x->out, "# HELP %s %s\n", name, help);
}

/* A set of labels may be there once only, whatever the archive has. */
static bool again(struct metrics *x, uint64_t a, uint64_t b, const char *s)
{
	uint32_t *n = lookup_put(&x->seen, a, b, s ? s : "", s ? strlen(s) : 0);

	return !n || (*n)++;
}

static void sample(struct metrics *x, const char *name)
{
	export_puts(&x->out, name);
	x->first_label = true;
}

static void label(struct metrics *x, const char *name, const char *value)
{
	export_puts(&x->out, x->first_label ? "{" : ",");
	export_puts(&x->out, name);
	export_puts(&x->out, "=\"");
	for (const char *p = value ? value : ""; *p; p++) {
		if (*p == '\n')
			export_puts(&x->out, "\\n");
		else if (*p == '"' || *p == '\\')
			export_printf(&x->out, "\\%c", *p);
		else
			export_put(&x->out, p, 1);
	}
	export_puts(&x->out, "\"");
	x->first_label = false;
}

static void label_u64(struct metrics *x, const char *name, uint64_t v)
{
	char text[24] = "";

	if (v != FACT_NONE)
		snprintf(text, sizeof(text), "%" PRIu64, v);
	label(x, name, text);
}

static void value(struct metrics *x, double v)
{
	export_puts(&x->out, x->first_label ? " " : "} ");
	/* Whole numbers as such: that is most of them. */
	if (floor(v) == v && fabs(v) < 1e15)
		export_printf(&x->out, "%.0f%s\n", v, x->time);
	else
		export_printf(&x->out, "%.17g%s\n", v, x->time);
}

static double measured(uint64_t v)
{
	return v == FACT_NONE ? FACT_NONE_F : (double)v;
}

/* ------------------------------------------------------------------ the machine */

static void capture(struct metrics *x)
{
	const struct facts *f = x->m->facts;

	if (!f->archive.count)
		return;
	const struct fact_archive *a = f->archive.rows;

	family(x, "ossnap_capture", "info", "", "The archive this comes from.");
	sample(x, "ossnap_capture_info");
	label(x, "archive", a->name);
	label(x, "hostname", a->hostname);
	label(x, "kernel", a->kernel);
	label(x, "version", a->tool);
	value(x, 1);
}

static void one(struct metrics *x, const char *name, const char *help, double v)
{
	if (!isfinite(v))
		return;
	family(x, name, "gauge", "bytes", help);
	sample(x, name);
	value(x, v);
}

static void memory(struct metrics *x)
{
	const struct model *m = x->m;

	one(x, "ossnap_memory_total_bytes", "MemTotal.", measured(m->memory_total));
	one(x, "ossnap_memory_available_bytes", "MemAvailable.", measured(m->memory_available));
	if (m->part_count)
		family(x, "ossnap_memory_part_bytes", "gauge", "bytes",
		       "Where memory is; parts are disjoint.");
	for (size_t i = 0; i < m->part_count; i++) {
		if (again(x, 0, 0, m->parts[i].id))
			continue;
		sample(x, "ossnap_memory_part_bytes");
		label(x, "part", m->parts[i].id);
		value(x, measured(m->parts[i].bytes));
	}
	if (m->unaccounted != INT64_MIN)
		one(x, "ossnap_memory_unaccounted_bytes", "MemTotal less all parts.",
		    (double)m->unaccounted);
	if (m->slab_count)
		family(x, "ossnap_slab_bytes", "gauge", "bytes", "Memory of a slab cache.");
	for (size_t i = 0; i < m->slab_count && i < MOST; i++) {
		if (m->slabs[i]->bytes == FACT_NONE || again(x, 0, 0, m->slabs[i]->name))
			continue;
		sample(x, "ossnap_slab_bytes");
		label(x, "slab", m->slabs[i]->name);
		value(x, measured(m->slabs[i]->bytes));
	}
}

/* ------------------------------------------------------------------ rows with several figures */

struct figure {
	const char *name, *help;
	size_t offset; /* of a uint64_t in the fact */
};

#define PROCESS(f, text)                                                                           \
	{                                                                                          \
		"ossnap_process_" #f, text, offsetof(struct fact_process, f)                       \
	}
#define CGROUP(f, text)                                                                            \
	{                                                                                          \
		"ossnap_cgroup_" #f, text, offsetof(struct fact_cgroup, f)                         \
	}

static uint64_t at(const void *row, size_t offset)
{
	uint64_t v;

	memcpy(&v, (const char *)row + offset, sizeof(v));
	return v;
}

static void processes(struct metrics *x)
{
	static const struct figure figures[] = {
		PROCESS(heap_bytes, "Anonymous resident memory."),
		PROCESS(file_bytes, "Resident pages of files."),
		PROCESS(shmem_bytes, "Resident shared memory."),
		PROCESS(swap_bytes, "Anonymous memory in swap."),
		PROCESS(rss_bytes, "Resident memory."),
	};
	const struct model *m = x->m;

	for (size_t k = 0; k < sizeof(figures) / sizeof(*figures) && m->process_count; k++) {
		family(x, figures[k].name, "gauge", "bytes", figures[k].help);
		for (size_t i = 0; i < m->process_count && i < MOST; i++) {
			const struct fact_process *p = m->processes[i];
			uint64_t v = at(p, figures[k].offset);

			if (v == FACT_NONE || p->kernel_thread == 1 || again(x, p->pid, 0, NULL))
				continue;
			sample(x, figures[k].name);
			label_u64(x, "pid", p->pid);
			label(x, "comm", p->comm);
			label(x, "cgroup", p->cgroup);
			value(x, (double)v);
		}
	}
}

static void cgroups(struct metrics *x)
{
	static const struct figure figures[] = {
		CGROUP(usage_bytes, "Memory charged to the group."),
		CGROUP(limit_bytes, "Its own limit; none: no sample."),
		CGROUP(anon_bytes, "Anonymous memory."),
		CGROUP(file_bytes, "File cache, shared memory included."),
		CGROUP(active_file_bytes, "File cache in use."),
		CGROUP(shmem_bytes, "Shared memory."),
		CGROUP(slab_bytes, "Kernel objects."),
	};
	const struct model *m = x->m;

	for (size_t k = 0; k < sizeof(figures) / sizeof(*figures) && m->cgroup_count; k++) {
		family(x, figures[k].name, "gauge", "bytes", figures[k].help);
		for (size_t i = 0; i < m->cgroup_count && i < MOST; i++) {
			const struct model_cgroup *g = &m->cgroups[i];
			uint64_t v = g->fact ? at(g->fact, figures[k].offset) : FACT_NONE;

			if (v == FACT_NONE || g->dying || again(x, 0, 0, g->path))
				continue;
			sample(x, figures[k].name);
			label(x, "path", g->path);
			label(x, "namespace", g->namespace);
			label(x, "pod", g->pod);
			label(x, "container", g->container);
			value(x, (double)v);
		}
	}
}

static void files(struct metrics *x)
{
	const struct model *m = x->m;

	if (m->file_count)
		family(x, "ossnap_file_cached_bytes", "gauge", "bytes", "Page cache of a file.");
	for (size_t i = 0; i < m->file_count && i < MOST; i++) {
		const struct fact_cache_file *f = m->files[i].fact;

		if (again(x, f->major << 32 | f->minor, f->ino, m->files[i].path))
			continue;
		sample(x, "ossnap_file_cached_bytes");
		label(x, "path", m->files[i].path);
		label_u64(x, "major", f->major);
		label_u64(x, "minor", f->minor);
		label_u64(x, "inode", f->ino);
		value(x, measured(m->files[i].cached_bytes));
	}
}

/* ------------------------------------------------------------------ what was done and waited for
 */

static void waits(struct metrics *x)
{
	static const struct {
		const char *name, *help;
		enum delay_table which;
	} tables[] = {
		{"ossnap_reclaim_seconds", "Stalled in reclaim, in the window.", DELAY_RECLAIM},
		{"ossnap_sched_delay_seconds", "Waited for a CPU, in the window.", DELAY_SCHED},
		{"ossnap_block_io_seconds", "Requests to disks took, in the window.", DELAY_BLOCK},
		{"ossnap_net_receive_seconds", "Packets lay unread, in the window.", DELAY_NET},
	};

	for (size_t k = 0; k < sizeof(tables) / sizeof(*tables); k++) {
		const struct model_delays *d = &x->m->delays[tables[k].which];

		if (d->count)
			family(x, tables[k].name, "gauge", "seconds", tables[k].help);
		for (size_t i = 0; i < d->count && i < MOST; i++) {
			const struct model_delay *r = d->rows[i];

			const char *what = arena_printf(x->arena, "%s %s", r->name,
							r->fact->object ? r->fact->object : "");

			if (!isfinite(r->seconds.value) || again(x, r->fact->pid, 0, what))
				continue;
			sample(x, tables[k].name);
			label_u64(x, "pid", r->fact->pid);
			label(x, "comm", r->comm);
			label(x, "kind", r->name);
			label(x, "object", r->fact->object);
			value(x, r->seconds.value);
		}
	}
}

static void functions(struct metrics *x)
{
	const struct hotspot *h = x->m->hotspot;

	if (!h || !h->function_count)
		return;
	family(x, "ossnap_function_self_samples", "gauge", "samples",
	       "Samples on the CPU with this function innermost.");
	for (size_t i = 0; i < h->function_count && i < MOST; i++) {
		const struct hot_name *n = &h->names[h->functions[i].name];

		sample(x, "ossnap_function_self_samples");
		label(x, "function", n->function);
		label(x, "module", n->module);
		value(x, (double)h->functions[i].self);
	}
}

/* ------------------------------------------------------------------ all of it */

static void set_time(struct metrics *x)
{
	const struct facts *f = x->m->facts;

	if (!f->archive.count || !isfinite(f->archive.rows[0].captured_at))
		return;
	double end = f->archive.rows[0].captured_at;

	if (isfinite(f->archive.rows[0].window_s))
		end += f->archive.rows[0].window_s;
	snprintf(x->time, sizeof(x->time), " %.3f", end);
}

int export_openmetrics(const struct model *m, export_write_fn write, void *ctx, struct err *e)
{
	struct metrics *x;
	int r;

	if (m->memory_total == FACT_NONE && !m->process_count && !m->hotspot)
		return err_set(e, ENODATA, "the archive has no figures of memory or CPUs");
	x = calloc(1, sizeof(*x));
	r = x ? arena_create(&x->arena, MEMORY) : -ENOMEM;
	if (r < 0) {
		free(x);
		return err_errno(e, r, "openmetrics");
	}
	x->out.write = write;
	x->out.ctx = ctx;
	x->m = m;
	set_time(x);
	capture(x);
	memory(x);
	processes(x);
	cgroups(x);
	files(x);
	waits(x);
	functions(x);
	export_puts(&x->out, "# EOF\n");
	r = export_end(&x->out);
	if (r == 0 && (x->error || arena_exhausted(x->arena)))
		r = err_errno(e, ENOMEM, "openmetrics");
	arena_destroy(x->arena);
	free(x);
	return r;
}
