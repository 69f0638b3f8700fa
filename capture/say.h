/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said on stderr, and kept for log/capture.log: problems, and how far we are.
 *
 * On a terminal the window is counted down in one line that is rewritten and finally erased; off a
 * terminal there is one line per change; --progress json gives one JSON object per line.  stderr is
 * never waited for: what it cannot take at once is dropped there, and still kept in the log.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundle/manifest.h"
#include "options.h"

#define SAY_LOG_MAX (256u << 10)

enum say_level {
	SAY_ERROR,   /* always */
	SAY_PROBLEM, /* unless --quiet */
	SAY_INFO,    /* one line per change: off a terminal, and on it with -v */
	SAY_DETAIL,  /* with -v */
	SAY_MEMBER,  /* with -v, and not in the log: the manifest lists them */
};

struct say {
	int fd;
	bool quiet, json, plain, counting, shown;
	unsigned verbose;
	uint64_t last_count_s;
	char *log;
	size_t log_len, log_cap;
	bool log_cut;
};

void say_init(struct say *s, const struct capture_options *o);
void say_deinit(struct say *s);

void say(struct say *s, enum say_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The run begins. */
void say_start(struct say *s, const char *name, uint64_t duration_ns, const char *collectors);
/* How far it is; rewritten at most once a second. */
void say_count(struct say *s, uint64_t left_ns, unsigned running, unsigned total, uint64_t bytes);
/* A collector has ended. */
void say_collector(struct say *s, const struct collector_result *r, uint64_t bytes);
/* The archive is written; path is not for stdout here. */
void say_end(struct say *s, const char *path, uint64_t bytes, bool complete, int exit_code);
