/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Facts, model and findings made by hand, for tests of the report that need no archive: a busy
 * Kubernetes node whose log files fill a container's limit, with names that an attacker chose.
 * Each test program includes this once.
 */
#pragma once

#include "sample_base.h"
#include "sample_cache.h"
#include "sample_guard.h"
#include "sample_memory.h"

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
