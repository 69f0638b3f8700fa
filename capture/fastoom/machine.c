/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/proc.h"
#include "sys.h"

#define KIB 1024ULL

static int open_in(int dirfd, const char *path)
{
	return openat(dirfd, path, O_RDONLY | O_CLOEXEC);
}

struct find_kswapd {
	struct machine *m;
	int proc_fd;
};

/* kernel threads have low numbers, but nothing promises it */
static int try_kswapd(void *ctx, const char *name)
{
	struct find_kswapd *f = ctx;
	char path[64], text[64];
	size_t n = strlen(name);
	int fd;

	if (name[0] < '1' || name[0] > '9' || n > 10)
		return 0;
	memcpy(path, name, n);
	memcpy(path + n, "/comm", 6);
	if (read_file_at(f->proc_fd, path, text, sizeof(text)) < 0 ||
	    strncmp(text, "kswapd", 6) != 0)
		return 0;
	memcpy(path + n, "/stat", 6);
	fd = open_in(f->proc_fd, path);
	if (fd >= 0)
		f->m->kswapd_stat[f->m->n_kswapd++] = fd;
	return f->m->n_kswapd == MACHINE_KSWAPD;
}

int machine_open(struct machine *m, const struct sysroot *root, struct err *e)
{
	struct find_kswapd f = {.m = m, .proc_fd = root->proc_fd};
	char buf[4096];
	int dir;

	memset(m, 0, sizeof(*m));
	m->meminfo = open_in(root->proc_fd, "meminfo");
	if (m->meminfo < 0)
		return err_errno(e, errno, "/proc/meminfo");
	m->stat = open_in(root->proc_fd, "stat");
	m->vmstat = open_in(root->proc_fd, "vmstat");
	m->arcstats = open_in(root->proc_fd, "spl/kstat/zfs/arcstats");
	dir = openat(root->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0) {
		each_name(dir, DT_DIR, buf, sizeof(buf), try_kswapd, &f);
		close(dir);
	}
	return 0;
}

void machine_close(struct machine *m)
{
	int fds[] = {m->meminfo, m->stat, m->vmstat, m->arcstats};

	for (unsigned i = 0; i < 4; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	for (unsigned i = 0; i < m->n_kswapd; i++)
		close(m->kswapd_stat[i]);
	m->n_kswapd = 0;
}

/* Numbers of a file of "KEY value" or "KEY:  value kB" lines, in one pass. */
struct want {
	const char *key;
	uint64_t *to;
	uint64_t unit;
	bool add;
};

static void take(char *text, const struct want *wants, unsigned n)
{
	char *line;

	while ((line = next_line(&text))) {
		size_t len = strcspn(line, ": ");

		for (unsigned i = 0; i < n; i++) {
			const struct want *w = &wants[i];
			uint64_t v = 0;
			const char *p = line + len;

			if (strncmp(line, w->key, len) != 0 || w->key[len])
				continue;
			while (*p == ':' || *p == ' ')
				p++;
			for (; *p >= '0' && *p <= '9'; p++)
				v = v * 10 + (uint64_t)(*p - '0');
			*w->to = (w->add ? *w->to : 0) + v * w->unit;
		}
	}
}

static int read_meminfo(struct machine *m, char *buf, size_t cap)
{
	uint64_t total = 0, available = UINT64_MAX, mfree = 0, active = 0, inactive = 0,
		 sreclaim = 0;
	const struct want wants[] = {
		{"MemTotal", &total, KIB, false},
		{"MemFree", &mfree, KIB, false},
		{"MemAvailable", &available, KIB, false},
		{"Active(file)", &active, KIB, false},
		{"Inactive(file)", &inactive, KIB, false},
		{"SReclaimable", &sreclaim, KIB, false},
		{"SwapTotal", &m->swap_total, KIB, false},
		{"SwapFree", &m->swap_free, KIB, false},
		{"Shmem", &m->shmem, KIB, false},
		{"SUnreclaim", &m->slab_unreclaimable, KIB, false},
		{"Hugetlb", &m->hugetlb, KIB, false},
		{"PageTables", &m->page_tables, KIB, false},
		{"KernelStack", &m->kernel_stacks, KIB, false},
		{"Percpu", &m->percpu, KIB, false},
		{"Mlocked", &m->mlocked, KIB, false},
		{"AnonPages", &m->anon, KIB, false},
	};
	ssize_t n = read_open(m->meminfo, buf, cap);

	if (n < 0)
		return (int)n;
	take(buf, wants, sizeof(wants) / sizeof(wants[0]));
	if (!total)
		return -EINVAL;
	m->file_lru = active + inactive;
	/* Before 3.14 the kernel did not estimate it. */
	if (available == UINT64_MAX)
		available = mfree + m->file_lru / 2 + sreclaim / 2;
	/* Huge pages set aside are nobody's to have: they are not part of the total either. */
	m->total = total > m->hugetlb ? total - m->hugetlb : total;
	m->available = available < m->total ? available : m->total;
	return 0;
}

/* ZFS keeps its cache outside the page cache, and gives it back down to c_min. */
static void add_arc(struct machine *m, char *buf, size_t cap)
{
	uint64_t size = 0, min = 0;
	char *pos = buf, *line;

	if (m->arcstats < 0 || read_open(m->arcstats, buf, cap) < 0)
		return;
	while ((line = next_line(&pos))) {
		uint64_t *to = strncmp(line, "size ", 5) == 0	 ? &size
			       : strncmp(line, "c_min ", 6) == 0 ? &min
								 : NULL;
		const char *p = strrchr(line, ' ');

		if (!to || !p)
			continue;
		for (*to = 0, p++; *p >= '0' && *p <= '9'; p++)
			*to = *to * 10 + (uint64_t)(*p - '0');
	}
	if (size > min)
		m->available += (size - min) / 2;
	if (m->available > m->total)
		m->available = m->total;
}

/* user nice system idle iowait irq softirq steal */
static bool read_cpu(int fd, uint64_t *total, uint64_t *busy)
{
	char text[512];
	uint64_t v[8] = {0};
	const char *p = text;
	ssize_t n;

	do {
		n = pread(fd, text, sizeof(text) - 1, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 5 || strncmp(text, "cpu ", 4) != 0)
		return false;
	text[n] = '\0';
	p += 4;
	for (unsigned i = 0; i < 8; i++) {
		while (*p == ' ')
			p++;
		for (; *p >= '0' && *p <= '9'; p++)
			v[i] = v[i] * 10 + (uint64_t)(*p - '0');
	}
	*total = v[0] + v[1] + v[2] + v[3] + v[4] + v[5] + v[6] + v[7];
	*busy = v[2] + v[4] + v[5] + v[6];
	return true;
}

static uint64_t kswapd_ticks(const struct machine *m, char *buf, size_t cap)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < m->n_kswapd; i++) {
		struct proc_stat st;
		ssize_t n = read_open(m->kswapd_stat[i], buf, cap);

		if (n > 0 && parse_proc_stat(buf, (size_t)n, &st) == 0)
			sum += st.utime + st.stime;
	}
	return sum;
}

/* Counters do go backwards (a CPU taken away, iowait at any time). */
static double grown(uint64_t now, uint64_t before)
{
	return now > before ? (double)(now - before) : 0;
}

static void read_deep(struct machine *m, uint64_t now, char *buf, size_t cap)
{
	uint64_t total = 0, busy = 0, refaults = 0, stalls = 0, ticks;
	const struct want wants[] = {
		{"workingset_refault", &refaults, 4096, true},
		{"workingset_refault_anon", &refaults, 4096, true},
		{"workingset_refault_file", &refaults, 4096, true},
		{"allocstall", &stalls, 1, true},
		{"allocstall_dma", &stalls, 1, true},
		{"allocstall_dma32", &stalls, 1, true},
		{"allocstall_normal", &stalls, 1, true},
		{"allocstall_movable", &stalls, 1, true},
	};
	double dt = (double)(now - m->deep_ns) / NSEC_PER_SEC;
	bool cpu = m->stat >= 0 && read_cpu(m->stat, &total, &busy);

	if (m->vmstat >= 0 && read_open(m->vmstat, buf, cap) > 0)
		take(buf, wants, sizeof(wants) / sizeof(wants[0]));
	ticks = kswapd_ticks(m, buf, cap);
	/* After a pause the averages begin anew: an hour's mean says nothing about now. */
	if (m->deep_ns && dt > 0 && dt < 5) {
		if (cpu && total > m->cpu_total)
			average_add(&m->busy,
				    grown(busy, m->cpu_busy) / (double)(total - m->cpu_total), dt,
				    TAU);
		average_add(&m->refault,
			    grown(refaults, m->refaults) / dt / ((double)m->file_lru + 4194304), dt,
			    TAU);
		average_add(&m->stall, grown(stalls, m->stalls) / dt, dt, TAU);
		average_add(&m->kswapd,
			    grown(ticks, m->kswapd_ticks) / (double)sysconf(_SC_CLK_TCK) / dt, dt,
			    TAU);
	} else {
		m->busy.any = m->refault.any = m->stall.any = m->kswapd.any = false;
	}
	m->cpu_total = total;
	m->cpu_busy = busy;
	m->refaults = refaults;
	m->stalls = stalls;
	m->kswapd_ticks = ticks;
	m->deep_ns = now;
}

int machine_read(struct machine *m, uint64_t now, bool deep, char *buf, size_t cap)
{
	uint64_t use;
	int r = read_meminfo(m, buf, cap);

	if (r < 0)
		return r;
	add_arc(m, buf, cap);
	use = m->total - m->available + m->swap_total - m->swap_free;
	if (m->read_ns && now > m->read_ns) {
		double dt = (double)(now - m->read_ns) / NSEC_PER_SEC;
		double v = ((double)use - (double)m->last_use) / dt;

		average_add(&m->use, v, dt, TAU);
		average_add(&m->use_fast, v, dt, TAU_FAST);
		average_add(&m->shmem_growth, ((double)m->shmem - (double)m->last_shmem) / dt, dt,
			    TAU);
	}
	m->last_use = use;
	m->last_shmem = m->shmem;
	m->read_ns = now;
	if (deep)
		read_deep(m, now, buf, cap);
	return 0;
}

static double or_unknown(const struct average *a)
{
	return a->any ? a->value : -1;
}

double machine_consumption(const struct machine *m)
{
	double v = m->use.value > m->use_fast.value ? m->use.value : m->use_fast.value;

	return v > 0 ? v : 0;
}

void machine_features(const struct machine *m, struct features *ret)
{
	double v = machine_consumption(m);
	double left = (double)m->available - 0.02 * (double)m->total + (double)m->swap_free;

	*ret = (struct features){
		.available = (double)m->available / (double)m->total,
		.busy = or_unknown(&m->busy),
		.refault = or_unknown(&m->refault),
		.stall = or_unknown(&m->stall),
		.kswapd = or_unknown(&m->kswapd),
		.tte_s = v <= 0	    ? INFINITY
			 : left > 0 ? left / v
				    : 0,
		.swap_free = m->swap_total ? (double)m->swap_free / (double)m->swap_total : 0,
		/* below a thousandth a second it is noise */
		.consuming = v > (double)m->total / 1000,
	};
}
