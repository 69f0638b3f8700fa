/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Made-up cgroups, processes and parts of memory, for sample.h. */
#pragma once

#include "sample_base.h"

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
