/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scope.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "../base/proc.h"
#include "sys.h"

#define NO_LIMIT (1ULL << 60) /* v1 writes 2^63 less a page for none */

static int open_in(int dirfd, const char *path)
{
	return openat(dirfd, path, O_RDONLY | O_CLOEXEC);
}

static void no_descriptors(struct scope *s)
{
	s->dir = s->swap_usage = s->swap_limit = s->oom_control = s->threshold = -1;
}

void scope_node(struct scope *s, unsigned policy)
{
	memset(s, 0, sizeof(*s));
	no_descriptors(s);
	s->kind = SCOPE_NODE;
	s->policy = policy;
	snprintf(s->name, sizeof(s->name), "node");
}

/* A number alone in its file; "max" and what v1 writes for it: UINT64_MAX. */
static int read_number(int fd, uint64_t *ret)
{
	char text[32];
	uint64_t v = 0;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	if (strncmp(text, "max", 3) == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	if (n == 0 || text[0] < '0' || text[0] > '9')
		return -EINVAL;
	for (const char *p = text; *p >= '0' && *p <= '9'; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	*ret = v >= NO_LIMIT ? UINT64_MAX : v;
	return 0;
}

static void close_level(struct scope_level *l)
{
	int fds[] = {l->usage, l->limit, l->stat, l->events};

	for (unsigned i = 0; i < 4; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

static int open_level(struct scope_level *l, int dir, bool v2)
{
	*l = (struct scope_level){
		.usage = open_in(dir, v2 ? "memory.current" : "memory.usage_in_bytes"),
		.limit = open_in(dir, v2 ? "memory.max" : "memory.limit_in_bytes"),
		.stat = open_in(dir, "memory.stat"),
		.events = open_in(dir, v2 ? "memory.events" : "memory.failcnt"),
		.limit_bytes = UINT64_MAX,
	};
	if (l->usage < 0 || l->stat < 0) {
		int no = errno;

		close_level(l);
		return -no;
	}
	return 0;
}

/* The group itself, then each ancestor with a limit. */
static int open_levels(struct scope *s, const struct hierarchy *h, struct err *e)
{
	char path[256];

	snprintf(path, sizeof(path), "%s", s->path);
	for (;;) {
		_cleanup_fd_ int dir = -1;
		char *slash;
		int r;

		dir = openat(h->fd, path[1] ? path + 1 : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			return err_set(e, errno, "%s%s: %s", h->mount, path, strerror(errno));
		r = open_level(&s->levels[s->n_levels], dir, s->v2);
		if (r < 0 && s->n_levels == 0)
			return err_set(e, -r, "%s%s: %s", h->mount, path,
				       r == -ENOENT ? "no memory controller here" : strerror(-r));
		if (r == 0) {
			struct scope_level *l = &s->levels[s->n_levels];
			uint64_t limit = UINT64_MAX;

			if (l->limit >= 0)
				read_number(l->limit, &limit);
			/* An ancestor is watched where it has a limit; one set later is seen only
			 * when the scope is opened again. */
			if (s->n_levels == 0 || limit != UINT64_MAX)
				s->n_levels++;
			else
				close_level(l);
		}
		slash = strrchr(path, '/');
		if (slash == path && path[1] == '\0')
			return 0;
		slash[slash == path] = '\0';
		if (s->n_levels == SCOPE_LEVELS)
			return 0;
	}
}

int scope_add_cgroup(struct scope *s, unsigned policy, enum scope_kind kind,
		     const struct hierarchy *h, const char *path, const char *name, struct err *e)
{
	int r;

	memset(s, 0, sizeof(*s));
	no_descriptors(s);
	s->kind = kind;
	s->policy = policy;
	s->v2 = h->v2;
	snprintf(s->path, sizeof(s->path), "%s", path);
	snprintf(s->name, sizeof(s->name), "%s", name);
	/* A mount that shows only a part of the hierarchy (a container without a cgroup namespace)
	 * leaves the rest out of its paths, /proc/PID/cgroup does not. */
	snprintf(s->proc_path, sizeof(s->proc_path), "%s%s",
		 h->root[1] && strncmp(h->root, "/..", 3) != 0 ? h->root : "",
		 path[1] || !h->root[1] ? path : "");
	s->dir = openat(h->fd, path[1] ? path + 1 : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return err_set(e, errno, "%s%s: %s", h->mount, path, strerror(errno));
	r = open_levels(s, h, e);
	if (r < 0) {
		scope_close(s);
		return r;
	}
	if (s->v2) {
		s->swap_usage = open_in(s->dir, "memory.swap.current");
		s->swap_limit = open_in(s->dir, "memory.swap.max");
	} else {
		s->swap_usage = open_in(s->dir, "memory.memsw.usage_in_bytes");
		s->swap_limit = open_in(s->dir, "memory.memsw.limit_in_bytes");
		s->oom_control = open_in(s->dir, "memory.oom_control");
	}
	return 0;
}

void scope_close(struct scope *s)
{
	int *fds[] = {&s->dir, &s->swap_usage, &s->swap_limit, &s->oom_control, &s->threshold};

	for (unsigned i = 0; i < s->n_levels; i++)
		close_level(&s->levels[i]);
	s->n_levels = 0;
	for (unsigned i = 0; i < 5; i++) {
		cleanup_fd(fds[i]);
		*fds[i] = -1;
	}
}

/* What of memory.stat counts; v1 has the same keys with and without total_, and the group with its
 * children is what the limit is about. */
struct stat_values {
	uint64_t inactive_file, active_file, shmem, anon, slab_reclaimable, kernel, refault;
};

static uint64_t *stat_slot(struct stat_values *v, const char *key, size_t n)
{
	static const struct {
		const char *key;
		size_t at;
	} keys[] = {
		{"inactive_file", offsetof(struct stat_values, inactive_file)},
		{"active_file", offsetof(struct stat_values, active_file)},
		{"shmem", offsetof(struct stat_values, shmem)},
		{"anon", offsetof(struct stat_values, anon)},
		{"rss", offsetof(struct stat_values, anon)},
		{"slab_reclaimable", offsetof(struct stat_values, slab_reclaimable)},
		{"slab_unreclaimable", offsetof(struct stat_values, kernel)},
		{"kernel_stack", offsetof(struct stat_values, kernel)},
		{"pagetables", offsetof(struct stat_values, kernel)},
		{"workingset_refault", offsetof(struct stat_values, refault)},
		{"workingset_refault_anon", offsetof(struct stat_values, refault)},
		{"workingset_refault_file", offsetof(struct stat_values, refault)},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strlen(keys[i].key) == n && memcmp(keys[i].key, key, n) == 0)
			return (uint64_t *)((char *)v + keys[i].at);
	}
	return NULL;
}

static int read_stat(int fd, bool v2, struct stat_values *v, char *buf, size_t cap)
{
	char *pos = buf, *line;
	ssize_t n = read_open(fd, buf, cap);

	if (n < 0)
		return (int)n;
	*v = (struct stat_values){0};
	while ((line = next_line(&pos))) {
		uint64_t *to, x = 0;
		char *space = strchr(line, ' ');

		if (!space)
			continue;
		if (!v2) {
			if (strncmp(line, "total_", 6) != 0)
				continue;
			line += 6;
		}
		to = stat_slot(v, line, (size_t)(space - line));
		if (!to)
			continue;
		for (space++; *space >= '0' && *space <= '9'; space++)
			x = x * 10 + (uint64_t)(*space - '0');
		*to += x;
	}
	return 0;
}

/* How often the group ran into its limit: v1 counts them in failcnt, v2 in memory.events "max". */
static uint64_t read_hits(const struct scope *s)
{
	char text[256], *pos = text, *line;
	uint64_t v = 0;

	if (s->levels[0].events < 0)
		return 0;
	if (!s->v2)
		return read_number(s->levels[0].events, &v) == 0 ? v : 0;
	if (read_open(s->levels[0].events, text, sizeof(text)) < 0)
		return 0;
	while ((line = next_line(&pos))) {
		unsigned long long x;

		if (find_key_u64(line, "max", &x) == 0)
			return x;
	}
	return 0;
}

static bool read_under_oom(const struct scope *s)
{
	char text[128];
	const char *at;

	if (s->oom_control < 0 || read_open(s->oom_control, text, sizeof(text)) < 0)
		return false;
	at = strstr(text, "under_oom 1");
	return at != NULL;
}

static void read_swap(struct scope *s, const struct machine *m)
{
	uint64_t use = 0, limit = UINT64_MAX;

	s->swap_free = m->swap_free;
	s->swap_total = m->swap_total;
	if (!m->swap_total || s->swap_limit < 0 || read_number(s->swap_limit, &limit) < 0 ||
	    limit == UINT64_MAX || s->swap_usage < 0 || read_number(s->swap_usage, &use) < 0)
		return;
	if (!s->v2) {
		/* memory and swap in one: what is beyond the memory limit is for swap */
		uint64_t memory = s->levels[0].limit_bytes;

		limit = limit > memory ? limit - memory : 0;
		use = use > s->usage ? use - s->usage : 0;
	}
	if (limit < s->swap_total)
		s->swap_total = limit;
	if (limit - (use < limit ? use : limit) < s->swap_free)
		s->swap_free = limit - (use < limit ? use : limit);
}

static void count(struct scope *s, uint64_t refault, uint64_t hits, uint64_t now)
{
	double dt = (double)(now - s->deep_ns) / NSEC_PER_SEC;

	if (s->deep_ns && dt > 0 && dt < 5) {
		double r = refault > s->refaults ? (double)(refault - s->refaults) * 4096 : 0;
		double d = hits > s->hits ? (double)(hits - s->hits) : 0;

		average_add(&s->refault, r / dt / ((double)s->file_lru + 4194304), dt, TAU);
		average_add(&s->stall, d / dt, dt, TAU);
	} else {
		s->refault.any = s->stall.any = false;
	}
	s->refaults = refault;
	s->hits = hits;
	s->deep_ns = now;
}

/* The binding level: the one with the least to have. */
static int read_levels(struct scope *s, const struct machine *m, bool deep, char *buf, size_t cap,
		       struct stat_values *own)
{
	s->total = m->total;
	s->available = m->available;
	s->binding = -1;
	for (unsigned i = 0; i < s->n_levels; i++) {
		struct scope_level *l = &s->levels[i];
		struct stat_values v = {0};
		uint64_t usage, back, have;
		int r = read_number(l->usage, &usage);

		if (r < 0)
			return r;
		if (l->limit >= 0 && read_number(l->limit, &l->limit_bytes) < 0)
			l->limit_bytes = UINT64_MAX;
		if (i == 0)
			s->usage = usage;
		if (deep) {
			r = read_stat(l->stat, s->v2, &v, buf, cap);
			if (r < 0)
				return r;
			if (i == 0)
				*own = v;
		}
		if (l->limit_bytes == UINT64_MAX || l->limit_bytes == 0)
			continue;
		/* A file set that is in use is given back only at the price of refaults. */
		back = v.inactive_file + v.active_file / 2 + v.slab_reclaimable / 2;
		usage -= back < usage ? back : usage;
		have = l->limit_bytes > usage ? l->limit_bytes - usage : 0;
		if ((double)have / (double)l->limit_bytes <
		    (double)s->available / (double)s->total) {
			s->available = have;
			s->total = l->limit_bytes;
			s->binding = (int)i;
		}
	}
	return 0;
}

int scope_read(struct scope *s, const struct machine *m, uint64_t now, bool deep, char *buf,
	       size_t cap)
{
	struct stat_values v = {0};
	double dt = (double)(now - s->read_ns) / NSEC_PER_SEC;
	bool comparable = s->read_ns && now > s->read_ns;
	uint64_t use;
	int r;

	if (s->kind == SCOPE_NODE)
		return 0;
	r = read_levels(s, m, deep, buf, cap, &v);
	if (r < 0)
		return r;
	read_swap(s, m);
	s->under_oom = read_under_oom(s);
	if (deep) {
		s->file_lru = v.inactive_file + v.active_file;
		s->inactive_file = v.inactive_file;
		if (s->deep_ns && now > s->deep_ns) {
			double since = (double)(now - s->deep_ns) / NSEC_PER_SEC;

			average_add(&s->shmem_growth, ((double)v.shmem - (double)s->shmem) / since,
				    since, TAU);
		}
		s->shmem = v.shmem;
		s->anon = v.anon;
		s->kernel = v.kernel;
		count(s, v.refault, read_hits(s), now);
	}
	/* Without memory.stat there is only the usage, page cache and all. */
	use = (deep ? s->total - s->available : s->usage) + s->swap_total - s->swap_free;
	if (comparable) {
		/* only like is compared with like */
		double x = deep == s->deep && s->binding == s->last_binding
				   ? (double)use - (double)s->last_use
				   : (double)s->usage - (double)s->last_usage;

		average_add(&s->use, x / dt, dt, TAU);
		average_add(&s->use_fast, x / dt, dt, TAU_FAST);
	}
	s->deep = deep;
	s->last_binding = s->binding;
	s->last_use = use;
	s->last_usage = s->usage;
	s->read_ns = now;
	return 0;
}

double scope_consumption(const struct scope *s, const struct machine *m)
{
	double v = s->use.value > s->use_fast.value ? s->use.value : s->use_fast.value;

	return s->kind == SCOPE_NODE ? machine_consumption(m) : v > 0 ? v : 0;
}

double scope_shmem_growth(const struct scope *s, const struct machine *m)
{
	return s->kind == SCOPE_NODE ? m->shmem_growth.value : s->shmem_growth.value;
}

uint64_t scope_shmem(const struct scope *s, const struct machine *m)
{
	return s->kind == SCOPE_NODE ? m->shmem : s->shmem;
}

uint64_t scope_anon(const struct scope *s, const struct machine *m)
{
	return s->kind == SCOPE_NODE ? m->anon : s->anon;
}

uint64_t scope_total(const struct scope *s, const struct machine *m)
{
	return s->kind == SCOPE_NODE ? m->total : s->total;
}

uint64_t scope_available(const struct scope *s, const struct machine *m)
{
	return s->kind == SCOPE_NODE ? m->available + m->swap_free : s->available + s->swap_free;
}

uint64_t scope_used(const struct scope *s, const struct machine *m)
{
	if (s->kind == SCOPE_NODE)
		return m->total - m->available + m->swap_total - m->swap_free;
	return s->usage + s->swap_total - s->swap_free;
}

void scope_features(const struct scope *s, const struct machine *m, struct features *ret)
{
	double v = scope_consumption(s, m), left, evidence;

	machine_features(m, ret);
	if (s->kind == SCOPE_NODE)
		return;
	left = (double)s->available - 0.02 * (double)s->total + (double)s->swap_free;
	ret->available = s->total ? (double)s->available / (double)s->total : 0;
	ret->refault = s->refault.any ? s->refault.value : -1;
	ret->stall = s->stall.any ? s->stall.value : -1;
	/* The machine's CPU time is this group's only as far as it is being reclaimed. */
	evidence = ret->refault / 0.1 > 1 ? 1 : ret->refault / 0.1;
	ret->busy = evidence > 0 && ret->busy > 0 ? ret->busy * evidence : 0;
	ret->kswapd = -1;
	ret->tte_s = v <= 0 ? INFINITY : left > 0 ? left / v : 0;
	ret->swap_free = s->swap_total ? (double)s->swap_free / (double)s->swap_total : 0;
	ret->consuming = v > (double)s->total / 1000;
	ret->under_oom = s->under_oom;
}

int scope_threshold(struct scope *s, double share)
{
	_cleanup_fd_ int control = -1;
	uint64_t limit = UINT64_MAX;
	char text[96];
	int n;

	if (s->kind == SCOPE_NODE || s->v2)
		return -EOPNOTSUPP;
	for (unsigned i = 0; i < s->n_levels; i++) {
		if (read_number(s->levels[i].limit, &limit) == 0 && limit != UINT64_MAX)
			break;
	}
	if (limit == UINT64_MAX)
		return -ENOENT;
	control = openat(s->dir, "cgroup.event_control", O_WRONLY | O_CLOEXEC);
	if (control < 0)
		return -errno;
	if (s->threshold < 0)
		s->threshold = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s->threshold < 0)
		return -errno;
	n = snprintf(text, sizeof(text), "%d %d %llu", s->threshold, s->levels[0].usage,
		     (unsigned long long)((double)limit * share));
	return write(control, text, (size_t)n) == n ? 0 : -errno;
}
