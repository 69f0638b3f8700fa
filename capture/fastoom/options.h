/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fastoom's command line. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

struct options {
	const char *config_path; /* NULL: none */
	const char *journal;	 /* NULL: the configuration's, or the default */
	const char *sensitivity; /* NULL: as configured */
	const char *scopes[CONFIG_POLICIES];
	const char *prefer[CONFIG_LIST], *avoid[CONFIG_LIST];
	unsigned n_scopes, n_prefer, n_avoid;
	bool group, spare_pid1, dry_run, check, help, version;
	const char *trace;    /* every reading goes here, for fitting the model; NULL: nowhere */
	uint64_t duration_ns; /* 0: until told to stop */
	config_line_fn each_line; /* --check: hears of the configuration's lines; else NULL */
};

#define OPTIONS_JOURNAL "/var/log/fastoom/journal.jsonl"

int options_parse(int argc, char **argv, struct options *ret, struct err *e);
void options_help(void);

/* The configuration: the file's text (NULL: none), then the command line over it. */
int options_config(const struct options *o, const char *text, size_t len, struct config *ret,
		   struct err *e);
/* Read the file into buf.  Its length or -errno. */
int options_read(const struct options *o, char *buf, size_t cap, struct err *e);
