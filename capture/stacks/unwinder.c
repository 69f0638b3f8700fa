/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwinder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"

/* Files whose rows nearly every stack of a C program goes through, whatever it is. */
static const char *const usual[] = {"libc.so.", "libc-2", "libpthread", "ld-musl", "ld-linux"};

#define EVICT_NS (5 * NSEC_PER_SEC)
#define PUBLISH_MAX 4096u /* mappings of one process */

int unwinder_init(struct unwinder *u, struct tasks *t, const struct unwind_target *target,
		  const struct sysroot *root, struct stacks_row *rows, uint32_t max_rows,
		  uint32_t max_files)
{
	*u = (struct unwinder){.tasks = t,
			       .evicted_ns = clock_ns(CLOCK_MONOTONIC),
			       .target = *target,
			       .max_files = max_files,
			       .files = calloc(max_files, sizeof(*u->files)),
			       .queue = calloc(max_files, sizeof(*u->queue))};
	maker_init(&u->maker, root, rows, max_rows);
	if (!u->files || !u->queue)
		return -ENOMEM;
	return intmap_init(&u->by_file, max_files);
}

void unwinder_deinit(struct unwinder *u)
{
	maker_deinit(&u->maker);
	intmap_deinit(&u->by_file);
	free(u->files);
	free(u->queue);
	*u = (struct unwinder){.maker.fd = -1};
}

/* ------------------------------------------------------------------ files */

static bool is_vdso(const struct unwinder *u, const struct task_map *m)
{
	return !m->ino && !strcmp(strings_at(&u->tasks->paths, m->path), "[vdso]");
}

static uint64_t file_key(const struct task_map *m)
{
	uint64_t device = (uint64_t)m->major << 20 | m->minor;
	uint64_t key = (m->ino * 0x9fb21c651e98df25ULL) ^ (device * 0xd6e8feb86659fd93ULL);

	return key ? key : 1;
}

/* The file behind a mapping; NULL: none, it is code made at run time, or there is no room. */
static struct unwind_file *file_of(struct unwinder *u, const struct task *task, struct task_map *m)
{
	struct unwind_file *f;
	uint64_t key;
	uint32_t i;

	if (m->file)
		return &u->files[m->file - 1];
	if (!m->ino && !is_vdso(u, m))
		return NULL;
	key = file_key(m);
	i = intmap_find(&u->by_file, key);
	if (i == INTMAP_NONE) {
		if (u->file_count >= u->max_files || intmap_set(&u->by_file, key, u->file_count)) {
			u->dropped_files++;
			return NULL;
		}
		i = u->file_count++;
		u->files[i] = (struct unwind_file){
			.ino = m->ino, .major = m->major, .minor = m->minor, .path = m->path};
	}
	f = &u->files[i];
	if (f->state == UNWIND_UNKNOWN) {
		f->pid = task->pid;
		f->start = m->start;
		f->end = m->end;
	}
	m->file = i + 1;
	return f;
}

static void enqueue(struct unwinder *u, struct unwind_file *f)
{
	if (f->state != UNWIND_UNKNOWN)
		return;
	f->state = UNWIND_QUEUED;
	u->queue[(u->queue_first + u->queue_count++) % u->max_files] = (uint32_t)(f - u->files);
}

static void ask_next(struct unwinder *u, uint64_t now)
{
	struct unwind_file *f;
	struct maker_question q;

	if (u->maker.busy || !u->queue_count)
		return;
	f = &u->files[u->queue[u->queue_first]];
	q = (struct maker_question){.file = (uint32_t)(f - u->files),
				    .pid = f->pid,
				    .start = f->start,
				    .end = f->end,
				    .ino = f->ino,
				    .major = f->major,
				    .minor = f->minor,
				    .path = strings_at(&u->tasks->paths, f->path)};
	u->queue_first = (u->queue_first + 1) % u->max_files;
	u->queue_count--;
	if (maker_ask(&u->maker, &q, now) < 0) {
		f->state = UNWIND_FAILED;
		f->no = EPIPE;
		u->failed++;
	}
}

/* No room is left: all processes start anew, as their stacks ask for it. */
static void restart(struct unwinder *u)
{
	struct tasks *t = u->tasks;

	for (size_t i = 0; i < t->count; i++) {
		if (!t->tasks[i].used || !t->tasks[i].published_count)
			continue;
		u->target.set(u->target.ctx, t->tasks[i].pid, NULL);
		t->tasks[i].published_count = 0;
	}
	u->mappings_used = 0;
	u->restarts++;
}

/*
 * The rows are full and f has none.  What is there may be of programs that ended long ago; what is
 * still needed asks again.  Not often: several large programs together may never fit.
 */
static bool evict(struct unwinder *u, struct unwind_file *f, uint64_t now)
{
	if (!u->maker.used_rows || now - u->evicted_ns < EVICT_NS)
		return false;
	u->evicted_ns = now;
	restart(u);
	for (uint32_t i = 0; i < u->file_count; i++)
		if (u->files[i].state == UNWIND_TABLE)
			u->files[i].state = UNWIND_UNKNOWN;
	u->maker.used_rows = 0;
	u->evictions++;
	f->state = UNWIND_UNKNOWN;
	enqueue(u, f);
	return true;
}

static void take_answer(struct unwinder *u, const struct maker_answer *a, uint64_t now)
{
	struct unwind_file *f = &u->files[a->file];

	if (a->no == -ENOSPC && evict(u, f, now))
		return;
	f->load_count = a->load_count;
	memcpy(f->loads, a->loads, sizeof(f->loads));
	f->no = -a->no;
	if (!a->no) {
		f->state = UNWIND_TABLE;
		f->first = a->first;
		f->last = a->last;
		u->tables++;
	} else if (a->no == -ENODATA || a->no == -ENOEXEC) {
		f->state = UNWIND_POINTER;
	} else {
		f->state = UNWIND_FAILED;
		u->failed++;
	}
	f->epoch = ++u->epoch;
	u->changed = true;
}

/* ------------------------------------------------------------------ processes */

/* ip − bias is an address in the file's own terms. */
static bool bias_of(const struct unwind_file *f, const struct task_map *m, uint64_t *ret)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE) - 1;

	for (uint32_t i = 0; i < f->load_count; i++) {
		const struct maker_load *l = &f->loads[i];

		if (m->offset >= (l->offset & ~page) && m->offset < l->offset + l->filesz) {
			*ret = m->start - (l->vaddr + m->offset - l->offset);
			return true;
		}
	}
	return false;
}

static struct stacks_mapping describe(struct unwinder *u, const struct task *task,
				      struct task_map *m)
{
	struct stacks_mapping row = {.start = m->start, .end = m->end};
	const struct unwind_file *f = file_of(u, task, m);
	uint64_t bias = 0;

	if (!f || f->state == UNWIND_POINTER) {
		row.first = STACKS_ROWS_POINTER;
	} else if (f->state == UNWIND_TABLE && bias_of(f, m, &bias)) {
		row.bias = bias;
		row.first = f->first;
		row.last = f->last;
	} else {
		row.first = STACKS_ROWS_WANTED;
	}
	return row;
}

static void publish(struct unwinder *u, struct task *task)
{
	struct task_maps *m = task->maps;
	struct stacks_process p;

	if (!m || !m->count || m->count > PUBLISH_MAX || m->count > u->target.max_mappings)
		return;
	/* A program may be searching the old rows: only what it finds in a new place changes. */
	if (u->mappings_used + m->count > u->target.max_mappings)
		restart(u);
	p = (struct stacks_process){.first = u->mappings_used, .count = m->count};
	for (uint32_t i = 0; i < m->count; i++)
		u->target.mappings[p.first + i] = describe(u, task, &m->rows[i]);
	u->mappings_used += m->count;
	if (u->target.set(u->target.ctx, task->pid, &p) < 0)
		return;
	task->published_first = p.first;
	task->published_count = p.count;
	task->published_serial = task->maps_serial;
	task->published_epoch = u->epoch;
}

static bool outdated(struct unwinder *u, const struct task *task)
{
	if (task->published_serial != task->maps_serial)
		return true;
	for (uint32_t i = 0; i < task->maps->count; i++) {
		uint32_t file = task->maps->rows[i].file;

		if (file && u->files[file - 1].epoch > task->published_epoch)
			return true;
	}
	return false;
}

static void want_usual(struct unwinder *u, struct task *task)
{
	struct task_maps *m = task->maps;

	for (uint32_t i = 0; i < m->count; i++) {
		const char *path = strings_at(&u->tasks->paths, m->rows[i].path);
		const char *name = strrchr(path, '/');
		struct unwind_file *f = file_of(u, task, &m->rows[i]);
		bool wanted =
			i == 0 || is_vdso(u, &m->rows[i]); /* the program itself lies lowest */

		for (size_t k = 0; name && k < sizeof(usual) / sizeof(usual[0]); k++)
			wanted |= !strncmp(name + 1, usual[k], strlen(usual[k]));
		if (f && wanted)
			enqueue(u, f);
	}
}

void unwinder_want(struct unwinder *u, struct task *task, uint64_t address)
{
	struct task_map *m = tasks_find_map(task, address);
	struct unwind_file *f = m ? file_of(u, task, m) : NULL;

	if (!task->maps || task->exited)
		return;
	if (f)
		enqueue(u, f);
	if (!task->published_count || task->published_serial != task->maps_serial) {
		want_usual(u, task);
		publish(u, task);
	}
}

void unwinder_forget(struct unwinder *u, uint32_t pid)
{
	uint32_t i = intmap_find(&u->tasks->by_pid, pid);

	if (i == INTMAP_NONE || !u->tasks->tasks[i].published_count)
		return;
	u->target.set(u->target.ctx, pid, NULL);
	u->tasks->tasks[i].published_count = 0;
}

void unwinder_turn(struct unwinder *u, uint64_t now)
{
	struct tasks *t = u->tasks;
	struct maker_answer a;

	if (maker_answered(&u->maker, now, &a))
		take_answer(u, &a, now);
	ask_next(u, now);
	/* Not after every file: there are many at the start. */
	if (!u->changed || (u->queue_count && u->epoch % 4))
		return;
	u->changed = false;
	for (size_t i = 0; i < t->count; i++) {
		struct task *task = &t->tasks[i];

		if (task->used && task->published_count && task->maps && outdated(u, task))
			publish(u, task);
	}
}
