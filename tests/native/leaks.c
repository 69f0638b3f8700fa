/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Heaps that grow at a place that is known, by bytes that are known.
 *
 *   native-leaks KIND MIB SECONDS [filtered]
 *
 * Prints "ready", and when a line comes on stdin lets its heap grow by MIB within SECONDS, prints
 * "done BYTES", as malloc() was asked, and stays until stdin ends.
 *
 * KIND: leak: in leaky_site, beside a churn of three times as many blocks that are freed again;
 * mixed: the same, by calloc(), realloc() and posix_memalign() in turn; map: by mmap() in
 * mapping_site; remap: so much is mapped there and unmapped again, and a quarter of it leaked in
 * leaky_site; balance: so much goes through a queue that holds 4 MiB from the start, and that goes
 * on to the end; late: as balance, and a quarter of it leaked.
 *
 * What churns is freed by another thread.  filtered: as in a container, system calls that are not
 * known are denied: of 335 (a return probe's, on x86-64) the process dies.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#define CHUNK ((size_t)256 << 10)
#define QUEUE 512

static uint64_t leaked;
static void *queue[QUEUE];
static _Atomic(void *) to_free[64];
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
	void *old = atomic_exchange(&to_free[at % 64], *slot);

	/* What the other one has not come to is freed here. */
	if (old)
		free(old);
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

static void *freeing(void *unused)
{
	for (unsigned i = 0;; i++) {
		void *p = atomic_exchange(&to_free[i % 64], NULL);

		/* Each call is a trap. */
		if (p)
			free(p);
		if (i % 64 == 63)
			usleep(500);
	}
	return unused;
}

static void filter_calls(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 335, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = 4, .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		abort();
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
	pthread_t other;
	char line[64];

	if (argc > 4 && !strcmp(argv[4], "filtered"))
		filter_calls();
	if (pthread_create(&other, NULL, freeing, NULL))
		return 1;
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
