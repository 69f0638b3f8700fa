/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard: signals → prediction → choice → kill → journal, in one loop that allocates nothing,
 * forks nothing and waits for nobody.  It lives in memory that its caller gives it, all of it.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../base/err.h"
#include "../base/sysroot.h"
#include "choice.h"
#include "config.h"
#include "journal.h"
#include "machine.h"
#include "options.h"
#include "pods.h"
#include "predict.h"
#include "reader.h"
#include "scope.h"

#define GUARD_SCOPES 24
#define GUARD_VICTIMS 32

enum stage {
	STAGE_NONE,
	STAGE_TERM,   /* asked to go */
	STAGE_KILL,   /* made to go */
	STAGE_EXITED, /* gone; is the memory, too? */
	STAGE_LATE,   /* does not go: recorded as pending, left alone */
};

struct victim {
	enum stage stage;
	struct candidate who;
	unsigned watched; /* index */
	int pidfd;	  /* -1: no such thing here */
	int signal;
	bool released; /* process_mrelease was done, or cannot be */
	uint64_t signalled_ns, escalate_ns, late_ns, exited_ns;
	/* for the record */
	double probability;
	struct features features;
	uint64_t consumption, available, total;
	char cmdline[512], cgroup[256], rule[96];
};

struct watched {
	bool used, gone;
	struct scope scope;
	struct features features;
	double probability;
	uint64_t over_ns;    /* since when the probability is too high; 0: it is not */
	uint64_t cool_ns;    /* not before this */
	uint64_t wait_ns;    /* not before this, whatever happens */
	uint64_t backoff_ns; /* how long to wait after having found nobody */
	uint64_t freeing_ns, freeing_used; /* somebody is being taken apart: since when */
	uint64_t leaving_ns;		   /* since when others' victims are being waited for */
	uint64_t alert_ns;		   /* sample as fast as possible until then */
	uint64_t mark;			   /* bytes in use when the batch was chosen */
	uint64_t calm_used, calm_shmem, calm_anon; /* when the probability was last low */
	uint64_t choice_ns;			   /* what a choice takes */
	uint64_t state_ns, calm_ns;
	double state_probability;
	unsigned in_flight;
};

/* What this machine lets us do; told in the journal's first line. */
struct capabilities {
	bool locked, adj, realtime, pidfd, mrelease, signal_others, see_others, pressure;
	unsigned thresholds;
};

struct guard {
	struct sysroot root;
	struct machine machine;
	struct hierarchy hierarchy;
	const struct options *options;
	struct config configs[2];
	unsigned current;
	struct readers readers;
	struct journal journal;
	struct chooser chooser;
	struct choice choice;
	struct watched watched[GUARD_SCOPES];
	struct victim victims[GUARD_VICTIMS];
	struct capabilities can;
	struct pods pods;
	int signals, wake, psi;
	int trace; /* -1: none */
	bool stop;
	int stop_signal;
	uint64_t started_ns, end_ns, lookup_ns;
	char scratch[16384];
	char line[JOURNAL_RECORD];

	/* the reload, done by the journal's thread since a disk may hang */
	_Atomic int reload; /* 0 none, 1 asked, 2 done */
	int reload_result;
	struct err reload_error;
	char reload_text[CONFIG_FILE_MAX];
};

static inline const struct config *guard_config(const struct guard *g)
{
	return &g->configs[g->current];
}

/* Everything that opens, allocates or may fail; then the loop. */
int guard_start(struct guard *g, struct err *e);
int guard_run(struct guard *g);
/* Watch every scope of the configuration that can be found; those that cannot are told through
 * say.  Returns how many are watched. */
unsigned guard_watch(struct guard *g, void (*say)(void *ctx, const char *text), void *ctx);

/* act.c: one look at a scope, and what follows from it */
void act_on(struct guard *g, struct watched *w, uint64_t now);
/* victims.c */
int victim_begin(struct guard *g, struct watched *w, const struct candidate *v, uint64_t now);
void victims_tick(struct guard *g, uint64_t now);
unsigned victims_in_flight(const struct guard *g);
/* Their pids, so that nobody chooses them again. */
void victims_exclude(struct guard *g);
void victims_hurry(struct guard *g, struct watched *w, uint64_t now);

/* record.c: the journal's lines */
void record_start(struct guard *g);
void record_reload(struct guard *g, bool ok, const char *why);
void record_state(struct guard *g, struct watched *w, const char *phase);
void record_intent(struct guard *g, const struct victim *v);
void record_kill(struct guard *g, const struct victim *v, uint64_t freed, uint64_t exit_ns,
		 const char *outcome);
void record_skip(struct guard *g, struct watched *w, const struct spared *s);
void record_no_victim(struct guard *g, struct watched *w, uint64_t need);
/* One reading, for fitting the model; waits for the disk, so it is for that only. */
void record_trace(struct guard *g, const struct watched *w, uint64_t now);
void record_stop(struct guard *g, const char *reason);
