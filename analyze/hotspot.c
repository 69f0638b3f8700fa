/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples, stacks and threads put together. */
#include "hotspot.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lookup.h"
#include "model_build.h"
#include "python_merge.h"

#define FRAMES_MAX 512u /* of one stack */
#define PYTHON_MAX 256u /* of them, besides */
#define ALL_FRAMES_MAX (64u << 20)

struct build {
	struct hotspot *h;
	const struct facts *f;
	struct arena *arena;
	struct frame_namer *namer;
	struct lookup stack_ids, thread_ids; /* → index */
	size_t frame_cap;
	uint64_t *weights; /* samples on the CPU, of each stack */
};

static uint64_t setting(const struct facts *f, const char *key)
{
	for (size_t i = 0; i < f->stack_settings.count; i++) {
		const struct fact_stack_setting *s = &f->stack_settings.rows[i];
		char *end;
		uint64_t v;

		if (!s->key || !s->value || strcmp(s->key, key) != 0)
			continue;
		errno = 0;
		v = strtoull(s->value, &end, 10);
		return end == s->value || *end || errno || *s->value == '-' ? FACT_NONE : v;
	}
	return FACT_NONE;
}

/* ------------------------------------------------------------------ stacks */

static int add_frame(struct build *b, uint32_t name)
{
	struct hotspot *h = b->h;

	if (name == UINT32_MAX)
		return -ENOMEM;
	if (h->frame_count == b->frame_cap) {
		size_t cap = b->frame_cap ? b->frame_cap * 2 : 4096;
		uint32_t *more = arena_grow(b->arena, h->frames, b->frame_cap * sizeof(*more),
					    cap * sizeof(*more));

		if (!more || cap > ALL_FRAMES_MAX)
			return -ENOMEM;
		h->frames = more;
		b->frame_cap = cap;
	}
	h->frames[h->frame_count++] = name;
	return 0;
}

struct address {
	uint64_t mapping, address;
	bool kernel;
};

/*
 * "[MAPPING:]HEX[!] …", leaf first.  An address above the leaf is where the call returns to: the
 * call itself is before it.
 */
static size_t parse_addresses(const char *text, bool kernel, struct address *out, size_t room)
{
	size_t n = 0;

	while (text && *text && n < room) {
		struct address a = {.kernel = kernel};
		bool exact = n == 0;
		char *end;

		if (!kernel) {
			a.mapping = strtoull(text, &end, 10);
			if (*end != ':')
				break;
			text = end + 1;
		}
		a.address = strtoull(text, &end, 16);
		if (end == text)
			break;
		if (*end == '!') {
			exact = true;
			end++;
		}
		a.address -= !exact;
		out[n++] = a;
		if (*end != ' ')
			break;
		text = end + 1;
	}
	return n;
}

/* The ways for a stack to have ended where it really ends. */
static bool is_bottom(const char *end)
{
	return end && (strcmp(end, "root") == 0 || strcmp(end, "root-pointer") == 0 ||
		       strcmp(end, "kernel") == 0);
}

/* "FRAME[^[NATIVE]] …", leaf first. */
static size_t parse_python(struct build *b, const char *text, struct merge_frame *out, size_t room)
{
	size_t n = 0;

	while (text && *text && n < room) {
		struct merge_frame f = {.native = MERGE_NOWHERE};
		uint64_t frame, native;
		char *end;

		frame = strtoull(text, &end, 10);
		if (end == text)
			break;
		f.name = frame_namer_python(b->namer, frame, &f.known);
		f.entry = *end == '^';
		if (f.entry) {
			text = ++end;
			if (*text >= '0' && *text <= '9') {
				native = strtoull(text, &end, 10);
				f.native = native < FRAMES_MAX ? (uint32_t)native : MERGE_NOWHERE;
			}
		}
		out[n++] = f;
		if (*end != ' ')
			break;
		text = end + 1;
	}
	return n;
}

/* The user's part, leaf first in a, root first into the frames. */
static int add_user(struct build *b, const struct fact_stack *s, const struct address *a,
		    size_t count)
{
	struct merge_frame python[PYTHON_MAX];
	uint32_t native[FRAMES_MAX], merged[FRAMES_MAX + PYTHON_MAX];
	bool evaluates[FRAMES_MAX];
	struct merge m = {.native = native,
			  .evaluates = evaluates,
			  .native_count = count,
			  .native_whole = is_bottom(s->end),
			  .python = python,
			  .python_count = parse_python(b, s->python, python, PYTHON_MAX),
			  .python_whole = s->python_end && !strcmp(s->python_end, "whole")};
	size_t n;
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		native[i] = frame_namer_find(b->namer, a[i].mapping, false, a[i].address);
		evaluates[i] = m.python_count && frame_namer_evaluates(b->namer, native[i]);
	}
	n = merge_python(&m, merged);
	for (size_t i = 0; i < n && !r; i++)
		r = add_frame(b, merged[i]);
	return r;
}

static int add_stack(struct build *b, const struct fact_stack *s, struct hot_stack *ret)
{
	struct address a[FRAMES_MAX];
	size_t kernel = parse_addresses(s->kernel, true, a, FRAMES_MAX / 2);
	size_t user = parse_addresses(s->user, false, a + kernel, FRAMES_MAX - kernel);
	int r = 0;

	/* The kernel's part is entered from the user's, so it comes last. */
	*ret = (struct hot_stack){.first = (uint32_t)b->h->frame_count};
	r = add_user(b, s, a + kernel, user);
	for (size_t i = kernel; i > 0 && !r; i--)
		r = add_frame(b, frame_namer_find(b->namer, 0, true, a[i - 1].address));
	ret->count = (uint32_t)b->h->frame_count - ret->first;
	ret->truncated = !is_bottom(s->end);
	if (user == 0 && s->kernel_cut == 1)
		ret->truncated = true;
	return r;
}

static int add_stacks(struct build *b)
{
	const struct facts *f = b->f;
	struct hotspot *h = b->h;
	int r = 0;

	h->stacks = arena_alloc(b->arena, (f->stacks.count + 1) * sizeof(*h->stacks));
	if (!h->stacks || lookup_init(&b->stack_ids, b->arena, f->stacks.count + 1) < 0)
		return -ENOMEM;
	h->stacks[h->stack_count++] = (struct hot_stack){.truncated = true};
	for (size_t i = 0; i < f->stacks.count && !r; i++) {
		uint32_t *id = lookup_put(&b->stack_ids, f->stacks.rows[i].stack, 0, NULL, 0);

		if (*id)
			continue;
		r = add_stack(b, &f->stacks.rows[i], &h->stacks[h->stack_count]);
		*id = (uint32_t)h->stack_count++; /* not 0: that is the unknown one */
	}
	return r;
}

/* ------------------------------------------------------------------ threads */

static int add_threads(struct build *b)
{
	const struct facts *f = b->f;
	struct hotspot *h = b->h;
	struct lookup processes;

	h->threads = arena_alloc(b->arena, (f->stack_threads.count + 1) * sizeof(*h->threads));
	if (!h->threads || lookup_init(&b->thread_ids, b->arena, f->stack_threads.count + 1) < 0 ||
	    lookup_init(&processes, b->arena, f->stack_processes.count + 1) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < f->stack_processes.count; i++)
		*lookup_put(&processes, f->stack_processes.rows[i].process, 0, NULL, 0) =
			(uint32_t)i + 1;
	h->threads[h->thread_count++] = (struct hot_thread){
		.pid = FACT_NONE, .tid = FACT_NONE, .comm = "", .process_comm = "", .cgroup = ""};
	for (size_t i = 0; i < f->stack_threads.count; i++) {
		const struct fact_stack_thread *t = &f->stack_threads.rows[i];
		uint32_t at = lookup_get(&processes, t->process, 0, NULL, 0);
		const struct fact_stack_process *p = at ? &f->stack_processes.rows[at - 1] : NULL;
		uint32_t *id = lookup_put(&b->thread_ids, t->thread, 0, NULL, 0);

		if (*id)
			continue;
		h->threads[h->thread_count] = (struct hot_thread){
			.pid = p ? p->pid : FACT_NONE,
			.tid = t->tid,
			.comm = t->comm ? t->comm : "",
			.process_comm = p && p->comm ? p->comm
					: t->comm    ? t->comm
						     : "",
			.cgroup = p && p->cgroup ? p->cgroup : "",
			.own = p && p->own == 1,
		};
		*id = (uint32_t)h->thread_count++;
	}
	return 0;
}

/* ------------------------------------------------------------------ samples */

static int by_time(const void *a, const void *b)
{
	const struct hot_sample *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	if (x->stack != y->stack)
		return x->stack < y->stack ? -1 : 1;
	return x->ns < y->ns ? -1 : x->ns > y->ns;
}

/* Of short times off the CPU some were drawn, and stand for the others. */
static uint64_t scaled(const struct fact_stack_sample *s)
{
	double ns;

	if (s->ns == FACT_NONE || s->state == STACK_ON_CPU)
		return 0;
	ns = s->weight == FACT_NONE ? (double)s->ns : (double)s->ns * (double)s->weight / 1024;
	return ns < 9e18 ? (uint64_t)ns : 0;
}

static int add_samples(struct build *b)
{
	const struct facts *f = b->f;
	struct hotspot *h = b->h;

	h->samples = arena_alloc(b->arena, (f->stack_samples.count + 1) * sizeof(*h->samples));
	b->weights = arena_alloc(b->arena, h->stack_count * sizeof(*b->weights));
	if (!h->samples || !b->weights)
		return -ENOMEM;
	for (size_t i = 0; i < f->stack_samples.count; i++) {
		const struct fact_stack_sample *s = &f->stack_samples.rows[i];
		uint32_t stack = lookup_get(&b->stack_ids, s->stack, 0, NULL, 0);
		uint32_t thread = lookup_get(&b->thread_ids, s->thread, 0, NULL, 0);

		if (s->time_ns == FACT_NONE || s->state == FACT_NONE)
			continue;
		h->samples[h->sample_count++] = (struct hot_sample){
			.time_ns = s->time_ns,
			.thread = thread,
			.stack = stack,
			.cpu = s->cpu < 65536 ? (uint32_t)s->cpu : UINT32_MAX,
			.state = (uint8_t)s->state,
			.ns = scaled(s),
			.took_ns = s->ns == FACT_NONE || s->state == STACK_ON_CPU ? 0 : s->ns,
		};
		if (s->state != STACK_ON_CPU)
			continue;
		h->on_cpu++;
		h->truncated += h->stacks[stack].truncated;
		b->weights[stack]++;
	}
	qsort(h->samples, h->sample_count, sizeof(*h->samples), by_time);
	return 0;
}

/* ------------------------------------------------------------------ heaps that grew */

static int growth_by_time(const void *a, const void *b)
{
	const struct hot_growth *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	if (x->stack != y->stack)
		return x->stack < y->stack ? -1 : 1;
	return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static int add_growth(struct build *b)
{
	const struct facts *f = b->f;
	struct hotspot *h = b->h;

	h->growth = arena_alloc(b->arena, (f->stack_growth.count + 1) * sizeof(*h->growth));
	if (!h->growth)
		return -ENOMEM;
	for (size_t i = 0; i < f->stack_growth.count; i++) {
		const struct fact_stack_growth *g = &f->stack_growth.rows[i];

		if (g->time_ns == FACT_NONE || g->bytes == FACT_NONE || g->kind > GROWTH_ALLOC)
			continue;
		h->growth[h->growth_count++] = (struct hot_growth){
			.time_ns = g->time_ns,
			.thread = lookup_get(&b->thread_ids, g->thread, 0, NULL, 0),
			.stack = lookup_get(&b->stack_ids, g->stack, 0, NULL, 0),
			.kind = (uint8_t)g->kind,
			.kept = g->kept <= GROWTH_STAYED ? (uint8_t)g->kept : GROWTH_NOT_LOOKED_AT,
			/* sums of all rows must not wrap around */
			.bytes = g->bytes < UINT64_C(1) << 44 ? g->bytes : UINT64_C(1) << 44,
		};
	}
	if (h->growth_count)
		qsort(h->growth, h->growth_count, sizeof(*h->growth), growth_by_time);
	return 0;
}

/* ------------------------------------------------------------------ who waited */

static int by_wait(const void *a, const void *b)
{
	const struct hot_wait *x = a, *y = b;

	if (x->seconds != y->seconds)
		return x->seconds < y->seconds ? 1 : -1;
	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return x->state < y->state ? -1 : x->state > y->state;
}

static double in_seconds(uint64_t ns)
{
	return ns == FACT_NONE ? FACT_NONE_F : (double)ns / 1e9;
}

static int add_waits(struct build *b)
{
	const struct facts *f = b->f;
	struct hotspot *h = b->h;

	h->waits = arena_alloc(b->arena, (f->stack_offcpu.count + 1) * sizeof(*h->waits));
	if (!h->waits)
		return -ENOMEM;
	for (size_t i = 0; i < f->stack_offcpu.count; i++) {
		const struct fact_stack_offcpu *o = &f->stack_offcpu.rows[i];
		uint64_t stack = o->still_ns == FACT_NONE ? o->longest_stack : o->still_stack;
		double total = in_seconds(o->total_ns), still = in_seconds(o->still_ns);

		if (o->state == FACT_NONE || o->state == STACK_ON_CPU)
			continue;
		h->waits[h->wait_count++] = (struct hot_wait){
			.thread = lookup_get(&b->thread_ids, o->thread, 0, NULL, 0),
			.state = o->state,
			.seconds = (isnan(total) ? 0 : total) + (isnan(still) ? 0 : still),
			.count = o->count,
			.still = still,
			.longest = in_seconds(o->longest_ns),
			.longest_end_ns = o->longest_end_ns == FACT_NONE
						  ? FACT_NONE_F
						  : (double)o->longest_end_ns,
			.longest_stack = lookup_get(&b->stack_ids, o->longest_stack, 0, NULL, 0),
			.stack = lookup_get(&b->stack_ids, stack, 0, NULL, 0),
			.waker = o->longest_waker,
		};
	}
	qsort(h->waits, h->wait_count, sizeof(*h->waits), by_wait);
	return 0;
}

/* ------------------------------------------------------------------ all of it */

static uint64_t sum_known(uint64_t a, uint64_t b)
{
	if (a == FACT_NONE || b == FACT_NONE)
		return a == FACT_NONE ? b : a;
	return none_add(a, b);
}

static void read_settings(struct hotspot *h, const struct facts *f)
{
	uint64_t hz = setting(f, "hz");

	h->hz = hz == FACT_NONE || !hz ? NAN : (double)hz;
	h->expected = setting(f, "samples_expected");
	h->received = setting(f, "samples_received");
	h->lost_ring_full = setting(f, "lost_ring_full");
	h->lost_stack_error = sum_known(setting(f, "stack_errors"), setting(f, "stacks_unknown"));
	h->lost_throttled = sum_known(setting(f, "lost_throttled"), setting(f, "lost_recursion"));
	h->start_ns = setting(f, "start_ns");
	h->end_ns = setting(f, "end_ns");
	h->cut = f->stack_samples.cut || f->stacks.cut || f->stack_symbols.cut ||
		 f->stack_python.cut;
}

int hotspot_create(struct hotspot **ret, const struct facts *f, struct arena *a)
{
	struct build b = {.f = f, .arena = a};
	int r;

	*ret = NULL;
	if (!f->stack_settings.count && !f->stack_samples.count)
		return 0;
	b.h = arena_alloc(a, sizeof(*b.h));
	if (!b.h)
		return -ENOMEM;
	read_settings(b.h, f);
	r = frame_namer_create(&b.namer, f, a);
	if (!r)
		r = add_stacks(&b);
	if (!r)
		r = add_threads(&b);
	if (!r)
		r = add_samples(&b);
	if (!r)
		r = add_growth(&b);
	if (!r)
		r = add_waits(&b);
	if (r)
		return r;
	b.h->name_count = frame_namer_names(b.namer, &b.h->names);
	r = hotspot_rank(b.h, a, b.weights);
	if (!r)
		*ret = b.h;
	return r;
}
