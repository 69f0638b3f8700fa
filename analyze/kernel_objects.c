/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who holds which kernel objects.  An object that several processes have open is put down to the
 * one with the most descriptors of it, of equals to the oldest; the others are counted beside it.
 * So the holdings are disjoint, and their sum is the sum of the objects.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_build.h"

struct holding_table {
	struct model_build *b;
	struct lookup objects;			 /* {id, kind} → row of kernel_objects + 1 */
	struct lookup processes;		 /* pid → row of processes + 1 */
	struct lookup cgroups;			 /* path → row of m->cgroups + 1 */
	struct lookup holdings;			 /* {pid, kind} → row + 1 */
	const struct fact_kernel_holder **first; /* of each object, or NULL */
	uint32_t *holders;			 /* of each object: processes */
	const struct fact_kernel_holder **second;
};

static uint32_t find(const struct lookup *ix, uint64_t id, const char *kind)
{
	return lookup_get(ix, id, 0, kind, strlen(kind));
}

static int index_all(struct holding_table *t)
{
	const struct facts *f = t->b->f;
	const struct model *m = t->b->m;
	size_t n = f->kernel_objects.count;

	if (lookup_init(&t->objects, t->b->arena, n + 1) < 0 ||
	    lookup_init(&t->holdings, t->b->arena, n + 1) < 0 ||
	    lookup_init(&t->processes, t->b->arena, f->processes.count + 1) < 0 ||
	    lookup_init(&t->cgroups, t->b->arena, m->cgroup_count + 1) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct fact_kernel_object *o = &f->kernel_objects.rows[i];
		uint32_t *at;

		if (!o->kind || o->id == FACT_NONE)
			continue;
		at = lookup_put(&t->objects, o->id, 0, o->kind, strlen(o->kind));
		if (at && !*at)
			*at = (uint32_t)i + 1;
		else if (!at)
			return -ENOMEM;
	}
	for (size_t i = 0; i < f->processes.count; i++) {
		uint32_t *at = lookup_put(&t->processes, f->processes.rows[i].pid, 0, "", 0);

		if (!at)
			return -ENOMEM;
		*at = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < m->cgroup_count; i++) {
		const char *path = m->cgroups[i].path;
		uint32_t *at = path ? lookup_put(&t->cgroups, 0, 0, path, strlen(path)) : NULL;

		if (path && !at)
			return -ENOMEM;
		if (at && !*at)
			*at = (uint32_t)i + 1;
	}
	return 0;
}

static bool before(const struct fact_kernel_holder *a, const struct fact_kernel_holder *b)
{
	uint64_t x = or_zero(a->fds), y = or_zero(b->fds);

	return x != y ? x > y : a->pid < b->pid;
}

static void find_holders(struct holding_table *t)
{
	const struct facts *f = t->b->f;

	for (size_t i = 0; i < f->kernel_holders.count; i++) {
		const struct fact_kernel_holder *h = &f->kernel_holders.rows[i], *next = h;
		uint32_t at = h->kind ? find(&t->objects, h->id, h->kind) : 0;

		if (!at)
			continue;
		t->holders[at - 1]++;
		if (!t->first[at - 1] || before(h, t->first[at - 1])) {
			next = t->first[at - 1];
			t->first[at - 1] = h;
		}
		if (next && (!t->second[at - 1] || before(next, t->second[at - 1])))
			t->second[at - 1] = next;
	}
}

static const struct fact_process *process_of(const struct holding_table *t, uint64_t pid)
{
	uint32_t at = lookup_get(&t->processes, pid, 0, "", 0);

	return at ? &t->b->f->processes.rows[at - 1] : NULL;
}

static struct model_holding *holding(struct holding_table *t, uint64_t pid, const char *kind)
{
	struct model *m = t->b->m;
	uint32_t *at = lookup_put(&t->holdings, pid, 0, kind, strlen(kind));
	struct model_holding *h;

	if (!at)
		return NULL;
	if (*at)
		return &m->holdings[*at - 1];
	h = &m->holdings[m->holding_count++];
	*at = (uint32_t)m->holding_count;
	*h = (struct model_holding){.kind = kind, .pid = pid, .waiting = FACT_NONE};
	if (pid != FACT_NONE)
		h->process = process_of(t, pid);
	if (h->process && h->process->cgroup) {
		const char *path = h->process->cgroup;
		uint32_t g = lookup_get(&t->cgroups, 0, 0, path, strlen(path));

		h->cgroup = g ? &m->cgroups[g - 1] : NULL;
	}
	return h;
}

static int by_bytes(const void *a, const void *b)
{
	const struct model_holding *x = a, *y = b;
	int r;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	r = strcmp(x->kind, y->kind);
	return r;
}

/* What a client of a graphics driver has on the card belongs to the process that holds it. */
static int vram(struct model_build *b)
{
	size_t n = b->f->processes.count;
	struct model *m = b->m;

	for (size_t i = 0; i < m->holding_count; i++) {
		const struct model_holding *h = &m->holdings[i];

		if (strcmp(h->kind, "vram") != 0 || !h->process)
			continue;
		if (!m->process_vram) {
			m->process_vram = arena_alloc(b->arena, n * sizeof(uint64_t));
			if (!m->process_vram)
				return -ENOMEM;
			for (size_t k = 0; k < n; k++)
				m->process_vram[k] = FACT_NONE;
		}
		m->process_vram[h->process - b->f->processes.rows] = h->bytes;
	}
	return 0;
}

static int by_device(const void *a, const void *b)
{
	const struct model_gpu_use *x = a, *y = b;
	int r = strcmp(x->device, y->device);

	return r ? r : (x->pid > y->pid) - (x->pid < y->pid);
}

static uint64_t sum_known(uint64_t a, uint64_t b)
{
	return a == FACT_NONE ? b : b == FACT_NONE ? a : none_add(a, b);
}

/* Clients of one process on one device are one. */
static void join_uses(struct model *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->gpu_use_count; i++) {
		const struct model_gpu_use *u = &m->gpu_uses[i];

		if (n && by_device(&m->gpu_uses[n - 1], u) == 0) {
			struct model_gpu_use *to = &m->gpu_uses[n - 1];

			to->vram_bytes = sum_known(to->vram_bytes, u->vram_bytes);
			to->ram_bytes = sum_known(to->ram_bytes, u->ram_bytes);
		} else {
			m->gpu_uses[n++] = *u;
		}
	}
	m->gpu_use_count = n;
}

static int gpu_uses(struct holding_table *t)
{
	const struct facts *f = t->b->f;
	struct model *m = t->b->m;
	size_t n = f->kernel_objects.count;

	m->gpu_uses = arena_alloc(t->b->arena, n * sizeof(*m->gpu_uses));
	if (!m->gpu_uses)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct fact_kernel_object *o = &f->kernel_objects.rows[i];
		bool card = o->kind && !strcmp(o->kind, "vram");

		if (!o->kind || (!card && strcmp(o->kind, "drm") != 0) || !o->count)
			continue;
		m->gpu_seen = true;
		/* The sum of the small ones is of any device. */
		if (o->id == FACT_NONE || !o->name)
			continue;
		m->gpu_uses[m->gpu_use_count++] = (struct model_gpu_use){
			.device = o->name,
			.pid = t->first[i] ? t->first[i]->pid : FACT_NONE,
			.process = t->first[i] ? process_of(t, t->first[i]->pid) : NULL,
			.vram_bytes = card ? o->bytes : FACT_NONE,
			.ram_bytes = card ? FACT_NONE : o->bytes};
	}
	if (m->gpu_use_count)
		qsort(m->gpu_uses, m->gpu_use_count, sizeof(*m->gpu_uses), by_device);
	join_uses(m);
	return 0;
}

/* Files of shared memory that have no name: who has them open.  Their id is the minor number of
 * their device above 40 bits of the inode's. */
static int shmem_holders(struct holding_table *t)
{
	const struct facts *f = t->b->f;
	struct model *m = t->b->m;
	struct lookup files;

	if (lookup_init(&files, t->b->arena, m->file_count + 1) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < m->file_count; i++) {
		const struct fact_cache_file *c = m->files[i].fact;
		uint32_t *at = m->files[i].shmem && c && c->major == 0
				       ? lookup_put(&files, c->minor, c->ino, NULL, 0)
				       : NULL;

		if (at && !*at)
			*at = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < f->kernel_objects.count; i++) {
		const struct fact_kernel_object *o = &f->kernel_objects.rows[i];
		uint32_t at;

		if (!o->kind || strcmp(o->kind, "shmem") != 0 || o->id == FACT_NONE || !t->first[i])
			continue;
		at = lookup_get(&files, o->id >> 40, o->id & ((1ULL << 40) - 1), NULL, 0);
		if (at)
			m->files[at - 1].holder = process_of(t, t->first[i]->pid);
	}
	return 0;
}

/* Deleted groups that cannot go because sockets refer to them. */
static void group_holders(struct holding_table *t)
{
	const struct facts *f = t->b->f;
	struct model *m = t->b->m;
	uint64_t most = 0;

	for (size_t i = 0; i < f->kernel_objects.count; i++) {
		const struct fact_kernel_object *o = &f->kernel_objects.rows[i];

		if (!o->kind || strcmp(o->kind, "dying-cgroup") != 0 || !or_zero(o->count))
			continue;
		m->dying_by_sockets++;
		m->dying_sockets = none_add(m->dying_sockets, o->count);
	}
	for (size_t i = 0; i < m->holding_count; i++)
		if (!strcmp(m->holdings[i].kind, "dying-cgroup") && m->holdings[i].process &&
		    m->holdings[i].objects > most) {
			most = m->holdings[i].objects;
			m->dying_holder = m->holdings[i].process;
		}
}

int model_build_holdings(struct model_build *b)
{
	struct holding_table t = {.b = b};
	const struct facts *f = b->f;
	size_t n = f->kernel_objects.count;

	if (!n)
		return 0;
	b->m->holdings = arena_alloc(b->arena, (n + 1) * sizeof(*b->m->holdings));
	t.first = arena_alloc(b->arena, (n + 1) * sizeof(void *));
	t.second = arena_alloc(b->arena, (n + 1) * sizeof(void *));
	t.holders = arena_alloc(b->arena, (n + 1) * sizeof(*t.holders));
	if (!b->m->holdings || !t.first || !t.second || !t.holders || index_all(&t) < 0)
		return -ENOMEM;
	find_holders(&t);
	for (size_t i = 0; i < n; i++) {
		const struct fact_kernel_object *o = &f->kernel_objects.rows[i];
		struct model_holding *h;

		if (!o->kind || o->count == 0)
			continue;
		h = holding(&t, t.first[i] ? t.first[i]->pid : FACT_NONE, o->kind);
		if (!h)
			return -ENOMEM;
		h->bytes = none_add(h->bytes, or_zero(o->bytes));
		h->objects = none_add(h->objects, o->count == FACT_NONE ? 1 : o->count);
		if (o->waiting != FACT_NONE)
			h->waiting = none_add(or_zero(h->waiting), o->waiting);
		if (!h->largest || or_zero(o->bytes) > or_zero(h->largest->bytes))
			h->largest = o;
		if (t.holders[i] > 1) {
			if (h->shared_with < t.holders[i] - 1)
				h->shared_with = t.holders[i] - 1;
			if (!h->other && t.second[i])
				h->other = process_of(&t, t.second[i]->pid);
		}
	}
	qsort(b->m->holdings, b->m->holding_count, sizeof(*b->m->holdings), by_bytes);
	group_holders(&t);
	return shmem_holders(&t) < 0 || gpu_uses(&t) < 0 ? -ENOMEM : vram(b);
}
