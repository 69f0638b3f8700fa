/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scan_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "../base/clock.h"

uint64_t scan_thread_cpu(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* Of a sampled scan an eighth of the memory is for the pairs, and a sixteenth for the blocks. */
static int init_tables(struct scan *s)
{
	size_t memory = s->config.memory, pairs = s->result.one_in == 1 ? 0 : memory / 8;
	int r = tables_init(&s->tables, memory - pairs - pairs / 2);

	if (r == 0 && s->result.one_in > 1)
		r = pairs_init(&s->pairs, pairs, (s->result.strata_total + 1) / 2);
	s->result.pair_one_in = s->pairs.one_in;
	if (r == 0 && s->result.one_in > 1) {
		s->result.block_pairs = scan_block_pairs(s);
		if (s->result.block_pairs > 2)
			r = blocks_init(&s->blocks, pairs / 2, s->result.strata_total / 4);
		s->result.block_one_in = s->blocks.one_in;
	}
	return r;
}

int scan_run(struct scan **ret, struct kmem_source *source, const struct kmem_layout *l,
	     const struct scan_config *c, struct err *e)
{
	struct scan *s = calloc(1, sizeof(*s));
	uint64_t random = c->seed;
	int r;

	if (!s)
		return err_errno(e, ENOMEM, "page-cache scan");
	s->source = source;
	s->l = l;
	s->config = *c;
	s->head.addr = SCAN_NO_ADDR;
	s->cpu_start = scan_thread_cpu();
	s->result.one_in = c->one_in ? c->one_in : 1;
	s->result.seed = c->seed;
	s->result.pages_total = kmem_page_count(source);
	s->result.strata_total = (s->result.pages_total + s->result.one_in - 1) / s->result.one_in;
	/* A chunk of one page per file has as many files to check as pages. */
	s->pending = malloc((SCAN_ITEMS / 32 + SCAN_PENDING) * sizeof(*s->pending));
	s->items = malloc(SCAN_ITEMS);
	s->addrs = malloc(KMEM_GATHER_MAX * sizeof(*s->addrs));
	s->slabs = calloc(1, sizeof(*s->slabs));
	if (s->slabs)
		s->slabs->random = ~c->seed;
	r = s->pending && s->items && s->addrs && s->slabs ? init_tables(s) : -ENOMEM;
	if (r == 0 && (source->page_struct_size < 32 || source->page_struct_size > 256))
		r = -ENOTSUP;
	if (r == 0)
		r = s->result.one_in == 1 ? scan_all(s, &random) : scan_sampled(s, &random);
	s->result.pairs_dropped = s->pairs.dropped;
	s->result.blocks_dropped = s->blocks.dropped;
	s->result.scan_cpu_ns = scan_thread_cpu() - s->cpu_start;
	if (r < 0) {
		err_errno(e, r, "page-cache scan");
		err_add(e, "reading struct pages through %s", source->ops->name);
		scan_destroy(s);
		return r;
	}
	*ret = s;
	return 0;
}

void scan_destroy(struct scan *s)
{
	if (!s)
		return;
	tables_deinit(&s->tables);
	pairs_deinit(&s->pairs);
	blocks_deinit(&s->blocks);
	free(s->pending);
	free(s->items);
	free(s->addrs);
	free(s->slabs);
	free(s->canonical);
	free(s);
}

static int emit_sample(struct scan *s, const struct sample_entry *sample,
		       const struct scan_sink *sink)
{
	uint32_t file = sample_file(sample->key), cgroup = sample_cgroup(sample->key);
	unsigned state = sample_state(sample->key) & ~0x80u;
	enum file_status status = file ? s->tables.files[file - 1].status : FILE_VALID;

	switch (status) {
	case FILE_HUGETLB:
		s->result.kinds[KIND_HUGETLB] += sample->pages;
		return 0;
	case FILE_DISCARDED:
		s->result.discarded += sample->pages;
		break;
	case FILE_DROPPED:
		file = 0;
		break;
	case FILE_VALID:
		break;
	default:
		s->result.kinds[KIND_OTHER] += sample->pages;
		return 0;
	}
	s->result.kinds[state & STATE_SWAPBACKED ? KIND_SHMEM : KIND_FILE] += sample->pages;
	if (status == FILE_DISCARDED)
		return 0;
	return sink->sample(sink->ctx, file, cgroup ? s->canonical[cgroup - 1] : 0, state,
			    sample->pages);
}

/* Is it page cache, now that the files have been looked at? */
static bool pair_side(const struct scan *s, uint64_t key, struct scan_sample *ret)
{
	uint32_t file = sample_file(key), cgroup = sample_cgroup(key);
	enum file_status status = file ? s->tables.files[file - 1].status : FILE_VALID;

	*ret = (struct scan_sample){status == FILE_DROPPED ? 0 : file,
				    cgroup ? s->canonical[cgroup - 1] : 0,
				    sample_state(key) & ~SAMPLE_DROPPED};
	return key && (status == FILE_VALID || status == FILE_DROPPED);
}

static int emit_pair(struct scan *s, const struct pair_entry *p, const struct scan_sink *sink)
{
	struct scan_sample a, b;
	bool has_a = pair_side(s, p->a, &a), has_b = pair_side(s, p->b, &b);

	if (!has_a && !has_b)
		return 0;
	return sink->pair(sink->ctx, has_a ? &a : &b, has_a && has_b ? &b : NULL, p->pairs);
}

static int emit_blocks(struct scan *s, const struct scan_sink *sink)
{
	int r = sink->table(sink->ctx, SCAN_BLOCKS);

	for (uint32_t i = 0; r >= 0 && i < s->blocks.size; i++) {
		const struct block_entry *b = &s->blocks.slots[i];
		struct scan_sample sample[4];
		const struct scan_sample *side[4];
		bool any = false;

		for (unsigned k = 0; b->blocks && k < 4; k++) {
			side[k] = pair_side(s, b->side[k], &sample[k]) ? &sample[k] : NULL;
			any |= side[k] != NULL;
		}
		if (any)
			r = sink->block(sink->ctx, side, b->blocks);
	}
	return r;
}

int scan_resolve(struct scan *s, const struct scan_sink *sink, struct err *e)
{
	uint64_t start = scan_thread_cpu();
	int r;

	r = sink->table(sink->ctx, SCAN_FILES);
	if (r == 0)
		r = scan_resolve_files(s, sink, e);
	scan_find_slab_cgroups(s);
	if (r == 0)
		r = sink->table(sink->ctx, SCAN_CGROUPS);
	if (r == 0)
		r = scan_resolve_cgroups(s, sink, e);
	if (r == 0)
		r = sink->table(sink->ctx, SCAN_SAMPLES);
	for (uint32_t i = 0; r >= 0 && i < s->tables.sample_size; i++) {
		if (s->tables.samples[i].key)
			r = emit_sample(s, &s->tables.samples[i], sink);
	}
	if (r >= 0 && sink->pair && s->pairs.slots)
		r = sink->table(sink->ctx, SCAN_PAIRS);
	for (uint32_t i = 0; r >= 0 && sink->pair && s->pairs.slots && i < s->pairs.size; i++) {
		if (s->pairs.slots[i].a)
			r = emit_pair(s, &s->pairs.slots[i], sink);
	}
	if (r >= 0 && sink->group_slab)
		r = scan_resolve_group_slabs(s, sink);
	if (r >= 0 && sink->block && s->blocks.slots && !s->result.finished)
		r = emit_blocks(s, sink);
	s->result.resolve_cpu_ns = scan_thread_cpu() - start;
	if (r >= 0 && sink->dentries)
		r = scan_resolve_dentries(s, sink, e);
	s->result.dentries_cpu_ns = scan_thread_cpu() - start - s->result.resolve_cpu_ns;
	return r < 0 ? r : 0;
}

const struct scan_result *scan_result(const struct scan *s)
{
	return &s->result;
}

uint64_t scan_files_dropped(const struct scan *s)
{
	return s->tables.files_dropped;
}

uint32_t scan_auto_one_in(const struct kmem_source *s, uint64_t cpu_ns)
{
	uint64_t pages = kmem_page_count(s);
	uint32_t one_in = 1;

	if (pages * s->ns_per_page <= cpu_ns)
		return 1;
	while (one_in < 1u << 16 && pages / one_in * s->ns_per_sample > cpu_ns)
		one_in *= 2;
	return one_in;
}
