/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Facts, model and findings made by hand, for tests of the report that need no archive: a busy
 * Kubernetes node whose log files fill a container's limit, with names that an attacker chose.
 * Each test program includes this once.
 */
#pragma once

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../report/report.h"

#define MIB (1024ULL * 1024)
#define GIB (1024ULL * MIB)

/* Names that have broken reports before. */
static const char *const nasty_names[] = {
	"/var/log/<script>alert(1)</script>.log",
	"/tmp/</template><img src=x onerror=alert(2)>",
	"/tmp/</style></script><script>alert(3)</script>",
	"/data/quote\"onmouseover=\"alert(4)' ` & &lt;",
	"/home/u/invoice\xe2\x80\xae"
	"fdp.exe",
	"/tmp/new\nline\ttab\x1b[31mred\r",
	"/srv/\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d/\xe4\xb8\xad\xe6\x96\x87/\xc3\xa9t\xc3\xa9.txt",
	"/tmp/zero\xe2\x80\x8bwidth\xef\xbb\xbf\xc2\x85",
	"/tmp/?table files 0> <?table files 0> ]]> <!-- -->",
	"/tmp/=cmd|' /C calc'!A0",
	"/tmp/__proto__",
	"/tmp/bad\xff\xfe\xc3(utf8", /* the decoder lets none through; the report must not rely on
					it */
};
#define NASTY (sizeof(nasty_names) / sizeof(*nasty_names))

struct sample {
	struct facts facts;
	struct model model;
	struct findings findings;
	struct report report;
	char **strings;
	size_t string_count;
};

static inline const char *sample_str(struct sample *s, const char *text)
{
	char *copy = strdup(text);
	char **grown = realloc(s->strings, (s->string_count + 1) * sizeof(*grown));

	if (!copy || !grown)
		abort();
	s->strings = grown;
	s->strings[s->string_count++] = copy;
	return copy;
}

static inline void *sample_rows(struct sample *s, size_t n, size_t size)
{
	char **grown = realloc(s->strings, (s->string_count + 1) * sizeof(*grown));
	void *rows = calloc(n ? n : 1, size);

	if (!rows || !grown)
		abort();
	s->strings = grown;
	s->strings[s->string_count++] = rows;
	return rows;
}

static inline struct estimate exactly(double bytes)
{
	return (struct estimate){bytes, bytes, bytes};
}

/* Nothing measured at all: what the worker hands over when a capture failed early. */
static inline void sample_empty(struct sample *s)
{
	memset(s, 0, sizeof(*s));
	s->model.facts = &s->facts;
	s->model.memory_total = s->model.memory_available = FACT_NONE;
	s->model.shmem_bytes = FACT_NONE;
	s->model.unaccounted = INT64_MIN;
	s->model.found_bytes = s->model.found_low = s->model.found_high = NAN;
	s->model.meminfo_bytes = NAN;
	s->model.residual_bytes = s->model.residual_low = s->model.residual_high = NAN;
	s->findings.verdict.severity = SEVERITY_INFO;
	s->findings.verdict.text = "Nothing can be said: nothing was captured.";
	s->report =
		(struct report){.facts = &s->facts, .model = &s->model, .findings = &s->findings};
}

static inline void sample_destroy(struct sample *s)
{
	for (size_t i = 0; i < s->string_count; i++)
		free(s->strings[i]);
	free(s->strings);
}

static inline void sample_archive(struct sample *s, const char *hostname)
{
	static const struct {
		const char *name, *status, *reason;
		double cpu;
		uint64_t rss, dropped;
	} collectors[] = {
		{"host", "ok", "", 0.002, 2 * MIB, 0},
		{"memory", "ok", "", 0.011, 3 * MIB, 0},
		{"processes", "ok", "", 0.148, 9 * MIB, 2},
		{"cgroups", "ok", "", 0.087, 6 * MIB, 0},
		{"mounts", "ok", "", 0.006, 3 * MIB, 0},
		{"containers", "ok", "", 0.004, 3 * MIB, 0},
		{"page-cache", "partial",
		 "/proc/kcore: Operation not permitted (kernel "
		 "lockdown=integrity); using bpf, one page in 16",
		 0.92, 31 * MIB, 0},
		{"gpu", "unsupported", "no NVIDIA driver is loaded", 0.001, 2 * MIB, 0},
		{"vmalloc", "denied", "/proc/vmallocinfo: Permission denied", 0, FACT_NONE, 0},
	};
	struct fact_archive *a = sample_rows(s, 1, sizeof(*a));
	struct fact_collector *c = sample_rows(s, 9, sizeof(*c));

	*a = (struct fact_archive){
		.name = "web-07-CASE4711-20261121T081407Z-k3v9q2xb",
		.tool = "0.1.0",
		.format_version = "1.0",
		.ticket = "CASE4711",
		.arguments = "-d 10s --ticket CASE4711",
		.sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		.complete = 0,
		.damaged_members = 0,
		.refused_members = 0,
		.missing_members = 0,
		.has_manifest = 1,
		.captured_at = 1795248847.25,
		.window_s = 10.02,
		.planned_s = 10,
		.observer_cpu_s = 1.18,
		.observer_wall_s = 11.4,
		.observer_max_rss_bytes = 38 * MIB,
		.bytes_written = 2215904,
		.hostname = hostname,
		.kernel = "5.10.134-16.3.al8.x86_64",
		.os = "Alibaba Cloud Linux 3.2104",
		.arch = "x86_64",
		.lockdown = "integrity",
		.capabilities = "000001ffffffffff",
		.redaction = "default",
		.cpus = 8,
		.page_size = 4096,
		.euid = 0,
		.in_container = 0,
	};
	s->facts.archive.rows = a;
	s->facts.archive.count = 1;
	for (size_t i = 0; i < 9; i++)
		c[i] = (struct fact_collector){.name = collectors[i].name,
					       .status = collectors[i].status,
					       .reason = collectors[i].reason,
					       .cpu_s = collectors[i].cpu,
					       .max_rss_bytes = collectors[i].rss,
					       .dropped = collectors[i].dropped,
					       .start_s = 0,
					       .end_s = 10,
					       .abandoned_pid = FACT_NONE};
	s->facts.collectors.rows = c;
	s->facts.collectors.count = 9;
}

static inline void sample_raw(struct sample *s)
{
	static const struct {
		const char *file, *key;
		uint64_t first, last;
	} counters[] = {
		{"meminfo", "MemTotal", 16647094272, 16647094272},
		{"meminfo", "MemFree", 512 * MIB, 407 * MIB},
		{"meminfo", "MemAvailable", 5600 * MIB, 5410 * MIB},
		{"meminfo", "Buffers", 210 * MIB, 210 * MIB},
		{"meminfo", "Cached", 6900 * MIB, 7024 * MIB},
		{"meminfo", "Shmem", 1420 * MIB, 1420 * MIB},
		{"meminfo", "SReclaimable", 880 * MIB, 884 * MIB},
		{"meminfo", "SUnreclaim", 310 * MIB, 309 * MIB},
		{"meminfo", "HugePages_Total", 0, 0},
		{"vmstat", "pgscan_direct", 1203344, 1209871},
		{"vmstat", "allocstall_normal", 411, 429},
		{"vmstat", "workingset_refault_file", 88120331, 88127003},
		{"softnet_stat", "time_squeeze", 3, 3},
	};
	size_t n = sizeof(counters) / sizeof(*counters);
	struct fact_counter *c = sample_rows(s, n, sizeof(*c));
	struct fact_zone *z = sample_rows(s, 2, sizeof(*z));
	struct fact_page_type *t = sample_rows(s, 4, sizeof(*t));
	struct fact_scan *scan = sample_rows(s, 1, sizeof(*scan));

	for (size_t i = 0; i < n; i++)
		c[i] = (struct fact_counter){counters[i].file, counters[i].key, counters[i].first,
					     counters[i].last};
	s->facts.counters.rows = c;
	s->facts.counters.count = n;
	z[0] = (struct fact_zone){0, "DMA32", 61233, 410, 2103, 2628, 3154, 782288, 762288};
	z[1] = (struct fact_zone){0, "Normal", 43011, 1980, 9811, 12263, 14716, 3407872, 3301101};
	s->facts.zones.rows = z;
	s->facts.zones.count = 2;
	t[0] = (struct fact_page_type){"file", 112844};
	t[1] = (struct fact_page_type){"anon", 91022};
	t[2] = (struct fact_page_type){"slab", 19023};
	t[3] = (struct fact_page_type){"unknown", 4012};
	s->facts.page_types.rows = t;
	s->facts.page_types.count = 4;
	*scan = (struct fact_scan){.source = "bpf",
				   .reason = "/proc/kcore: Operation not permitted (kernel "
					     "lockdown=integrity)",
				   .one_in = 16,
				   .pages_total = 4194304,
				   .strata_total = 262144,
				   .strata_done = 262144,
				   .pages_read = 262144,
				   .finished = 1,
				   .page_size = 4096,
				   .holes = 3,
				   .discarded = 112,
				   .files_dropped = 0,
				   .scan_cpu_s = 0.61,
				   .resolve_cpu_s = 0.31,
				   .meminfo_cached_before_bytes = 7110 * MIB,
				   .meminfo_cached_after_bytes = 7234 * MIB};
	s->facts.scan.rows = scan;
	s->facts.scan.count = 1;
}

static inline void sample_cgroups(struct sample *s)
{
	static const struct {
		const char *ns, *pod, *container, *name;
		uint64_t usage, limit, anon, file, shmem;
		bool dying;
	} rows[] = {
		{"shop", "checkout-7d9f8c6b5-x2x7k", "checkout",
		 "shop/checkout-7d9f8c6b5-x2x7k/checkout", 2011, 2048, 402, 1540, 12, false},
		{"shop", "cart-0", "redis", "shop/cart-0/redis", 1804, 4096, 1740, 22, 0, false},
		{"data", "ingest-5c4d", "worker", "data/ingest-5c4d/worker", 1611, 0, 211, 1388,
		 1290, false},
		{NULL, NULL, NULL, "/system.slice/containerd.service", 611, 0, 118, 402, 0, false},
		{"kube-system", "coredns-66f", "coredns", "kube-system/coredns-66f/coredns", 62,
		 170, 41, 17, 0, false},
		{NULL, NULL, NULL, "/system.slice/<b>evil\xe2\x80\xae.service", 9, 0, 2, 5, 0,
		 false},
		{NULL, NULL, NULL, "/kubepods/besteffort/pod3c1/7e1d0c", 318, 0, 0, 318, 0, true},
	};
	size_t n = sizeof(rows) / sizeof(*rows);
	struct fact_cgroup *f = sample_rows(s, n, sizeof(*f));
	struct model_cgroup *g = sample_rows(s, n, sizeof(*g));
	char path[128];

	for (size_t i = 0; i < n; i++) {
		if (rows[i].pod)
			snprintf(path, sizeof(path), "/kubepods/burstable/pod%zu%zu/%016zx", i, i,
				 i * 7919);
		else
			snprintf(path, sizeof(path), "%s", rows[i].name);
		f[i] = (struct fact_cgroup){
			.path = sample_str(s, path),
			.version = 1,
			.usage_bytes = rows[i].usage * MIB,
			.limit_bytes = rows[i].limit ? rows[i].limit * MIB : FACT_NONE,
			.limit_known = 1,
			.effective_limit_bytes = rows[i].limit ? rows[i].limit * MIB : FACT_NONE,
			.anon_bytes = rows[i].anon * MIB,
			.file_bytes = rows[i].file * MIB,
			.active_file_bytes = rows[i].file * MIB / 3,
			.inactive_file_bytes = rows[i].file * MIB * 2 / 3,
			.shmem_bytes = rows[i].shmem * MIB,
			.slab_bytes = FACT_NONE,
			.kernel_bytes = FACT_NONE,
			.swap_bytes = 0,
		};
		g[i] = (struct model_cgroup){
			.fact = rows[i].dying ? NULL : &f[i],
			.path = f[i].path,
			.namespace = rows[i].ns,
			.pod = rows[i].pod,
			.container = rows[i].container,
			.runtime = rows[i].pod ? "containerd" : NULL,
			.name = rows[i].name,
			.dying = rows[i].dying,
			.limit_bytes = f[i].limit_bytes,
			.workingset_bytes = rows[i].dying
						    ? FACT_NONE
						    : f[i].usage_bytes - f[i].inactive_file_bytes,
			.cached = {(double)(rows[i].file * MIB),
				   (double)(rows[i].file * MIB) * 0.96,
				   (double)(rows[i].file * MIB) * 1.04},
		};
	}
	s->facts.cgroups.rows = f;
	s->facts.cgroups.count = n;
	s->model.cgroups = g;
	s->model.cgroup_count = n;
}

/* file_count files, largest first; the nasty names are among the first. */
static inline void sample_files(struct sample *s, size_t file_count)
{
	static const struct {
		const char *path, *container;
		const char *state, *fstype;
		uint64_t mib;
		size_t cgroup;
		bool shmem;
	} known[] = {
		{"/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/412/fs/app/"
		 "logs/checkout.log",
		 "/app/logs/checkout.log", "linked", "xfs", 1106, 0, false},
		{"/dev/shm/ingest/ring-000", "/dev/shm/ring-000", "linked", "tmpfs", 640, 2, true},
		{"/var/lib/mysql/ibdata1", NULL, "linked", "ext4", 512, 3, false},
		{"/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/412/fs/app/"
		 "logs/checkout.log.1",
		 "/app/logs/checkout.log.1", "deleted", "xfs", 338, 0, false},
		{"/var/log/journal/3b1c/system.journal", NULL, "linked", "ext4", 128, 3, false},
		{"[memfd:pulse-shm]", NULL, "unnamed", "tmpfs", 96, 3, true},
		{"[block device 8:0]", NULL, "linked", "bdev", 88, 3, false},
		{"/opt/app/lib/libtorch_cpu.so", "/opt/app/lib/libtorch_cpu.so", "linked",
		 "overlay", 71, 1, false},
		{"/var/lib/kubelet/pods/3c1/volumes/cache.db", NULL, "linked", "xfs", 66, 6, false},
		{"[inode 77812 of tmpfs]", NULL, "unresolved", "tmpfs", 31, 5, true},
	};
	size_t n_known = sizeof(known) / sizeof(*known);
	struct fact_cache_file *f = sample_rows(s, file_count, sizeof(*f));
	struct model_file *m = sample_rows(s, file_count, sizeof(*m));
	struct model_cgroup_share *shares = sample_rows(s, file_count, sizeof(*shares));
	struct model_file_share *reverse = sample_rows(s, file_count, sizeof(*reverse));
	char path[160];
	double total = 0;

	for (size_t i = 0; i < file_count; i++) {
		uint64_t bytes = 24 * MIB / (1 + i / 4) / 4096 * 4096 + 4096;
		struct model_cgroup *g =
			s->model.cgroup_count ? &s->model.cgroups[i % s->model.cgroup_count] : NULL;

		f[i] = (struct fact_cache_file){.file = i + 1,
						.major = 8,
						.minor = 1,
						.ino = 1000 + i,
						.generation = 1,
						.nlink = 1,
						.fstype = "ext4",
						.state = "linked",
						.type = "reg",
						.rdev_major = FACT_NONE,
						.rdev_minor = FACT_NONE};
		if (i < n_known) {
			f[i].path = m[i].path = known[i].path;
			m[i].container_path = known[i].container;
			f[i].state = known[i].state;
			f[i].fstype = known[i].fstype;
			m[i].shmem = known[i].shmem;
			bytes = known[i].mib * MIB;
			if (g)
				g = &s->model.cgroups[known[i].cgroup];
		} else if (i < n_known + NASTY) {
			f[i].path = m[i].path = nasty_names[i - n_known];
		} else {
			snprintf(path, sizeof(path), "/usr/share/data/%02zx/%02zx/file-%zu.dat",
				 i % 251, i % 13, i);
			f[i].path = m[i].path = sample_str(s, path);
		}
		f[i].size = bytes;
		f[i].nrpages = bytes / 4096;
		m[i].fact = &f[i];
		m[i].cached_bytes = bytes;
		m[i].active = (struct estimate){(double)bytes / 3, (double)bytes / 3.5,
						(double)bytes / 2.5};
		m[i].dirty = exactly(i % 7 ? 0 : (double)bytes / 50);
		total += (double)bytes;
		if (g) {
			shares[i] = (struct model_cgroup_share){
				g, {(double)bytes, (double)bytes * 0.97, (double)bytes * 1.02}};
			m[i].cgroups = &shares[i];
			m[i].cgroup_count = 1;
		}
	}
	/* the same shares by cgroup */
	size_t at = 0;
	for (size_t k = 0; k < s->model.cgroup_count; k++) {
		s->model.cgroups[k].files = &reverse[at];
		for (size_t i = 0; i < file_count; i++)
			if (shares[i].cgroup == &s->model.cgroups[k])
				reverse[at++] = (struct model_file_share){
					&m[i], shares[i].bytes, shares[i].bytes.bytes / 2};
		s->model.cgroups[k].file_count = (size_t)(&reverse[at] - s->model.cgroups[k].files);
	}
	s->facts.cache_files.rows = f;
	s->facts.cache_files.count = file_count;
	s->model.files = m;
	s->model.file_count = file_count;
	s->model.scanned = true;
	s->model.found_bytes = total;
	s->model.found_low = total * 0.995;
	s->model.found_high = total * 1.005;
	s->model.meminfo_bytes = 7172.0 * MIB;
	s->model.residual_bytes = 7172.0 * MIB - total;
	s->model.residual_low = s->model.residual_bytes - 40.0 * MIB;
	s->model.residual_high = s->model.residual_bytes + 40.0 * MIB;
}

static inline void sample_processes(struct sample *s)
{
	static const struct {
		uint64_t pid;
		const char *comm, *cmdline, *cgroup;
		uint64_t heap, first, file, shm, swap;
		int64_t oom;
	} rows[] = {
		{4188, "java", "java -Xmx3g -jar /app/ingest.jar --spring.profiles.active=prod",
		 "/kubepods/burstable/pod22/0000000000003dde", 2411, 2388, 41, 0, 0, 985},
		{2207, "redis-server", "redis-server *:6379",
		 "/kubepods/burstable/pod11/0000000000001eef", 1731, 1731, 6, 0, 0, 970},
		{3301, "checkout", "/app/checkout --config /etc/checkout.yaml",
		 "/kubepods/burstable/pod00/0000000000000000", 396, 388, 31, 12, 18, 985},
		{1102, "mysqld", "/usr/sbin/mysqld --defaults-file=/etc/my.cnf",
		 "/system.slice/mysqld.service", 911, 911, 28, 0, 120, 0},
		{901, "kubelet", "/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml",
		 "/system.slice/kubelet.service", 118, 118, 44, 0, 0, -999},
		{880, "containerd", "/usr/bin/containerd", "/system.slice/containerd.service", 96,
		 96, 38, 0, 0, -999},
		{5012, "python3", "python3 -c \"print('</script><script>alert(5)</script>')\"",
		 "/user.slice", 74, 52, 12, 0, 0, 0},
		{412, "systemd-journal", "/lib/systemd/systemd-journald",
		 "/system.slice/systemd-journald.service", 8, 8, 77, 0, 0, -250},
		{5100, "evil\x1b]0;x\x07", "", "/", 3, 3, 1, 0, 0, 0},
		{2, "kthreadd", "", "/", 0, 0, 0, 0, 0, 0},
	};
	size_t n = sizeof(rows) / sizeof(*rows), total = n + 160;
	struct fact_process *p = sample_rows(s, total, sizeof(*p));
	const struct fact_process **order = sample_rows(s, total, sizeof(*order));

	for (size_t i = 0; i < total; i++) {
		if (i < n) {
			p[i] = (struct fact_process){
				.pid = rows[i].pid,
				.comm = rows[i].comm,
				.cmdline = rows[i].cmdline,
				.cgroup = rows[i].cgroup,
				.heap_bytes = rows[i].heap * MIB,
				.heap_first_bytes = rows[i].first * MIB,
				.file_bytes = rows[i].file * MIB,
				.shmem_bytes = rows[i].shm * MIB,
				.swap_bytes = rows[i].swap * MIB,
				.rss_bytes = (rows[i].heap + rows[i].file + rows[i].shm) * MIB,
				.oom_score_adj = rows[i].oom};
		} else {
			p[i] = (struct fact_process){.pid = 6000 + i,
						     .comm = "nginx",
						     .cmdline = "nginx: worker process",
						     .cgroup = "/system.slice/nginx.service",
						     .heap_bytes = (200 - i) * 9000,
						     .heap_first_bytes = FACT_NONE,
						     .file_bytes = FACT_NONE,
						     .shmem_bytes = FACT_NONE,
						     .swap_bytes = FACT_NONE,
						     .rss_bytes = FACT_NONE,
						     .oom_score_adj = INT64_MIN};
		}
		order[i] = &p[i];
	}
	s->facts.processes.rows = p;
	s->facts.processes.count = total;
	s->model.processes = order;
	s->model.process_count = total;
}

static inline void sample_memory(struct sample *s)
{
	static const struct memory_part parts[] = {
		{"free", "Free", 407 * MIB, "zoneinfo: nr_free_pages, per-CPU lists"},
		{"heap", "Heap of processes", 5750 * MIB, "meminfo: AnonPages"},
		{"file-mapped", "Mapped files", 611 * MIB, "meminfo: Mapped − mapped Shmem"},
		{"page-cache", "Page cache, not mapped", 4993 * MIB,
		 "meminfo: Cached − Shmem − Mapped"},
		{"shared-memory", "Shared memory", 1420 * MIB, "meminfo: Shmem"},
		{"buffers", "Buffers", 210 * MIB, "meminfo: Buffers"},
		{"swap-cache", "Swap cache", 0, "meminfo: SwapCached"},
		{"slab-reclaimable", "Slab, reclaimable", 884 * MIB, "meminfo: SReclaimable"},
		{"slab-unreclaimable", "Slab, not reclaimable", 309 * MIB, "meminfo: SUnreclaim"},
		{"page-tables", "Page tables", 71 * MIB, "meminfo: PageTables"},
		{"kernel-stacks", "Kernel stacks", 22 * MIB, "meminfo: KernelStack"},
		{"percpu", "Per-CPU", 34 * MIB, "meminfo: Percpu"},
		{"vmalloc", "vmalloc", 58 * MIB, "vmallocinfo"},
		{"huge-pages", "Huge pages", 0, "meminfo: HugePages_Total × Hugepagesize"},
	};
	static const struct {
		const char *name;
		uint64_t objects, active, size, mib, reclaimable;
	} slabs[] = {
		{"dentry", 2101020, 2080111, 192, 401, 1},
		{"inode_cache", 402112, 399870, 608, 238, 1},
		{"xfs_inode", 160312, 160001, 1024, 170, 1},
		{"kmalloc-512", 230111, 229004, 512, 118, 0},
		{"buffer_head", 501233, 144020, 104, 52, 1},
		{"task_struct", 2110, 1980, 9792, 22, 0},
		{"sock_inode_cache", 12033, 11000, 832, 10, 1},
		{"mystery", 100, 100, 64, 1, FACT_NONE},
	};
	size_t n = sizeof(slabs) / sizeof(*slabs), n_parts = sizeof(parts) / sizeof(*parts);
	struct fact_slab *f = sample_rows(s, n, sizeof(*f));
	const struct fact_slab **order = sample_rows(s, n, sizeof(*order));
	struct memory_part *p = sample_rows(s, n_parts, sizeof(*p));
	struct model_directory *d = sample_rows(s, 2, sizeof(*d));
	struct not_seen *u = sample_rows(s, 3, sizeof(*u));

	for (size_t i = 0; i < n; i++) {
		f[i] = (struct fact_slab){
			slabs[i].name,	     slabs[i].objects,
			slabs[i].active,     slabs[i].size,
			slabs[i].mib * MIB,  slabs[i].mib * MIB - (i == 0) * 4 * MIB,
			slabs[i].reclaimable};
		order[i] = &f[i];
	}
	s->facts.slabs.rows = f;
	s->facts.slabs.count = n;
	s->model.slabs = order;
	s->model.slab_count = n;
	memcpy(p, parts, sizeof(parts));
	s->model.parts = p;
	s->model.part_count = n_parts;
	s->model.memory_total = 16647094272;
	s->model.memory_available = 5410 * MIB;
	s->model.unaccounted = (int64_t)s->model.memory_total;
	for (size_t i = 0; i < n_parts; i++)
		s->model.unaccounted -= (int64_t)p[i].bytes;
	d[0] = (struct model_directory){.path = "/dev/shm/ingest",
					.files = 2,
					.bytes = 1280 * MIB,
					.largest_bytes = 640 * MIB};
	d[1] = (struct model_directory){.path = "/dev/shm/sessions",
					.files = 20000,
					.bytes = 110 * MIB,
					.largest_bytes = 160 * 1024};
	s->model.shm_directories = d;
	s->model.shm_directory_count = 2;
	s->model.shmem_bytes = 1420 * MIB;
	u[0] = (struct not_seen){"GPU memory", "no NVIDIA driver is loaded"};
	u[1] = (struct not_seen){"Who asked for vmalloc areas",
				 "/proc/vmallocinfo: Permission denied"};
	u[2] = (struct not_seen){"Every page of the page cache",
				 "one page in 16 was read, to keep the cost below 1 % of a CPU"};
	s->model.not_seen = u;
	s->model.not_seen_count = 3;
}

static inline void sample_findings(struct sample *s)
{
	static const struct finding rows[] = {
		{.id = "page-cache.container",
		 .severity = SEVERITY_CRITICAL,
		 .confidence = CONFIDENCE_HIGH,
		 .title = "The memory usage of container shop/checkout-7d9f8c6b5-x2x7k/checkout is "
			  "at 98 % of its "
			  "limit; 1.4 GiB of it is file cache of two log files under /app/logs",
		 .because = {{"Usage is 1.96 GiB of a limit of 2 GiB; heap is only 402 MiB of it",
			      "#cgroups"},
			     {"/app/logs/checkout.log holds 1.08 GiB (1.05–1.1 GiB) of its cache",
			      "#container-files"},
			     {"/app/logs/checkout.log.1 holds 338 MiB although it is deleted: a "
			      "process keeps it open",
			      "#files"}},
		 .because_count = 3,
		 .advice = {"Drop what is cached of the log files: truncate the log, or restart "
			    "the container's log writer "
			    "so that the deleted file is closed",
			    "Let the logger rotate at 100 MiB and write with O_DIRECT or "
			    "posix_fadvise(DONTNEED)",
			    "If usage alerts come from this, alert on the working set instead of "
			    "usage"},
		 .advice_count = 3,
		 .wrong_if = "the application reads these files all the time; then the cache is "
			     "its working set",
		 .scope_kind = "pod",
		 .scope_name = "shop/checkout-7d9f8c6b5-x2x7k",
		 .weight = 1e9},
		{.id = "shmem.small-files",
		 .severity = SEVERITY_WARNING,
		 .confidence = CONFIDENCE_HIGH,
		 .title = "20,000 small files under /dev/shm/sessions hold 110 MiB of memory that "
			  "cannot be reclaimed",
		 .because = {{"20,000 files of 5.6 KiB on average; the largest is 160 KiB",
			      "#shared-memory"},
			     {"Shared memory as a whole is 1.39 GiB", "#part-shared-memory"}},
		 .because_count = 2,
		 .advice = {"Delete session files that are no longer used, and give their writer "
			    "an expiry",
			    "Move them to a disk file system if they need not be in memory"},
		 .advice_count = 2,
		 .wrong_if = "these files are meant to live there and their number is stable",
		 .scope_kind = "directory",
		 .scope_name = "/dev/shm/sessions",
		 .weight = 2e8},
		{.id = "capture.partial",
		 .severity = SEVERITY_INFO,
		 .confidence = CONFIDENCE_MEDIUM,
		 .title = "The capture is partial: the page-cache scan could not use its best "
			  "source",
		 .because = {{"page-cache: /proc/kcore: Operation not permitted (kernel "
			      "lockdown=integrity); using bpf",
			      "#collectors"},
			     {"A hostile <b>ref</b>", "#nowhere\"><script>alert(6)</script>"}},
		 .because_count = 2,
		 .advice = {"Nothing needs doing; figures per cgroup carry an interval"},
		 .advice_count = 1,
		 .scope_kind = "file",
		 .scope_name = "/tmp/<img src=x onerror=alert(7)>\xe2\x80\xaegnp.exe",
		 .weight = 1},
	};
	struct finding *f = sample_rows(s, 3, sizeof(*f));

	memcpy(f, rows, sizeof(rows));
	s->findings.rows = f;
	s->findings.count = 3;
	s->findings.verdict.severity = SEVERITY_CRITICAL;
	s->findings.verdict.text = "Container shop/checkout is at 98 % of its memory limit, and "
				   "1.4 GiB of that is file cache "
				   "of two log files: the next burst is likely to get it killed.";
}

/* A leak that fastoom saw come: who was spared, who died, and a tmpfs for which nobody did. */
static inline void sample_guard(struct sample *s)
{
	enum { STATES = 40, EVENTS = STATES + 6 };
	struct fact_guard *g = sample_rows(s, EVENTS, sizeof(*g));
	struct fact_guard_holder *h = sample_rows(s, 2, sizeof(*h));
	const struct fact_guard **order = sample_rows(s, EVENTS, sizeof(*order));
	static const char *const kinds[] = {"start", "skip", "intent", "kill", "no-victim", "stop"};

	for (size_t i = 0; i < EVENTS; i++) {
		double t = (double)i / STATES;

		g[i] = (struct fact_guard){
			.source = "guard",
			.event = i < STATES ? "state" : kinds[i - STATES],
			.scope = "pod:shop/checkout-7d9f",
			.time_ns = 1795248850000000000ULL + i * 400000000ULL,
			.dry_run = 0,
			.ok = FACT_NONE,
			.pid = FACT_NONE,
			.starttime = FACT_NONE,
			.heap_bytes = FACT_NONE,
			.freed_bytes = FACT_NONE,
			.available_bytes = FACT_NONE,
			.total_bytes = 512 * MIB,
			.consumption_bytes_per_s = 12 * MIB,
			.need_bytes = FACT_NONE,
			.candidates_heap_bytes = FACT_NONE,
			.processes_seen = FACT_NONE,
			.victims_in_flight = FACT_NONE,
			.records_lost = FACT_NONE,
			.under_oom = 0,
			.oom_score_adj = INT64_MIN,
			.probability = i < STATES ? t * t : 0.96,
			.tte_s = (double)NAN,
			.available_share = 0.4 - 0.36 * fmin(t, 1),
			.swap_free_share = 0,
			.busy_share = (double)NAN,
			.refault_share_per_s = 0.02,
			.stalls_per_s = 3,
			.kswapd_cpus = (double)NAN,
			.exit_ms = (double)NAN,
		};
		order[i] = &g[i];
	}
	g[0].phase = "watch";
	g[STATES].scope = NULL;
	g[STATES].probability = (double)NAN;
	g[STATES].version = "0.1.0";
	g[STATES].policies = "orders: pod:shop low";
	g[STATES].missing = "pressure";
	g[STATES + 1].comm = "</svg><script>alert(9)</script>";
	g[STATES + 1].reason = "on the allowlist";
	g[STATES + 1].pattern = "python3 .*service\\.py<img src=x onerror=alert(10)>";
	for (size_t i = STATES + 2; i < STATES + 4; i++) {
		g[i].pid = 4711;
		g[i].starttime = 99;
		g[i].comm = "log\"ger\n\xe2\x80\xae";
		g[i].cmdline = "/usr/bin/logger --to </title><script>alert(11)</script>";
		g[i].heap_bytes = 96 * MIB;
		g[i].rule = "prefer ^logger$";
		g[i].signal = "SIGTERM";
	}
	g[STATES + 3].freed_bytes = 95 * MIB;
	g[STATES + 3].exit_ms = 41;
	g[STATES + 3].outcome = "freed";
	g[STATES + 4].need_bytes = 40 * MIB;
	g[STATES + 4].candidates_heap_bytes = 2 * MIB;
	g[STATES + 5].scope = NULL;
	g[STATES + 5].reason = "duration";
	h[0] = (struct fact_guard_holder){STATES + 4, "shared memory and tmpfs", 400 * MIB};
	h[1] = (struct fact_guard_holder){STATES + 4, "processes too small to help", 2 * MIB};
	s->facts.guard.rows = g;
	s->facts.guard.count = EVENTS;
	s->facts.guard_holders.rows = h;
	s->facts.guard_holders.count = 2;
	s->model.guard = order;
	s->model.guard_count = EVENTS;
}

static inline void sample_rich(struct sample *s, const char *hostname, size_t files)
{
	sample_empty(s);
	sample_archive(s, hostname);
	sample_raw(s);
	sample_memory(s);
	sample_cgroups(s);
	sample_processes(s);
	sample_files(s, files);
	sample_guard(s);
	sample_findings(s);
}

static inline void sample_healthy(struct sample *s, const char *hostname)
{
	sample_empty(s);
	sample_archive(s, hostname);
	sample_raw(s);
	sample_memory(s);
	sample_cgroups(s);
	sample_processes(s);
	s->findings.verdict.severity = SEVERITY_OK;
	s->findings.verdict.text =
		"Nothing wrong was found: memory is free, no container is near its limit.";
}

/* A report_write_fn that collects in memory. */
struct collected {
	char *data;
	size_t len, cap;
};
static inline int collect(void *ctx, const void *data, size_t len)
{
	struct collected *c = ctx;

	if (c->len + len + 1 > c->cap) {
		c->cap = (c->len + len + 1) * 2;
		c->data = realloc(c->data, c->cap);
		if (!c->data)
			abort();
	}
	memcpy(c->data + c->len, data, len);
	c->len += len;
	c->data[c->len] = '\0';
	return 0;
}
