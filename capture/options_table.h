/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: one table of options, from which getopt's tables and the help text are both
 * made, so that they cannot disagree.
 */
#pragma once

#include "options.h"

/* Which commands an option means something to. */
#define FOR_CAPTURE (1u << COMMAND_CAPTURE)
#define FOR_RUNS (FOR_CAPTURE | 1u << COMMAND_CHECK)
#define FOR_ALL (FOR_RUNS | 1u << COMMAND_LIST | 1u << COMMAND_VERIFY)

struct option_parser {
	struct capture_options o;
	struct err *e;
};

struct option_row {
	const char *name;
	char letter;
	int has_arg;
	unsigned commands;
	const char *arg; /* how the help names the argument; "" for none */
	/* NULL: belongs to a later version.  value is NULL without an argument. */
	int (*set)(struct option_parser *p, const char *name, const char *value);
	const char *help; /* lines separated by '\n' */
};

#define OPTION_ROWS 30
extern const struct option_row option_rows[OPTION_ROWS];

/* Rows of the table (options_help.c); both print, and return 1. */
int option_help(struct option_parser *p, const char *name, const char *value);
int option_version(struct option_parser *p, const char *name, const char *value);

/* Words (options_near.c).  Steps from a to b: a letter more, less, other, or swapped with its
 * neighbour. */
unsigned option_distance(const char *a, const char *b);
/* "--dur": -EINVAL, with e saying which ones it may mean, or which one it is nearly. */
int option_unknown(struct err *e, const char *arg);
