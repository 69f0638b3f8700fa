/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What machine this is: read once, a few dozen small files. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../redact.h"
#include "gather.h"

struct host_file {
	const char *member, *path;
	size_t cap;
};

static const struct host_file files[] = {
	{"raw/host/version", "proc/version", 4096},
	{"raw/host/cpuinfo", "proc/cpuinfo", 4 << 20},
	{"raw/host/loadavg", "proc/loadavg", 4096},
	{"raw/host/uptime", "proc/uptime", 4096},
	{"raw/host/limits", "proc/self/limits", 16 << 10},
	{"raw/host/modules", "proc/modules", 512 << 10},
	{"raw/host/filesystems", "proc/filesystems", 16 << 10},
	{"raw/host/iomem", "proc/iomem", 512 << 10},
	{"raw/host/devices", "proc/devices", 64 << 10},
	{"raw/host/partitions", "proc/partitions", 512 << 10},
};

/* Two places by freedesktop.org; the first is usually a link to the second. */
static const char *const os_release[] = {"etc/os-release", "usr/lib/os-release"};

static const char *const knobs[] = {
	"proc/sys/kernel/hostname",
	"proc/sys/kernel/osrelease",
	"proc/sys/kernel/tainted",
	"proc/sys/kernel/pid_max",
	"proc/sys/kernel/threads-max",
	"proc/sys/kernel/panic",
	"proc/sys/kernel/panic_on_oops",
	"proc/sys/kernel/hung_task_timeout_secs",
	"proc/sys/kernel/numa_balancing",
	"proc/sys/kernel/kptr_restrict",
	"proc/sys/kernel/perf_event_paranoid",
	"proc/sys/kernel/unprivileged_bpf_disabled",
	"proc/sys/kernel/randomize_va_space",
	"proc/sys/kernel/sched_autogroup_enabled",
	"proc/sys/kernel/shmmax",
	"proc/sys/kernel/shmall",
	"proc/sys/kernel/shmmni",
	"proc/sys/kernel/random/boot_id",
	"proc/sys/fs/file-max",
	"proc/sys/fs/nr_open",
	"proc/sys/vm/swappiness",
	"proc/sys/vm/overcommit_memory",
	"proc/sys/vm/overcommit_ratio",
	"proc/sys/vm/overcommit_kbytes",
	"proc/sys/vm/min_free_kbytes",
	"proc/sys/vm/watermark_scale_factor",
	"proc/sys/vm/watermark_boost_factor",
	"proc/sys/vm/panic_on_oom",
	"proc/sys/vm/oom_kill_allocating_task",
	"proc/sys/vm/vfs_cache_pressure",
	"proc/sys/vm/zone_reclaim_mode",
	"proc/sys/vm/lowmem_reserve_ratio",
	"proc/sys/vm/admin_reserve_kbytes",
	"proc/sys/vm/user_reserve_kbytes",
	"proc/sys/vm/dirty_ratio",
	"proc/sys/vm/dirty_bytes",
	"proc/sys/vm/dirty_background_ratio",
	"proc/sys/vm/dirty_background_bytes",
	"proc/sys/vm/dirty_expire_centisecs",
	"proc/sys/vm/dirty_writeback_centisecs",
	"proc/sys/vm/nr_hugepages",
	"proc/sys/vm/nr_overcommit_hugepages",
	"proc/sys/vm/hugetlb_shm_group",
	"proc/sys/vm/max_map_count",
	"proc/sys/vm/page-cluster",
	"proc/sys/vm/compaction_proactiveness",
	"proc/sys/vm/extfrag_threshold",
	"proc/sys/vm/percpu_pagelist_high_fraction",
	"proc/sys/vm/stat_interval",
	"proc/sys/net/ipv4/tcp_mem",
	"proc/sys/net/ipv4/udp_mem",
	"proc/sys/net/core/rmem_max",
	"proc/sys/net/core/wmem_max",
	"sys/kernel/mm/transparent_hugepage/enabled",
	"sys/kernel/mm/transparent_hugepage/defrag",
	"sys/kernel/mm/transparent_hugepage/shmem_enabled",
	"sys/kernel/mm/transparent_hugepage/use_zero_page",
	"sys/kernel/mm/transparent_hugepage/khugepaged/defrag",
	"sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none",
	"sys/kernel/mm/lru_gen/enabled",
	"sys/kernel/mm/lru_gen/min_ttl_ms",
	"sys/kernel/mm/ksm/run",
	"sys/kernel/mm/numa/demotion_enabled",
	"sys/module/zswap/parameters/enabled",
	"sys/module/zswap/parameters/max_pool_percent",
	"sys/module/zswap/parameters/compressor",
	"sys/kernel/security/lockdown",
	"sys/hypervisor/type",
	"sys/class/dmi/id/sys_vendor",
	"sys/class/dmi/id/product_name",
	"sys/class/dmi/id/product_version",
	"sys/class/dmi/id/bios_vendor",
	"sys/class/dmi/id/bios_version",
	"sys/devices/system/cpu/online",
	"sys/devices/system/cpu/possible",
	"sys/devices/system/cpu/smt/active",
	"sys/devices/system/node/online",
	"sys/devices/system/node/has_memory",
	"sys/devices/system/memory/block_size_bytes",
	"sys/devices/system/clocksource/clocksource0/current_clocksource",
};

static void host_probe(const struct capture_options *o, const struct sysroot *root,
		       struct probe_result *ret)
{
	*ret = (struct probe_result){.status = COLLECTOR_OK, .expected_bytes = 24 << 10};
}

/* A kernel parameter whose value is a secret by its name: rd.iscsi.password=, fscrypt_key= … */
static bool secret_parameter(const char *arg, size_t len)
{
	static const char *const words[] = {"password", "passwd",     "passphrase", "secret",
					    "token",	"credential", "api_key",    "apikey"};
	const char *eq = memchr(arg, '=', len);
	char key[128];
	size_t n;

	if (!eq || eq + 1 == arg + len)
		return false;
	n = (size_t)(eq - arg);
	if (n >= sizeof(key))
		n = sizeof(key) - 1;
	for (size_t i = 0; i < n; i++)
		key[i] = (char)tolower((unsigned char)arg[i]);
	key[n] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(key, words[i]))
			return true;
	return false;
}

/*
 * The kernel's command line is one string, the redactor takes arguments.  The parameters' own
 * names are looked at first: "rd.iscsi.password" is no option the redactor would know.
 */
static int cmdline_member(struct gather *g)
{
	static const char hidden[] = "<redacted>";
	const struct collect *c = g->c;
	char text[8192], out[8192];
	struct sbuf b = SBUF(out);
	uint64_t count = 0, more = 0;
	size_t len;
	ssize_t n;
	int r;

	n = gather_read(c->root, "proc/cmdline", text, sizeof(text), NULL);
	if (n < 0) {
		gather_count(g, "proc/cmdline", (int)-n);
		return 0;
	}
	while (n > 0 && text[n - 1] == '\n')
		n--;
	for (char *p = text, *end = text + n; p < end;) {
		char *space = memchr(p, ' ', (size_t)(end - p));
		size_t arg = space ? (size_t)(space - p) : (size_t)(end - p);

		if (c->redactor && c->redactor->level != REDACT_NONE && secret_parameter(p, arg)) {
			sbuf_put(&b, p, (size_t)((char *)memchr(p, '=', arg) - p) + 1);
			sbuf_puts(&b, hidden);
			count++;
		} else {
			sbuf_put(&b, p, arg);
		}
		sbuf_putc(&b, 0);
		p += arg + 1;
	}
	len = b.len;
	if (c->redactor)
		len = redact_cmdline(c->redactor, out, len, sizeof(out) - 1, &more);
	for (size_t i = 0; i < len; i++)
		if (!out[i])
			out[i] = ' ';
	if (len)
		out[len - 1] = '\n';
	r = member_open(c->out, "raw/host/cmdline", NULL);
	if (r >= 0)
		r = member_put(c->out, out, len);
	if (r >= 0)
		r = member_close(c->out, b.truncated);
	if (count + more)
		emit_redacted(c->out, "secret", "raw/host/cmdline", count + more);
	g->delivered++;
	return r < 0 ? r : 0;
}

static int os_release_member(struct gather *g)
{
	for (size_t i = 0; i < ARRAY_SIZE(os_release); i++) {
		int fd = gather_open(g->c->root, os_release[i], 0);

		if (fd < 0 && i + 1 < ARRAY_SIZE(os_release))
			continue;
		if (fd >= 0)
			close(fd);
		return gather_member(g, "raw/host/os-release", os_release[i], 64 << 10);
	}
	return 0;
}

/* What is set.  What changes by itself is in memory's pack.  Which of eighty knobs a kernel lacks
 * is seen from the pack, and one that refuses is no reason to call the archive partial. */
static int knob_members(const struct collect *c)
{
	_cleanup_(gather_deinit) struct gather g = {0};
	int r = gather_init(&g, c);

	if (r >= 0)
		r = member_open(c->out, "raw/host/knobs", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(knobs) && r >= 0; i++)
		r = gather_entry(&g, knobs[i], knobs[i], 4096);
	if (r >= 0)
		r = member_close(c->out, false);
	if (g.denied)
		emit_note(c->out, "%s: %s", g.denied_text, strerror(g.denied_no));
	if (g.broken)
		emit_note(c->out, "%s: %s", g.broken_text, strerror(g.broken_no));
	return r;
}

static int host_write(struct collect *c)
{
	_cleanup_(gather_deinit) struct gather g = {0};
	char first[512];
	ssize_t n;
	int r = gather_init(&g, c);

	if (r >= 0)
		r = os_release_member(&g);
	if (r >= 0)
		r = cmdline_member(&g);
	for (size_t i = 0; i < ARRAY_SIZE(files) && r >= 0; i++)
		r = gather_member(&g, files[i].member, files[i].path, files[i].cap);
	if (r >= 0)
		r = knob_members(c);
	if (r < 0)
		return r;
	/* Without CAP_SYS_ADMIN the kernel shows the ranges as zeros instead of refusing. */
	n = gather_read(c->root, "proc/iomem", first, sizeof(first), NULL);
	if (n > 17 && !strncmp(first, "00000000-00000000", 17))
		emit_note(c->out, "/proc/iomem: addresses hidden (needs root)");
	gather_report(&g, "root");
	return 0;
}

const struct collector collector_host = {
	.name = "host",
	.summary = "operating system, kernel, CPUs, settings",
	.needs = "nothing; iomem needs root",
	.memory_share = 3,
	.memory_least_kib = 1024,
	.probe = host_probe,
	.write = host_write,
};
