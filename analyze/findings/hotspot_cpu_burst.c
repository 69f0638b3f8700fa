/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hotspot.cpu-burst: for some part of the window one program took the CPUs, and hardly any of them
 * before and after.  The window is cut into slots; a burst is two or more in a row in which the
 * processes of one name have half of all CPUs' time.  A load that is there most of the time is
 * none, and of one that was there when the window began it is not known how long it lasts.
 *
 * To use the CPUs when nobody else wants them is what they are for: it is worth a warning only when
 * it lasts and others wait meanwhile.  Of one or two CPUs a single busy thread has half.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "rules.h"

#define SLOT_NS UINT64_C(250000000)
#define SLOTS_MAX 4096u
#define SLOTS_LEAST 12u /* a window of 3 s: less has no before and after */
#define TAKES 0.5	/* of all CPUs' time */
#define TAKES_ALL 0.8	/* hardly anything is left for others */
#define QUIET 0.1	/* at other times */
#define CALM 0.2	/* of what it takes in the burst */
#define SAMPLES_LEAST 4 /* of a slot, for half of it to mean something */
#define LASTS_S 2.0	/* for a warning */
#define OTHERS_WAIT 0.5 /* of others' threads, on average: somebody minds */
#define FEW_CPUS 2.0	/* half of them is one busy thread */
#define FEW_LEAST 1.25	/* CPUs, there: more than that one thread */
#define PROGRAMS 16	/* that are looked at, the hottest ones */

struct program {
	const char *comm;
	uint64_t samples;
	uint32_t thread; /* one of its own */
};

struct bursts {
	const struct hotspot *h;
	uint64_t slot_ns;
	size_t slots;
	double cpus;
	double capacity;   /* samples of a slot when all CPUs are busy */
	uint32_t *counts;  /* of one program, by slot */
	bool *in, *beside; /* slots of a burst, and those next to one */
};

struct burst {
	size_t first, end; /* slots, of the longest */
	size_t times, slots;
	double share, elsewhere; /* of all CPUs' time */
	double others;		 /* threads that waited for a CPU in the longest, on average */
	bool to_the_end;
	bool kernel; /* a kernel thread's: no stack began in a program */
};

static int by_comm(const void *a, const void *b)
{
	return strcmp(((const struct program *)a)->comm, ((const struct program *)b)->comm);
}

static int hottest_first(const void *a, const void *b)
{
	const struct program *x = a, *y = b;

	if (x->samples != y->samples)
		return x->samples < y->samples ? 1 : -1;
	return strcmp(x->comm, y->comm);
}

/* The programs, from malloc; of threads those of one name are one. */
static struct program *programs(const struct hotspot *h, size_t *ret_count)
{
	struct program *p = calloc(h->thread_count + 1, sizeof(*p));
	size_t n = 0, kept = 0;

	if (!p)
		return NULL;
	for (size_t i = 0; i < h->thread_count; i++)
		p[i] = (struct program){.comm = h->threads[i].process_comm, .thread = (uint32_t)i};
	for (size_t i = 0; i < h->sample_count; i++)
		p[h->samples[i].thread].samples += h->samples[i].state == STACK_ON_CPU;
	for (size_t i = 0; i < h->thread_count; i++)
		if (p[i].samples && !h->threads[i].own && *p[i].comm)
			p[n++] = p[i];
	qsort(p, n, sizeof(*p), by_comm);
	for (size_t i = 0; i < n; i++) {
		if (kept && !strcmp(p[kept - 1].comm, p[i].comm))
			p[kept - 1].samples += p[i].samples;
		else
			p[kept++] = p[i];
	}
	qsort(p, kept, sizeof(*p), hottest_first);
	*ret_count = kept;
	return p;
}

static size_t slot_of(const struct bursts *b, uint64_t ns)
{
	size_t i = ns > b->h->start_ns ? (size_t)((ns - b->h->start_ns) / b->slot_ns) : 0;

	return i < b->slots ? i : b->slots - 1;
}

static bool is_of(const struct hotspot *h, const struct hot_sample *s, const char *comm)
{
	return s->state == STACK_ON_CPU && !h->threads[s->thread].own &&
	       !strcmp(h->threads[s->thread].process_comm, comm);
}

static void count(struct bursts *b, const char *comm)
{
	const struct hotspot *h = b->h;

	memset(b->counts, 0, b->slots * sizeof(*b->counts));
	for (size_t i = 0; i < h->sample_count; i++)
		if (is_of(h, &h->samples[i], comm))
			b->counts[slot_of(b, h->samples[i].time_ns)]++;
}

/* One that goes on from before the window is left out, but is no quiet time either. */
static void mark(struct bursts *b, struct burst *ret)
{
	memset(b->in, 0, b->slots);
	memset(b->beside, 0, b->slots);
	for (size_t i = 0, end; i < b->slots; i = end + 1) {
		for (end = i; end < b->slots && b->counts[end] >= TAKES * b->capacity;)
			end++;
		if (end == i)
			continue;
		for (size_t k = i ? i - 1 : 0; k <= end && k < b->slots; k++)
			b->beside[k] = true;
		if (end - i < 2 || i == 0)
			continue;
		memset(b->in + i, 1, end - i);
		ret->times++;
		ret->slots += end - i;
		if (end - i > ret->end - ret->first) {
			ret->first = i;
			ret->end = end;
		}
		ret->to_the_end |= end == b->slots;
	}
}

static double seconds_of(const struct bursts *b, const struct burst *u)
{
	return (double)((u->end - u->first) * b->slot_ns) / 1e9;
}

/* Times off the CPU are told at their end; one may stand for others that were not drawn. */
static double others_waiting(const struct bursts *b, const char *comm, const struct burst *u)
{
	const struct hotspot *h = b->h;
	double first = (double)(h->start_ns + u->first * b->slot_ns);
	double end = (double)(h->start_ns + u->end * b->slot_ns), waited = 0;

	for (size_t i = 0; i < h->sample_count; i++) {
		const struct hot_sample *s = &h->samples[i];
		double to = (double)s->time_ns, from = to - (double)s->took_ns;

		if ((s->state != STACK_RUNNABLE && s->state != STACK_PREEMPTED) || !s->took_ns ||
		    h->threads[s->thread].own || !strcmp(h->threads[s->thread].process_comm, comm))
			continue;
		from = fmax(from, first);
		to = fmin(to, end);
		if (to > from)
			waited += (to - from) * (double)s->ns / (double)s->took_ns;
	}
	return waited / (end - first);
}

static bool is_kernel_thread(const struct bursts *b, const char *comm)
{
	const struct hotspot *h = b->h;
	bool any = false;

	for (size_t i = 0; i < h->sample_count; i++) {
		const struct hot_stack *k = &h->stacks[h->samples[i].stack];

		if (!is_of(h, &h->samples[i], comm) || !k->count)
			continue;
		/* Root first; one that was cut says nothing of where it began. */
		if (k->truncated || !h->names[h->frames[k->first]].kernel)
			return false;
		any = true;
	}
	return any;
}

static bool find(struct bursts *b, const char *comm, struct burst *ret)
{
	double inside = 0, outside = 0;
	size_t others = 0;

	*ret = (struct burst){0};
	count(b, comm);
	mark(b, ret);
	for (size_t i = 0; i < b->slots; i++) {
		if (b->in[i])
			inside += b->counts[i];
		else if (!b->beside[i]) {
			outside += b->counts[i];
			others++;
		}
	}
	if (!ret->times || others * 2 < b->slots)
		return false;
	ret->share = inside / (double)ret->slots / b->capacity;
	ret->elsewhere = outside / (double)others / b->capacity;
	if (ret->elsewhere > QUIET || ret->elsewhere > CALM * ret->share)
		return false;
	ret->others = others_waiting(b, comm, ret);
	ret->kernel = is_kernel_thread(b, comm);
	return b->cpus > FEW_CPUS || ret->share * b->cpus >= FEW_LEAST ||
	       ret->others >= OTHERS_WAIT;
}

/* ------------------------------------------------------------------ in words */

static const char *clock_words(const struct model *m, struct findings *out, uint64_t ns)
{
	char text[32] = "";
	double at = m->facts->archive.count ? m->facts->archive.rows[0].captured_at : FACT_NONE_F;
	time_t t = isfinite(at) && fabs(at) < 1e11 ? (time_t)(at + (double)ns / 1e9) : -1;
	struct tm tm;

	if (t > 0 && gmtime_r(&t, &tm))
		strftime(text, sizeof(text), "%H:%M:%S UTC", &tm);
	return *text ? arena_printf(out->arena, "%s", text)
		     : arena_printf(out->arena, "second %.1f of the window", (double)ns / 1e9);
}

struct tally {
	uint32_t name;
	uint64_t samples;
};

static int most(const void *a, const void *b)
{
	const struct tally *x = a, *y = b;

	if (x->samples != y->samples)
		return x->samples < y->samples ? 1 : -1;
	return x->name < y->name ? -1 : x->name > y->name;
}

/* The functions in which it was, at the top of the stack, in the longest burst. */
static void say_functions(const struct bursts *b, const char *comm, const struct burst *u,
			  struct findings *out, struct finding *f)
{
	const struct hotspot *h = b->h;
	struct tally *t = calloc(h->name_count + 1, sizeof(*t));
	uint64_t all = 0;
	const char *text = "";

	if (!t)
		return;
	for (size_t i = 0; i < h->name_count; i++)
		t[i].name = (uint32_t)i;
	for (size_t i = 0; i < h->sample_count; i++) {
		const struct hot_stack *k = &h->stacks[h->samples[i].stack];
		size_t slot = slot_of(b, h->samples[i].time_ns);

		if (slot < u->first || slot >= u->end || !is_of(h, &h->samples[i], comm))
			continue;
		all++;
		if (k->count)
			t[h->frames[k->first + k->count - 1]].samples++;
	}
	qsort(t, h->name_count, sizeof(*t), most);
	for (size_t i = 0; i < 3 && i < h->name_count && t[i].samples * 20 >= all; i++)
		text = arena_printf(out->arena, "%s%s%s (%d%%)", text, i ? ", " : "",
				    h->names[t[i].name].function,
				    percent((double)t[i].samples, (double)all));
	if (*text)
		finding_because(out, f, "#functions", "it was in %s then", text);
	free(t);
}

static void advise(struct findings *out, struct finding *f, const struct burst *u)
{
	/* Less of it is more of what it does for all. */
	if (u->kernel) {
		finding_advice(
			out, f,
			"It is a thread of the kernel's, which works for others: its "
			"functions tell what for.  Look for who allocated, sent, received or "
			"wrote much at that time; to slow the thread itself down helps nobody.");
		return;
	}
	finding_advice(
		out, f,
		"Find what starts it at that time (cron, systemd timers, a request, a garbage "
		"collection), and spread it out or move it to where nobody waits.");
	finding_advice(out, f,
		       "Keep CPUs for the others: less weight for it (nice 19, cpu.weight 10) or a "
		       "quota (systemctl set-property UNIT CPUQuota=50%%).");
}

static void report(const struct model *m, struct findings *out, const struct bursts *b,
		   const struct program *p, const struct burst *u)
{
	uint64_t from = b->h->start_ns + u->first * b->slot_ns;
	double s = seconds_of(b, u);
	bool all =
		u->share >= TAKES_ALL && !u->to_the_end && s >= LASTS_S && u->others >= OTHERS_WAIT;
	struct finding *f;

	f = finding_add(out, "hotspot.cpu-burst", all ? SEVERITY_WARNING : SEVERITY_INFO,
			u->to_the_end ? CONFIDENCE_MEDIUM : CONFIDENCE_HIGH,
			"%s took %d%% of the CPUs for %s at %s%s", p->comm, percent(u->share, 1),
			seconds_words(out, s), clock_words(m, out, from),
			u->to_the_end ? ", and still did when the window ended" : "");
	if (!f)
		return;
	f->weight = u->share * s;
	finding_scope(out, f, "process", p->comm);
	finding_because(out, f, "#seconds",
			"from second %.1f to %.1f of the window; it had %d%% of the CPUs at other "
			"times",
			(double)from / 1e9, (double)from / 1e9 + s, percent(u->elsewhere, 1));
	if (u->times > 1)
		finding_because(out, f, "#seconds",
				"%zu such bursts, %s altogether; this is the longest", u->times,
				seconds_words(out, (double)(u->slots * b->slot_ns) / 1e9));
	say_functions(b, p->comm, u, out, f);
	if (u->others >= OTHERS_WAIT)
		finding_because(out, f, "#sched-delay",
				"%.1f threads of others at a time could run and waited for a CPU "
				"meanwhile",
				u->others);
	advise(out, f, u);
	f->wrong_if = "it is work that is meant to be done at once, and nobody waits meanwhile";
}

int rule_hotspot_cpu_burst(const struct model *m, struct findings *out)
{
	const struct hotspot *h = m->hotspot;
	double cpus =
		m->facts->archive.count ? figure(m->facts->archive.rows[0].cpus) : FACT_NONE_F;
	struct bursts b = {.h = h, .slot_ns = SLOT_NS, .cpus = cpus};
	struct program *p = NULL;
	uint64_t window;
	size_t n = 0;

	if (!h || h->start_ns == FACT_NONE || h->end_ns == FACT_NONE || h->end_ns <= h->start_ns ||
	    !(cpus >= 1) || !(h->hz > 0))
		return 0;
	window = h->end_ns - h->start_ns;
	if (window / b.slot_ns > SLOTS_MAX)
		b.slot_ns = window / SLOTS_MAX;
	b.slots = (size_t)(window / b.slot_ns);
	b.capacity = h->hz * (double)b.slot_ns / 1e9 * cpus;
	if (b.slots < SLOTS_LEAST || b.capacity * TAKES < SAMPLES_LEAST)
		return 0;
	b.counts = calloc(b.slots, sizeof(*b.counts));
	b.in = calloc(b.slots, 1);
	b.beside = calloc(b.slots, 1);
	p = programs(h, &n);
	for (size_t i = 0; b.counts && b.in && b.beside && p && i < n && i < PROGRAMS; i++) {
		struct burst u;

		if ((double)p[i].samples < 2 * TAKES * b.capacity)
			break; /* nor have those that follow */
		if (find(&b, p[i].comm, &u))
			report(m, out, &b, &p[i], &u);
	}
	int r = b.counts && b.in && b.beside && p ? 0 : -ENOMEM;

	free(b.counts);
	free(b.in);
	free(b.beside);
	free(p);
	return r;
}
