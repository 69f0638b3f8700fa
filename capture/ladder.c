/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "child/ask.h"
#include "collectors/page_cache_tables.h"
#include "kmem/keep.h"
#include "kmem/rung.h"
#include "kmem/scan.h"
#include "ladder.h"
#include "options.h"

#define LADDER_NS (3 * NSEC_PER_SEC)
#define FILE_KIB 64   /* of the cache, for one file: 115 measured, and small ones make more rows */
#define FILE_BYTES 40 /* of the archive, for one file with its cgroups: 36 measured */
#define LOW_RUNG_BYTES (32u << 10) /* no rung below names every file */

/* As the collector chooses it. */
static void sample(struct ladder *l, const struct kmem_rung *g, const struct capture_options *o)
{
	const struct kmem_source *s = g->source;

	if (s) {
		l->pages = kmem_page_count(s);
		l->recorded = !o->sample_one_in && s->recorded_one_in;
		l->one_in = o->sample_one_in ? o->sample_one_in
			    : l->recorded    ? s->recorded_one_in
					     : scan_auto_one_in(s, CACHE_AUTO_CPU_NS);
		if (!o->sample_one_in && o->record_kernel)
			l->one_in = keep_one_in(s, o->max_size, l->one_in);
		l->all_ns = l->pages * s->ns_per_page;
		l->cpu_ns = l->one_in == 1 ? l->all_ns : l->pages / l->one_in * s->ns_per_sample;
	} else if (g->frames) {
		l->one_in = o->sample_one_in ? o->sample_one_in
					     : frames_auto_one_in(g->frames, CACHE_AUTO_CPU_NS);
	}
}

/*
 * A row for each file that has pages in the cache: no more than there are inodes, and hardly more
 * than the cache has room for files of middling size.
 */
static uint64_t expect(const struct kmem_rung *g, const struct sysroot *root)
{
	unsigned long long cached_kb = 0;
	uint64_t files = 0;
	char text[8192];

	if (!g->source)
		return LOW_RUNG_BYTES;
	if (read_file_at(root->proc_fd, "sys/fs/inode-nr", text, sizeof(text)) > 0)
		files = strtoull(text, NULL, 10);
	if (read_file_at(root->proc_fd, "meminfo", text, sizeof(text)) > 0 &&
	    find_key_u64(text, "Cached", &cached_kb) == 0 &&
	    (!files || cached_kb / FILE_KIB < files))
		files = cached_kb / FILE_KIB;
	return files * FILE_BYTES;
}

void ladder_try(struct ladder *ret, const struct capture_options *o, const struct sysroot *root)
{
	struct question q = {.answer = ladder_answer, .ctx = o, .ret = ret, .size = sizeof(*ret)};

	*ret = (struct ladder){0};
	if (ask_all(&q, 1, root, LADDER_NS, -1) == 1)
		return;
	*ret = (struct ladder){.no = ETIMEDOUT, .timed_out = true};
	snprintf(ret->refused, sizeof(ret->refused), "kernel memory: %s", q.problem);
}

void ladder_answer(const void *options, const struct sysroot *root, void *ret)
{
	struct ladder *l = ret;
	struct err e = {0};
	struct kmem_rung g;
	int r = kmem_stand(&g, options, root, &e);

	if (!r) {
		snprintf(l->source, sizeof(l->source), "%s", g.name);
		l->denied = g.refused;
		sample(l, &g, options);
		l->expected_bytes = expect(&g, root);
		kmem_leave(&g);
	}
	l->no = -r;
	if (e.no)
		snprintf(l->refused, sizeof(l->refused), "%s", e.text);
}
