/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "kmem/rung.h"
#include "ladder.h"
#include "options.h"

void ladder_answer(const void *options, const struct sysroot *root, void *ret)
{
	struct ladder *l = ret;
	struct err e = {0};
	struct kmem_rung g;
	int r = kmem_stand(&g, options, root, &e);

	if (!r) {
		snprintf(l->source, sizeof(l->source), "%s", g.name);
		kmem_leave(&g);
	}
	l->no = -r;
	if (e.no)
		snprintf(l->refused, sizeof(l->refused), "%s", e.text);
}
