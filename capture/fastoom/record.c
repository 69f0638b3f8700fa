/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal's lines.  Each is whole: what does not fit is left out, not cut in the middle. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/sbuf.h"
#include "guard.h"

static void key(struct sbuf *b, const char *name)
{
	if (b->len && b->p[b->len - 1] != '{' && b->p[b->len - 1] != '[')
		sbuf_puts(b, ",");
	sbuf_putc(b, '"');
	sbuf_puts(b, name);
	sbuf_puts(b, "\":");
}

static void text(struct sbuf *b, const char *name, const char *value)
{
	key(b, name);
	if (value)
		sbuf_json(b, value, strlen(value));
	else
		sbuf_puts(b, "null");
}

static void number(struct sbuf *b, const char *name, uint64_t value)
{
	key(b, name);
	sbuf_u64(b, value);
}

static void integer(struct sbuf *b, const char *name, int64_t value)
{
	key(b, name);
	if (value < 0)
		sbuf_putc(b, '-');
	sbuf_u64(b, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

static void flag(struct sbuf *b, const char *name, bool value)
{
	key(b, name);
	sbuf_puts(b, value ? "true" : "false");
}

/* Four decimals; negative (not measured) and infinite: null.  No printf of a double: its length
 * and its stack are the library's business. */
static void real(struct sbuf *b, const char *name, double value)
{
	uint64_t v;
	char digits[5];

	key(b, name);
	if (!(value >= 0) || value > 1e12) {
		sbuf_puts(b, "null");
		return;
	}
	v = (uint64_t)(value * 10000 + 0.5);
	sbuf_u64(b, v / 10000);
	v %= 10000;
	for (int i = 3; i >= 0; i--, v /= 10)
		digits[i] = (char)('0' + v % 10);
	digits[4] = '\0';
	sbuf_putc(b, '.');
	sbuf_puts(b, digits);
}

static void open_object(struct sbuf *b, const char *name)
{
	key(b, name);
	sbuf_putc(b, '{');
}

static struct sbuf begin(struct guard *g, const char *event)
{
	struct sbuf b = SBUF(g->line);
	char when[31];

	clock_format_rfc3339(clock_ns(CLOCK_REALTIME), when);
	sbuf_putc(&b, '{');
	text(&b, "time", when);
	text(&b, "event", event);
	if (guard_config(g)->dry_run)
		flag(&b, "dry_run", true);
	return b;
}

static void finish(struct guard *g, struct sbuf *b, bool important)
{
	uint32_t states = atomic_load(&g->journal.lost_states);
	uint32_t others = atomic_load(&g->journal.lost_important);

	if (states + others)
		number(b, "records_lost", (uint64_t)states + others);
	sbuf_putc(b, '}');
	if (!b->truncated)
		journal_put(&g->journal, b->p, b->len, important);
	else
		atomic_fetch_add(&g->journal.lost_important, 1);
}

static void signals(struct sbuf *b, const struct features *f, uint64_t available, uint64_t total,
		    uint64_t consumption)
{
	open_object(b, "signals");
	number(b, "available_bytes", available);
	number(b, "total_bytes", total);
	real(b, "available_share", f->available);
	real(b, "swap_free_share", f->swap_free);
	number(b, "consumption_bytes_per_s", consumption);
	real(b, "busy_share", f->busy);
	real(b, "refault_share_per_s", f->refault);
	real(b, "stalls_per_s", f->stall);
	real(b, "kswapd_cpus", f->kswapd);
	flag(b, "consuming", f->consuming);
	flag(b, "under_oom", f->under_oom);
	sbuf_putc(b, '}');
}

static void scope_signals(struct guard *g, struct sbuf *b, const struct watched *w)
{
	signals(b, &w->features, scope_available(&w->scope, &g->machine),
		scope_total(&w->scope, &g->machine),
		(uint64_t)scope_consumption(&w->scope, &g->machine));
}

void record_start(struct guard *g)
{
	const struct config *c = guard_config(g);
	struct sbuf b = begin(g, "start");
	char clean[128];

	text(&b, "version", OSSNAP_VERSION);
	integer(&b, "pid", getpid());
	open_object(&b, "capabilities");
	flag(&b, "memory_locked", g->can.locked);
	flag(&b, "oom_score_adj", g->can.adj);
	flag(&b, "realtime", g->can.realtime);
	flag(&b, "pidfd", g->can.pidfd);
	flag(&b, "process_mrelease", g->can.mrelease);
	flag(&b, "signal_others", g->can.signal_others);
	flag(&b, "see_others", g->can.see_others);
	flag(&b, "pressure", g->can.pressure);
	number(&b, "thresholds", g->can.thresholds);
	flag(&b, "journal_preallocated", g->journal.preallocated);
	text(&b, "hierarchy", g->hierarchy.fd < 0 ? "none" : g->hierarchy.v2 ? "v2" : "v1");
	sbuf_putc(&b, '}');
	key(&b, "policies");
	sbuf_putc(&b, '[');
	for (unsigned i = 0; i < c->n_policies; i++) {
		const struct policy *p = &c->policies[i];

		snprintf(clean, sizeof(clean), "%s%.120s",
			 p->kind == SCOPE_NODE	   ? "node"
			 : p->kind == SCOPE_CGROUP ? "cgroup:"
						   : "pod:",
			 p->kind == SCOPE_NODE ? "" : p->where);
		sbuf_puts(&b, i ? ",{" : "{");
		text(&b, "name", p->name);
		text(&b, "scope", clean);
		text(&b, "sensitivity", sensitivity_name(p->sensitivity));
		sbuf_putc(&b, '}');
	}
	sbuf_putc(&b, ']');
	finish(g, &b, true);
}

void record_reload(struct guard *g, bool ok, const char *why)
{
	struct sbuf b = begin(g, "reload");

	flag(&b, "ok", ok);
	if (why)
		text(&b, "error", why);
	number(&b, "policies", guard_config(g)->n_policies);
	finish(g, &b, true);
}

void record_state(struct guard *g, struct watched *w, const char *phase)
{
	struct sbuf b = begin(g, "state");

	text(&b, "scope", w->scope.name);
	text(&b, "phase", phase);
	real(&b, "probability", w->probability);
	real(&b, "tte_s", w->features.tte_s);
	scope_signals(g, &b, w);
	finish(g, &b, false);
}

static void victim_fields(struct guard *g, struct sbuf *b, const struct victim *v)
{
	text(b, "scope", g->watched[v->watched].scope.name);
	real(b, "probability", v->probability);
	real(b, "tte_s", v->features.tte_s);
	signals(b, &v->features, v->available, v->total, v->consumption);
	open_object(b, "victim");
	integer(b, "pid", v->who.pid);
	number(b, "starttime", v->who.starttime);
	text(b, "comm", v->who.comm);
	text(b, "cmdline", v->cmdline);
	text(b, "cgroup", v->cgroup);
	integer(b, "oom_score_adj", v->who.adj);
	number(b, "heap_bytes", v->who.heap);
	sbuf_putc(b, '}');
	text(b, "rule", v->rule);
	text(b, "signal", v->signal == SIGTERM ? "SIGTERM" : "SIGKILL");
}

void record_intent(struct guard *g, const struct victim *v)
{
	struct sbuf b = begin(g, "intent");

	victim_fields(g, &b, v);
	finish(g, &b, true);
}

void record_kill(struct guard *g, const struct victim *v, uint64_t freed, uint64_t exit_ns,
		 const char *outcome)
{
	struct sbuf b = begin(g, "kill");

	victim_fields(g, &b, v);
	number(&b, "freed_bytes", freed);
	if (exit_ns)
		real(&b, "exit_ms", (double)exit_ns / 1e6);
	else
		text(&b, "exit_ms", NULL);
	text(&b, "outcome", outcome);
	finish(g, &b, true);
}

static void spared_fields(struct guard *g, struct sbuf *b, const struct spared *s)
{
	open_object(b, "victim");
	integer(b, "pid", s->pid);
	text(b, "comm", s->comm);
	number(b, "heap_bytes", s->heap);
	sbuf_putc(b, '}');
	text(b, "reason", why_not_text(s->why));
	if (s->why == NOT_AVOID)
		text(b, "pattern", pattern_text(&guard_config(g)->pool, (unsigned)s->pattern));
}

void record_skip(struct guard *g, struct watched *w, const struct spared *s)
{
	struct sbuf b = begin(g, "skip");

	text(&b, "scope", w->scope.name);
	real(&b, "probability", w->probability);
	spared_fields(g, &b, s);
	finish(g, &b, true);
}

/* What holds the memory when no process does, largest first. */
static void holders(struct guard *g, struct sbuf *b, const struct watched *w)
{
	const struct machine *m = &g->machine;
	const struct scope *s = &w->scope;
	struct {
		const char *what;
		uint64_t bytes;
	} h[] = {
		{"shared memory and tmpfs", s->kind == SCOPE_NODE ? m->shmem : s->shmem},
		{"unreclaimable slab", s->kind == SCOPE_NODE ? m->slab_unreclaimable : 0},
		{"huge pages", s->kind == SCOPE_NODE ? m->hugetlb : 0},
		{"page tables", s->kind == SCOPE_NODE ? m->page_tables : 0},
		{"kernel stacks", s->kind == SCOPE_NODE ? m->kernel_stacks : 0},
		{"percpu", s->kind == SCOPE_NODE ? m->percpu : 0},
		{"kernel memory of the group", s->kind == SCOPE_NODE ? 0 : s->kernel},
		{"processes that may not be killed",
		 g->choice.not_heap[NOT_AVOID] + g->choice.not_heap[NOT_PROTECTED] +
			 g->choice.not_heap[NOT_SELF] + g->choice.not_heap[NOT_PID1] +
			 g->choice.not_heap[NOT_UNREADABLE]},
		{"processes too small to help", g->choice.not_heap[NOT_SMALL]},
		{"victims that have not gone yet",
		 g->choice.not_heap[NOT_DYING] + g->choice.not_heap[NOT_LEAVING]},
	};
	const unsigned n = sizeof(h) / sizeof(h[0]);

	key(b, "held_by");
	sbuf_putc(b, '[');
	for (unsigned done = 0; done < 4; done++) {
		unsigned best = 0;

		for (unsigned i = 1; i < n; i++) {
			if (h[i].bytes > h[best].bytes)
				best = i;
		}
		if (!h[best].bytes)
			break;
		sbuf_puts(b, done ? ",{" : "{");
		text(b, "what", h[best].what);
		number(b, "bytes", h[best].bytes);
		sbuf_putc(b, '}');
		h[best].bytes = 0;
	}
	sbuf_putc(b, ']');
}

void record_no_victim(struct guard *g, struct watched *w, uint64_t need)
{
	struct sbuf b = begin(g, "no-victim");

	text(&b, "scope", w->scope.name);
	real(&b, "probability", w->probability);
	real(&b, "tte_s", w->features.tte_s);
	scope_signals(g, &b, w);
	number(&b, "need_bytes", need);
	number(&b, "processes_seen", g->choice.seen);
	number(&b, "candidates_heap_bytes", g->choice.eligible_heap);
	holders(g, &b, w);
	if (g->choice.spared.pid) {
		open_object(&b, "largest_spared");
		spared_fields(g, &b, &g->choice.spared);
		sbuf_putc(&b, '}');
	}
	finish(g, &b, true);
}

/* The number alone: what real() writes behind a key, and -1 for what was not measured. */
static void bare(struct sbuf *b, double value)
{
	uint64_t v = value >= 0 && value < 1e9 ? (uint64_t)(value * 1e6 + 0.5) : 0;
	char digits[7];

	sbuf_putc(b, b->len ? '\t' : ' ');
	if (!(value >= 0))
		sbuf_puts(b, "-1");
	else if (value >= 1e9)
		sbuf_puts(b, "1e9");
	else {
		sbuf_u64(b, v / 1000000);
		v %= 1000000;
		for (int i = 5; i >= 0; i--, v /= 10)
			digits[i] = (char)('0' + v % 10);
		digits[6] = '\0';
		sbuf_putc(b, '.');
		sbuf_puts(b, digits);
	}
}

void record_trace(struct guard *g, const struct watched *w, uint64_t now)
{
	const struct features *f = &w->features;
	struct sbuf b = SBUF(g->line);

	sbuf_reset(&b);
	sbuf_puts(&b, w->scope.name);
	bare(&b, (double)now / 1e9);
	bare(&b, f->available);
	bare(&b, f->busy);
	bare(&b, f->refault);
	bare(&b, f->stall);
	bare(&b, f->kswapd);
	bare(&b, f->tte_s);
	bare(&b, f->swap_free);
	bare(&b, f->consuming);
	bare(&b, f->under_oom);
	bare(&b, w->probability);
	sbuf_putc(&b, '\n');
	if (write(g->trace, b.p, b.len) < 0) {
		close(g->trace);
		g->trace = -1;
	}
}

void record_stop(struct guard *g, const char *reason)
{
	struct sbuf b = begin(g, "stop");

	text(&b, "reason", reason);
	number(&b, "victims_in_flight", victims_in_flight(g));
	finish(g, &b, true);
}
