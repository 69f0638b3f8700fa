/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tasks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "perf.h"

const struct tasks_limits tasks_default_limits = {
	.tasks = 16384, .maps = 65536, .processes = 16384, .threads = 32768, .path_bytes = 2 << 20};

#define MAPS_FIRST 8u
#define PATHS_MAX 32768

/* ------------------------------------------------------------------ sets of mappings */

static void maps_drop(struct tasks *t, struct task *task)
{
	struct task_maps *m = task->maps;

	task->maps = NULL;
	task->maps_serial++;
	if (!m || --m->shared_by)
		return;
	t->maps_in_use -= m->capacity;
	free(m->rows);
	free(m);
}

static struct task_maps *maps_new(struct tasks *t, uint32_t capacity)
{
	struct task_maps *m;

	if (t->maps_in_use + capacity > t->limits.maps)
		return NULL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->rows = malloc(capacity * sizeof(*m->rows));
	if (!m->rows) {
		free(m);
		return NULL;
	}
	m->capacity = capacity;
	m->shared_by = 1;
	t->maps_in_use += capacity;
	return m;
}

/* One of the task's own with room for more rows: they are about to change. */
static bool maps_writable(struct tasks *t, struct task *task, uint32_t more)
{
	struct task_maps *m = task->maps, *copy;
	uint32_t need = (m ? m->count : 0) + more, capacity = MAPS_FIRST;

	if (m && m->shared_by == 1 && need <= m->capacity)
		return true;
	while (capacity < need)
		capacity *= 2;
	copy = maps_new(t, capacity);
	if (!copy) {
		t->dropped_maps++;
		return false;
	}
	if (m) {
		memcpy(copy->rows, m->rows, m->count * sizeof(*m->rows));
		copy->count = m->count;
	}
	maps_drop(t, task);
	task->maps = copy;
	return true;
}

static void insert_row(struct task_maps *m, uint32_t at, const struct task_map *row)
{
	memmove(m->rows + at + 1, m->rows + at, (m->count - at) * sizeof(*m->rows));
	m->rows[at] = *row;
	m->count++;
}

/* Put in a mapping; what lay there before is no more, for nobody reports a munmap. */
static void maps_insert(struct tasks *t, struct task *task, const struct task_map *row)
{
	struct task_maps *m;
	uint32_t at = 0;

	if (row->start >= row->end || !maps_writable(t, task, 2))
		return;
	m = task->maps;
	task->maps_serial++;
	while (at < m->count && m->rows[at].end <= row->start)
		at++;
	if (at < m->count && m->rows[at].start < row->start) {
		struct task_map tail = m->rows[at];

		m->rows[at].end = row->start;
		at++;
		if (tail.end > row->end) { /* a hole in the middle of one */
			tail.offset += row->end - tail.start;
			tail.start = row->end;
			insert_row(m, at, &tail);
		}
	}
	uint32_t gone = at;

	while (gone < m->count && m->rows[gone].end <= row->end)
		gone++;
	memmove(m->rows + at, m->rows + gone, (m->count - gone) * sizeof(*m->rows));
	m->count -= gone - at;
	if (at < m->count && m->rows[at].start < row->end) {
		m->rows[at].offset += row->end - m->rows[at].start;
		m->rows[at].start = row->end;
	}
	insert_row(m, at, row);
}

struct task_map *tasks_find_map(const struct task *task, uint64_t address)
{
	struct task_maps *m = task->maps;
	uint32_t low = 0, high = m ? m->count : 0;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (address < m->rows[middle].start)
			high = middle;
		else if (address >= m->rows[middle].end)
			low = middle + 1;
		else
			return &m->rows[middle];
	}
	return NULL;
}

/* ------------------------------------------------------------------ tasks */

int tasks_init(struct tasks *t, const struct tasks_limits *limits, const struct sysroot *root,
	       pid_t capture_pid)
{
	int r;

	/* Room that is not used is not resident. */
	*t = (struct tasks){.limits = *limits,
			    .capture_pid = (uint32_t)capture_pid,
			    .tasks = calloc(limits->tasks, sizeof(*t->tasks)),
			    .free = calloc(limits->tasks, sizeof(*t->free)),
			    .rows = calloc(limits->processes, sizeof(*t->rows)),
			    .threads = calloc(limits->threads, sizeof(*t->threads))};
	if (!t->tasks || !t->free || !t->rows || !t->threads)
		return -ENOMEM;
	r = intmap_init(&t->by_pid, limits->tasks);
	if (!r)
		r = intmap_init(&t->by_tid, limits->threads);
	if (!r)
		r = strings_init(&t->paths, limits->path_bytes, PATHS_MAX);
	if (!r)
		r = procread_create(&t->procread, root);
	return r;
}

void tasks_deinit(struct tasks *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->tasks[i].used)
			maps_drop(t, &t->tasks[i]);
	helper_destroy(t->procread);
	strings_deinit(&t->paths);
	intmap_deinit(&t->by_pid);
	intmap_deinit(&t->by_tid);
	free(t->tasks);
	free(t->free);
	free(t->rows);
	free(t->threads);
	*t = (struct tasks){0};
}

static struct task *find(const struct tasks *t, uint32_t pid)
{
	uint32_t i = pid ? intmap_find(&t->by_pid, pid) : INTMAP_NONE;

	return i == INTMAP_NONE ? NULL : &t->tasks[i];
}

static void forget(struct tasks *t, struct task *task)
{
	maps_drop(t, task);
	intmap_remove(&t->by_pid, task->pid);
	*task = (struct task){0};
	t->free[t->free_count++] = (uint32_t)(task - t->tasks);
}

void tasks_sweep(struct tasks *t, uint64_t before_ns)
{
	for (size_t i = 0; t->tasks && i < t->count; i++)
		if (t->tasks[i].used && t->tasks[i].exited && t->tasks[i].exited_ns < before_ns)
			forget(t, &t->tasks[i]);
}

static struct task *create(struct tasks *t, uint32_t pid)
{
	struct task *task;
	uint32_t i;

	if (!t->tasks || !t->free)
		return NULL;
	if (!t->free_count && t->count >= t->limits.tasks)
		tasks_sweep(t, UINT64_MAX);
	if (t->free_count) {
		i = t->free[--t->free_count];
	} else if (t->count < t->limits.tasks) {
		i = (uint32_t)t->count++;
	} else {
		t->dropped_tasks++;
		return NULL;
	}
	task = &t->tasks[i];
	*task = (struct task){.used = true, .pid = pid};
	intmap_set(&t->by_pid, pid, i);
	return task;
}

/* ------------------------------------------------------------------ the kernel's records */

struct mmap2_body {
	uint32_t pid, tid;
	uint64_t addr, len, pgoff;
	uint32_t maj, min;
	uint64_t ino, ino_generation;
	uint32_t prot, flags;
	char filename[];
};
struct comm_body {
	uint32_t pid, tid;
	char comm[];
};
struct task_body { /* fork and exit */
	uint32_t pid, ppid, tid, ptid;
	uint64_t time;
};

static const void *body_of(const struct perf_event_header *h, size_t need)
{
	return h->size >= sizeof(*h) + need + sizeof(struct perf_trailer) ? h + 1 : NULL;
}

/* The NUL-terminated text at the end of a record, before the trailer. */
static size_t text_len(const struct perf_event_header *h, const char *text)
{
	return strnlen(text,
		       (size_t)((const char *)h + h->size - sizeof(struct perf_trailer) - text));
}

uint64_t tasks_event_time(const struct perf_event_header *h)
{
	struct perf_trailer trailer;

	if (h->type != PERF_RECORD_MMAP2 && h->type != PERF_RECORD_COMM &&
	    h->type != PERF_RECORD_FORK && h->type != PERF_RECORD_EXIT)
		return 0;
	if (h->size < sizeof(*h) + sizeof(trailer))
		return 0;
	memcpy(&trailer, (const char *)h + h->size - sizeof(trailer), sizeof(trailer));
	return trailer.time;
}

static void on_mmap2(struct tasks *t, const struct perf_event_header *h)
{
	const struct mmap2_body *b = body_of(h, sizeof(*b));
	struct task *task = b ? find(t, b->pid) : NULL;
	struct task_map row;
	uint32_t path;

	/* Of one whose mappings were never asked for, /proc will tell this one as well. */
	if (!task || (!task->maps && !task->exec))
		return;
	path = strings_add(&t->paths, b->filename, text_len(h, b->filename));
	if (path == UINT32_MAX) {
		t->dropped_maps++;
		return;
	}
	row = (struct task_map){.start = b->addr,
				.end = b->addr + b->len,
				.offset = b->pgoff,
				.ino = b->ino,
				.major = b->maj,
				.minor = b->min,
				.path = path};
	if (row.end > row.start)
		maps_insert(t, task, &row);
}

static void on_comm(struct tasks *t, const struct perf_event_header *h, uint32_t *ret_gone)
{
	const struct comm_body *b = body_of(h, sizeof(*b));
	struct task *task = b ? find(t, b->pid) : NULL;
	bool exec = h->misc & PERF_RECORD_MISC_COMM_EXEC;

	if (!b)
		return;
	if (exec && !task)
		task = create(t, b->pid);
	if (!task || (!exec && b->pid != b->tid))
		return;
	if (exec) {
		*ret_gone = b->pid;
		maps_drop(t, task);
		task->exec = true;
		task->asked = task->cgroup != 0;
		task->row = 0;
		task->exited = false;
	}
	snprintf(task->comm, sizeof(task->comm), "%.*s", (int)text_len(h, b->comm), b->comm);
	if (task->row && task->row <= t->row_count)
		memcpy(t->rows[task->row - 1].comm, task->comm, sizeof(task->comm));
}

bool tasks_event_fork(const struct perf_event_header *h, uint32_t *ret_parent, uint32_t *ret_pid)
{
	const struct task_body *b = h->type == PERF_RECORD_FORK ? body_of(h, sizeof(*b)) : NULL;

	if (!b || b->pid == b->ppid)
		return false;
	*ret_parent = b->ppid;
	*ret_pid = b->pid;
	return true;
}

bool tasks_event_end(const struct perf_event_header *h, uint32_t *ret_pid, bool *ret_exec)
{
	const struct comm_body *c = h->type == PERF_RECORD_COMM ? body_of(h, sizeof(*c)) : NULL;
	const struct task_body *b = h->type == PERF_RECORD_EXIT ? body_of(h, sizeof(*b)) : NULL;

	if (c && h->misc & PERF_RECORD_MISC_COMM_EXEC) {
		*ret_pid = c->pid;
		*ret_exec = true;
		return true;
	}
	if (!b || b->pid != b->tid)
		return false;
	*ret_pid = b->pid;
	*ret_exec = false;
	return true;
}

static void on_fork(struct tasks *t, const struct perf_event_header *h)
{
	const struct task_body *b = body_of(h, sizeof(*b));
	struct task *parent, *task;

	/* What is known of an earlier thread of that number holds until now: its last samples come
	 * after its end. */
	if (b)
		intmap_remove(&t->by_tid, b->tid);
	if (!b || b->pid == b->ppid) /* a thread */
		return;
	task = find(t, b->pid);
	if (task)
		forget(t, task);
	parent = find(t, b->ppid);
	/* Of an unknown parent nothing is known that /proc would not say, should the child last. */
	if (!parent || (!parent->maps && !parent->exec))
		return;
	task = create(t, b->pid);
	if (!task)
		return;
	task->ppid = b->ppid;
	task->exec = parent->exec;
	task->asked = parent->asked;
	task->cgroup = parent->cgroup;
	task->own = parent->own;
	memcpy(task->comm, parent->comm, sizeof(task->comm));
	task->maps = parent->maps;
	if (task->maps)
		task->maps->shared_by++;
}

void tasks_event(struct tasks *t, const struct perf_event_header *h, uint32_t *ret_gone)
{
	const struct task_body *b;
	struct task *task;

	*ret_gone = 0;
	switch (h->type) {
	case PERF_RECORD_MMAP2:
		on_mmap2(t, h);
		break;
	case PERF_RECORD_COMM:
		on_comm(t, h, ret_gone);
		break;
	case PERF_RECORD_FORK:
		on_fork(t, h);
		break;
	case PERF_RECORD_EXIT:
		b = body_of(h, sizeof(*b));
		if (!b)
			break;
		if (b->pid != b->tid)
			break;
		*ret_gone = b->pid;
		task = find(t, b->pid);
		/* Samples of its last moments may still come. */
		if (task) {
			task->exited = true;
			task->exited_ns = tasks_event_time(h);
		}
		break;
	default:
		break;
	}
}

/* ------------------------------------------------------------------ /proc */

static bool take_hex(const char **p, char after, uint64_t *ret)
{
	char *end;

	*ret = strtoull(*p, &end, 16);
	if (end == *p || *end != after)
		return false;
	*p = end + 1;
	return true;
}

/* "55d0c8a00000-55d0c8a02000 r-xp 00001000 fe:00 1234    /usr/bin/x" */
static void take_line(struct tasks *t, struct task *task, const char *p, const char *end)
{
	struct task_map row = {0};
	uint64_t major, minor;
	char *next;

	if (!take_hex(&p, '-', &row.start) || !take_hex(&p, ' ', &row.end) || end - p < 5)
		return;
	p += 5;
	if (!take_hex(&p, ' ', &row.offset) || !take_hex(&p, ':', &major) ||
	    !take_hex(&p, ' ', &minor))
		return;
	row.major = (uint32_t)major;
	row.minor = (uint32_t)minor;
	row.ino = strtoull(p, &next, 10);
	for (p = next; p < end && *p == ' '; p++)
		;
	row.path = strings_add(&t->paths, p, (size_t)(end - p));
	if (row.path == UINT32_MAX)
		t->dropped_maps++;
	else
		maps_insert(t, task, &row);
}

static void ask_proc(struct tasks *t, struct task *task)
{
	struct procread_answer *a;
	int r = procread_ask(t->procread, (pid_t)task->pid, &a);

	task->asked = true;
	if (r < 0) {
		t->unreadable++;
		return;
	}
	task->ppid = (uint32_t)a->ppid;
	task->cgroup = strings_add(&t->paths, a->cgroup, strlen(a->cgroup));
	/* Until now it may have been called after the thread that was sampled first. */
	if (a->comm[0] && !task->exec)
		memcpy(task->comm, a->comm, sizeof(task->comm));
	if (!task->maps && !task->exec && maps_writable(t, task, MAPS_FIRST)) {
		const char *p = a->text, *end = a->text + a->len;

		while (p < end) {
			const char *newline = memchr(p, '\n', (size_t)(end - p));

			if (!newline)
				break;
			take_line(t, task, p, newline);
			p = newline + 1;
		}
	}
	t->dropped_maps += a->cut;
}

struct task *tasks_sampled(struct tasks *t, uint32_t pid, const char *comm, bool ask)
{
	struct task *task = find(t, pid);
	struct task_row *row;
	bool first;

	if (!task)
		task = create(t, pid);
	if (!task)
		return NULL;
	first = !task->row;
	if (first && t->row_count < t->limits.processes) {
		row = &t->rows[t->row_count++];
		task->row = (uint32_t)t->row_count;
		row->pid = pid;
	} else if (first) {
		t->dropped_rows++;
		return NULL;
	}
	if (!task->asked && ask) {
		ask_proc(t, task);
		first = true;
	}
	if (first) {
		row = &t->rows[task->row - 1];
		if (!task->comm[0])
			snprintf(task->comm, sizeof(task->comm), "%.15s", comm);
		memcpy(row->comm, task->comm, sizeof(row->comm));
		row->ppid = task->ppid;
		row->cgroup = task->cgroup;
		if (pid == t->capture_pid || task->ppid == t->capture_pid ||
		    task->ppid == (uint32_t)getpid())
			task->own = true;
		row->own = task->own;
	}
	/* The first stack of a process comes before the sample that knows a name. */
	row = &t->rows[task->row - 1];
	if (!row->comm[0] && comm[0])
		snprintf(row->comm, sizeof(row->comm), "%.15s", comm);
	return task;
}

uint32_t tasks_thread(struct tasks *t, const struct task *task, uint32_t tid, uint64_t cgroup,
		      const char *comm)
{
	uint32_t i = tid ? intmap_find(&t->by_tid, tid) : INTMAP_NONE;
	struct thread_row *row;

	if (i != INTMAP_NONE && t->threads[i].process == task->row &&
	    (!cgroup || !t->threads[i].cgroup || t->threads[i].cgroup == cgroup)) {
		row = &t->threads[i];
		row->cgroup = cgroup ? cgroup : row->cgroup;
		if (comm[0])
			snprintf(row->comm, sizeof(row->comm), "%.15s", comm);
		return i + 1;
	}
	if (!tid || t->thread_count >= t->limits.threads) {
		t->dropped_rows++;
		return 0;
	}
	i = (uint32_t)t->thread_count++;
	row = &t->threads[i];
	*row = (struct thread_row){.tid = tid, .process = task->row, .cgroup = cgroup};
	snprintf(row->comm, sizeof(row->comm), "%.15s", comm);
	intmap_set(&t->by_tid, tid, i);
	return i + 1;
}
