/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that takes memory.  fastoom_hog [OPTION...] MIB RATE: take MIB at RATE MiB/s (0: as
 * fast as it goes), then sleep.
 *
 *	-t	ignore SIGTERM
 *	-k N	be N processes of one process group, each with MIB
 *	-p N	N processes below this one, each in a group of its own
 *	-l	the memory is held by a thread while the leader has exited
 *	-n NAME	set comm
 *	-i MIB	so much of it at once
 *	-f PATH	instead of heap, write MIB to this file, over and over, and read it back
 *	-L	lock it in memory
 *	-V	the memory is shared with a child made by CLONE_VM, which stays
 *	-F PATH	then read this file over and over
 *	-d DIR	instead of heap, MIB of files in DIR (a tmpfs)
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define STEP (256UL << 10)

struct job {
	size_t bytes, first;
	double rate; /* bytes per second */
	const char *file, *dir, *reread;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void pace(const struct job *j, double start, size_t done)
{
	double ahead = j->rate > 0 ? start + (double)done / j->rate - now() : 0;

	if (ahead > 0)
		usleep((useconds_t)(ahead * 1e6));
}

static void take_heap(const struct job *j)
{
	double start = now();
	char *p = mmap(NULL, j->bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	for (size_t at = 0; at < j->bytes; at += STEP) {
		size_t n = j->bytes - at < STEP ? j->bytes - at : STEP;

		memset(p + at, 0x5a, n);
		if (at >= j->first)
			pace(j, start, at - j->first);
	}
}

static void stream_file(const struct job *j)
{
	static char buf[STEP];

	for (;;) {
		double start = now();
		int fd = open(j->file, O_RDWR | O_CREAT | O_TRUNC, 0600);

		if (fd < 0)
			exit(1);
		for (size_t at = 0; at < j->bytes; at += STEP) {
			if (write(fd, buf, STEP) < 0)
				break;
			pace(j, start, at);
		}
		lseek(fd, 0, SEEK_SET);
		while (read(fd, buf, STEP) > 0)
			;
		close(fd);
	}
}

static void fill_tmpfs(const struct job *j)
{
	static char buf[STEP];
	char path[256];
	double start = now();
	int fd;

	snprintf(path, sizeof(path), "%s/fill", j->dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (size_t at = 0; fd >= 0 && at < j->bytes; at += STEP) {
		if (write(fd, buf, STEP) < 0)
			break;
		pace(j, start, at);
	}
}

static void read_again(const struct job *j)
{
	static char buf[STEP];
	int fd = open(j->reread, O_RDONLY);

	while (fd >= 0 && read(fd, buf, STEP) > 0)
		;
	if (fd >= 0)
		close(fd);
}

static void work(const struct job *j)
{
	if (j->file)
		stream_file(j);
	else if (j->dir)
		fill_tmpfs(j);
	else
		take_heap(j);
	while (j->reread)
		read_again(j);
	for (;;)
		pause();
}

static void *thread(void *ctx)
{
	work(ctx);
	return NULL;
}

static int share(void *ctx)
{
	for (;;)
		pause();
	return ctx != NULL;
}

int main(int argc, char **argv)
{
	struct job j = {0};
	unsigned processes = 1;
	bool groups = false, leaderless = false, child = false, sharer = false;
	int opt;

	while ((opt = getopt(argc, argv, "tk:p:ln:i:f:F:d:LV")) != -1) {
		switch (opt) {
		case 't':
			signal(SIGTERM, SIG_IGN);
			break;
		case 'k':
		case 'p':
			processes = (unsigned)atoi(optarg);
			groups = opt == 'p';
			break;
		case 'l':
			leaderless = true;
			break;
		case 'n':
			prctl(PR_SET_NAME, optarg);
			break;
		case 'i':
			j.first = strtoull(optarg, NULL, 10) << 20;
			break;
		case 'f':
			j.file = optarg;
			break;
		case 'L':
			mlockall(MCL_FUTURE);
			break;
		case 'V':
			sharer = true;
			break;
		case 'F':
			j.reread = optarg;
			break;
		case 'd':
			j.dir = optarg;
			break;
		default:
			return 2;
		}
	}
	if (argc - optind < 2)
		return 2;
	j.bytes = strtoull(argv[optind], NULL, 10) << 20;
	j.rate = strtod(argv[optind + 1], NULL) * 1048576;
	setpgid(0, 0);
	for (unsigned i = groups ? 0 : 1; i < processes; i++) {
		if (fork() == 0) {
			if (groups)
				setpgid(0, 0);
			/* die with the test, at the latest */
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			child = true;
			break;
		}
	}
	while (groups && !child)
		pause();
	if (sharer) {
		static char stack[65536];

		/* A process of its own, with the same memory: our end frees nothing. */
		clone(share, stack + sizeof(stack), CLONE_VM, NULL);
	}
	if (leaderless) {
		pthread_t t;

		pthread_create(&t, NULL, thread, &j);
		pthread_exit(NULL);
	}
	work(&j);
}
