/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of ossnap-analyze, parsed.  Names and defaults: the contract. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "../capture/bundle/reader.h"
#include "exports.h"

#define ANALYZE_EXPORTS_MAX 16

struct analyze_options {
	const char **archives;
	size_t archive_count;
	const char *output; /* NULL: the archive's name with .html */
	const char *json;   /* NULL: none; "-": stdout */
	struct {
		const struct export_format *format;
		const char *path;
	} exports[ANALYZE_EXPORTS_MAX];
	size_t export_count;
	bool text, quiet, salvage;
	unsigned top;
	int fail_on; /* enum severity, 0: off */
	struct bundle_limits limits;
};

/* 0 to go on, 1 when --help or --version has been printed, -EINVAL with e set (exit 2). */
int analyze_options_parse(struct analyze_options *ret, int argc, char **argv, struct err *e);
