/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads off the CPU: in which state, how long, in what, and who ended it. */
#include "tables.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_SHOWN 4u

/* Sleeping is what most threads do all the time: it comes after what hurts. */
struct order {
	uint32_t count;
	uint32_t rows[]; /* of hotspot->waits */
};

static const struct hotspot *hotspot_of(const struct table *t)
{
	return t->report->model->hotspot;
}

static const struct column wait_columns[] = {
	{"Thread", CELL_TEXT, false, NULL},
	{"TID", CELL_ID, false, NULL},
	{"State", CELL_STATE, false,
	 "disk: uninterruptible sleep, whatever it waits for; runnable: woken, and waiting for a "
	 "CPU; preempted: it was taken from its CPU"},
	{"Time", CELL_SECONDS, true,
	 "In the window; the last time included when it had not ended at the window's end"},
	{"Times", CELL_COUNT, false, "That ended in the window"},
	{"Longest", CELL_SECONDS, false, NULL},
	{"Still away", CELL_SECONDS, false,
	 "It was off the CPU when the window ended, for so long"},
	{"In", CELL_TEXT, false,
	 "Where it was, innermost first, at the longest time or the one that has not ended"},
	{"Ended by", CELL_ID, false, "TID of who ended the longest one"},
};

/* The scheduler's own frames, and the probe's, say nothing about what it waited for. */
static bool is_scheduler(const char *name)
{
	static const char *const names[] = {"__schedule",  "schedule",	"preempt_schedule",
					    "__traceiter", "bpf_trace", "bpf_prog",
					    "[unknown]"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(name, names[i], strlen(names[i])))
			return true;
	return false;
}

static void where(const struct hotspot *h, uint32_t stack, struct cell *c)
{
	const struct hot_stack *k = &h->stacks[stack];
	size_t len = 0;
	uint32_t shown = 0;

	if (!stack || stack >= h->stack_count)
		return;
	for (uint32_t i = k->count; i > 0 && shown < FRAMES_SHOWN; i--) {
		const char *name = h->names[h->frames[k->first + i - 1]].function;
		int n;

		if (!shown && is_scheduler(name))
			continue;
		n = snprintf(c->scratch + len, sizeof(c->scratch) - len, "%s%.200s",
			     shown ? " \xe2\x86\x90 " : "", name);
		if (n < 0 || (size_t)n >= sizeof(c->scratch) - len)
			break;
		len += (size_t)n;
		shown++;
	}
	if (shown)
		c->text = c->scratch;
}

static void wait_cell(const struct table *t, size_t row, size_t column, struct cell *c)
{
	static const char *const states[] = {"", "sleep", "disk", "runnable", "preempted", "lock"};
	const struct order *order = t->owned;
	const struct hotspot *h = hotspot_of(t);
	const struct hot_wait *w = &h->waits[order->rows[row]];
	const struct hot_thread *thread = &h->threads[w->thread];

	switch (column) {
	case 0:
		c->text = thread->comm[0] ? thread->comm : thread->process_comm;
		if (thread->own)
			c->sub = "of this capture";
		else if (strcmp(thread->comm, thread->process_comm) != 0)
			c->sub = thread->process_comm;
		break;
	case 1:
		c->value = measured(thread->tid);
		break;
	case 2:
		c->text = w->state < sizeof(states) / sizeof(states[0]) ? states[w->state] : NULL;
		break;
	case 3:
		c->value = w->seconds;
		break;
	case 4:
		c->value = measured(w->count);
		break;
	case 5:
		c->value = w->longest;
		break;
	case 6:
		c->value = w->still;
		break;
	case 7:
		where(h, w->stack, c);
		break;
	default:
		c->value = measured(w->waker);
	}
}

static int waits_open(struct table *t)
{
	const struct hotspot *h = hotspot_of(t);
	size_t n = h ? h->wait_count : 0;
	struct order *order = malloc(sizeof(*order) + n * sizeof(order->rows[0]));

	if (!order)
		return -ENOMEM;
	order->count = 0;
	for (int sleeping = 0; sleeping < 2; sleeping++)
		for (size_t i = 0; i < n; i++)
			if ((h->waits[i].state == STACK_SLEEP) == sleeping)
				order->rows[order->count++] = (uint32_t)i;
	t->owned = order;
	TABLE_COLUMNS_OF(t, wait_columns);
	t->caption = "Threads off the CPU; those that sleep of their own accord come last";
	t->rows = n;
	t->captured = h && t->report->facts->stack_offcpu.count;
	t->cell = wait_cell;
	return 0;
}

const struct table_def tables_offcpu[] = {
	{"off-cpu", waits_open},
	{0},
};
