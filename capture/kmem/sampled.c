/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Visiting a sample of the struct pages: two of each two strata, batch by batch. */
#include "scan_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "walk.h"

/* Many, so that neighbours share the processor's address translations. */
#define BATCH_STRATA 65536u

/* As tables_sample() keys it; 0: no page cache. */
static uint64_t sample_key(const struct scan_head *h, unsigned tail)
{
	uint64_t cgroup = h->cgroup == TABLE_NONE ? 0 : (uint64_t)h->cgroup + 1;

	if (h->kind != KIND_MAPPED)
		return 0;
	return (h->file == TABLE_NONE ? SAMPLE_DROPPED : ((uint64_t)h->file + 1) << 32) |
	       cgroup << 8 | h->bits | tail;
}

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
				scan_look_at_head(s, page, page + size, p->head[i], &s->head);
			scan_count_page(s, &s->head, p->tail[i], 1);
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
			if (head && !scan_is_page_addr(s, head)) {
				s->head.kind = KIND_UNKNOWN;
				scan_count_page(s, &s->head, 0, 1);
				continue;
			}
			p->head[p->heads] = head ? head : addr;
			p->item[p->heads] = (uint16_t)i;
			p->tail[p->heads++] = head ? STATE_TAIL : 0;
			continue;
		}
		scan_look_at_head(s, page, NULL, addr, &s->head);
		scan_count_page(s, &s->head, 0, 1);
		p->key[i] = sample_key(&s->head, 0);
	}
	r = sample_heads(p);
	if (r == 0) {
		count_pairs(p);
		count_blocks(p);
	}
	p->n = 0;
	return r < 0 ? r : scan_check_if_many(s);
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
		if (scan_out_of_budget(s))
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
