/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Visiting the struct pages, all of them, and counting what they are. */
#include "scan_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "walk.h"

bool scan_out_of_budget(const struct scan *s)
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

static void count_sample(struct scan *s, uint32_t file, uint32_t cgroup, unsigned state, size_t n)
{
	uint64_t key = (uint64_t)file << 32 | (uint64_t)(cgroup & 0xffffff) << 8 | state;

	if (key != s->last_key || !s->last_count) {
		s->last_key = key;
		s->last_count = tables_sample(&s->tables, file, cgroup, state);
	}
	*s->last_count += n;
}

/* What a page that is not a tail is, into *h. */
void scan_look_at_head(struct scan *s, const unsigned char *page, const unsigned char *next,
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

void scan_count_page(struct scan *s, const struct scan_head *h, unsigned tail, size_t n)
{
	if (h->kind != KIND_MAPPED)
		s->result.kinds[h->kind] += n;
	else
		count_sample(s, h->file, h->cgroup, h->bits | tail, n);
	for (size_t i = 0; h->kind == KIND_SLAB && i < n; i++)
		slabs_count(s->slabs, h->slab, h->addr);
	s->result.pages_read += n;
}

bool scan_is_page_addr(const struct scan *s, uint64_t addr)
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
	if (!scan_is_page_addr(s, addr) || 2 * size > sizeof(two))
		return;
	if (kmem_read(s->source, addr, two, 2 * size) < 0) {
		next = NULL;
		if (kmem_read(s->source, addr, two, size) < 0)
			return;
	}
	if (page_head(s->l, two, addr)) /* not a head any more */
		return;
	scan_look_at_head(s, two, next, addr, h);
}

int scan_check_if_many(struct scan *s)
{
	return s->pending_count >= SCAN_PENDING ? scan_check_pending(s) : 0;
}

/* ------------------------------------------------------------------ all pages */

/*
 * All that a page which is no part of a large folio or slab is told by, as a mask over its bytes.
 * Neighbours are mostly alike, pages of one file and free ones: those are not looked at but
 * counted. Most of a scan's time goes here, so it is done in registers of 16 bytes, which both
 * architectures have.
 */
typedef uint64_t pair_of_words __attribute__((vector_size(16)));
typedef uint64_t bytes_of_words __attribute__((vector_size(16), aligned(1), may_alias));
#define LIKENESS_PARTS 4
#define LIKENESS_BYTES 64u /* that a struct page has; those of another size are looked at each */

struct likeness {
	pair_of_words mask[LIKENESS_PARTS], of[LIKENESS_PARTS];
	uint64_t *counter; /* of pages like the one looked at; NULL: look at each */
	bool usable;
};

static uint64_t flags_that_tell(const struct kmem_layout *l)
{
	const struct kmem_page_flags *f = &l->flags;

	return f->writeback | f->dirty | f->lru | f->head | f->active | f->reserved |
	       f->swapbacked | f->unevictable | f->swapcache | f->slab;
}

static void likeness_init(struct likeness *k, const struct kmem_layout *l)
{
	const struct {
		struct kmem_field field;
		uint64_t bits;
		size_t size;
	} parts[] = {
		{l->page.flags, flags_that_tell(l), 8},
		{l->page.compound_head, 1, 8}, /* a tail is not like its head */
		{l->page.mapping, UINT64_MAX, 8},
		{l->page.memcg_data, UINT64_MAX, 8},
		{l->page.page_type, UINT64_MAX, 4},
		{l->page.mapcount, UINT64_MAX, 4},
		{l->page.refcount, UINT64_MAX, 4},
	};
	unsigned char mask[LIKENESS_BYTES] = {0};

	*k = (struct likeness){.usable = l->page.size == LIKENESS_BYTES};
	for (size_t i = 0; i < ARRAY_SIZE(parts) && k->usable; i++) {
		uint64_t bits = 0;

		if (!field_present(parts[i].field))
			continue;
		k->usable = parts[i].field.offset + parts[i].size <= LIKENESS_BYTES;
		if (!k->usable)
			break;
		memcpy(&bits, mask + parts[i].field.offset, parts[i].size);
		bits |= parts[i].bits;
		memcpy(mask + parts[i].field.offset, &bits, parts[i].size);
	}
	memcpy(k->mask, mask, sizeof(k->mask));
}

/* How many pages from page on, of n, are like the last one that was looked at. */
static size_t run_of_alike(const struct likeness *k, const unsigned char *page, size_t n)
{
	const pair_of_words m0 = k->mask[0], m1 = k->mask[1], m2 = k->mask[2], m3 = k->mask[3];
	const pair_of_words o0 = k->of[0], o1 = k->of[1], o2 = k->of[2], o3 = k->of[3];
	size_t i = 0;

	for (; i < n; i++, page += LIKENESS_BYTES) {
		const bytes_of_words *p = (const bytes_of_words *)page;
		pair_of_words d = ((p[0] & m0) ^ o0) | ((p[1] & m1) ^ o1) | ((p[2] & m2) ^ o2) |
				  ((p[3] & m3) ^ o3);

		if (d[0] | d[1])
			break;
	}
	return i;
}

/*
 * The mark of a page pool is not in the mask: it shares its word with the links of lists, by which
 * hardly two neighbours would be alike.  Only what no other word tells is decided by it.
 */
static bool told_by_mark(const struct scan *s)
{
	return field_present(s->l->page.pp_magic) &&
	       (s->head.kind == KIND_OTHER || s->head.kind == KIND_PAGE_POOL);
}

/* page was looked at, and s->head is what it is. */
static void remember(struct likeness *k, struct scan *s, const unsigned char *page)
{
	uint64_t flags = page_word(page, s->l->page.flags);

	k->counter = NULL;
	if (!k->usable || s->head.kind == KIND_SLAB || told_by_mark(s) || flags & s->l->flags.head)
		return;
	memcpy(k->of, page, sizeof(k->of));
	for (int i = 0; i < LIKENESS_PARTS; i++)
		k->of[i] &= k->mask[i];
	k->counter = s->head.kind == KIND_MAPPED ? s->last_count : &s->result.kinds[s->head.kind];
}

/* How many tails of the folio of the one at page follow it, itself included, among n. */
static size_t tails_alike(const struct kmem_layout *l, const unsigned char *page, size_t size,
			  size_t n)
{
	uint64_t info = page_word(page, l->page.compound_head);
	size_t i = 1;

	while (i < n && page_word(page + i * size, l->page.compound_head) == info)
		i++;
	return i;
}

/* bytes: the struct pages from pfn on, in the source's memory.  What is read for a single page on
 * the way (kmem_read) leaves them as they are. */
static void scan_chunk(struct scan *s, const unsigned char *bytes, uint64_t pfn, size_t n)
{
	size_t size = s->source->page_struct_size;
	uint64_t base = kmem_page_addr(s->source, pfn);
	struct likeness k;

	likeness_init(&k, s->l);
	for (size_t i = 0; i < n; i++) {
		const unsigned char *page = bytes + i * size;
		uint64_t addr = base + i * size, head = page_head(s->l, page, addr);
		if (!head) {
			/* What says whether a large folio is mapped stands in its second page. */
			if (i + 1 == n && page_word(page, s->l->page.flags) & s->l->flags.head)
				fetch_head(s, addr, &s->head);
			else
				scan_look_at_head(s, page, i + 1 < n ? page + size : NULL, addr,
						  &s->head);
			scan_count_page(s, &s->head, 0, 1);
			remember(&k, s, page);
			if (!k.counter)
				continue;
			size_t run = run_of_alike(&k, page + size, n - i - 1);

			*k.counter += run;
			s->result.pages_read += run;
			i += run;
			continue;
		}
		if (head != s->head.addr)
			fetch_head(s, head, &s->head);
		size_t tails = tails_alike(s->l, page, size, n - i);

		scan_count_page(s, &s->head, STATE_TAIL, tails);
		i += tails - 1;
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

		if (scan_out_of_budget(s))
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
			r = scan_check_if_many(s);
		if (r < 0)
			return r;
		s->result.strata_done += n;
	}
	s->result.finished = true;
	return scan_check_pending(s);
}
