/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Heaps that grow at a place that is known, by bytes that are known.
 *
 *   native-leaks KIND RATE SECONDS
 *
 * KIND: leak: RATE MiB a second by malloc() in the function leaky_site, beside a churn of as many
 * blocks that are freed again; balance: only the churn, through a queue of 8 MiB; map: RATE MiB a
 * second by mmap() in mapping_site; remap: the same, but all of it is unmapped again, beside a leak
 * of a quarter of it in leaky_site; calloc, realloc, align: the leak by other functions.
 * Prints "ready" when it begins, and at its end the bytes leaked so far, as malloc was asked.
 * A line on stdin asks for that number at any time: "NS BYTES", NS of CLOCK_MONOTONIC.
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MIB (1024.0 * 1024)
#define QUEUE 65536

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

static __attribute__((noinline)) void leaky_site(const char *kind, size_t n)
{
	void *p = NULL;

	if (!strcmp(kind, "calloc"))
		p = calloc(n / 16, 16);
	else if (!strcmp(kind, "realloc"))
		p = realloc(malloc(16), n);
	else if (!strcmp(kind, "align") && posix_memalign(&p, 64, n))
		p = NULL;
	else if (!p)
		p = malloc(n);
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

static void answer(void)
{
	struct pollfd p = {.fd = 0, .events = POLLIN};
	char line[64];

	while (poll(&p, 1, 0) > 0) {
		if (!fgets(line, sizeof(line), stdin))
			return;
		printf("%.0f %llu\n", now() * 1e9, (unsigned long long)leaked);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "leak";
	double rate = (argc > 2 ? atof(argv[2]) : 8) * MIB, start = now();
	double end = start + (argc > 3 ? atof(argv[3]) : 10);
	uint64_t done = 0, turn = 0;

	setvbuf(stdin, NULL, _IONBF, 0);
	/* What queues and caches hold was there before. */
	for (size_t i = 0; i < QUEUE && !strcmp(kind, "balance"); i++)
		queueing_site(128);
	puts("ready");
	fflush(stdout);
	for (; now() < end; turn++) {
		if ((double)done > rate * (now() - start)) {
			answer();
			usleep(1000);
			continue;
		}
		if (!strcmp(kind, "map")) {
			mapping_site(256 << 10);
			leaked += 256 << 10;
			done += 256 << 10;
		} else if (!strcmp(kind, "remap")) {
			munmap(mapping_site(256 << 10), 256 << 10);
			done += 256 << 10;
			for (int i = 0; i < 64; i++)
				leaky_site(kind, 1024);
		} else if (!strcmp(kind, "balance")) {
			queueing_site(64 + turn * 7 % 192);
			done += 160;
		} else {
			size_t n = 32 + turn * 48 % 2048;

			leaky_site(kind, n);
			done += n;
			for (int i = 0; i < 3; i++)
				churning_site(32 + (turn + (uint64_t)i) * 80 % 2048);
		}
	}
	printf("%.0f %llu\n", now() * 1e9, (unsigned long long)leaked);
	return 0;
}
