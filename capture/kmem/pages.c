/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Visiting the struct pages, all of them or one of each stratum, and counting what they are. */
#include "scan_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../base/clock.h"
#include "walk.h"

static bool out_of_budget(const struct scan *s)
{
	if (s->config.deadline_ns && clock_ns(CLOCK_MONOTONIC) >= s->config.deadline_ns)
		return true;
	if (s->config.cpu_ns && scan_thread_cpu() - s->cpu_start >= s->config.cpu_ns)
		return true;
	return s->config.stop && s->config.stop(s->config.stop_ctx);
}

/* ------------------------------------------------------------------ one page */

static uint32_t cgroup_of(struct scan *s, const unsigned char *page)
{
	uint64_t data;

	if (!field_present(s->l->page.memcg_data))
		return TABLE_NONE;
	data = page_word(page, s->l->page.memcg_data);
	if (!data)
		return TABLE_NONE;
	if (data != s->last_memcg) {
		/* Flag bits: 0 a vector of objects, 1 an obj_cgroup; cgroups.c tells by looking. */
		if (data & 1 || !plausible_object(data & ~7ULL))
			return TABLE_NONE;
		s->last_memcg = data;
		s->last_cgroup = tables_cgroup(&s->tables, data);
	}
	return s->last_cgroup;
}

static int file_of(struct scan *s, uint64_t mapping, uint32_t *ret)
{
	bool new;
	uint32_t file;

	if (mapping == s->last_mapping) {
		*ret = s->last_file;
		return 0;
	}
	file = tables_file(&s->tables, mapping, &new);
	if (file == TABLE_NONE) {
		/* No room to remember it: it has to be checked at once, or garbage would count. */
		struct kmem_field host = s->l->mapping.host;
		uint64_t inode;

		if (kmem_read(s->source, mapping + host.offset, &inode, sizeof(inode)) < 0 ||
		    inode != mapping - s->l->inode.data.offset)
			return -ENOENT;
		tables_file_dropped(&s->tables, mapping);
	} else if (new) {
		s->pending[s->pending_count++] = file;
	}
	s->last_mapping = mapping;
	s->last_file = file;
	*ret = file;
	return 0;
}

static void count_sample(struct scan *s, uint32_t file, uint32_t cgroup, unsigned state)
{
	uint64_t key = (uint64_t)file << 32 | (uint64_t)(cgroup & 0xffffff) << 8 | state;

	if (key != s->last_key || !s->last_count) {
		s->last_key = key;
		s->last_count = tables_sample(&s->tables, file, cgroup, state);
	}
	++*s->last_count;
}

/* What a page that is not a tail is, into *h. */
static void look_at_head(struct scan *s, const unsigned char *page, const unsigned char *next,
			 uint64_t addr, struct scan_head *h)
{
	uint64_t mapping;

	h->addr = addr;
	h->kind = page_classify(s->l, page, next, &mapping);
	if (h->kind == KIND_SLAB)
		h->slab = slabs_look(s->slabs, s->source, s->l, page, addr);
	if (h->kind != KIND_MAPPED)
		return;
	if (file_of(s, mapping, &h->file) < 0) {
		h->kind = KIND_OTHER;
		return;
	}
	h->cgroup = cgroup_of(s, page);
	h->bits = page_state_bits(s->l, page, next);
}

static void count_page(struct scan *s, const struct scan_head *h, unsigned tail)
{
	if (h->kind != KIND_MAPPED)
		s->result.kinds[h->kind]++;
	else
		count_sample(s, h->file, h->cgroup, h->bits | tail);
	if (h->kind == KIND_SLAB)
		slabs_count(s->slabs, h->slab, h->addr);
	s->result.pages_read++;
}

/* As tables_sample() keys it; 0: no page cache. */
static uint64_t sample_key(const struct scan_head *h, unsigned tail)
{
	uint64_t cgroup = h->cgroup == TABLE_NONE ? 0 : (uint64_t)h->cgroup + 1;

	if (h->kind != KIND_MAPPED)
		return 0;
	return (h->file == TABLE_NONE ? SAMPLE_DROPPED : ((uint64_t)h->file + 1) << 32) |
	       cgroup << 8 | h->bits | tail;
}

static bool is_page_addr(const struct scan *s, uint64_t addr)
{
	uint64_t offset = addr - s->source->vmemmap_base;

	return offset % s->source->page_struct_size == 0 &&
	       offset / s->source->page_struct_size < 1ULL << 52;
}

/* Read a head that is not at hand, with its second page where that can be read. */
static void fetch_head(struct scan *s, uint64_t addr, struct scan_head *h)
{
	size_t size = s->source->page_struct_size;
	unsigned char two[2 * 256];
	const unsigned char *next = two + size;

	h->addr = addr;
	h->kind = KIND_UNKNOWN;
	if (!is_page_addr(s, addr) || 2 * size > sizeof(two))
		return;
	if (kmem_read(s->source, addr, two, 2 * size) < 0) {
		next = NULL;
		if (kmem_read(s->source, addr, two, size) < 0)
			return;
	}
	if (page_head(s->l, two, addr)) /* not a head any more */
		return;
	look_at_head(s, two, next, addr, h);
}

static int check_if_many(struct scan *s)
{
	return s->pending_count >= SCAN_PENDING ? scan_check_pending(s) : 0;
}

/* ------------------------------------------------------------------ all pages */

/* bytes: the struct pages from pfn on, in the source's memory.  What is read for a single page on
 * the way (kmem_read) leaves them as they are. */
static void scan_chunk(struct scan *s, const unsigned char *bytes, uint64_t pfn, size_t n)
{
	size_t size = s->source->page_struct_size;
	uint64_t addr = kmem_page_addr(s->source, pfn);

	for (size_t i = 0; i < n; i++, addr += size) {
		const unsigned char *page = bytes + i * size;
		const unsigned char *next = i + 1 < n ? page + size : NULL;
		uint64_t head = page_head(s->l, page, addr);

		if (!head) {
			/* What says whether a large folio is mapped stands in its second page. */
			if (i + 1 == n && page_word(page, s->l->page.flags) & s->l->flags.head)
				fetch_head(s, addr, &s->head);
			else
				look_at_head(s, page, next, addr, &s->head);
			count_page(s, &s->head, 0);
			continue;
		}
		if (head != s->head.addr)
			fetch_head(s, head, &s->head);
		count_page(s, &s->head, STATE_TAIL);
	}
}

static int scan_span(struct scan *s, uint64_t pfn, size_t n)
{
	size_t size = s->source->page_struct_size, smallest = 4096 / size;
	const void *view;
	int r;

	r = kmem_view(s->source, kmem_page_addr(s->source, pfn), n * size, &view);
	if (r == 0) {
		scan_chunk(s, view, pfn, n);
		return 0;
	}
	if (r != -EFAULT)
		return r;
	if (n <= smallest) {
		s->result.holes += n;
		return 0;
	}
	r = scan_span(s, pfn, n / 2);
	return r < 0 ? r : scan_span(s, pfn + n / 2, n - n / 2);
}

int scan_all(struct scan *s, uint64_t *random)
{
	const struct kmem_range *ranges = s->source->ranges;
	/* A chunk brings at most that many files to check. */
	size_t chunk = SCAN_ITEMS / s->source->page_struct_size, chunks = 0;
	struct walk walk;
	uint64_t at;

	for (size_t i = 0; i < s->source->range_count; i++)
		chunks += (ranges[i].end_pfn - ranges[i].start_pfn + chunk - 1) / chunk;
	walk_init(&walk, chunks, random);
	while (walk_next(&walk, &at)) {
		uint64_t start, n;
		size_t i = 0;
		int r;

		if (out_of_budget(s))
			return scan_check_pending(s);
		for (;; i++) {
			uint64_t here =
				(ranges[i].end_pfn - ranges[i].start_pfn + chunk - 1) / chunk;

			if (at < here)
				break;
			at -= here;
		}
		start = ranges[i].start_pfn + at * chunk;
		n = ranges[i].end_pfn - start;
		if (n > chunk)
			n = chunk;
		r = scan_span(s, start, n);
		if (r == 0)
			r = check_if_many(s);
		if (r < 0)
			return r;
		s->result.strata_done += n;
	}
	s->result.finished = true;
	return scan_check_pending(s);
}

/* ------------------------------------------------------------------ two of each two strata */

/* Many, so that neighbours share the processor's address translations. */
#define BATCH_STRATA 65536u

struct sampler {
	struct scan *s;
	uint64_t *head; /* of the pages whose head has to be fetched */
	unsigned char *tail;
	uint16_t *item; /* which of the addresses that head is for */
	size_t heads;
	size_t n, most; /* addresses in s->addrs */
	uint64_t *pair; /* the pair each belongs to; two neighbours with the same one are both of it
			 */
	uint64_t *block; /* and the block, of which there are up to two pairs side by side */
	uint64_t *key;	 /* what each turned out to be */
	uint64_t batch;
};

static int sample_heads(struct sampler *p)
{
	struct scan *s = p->s;
	size_t size = s->source->page_struct_size, faults, max = p->most / 2;
	const void *view;

	/* s->addrs has been used by now. */
	for (size_t i = 0; i < p->heads;) {
		size_t n = p->heads - i < max ? p->heads - i : max;
		int r;

		for (size_t k = 0; k < n; k++) {
			s->addrs[2 * k] = p->head[i + k];
			s->addrs[2 * k + 1] = p->head[i + k] + size;
		}
		r = kmem_pages(s->source, s->addrs, 2 * n, s->items, &view, &faults);
		if (r < 0)
			return r;
		for (size_t k = 0; k < n; k++, i++) {
			const unsigned char *page = (const unsigned char *)view + k * 2 * size;

			if (page_head(s->l, page, p->head[i]))
				s->head.kind = KIND_UNKNOWN; /* not a head any more */
			else
				look_at_head(s, page, page + size, p->head[i], &s->head);
			count_page(s, &s->head, p->tail[i]);
			p->key[p->item[i]] = sample_key(&s->head, p->tail[i]);
		}
	}
	p->heads = 0;
	return 0;
}

static bool is_empty(const unsigned char *page, size_t size)
{
	return page[0] == 0 && !memcmp(page, page + 1, size - 1);
}

static void count_blocks(struct sampler *p)
{
	struct block_table *t = &p->s->blocks;

	for (size_t i = 0; t->slots && i + 3 < p->n; i++) {
		uint64_t side[4];

		if (p->block[i] != p->block[i + 3] || p->pair[i] != p->pair[i + 1] ||
		    p->pair[i + 2] != p->pair[i + 3])
			continue;
		for (size_t k = 0; k < 4; k++)
			side[k] = p->key[i + k] & ~UINT64_C(0x7f);
		if (blocks_keep(t, p->block[i], p->batch))
			blocks_add(t, side);
		i += 3;
	}
}

static void count_pairs(struct sampler *p)
{
	struct pair_table *t = &p->s->pairs;

	for (size_t i = 0; i + 1 < p->n; i++)
		if (p->pair[i] == p->pair[i + 1] && (p->key[i] || p->key[i + 1]) &&
		    pairs_keep(t, p->pair[i]))
			pairs_add(t, p->key[i], p->key[i + 1]);
}

static int sample_flush(struct sampler *p)
{
	struct scan *s = p->s;
	size_t size = s->source->page_struct_size, faults;
	const void *view;
	int r;

	r = kmem_pages(s->source, s->addrs, p->n, s->items, &view, &faults);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->n; i++) {
		const unsigned char *page = (const unsigned char *)view + i * size;
		uint64_t addr = s->addrs[i], head = page_head(s->l, page, addr);

		p->key[i] = 0;
		if (faults && is_empty(page, size)) {
			s->result.holes++;
			continue;
		}
		/* Large: what says whether it is mapped or hugetlb stands in the second page. */
		if (head || page_word(page, s->l->page.flags) & s->l->flags.head) {
			if (head && !is_page_addr(s, head)) {
				s->head.kind = KIND_UNKNOWN;
				count_page(s, &s->head, 0);
				continue;
			}
			p->head[p->heads] = head ? head : addr;
			p->item[p->heads] = (uint16_t)i;
			p->tail[p->heads++] = head ? STATE_TAIL : 0;
			continue;
		}
		look_at_head(s, page, NULL, addr, &s->head);
		count_page(s, &s->head, 0);
		p->key[i] = sample_key(&s->head, 0);
	}
	r = sample_heads(p);
	if (r == 0) {
		count_pairs(p);
		count_blocks(p);
	}
	p->n = 0;
	return r < 0 ? r : check_if_many(s);
}

static uint64_t random_below(uint64_t *random, uint64_t n)
{
	return (uint64_t)(((__uint128_t)next_random(random) * n) >> 64);
}

static bool is_prime(uint64_t n)
{
	for (uint64_t i = 2; i * i <= n; i++)
		if (n % i == 0)
			return false;
	return n > 1;
}

uint64_t scan_block_pairs(const struct scan *s)
{
	uint64_t batch = s->config.batch_strata ? s->config.batch_strata : BATCH_STRATA;
	uint64_t n = s->result.strata_total / (batch / 2);

	/* Strata are four in a block and batch. */
	for (n = n < 2 ? 2 : n; !is_prime(n); n++)
		;
	return n;
}

/*
 * Which two of a block's n pairs a batch takes.  x → a x + r modulo a prime, with random a and r,
 * is an order of all of them in which each two are as likely as any two others to stand in two
 * given places: all that the variance of a sum asks for.  Returns how many: the last batch finds
 * one left where n is odd.
 */
static size_t pairs_of(const struct scan *s, uint64_t block, uint64_t batch, uint64_t ret[2])
{
	uint64_t n = s->result.block_pairs, state = s->config.seed ^ block * 0xd1342543de82ef95ULL;
	uint64_t a = 1 + random_below(&state, n - 1), r = random_below(&state, n);
	uint64_t x = (a * (2 * batch) + r) % n, y = (x + a) % n;

	ret[0] = block * n + (x < y ? x : y);
	ret[1] = block * n + (x < y ? y : x);
	if (2 * batch + 1 < n)
		return 2;
	ret[0] = block * n + x;
	return 1;
}

/* Where a batch stands: it goes through memory upwards. */
struct place {
	const struct kmem_range *range, *end;
	uint64_t before; /* frames in the ranges before this one */
};

/* Two frames of two strata side by side, never the same one twice. */
static void draw_pair(struct sampler *p, struct place *at, uint64_t block, uint64_t pair,
		      uint64_t *random)
{
	struct scan *s = p->s;
	uint64_t strata = s->result.strata_total, frames = 2 * (uint64_t)s->result.one_in;
	uint64_t a = random_below(random, frames), b = random_below(random, frames - 1);
	uint64_t of[2];

	b += b >= a;
	of[0] = pair * frames + (a < b ? a : b);
	of[1] = pair * frames + (a < b ? b : a);
	s->result.strata_done += pair * 2 + 1 < strata ? 2 : 1;
	for (size_t i = 0; i < 2; i++) {
		if (of[i] >= s->result.pages_total) /* the last stratum is short */
			break;
		while (at->range < at->end &&
		       of[i] - at->before >= at->range->end_pfn - at->range->start_pfn) {
			at->before += at->range->end_pfn - at->range->start_pfn;
			at->range++;
		}
		if (at->range == at->end)
			break;
		p->pair[p->n] = pair;
		p->block[p->n] = block;
		s->addrs[p->n++] =
			kmem_page_addr(s->source, at->range->start_pfn + of[i] - at->before);
	}
}

static int sample_batch(struct sampler *p, uint64_t batch, uint64_t *random)
{
	struct scan *s = p->s;
	uint64_t all = (s->result.strata_total + 1) / 2, pairs[2];
	struct place at = {s->source->ranges, s->source->ranges + s->source->range_count, 0};
	int r;

	p->batch = batch;
	for (uint64_t block = 0; block * s->result.block_pairs < all; block++) {
		size_t n = pairs_of(s, block, batch, pairs);

		if (p->n + 4 > p->most) {
			r = sample_flush(p);
			if (r < 0)
				return r;
		}
		for (size_t i = 0; i < n; i++)
			if (pairs[i] < all) /* the last block is short */
				draw_pair(p, &at, block, pairs[i], random);
	}
	r = sample_flush(p);
	return r < 0 ? r : scan_check_pending(s);
}

int scan_sampled(struct scan *s, uint64_t *random)
{
	struct sampler p = {.s = s};
	struct walk walk;
	uint64_t batch;
	int r = 0;

	p.most = KMEM_READ_MAX / s->source->page_struct_size;
	if (p.most > KMEM_GATHER_MAX)
		p.most = KMEM_GATHER_MAX;
	p.head = malloc(KMEM_GATHER_MAX * sizeof(*p.head));
	p.tail = malloc(KMEM_GATHER_MAX);
	p.item = malloc(KMEM_GATHER_MAX * sizeof(*p.item));
	p.pair = malloc(KMEM_GATHER_MAX * sizeof(*p.pair));
	p.block = malloc(KMEM_GATHER_MAX * sizeof(*p.block));
	p.key = malloc(KMEM_GATHER_MAX * sizeof(*p.key));
	if (!p.head || !p.tail || !p.item || !p.pair || !p.block || !p.key)
		r = -ENOMEM;
	if (s->source->ops->expect)
		s->source->ops->expect(s->source, s->result.strata_total);
	walk_init(&walk, (s->result.block_pairs + 1) / 2, random);
	while (r == 0 && walk_next(&walk, &batch)) {
		if (out_of_budget(s))
			break;
		r = sample_batch(&p, batch, random);
		if (!walk.left)
			s->result.finished = true;
	}
	free(p.head);
	free(p.tail);
	free(p.item);
	free(p.pair);
	free(p.block);
	free(p.key);
	return r;
}
