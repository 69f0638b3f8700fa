/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a pattern is matched against.  /proc/PID/cmdline takes the process's mmap_lock and may hang
 * behind a thread that waits for a dead disk, so threads of their own read it; one that hangs is
 * given up, and says of which process.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define READERS 2
#define READER_STACK 32768

struct identity {
	char cmdline[1024]; /* arguments joined by blanks */
	char exe[256];
	char cgroup[320]; /* of the memory hierarchy */
	size_t cmdline_len;
};

struct reader {
	pthread_t thread;
	bool started;
	_Atomic uint32_t asked, answered;
	pid_t pid;
	struct identity answer;
};

struct readers {
	int proc_fd;
	bool v2;
	unsigned current;
	struct reader all[READERS];
};

/* Without threads (a test, --check) identity_of() reads in the calling thread. */
void readers_init(struct readers *r, int proc_fd, bool v2);
int readers_start(struct readers *r);

/* 0; -ETIMEDOUT: it hangs; -EBUSY: all readers hang.  What is not there is "". */
int identity_of(struct readers *r, pid_t pid, uint64_t limit_ns, struct identity *ret);
/* How many hang now. */
unsigned readers_stuck(const struct readers *r);
/* A thread with a small stack. */
int small_thread(pthread_t *ret, void *(*fn)(void *), void *ctx);
