/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_probes calls|switches RATE SECONDS CPU: a load that does work between its operations, so
 * much that there are about RATE of them a second when nobody looks.  "WORK N" instead of a rate
 * repeats the work found before.  Prints the work of one operation, and operations a second of CPU
 * time: of the load's own, so that others on the machine count for little.
 */
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void work(long n)
{
	for (volatile long i = 0; i < n; i++)
		;
}

static int there[2], back[2];
static clockid_t partners_clock;
static int has_partner;

static double cpu_time(void)
{
	struct timespec t, p = {0};

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	if (has_partner)
		clock_gettime(partners_clock, &p);
	return (double)(t.tv_sec + p.tv_sec) + (double)(t.tv_nsec + p.tv_nsec) / 1e9;
}

/* The other end of the pipes: two switches for each byte that goes there and comes back. */
static void partner(void)
{
	pid_t pid;
	char c;

	if (pipe(there) || pipe(back))
		exit(1);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (read(there[0], &c, 1) == 1 && write(back[1], &c, 1) == 1)
			;
		_exit(0);
	}
	has_partner = pid > 0 && clock_getcpuclockid(pid, &partners_clock) == 0;
}

static double rate(int switches, long n, double seconds)
{
	double start = cpu_time(), end = now() + seconds;
	long count = 0;
	char c = 0;

	while (now() < end) {
		for (int i = 0; i < 100; i++) {
			work(n);
			if (!switches)
				syscall(SYS_getppid);
			else if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
				exit(1);
		}
		count += switches ? 200 : 100;
	}
	return (double)count / (cpu_time() - start);
}

int main(int argc, char **argv)
{
	cpu_set_t set;
	int switches;
	long n = 0;

	if (argc != 5) {
		fprintf(stderr, "usage: bench_probes calls|switches RATE|work=N SECONDS CPU\n");
		return 2;
	}
	CPU_ZERO(&set);
	CPU_SET(atoi(argv[4]), &set);
	sched_setaffinity(0, sizeof(set), &set);
	switches = !strcmp(argv[1], "switches");
	if (switches)
		partner();
	if (!strncmp(argv[2], "work=", 5)) {
		n = atol(argv[2] + 5);
	} else {
		double wanted = atof(argv[2]);

		for (long step = 1 << 16; step; step /= 2)
			if (rate(switches, n + step, 0.02) >= wanted)
				n += step;
	}
	printf("%ld %.0f\n", n, rate(switches, n, atof(argv[3])));
	return 0;
}
