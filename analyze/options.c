/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: one table of options, from which getopt's tables and the help text are both
 * made, so that they cannot disagree.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "../capture/base/cleanup.h"
#include "../capture/base/units.h"
#include "findings.h"

#define TOP_DEFAULT 30
#define TOP_MAX 10000

struct parser {
	struct analyze_options o;
	struct err *e;
};

struct option_row {
	const char *name;
	char letter;
	int has_arg;
	const char *arg; /* how the help names the argument; "" for none */
	/* NULL: belongs to a later version.  value is NULL without an argument. */
	int (*set)(struct parser *p, const char *name, const char *value);
	const char *help; /* lines separated by '\n' */
};

static int usage(struct parser *p, const char *name, const char *value, const char *reason)
{
	return err_set(p->e, EINVAL, "--%s %s: %s", name, *value ? value : "''", reason);
}

static int set_output(struct parser *p, const char *name, const char *value)
{
	if (!*value)
		return usage(p, name, value, "empty");
	if (!strcmp(value, "-"))
		return usage(p, name, value,
			     "the report is a file; --json - and --text go to standard output");
	p->o.output = value;
	return 0;
}

static int set_json(struct parser *p, const char *name, const char *value)
{
	if (!*value)
		return usage(p, name, value, "empty");
	p->o.json = value;
	return 0;
}

static int set_export(struct parser *p, const char *name, const char *value)
{
	const char *equals = strchr(value, '=');
	size_t len = equals ? (size_t)(equals - value) : strlen(value), n = p->o.export_count;

	if (!equals || !equals[1] || !export_find(value, len))
		return usage(p, name, value,
			     "FORMAT=FILE with folded, pprof, speedscope, chrome, perf-script, "
			     "openmetrics or tsv");
	if (n == ANALYZE_EXPORTS_MAX)
		return usage(p, name, value, "too many exports");
	p->o.exports[n].format = export_find(value, len);
	p->o.exports[n].path = equals + 1;
	p->o.export_count++;
	return 0;
}

static int set_top(struct parser *p, const char *name, const char *value)
{
	uint64_t v;

	if (parse_u64(value, &v) < 0 || v < 1 || v > TOP_MAX)
		return usage(p, name, value, "a number from 1 to 10000");
	p->o.top = (unsigned)v;
	return 0;
}

static int set_fail_on(struct parser *p, const char *name, const char *value)
{
	if (!strcmp(value, "warning"))
		p->o.fail_on = SEVERITY_WARNING;
	else if (!strcmp(value, "critical"))
		p->o.fail_on = SEVERITY_CRITICAL;
	else
		return usage(p, name, value, "warning or critical");
	return 0;
}

static int set_text(struct parser *p, const char *name, const char *value)
{
	p->o.text = true;
	return 0;
}

static int set_salvage(struct parser *p, const char *name, const char *value)
{
	p->o.salvage = true;
	return 0;
}

static int set_quiet(struct parser *p, const char *name, const char *value)
{
	p->o.quiet = true;
	return 0;
}

/* ------------------------------------------------------------------ --limits */

struct limit_row {
	const char *key;
	bool size; /* 64M and so on; else a plain number */
	uint64_t min, max;
	void (*set)(struct bundle_limits *l, uint64_t v);
};

static void set_limit_input(struct bundle_limits *l, uint64_t v)
{
	l->input = v;
}
static void set_limit_decompressed(struct bundle_limits *l, uint64_t v)
{
	l->decompressed = v;
}
static void set_limit_ratio(struct bundle_limits *l, uint64_t v)
{
	l->ratio = v;
}
static void set_limit_member(struct bundle_limits *l, uint64_t v)
{
	l->member = v;
}
static void set_limit_members(struct bundle_limits *l, uint64_t v)
{
	l->members = (uint32_t)v;
}
static void set_limit_path(struct bundle_limits *l, uint64_t v)
{
	l->path = (uint32_t)v;
}
static void set_limit_window(struct bundle_limits *l, uint64_t v)
{
	/* zstd windows are powers of two: the largest that is not above what was asked for. */
	for (l->window_log = 10; l->window_log < 31 && 2ULL << l->window_log <= v;)
		l->window_log++;
}

static const struct limit_row limit_rows[] = {
	{"input", true, 1, 1ULL << 40, set_limit_input},
	{"decompressed", true, 1, 1ULL << 42, set_limit_decompressed},
	{"ratio", false, 1, 1000000, set_limit_ratio},
	{"member", true, 512, 1ULL << 30, set_limit_member},
	{"members", false, 1, 1000000, set_limit_members},
	{"window", true, 1 << 10, 1ULL << 31, set_limit_window},
	{"path", false, 1, 255, set_limit_path},
};

static int set_one_limit(struct parser *p, const char *name, const char *pair, size_t len)
{
	const char *equals = memchr(pair, '=', len);
	char value[32];
	uint64_t v;

	for (size_t i = 0; equals && i < ARRAY_SIZE(limit_rows); i++) {
		const struct limit_row *row = &limit_rows[i];
		size_t key_len = (size_t)(equals - pair), value_len = len - key_len - 1;

		if (strlen(row->key) != key_len || memcmp(row->key, pair, key_len) != 0)
			continue;
		if (value_len >= sizeof(value))
			break;
		memcpy(value, equals + 1, value_len);
		value[value_len] = '\0';
		if ((row->size ? parse_size(value, &v) : parse_u64(value, &v)) < 0 ||
		    v < row->min || v > row->max)
			return err_set(p->e, EINVAL, "--%s %s=%s: %s from %llu to %llu", name,
				       row->key, value, row->size ? "a size" : "a number",
				       (unsigned long long)row->min, (unsigned long long)row->max);
		row->set(&p->o.limits, v);
		return 0;
	}
	return err_set(
		p->e, EINVAL,
		"--%s %.*s: not KEY=VALUE with KEY one of input, decompressed, ratio, member, "
		"members, window, path",
		name, (int)(len < 100 ? len : 100), pair);
}

static int set_limits(struct parser *p, const char *name, const char *value)
{
	int r = 0;

	for (const char *s = value;; s++) {
		size_t len = strcspn(s, ",");

		r = set_one_limit(p, name, s, len);
		s += len;
		if (r < 0 || !*s)
			return r;
	}
}

/* ------------------------------------------------------------------ the table */

static int set_help(struct parser *p, const char *name, const char *value);

static int set_version(struct parser *p, const char *name, const char *value)
{
	puts("ossnap-analyze " OSSNAP_VERSION);
	return 1;
}

static const struct option_row rows[] = {
	{"output", 'o', required_argument, "FILE", set_output,
	 "the HTML report (default: the archive's name with .html, beside it;\n"
	 "of several archives: the first one's with -fleet.html)"},
	{"json", 0, required_argument, "FILE|-", set_json, "the same content as JSON"},
	{"text", 0, no_argument, "", set_text,
	 "conclusions as plain text on stdout, to paste in a ticket"},
	{"top", 0, required_argument, "N", set_top, "rows shown in rankings (default: 30)"},
	{"fail-on", 0, required_argument, "SEVERITY", set_fail_on,
	 "exit 10 when a finding is at least `warning` or `critical`"},
	{"salvage", 0, no_argument, "", set_salvage,
	 "go on past members whose hash does not match, marked as such\n"
	 "(a cut archive is always read up to the cut)"},
	{"limits", 0, required_argument, "KEY=VALUE,...", set_limits,
	 "what an archive may cost (default: input=2G,decompressed=4G,\n"
	 "ratio=1000,member=64M,members=4096,window=8M,path=255)"},
	{"compare", 0, required_argument, "BEFORE", NULL, "report ARCHIVE against BEFORE"},
	{"export", 0, required_argument, "FORMAT=FILE", set_export,
	 "for other tools (repeatable): stacks as folded, pprof, speedscope,\n"
	 "chrome or perf-script; figures as openmetrics; every table as tsv\n"
	 "(a directory)"},
	{"trace", 0, required_argument, "[HOST=]FILE", NULL,
	 "a Kineto or NCCL inspector trace to join"},
	{"debuginfo", 0, required_argument, "DIR", NULL, "debug files by build-id"},
	{"quiet", 'q', no_argument, "", set_quiet, "say nothing on stderr but problems"},
	{"help", 'h', no_argument, "", set_help, "this text"},
	{"version", 0, no_argument, "", set_version, "the version"},
};

static int set_help(struct parser *p, const char *name, const char *value)
{
	fputs("Usage: ossnap-analyze [OPTIONS] ARCHIVE...\n"
	      "Turn archives of ossnap-capture into one HTML report that says what is wrong.\n"
	      "Needs no privilege and no network; nothing is extracted.\n\n",
	      stdout);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct option_row *o = &rows[i];
		const char *line = o->help;
		char head[64];

		if (o->letter)
			snprintf(head, sizeof(head), "-%c, --%s %s", o->letter, o->name, o->arg);
		else
			snprintf(head, sizeof(head), "    --%s %s", o->name, o->arg);
		while (*line) {
			size_t len = strcspn(line, "\n");

			printf("  %-28s %.*s%s\n", head, (int)len, line,
			       line == o->help && !o->set ? " [not in this version]" : "");
			line += len + (line[len] == '\n');
			head[0] = '\0';
		}
	}
	fputs("\nExit: 0 done, 2 usage (or an output cannot be written), 3 report written from a\n"
	      "damaged or partial archive, 4 not an archive or refused by a limit, 5 worker "
	      "killed\n"
	      "by the sandbox, 10 see --fail-on.  The most telling wins: 2, 4, 5, 10, 3, 0.\n",
	      stdout);
	return 1;
}

static int apply(struct parser *p, const struct option_row *row, const char *value)
{
	if (!row->set)
		return err_set(p->e, EINVAL, "--%s: not in this version (" OSSNAP_VERSION ")",
			       row->name);
	return row->set(p, row->name, value);
}

static int check_whole(struct parser *p)
{
	/* "--json a.tar.zst": the archive was taken for the option's file. */
	if (p->o.archive_count == 0 && (p->o.json || p->o.output))
		return err_set(p->e, EINVAL, "no archive given: --%s takes %s, and took %s",
			       p->o.json ? "json" : "output", p->o.json ? "FILE or -" : "FILE",
			       p->o.json ? p->o.json : p->o.output);
	if (p->o.archive_count == 0)
		return err_set(p->e, EINVAL, "no archive given; try --help");
	if (p->o.text && p->o.json && !strcmp(p->o.json, "-"))
		return err_set(p->e, EINVAL,
			       "--json -, --text: both go to standard output; give --json a file");
	if (p->o.json && p->o.output && !strcmp(p->o.json, p->o.output))
		return err_set(p->e, EINVAL, "--json %s: that is the report itself (-o)",
			       p->o.json);
	return 0;
}

int analyze_options_parse(struct analyze_options *ret, int argc, char **argv, struct err *e)
{
	struct parser p = {.o = {.top = TOP_DEFAULT, .limits = bundle_default_limits}, .e = e};
	struct option longs[ARRAY_SIZE(rows) + 1] = {0};
	char shorts[2 * ARRAY_SIZE(rows) + 2], *s = shorts;
	int c, r;

	*s++ = ':';
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		/* 256 up: no letter's code. */
		longs[i] = (struct option){rows[i].name, rows[i].has_arg, NULL, 256 + (int)i};
		if (!rows[i].letter)
			continue;
		*s++ = rows[i].letter;
		if (rows[i].has_arg == required_argument)
			*s++ = ':';
	}
	*s = '\0';
	opterr = 0;
	optind = 0; /* start afresh: tests parse more than once */
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct option_row *row = NULL;

		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			if (c == 256 + (int)i || (rows[i].letter && c == rows[i].letter))
				row = &rows[i];
		if (c == ':')
			return err_set(e, EINVAL, "%s: needs a value", argv[optind - 1]);
		if (!row && optopt && optopt < 256)
			return err_set(e, EINVAL, "-%c: no such option; try --help", optopt);
		if (!row)
			return err_set(e, EINVAL, "%s: no such option; try --help",
				       argv[optind - 1]);
		r = apply(&p, row, optarg);
		if (r != 0)
			return r;
	}
	p.o.archives = (const char **)(argv + optind);
	p.o.archive_count = (size_t)(argc - optind);
	r = check_whole(&p);
	if (r == 0)
		*ret = p.o;
	return r;
}
