/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads that want the same, and some that only look like it.  Each ends by itself and prints its
 * pid.
 *
 * mutex SECONDS THREADS: each holds one mutex for 2 ms of work, in update_shared_table().
 *
 * pool SECONDS THREADS: workers that wait for a job under a mutex and a condition, in
 * wait_for_job(); there are 50 jobs a second.
 *
 * turns SECONDS THREADS: one holds a mutex while it sleeps for something to come, the others wait
 * for the mutex: an accept mutex, in wait_my_turn().
 *
 * mmap SECONDS THREADS: half of the threads fill and give back 64 MiB, the others a page.
 *
 * burst SECONDS BEGIN LENGTH: takes all CPUs for LENGTH s from BEGIN on, in recount_everything().
 *
 * steady SECONDS: takes all CPUs all the time.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static double start, end, from, until;
static volatile long counter;
static int jobs;
static volatile int over;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void work(double seconds)
{
	double last = now() + seconds;

	while (now() < last)
		counter++;
}

__attribute__((noinline, noclone)) static void update_shared_table(void)
{
	pthread_mutex_lock(&mutex);
	work(0.002);
	pthread_mutex_unlock(&mutex);
	__asm__ volatile("");
}

static void *fights(void *arg)
{
	while (now() < end)
		update_shared_table();
	return NULL;
}

__attribute__((noinline, noclone)) static void wait_for_job(void)
{
	pthread_mutex_lock(&mutex);
	while (!jobs && !over)
		pthread_cond_wait(&more, &mutex);
	jobs -= jobs > 0;
	pthread_mutex_unlock(&mutex);
	work(0.002);
}

static void *waits(void *arg)
{
	while (!over)
		wait_for_job();
	return NULL;
}

static void give_jobs(void)
{
	while (now() < end) {
		usleep(20000);
		pthread_mutex_lock(&mutex);
		jobs++;
		pthread_cond_signal(&more);
		pthread_mutex_unlock(&mutex);
	}
	pthread_mutex_lock(&mutex);
	over = 1;
	pthread_cond_broadcast(&more);
	pthread_mutex_unlock(&mutex);
}

__attribute__((noinline, noclone)) static void wait_my_turn(void)
{
	pthread_mutex_lock(&mutex);
	usleep(50000);
	pthread_mutex_unlock(&mutex);
	work(0.0005);
}

static void *takes_turns(void *arg)
{
	while (now() < end)
		wait_my_turn();
	return NULL;
}

static void *maps(void *arg)
{
	size_t size = (size_t)arg % 2 ? 4096 : 64 << 20;

	while (now() < end) {
		void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		if (p != MAP_FAILED)
			munmap(p, size);
	}
	return NULL;
}

__attribute__((noinline, noclone)) static void recount_everything(void)
{
	while (now() < until)
		counter++;
}

static void *bursts(void *arg)
{
	while (now() < from)
		usleep(10000);
	recount_everything();
	while (now() < end)
		usleep(10000);
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void *(*run)(void *);
	} modes[] = {{"mutex", fights}, {"pool", waits},   {"turns", takes_turns},
		     {"mmap", maps},	{"burst", bursts}, {"steady", bursts}};
	long threads = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t thread[THREADS_MAX];
	size_t mode = 0;

	while (argc > 2 && mode < 6 && strcmp(argv[1], modes[mode].name) != 0)
		mode++;
	if (argc < 3 || mode == 6 || (mode < 4 && argc != 4) || (mode == 4 && argc != 5)) {
		fprintf(stderr, "fight: see its source\n");
		return 2;
	}
	start = now();
	end = until = start + atof(argv[2]);
	if (mode < 4)
		threads = atol(argv[3]);
	if (mode == 4) {
		from = start + atof(argv[3]);
		until = from + atof(argv[4]);
	}
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	printf("%d\n", getpid());
	fflush(stdout);
	for (long i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, modes[mode].run, (void *)i))
			return 1;
	if (modes[mode].run == waits)
		give_jobs();
	for (long i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
