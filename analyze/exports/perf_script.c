/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of `perf script`: a head line for each sample, its frames leaf first, an empty line.
 * Addresses were given up for names, and are 0.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "stacks.h"

static void sample(struct export_out *o, const struct hotspot *h, const struct hot_sample *s,
		   uint64_t period)
{
	const struct hot_thread *t = &h->threads[s->thread];
	const struct hot_stack *k = &h->stacks[s->stack];

	export_name(o, *t->comm ? t->comm : "[unknown]", "");
	export_printf(o,
		      " %" PRIu64 "/%" PRIu64 " [000] %" PRIu64 ".%09" PRIu64 ": %" PRIu64
		      " cpu-clock: \n",
		      t->pid == FACT_NONE ? 0 : t->pid, t->tid == FACT_NONE ? 0 : t->tid,
		      s->time_ns / 1000000000, s->time_ns % 1000000000, period);
	for (uint32_t i = k->count; i > 0; i--) {
		const struct hot_name *n = &h->names[h->frames[k->first + i - 1]];

		export_puts(o, "\t               0 ");
		export_name(o, n->function, "");
		export_puts(o, " (");
		export_name(o, n->module, "()");
		export_puts(o, ")\n");
	}
	if (k->truncated)
		export_puts(o, "\t               0 [truncated] ([unknown])\n");
	export_puts(o, "\n");
}

int export_perf_script(const struct model *m, export_write_fn write, void *ctx, struct err *e)
{
	const struct hotspot *h = m->hotspot;
	struct export_out *o;
	int r;

	if (!h || !h->on_cpu)
		return err_set(e, ENODATA, "the archive has no samples of stacks");
	o = calloc(1, sizeof(*o));
	if (!o)
		return err_errno(e, ENOMEM, "perf script");
	o->write = write;
	o->ctx = ctx;
	for (size_t i = 0; i < h->sample_count && !o->error; i++)
		if (h->samples[i].state == STACK_ON_CPU)
			sample(o, h, &h->samples[i], h->hz > 0 ? (uint64_t)(1e9 / h->hz) : 1);
	r = export_end(o);
	free(o);
	return r;
}
