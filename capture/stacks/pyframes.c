/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pyframes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../collect.h"

#define TRIES_MAX 8u /* a process that maps more and more files is not asked for ever */
#define TEXT_BYTES (1u << 20)
#define TEXTS_MAX 8192u

int pyframes_init(struct pyframes *p, const struct sysroot *root, const struct strings *paths,
		  size_t max_frames, uint32_t max_processes,
		  int (*set)(void *ctx, uint32_t pid, const struct stacks_python *v), void *ctx)
{
	int r;

	/* Rows that are not used are not resident. */
	*p = (struct pyframes){.paths = paths,
			       .set = set,
			       .ctx = ctx,
			       .max = max_frames,
			       .max_processes = max_processes,
			       .rows = calloc(max_frames, sizeof(*p->rows)),
			       .processes = calloc(max_processes, sizeof(*p->processes))};
	if (!p->rows || !p->processes)
		return -ENOMEM;
	r = intmap_init(&p->by_pid, max_processes);
	if (!r)
		r = intmap_init(&p->by_place, max_frames);
	if (!r)
		r = strings_init(&p->texts, TEXT_BYTES, TEXTS_MAX);
	if (!r)
		r = pyread_create(&p->helper, root);
	return r;
}

void pyframes_deinit(struct pyframes *p)
{
	helper_destroy(p->helper);
	strings_deinit(&p->texts);
	intmap_deinit(&p->by_pid);
	intmap_deinit(&p->by_place);
	free(p->rows);
	free(p->processes);
	*p = (struct pyframes){0};
}

/* ------------------------------------------------------------------ processes */

static struct pyprocess *find(const struct pyframes *p, uint32_t pid)
{
	uint32_t i = intmap_find(&p->by_pid, pid);

	return i == INTMAP_NONE ? NULL : &p->processes[i];
}

static struct pyprocess *add(struct pyframes *p, uint32_t pid)
{
	uint32_t i = 0;

	if (!pid)
		return NULL;
	if (p->process_count < p->max_processes)
		i = p->process_count;
	else
		while (i < p->max_processes && p->processes[i].pid)
			i++;
	if (i >= p->max_processes || intmap_set(&p->by_pid, pid, i)) {
		p->dropped++;
		return NULL;
	}
	p->process_count += i == p->process_count;
	p->processes[i] = (struct pyprocess){.pid = pid};
	return &p->processes[i];
}

/* The interpreter and its library are called so, and so are modules in C that it loads.  A program
 * with one linked in, under another name and without such modules, is not found. */
static bool may_run_python(const struct pyframes *p, const struct task *task)
{
	const struct task_maps *m = task->maps;

	for (uint32_t i = 0; m && i < m->count; i++) {
		const char *path = strings_at(p->paths, m->rows[i].path);
		const char *name = strrchr(path, '/');

		if (name && strstr(name, "python"))
			return true;
	}
	return false;
}

static void look(struct pyframes *p, struct pyprocess *x)
{
	struct python_build build;
	char reason[sizeof(p->reason)];
	int r;

	x->tries++;
	r = pyread_build(p->helper, x->pid, &build, reason, sizeof(reason));
	if (r == -ENOTSUP) {
		x->tries = TRIES_MAX;
		p->unsupported++;
		if (!p->reason_pid) {
			p->reason_pid = x->pid;
			memcpy(p->reason, reason, sizeof(p->reason));
		}
	}
	if (r != 1 || p->set(p->ctx, x->pid, &build.frames) < 0)
		return;
	x->build = build;
	x->known = true;
	p->known++;
}

void pyframes_look(struct pyframes *p, struct task *task)
{
	struct pyprocess *x = find(p, task->pid);

	if (task->exited || (x && (x->known || x->tries >= TRIES_MAX)))
		return;
	/* Every new stack comes by here: names are compared once, and when there are more. */
	if (!x && task->python_serial == task->maps_serial + 1)
		return;
	task->python_serial = task->maps_serial + 1;
	if (!x && may_run_python(p, task))
		x = add(p, task->pid);
	if (x)
		look(p, x);
}

void pyframes_find(struct pyframes *p, uint64_t ns)
{
	const uint64_t until = clock_ns(CLOCK_MONOTONIC) + ns;
	uint32_t *pids = calloc(p->max_processes, sizeof(*pids));
	int n = pids ? pyread_list(p->helper, pids, p->max_processes) : 0;

	for (int i = 0; i < n && clock_ns(CLOCK_MONOTONIC) < until; i++) {
		struct pyprocess *x = find(p, pids[i]) ? NULL : add(p, pids[i]);

		if (x)
			look(p, x);
	}
	free(pids);
}

void pyframes_fork(struct pyframes *p, uint32_t parent, uint32_t pid)
{
	struct pyprocess *from = find(p, parent), *x;

	pyframes_forget(p, pid);
	if (!from || !from->known || p->set(p->ctx, pid, &from->build.frames) < 0)
		return;
	x = add(p, pid);
	if (!x) {
		p->set(p->ctx, pid, NULL);
		return;
	}
	*x = *from;
	x->pid = pid;
	x->parent = parent;
	p->known++;
}

void pyframes_forget(struct pyframes *p, uint32_t pid)
{
	struct pyprocess *x = find(p, pid);

	if (!x)
		return;
	if (x->known)
		p->set(p->ctx, pid, NULL);
	intmap_remove(&p->by_pid, pid);
	*x = (struct pyprocess){0};
}

/* ------------------------------------------------------------------ frames */

static uint64_t place_key(const struct task *task, const uint64_t *words)
{
	uint64_t h = 0xcbf29ce484222325ULL ^ task->row;

	h = (h ^ (words[0] & STACKS_PYTHON_ADDRESS)) * 0x9fb21c651e98df25ULL;
	h = (h ^ h >> 29 ^ words[1]) * 0x9fb21c651e98df25ULL;
	h ^= h >> 32;
	return h ? h : 1;
}

/* Its number if it is known, else a new one whose row says nothing yet; 0: there is no room. */
static uint32_t number_of(struct pyframes *p, const struct task *task, const uint64_t *words,
			  bool *ret_new)
{
	uint64_t key = place_key(task, words);
	uint32_t i = intmap_find(&p->by_place, key);

	*ret_new = false;
	if (i != INTMAP_NONE)
		return i + 1;
	if (p->count >= p->max || intmap_set(&p->by_place, key, (uint32_t)p->count)) {
		p->dropped++;
		return 0;
	}
	*ret_new = true;
	p->rows[p->count] = (struct pyframe){.process = task->row, .state = PYFRAME_UNREADABLE};
	return (uint32_t)++p->count;
}

/* at: said by the helper, which may have fallen into a hostile process' hands. */
static uint32_t add_text(struct pyframes *p, const struct pyread *q, uint32_t at)
{
	if (at >= PYREAD_TEXT)
		return UINT32_MAX;
	return strings_add(&p->texts, q->text + at, strnlen(q->text + at, PYREAD_TEXT - at));
}

static void fill(struct pyframes *p, struct pyframe *row, const struct pyread *q, uint32_t i)
{
	const struct pyread_place *a = &q->places[i];
	uint32_t name, file;

	if (a->no) {
		row->state = a->no == -ESTALE ? PYFRAME_REPLACED : PYFRAME_UNREADABLE;
		return;
	}
	name = add_text(p, q, a->name);
	file = add_text(p, q, a->file);
	if (name == UINT32_MAX || file == UINT32_MAX) {
		p->dropped++;
		return;
	}
	row->name = name;
	row->file = file;
	row->line = a->line > 0 ? a->line : 0;
	row->first_line = a->first_line > 0 ? a->first_line : 0;
	row->state = PYFRAME_KNOWN;
}

static void ask(struct pyframes *p, const struct pyprocess *x, const uint64_t *words,
		const uint32_t *numbers, uint32_t count)
{
	const struct pyread *q;

	if (!count || !x || !x->known ||
	    pyread_places(p->helper, x->pid, x->parent, &x->build, words, count, &q))
		return;
	for (uint32_t i = 0; i < count; i++)
		fill(p, &p->rows[numbers[i] - 1], q, i);
}

void pyframes_take(struct pyframes *p, const struct task *task, const uint64_t *words,
		   uint32_t count, struct stack_frame *out)
{
	const struct pyprocess *x = find(p, task->pid);
	uint64_t unknown[2 * PYREAD_PLACES];
	uint32_t numbers[PYREAD_PLACES], n = 0;

	for (uint32_t i = 0; i < count; i++) {
		const uint64_t *w = words + (size_t)2 * i;
		bool new;

		out[i] = (struct stack_frame){.address = number_of(p, task, w, &new),
					      .exact = w[0] & STACKS_PYTHON_ENTRY ? 1 : 0,
					      .map = (uint32_t)(w[0] >> STACKS_PYTHON_NATIVE_SHIFT &
								STACKS_PYTHON_NATIVE_MASK)};
		if (!new)
			continue;
		unknown[2 * n] = w[0] & STACKS_PYTHON_ADDRESS;
		unknown[2 * n + 1] = w[1];
		numbers[n++] = (uint32_t)out[i].address;
		if (n == PYREAD_PLACES) {
			ask(p, x, unknown, numbers, n);
			n = 0;
		}
	}
	ask(p, x, unknown, numbers, n);
}

int pyframes_write(const struct pyframes *p, struct emit *out)
{
	static const char *const states[] = {"known", "replaced", "unreadable"};
	int r = member_open(out, "tables/stack_python.tsv",
			    "frame\tprocess\tfunction\tfile\tline\tfirst_line\tstate\n");

	for (size_t i = 0; i < p->count && !r; i++) {
		const struct pyframe *f = &p->rows[i];

		row_u64(out, i + 1);
		row_u64(out, f->process);
		row_cstr(out, strings_at(&p->texts, f->name));
		row_cstr(out, strings_at(&p->texts, f->file));
		if (f->line)
			row_u64(out, (uint64_t)f->line);
		else
			row_none(out);
		if (f->first_line)
			row_u64(out, (uint64_t)f->first_line);
		else
			row_none(out);
		row_cstr(out, states[f->state]);
		r = row_end(out);
	}
	return r ? r : member_close(out, false);
}
