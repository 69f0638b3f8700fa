/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads that may never return, one by one, each with a time limit of its own.  /proc/PID/cmdline
 * waits for the mmap_lock of a process that may be stuck in the kernel; `ps` hangs on such a
 * machine.  The reads are done in a helper process; when one does not answer, the helper is
 * killed (or, stuck itself, abandoned) and another one goes on behind it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* In the helper.  Fills buf; returns the length or a negative errno.  *ret_mark goes to the sink.
 */
typedef ssize_t (*watch_read_fn)(void *ctx, size_t index, char *buf, size_t cap,
				 uint32_t *ret_mark);

/* In the caller, in order.  no: errno of the read, ETIMEDOUT for one that did not answer.  A
 * negative return ends the watch and is returned. */
typedef int (*watch_sink_fn)(void *ctx, size_t index, const char *data, size_t len, int no,
			     uint32_t mark);

struct watch {
	watch_read_fn read;
	watch_sink_fn sink;
	void *ctx;
	size_t count;
	size_t cap;	      /* of one result */
	uint64_t patience_ns; /* for one read */
	unsigned max_stuck;   /* then give up on the rest */
	const int *keep; /* descriptors that read() uses; all others are closed in the helper */
	size_t keep_count;
};

struct watch_outcome {
	size_t done;	 /* items the sink was called for */
	unsigned stuck;	 /* of these, how many did not answer */
	pid_t abandoned; /* a helper that could not be killed, or 0 */
};

/* 0, or the sink's error, or the errno of pipe(), fork() or malloc(). */
int watch_each(const struct watch *w, struct watch_outcome *ret);
