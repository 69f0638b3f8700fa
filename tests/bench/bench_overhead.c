/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work that can be counted, for tests/bench/overhead.sh and growth.sh:
 * bench_overhead cpu|switch|syscall|fault|malloc SECONDS.  One thread on each CPU (switch: a pair)
 * for so long; prints how many rounds all of them made.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 256

static double end_time;
static int mode;
static uint64_t rounds[THREADS_MAX];

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void on_the_cpu(uint64_t *n)
{
	volatile uint64_t x = 1;

	while (now() < end_time) {
		for (int i = 0; i < 20000; i++)
			x = x * 6364136223846793005ULL + 1;
		(*n)++;
	}
}

static void in_the_kernel(uint64_t *n)
{
	while (now() < end_time) {
		for (int i = 0; i < 1000; i++)
			syscall(SYS_getppid);
		(*n) += 1000;
	}
}

/* Fresh memory, page by page; each round is a page. */
static void in_page_faults(uint64_t *n)
{
	const size_t pages = 256, page = (size_t)sysconf(_SC_PAGESIZE);

	while (now() < end_time) {
		char *p = mmap(NULL, pages * page, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			exit(1);
		madvise(p, pages * page, MADV_NOHUGEPAGE);
		for (size_t i = 0; i < pages; i++)
			((volatile char *)p)[i * page] = 1;
		munmap(p, pages * page);
		(*n) += pages;
	}
}

static void in_malloc(uint64_t *n)
{
	void *block[64] = {0};

	while (now() < end_time) {
		for (size_t i = 0; i < 1024; i++) {
			free(block[i % 64]);
			block[i % 64] = malloc(64 + i % 128);
		}
		(*n) += 1024;
	}
}

struct pair {
	int to[2], from[2];
};

static void *answer(void *arg)
{
	struct pair *p = arg;
	char c;

	while (read(p->to[0], &c, 1) == 1 && write(p->from[1], &c, 1) == 1)
		;
	return NULL;
}

static void back_and_forth(uint64_t *n)
{
	struct pair p;
	pthread_t t;
	char c = 0;

	if (pipe(p.to) || pipe(p.from) || pthread_create(&t, NULL, answer, &p))
		exit(1);
	while (now() < end_time && write(p.to[1], &c, 1) == 1 && read(p.from[0], &c, 1) == 1)
		(*n)++;
	close(p.to[1]);
	pthread_join(t, NULL);
}

static void *run(void *arg)
{
	uint64_t *n = arg;

	if (mode == 's')
		back_and_forth(n);
	else if (mode == 'k')
		in_the_kernel(n);
	else if (mode == 'f')
		in_page_faults(n);
	else if (mode == 'm')
		in_malloc(n);
	else
		on_the_cpu(n);
	return NULL;
}

int main(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t t[THREADS_MAX];
	uint64_t sum = 0;

	if (argc != 3)
		return 2;
	mode = !strcmp(argv[1], "switch")    ? 's'
	       : !strcmp(argv[1], "syscall") ? 'k'
	       : !strcmp(argv[1], "fault")   ? 'f'
	       : !strcmp(argv[1], "malloc")  ? 'm'
					     : 'c';
	end_time = now() + atof(argv[2]);
	if (cpus > THREADS_MAX)
		cpus = THREADS_MAX;
	for (long i = 0; i < cpus; i++)
		pthread_create(&t[i], NULL, run, &rounds[i]);
	for (long i = 0; i < cpus; i++) {
		pthread_join(t[i], NULL);
		sum += rounds[i];
	}
	printf("%llu\n", (unsigned long long)sum);
	return 0;
}
