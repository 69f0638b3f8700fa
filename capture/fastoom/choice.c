/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "choice.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/proc.h"
#include "sys.h"

#define PF_EXITING 0x00000004U
#define PF_KTHREAD 0x00200000U
#define IDENTITY_NS (50 * NSEC_PER_MSEC)

const char *why_not_text(enum why_not why)
{
	static const char *const texts[NOT_REASONS] = {
		"too small to help",
		"on the allowlist",
		"oom_score_adj is -1000",
		"the guard itself, one of its ancestors, or the system's first process",
		"first process of a pod",
		"its command line cannot be read, so the allowlist cannot be asked",
		"already killed, and not gone yet",
		"already exiting",
		"works for a running capture",
		"already exiting, its memory is being given back",
	};

	return texts[why];
}

static ssize_t read_of(const struct chooser *c, pid_t pid, const char *name, char *buf, size_t cap)
{
	char path[40];
	ssize_t n = read_file_at(c->root->proc_fd, pid_path(path, pid, name), buf, cap);

	return n == -E2BIG ? (ssize_t)cap - 1 : n;
}

static int stat_of(const struct chooser *c, pid_t pid, struct proc_stat *ret)
{
	char text[768];
	ssize_t n = read_of(c, pid, "stat", text, sizeof(text));

	return n < 0 ? (int)n : parse_proc_stat(text, (size_t)n, ret);
}

static uint64_t heap_in(const struct chooser *c, const char *statm)
{
	struct proc_statm s;

	if (parse_proc_statm(statm, &s) < 0 || s.resident <= s.shared)
		return 0;
	return (s.resident - s.shared) * c->page;
}

static int find_ancestors(struct chooser *c)
{
	struct proc_stat st;
	pid_t pid = c->self;

	c->n_ancestors = 0;
	while (c->n_ancestors < CHOICE_ANCESTORS && pid > 1 && stat_of(c, pid, &st) == 0) {
		pid = st.ppid;
		c->ancestors[c->n_ancestors++] = pid;
	}
	return 0;
}

int chooser_init(struct chooser *c, const struct sysroot *root, struct readers *readers, pid_t self)
{
	long page = sysconf(_SC_PAGESIZE);

	memset(c, 0, sizeof(*c));
	c->root = root;
	c->readers = readers;
	c->self = self;
	c->page = page > 0 ? (uint64_t)page : 4096;
	c->proc_dir = openat(root->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->proc_dir < 0)
		return -errno;
	return find_ancestors(c);
}

static bool is_excluded(const struct chooser *c, pid_t pid)
{
	for (unsigned i = 0; i < c->n_excluded; i++) {
		if (c->excluded[i].pid == pid)
			return true;
	}
	return false;
}

static bool is_own(const struct chooser *c, pid_t pid)
{
	if (pid <= 2 || pid == c->self)
		return true;
	for (unsigned i = 0; i < c->n_ancestors; i++) {
		if (c->ancestors[i] == pid)
			return true;
	}
	return false;
}

static int adj_of(const struct chooser *c, pid_t pid)
{
	char text[16];

	return read_of(c, pid, "oom_score_adj", text, sizeof(text)) < 0
		       ? 0
		       : (int)strtol(text, NULL, 10);
}

/* The capture tool offers itself to the OOM killer, and everything it starts with it.  Its parent
 * process is the one to talk to. */
static bool is_capture(const struct chooser *c, const struct proc_stat *st, int adj)
{
	return strcmp(st->comm, "ossnap-capture") == 0 && adj >= CHOICE_ADJ_FIRST;
}

static bool works_for_capture(const struct chooser *c, const struct proc_stat *st)
{
	struct proc_stat parent;

	return stat_of(c, st->ppid, &parent) == 0 && strcmp(parent.comm, st->comm) == 0;
}

struct other_thread {
	pid_t leader;
	char statm[32]; /* "TID/statm" */
};

static int not_the_leader(void *ctx, const char *name)
{
	struct other_thread *t = ctx;

	if (strlen(name) > 10 || strtol(name, NULL, 10) == t->leader)
		return 0;
	snprintf(t->statm, sizeof(t->statm), "%.10s/statm", name);
	return 1;
}

/* A leader that has exited shows nothing, while its other threads hold the memory. */
static uint64_t zombie_heap(const struct chooser *c, pid_t pid, pid_t *ret_thread)
{
	struct other_thread t = {.leader = pid};
	char path[40], buf[1024];
	uint64_t heap = 0;
	int dir = openat(c->root->proc_fd, pid_path(path, pid, "task"),
			 O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return 0;
	each_name(dir, DT_DIR, buf, sizeof(buf), not_the_leader, &t);
	if (t.statm[0] && read_file_at(dir, t.statm, buf, sizeof(buf)) > 0) {
		heap = heap_in(c, buf);
		*ret_thread = (pid_t)strtol(t.statm, NULL, 10);
	}
	close(dir);
	return heap;
}

static bool pattern_hits(const struct pattern_pool *pool, unsigned pattern, const char *comm,
			 const struct identity *id)
{
	return pattern_match(pool, pattern, comm, strlen(comm)) ||
	       pattern_match(pool, pattern, id->cmdline, id->cmdline_len) ||
	       pattern_match(pool, pattern, id->exe, strlen(id->exe)) ||
	       pattern_match(pool, pattern, id->cgroup, strlen(id->cgroup));
}

/* Is it the first process of a pid namespace other than ours? */
static bool is_pod_init(const struct chooser *c, pid_t pid)
{
	char text[4096];
	const char *at, *end, *last;

	if (read_of(c, pid, "status", text, sizeof(text)) < 0)
		return false;
	at = strstr(text, "\nNSpid:");
	if (!at)
		return false;
	at += 7;
	end = at + strcspn(at, "\n");
	last = end;
	while (last > at && last[-1] != '\t' && last[-1] != ' ')
		last--;
	/* more than one number, and the innermost is 1 */
	return end - last == 1 && *last == '1' && strtol(at, NULL, 10) != 1;
}

static int ask_patterns(struct chooser *c, struct candidate *v, struct identity *id,
			struct spared *why)
{
	const struct pattern_pool *pool = &c->config->pool;
	int r = 0;

	if (c->policy->n_avoid || c->policy->n_prefer)
		r = identity_of(c->readers, v->speaker, IDENTITY_NS, id);
	if (r < 0 && c->policy->n_avoid) {
		why->why = NOT_UNREADABLE;
		return -EPERM;
	}
	for (unsigned i = 0; i < c->policy->n_avoid; i++) {
		if (pattern_hits(pool, c->policy->avoid[i], v->comm, id)) {
			why->why = NOT_AVOID;
			why->pattern = c->policy->avoid[i];
			return -EPERM;
		}
	}
	v->tier = c->policy->n_prefer;
	for (unsigned i = 0; i < c->policy->n_prefer; i++) {
		if (pattern_hits(pool, c->policy->prefer[i], v->comm, id)) {
			v->tier = (uint8_t)i;
			break;
		}
	}
	return 0;
}

static int refuse(struct spared *why, enum why_not reason)
{
	why->why = reason;
	return -EPERM;
}

static int consider_with(struct chooser *c, pid_t pid, struct candidate *v, struct identity *id,
			 struct spared *why)
{
	struct proc_stat st;
	char text[128];
	int r;

	if (read_of(c, pid, "statm", text, sizeof(text)) < 0)
		return -ENOENT;
	*v = (struct candidate){.pid = pid, .speaker = pid, .heap = heap_in(c, text)};
	*why = (struct spared){.pid = pid, .pattern = -1};
	/* Kernel threads, zombies and who is in the middle of exiting have an empty statm. */
	if (v->heap == 0 && text[0] == '0') {
		if (stat_of(c, pid, &st) < 0)
			return -ENOENT;
		if ((st.flags & (PF_EXITING | PF_KTHREAD)) == PF_EXITING && st.state != 'Z' &&
		    st.state != 'X')
			return refuse(why, NOT_FREEING);
		if (st.state != 'Z' || st.num_threads < 2)
			return -ENOENT;
		v->heap = zombie_heap(c, pid, &v->speaker);
	}
	why->heap = v->heap;
	/* Nobody frees enough below this, whoever it is. */
	if (v->heap < (c->floor < MIB ? c->floor : MIB))
		return refuse(why, NOT_SMALL);
	r = stat_of(c, pid, &st);
	if (r < 0)
		return -ENOENT;
	if (st.flags & PF_KTHREAD)
		return -ENOENT;
	v->starttime = st.starttime;
	v->pgrp = st.pgrp;
	v->parent = st.ppid;
	memcpy(v->comm, st.comm, sizeof(v->comm));
	memcpy(why->comm, st.comm, sizeof(why->comm));
	v->adj = adj_of(c, pid);
	v->capture = is_capture(c, &st, v->adj);
	if (v->capture && works_for_capture(c, &st))
		return refuse(why, NOT_CAPTURE);
	v->ours = v->capture && is_own(c, pid);
	if (is_own(c, pid) && !v->ours)
		return refuse(why, NOT_SELF);
	if (is_excluded(c, pid))
		return refuse(why, NOT_DYING);
	if ((st.flags & PF_EXITING) && st.state != 'Z')
		return refuse(why, NOT_LEAVING);
	if (v->adj == -1000)
		return refuse(why, NOT_PROTECTED);
	v->first = v->adj >= CHOICE_ADJ_FIRST;
	r = ask_patterns(c, v, id, why);
	if (r < 0)
		return r;
	if (!v->first && v->tier == c->policy->n_prefer && v->heap < c->floor)
		return refuse(why, NOT_SMALL);
	if (c->policy->spare_pid1 && is_pod_init(c, pid))
		return refuse(why, NOT_PID1);
	return 0;
}

int consider(struct chooser *c, pid_t pid, struct candidate *ret, struct spared *ret_why)
{
	static const struct identity nothing;
	struct identity id;

	memcpy(&id, &nothing, sizeof(id));
	return consider_with(c, pid, ret, &id, ret_why);
}

static bool goes_before(const struct candidate *a, const struct candidate *b)
{
	if (a->capture != b->capture)
		return a->capture;
	if (a->first != b->first)
		return a->first;
	if (a->tier != b->tier)
		return a->tier < b->tier;
	return a->heap > b->heap;
}

static void insert(struct choice *out, const struct candidate *v)
{
	unsigned at = out->n;

	for (unsigned i = 0; i < out->n; i++) {
		/* one that moves between groups while they are walked is met twice */
		if (out->top[i].pid == v->pid)
			return;
	}
	while (at > 0 && goes_before(v, &out->top[at - 1]))
		at--;
	out->eligible++;
	out->eligible_heap += v->heap;
	if (at == CHOICE_MAX)
		return;
	if (out->n < CHOICE_MAX)
		out->n++;
	memmove(&out->top[at + 1], &out->top[at], (out->n - 1 - at) * sizeof(*v));
	out->top[at] = *v;
}

/* A capture may itself be small while its children are not, and its end is theirs. */
static int consider_capture(struct chooser *c, pid_t pid, struct candidate *ret)
{
	uint64_t floor = c->floor;
	struct spared why;
	int r;

	c->floor = 0;
	r = consider(c, pid, ret, &why);
	c->floor = floor;
	return r < 0 ? r : ret->capture ? 0 : -ENOENT;
}

static int one_pid(void *ctx, pid_t pid)
{
	struct chooser *c = ctx;
	struct choice *out = c->out;
	struct candidate v;
	struct spared why;
	int r;

	out->seen++;
	r = consider(c, pid, &v, &why);
	if (r == 0) {
		insert(out, &v);
	} else if (r == -EPERM && why.why == NOT_CAPTURE &&
		   consider_capture(c, v.parent, &v) == 0) {
		insert(out, &v);
	} else if (r == -EPERM) {
		out->not_counts[why.why]++;
		out->not_heap[why.why] += why.heap;
		if (why.why != NOT_SMALL && why.why != NOT_LEAVING && why.why != NOT_FREEING &&
		    why.heap > out->spared.heap)
			out->spared = why;
		if (c->listen)
			c->listen(c->listen_ctx, &why);
	}
	return 0;
}

uint64_t worth_floor(uint64_t need, uint64_t total)
{
	/* In a small group 16 MiB are a lot. */
	uint64_t least = total / 32 < 16 * MIB ? total / 32 : 16 * MIB;

	return need / 16 > least ? need / 16 : least;
}

int choose(struct chooser *c, const struct config *config, const struct scope *scope, uint64_t need,
	   uint64_t total, struct choice *ret)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	int r;

	memset(ret, 0, sizeof(*ret));
	c->config = config;
	c->policy = &config->policies[scope->policy];
	c->scope = scope;
	c->floor = worth_floor(need, total);
	c->out = ret;
	find_ancestors(c);
	r = each_pid(c, scope, one_pid, c);
	for (unsigned i = 0; i < c->n_ancestors; i++) {
		struct candidate v;

		if (consider_capture(c, c->ancestors[i], &v) == 0)
			insert(ret, &v);
	}
	ret->took_ns = clock_ns(CLOCK_MONOTONIC) - start;
	return r;
}

static bool inside(const struct scope *scope, const struct identity *id)
{
	size_t n = strlen(scope->proc_path);

	if (scope->kind == SCOPE_NODE || n <= 1)
		return true;
	return strncmp(id->cgroup, scope->proc_path, n) == 0 &&
	       (id->cgroup[n] == '/' || id->cgroup[n] == '\0');
}

int confirm(struct chooser *c, const struct candidate *v, struct identity *ret,
	    struct spared *ret_why)
{
	uint64_t floor = c->floor;
	struct candidate now;
	int r;

	ret->cmdline[0] = ret->exe[0] = ret->cgroup[0] = '\0';
	ret->cmdline_len = 0;
	if (v->capture)
		c->floor = 0;
	r = consider_with(c, v->pid, &now, ret, ret_why);
	c->floor = floor;
	if (r < 0)
		return r;
	if (now.starttime != v->starttime)
		return -ESRCH;
	/* For the record; the allowlist has been asked already. */
	if (!c->policy->n_avoid && !c->policy->n_prefer)
		identity_of(c->readers, now.speaker, IDENTITY_NS, ret);
	if (ret->cgroup[0] && !inside(c->scope, ret))
		return -ESRCH;
	return 0;
}
