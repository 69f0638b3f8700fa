/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Brendan Gregg's folded stacks: "COMM;ROOT;…;LEAF COUNT" a line, as flamegraph.pl, inferno and
 * speedscope read them.  Frames of the kernel end in _[k].
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "stacks.h"

static void line(struct export_out *o, const struct hotspot *h, const struct export_row *row)
{
	const struct hot_stack *s = &h->stacks[row->stack];

	export_name(o, *row->comm ? row->comm : "[unknown]", ";");
	if (s->truncated)
		export_puts(o, ";[truncated]");
	for (uint32_t i = 0; i < s->count; i++) {
		const struct hot_name *n = &h->names[h->frames[s->first + i]];

		export_puts(o, ";");
		export_name(o, n->function, ";");
		if (n->kernel)
			export_puts(o, "_[k]");
	}
	export_printf(o, " %" PRIu64 "\n", row->samples);
}

int export_folded(const struct model *m, export_write_fn write, void *ctx, struct err *e)
{
	struct export_out *o = calloc(1, sizeof(*o));
	struct export_row *rows = NULL;
	size_t count = 0;
	int r = o ? export_rows(m, &rows, &count, e) : -ENOMEM;

	if (!r) {
		o->write = write;
		o->ctx = ctx;
		for (size_t i = 0; i < count && !o->error; i++)
			line(o, m->hotspot, &rows[i]);
		r = export_end(o);
	}
	free(rows);
	free(o);
	return r;
}
