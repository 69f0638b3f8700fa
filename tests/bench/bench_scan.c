/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a scan costs, beside the ways of others, in one run on the same frames:
 *
 *   full      all struct pages through BPF, decoded, counted per file and cgroup
 *   1/64      one random struct page of each 64
 *   batched   /proc/kpageflags, 64K entries a read
 *   single    /proc/kpageflags, one read a frame (every 64th run of 1024 frames, scaled)
 *
 * Prints "WAY NS_PER_FRAME FRAMES" a line, CPU time of this thread, the best of ROUNDS; the ways
 * take turns, so that a noisy neighbour hits all of them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "../../capture/base/clock.h"
#include "../../capture/kmem/scan.h"

#define BATCH 65536u

static uint64_t cpu(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static int row_table(void *ctx, enum scan_table t)
{
	return 0;
}
static int row_file(void *ctx, const struct scan_file *f)
{
	++*(uint64_t *)ctx;
	return 0;
}
static int row_cgroup(void *ctx, const struct scan_cgroup *c)
{
	return 0;
}
static int row_sample(void *ctx, uint32_t f, uint32_t c, unsigned s, uint64_t p)
{
	return 0;
}

static uint64_t resolve_ns, files;

static uint64_t scan(struct kmem_source *s, const struct kmem_layout *l, uint32_t one_in, int round)
{
	struct scan_config c = {.one_in = one_in, .seed = (uint64_t)round + 1, .memory = 24 << 20};
	struct scan_sink sink = {row_table, row_file, row_sample, row_cgroup, &files,
				 NULL,	    NULL,     NULL,	  NULL};
	struct err e = {0};
	struct scan *scan;
	uint64_t ns;

	if (scan_run(&scan, s, l, &c, &e) < 0 || (files = 0, scan_resolve(scan, &sink, &e)) < 0) {
		fprintf(stderr, "bench_scan: %s\n", e.text);
		exit(1);
	}
	ns = scan_result(scan)->scan_cpu_ns;
	resolve_ns = scan_result(scan)->resolve_cpu_ns;
	scan_destroy(scan);
	return ns;
}

static volatile uint64_t sink_word;

static uint64_t batched(const struct kmem_source *s, int fd, uint64_t *buf)
{
	uint64_t start = cpu(), sum = 0;

	for (size_t r = 0; r < s->range_count; r++) {
		for (uint64_t pfn = s->ranges[r].start_pfn; pfn < s->ranges[r].end_pfn;) {
			uint64_t n = s->ranges[r].end_pfn - pfn;

			n = n < BATCH ? n : BATCH;
			if (pread(fd, buf, n * 8, (off_t)(pfn * 8)) != (ssize_t)(n * 8))
				exit(1);
			for (uint64_t i = 0; i < n; i++)
				sum += buf[i];
			pfn += n;
		}
	}
	sink_word = sum;
	return cpu() - start;
}

static uint64_t single(const struct kmem_source *s, int fd, uint64_t *ret_frames)
{
	uint64_t start = cpu(), sum = 0, frames = 0, word;

	for (size_t r = 0; r < s->range_count; r++) {
		for (uint64_t pfn = s->ranges[r].start_pfn; pfn < s->ranges[r].end_pfn; pfn++) {
			if (pfn / 1024 % 64)
				continue;
			if (pread(fd, &word, 8, (off_t)(pfn * 8)) != 8)
				exit(1);
			sum += word;
			frames++;
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

static void print(const char *way, uint64_t ns, uint64_t frames)
{
	printf("%s\t%.3f\t%llu\n", way, (double)ns / (double)frames, (unsigned long long)frames);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 7;
	struct capture_options o = {.memory_source = MEMORY_BPF};
	uint64_t full = 0, sampled = 0, batch = 0, one = 0, first, frames, one_frames = 0, open_ns;
	uint64_t *buf = malloc(BATCH * 8);
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	struct kmem_source *s;
	struct kmem_layout l;
	struct sysroot root;
	struct btf *btf;
	struct err e = {0};

	open_ns = cpu();
	if (!buf || fd < 0 || sysroot_open(&root, "/", &e) < 0 ||
	    kmem_btf_open(&btf, NULL, &root, &e) < 0 || kmem_layout_init(&l, btf, &e) < 0) {
		fprintf(stderr, "bench_scan: /proc/kpageflags or %s\n", e.text);
		return 1;
	}
	btf__free(btf);
	if (kmem_open(&s, &o, &root, &l, &e) < 0) {
		fprintf(stderr, "bench_scan: %s\n", e.text);
		return 1;
	}
	open_ns = cpu() - open_ns;
	frames = kmem_page_count(s);
	printf("open\t%.3f\t1\n", (double)open_ns);
	first = scan(s, &l, 64, 0); /* loads its programs as well */
	for (int i = 0; i < rounds; i++) {
		least(&full, scan(s, &l, 1, i));
		least(&sampled, scan(s, &l, 64, i));
		least(&batch, batched(s, fd, buf));
		least(&one, single(s, fd, &one_frames));
	}
	print("full", full, frames);
	print("1/64", sampled, frames);
	print("1/64-first", first, frames);
	print("batched", batch, frames);
	print("single", one, one_frames);
	scan(s, &l, 1, 0);
	print("resolve", resolve_ns, files ? files : 1);
	kmem_close(s);
	sysroot_close(&root);
	close(fd);
	free(buf);
	return 0;
}
