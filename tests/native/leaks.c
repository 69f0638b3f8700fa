/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Heaps that grow at a place that is known, by bytes that are known.
 *
 *   native-leaks KIND MIB SECONDS
 *
 * Prints "ready", and when a line comes on stdin lets its heap grow by MIB within SECONDS, prints
 * "done BYTES", as malloc() was asked, and stays until stdin ends.
 *
 * KIND: leak: in leaky_site, beside a churn of three times as many blocks that are freed again;
 * mixed: the same, by calloc(), realloc() and posix_memalign() in turn; map: by mmap() in
 * mapping_site; remap: so much is mapped there and unmapped again, and a quarter of it leaked in
 * leaky_site; balance: so much goes through a queue that holds 4 MiB from the start, and that goes
 * on to the end; late: as balance, and a quarter of it leaked.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define CHUNK ((size_t)256 << 10)
#define QUEUE 512

static uint64_t leaked;
static void *queue[QUEUE];
static size_t at;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static __attribute__((noinline)) void fill(void *p, size_t n)
{
	memset(p, 0xa5, n);
	__asm__ volatile("" ::"r"(p) : "memory");
}

enum { BY_MALLOC, BY_CALLOC, BY_REALLOC, BY_MEMALIGN };

static __attribute__((noinline)) void leaky_site(unsigned by, size_t n)
{
	void *p = NULL;

	if (by == BY_CALLOC)
		p = calloc(n / 16, 16);
	else if (by == BY_REALLOC)
		p = realloc(malloc(16), n);
	else if (by == BY_MALLOC)
		p = malloc(n);
	else if (posix_memalign(&p, 64, n))
		p = NULL;
	if (!p)
		abort();
	fill(p, n);
	leaked += n;
}

static __attribute__((noinline)) void churning_site(size_t n)
{
	void **slot = &queue[at++ % 128];

	free(*slot);
	*slot = malloc(n);
	fill(*slot, n);
}

static __attribute__((noinline)) void queueing_site(size_t n)
{
	void **slot = &queue[at++ % QUEUE];

	free(*slot);
	*slot = malloc(n);
	fill(*slot, n);
}

static __attribute__((noinline)) void *mapping_site(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	/* Page by page, whatever the machine's huge pages. */
	madvise(p, n, MADV_NOHUGEPAGE);
	fill(p, n);
	return p;
}

/* Some bytes more; of them what stays is in leaked. */
static uint64_t grow(const char *kind, uint64_t turn)
{
	size_t n = 512 + turn * 2080 % 16384;

	if (!strcmp(kind, "map")) {
		mapping_site(CHUNK);
		leaked += CHUNK;
		return CHUNK;
	}
	if (!strcmp(kind, "remap")) {
		munmap(mapping_site(CHUNK), CHUNK);
		for (int i = 0; i < 16; i++)
			leaky_site(BY_MALLOC, CHUNK / 64);
		return CHUNK;
	}
	if (!strcmp(kind, "balance") || !strcmp(kind, "late")) {
		queueing_site(4096 + turn * 1104 % 8192);
		if (kind[0] == 'l' && turn % 4 == 0)
			leaky_site(BY_MALLOC, 8192);
		return 8192;
	}
	leaky_site(kind[0] == 'm' ? 1 + turn % 3 : BY_MALLOC, n);
	for (unsigned i = 0; i < 3; i++)
		churning_site(512 + (turn + i) * 2080 % 16384);
	return n;
}

static bool asked(int patience_ms)
{
	struct pollfd p = {.fd = 0, .events = POLLIN};

	return poll(&p, 1, patience_ms) != 0;
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "leak";
	double total = (argc > 2 ? atof(argv[2]) : 64) * 1024 * 1024, start;
	double seconds = argc > 3 ? atof(argv[3]) : 3;
	uint64_t done = 0, turn = 0;
	char line[64];

	/* What queues and caches hold was there before. */
	for (size_t i = 0; i < QUEUE; i++)
		queueing_site(8192);
	puts("ready");
	fflush(stdout);
	while (!asked(5))
		free(malloc(100 + turn++ % 1000));
	if (read(0, line, sizeof(line)) <= 0)
		return 0;
	start = now();
	while ((double)done < total) {
		if ((double)done > total * (now() - start) / seconds)
			usleep(1000);
		else
			done += grow(kind, turn++);
	}
	printf("done %llu\n", (unsigned long long)leaked);
	fflush(stdout);
	while (!asked(1))
		if (!strcmp(kind, "balance") || !strcmp(kind, "late"))
			for (int i = 0; i < 2; i++)
				queueing_site(8192);
	return 0;
}
