/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lock_waits.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "facts/facts.h"

#define UNKNOWN UINT32_MAX
#define NEAR 12 /* frames from the innermost one on in which the lock's function must be */

/* ------------------------------------------------------------------ names */

static bool begins(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (!strncmp(name, *list, strlen(*list)))
			return true;
	return false;
}

static bool contains(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (strstr(name, *list))
			return true;
	return false;
}

/* kernel/locking: where a task sleeps, or spins, until a lock is free … */
static const char *const kernel_waits[] = {"mutex_lock",
					   "rwsem_down_",
					   "down_common",
					   "percpu_rwsem_wait",
					   "rt_mutex_slowlock",
					   "rtlock_slowlock",
					   "ww_mutex_lock",
					   "mutex_spin_on_owner",
					   "rwsem_spin_on_owner",
					   "osq_lock",
					   "mutex_optimistic_spin",
					   "rwsem_optimistic_spin",
					   NULL};
static const char *const kernel_spins[] = {"native_queued_spin_lock_slowpath",
					   "pv_queued_spin_lock_slowpath",
					   "queued_spin_lock_slowpath",
					   "pv_queued_spin_lock_slowpath",
					   "queued_read_lock_slowpath",
					   "queued_write_lock_slowpath",
					   "pv_kick_node",
					   NULL};
/* … and what stands between that and whoever wants the lock. */
static const char *const kernel_wrappers[] = {
	"down_read",	      "down_write",	   "mutex_lock",
	"down_interruptible", "down_killable",	   "down_timeout",
	"raw_spin_lock",      "raw_read_lock",	   "raw_write_lock",
	"spin_lock",	      "read_lock",	   "write_lock",
	"percpu_down_read",   "percpu_down_write", "rt_mutex_lock",
	"rt_spin_lock",	      "lock_parent",	   NULL};
static const char *const futex_waits[] = {"futex_wait", "futex_lock_pi", NULL};
static const char *const user_locks[] = {"lll_lock",
					 "pthread_mutex_lock",
					 "pthread_mutex_timedlock",
					 "pthread_mutex_clocklock",
					 "pthread_mutex_cond_lock",
					 "pthread_rwlock_rdlock",
					 "pthread_rwlock_wrlock",
					 "pthread_rwlock_timed",
					 "pthread_rwlock_clock",
					 "runtime.lock",
					 "take_gil",
					 "ObjectMonitor::enter",
					 "ObjectMonitor::Enter",
					 NULL};
static const char *const user_locks_within[] = {"::lock_contended",   "RawMutex::lock_slow",
						"RawRwLock::lock_",   "Mutex::LockSlow",
						"SpinLock::SlowLock", NULL};
static const char *const user_wrappers_within[] = {
	"mutex::lock", "mutex_lock",  "lock_guard",	    "unique_lock", "scoped_lock",
	"Mutex<",      "Mutex::lock", "condition_variable", NULL};
/* They take their mutex again before they return: each is wanted by who waited. */
static const char *const user_waits[] = {"pthread_cond_", NULL};

static bool is_user_lock(const char *name)
{
	return begins(lock_bare_name(name), user_locks) || contains(name, user_locks_within);
}

/* ------------------------------------------------------------------ a stack */

enum waits_for { NOTHING, KERNEL_LOCK, USER_LOCK };

struct verdict {
	enum waits_for kind;
	enum lock_object object;
	uint32_t lock, site;
};

static const struct hot_name *frame(const struct hotspot *h, const struct hot_stack *s, uint32_t i)
{
	return &h->names[h->frames[s->first + i]];
}

/* The kernel's frames are the last ones: how many are not. */
static uint32_t user_frames(const struct hotspot *h, const struct hot_stack *s)
{
	uint32_t n = s->count;

	while (n && frame(h, s, n - 1)->kernel)
		n--;
	return n;
}

static bool called_by(const struct hotspot *h, const struct hot_stack *s, uint32_t i,
		      const char *name)
{
	for (uint32_t k = 1; k <= 2 && k <= i; k++)
		if (!strcmp(frame(h, s, i - k)->function, name))
			return true;
	return false;
}

static struct verdict kernel_lock(const struct hotspot *h, const struct hot_stack *s, uint32_t user,
				  bool on_cpu)
{
	struct verdict v = {0};

	for (uint32_t i = s->count; i-- > user;) {
		const char *name = lock_bare_name(frame(h, s, i)->function);
		bool waits = begins(name, kernel_waits) || (on_cpu && begins(name, kernel_spins));

		if (waits && v.kind == NOTHING) {
			v.kind = KERNEL_LOCK;
			v.lock = h->frames[s->first + i];
		} else if (v.kind != NOTHING && !waits && !begins(name, kernel_wrappers)) {
			v.site = h->frames[s->first + i];
			v.object = lock_object(frame(h, s, i)->function,
					       called_by(h, s, i, "seq_read"));
			return v;
		}
	}
	return (struct verdict){0}; /* from user space there is no lock to want: nothing known */
}

static struct verdict user_lock(const struct hotspot *h, const struct hot_stack *s, uint32_t user)
{
	struct verdict v = {0};
	bool futex = false;

	for (uint32_t i = user; i < s->count; i++)
		futex |= begins(lock_bare_name(frame(h, s, i)->function), futex_waits);
	for (uint32_t i = user; futex && i-- > 0 && user - i <= NEAR;) {
		const char *name = frame(h, s, i)->function;

		if (is_user_lock(name)) {
			v.kind = USER_LOCK;
			v.lock = h->frames[s->first + i];
		} else if (v.kind == USER_LOCK && !contains(name, user_wrappers_within) &&
			   !begins(lock_bare_name(name), user_waits)) {
			v.site = h->frames[s->first + i];
			return v;
		}
	}
	/* The stack was cut: who wanted it is not known. */
	v.site = UNKNOWN;
	return v;
}

static struct verdict look(const struct hotspot *h, const struct hot_stack *s, bool on_cpu)
{
	uint32_t user = user_frames(h, s);
	struct verdict v = kernel_lock(h, s, user, on_cpu);

	if (v.kind == NOTHING && !on_cpu)
		v = user_lock(h, s, user);
	return v;
}

/* ------------------------------------------------------------------ all of them */

struct record {
	struct verdict v;
	uint64_t pid; /* 0 of the kernel's, but for those of which a process has one */
	uint32_t key; /* its site; of mmap_lock, that has many, none */
	uint32_t thread;
	double slept_s, spun_s;
};

static bool is_mm(const struct verdict *v)
{
	return v->kind == KERNEL_LOCK && (v->object == LOCK_MM || v->object == LOCK_OTHER_MM);
}

static struct record record_of(const struct verdict *v, const struct hot_thread *t)
{
	bool of_process = v->kind == USER_LOCK || v->object == LOCK_MM;

	return (struct record){
		.v = *v, .pid = of_process ? t->pid : 0, .key = is_mm(v) ? UNKNOWN : v->site};
}

static int by_lock(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	if (x->v.kind != y->v.kind)
		return x->v.kind < y->v.kind ? -1 : 1;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if (x->v.object != y->v.object)
		return x->v.object < y->v.object ? -1 : 1;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->thread < y->thread ? -1 : x->thread > y->thread;
}

static int by_site(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	return x->v.site < y->v.site ? -1 : x->v.site > y->v.site;
}

static bool same_lock(const struct record *x, const struct record *y)
{
	return x->v.kind == y->v.kind && x->pid == y->pid && x->v.object == y->v.object &&
	       x->key == y->key;
}

static int longest_first(const void *a, const void *b)
{
	const struct lock_wait *x = a, *y = b;
	double s = x->slept_s + x->spun_s, t = y->slept_s + y->spun_s;

	if (s != t)
		return s < t ? 1 : -1;
	return x->site < y->site ? -1 : x->site > y->site;
}

/* What each stack waits for, off and on the CPU, is asked once. */
struct verdicts {
	struct verdict *of[2];
	bool *known[2];
};

static const struct verdict *verdict_of(const struct hotspot *h, struct verdicts *k, uint32_t stack,
					bool on_cpu)
{
	if (!k->known[on_cpu][stack])
		k->of[on_cpu][stack] = look(h, &h->stacks[stack], on_cpu);
	k->known[on_cpu][stack] = true;
	return &k->of[on_cpu][stack];
}

static double period(const struct hotspot *h)
{
	return h->hz > 0 ? 1 / h->hz : 0;
}

/* active: by thread. */
static size_t gather(const struct hotspot *h, struct verdicts *k, struct record *out,
		     double *active)
{
	size_t n = 0;

	for (size_t i = 0; i < h->sample_count; i++) {
		const struct hot_sample *s = &h->samples[i];
		bool on = s->state == STACK_ON_CPU;
		const struct verdict *v = verdict_of(h, k, s->stack, on);
		const struct hot_thread *t = &h->threads[s->thread];

		if (on)
			active[s->thread] += period(h);
		else if (s->state == STACK_DISK && v->kind == NOTHING)
			active[s->thread] += (double)s->ns / 1e9;
		/* On its way back to the CPU it waits for that, not for the lock. */
		if (v->kind == NOTHING || t->own ||
		    (!on && s->state != STACK_SLEEP && s->state != STACK_DISK))
			continue;
		out[n] = record_of(v, t);
		out[n].thread = s->thread;
		out[n].slept_s = on ? 0 : (double)s->ns / 1e9;
		out[n++].spun_s = on ? period(h) : 0;
	}
	return n;
}

static bool is_about(const struct verdict *v, const struct hot_thread *t, const struct lock_wait *w)
{
	if (v->kind != (w->kernel ? KERNEL_LOCK : USER_LOCK) || v->object != w->object ||
	    ((!w->kernel || w->object == LOCK_MM) && t->pid != w->pid))
		return false;
	return is_mm(v) || v->site == w->site || v->site == UNKNOWN;
}

static void longest_of(const struct hotspot *h, struct verdicts *k, struct lock_wait *w)
{
	w->longest_s = FACT_NONE_F;
	w->longest_ended_by = FACT_NONE;
	for (size_t i = 0; i < h->wait_count; i++) {
		const struct hot_wait *t = &h->waits[i];
		const struct verdict *v = verdict_of(h, k, t->longest_stack, false);

		/* Once it is woken it waits for a CPU, and its stack is still that of the lock. */
		if (t->state != STACK_SLEEP && t->state != STACK_DISK)
			continue;
		if (!is_about(v, &h->threads[t->thread], w) || isnan(t->longest) ||
		    t->longest <= w->longest_s)
			continue;
		w->longest_s = t->longest;
		w->longest_ended_by = t->waker;
	}
}

static void keep_site(struct lock_wait *w, struct lock_site s)
{
	w->site_count++;
	for (size_t i = 0; i < LOCK_SITES; i++)
		if (i + 1 == w->site_count || s.seconds > w->sites[i].seconds) {
			struct lock_site less = w->sites[i];

			w->sites[i] = s;
			s = less;
		}
	w->site = w->sites[0].name;
}

/* records[0..n): of one lock.  They are sorted anew. */
static void add_sites(struct lock_wait *w, struct record *r, size_t n)
{
	struct lock_site s = {0};

	qsort(r, n, sizeof(*r), by_site);
	for (size_t i = 0; i < n; i++) {
		s.name = r[i].v.site;
		s.seconds += r[i].slept_s + r[i].spun_s;
		if (i + 1 < n && r[i + 1].v.site == s.name)
			continue;
		keep_site(w, s);
		s.seconds = 0;
	}
}

/* records[0..n): of one lock, by thread; in no order afterwards. */
static struct lock_wait add_up(const struct hotspot *h, struct record *r, size_t n,
			       const double *active)
{
	const struct hot_thread *t = &h->threads[r->thread];
	struct lock_wait w = {.kernel = r->v.kind == KERNEL_LOCK,
			      .object = r->v.object,
			      .lock = r->v.lock,
			      .site = r->v.site,
			      .pid = t->pid};
	double of_thread = 0, most = -1;

	for (size_t i = 0; i < n; i++) {
		bool last = i + 1 == n || r[i + 1].thread != r[i].thread;

		w.slept_s += r[i].slept_s;
		w.spun_s += r[i].spun_s;
		of_thread += r[i].slept_s + r[i].spun_s;
		if (h->threads[r[i].thread].pid != w.pid)
			w.pid = FACT_NONE;
		if (!last)
			continue;
		w.threads++;
		w.active_s += active[r[i].thread];
		if (of_thread > most) {
			most = of_thread;
			w.comm = h->threads[r[i].thread].process_comm;
		}
		of_thread = 0;
	}
	add_sites(&w, r, n);
	return w;
}

/* Of each process's the longest first, but known ones before one that is not; the kernel's last. */
static int by_process(const void *a, const void *b)
{
	const struct lock_wait *x = a, *y = b;
	bool unknown = x->site == UNKNOWN;

	if (x->kernel != y->kernel)
		return x->kernel ? 1 : -1;
	if (!x->kernel && x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if (unknown != (y->site == UNKNOWN))
		return unknown ? 1 : -1;
	return longest_first(a, b);
}

/* Waits whose stack was cut are for the lock that its process waits for most, if for any. */
static size_t merge_unknown(struct lock_wait *w, size_t n)
{
	size_t kept = 0, first = 0; /* of this process */

	qsort(w, n, sizeof(*w), by_process);
	for (size_t i = 0; i < n; i++) {
		struct lock_wait one = w[i];

		if (!kept || one.kernel || one.pid != w[first].pid)
			first = kept;
		if (one.site != UNKNOWN || first == kept) {
			if (one.site == UNKNOWN)
				one.site = one.lock;
			w[kept++] = one;
			continue;
		}
		w[first].slept_s += one.slept_s;
		w[first].threads = w[first].threads > one.threads ? w[first].threads : one.threads;
		w[first].active_s = fmax(w[first].active_s, one.active_s);
	}
	return kept;
}

static int add_all(const struct hotspot *h, struct verdicts *k, struct record *records,
		   double *active, struct lock_wait **ret, size_t *ret_count)
{
	size_t n = gather(h, k, records, active), locks = 0, at = 0;
	struct lock_wait *out;

	qsort(records, n, sizeof(*records), by_lock);
	for (size_t i = 0; i < n; i++)
		locks += !i || !same_lock(&records[i - 1], &records[i]);
	out = calloc(locks + 1, sizeof(*out));
	if (!out)
		return -ENOMEM;
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && same_lock(&records[i], &records[end]);)
			end++;
		out[at++] = add_up(h, &records[i], end - i, active);
	}
	locks = merge_unknown(out, locks);
	qsort(out, locks, sizeof(*out), longest_first);
	/* Of the few that matter. */
	for (size_t i = 0; i < locks && i < 64; i++)
		longest_of(h, k, &out[i]);
	*ret = out;
	*ret_count = locks;
	return 0;
}

int lock_waits(const struct hotspot *h, struct lock_wait **ret, size_t *ret_count)
{
	struct verdicts k = {
		.of = {calloc(h->stack_count + 1, sizeof(**k.of)),
		       calloc(h->stack_count + 1, sizeof(**k.of))},
		.known = {calloc(h->stack_count + 1, 1), calloc(h->stack_count + 1, 1)}};
	struct record *records = calloc(h->sample_count + 1, sizeof(*records));
	double *active = calloc(h->thread_count + 1, sizeof(*active));
	int r = -ENOMEM;

	if (k.of[0] && k.of[1] && k.known[0] && k.known[1] && records && active)
		r = add_all(h, &k, records, active, ret, ret_count);
	for (int i = 0; i < 2; i++) {
		free(k.of[i]);
		free(k.known[i]);
	}
	free(records);
	free(active);
	return r;
}

uint32_t hotspot_thread_of(const struct hotspot *h, uint64_t tid)
{
	for (size_t i = 0; i < h->thread_count; i++)
		if (h->threads[i].tid == tid && tid != FACT_NONE)
			return (uint32_t)i;
	return UINT32_MAX;
}
