/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: records go into a ring in locked memory, a thread of its own writes them, and may
 * wait for a dead disk as long as it likes.  What no longer fits is counted, plain states first.
 * The file is preallocated, so that a full disk does not take the record of a kill.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/err.h"

#define JOURNAL_RING 65536
#define JOURNAL_RECORD 6144 /* the longest record */
#define JOURNAL_RESERVE (1U << 20)
#define JOURNAL_KEEP (256U << 10) /* of the reserve, for what is important */
#define JOURNAL_FILE_MAX (64ULL << 20)

struct journal {
	int fd;
	bool regular, preallocated;
	uint64_t end, reserved; /* offsets in the file */
	char path[256];

	pthread_t thread;
	bool started;
	/* Positions only grow; the ring holds [tail, head). */
	_Atomic uint32_t head, tail, work; /* work: changes whenever there is some */
	_Atomic uint32_t lost_states, lost_important;
	_Atomic int error; /* errno of the last failed write, 0 when it works again */
	char ring[JOURNAL_RING];
	char line[JOURNAL_RECORD];

	/* other work that may wait for a disk, in the same thread */
	void (*chore)(void *ctx);
	void *chore_ctx;
	uint64_t chore_every_ns; /* 0: only when asked */
	_Atomic uint32_t chore_asked;
};

/* Open or make the file ("-": standard output), with its directory; refuses one that another
 * guard writes (-EBUSY). */
int journal_open(struct journal *j, const char *path, struct err *e);
int journal_start(struct journal *j);

/* One line, without its newline.  Never waits.  False: there was no room. */
bool journal_put(struct journal *j, const char *line, size_t len, bool important);
void journal_ask_chore(struct journal *j);
/* Wait until all is written, or the limit is over.  True: all is. */
bool journal_flush(struct journal *j, uint64_t limit_ns);
