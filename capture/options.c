/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: options, command, and what goes together. */
#include "options_table.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

/* getopt_long()'s tables; the value of a long option is its row, shifted past all letters. */
#define ROW_BASE 256

static void make_tables(struct option longs[OPTION_ROWS + 1], char letters[])
{
	size_t n = 0;

	letters[n++] = ':';
	for (size_t i = 0; i < OPTION_ROWS; i++) {
		longs[i] = (struct option){
			.name = option_rows[i].name,
			.has_arg = option_rows[i].has_arg,
			.val = ROW_BASE + (int)i,
		};
		if (option_rows[i].letter) {
			letters[n++] = option_rows[i].letter;
			if (option_rows[i].has_arg == required_argument)
				letters[n++] = ':';
		}
	}
	longs[OPTION_ROWS] = (struct option){0};
	letters[n] = '\0';
}

static const struct option_row *find_row(int c)
{
	if (c >= ROW_BASE)
		return &option_rows[c - ROW_BASE];
	for (size_t i = 0; i < OPTION_ROWS; i++) {
		if (option_rows[i].letter == c)
			return &option_rows[i];
	}
	return NULL;
}

static int unknown(struct err *e, int c, char **argv)
{
	char letter[3] = {'-', (char)optopt, '\0'};
	const char *name = argv[optind - 1];
	char text[64];

	if (optopt > 0 && optopt < ROW_BASE)
		name = letter;
	else if (optopt >= ROW_BASE) {
		snprintf(text, sizeof(text), "--%s", option_rows[optopt - ROW_BASE].name);
		name = text;
	}
	if (c == ':')
		return err_set(e, EINVAL, "%s: needs an argument", name);
	if (optopt >= ROW_BASE)
		return err_set(e, EINVAL, "%s: takes no argument", name);
	if (strncmp(name, "--", 2) == 0)
		return option_unknown(e, name);
	return err_set(e, EINVAL, "%s: unknown option (see --help)", name);
}

/* Are two comma-separated lists disjoint?  If not, the first common name. */
static bool common_name(const char *a, const char *b, const char **ret, size_t *ret_len)
{
	while (*a) {
		size_t n = strcspn(a, ",");

		for (const char *s = b; *s;) {
			size_t m = strcspn(s, ",");

			if (n == m && memcmp(a, s, n) == 0) {
				*ret = a;
				*ret_len = n;
				return true;
			}
			s += m + (s[m] == ',');
		}
		a += n + (a[n] == ',');
	}
	return false;
}

static int check_together(struct capture_options *o, struct err *e)
{
	const char *name;
	size_t len;

	if (o->quiet && o->verbose)
		return err_set(e, EINVAL, "--quiet: contradicts --verbose");
	if (o->quiet && o->progress != PROGRESS_AUTO && o->progress != PROGRESS_NONE)
		return err_set(e, EINVAL, "--quiet: contradicts --progress");
	if (o->collect && o->skip && common_name(o->collect, o->skip, &name, &len))
		return err_set(e, EINVAL, "--collect: %.*s is also in --skip", (int)len, name);
	if (o->guard && o->root)
		return err_set(e, EINVAL, "--guard: a recording (--root %s) needs no guard",
			       o->root);
	if (o->pid && o->cgroup)
		return err_set(e, EINVAL, "--pid: contradicts --cgroup");
	if (o->root && o->memory_source != MEMORY_CORE && o->memory_source != MEMORY_PROCFS)
		return err_set(e, EINVAL,
			       "--root %s: a recording has no running kernel: needs "
			       "--memory-source core:FILE or procfs",
			       o->root);
	if (o->record_kernel && o->memory_source != MEMORY_AUTO &&
	    o->memory_source != MEMORY_KCORE && o->memory_source != MEMORY_BPF)
		return err_set(e, EINVAL,
			       "--record-kernel %s: --memory-source reads no kernel memory of this "
			       "machine (needs auto, kcore or bpf)",
			       o->record_kernel);
	if (o->memory_source == MEMORY_CORE && !o->root)
		return err_set(e, EINVAL,
			       "--memory-source core:%s: needs --root DIR, the /proc and /sys "
			       "recorded with it",
			       o->core_file);
	return 0;
}

static int set_command(struct capture_options *o, int argc, char **argv, struct err *e)
{
	static const char *const words[] = {
		[COMMAND_LIST] = "list", [COMMAND_CHECK] = "check", [COMMAND_VERIFY] = "verify"};
	int left = argc - optind, most;

	if (left == 0)
		return 0;
	for (size_t i = COMMAND_LIST; i < ARRAY_SIZE(words); i++) {
		if (strcmp(argv[optind], words[i]) == 0)
			o->command = (enum capture_command)i;
	}
	if (o->command == COMMAND_CAPTURE) {
		for (size_t i = COMMAND_LIST; i < ARRAY_SIZE(words); i++) {
			if (option_distance(argv[optind], words[i]) <= 2)
				return err_set(e, EINVAL,
					       "%s: not a command; did you mean %s? (see --help)",
					       argv[optind], words[i]);
		}
		return err_set(e, EINVAL,
			       "%s: not a command (list, check, verify FILE; --help tells more)",
			       argv[optind]);
	}
	most = o->command == COMMAND_VERIFY ? 2 : 1;
	if (left > most)
		return err_set(e, EINVAL, "%s: one argument too many", argv[optind + most]);
	if (o->command == COMMAND_VERIFY) {
		if (left < 2 || argv[optind + 1][0] == '\0')
			return err_set(e, EINVAL, "verify: needs the archive's FILE");
		o->verify_file = argv[optind + 1];
	}
	return 0;
}

int capture_options_parse(struct capture_options *ret, int argc, char **argv, struct err *e)
{
	struct option longs[OPTION_ROWS + 1];
	char letters[2 * OPTION_ROWS + 2];
	const struct option_row *row, *given[OPTION_ROWS] = {0};
	struct option_parser p = {
		.e = e,
		.o = {.command = COMMAND_CAPTURE,
		      .duration_ns = 10000000000ULL,
		      .max_size = 256ULL << 20,
		      .max_memory = 64ULL << 20,
		      .min_free = 256ULL << 20,
		      .max_cpu = 50,
		      .redact = REDACT_DEFAULT},
	};
	int c, r;

	make_tables(longs, letters);
	opterr = 0;
	optind = 0; /* GNU: start over, also after an earlier call */
	while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		row = c == '?' || c == ':' ? NULL : find_row(c);
		if (!row)
			return unknown(e, c, argv);
		if (!row->set)
			return err_set(e, EINVAL, "--%s: not in this version (" OSSNAP_VERSION ")",
				       row->name);
		given[row - option_rows] = row;
		r = row->set(&p, row->name, optarg);
		if (r != 0)
			return r;
	}
	r = set_command(&p.o, argc, argv, e);
	if (r == 0)
		r = check_together(&p.o, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < OPTION_ROWS; i++) {
		if (given[i] && !(given[i]->commands & 1u << p.o.command))
			return err_set(e, EINVAL, "--%s: means nothing to this command",
				       given[i]->name);
	}
	*ret = p.o;
	return 0;
}
