/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page cache: which files, whose cgroups, in what state.  See kmem/scan.h for how. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <bpf/btf.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "../base/proc.h"
#include "../collect.h"
#include "../kmem/scan.h"

/* `auto` reads all pages when that is expected to cost less than this, else one in 2^n. */
#define AUTO_CPU_NS NSEC_PER_SEC
/* Whatever was asked for, the scan stops here, and what it has is still an unbiased sample. */
#define MOST_CPU_NS (5 * NSEC_PER_SEC)
/* Type information while it is parsed, buffers, BPF maps, the part buffer: not for tables. */
#define OTHER_MEMORY (20u << 20)
#define MOST_TABLES (24u << 20)
#define LEAST_TABLES (2u << 20)

#define CAP_SYS_RAWIO_BIT 17
#define CAP_SYS_ADMIN_BIT 21

/* ------------------------------------------------------------------ probe */

static void refuse(struct probe_result *p, enum collector_status s, const struct err *e)
{
	p->status = s;
	p->no = e->no;
	snprintf(p->reason, sizeof(p->reason), "%s", e->text);
}

static uint64_t effective_capabilities(void)
{
	_cleanup_fd_ int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char text[8192];
	const char *line;

	if (proc < 0 || read_file_at(proc, "status", text, sizeof(text)) < 0)
		return 0;
	line = strstr(text, "\nCapEff:");
	return line ? strtoull(line + 8, NULL, 16) : 0;
}

static void page_cache_probe(const struct capture_options *o, const struct sysroot *root,
			     struct probe_result *ret)
{
	struct err e = {0};
	char lockdown[KMEM_LOCKDOWN];
	struct stat st;
	uint64_t caps;

	ret->status = COLLECTOR_OK;
	ret->expected_bytes = 512u << 10;
	if (o->memory_source == MEMORY_KPAGEFLAGS || o->memory_source == MEMORY_PROCFS) {
		err_set(&e, ENOTSUP, "memory source %s: not in this version",
			o->memory_source == MEMORY_PROCFS ? "procfs" : "kpageflags");
		return refuse(ret, COLLECTOR_UNSUPPORTED, &e);
	}
	if (o->btf_file
		    ? stat(o->btf_file, &st) < 0
		    : root->sys_fd < 0 || fstatat(root->sys_fd, "kernel/btf/vmlinux", &st, 0) < 0) {
		err_errno(&e, errno, o->btf_file ? o->btf_file : "/sys/kernel/btf/vmlinux");
		if (!o->btf_file)
			err_add(&e, "the kernel carries no type information; --btf FILE gives it");
		return refuse(ret, COLLECTOR_UNSUPPORTED, &e);
	}
	if (o->memory_source == MEMORY_CORE) {
		if (!o->core_file || stat(o->core_file, &st) < 0) {
			err_errno(&e, errno, o->core_file ? o->core_file : "core file");
			refuse(ret, COLLECTOR_UNSUPPORTED, &e);
		}
		return;
	}
	if (root->recorded) {
		err_set(&e, ENOTSUP,
			"%s: a recorded tree; --memory-source core:FILE reads the memory "
			"recorded with it",
			root->path);
		return refuse(ret, COLLECTOR_UNSUPPORTED, &e);
	}
	kmem_lockdown(root, lockdown);
	if (!strcmp(lockdown, "confidentiality")) {
		err_set(&e, EPERM,
			"/proc/kcore: Operation not permitted (kernel lockdown=confidentiality, "
			"which "
			"also forbids bpf)");
		return refuse(ret, COLLECTOR_DENIED, &e);
	}
	caps = effective_capabilities();
	if (caps >> CAP_SYS_ADMIN_BIT & 1)
		return;
	if (o->memory_source != MEMORY_BPF && caps >> CAP_SYS_RAWIO_BIT & 1 &&
	    fstatat(root->proc_fd, "kcore", &st, 0) == 0)
		return;
	err_set(&e, EPERM,
		"kernel memory: Operation not permitted (/proc/kcore needs CAP_SYS_RAWIO, "
		"bpf needs CAP_SYS_ADMIN)");
	refuse(ret, COLLECTOR_DENIED, &e);
}

/* ------------------------------------------------------------------ tables */

struct output {
	struct emit *out;
	bool open;
	uint64_t files, unresolved, truncated;
};

static const char *const members[][2] = {
	[SCAN_FILES] =
		{"tables/page_cache_files.tsv",
		 "file\tdev\tino\tgeneration\tfstype\ts_id\ttype\tnlink\tsize\tnrpages\trdev\t"
		 "state\tpath\ttruncated\n"},
	[SCAN_CGROUPS] = {"tables/page_cache_cgroups.tsv", "cgroup\tino\tstate\tpath\n"},
	[SCAN_SAMPLES] = {"tables/page_cache_samples.tsv", "file\tcgroup\tstate\tpages\n"},
};

static int put_table(void *ctx, enum scan_table t)
{
	struct output *o = ctx;
	int r = o->open ? member_close(o->out, false) : 0;

	if (r < 0)
		return r;
	o->open = true;
	return member_open(o->out, members[t][0], members[t][1]);
}

static const char *type_name(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "reg";
	case S_IFDIR:
		return "dir";
	case S_IFLNK:
		return "lnk";
	case S_IFBLK:
		return "blk";
	case S_IFCHR:
		return "chr";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "sock";
	default:
		return "none";
	}
}

static void row_device(struct emit *out, uint32_t major_number, uint32_t minor_number)
{
	char text[32];

	snprintf(text, sizeof(text), "%u:%u", major_number, minor_number);
	row_cstr(out, text);
}

static int put_file(void *ctx, const struct scan_file *f)
{
	struct output *o = ctx;

	o->files++;
	o->unresolved += f->state == FILE_UNRESOLVED;
	o->truncated += f->truncated;
	row_u64(o->out, f->file);
	row_device(o->out, f->dev_major, f->dev_minor);
	row_u64(o->out, f->ino);
	row_u64(o->out, f->generation);
	row_cstr(o->out, f->fstype);
	row_cstr(o->out, f->s_id);
	row_cstr(o->out, type_name(f->mode));
	row_u64(o->out, f->nlink);
	row_u64(o->out, f->size);
	row_u64(o->out, f->nrpages);
	if (f->is_blockdev)
		row_device(o->out, f->rdev_major, f->rdev_minor);
	else
		row_none(o->out);
	row_cstr(o->out, file_state_name(f->state));
	row_str(o->out, f->path, f->path_len);
	row_u64(o->out, f->truncated);
	return row_end(o->out);
}

static int put_cgroup(void *ctx, const struct scan_cgroup *c)
{
	struct output *o = ctx;

	row_u64(o->out, c->cgroup);
	if (c->known)
		row_u64(o->out, c->ino);
	else
		row_none(o->out);
	row_cstr(o->out, !c->known ? "" : c->online ? "online" : "dying");
	row_str(o->out, c->path, c->path_len);
	return row_end(o->out);
}

static int put_sample(void *ctx, uint32_t file, uint32_t cgroup, unsigned state, uint64_t pages)
{
	struct output *o = ctx;

	row_u64(o->out, file);
	row_u64(o->out, cgroup);
	row_u64(o->out, state);
	row_u64(o->out, pages);
	return row_end(o->out);
}

/* ------------------------------------------------------------------ what it was */

/* Cached + Buffers in kB, or -1. */
static int64_t meminfo_cached(const struct sysroot *root)
{
	unsigned long long cached, buffers;
	char text[8192];

	if (read_file_at(root->proc_fd, "meminfo", text, sizeof(text)) < 0 ||
	    find_key_u64(text, "Cached", &cached) < 0 ||
	    find_key_u64(text, "Buffers", &buffers) < 0)
		return -1;
	return (int64_t)(cached + buffers);
}

struct moment { /* around the reading of the pages */
	int64_t before_kb, after_kb;
	uint64_t start_ns, end_ns;
};

static void key_u64(struct emit *out, const char *key, uint64_t v)
{
	row_cstr(out, key);
	row_u64(out, v);
	row_end(out);
}

static void key_str(struct emit *out, const char *key, const char *v)
{
	row_cstr(out, key);
	row_cstr(out, v);
	row_end(out);
}

static uint64_t window_ms(const struct collect *c, uint64_t ns)
{
	return ns > c->window_start_ns ? (ns - c->window_start_ns) / NSEC_PER_MSEC : 0;
}

static int put_summary(struct collect *c, const struct kmem_source *source, const struct scan *scan,
		       const struct moment *m, const char *reason)
{
	const struct scan_result *q = scan_result(scan);
	struct emit *out = c->out;
	int r;

	r = member_open(out, "tables/page_types.tsv", "kind\tpages\n");
	for (int k = 0; r == 0 && k < KIND_COUNT; k++) {
		if (q->kinds[k])
			key_u64(out, page_kind_name(k), q->kinds[k]);
	}
	if (r == 0)
		r = member_close(out, false);
	if (r == 0)
		r = member_open(out, "tables/page_cache_scan.tsv", "key\tvalue\n");
	if (r < 0)
		return r;
	key_str(out, "source", source->ops->name);
	key_u64(out, "one_in", q->one_in);
	key_u64(out, "pages_total", q->pages_total);
	key_u64(out, "strata_total", q->strata_total);
	key_u64(out, "strata_done", q->strata_done);
	key_u64(out, "pages_read", q->pages_read);
	key_u64(out, "finished", q->finished);
	key_u64(out, "seed", q->seed);
	key_u64(out, "page_size", source->page_size);
	key_u64(out, "holes", q->holes);
	key_u64(out, "discarded", q->discarded);
	key_u64(out, "files_dropped", scan_files_dropped(scan));
	key_u64(out, "scan_cpu_ns", q->scan_cpu_ns);
	key_u64(out, "resolve_cpu_ns", q->resolve_cpu_ns);
	key_u64(out, "start_ms", window_ms(c, m->start_ns));
	key_u64(out, "end_ms", window_ms(c, m->end_ns));
	if (m->before_kb >= 0)
		key_u64(out, "meminfo_cached_kb_before", (uint64_t)m->before_kb);
	if (m->after_kb >= 0)
		key_u64(out, "meminfo_cached_kb_after", (uint64_t)m->after_kb);
	key_str(out, "reason", reason);
	return member_close(out, false);
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

static size_t table_memory(const struct collect *c)
{
	uint64_t n = c->memory_limit > OTHER_MEMORY ? c->memory_limit - OTHER_MEMORY : 0;

	if (c->memory_limit == 0 || n > MOST_TABLES)
		n = MOST_TABLES;
	return n < LEAST_TABLES ? LEAST_TABLES : (size_t)n;
}

static struct scan_config plan(struct collect *c, const struct kmem_source *source)
{
	struct scan_config config = {.one_in = c->options->sample_one_in,
				     .memory = table_memory(c),
				     .stop = stopping,
				     .stop_ctx = c};
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (getrandom(&config.seed, sizeof(config.seed), GRND_NONBLOCK) != sizeof(config.seed))
		config.seed = now;
	if (config.one_in == 0) {
		config.one_in = scan_auto_one_in(source, AUTO_CPU_NS);
		config.cpu_ns = MOST_CPU_NS;
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

static int scan_and_write(struct collect *c, struct kmem_source *source,
			  const struct kmem_layout *l, const char *reason, struct err *e)
{
	struct output output = {.out = c->out};
	struct scan_sink sink = {put_table, put_file, put_sample, put_cgroup, &output};
	struct scan_config config = plan(c, source);
	struct moment m;
	struct scan *scan;
	int r;

	m.before_kb = meminfo_cached(c->root);
	m.start_ns = clock_ns(CLOCK_MONOTONIC);
	r = scan_run(&scan, source, l, &config, e);
	if (r < 0)
		return r;
	m.end_ns = clock_ns(CLOCK_MONOTONIC);
	m.after_kb = meminfo_cached(c->root);
	r = scan_resolve(scan, &sink, e);
	if (output.open) {
		int closed = member_close(c->out, r < 0);

		r = r < 0 ? r : closed;
	}
	if (r == 0 && source->ops->finish)
		r = source->ops->finish(source, e);
	if (r == 0)
		r = put_summary(c, source, scan, &m, reason);
	if (r == 0 && !scan_result(scan)->finished)
		emit_status(c->out, COLLECTOR_PARTIAL, 0,
			    "stopped by its budget after %" PRIu64 " of %" PRIu64 " strata",
			    scan_result(scan)->strata_done, scan_result(scan)->strata_total);
	emit_loss(c->out, "page changed while it was resolved", scan_result(scan)->discarded);
	emit_loss(c->out, "file without room or time to name it", scan_files_dropped(scan));
	scan_destroy(scan);
	return r;
}

static int page_cache_write(struct collect *c)
{
	struct kmem_source *source;
	struct kmem_layout l;
	struct err e = {0}, rungs = {0};
	struct btf *btf;
	int r;

	r = kmem_btf_open(&btf, c->options->btf_file, c->root, &e);
	if (r == 0) {
		r = kmem_layout_init(&l, btf, &e);
		btf__free(btf);
	}
	if (r == 0) {
		r = kmem_open(&source, c->options, c->root, &l, &rungs);
		if (r < 0)
			e = rungs;
	}
	if (r == 0) {
		r = scan_and_write(c, source, &l, rungs.text, &e);
		kmem_close(source);
	}
	if (r < 0)
		give_status(c, r, &e);
	return r;
}

const struct collector collector_page_cache = {
	.name = "page-cache",
	.summary = "which files fill the page cache, for which cgroup",
	.needs = "root (CAP_SYS_RAWIO for /proc/kcore, or CAP_SYS_ADMIN for bpf), kernel BTF",
	.timed = false,
	.memory_share = 60,
	.probe = page_cache_probe,
	.write = page_cache_write,
};
