/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A collector's child process, from the parent's side: started, listened to, stopped, reaped or
 * abandoned.  The parent never blocks on a child: a thread that is stuck in a dead file system
 * survives SIGKILL, and then the parent goes on without it and names its pid.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../collect.h"
#include "frame.h"

enum child_phase {
	CHILD_UNBORN,	/* planned, not started; result already says why where it never will be */
	CHILD_RUNNING,	/* alive as far as we know */
	CHILD_STOPPING, /* told through stop_fd to hand over what it has */
	CHILD_KILLED,	/* SIGKILL sent, not reaped yet */
	CHILD_GONE,	/* reaped, or abandoned */
};

struct child {
	const struct collector *collector;
	enum child_phase phase;
	pid_t pid;
	int fd;	     /* our end of its pipe, -1 after its end */
	int stop_fd; /* closing it stops the child, -1 after that */
	struct frame_reader in;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC: killed then */
	uint64_t killed_ns;
	enum collector_status kill_status; /* what its being killed means */
	char kill_reason[256];
	bool has_status;
	bool cut;    /* its window was ended early while it ran */
	bool paused; /* SIGSTOPped by the CPU budget */
	uint64_t paused_ns, pause_start_ns;
	uint64_t cpu_ns, cpu_before_ns;	   /* at this and at the last tick */
	uint64_t memory_bytes, maps_bytes; /* maps_bytes is part of it */
	char lost_reason[512];		   /* the first of its members that was not written */
	bool concluded;			   /* the run has said what became of it */
	bool over_memory;		   /* ended early by the memory budget */
	uint64_t memory_limit;		   /* its share, bytes; 0: no limit of its own */
	uint64_t moment_bytes;		   /* what it has beyond that for a moment, see shares.h */
	bool started;			   /* and it has given that back */
	uint64_t born_ns;
	uint64_t bytes; /* of members, handed over and kept */
	unsigned members;
	struct collector_result result;
};

/* What comes out of a child goes here.  Each returns 0, or a negative errno that ends the run. */
struct child_sink {
	void *ctx;
	int (*member)(void *ctx, struct child *c, const char *name, const void *data, size_t len,
		      bool truncated);
	void (*redacted)(void *ctx, const char *kind, const char *where, uint64_t count);
};

/* Zeroed descriptors and names; no process yet. */
void child_init(struct child *c, const struct collector *collector);

/*
 * Fork.  t: everything but out, stop_fd and state, which are the child's own.  now_ms: for
 * result.start_ms.  0 or a negative errno (the result then says `error`).
 */
int child_start(struct child *c, const struct collect *t, double now_ms);

/* Take what its pipe has, up to one complete frame.  1: a frame was handled, 0: nothing now,
 * otherwise the sink's negative errno. */
int child_read(struct child *c, struct frame_pool *pool, const struct child_sink *sink);

/* Ask it to hand over what it has. */
void child_stop(struct child *c);
/* The end: s and reason are its status unless it is gone by itself. */
void child_kill(struct child *c, uint64_t now, enum collector_status s, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Reap it if it has ended.  True once it is gone. */
bool child_reap(struct child *c, double now_ms);
/* Give up on a child that does not die. */
void child_abandon(struct child *c, struct frame_pool *pool, double now_ms);
/* SIGSTOP or SIGCONT, for the CPU budget. */
void child_pause(struct child *c, bool pause, uint64_t now);

/* Record in the result; bounded, the first ones are kept. */
void child_status(struct child *c, enum collector_status s, int no, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void child_loss(struct child *c, const char *cause, uint64_t count);
void child_note(struct child *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline bool child_alive(const struct child *c)
{
	return c->phase == CHILD_RUNNING || c->phase == CHILD_STOPPING || c->phase == CHILD_KILLED;
}
