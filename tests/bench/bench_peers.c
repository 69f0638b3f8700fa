/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The scan beside the per-page method of SysAK's podmem, on the same frames in one run: for each
 * frame one pread of /proc/kpageflags, one of /proc/kpagecgroup and, of frames that these say are
 * page cache, one of its struct page and one of its inode through the kernel-memory source that
 * there is (podmem reads /proc/kcore).  And where the scan's own time goes.
 *
 * Prints "WHAT NS FRAMES": CPU time of this thread, the best of ROUNDS.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "../../capture/base/clock.h"
#include "../../capture/kmem/scan.h"

#define KPF_LRU 5
#define KPF_ANON 12
#define KPF_TAIL 16 /* KPF_COMPOUND_TAIL */
#define EVERY 64    /* runs of 1024 frames: the per-page method is too slow for all */

static uint64_t cpu(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* ------------------------------------------------------------------ a source that is timed */

struct timed {
	struct kmem_source s;
	struct kmem_source *inner;
	uint64_t ns;
};

static int timed_read(struct kmem_source *s, uint64_t addr, void *buf, size_t len, const void **ret)
{
	struct timed *t = (struct timed *)s;
	uint64_t start = cpu();
	int r = t->inner->ops->read(t->inner, addr, buf, len, ret);

	t->ns += cpu() - start;
	return r;
}

static int timed_gather(struct kmem_source *s, const uint64_t *addr, size_t n, size_t size,
			void *buf, const void **ret, size_t *ret_faults)
{
	struct timed *t = (struct timed *)s;
	uint64_t start = cpu();
	int r = t->inner->ops->gather(t->inner, addr, n, size, buf, ret, ret_faults);

	t->ns += cpu() - start;
	return r;
}

static int timed_pages(struct kmem_source *s, const uint64_t *addr, size_t n, void *buf,
		       const void **ret, size_t *ret_faults)
{
	struct timed *t = (struct timed *)s;
	uint64_t start = cpu();
	int r = kmem_pages(t->inner, addr, n, buf, ret, ret_faults);

	t->ns += cpu() - start;
	return r;
}

static int timed_words(struct kmem_source *s, const uint64_t *addr, size_t n, const uint64_t **ret)
{
	struct timed *t = (struct timed *)s;
	uint64_t start = cpu();
	int r = kmem_words(t->inner, addr, n, ret);

	t->ns += cpu() - start;
	return r;
}

static void timed_expect(struct kmem_source *s, uint64_t samples)
{
	struct timed *t = (struct timed *)s;
	uint64_t start = cpu();

	if (t->inner->ops->expect)
		t->inner->ops->expect(t->inner, samples);
	t->ns += cpu() - start;
}

static void timed_close(struct kmem_source *s)
{
}

static const struct kmem_source_ops timed_ops = {.name = "timed",
						 .read = timed_read,
						 .gather = timed_gather,
						 .pages = timed_pages,
						 .words = timed_words,
						 .expect = timed_expect,
						 .close = timed_close};

/* ------------------------------------------------------------------ the scan */

static int on_table(void *ctx, enum scan_table t)
{
	return 0;
}
static int on_file(void *ctx, const struct scan_file *f)
{
	++*(uint64_t *)ctx;
	return 0;
}
static int on_cgroup(void *ctx, const struct scan_cgroup *c)
{
	return 0;
}
static int on_sample(void *ctx, uint32_t f, uint32_t c, unsigned s, uint64_t p)
{
	return 0;
}

struct cost {
	uint64_t scan, scan_read, resolve, resolve_read, files;
};

static struct cost scan_once(struct timed *t, const struct kmem_layout *l, uint32_t one_in,
			     uint64_t seed)
{
	struct scan_config c = {.one_in = one_in, .seed = seed, .memory = 24 << 20};
	struct cost k = {0};
	struct scan_sink sink = {on_table, on_file, on_sample, on_cgroup, &k.files,
				 NULL,	   NULL,    NULL,      NULL};
	struct err e = {0};
	struct scan *scan;

	t->ns = 0;
	if (scan_run(&scan, &t->s, l, &c, &e) < 0)
		goto bad;
	k.scan_read = t->ns;
	t->ns = 0;
	if (scan_resolve(scan, &sink, &e) < 0)
		goto bad;
	k.resolve_read = t->ns;
	k.scan = scan_result(scan)->scan_cpu_ns;
	k.resolve = scan_result(scan)->resolve_cpu_ns;
	scan_destroy(scan);
	return k;
bad:
	fprintf(stderr, "bench_peers: %s\n", e.text);
	exit(1);
}

static volatile uint64_t sink_word;

/* ------------------------------------------------------------------ page by page */

static uint64_t page_by_page(struct timed *t, const struct kmem_layout *l, int flags, int group,
			     uint64_t *ret_frames)
{
	struct kmem_source *s = t->inner;
	uint64_t start = cpu(), frames = 0, word, ino, inode_ino, sum = 0;
	unsigned char page[256];

	for (size_t r = 0; r < s->range_count; r++) {
		for (uint64_t pfn = s->ranges[r].start_pfn; pfn < s->ranges[r].end_pfn; pfn++) {
			uint64_t mapping;

			if (pfn / 1024 % EVERY)
				continue;
			frames++;
			if (pread(flags, &word, 8, (off_t)(pfn * 8)) != 8 ||
			    pread(group, &ino, 8, (off_t)(pfn * 8)) != 8)
				exit(1);
			sum += ino;
			if (!(word >> KPF_LRU & 1) || word >> KPF_ANON & 1 || word >> KPF_TAIL & 1)
				continue;
			if (kmem_read(s, kmem_page_addr(s, pfn), page, l->page.size) < 0)
				continue;
			mapping = page_word(page, l->page.mapping);
			if (plausible_object(mapping) &&
			    kmem_read(s, mapping - l->inode.data.offset + l->inode.ino.offset,
				      &inode_ino, 8) == 0)
				sum += inode_ino;
		}
	}
	sink_word = sum;
	*ret_frames = frames;
	return cpu() - start;
}

static void least(uint64_t *best, uint64_t ns)
{
	if (!*best || ns < *best)
		*best = ns;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 5;
	struct capture_options o = {0};
	int flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	int group = open("/proc/kpagecgroup", O_RDONLY | O_CLOEXEC);
	uint64_t pages = 0, some = 0, frames;
	struct cost full = {0}, part = {0};
	struct sysroot root;
	struct kmem_layout l;
	struct timed t = {0};
	struct btf *btf;
	struct err e = {0};

	if (flags < 0 || group < 0) {
		perror("bench_peers: /proc/kpageflags, /proc/kpagecgroup");
		return 1;
	}
	if (sysroot_open(&root, "/", &e) < 0 || kmem_btf_open(&btf, NULL, &root, &e) < 0 ||
	    kmem_layout_init(&l, btf, &e) < 0 || kmem_open(&t.inner, &o, &root, &l, &e) < 0) {
		fprintf(stderr, "bench_peers: %s\n", e.text);
		return 1;
	}
	btf__free(btf);
	t.s = *t.inner;
	t.s.ops = &timed_ops;
	frames = kmem_page_count(t.inner);
	scan_once(&t, &l, 64, 1); /* loads its programs */
	for (int i = 0; i < rounds; i++) {
		struct cost k = scan_once(&t, &l, 1, (uint64_t)i);

		if (!full.scan || k.scan < full.scan)
			full = k;
		k = scan_once(&t, &l, 64, (uint64_t)i);
		if (!part.scan || k.scan < part.scan)
			part = k;
		least(&pages, page_by_page(&t, &l, flags, group, &some));
	}
	printf("source\t0\t0\t%s\n", t.inner->ops->name);
	const struct {
		const char *what;
		uint64_t ns, frames;
	} rows[] = {
		{"full", full.scan + full.resolve, frames},
		{"sampled", part.scan + part.resolve, frames},
		{"page-by-page", pages, some},
		{"full:read", full.scan_read, frames},
		{"full:look", full.scan - full.scan_read, frames},
		{"full:naming-read", full.resolve_read, frames},
		{"full:naming", full.resolve - full.resolve_read, frames},
		{"sampled:read", part.scan_read, frames / 64},
		{"sampled:look", part.scan - part.scan_read, frames / 64},
		{"sampled:naming-read", part.resolve_read, frames / 64},
		{"sampled:naming", part.resolve - part.resolve_read, frames / 64},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("%s\t%llu\t%llu\n", rows[i].what, (unsigned long long)rows[i].ns,
		       (unsigned long long)rows[i].frames);
	kmem_close(t.inner);
	return 0;
}
