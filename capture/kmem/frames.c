/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "frames.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "scan_internal.h"
#include "walk.h"

/* Documentation/admin-guide/mm/pagemap.rst, include/uapi/linux/kernel-page-flags.h; RESERVED is of
 * the other half, which is for debugging and has stood since 2.6.31. */
enum {
	KPF_UPTODATE = 3,
	KPF_DIRTY = 4,
	KPF_LRU = 5,
	KPF_ACTIVE = 6,
	KPF_SLAB = 7,
	KPF_WRITEBACK = 8,
	KPF_BUDDY = 10,
	KPF_MMAP = 11,
	KPF_ANON = 12,
	KPF_SWAPCACHE = 13,
	KPF_SWAPBACKED = 14,
	KPF_COMPOUND_HEAD = 15,
	KPF_COMPOUND_TAIL = 16,
	KPF_HUGE = 17,
	KPF_UNEVICTABLE = 18,
	KPF_HWPOISON = 19,
	KPF_NOPAGE = 20,
	KPF_KSM = 21,
	KPF_OFFLINE = 23,
	KPF_ZERO_PAGE = 24,
	KPF_PGTABLE = 26,
	KPF_RESERVED = 32,
};
#define BIT(n) (1ULL << (n))

/* Frames of one read.  A multiple of the largest folio, so that no head is left behind. */
#define BATCH 65536u
/* A tail is looked up from the start of its block of so many frames. */
#define BLOCK 512u
#define COUNTS 32768u /* a power of two */
#define MOST_COUNTS (COUNTS / 4 * 3)

struct frames {
	int flags_fd, cgroup_fd; /* cgroup_fd: -1 without memory cgroups */
	struct kmem_range *ranges;
	size_t range_count;
	struct scan_result result;
	struct scan_config config;
	uint64_t cpu_start;

	struct frames_count *counts; /* COUNTS, open addressing; pages 0: empty */
	size_t count;
	bool sorted;
	uint64_t without_room;

	uint64_t *flags, *cgroups; /* BATCH each */
};

/* A head, for the tails that follow it. */
struct head {
	bool known;
	enum page_kind kind;
	unsigned state;
	uint64_t cgroup;
};

enum page_kind frame_kind(uint64_t flags, unsigned *ret_state)
{
	static const struct {
		uint64_t bits;
		enum page_kind kind;
	} kinds[] = {
		{BIT(KPF_OFFLINE) | BIT(KPF_HWPOISON), KIND_OFFLINE},
		{BIT(KPF_HUGE), KIND_HUGETLB},
		{BIT(KPF_SLAB), KIND_SLAB},
		{BIT(KPF_PGTABLE), KIND_PAGE_TABLE},
		{BIT(KPF_BUDDY), KIND_BUDDY},
		{BIT(KPF_RESERVED) | BIT(KPF_ZERO_PAGE), KIND_RESERVED},
	};
	static const struct {
		unsigned flag, state;
	} states[] = {
		{KPF_ACTIVE, STATE_ACTIVE},	      {KPF_DIRTY, STATE_DIRTY},
		{KPF_WRITEBACK, STATE_WRITEBACK},     {KPF_SWAPBACKED, STATE_SWAPBACKED},
		{KPF_UNEVICTABLE, STATE_UNEVICTABLE}, {KPF_MMAP, STATE_MAPPED},
	};
	/* Not on a list yet, but with contents: it waits in a CPU's batch. */
	const uint64_t cached = BIT(KPF_LRU) | BIT(KPF_UNEVICTABLE) | BIT(KPF_UPTODATE);
	unsigned state = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (flags & kinds[i].bits)
			return kinds[i].kind;
	}
	if (flags & (BIT(KPF_ANON) | BIT(KPF_KSM)))
		return flags & BIT(KPF_SWAPCACHE) && !(flags & BIT(KPF_MMAP)) ? KIND_SWAP_CACHE
									      : KIND_ANON;
	if (flags & BIT(KPF_SWAPCACHE))
		return KIND_SWAP_CACHE;
	if (!(flags & cached))
		return flags ? KIND_OTHER : KIND_UNKNOWN;
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		if (flags & BIT(states[i].flag))
			state |= states[i].state;
	}
	*ret_state = state;
	return flags & BIT(KPF_SWAPBACKED) ? KIND_SHMEM : KIND_FILE;
}

/* ------------------------------------------------------------------ counting */

static void count_page(struct frames *f, uint64_t cgroup, unsigned state)
{
	uint64_t at = (cgroup * 128 + state) * 0x9e3779b97f4a7c15ULL >> 32;

	for (;; at++) {
		struct frames_count *c = &f->counts[at % COUNTS];

		if (!c->pages) {
			/* Room is kept for all states of no group. */
			if (f->count >= MOST_COUNTS && cgroup) {
				f->without_room++;
				count_page(f, 0, state);
				return;
			}
			f->count++;
			*c = (struct frames_count){cgroup, state, 0};
		}
		if (c->cgroup_ino == cgroup && c->state == state) {
			c->pages++;
			return;
		}
	}
}

static void count_frame(struct frames *f, enum page_kind kind, unsigned state, uint64_t cgroup)
{
	f->result.pages_read++;
	f->result.kinds[kind]++;
	if (kind == KIND_FILE || kind == KIND_SHMEM)
		count_page(f, cgroup, state);
}

/* How many words came, 0 at the end of the map. */
static ssize_t read_words(int fd, uint64_t *out, uint64_t pfn, size_t n)
{
	ssize_t got;

	do {
		got = pread(fd, out, n * sizeof(*out), (off_t)(pfn * sizeof(*out)));
	} while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got / (ssize_t)sizeof(*out);
}

static bool out_of_budget(const struct frames *f)
{
	const struct scan_config *c = &f->config;

	return (c->deadline_ns && clock_ns(CLOCK_MONOTONIC) >= c->deadline_ns) ||
	       (c->cpu_ns && scan_thread_cpu() - f->cpu_start >= c->cpu_ns) ||
	       (c->stop && c->stop(c->stop_ctx));
}

/* ------------------------------------------------------------------ all of them */

static bool any_cached(const uint64_t *flags, size_t n)
{
	unsigned state;

	for (size_t i = 0; i < n; i++) {
		enum page_kind k = frame_kind(flags[i], &state);

		if (k == KIND_FILE || k == KIND_SHMEM)
			return true;
	}
	return false;
}

static int scan_batch(struct frames *f, uint64_t pfn, size_t n)
{
	struct head head = {0};
	ssize_t got = read_words(f->flags_fd, f->flags, pfn, n);

	if (got < 0)
		return (int)got;
	memset(f->cgroups, 0, n * sizeof(*f->cgroups));
	if (f->cgroup_fd >= 0 && any_cached(f->flags, (size_t)got)) {
		ssize_t r = read_words(f->cgroup_fd, f->cgroups, pfn, (size_t)got);

		if (r < 0)
			return (int)r;
	}
	f->result.strata_done += n;
	f->result.holes += n - (size_t)got;
	for (size_t i = 0; i < (size_t)got; i++) {
		uint64_t flags = f->flags[i];

		if (flags & BIT(KPF_NOPAGE)) {
			f->result.holes++;
			continue;
		}
		/* Some kernels show a tail's own flags, which say little. */
		if (flags & BIT(KPF_COMPOUND_TAIL) && head.known) {
			count_frame(f, head.kind, head.state | STATE_TAIL, head.cgroup);
			continue;
		}
		head = (struct head){.known = flags & BIT(KPF_COMPOUND_HEAD),
				     .cgroup = f->cgroups[i]};
		head.kind = frame_kind(flags, &head.state);
		count_frame(f, head.kind,
			    head.state | (flags & BIT(KPF_COMPOUND_TAIL) ? STATE_TAIL : 0),
			    head.cgroup);
	}
	return 0;
}

/* Ranges are cut at multiples of BATCH. */
static uint64_t batches_of(const struct kmem_range *g)
{
	return (g->end_pfn + BATCH - 1) / BATCH - g->start_pfn / BATCH;
}

static int scan_whole(struct frames *f, uint64_t *random)
{
	uint64_t total = 0, i;
	struct walk w;

	for (size_t k = 0; k < f->range_count; k++)
		total += batches_of(&f->ranges[k]);
	walk_init(&w, total, random);
	while (walk_next(&w, &i)) {
		const struct kmem_range *g = f->ranges;
		uint64_t start, end;
		int r;

		if (out_of_budget(f))
			return 0;
		for (; i >= batches_of(g); g++)
			i -= batches_of(g);
		start = (g->start_pfn / BATCH + i) * BATCH;
		end = start + BATCH < g->end_pfn ? start + BATCH : g->end_pfn;
		if (start < g->start_pfn)
			start = g->start_pfn;
		r = scan_batch(f, start, (size_t)(end - start));
		if (r < 0)
			return r;
	}
	f->result.finished = true;
	return 0;
}

/* ------------------------------------------------------------------ one of each stratum */

/* The head of the folio that this tail is in, if it begins in the same block. */
static int find_head(struct frames *f, uint64_t *pfn, uint64_t *flags)
{
	uint64_t start = *pfn / BLOCK * BLOCK;
	ssize_t got = read_words(f->flags_fd, f->flags, start, *pfn - start + 1);

	for (ssize_t i = got; i-- > 0;) {
		if (!(f->flags[i] & BIT(KPF_COMPOUND_HEAD)))
			continue;
		*pfn = start + (uint64_t)i;
		*flags = f->flags[i];
		break;
	}
	return got < 0 ? (int)got : 0;
}

static int sample_frame(struct frames *f, uint64_t pfn)
{
	uint64_t flags, cgroup = 0;
	unsigned state = 0, tail = 0;
	enum page_kind kind;
	ssize_t got = read_words(f->flags_fd, &flags, pfn, 1);
	int r = 0;

	if (got < 0)
		return (int)got;
	if (got == 0 || flags & BIT(KPF_NOPAGE)) {
		f->result.holes++;
		return 0;
	}
	if (flags & BIT(KPF_COMPOUND_TAIL)) {
		tail = STATE_TAIL;
		r = find_head(f, &pfn, &flags);
	}
	kind = frame_kind(flags, &state);
	if (r == 0 && f->cgroup_fd >= 0 && (kind == KIND_FILE || kind == KIND_SHMEM)) {
		got = read_words(f->cgroup_fd, &cgroup, pfn, 1);
		r = got < 0 ? (int)got : 0;
	}
	if (r == 0)
		count_frame(f, kind, state | tail, cgroup);
	return r;
}

/* The nth of the frames that count as RAM. */
static bool nth_frame(const struct frames *f, uint64_t n, uint64_t *ret)
{
	for (size_t i = 0; i < f->range_count; i++) {
		uint64_t size = f->ranges[i].end_pfn - f->ranges[i].start_pfn;

		if (n < size) {
			*ret = f->ranges[i].start_pfn + n;
			return true;
		}
		n -= size;
	}
	return false;
}

static int scan_strata(struct frames *f, uint64_t *random)
{
	struct scan_result *q = &f->result;
	uint64_t i, pfn;
	struct walk w;

	walk_init(&w, q->strata_total, random);
	while (walk_next(&w, &i)) {
		int r = 0;

		if (q->strata_done % 256 == 0 && out_of_budget(f))
			return 0;
		/* The last stratum may be shorter: it is hit with the same probability a frame. */
		if (nth_frame(f, i * q->one_in + next_random(random) % q->one_in, &pfn))
			r = sample_frame(f, pfn);
		if (r < 0)
			return r;
		q->strata_done++;
	}
	q->finished = true;
	return 0;
}

/* ------------------------------------------------------------------ the face */

static int open_words(const struct sysroot *root, const char *name)
{
	int fd = openat(root->proc_fd, name, O_RDONLY | O_CLOEXEC);
	uint64_t word;
	int r;

	if (fd < 0)
		return -errno;
	r = (int)read_words(fd, &word, 0, 1);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int frames_open(struct frames **ret, const struct sysroot *root, struct err *e)
{
	struct frames *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return err_errno(e, ENOMEM, "/proc/kpageflags");
	f->cgroup_fd = -1;
	f->flags_fd = open_words(root, "kpageflags");
	if (f->flags_fd < 0) {
		r = err_errno(e, f->flags_fd, "/proc/kpageflags");
		goto fail;
	}
	f->cgroup_fd = open_words(root, "kpagecgroup");
	r = kmem_ranges_from_iomem(&f->ranges, &f->range_count, root, (size_t)sysconf(_SC_PAGESIZE),
				   e);
	if (r < 0)
		goto fail;
	f->counts = calloc(COUNTS, sizeof(*f->counts));
	f->flags = malloc(BATCH * sizeof(*f->flags));
	f->cgroups = malloc(BATCH * sizeof(*f->cgroups));
	if (!f->counts || !f->flags || !f->cgroups) {
		r = err_errno(e, ENOMEM, "/proc/kpageflags");
		goto fail;
	}
	*ret = f;
	return 0;
fail:
	frames_close(f);
	return r;
}

void frames_close(struct frames *f)
{
	if (!f)
		return;
	cleanup_fd(&f->flags_fd);
	cleanup_fd(&f->cgroup_fd);
	free(f->ranges);
	free(f->counts);
	free(f->flags);
	free(f->cgroups);
	free(f);
}

/* The scan's estimate of its own cost, for planning. */
static struct kmem_source cost(const struct frames *f)
{
	return (struct kmem_source){.ranges = f->ranges,
				    .range_count = f->range_count,
				    .ns_per_page = 150,
				    .ns_per_sample = 900};
}

uint32_t frames_auto_one_in(const struct frames *f, uint64_t cpu_ns)
{
	const struct kmem_source s = cost(f);

	return scan_auto_one_in(&s, cpu_ns);
}

int frames_scan(struct frames *f, const struct scan_config *c, struct err *e)
{
	const struct kmem_source s = cost(f);
	uint64_t random = c->seed;
	uint32_t one_in = c->one_in ? c->one_in : 1;
	int r;

	f->config = *c;
	f->cpu_start = scan_thread_cpu();
	f->result = (struct scan_result){
		.one_in = one_in, .seed = c->seed, .pages_total = kmem_page_count(&s)};
	f->result.strata_total = (f->result.pages_total + one_in - 1) / one_in;
	r = one_in == 1 ? scan_whole(f, &random) : scan_strata(f, &random);
	f->result.scan_cpu_ns = scan_thread_cpu() - f->cpu_start;
	return r < 0 ? err_errno(e, r, "/proc/kpageflags") : 0;
}

const struct scan_result *frames_result(const struct frames *f)
{
	return &f->result;
}

static int by_cgroup_and_state(const void *a, const void *b)
{
	const struct frames_count *x = a, *y = b;

	if (!x->pages != !y->pages)
		return x->pages ? -1 : 1;
	if (x->cgroup_ino != y->cgroup_ino)
		return x->cgroup_ino < y->cgroup_ino ? -1 : 1;
	return (x->state > y->state) - (x->state < y->state);
}

size_t frames_counts(struct frames *f, const struct frames_count **ret)
{
	if (!f->sorted)
		qsort(f->counts, COUNTS, sizeof(*f->counts), by_cgroup_and_state);
	f->sorted = true;
	*ret = f->counts;
	return f->count;
}

uint64_t frames_without_room(const struct frames *f)
{
	return f->without_room;
}

bool frames_has_cgroups(const struct frames *f)
{
	return f->cgroup_fd >= 0;
}
