/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads whose truth is known, for tests/native/stacks.sh.  Each runs for SECONDS and prints what it
 * did: "cpu SECONDS" and more.
 *
 *   spin CPU PERCENT SECONDS    a share of one CPU, in periods of 5 to 15 ms
 *   deep N SECONDS              N calls of recurse() below main(), spinning in the last
 *   threads N SECONDS           N threads, spinning in worker()
 *   shortlived SECONDS PROGRAM  forks and executes PROGRAM burn 5 again and again; prints how often
 *   burn MS                     so much CPU time
 *   sleep SECONDS               in one nanosleep()
 *   nap MS SECONDS              sleeps of MS, again and again
 *   vfork SECONDS               waits, uninterruptibly, for a child that sleeps
 *   ping SECONDS                a thread wakes main() every 300 ms; prints "waker TID" first
 *   signals SECONDS             spins in a handler of SIGALRM
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

__attribute__((noinline)) static void burn_until(clockid_t id, double end)
{
	volatile uint64_t x = 0;

	while (now(id) < end)
		for (int i = 0; i < 2000; i++)
			x += (uint64_t)i;
}

static void spin(int cpu, double percent, double seconds)
{
	double end = now(CLOCK_MONOTONIC) + seconds;
	unsigned seed = 1;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	while (now(CLOCK_MONOTONIC) < end) {
		/* Uneven: 100 a second would go in step with 99 samples, and hide or double itself.
		 */
		double start = now(CLOCK_MONOTONIC), left;
		double period = 0.005 + 0.01 * rand_r(&seed) / RAND_MAX;

		burn_until(CLOCK_PROCESS_CPUTIME_ID,
			   now(CLOCK_PROCESS_CPUTIME_ID) + percent / 100 * period);
		left = start + period - now(CLOCK_MONOTONIC);
		if (left > 0)
			usleep((useconds_t)(left * 1e6));
	}
}

__attribute__((noinline)) static int recurse(int n, double seconds)
{
	if (n <= 1) {
		burn_until(CLOCK_MONOTONIC, now(CLOCK_MONOTONIC) + seconds);
		return 1;
	}
	/* Something is left to do after it: no tail call. */
	int r = recurse(n - 1, seconds);

	__asm__ volatile("" : "+r"(r));
	return r + 1;
}

static double thread_seconds;

static void *worker(void *arg)
{
	burn_until(CLOCK_MONOTONIC, now(CLOCK_MONOTONIC) + thread_seconds);
	return arg;
}

static void threads(int n, double seconds)
{
	pthread_t t[64];

	thread_seconds = seconds;
	for (int i = 0; i < n && i < 64; i++)
		pthread_create(&t[i], NULL, worker, NULL);
	for (int i = 0; i < n && i < 64; i++)
		pthread_join(t[i], NULL);
}

static unsigned shortlived(double seconds, const char *program)
{
	double end = now(CLOCK_MONOTONIC) + seconds;
	unsigned n = 0;

	while (now(CLOCK_MONOTONIC) < end) {
		pid_t pid = fork();

		if (!pid) {
			execl(program, program, "burn", "5", (char *)NULL);
			_exit(1);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			break;
		n++;
	}
	return n;
}

static void wait_for_vfork(const char *seconds)
{
	pid_t pid = vfork();

	if (!pid) {
		struct timespec ts = {.tv_sec = atoi(seconds)};

		nanosleep(&ts, NULL);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static int ping_pipe[2];
static double ping_end;

static void *ping(void *arg)
{
	printf("waker %ld\n", syscall(SYS_gettid));
	fflush(stdout);
	while (now(CLOCK_MONOTONIC) < ping_end) {
		usleep(300000);
		if (write(ping_pipe[1], "x", 1) != 1)
			break;
	}
	close(ping_pipe[1]);
	return arg;
}

static void be_pinged(double seconds)
{
	pthread_t t;
	char c;

	if (pipe(ping_pipe))
		return;
	ping_end = now(CLOCK_MONOTONIC) + seconds;
	pthread_create(&t, NULL, ping, NULL);
	while (read(ping_pipe[0], &c, 1) == 1)
		;
	pthread_join(t, NULL);
}

static double handler_end;

static void handler(int sig)
{
	(void)sig;
	burn_until(CLOCK_MONOTONIC, handler_end);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	if (!strcmp(what, "spin") && argc == 5)
		spin(atoi(argv[2]), atof(argv[3]), atof(argv[4]));
	else if (!strcmp(what, "deep") && argc == 4)
		printf("depth %d\n", recurse(atoi(argv[2]), atof(argv[3])));
	else if (!strcmp(what, "threads") && argc == 4)
		threads(atoi(argv[2]), atof(argv[3]));
	else if (!strcmp(what, "shortlived") && argc == 4)
		printf("times %u\n", shortlived(atof(argv[2]), argv[3]));
	else if (!strcmp(what, "burn"))
		burn_until(CLOCK_PROCESS_CPUTIME_ID,
			   now(CLOCK_PROCESS_CPUTIME_ID) + atof(argv[2]) / 1e3);
	else if (!strcmp(what, "sleep"))
		usleep((useconds_t)(atof(argv[2]) * 1e6));
	else if (!strcmp(what, "nap") && argc == 4) {
		double end = now(CLOCK_MONOTONIC) + atof(argv[3]);

		while (now(CLOCK_MONOTONIC) < end)
			usleep((useconds_t)(atof(argv[2]) * 1e3));
	} else if (!strcmp(what, "vfork"))
		wait_for_vfork(argv[2]);
	else if (!strcmp(what, "ping"))
		be_pinged(atof(argv[2]));
	else if (!strcmp(what, "signals")) {
		handler_end = now(CLOCK_MONOTONIC) + atof(argv[2]);
		signal(SIGALRM, handler);
		raise(SIGALRM);
	} else
		return 2;
	printf("cpu %.3f\n", now(CLOCK_PROCESS_CPUTIME_ID));
	return 0;
}
