/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a collector is.
 *
 * Every collector runs in a child process of its own and hands what it reads to the parent over a
 * pipe.  That one decision gives each of them a deadline that holds even when a read never
 * returns, its own CPU and memory figures (wait4), and a crash that costs nobody else anything.
 *
 * The child's life: start() → run() until the end of the window → stop() → write().  Each of them
 * may be NULL and may emit members.  What must be read at both ends is emitted by start()
 * and write().  A collector without a window (`timed` false) runs start() and write() at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/sysroot.h"
#include "bundle/manifest.h"
#include "options.h"

struct emit; /* the child's end of the pipe */
struct redactor;

struct collect {
	const struct capture_options *options;
	const struct sysroot *root;
	const struct redactor *redactor; /* applied by the collector to what may hold secrets */
	struct emit *out;
	uint64_t window_start_ns, window_end_ns; /* CLOCK_MONOTONIC, planned */
	uint64_t deadline_ns;			 /* the child is killed after this */
	uint64_t memory_limit;			 /* bytes this child may use; 0: no limit */
	size_t part_size;			 /* of what it hands over; 0: BUNDLE_PART_SIZE */
	int stop_fd;				 /* readable: the window ended early */
	void *state;				 /* the collector's own, from start() to write() */
};

struct probe_result {
	enum collector_status status; /* OK, DENIED, UNSUPPORTED; ERROR: given wrong */
	int no;			      /* errno, or 0 */
	char reason[512];	      /* names object and reason when not OK; else a remark or "" */
	uint64_t expected_bytes;      /* in the archive, for --estimate-only; 0: unknown */
};

struct collector {
	const char *name;
	const char *summary; /* one line for `list` */
	const char *needs;   /* in words: "root, or CAP_SYS_ADMIN" */
	bool timed;	     /* reads over the window, not at one moment */
	/* What it may have: so much of --max-memory, and below the least it cannot do its work. All
	 * of it counts: resident and not shared, BPF maps, rings, children. */
	uint8_t memory_share;	   /* percent */
	uint16_t memory_least_kib; /* KiB */
	/* It has the kernel's whole type information in memory for a moment: in start() if it is
	 * timed; shares.h. */
	bool loads_types;
	/* Cheap, without side effects, runs unprivileged.  Never blocks. */
	void (*probe)(const struct capture_options *o, const struct sysroot *root,
		      struct probe_result *ret);
	/* Return 0, or a negative errno after emit_status().  An error without a status is `error`.
	 */
	int (*start)(struct collect *c);
	/* Instead of waiting: works until the window's end or an early stop.  NULL: just wait. */
	int (*run)(struct collect *c);
	int (*stop)(struct collect *c);
	int (*write)(struct collect *c);
};

/*
 * Each collectors/NAME.c defines `const struct collector collector_NAME`; collectors.c is the table
 * of pointers to them, one line each, in the order of the plan, ended by NULL.
 */
extern const struct collector *const collectors[];

/* ------------------------------------------------------------------ handing over */

/*
 * A member being written.  A child has one open at a time.  What is written is collected in one
 * part buffer (part_size) and sent when full: member_break() marks where a part may end
 * (after a row, after a pack entry).  header is repeated at the start of every part (may be NULL).
 */
int member_open(struct emit *out, const char *name, const char *header);
int member_put(struct emit *out, const void *data, size_t len);
int member_break(struct emit *out);
int member_close(struct emit *out, bool truncated);

/* TSV, one field at a time; row_end() is also a member_break(). */
void row_str(struct emit *out, const void *s, size_t len);
void row_cstr(struct emit *out, const char *s);
void row_u64(struct emit *out, uint64_t v);
void row_f64(struct emit *out, double v);
void row_none(struct emit *out); /* not measured: the empty field */
int row_end(struct emit *out);

/* An entry of the open pack.  no: errno, why data is empty or short.  An entry that alone is larger
 * than a part is cut to fit (EFBIG) and counted as a loss. */
int pack_data(struct emit *out, const char *entry, const void *data, size_t len, int no);

/* For the manifest.  The last status wins; without one a collector that returned 0 is `ok`. */
void emit_status(struct emit *out, enum collector_status s, int no, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* What is needed for a moment only (loads_types) is given back: others wait for it.  The end of
 * start() says so too. */
void emit_started(struct emit *out);
void emit_loss(struct emit *out, const char *cause, uint64_t count); /* adds up per cause */
void emit_note(struct emit *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void emit_redacted(struct emit *out, const char *kind, const char *where, uint64_t count);

/* Milliseconds since the start of the window, for member names: "000010003". */
void member_time(const struct collect *c, char out[16]);
/* True once the window has ended early or the deadline is near: long loops ask. */
bool collect_stopping(const struct collect *c);
/* Sleep until the window's end or an early stop. */
void collect_wait(const struct collect *c);
