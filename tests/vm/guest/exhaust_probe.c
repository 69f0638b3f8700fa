/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a user would feel: every 10 ms 64 pages of a mapped file and 256 KiB of fresh heap are
 * touched; what takes longer than 50 ms is a stall.  exhaust_probe FILE RESULTS: a line for each
 * stall, "START MS" on the monotonic clock, written at SIGTERM.  Its own code and records are
 * locked.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define HEAP (256UL << 10)
#define MOST 20000

static volatile sig_atomic_t stop;
static struct {
	double at, ms;
} stalls[MOST];

static void on_term(int sig)
{
	stop = sig;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	const struct timespec pause = {.tv_nsec = 10000000};
	volatile char sum = 0;
	unsigned n = 0;
	int fd = open(argv[1], O_RDONLY);
	const char *file = mmap(NULL, 64 * 4096, PROT_READ, MAP_SHARED, fd, 0);

	if (argc < 3 || file == MAP_FAILED)
		return 1;
	signal(SIGTERM, on_term);
	mlock(stalls, sizeof(stalls));
	while (!stop) {
		double start = now(), ms;
		char *heap = mmap(NULL, HEAP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

		for (int i = 0; i < 64; i++)
			sum += file[i * 4096];
		if (heap != MAP_FAILED) {
			memset(heap, 1, HEAP);
			munmap(heap, HEAP);
		}
		ms = (now() - start) * 1e3;
		if (ms > 50 && n < MOST) {
			stalls[n].at = start;
			stalls[n++].ms = ms;
		}
		nanosleep(&pause, NULL);
	}
	FILE *f = fopen(argv[2], "w");

	for (unsigned i = 0; f && i < n; i++)
		fprintf(f, "%.3f %.1f\n", stalls[i].at, stalls[i].ms);
	return f && fclose(f) == 0 ? 0 : 1;
}
