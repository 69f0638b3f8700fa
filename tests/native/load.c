/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads of which the truth is known.  Each ends by itself and prints its pid, what it did and how
 * long, on one line; spin and wake also how long they waited for a CPU (of spin: the first
 * process).
 *
 * calls COUNT PER_S: that many getppid(), about so many a second (0: as fast as can be).
 *
 * read SECONDS PER_S FILE…: opens, reads and closes the files in turn.
 *
 * fill BYTES: touches so much memory, again and again, for 60 s at most.
 *
 * write FILE BYTES SECONDS: writes a file of so many bytes over and over.
 *
 * spin SECONDS CPU COUNT: processes that never sleep, all on one CPU.
 *
 * wake SECONDS PER_S: sleeps and wakes, so many times a second.
 *
 * udp|tcp SECONDS PER_S HOLD_MS: packets to itself on the loopback, each read so long after it was
 * sent.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void sleep_until(double t)
{
	double left = t - now();

	if (left > 0)
		nanosleep(&(struct timespec){(time_t)left,
					     (long)((left - (double)(time_t)left) * 1e9)},
			  NULL);
}

static int calls(char **v)
{
	long count = atol(v[0]), per_s = atol(v[1]), batch = per_s / 500 + 1;
	double start = now();

	for (long i = 0; i < count; i++) {
		syscall(SYS_getppid);
		if (per_s && i % batch == batch - 1)
			sleep_until(start + (double)(i + 1) / (double)per_s);
	}
	printf("%d %ld %.6f\n", getpid(), count, now() - start);
	return 0;
}

static int reads(char **v, int files)
{
	double start = now(), seconds = atof(v[0]), per_s = atof(v[1]);
	static char buf[1 << 16];
	long count = 0;

	while (now() - start < seconds) {
		int fd = open(v[2 + count % files], O_RDONLY);

		if (fd < 0 || read(fd, buf, sizeof(buf)) < 0)
			return 1;
		close(fd);
		count++;
		if (per_s > 0)
			sleep_until(start + (double)count / per_s);
	}
	printf("%d %ld %.6f\n", getpid(), count, now() - start);
	return 0;
}

static int fill(char **v)
{
	size_t size = (size_t)atoll(v[0]);
	double start = now();
	volatile char *p =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	while (now() - start < 60)
		for (size_t i = 0; i < size; i += 4096)
			p[i]++;
	return 0;
}

static int writes(char **v)
{
	double start = now(), seconds = atof(v[2]);
	long long size = atoll(v[1]), written = 0;
	static char buf[1 << 18];
	int fd = open(v[0], O_WRONLY | O_CREAT | O_TRUNC, 0600);

	while (fd >= 0 && now() - start < seconds) {
		if (pwrite(fd, buf, sizeof(buf), written % size) < 0)
			return 1;
		written += (long long)sizeof(buf);
	}
	printf("%d %lld %.6f\n", getpid(), written, now() - start);
	return fd < 0;
}

/* How long this process has waited for a CPU, by the kernel's own count. */
static double run_delay(void)
{
	double ran = 0, waited = 0;
	FILE *f = fopen("/proc/self/schedstat", "r");

	if (f && fscanf(f, "%lf %lf", &ran, &waited) != 2)
		waited = 0;
	if (f)
		fclose(f);
	return waited / 1e9;
}

static int spin(char **v)
{
	double start = now(), seconds = atof(v[0]);
	cpu_set_t set;
	int n = atoi(v[2]);

	CPU_ZERO(&set);
	CPU_SET(atoi(v[1]), &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (int i = 1; i < n; i++) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			while (now() - start < seconds)
				;
			_exit(0);
		}
	}
	while (now() - start < seconds)
		;
	printf("%d %d %.6f %.6f\n", getpid(), n, now() - start, run_delay());
	while (wait(NULL) > 0)
		;
	return 0;
}

static int wake(char **v)
{
	double start = now(), seconds = atof(v[0]), per_s = atof(v[1]);
	long count = 0;

	while (now() - start < seconds)
		sleep_until(start + (double)++count / per_s);
	printf("%d %ld %.6f %.6f\n", getpid(), count, now() - start, run_delay());
	return 0;
}

/* Two connected ends. */
static int ends(int type, int fd[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int in = socket(AF_INET, type, 0), one = 1;

	fd[1] = socket(AF_INET, type, 0);
	if (bind(in, (struct sockaddr *)&a, sizeof(a)) ||
	    getsockname(in, (struct sockaddr *)&a, &len) ||
	    (type == SOCK_STREAM && listen(in, 1)) ||
	    connect(fd[1], (struct sockaddr *)&a, sizeof(a)))
		return -1;
	fd[0] = type == SOCK_STREAM ? accept(in, NULL, NULL) : in;
	if (type == SOCK_STREAM)
		setsockopt(fd[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd[0] < 0 ? -1 : 0;
}

static int packets(char **v, int type)
{
	double start = now(), seconds = atof(v[0]), gap = 1 / atof(v[1]), hold = atof(v[2]) / 1e3;
	long sent = 0, taken = 0;
	char buf[128] = "x";
	int fd[2];

	if (ends(type, fd))
		return 1;
	while (now() - start < seconds || taken < sent) {
		if (now() - start < seconds && now() >= start + (double)sent * gap) {
			if (send(fd[1], buf, sizeof(buf), 0) != sizeof(buf))
				return 1;
			sent++;
		} else if (taken < sent && now() >= start + (double)taken * gap + hold) {
			if (recv(fd[0], buf, sizeof(buf), 0) != sizeof(buf))
				return 1;
			taken++;
		} else {
			nanosleep(&(struct timespec){0, 500000}, NULL);
		}
	}
	printf("%d %ld %.6f\n", getpid(), taken, now() - start);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "calls"))
		return calls(argv + 2);
	if (argc >= 5 && !strcmp(argv[1], "read"))
		return reads(argv + 2, argc - 4);
	if (argc == 3 && !strcmp(argv[1], "fill"))
		return fill(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "write"))
		return writes(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "spin"))
		return spin(argv + 2);
	if (argc == 4 && !strcmp(argv[1], "wake"))
		return wake(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "udp"))
		return packets(argv + 2, SOCK_DGRAM);
	if (argc == 5 && !strcmp(argv[1], "tcp"))
		return packets(argv + 2, SOCK_STREAM);
	fprintf(stderr, "load: see its source\n");
	return 2;
}
