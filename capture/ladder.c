/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include <bpf/btf.h>

#include "kmem/kmem.h"
#include "kmem/layout.h"
#include "ladder.h"
#include "options.h"

void ladder_answer(const void *options, const struct sysroot *root, void *ret)
{
	const struct capture_options *o = options;
	struct kmem_source *source = NULL;
	struct ladder *l = ret;
	struct kmem_layout layout;
	struct btf *btf = NULL;
	struct err e = {0};

	int rc = kmem_btf_open(&btf, o->btf_file, root, &e);
	if (!rc) {
		rc = kmem_layout_init(&layout, btf, &e);
		btf__free(btf);
	}
	if (!rc)
		rc = kmem_open(&source, o, root, &layout, &e);
	if (!rc) {
		snprintf(l->source, sizeof(l->source), "%s", source->ops->name);
		kmem_close(source);
	}
	l->no = -rc;
	if (e.no)
		snprintf(l->refused, sizeof(l->refused), "%s", e.text);
}
