/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which processes' heaps are looked at. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/proc.h"
#include "../collectors/hierarchy.h"
#include "../collectors/pids.h"

#define STATUS_CAP 8192
#define LEAST (16ULL << 20)	  /* a heap below this explains nobody's memory */
#define RISING_LEAST (2ULL << 20) /* grown since the start */
#define LARGEST_MAX 8u		  /* places for the largest; the others are for those that rise */

struct candidate {
	uint32_t pid;
	bool asked;
	uint64_t anon;
};

static ssize_t read_of(const struct collect *c, uint32_t pid, const char *file, char *buf,
		       size_t cap)
{
	char path[48];

	snprintf(path, sizeof(path), "%u/%s", pid, file);
	return read_file_at(c->root->proc_fd, path, buf, cap);
}

static bool kb_after(const char *text, const char *key, uint64_t *ret)
{
	unsigned long long v;

	if (find_key_u64(text, key, &v) < 0)
		return false;
	*ret = v << 10;
	return true;
}

static bool read_stat(const struct collect *c, uint32_t pid, struct proc_stat *ret)
{
	char buf[1024];
	ssize_t n = read_of(c, pid, "stat", buf, sizeof(buf));

	return n > 0 && parse_proc_stat(buf, (size_t)n, ret) == 0;
}

bool subject_status(const struct subject *s, const struct collect *c, uint64_t *ret_anon,
		    uint64_t *ret_swap)
{
	char buf[STATUS_CAP];
	struct proc_stat stat;

	if (read_of(c, s->pid, "status", buf, sizeof(buf)) <= 0 ||
	    !kb_after(buf, "RssAnon", ret_anon) || !kb_after(buf, "VmSwap", ret_swap))
		return false;
	return read_stat(c, s->pid, &stat) && stat.starttime == s->starttime;
}

static bool in_group(const struct subjects *s, const struct collect *c, uint32_t pid)
{
	char buf[STATUS_CAP];

	if (!s->narrowed)
		return true;
	if (read_of(c, pid, "cgroup", buf, sizeof(buf)) <= 0)
		return false;
	for (int v2 = 0; v2 < 2; v2++) {
		char path[4096];
		size_t len;
		const char *text = hierarchy_of_process(buf, v2, &len);

		if (!text || len >= sizeof(path))
			continue;
		memcpy(path, text, len);
		path[len] = 0;
		if (hierarchy_below(path, s->group))
			return true;
	}
	return false;
}

/* Largest first, those asked for before all. */
static void keep(struct candidate *rows, size_t *count, struct candidate new, size_t most,
		 uint64_t *smaller)
{
	size_t at = *count;

	while (at && (new.asked > rows[at - 1].asked ||
		      (new.asked == rows[at - 1].asked &&new.anon > rows[at - 1].anon)))
		at--;
	if (*count == most)
		++*smaller;
	if (at >= most)
		return;
	if (*count < most)
		++*count;
	memmove(&rows[at + 1], &rows[at], (*count - 1 - at) * sizeof(*rows));
	rows[at] = new;
}

static bool is_attached(const struct capture_options *o, uint32_t pid)
{
	for (size_t i = 0; i < o->heap_count; i++)
		if ((uint32_t)o->heap[i] == pid)
			return true;
	return false;
}

static bool is_asked(const struct capture_options *o, uint32_t pid)
{
	return is_attached(o, pid) || (o->pid > 0 && (uint32_t)o->pid == pid);
}

/* Anonymous bytes, about: statm is several times cheaper than status.  False: none of its own. */
static bool size_of(const struct collect *c, uint32_t pid, uint64_t *ret_anon)
{
	struct proc_statm m;
	char buf[256];

	/* Our own and the parent's heap are the observer's business. */
	if (pid == (uint32_t)getpid() || pid == (uint32_t)getppid())
		return false;
	if (read_of(c, pid, "statm", buf, sizeof(buf)) <= 0 || parse_proc_statm(buf, &m) < 0 ||
	    !m.size)
		return false;
	*ret_anon = m.resident > m.shared ? (m.resident - m.shared) * REMOTE_PAGE : 0;
	return true;
}

static bool is_subject(const struct subjects *s, uint32_t pid)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->rows[i].pid == pid)
			return true;
	return false;
}

static uint64_t first_size(const struct subjects *s, uint32_t pid)
{
	size_t low = 0, high = s->seen_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->seen[mid].pid < pid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->seen_count && s->seen[low].pid == pid
		       ? (uint64_t)s->seen[low].pages * REMOTE_PAGE
		       : 0;
}

/* What the rows are, once it is known which. */
static void take(struct subjects *s, const struct collect *c, const struct candidate *rows,
		 size_t count)
{
	for (size_t i = 0; i < count && s->count < SUBJECTS_MAX; i++) {
		struct subject *x = &s->rows[s->count];
		struct proc_stat stat;

		if (!read_stat(c, rows[i].pid, &stat))
			continue;
		*x = (struct subject){.pid = rows[i].pid,
				      .starttime = stat.starttime,
				      .asked = rows[i].asked,
				      .attach = is_attached(c->options, rows[i].pid),
				      .one_in = 1};
		memcpy(x->comm, stat.comm, sizeof(x->comm));
		x->comm[sizeof(x->comm) - 1] = 0;
		s->count++;
	}
}

static int list(struct pids *ret, const struct collect *c)
{
	struct err e = {0};
	int r = pids_list(ret, c->options, c->root, &e);

	if (r < 0)
		emit_status(c->out, COLLECTOR_ERROR, e.no, "%s", e.text);
	return r;
}

static int narrow(struct subjects *s, const struct collect *c)
{
	struct hierarchy h[HIERARCHIES_MAX];
	int r;

	if (!c->options->cgroup)
		return 0;
	r = hierarchy_path(h, hierarchies_find(c->root, h), c->options->cgroup, s->group,
			   sizeof(s->group));
	if (r < 0)
		emit_status(c->out, COLLECTOR_ERROR, -r, "--cgroup %s: %s", c->options->cgroup,
			    strerror(-r));
	s->narrowed = true;
	return r;
}

int subjects_choose(struct subjects *ret, const struct collect *c)
{
	struct candidate rows[SUBJECTS_MAX];
	struct pids pids = {0};
	size_t count = 0;
	int r = narrow(ret, c);

	if (r >= 0)
		r = list(&pids, c);
	if (r < 0)
		return r;
	ret->seen = calloc(pids.count + 1, sizeof(*ret->seen));
	for (size_t i = 0; i < pids.count && ret->seen; i++) {
		struct candidate new = {.pid = pids.pid[i],
					.asked = is_asked(c->options, pids.pid[i])};

		if (!size_of(c, new.pid, &new.anon))
			continue;
		ret->seen[ret->seen_count].pid = new.pid;
		ret->seen[ret->seen_count++].pages = (uint32_t)(new.anon / REMOTE_PAGE);
		if (new.asked || (new.anon >= LEAST &&in_group(ret, c, new.pid)))
			keep(rows, &count, new, LARGEST_MAX, &ret->smaller);
	}
	pids_release(&pids);
	if (!ret->seen)
		return -ENOMEM;
	take(ret, c, rows, count);
	return 0;
}

int subjects_choose_rising(struct subjects *s, const struct collect *c)
{
	struct candidate rows[SUBJECTS_MAX];
	struct pids pids = {0};
	size_t count = 0;
	uint64_t beyond = 0;
	int r;

	if (c->options->pid > 0)
		return 0;
	r = list(&pids, c);
	for (size_t i = 0; r >= 0 && i < pids.count; i++) {
		struct candidate new = {.pid = pids.pid[i]};
		uint64_t before;

		if (is_subject(s, new.pid) || !size_of(c, new.pid, &new.anon))
			continue;
		before = first_size(s, new.pid);
		new.anon = new.anon > before ? new.anon - before : 0;
		if (new.anon >= RISING_LEAST && in_group(s, c, new.pid))
			keep(rows, &count, new, SUBJECTS_MAX - s->count, &beyond);
	}
	pids_release(&pids);
	if (r < 0)
		return r;
	take(s, c, rows, count);
	return 0;
}

void subjects_free(struct subjects *s)
{
	for (size_t i = 0; i < s->count; i++)
		census_free(&s->rows[i].census);
	free(s->seen);
	s->seen = NULL;
	s->count = 0;
}
