/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guard did and did not do, and what it saw. */
#include "tables.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../capture/base/clock.h"
#include "../capture/base/sbuf.h"
#include "figures.h"

/* An intent whose outcome is further on than that is shown by itself. */
#define OUTCOME_WITHIN 2000

static bool is(const struct fact_guard *e, const char *event)
{
	return !strcmp(e->event, event);
}

static void time_cell(struct cell *c, const struct fact_guard *e)
{
	char when[31];

	if (e->time_ns == FACT_NONE)
		return;
	clock_format_rfc3339(e->time_ns, when);
	snprintf(c->scratch, sizeof(c->scratch), "%.11s", when + 11);
	snprintf(c->scratch + 16, sizeof(c->scratch) - 16, "%.10s", when);
	c->text = c->scratch;
	c->sub = c->scratch + 16;
}

/* ------------------------------------------------------------------ events */

static const struct column event_columns[] = {
	{"Time (UTC)", CELL_TEXT, false, NULL},
	{"Event", CELL_STATE, false,
	 "intent: a kill whose outcome is not in the journal; skip: somebody larger was spared"},
	{"Scope", CELL_TEXT, false, NULL},
	{"Probability", CELL_SHARE, false, "Of running out of memory, by the guard's model"},
	{"Process", CELL_TEXT, false, "Who died, or was spared; below it, its command line"},
	{"PID", CELL_ID, false, NULL},
	{"Heap", CELL_BYTES, false, "Anonymous resident memory when it was chosen"},
	{"Signal", CELL_STATE, false, "The last one sent"},
	{"Outcome", CELL_STATE, false, "exited: gone, but its memory did not come free"},
	{"Freed", CELL_BYTES, false, "By which the scope's usage fell"},
	{"Took", CELL_SECONDS, false, "From the first signal to the exit"},
	{"Why", CELL_TEXT, false, NULL},
};

static void add_holders(const struct facts *f, const struct fact_guard *e, struct sbuf *b)
{
	uint64_t place = (uint64_t)(e - f->guard.rows);
	char size[FIGURE];

	sbuf_puts(b, "no end would help");
	for (size_t i = 0, n = 0; i < f->guard_holders.count; i++) {
		const struct fact_guard_holder *h = &f->guard_holders.rows[i];

		if (h->event != place || !h->what || h->bytes == FACT_NONE)
			continue;
		sbuf_printf(b, "%s%s %s", n++ ? ", " : "; the memory is held by: ", h->what,
			    figure_bytes((double)h->bytes, size));
	}
}

static void why_cell(const struct facts *f, const struct fact_guard *e, struct cell *c)
{
	struct sbuf b = SBUF(c->scratch);

	sbuf_reset(&b);
	if (is(e, "no-victim")) {
		add_holders(f, e, &b);
	} else if (is(e, "start")) {
		sbuf_printf(&b, "fastoom %s%s%s%s%s", e->version ? e->version : "?",
			    e->policies ? "; " : "", e->policies ? e->policies : "",
			    e->missing ? "; not available there: " : "",
			    e->missing ? e->missing : "");
	} else if (is(e, "reload")) {
		sbuf_puts(&b,
			  e->ok == 1 ? "a new configuration" : "the configuration stays as it was");
		if (e->error)
			sbuf_printf(&b, ": %s", e->error);
	} else {
		const char *why = e->rule ? e->rule : e->reason;

		sbuf_printf(&b, "%s%s%s", why ? why : "", e->pattern ? ": " : "",
			    e->pattern ? e->pattern : "");
	}
	if (e->records_lost != FACT_NONE && e->records_lost)
		sbuf_printf(&b, "; %llu records were lost before it",
			    (unsigned long long)e->records_lost);
	c->text = b.len ? c->scratch : NULL;
}

static void event_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct fact_guard *e = ((const struct fact_guard **)t->owned)[row];

	switch (column) {
	case 0:
		time_cell(c, e);
		break;
	case 1:
		c->text = e->event;
		if (e->dry_run == 1) {
			snprintf(c->scratch, sizeof(c->scratch), "%s (dry run)", e->event);
			c->text = c->scratch;
		}
		break;
	case 2:
		c->text = e->scope;
		break;
	case 3:
		c->value = 100 * e->probability;
		break;
	case 4:
		c->text = e->comm;
		c->sub = e->cmdline && *e->cmdline ? e->cmdline : NULL;
		break;
	case 5:
		c->value = measured(e->pid);
		break;
	case 6:
		c->value = measured(e->heap_bytes);
		break;
	case 7:
		c->text = e->signal;
		break;
	case 8:
		c->text = e->outcome;
		break;
	case 9:
		c->value = measured(e->freed_bytes);
		break;
	case 10:
		c->value = e->exit_ms / 1e3;
		break;
	default:
		why_cell(t->report->facts, e, c);
	}
}

/* A kill's own line says all that its intent said. */
static bool has_outcome(const struct model *m, size_t i)
{
	const struct fact_guard *e = m->guard[i];

	for (size_t k = i + 1; k < m->guard_count && k < i + OUTCOME_WITHIN; k++)
		if (is(m->guard[k], "kill") && m->guard[k]->pid == e->pid &&
		    m->guard[k]->starttime == e->starttime && m->guard[k]->source && e->source &&
		    !strcmp(m->guard[k]->source, e->source))
			return true;
	return false;
}

static int pick(struct table *t, bool states)
{
	const struct model *m = t->report->model;
	const struct fact_guard **rows =
		calloc(m->guard_count + 1, sizeof(const struct fact_guard *));

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < m->guard_count; i++) {
		const struct fact_guard *e = m->guard[i];

		if (is(e, "state") != states || (is(e, "intent") && has_outcome(m, i)))
			continue;
		rows[t->rows++] = e;
	}
	t->owned = rows;
	t->captured = m->guard_count > 0;
	return 0;
}

static int events_open(struct table *t)
{
	TABLE_COLUMNS_OF(t, event_columns);
	t->caption = "Every kill, and every decision not to kill, in the order of time";
	t->cell = event_cell;
	return pick(t, false);
}

/* ------------------------------------------------------------------ states */

static const struct column state_columns[] = {
	{"Time (UTC)", CELL_TEXT, false, NULL},
	{"Scope", CELL_TEXT, false, NULL},
	{"Phase", CELL_STATE, false,
	 "calm; watch; hold: likely, is it lasting?; waiting: for a victim's end"},
	{"Probability", CELL_SHARE, false, NULL},
	{"Available", CELL_SHARE, false, "Of the scope's memory, swap not counted"},
	{"Ends in", CELL_SECONDS, false, "Time to exhaustion, at the rate of consumption"},
	{"Consumption/s", CELL_BYTES, false, NULL},
	{"Busy", CELL_SHARE, false, "CPU time in the kernel and waiting for IO"},
	{"Refaults", CELL_SHARE, false, "Of the file cache, per second"},
	{"Stalls/s", CELL_COUNT, false, "Allocations that had to wait, or hits of the limit"},
	{"kswapd", CELL_SHARE, false, "Of one CPU"},
};

static void state_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	const struct fact_guard *e = ((const struct fact_guard **)t->owned)[row];

	switch (column) {
	case 0:
		time_cell(c, e);
		break;
	case 1:
		c->text = e->scope;
		break;
	case 2:
		c->text = e->phase;
		break;
	case 3:
		c->value = 100 * e->probability;
		break;
	case 4:
		c->value = 100 * e->available_share;
		break;
	case 5:
		c->value = e->tte_s;
		break;
	case 6:
		c->value = measured(e->consumption_bytes_per_s);
		break;
	case 7:
		c->value = 100 * e->busy_share;
		break;
	case 8:
		c->value = 100 * e->refault_share_per_s;
		break;
	case 9:
		c->value = e->stalls_per_s;
		break;
	default:
		c->value = 100 * e->kswapd_cpus;
	}
}

static int states_open(struct table *t)
{
	TABLE_COLUMNS_OF(t, state_columns);
	t->caption = "What the guard saw, whenever the probability changed";
	t->cell = state_cell;
	return pick(t, true);
}

const struct table_def tables_guard[] = {
	{"guard-events", events_open},
	{"guard-states", states_open},
	{0},
};
