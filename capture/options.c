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
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/sbuf.h"
#include "base/units.h"

#define DURATION_MAX_NS (600ULL * 1000000000)
#define SAMPLE_MAX 1000000
#define NAME_PART_MAX 63  /* as in struct capture_head */
#define NAME_MAX_STEPS 32 /* of a mistyped name */

/* Which commands an option means something to. */
#define FOR_CAPTURE (1u << COMMAND_CAPTURE)
#define FOR_RUNS (FOR_CAPTURE | 1u << COMMAND_CHECK)
#define FOR_ALL (FOR_RUNS | 1u << COMMAND_LIST | 1u << COMMAND_VERIFY)

struct parser {
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
	int (*set)(struct parser *p, const char *name, const char *value);
	const char *help; /* lines separated by '\n' */
};

static int usage(struct parser *p, const char *name, const char *value, const char *reason)
{
	return err_set(p->e, EINVAL, "--%s %s: %s", name, value, reason);
}

/* A number that parse_*() did not take: say which of the two reasons it was. */
static int bad_number(struct parser *p, const char *name, const char *value, int r,
		      const char *expected)
{
	return usage(p, name, value, r == -ERANGE ? "out of range" : expected);
}

static int set_duration(struct parser *p, const char *name, const char *value)
{
	uint64_t ns = 0;
	int r = parse_duration_ns(value, &ns);

	if (r < 0)
		return bad_number(p, name, value, r, "not a time such as 10s, 500ms or 2m");
	if (ns == 0)
		return usage(p, name, value, "must be more than 0");
	if (ns > DURATION_MAX_NS)
		return usage(p, name, value, "at most 10m");
	p->o.duration_ns = ns;
	return 0;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static int set_output(struct parser *p, const char *name, const char *value)
{
	struct stat st;

	if (strcmp(value, "-") == 0) {
		if (isatty(STDOUT_FILENO))
			return usage(p, name, value,
				     "standard output is a terminal; pipe it somewhere");
	} else if (*value == '\0') {
		return usage(p, name, "''", "empty");
	} else if (!(stat(value, &st) == 0 && S_ISDIR(st.st_mode))) {
		const char *base = strrchr(value, '/');

		base = base ? base + 1 : value;
		if (!ends_with(base, ".tar.zst") || strcmp(base, ".tar.zst") == 0)
			return usage(p, name, value,
				     "neither a directory nor a file name ending in .tar.zst");
	}
	p->o.output = value;
	return 0;
}

static int check_list(struct parser *p, const char *name, const char *value)
{
	const char *s = value;

	for (;;) {
		size_t n = strcspn(s, ",");

		if (n == 0)
			return usage(p, name, *value ? value : "''",
				     "an empty collector name; ossnap-capture list prints them");
		s += n;
		if (!*s)
			return 0;
		s++;
	}
}

static int set_collect(struct parser *p, const char *name, const char *value)
{
	p->o.collect = value;
	return check_list(p, name, value);
}

static int set_skip(struct parser *p, const char *name, const char *value)
{
	p->o.skip = value;
	return check_list(p, name, value);
}

static int set_memory_source(struct parser *p, const char *name, const char *value)
{
	static const struct {
		const char *word;
		enum memory_source source;
	} words[] = {
		{"auto", MEMORY_AUTO},	   {"kcore", MEMORY_KCORE},
		{"bpf", MEMORY_BPF},	   {"kpageflags", MEMORY_KPAGEFLAGS},
		{"procfs", MEMORY_PROCFS},
	};

	p->o.core_file = NULL;
	if (strncmp(value, "core:", 5) == 0) {
		if (value[5] == '\0')
			return usage(p, name, value, "core: needs a file, core:FILE");
		p->o.memory_source = MEMORY_CORE;
		p->o.core_file = value + 5;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(value, words[i].word) == 0) {
			p->o.memory_source = words[i].source;
			return 0;
		}
	}
	return usage(p, name, value,
		     "not one of auto, kcore, bpf, core:FILE, kpageflags and procfs");
}

static int set_path(struct parser *p, const char *name, const char *value, const char **ret)
{
	if (*value == '\0')
		return usage(p, name, "''", "empty");
	*ret = value;
	return 0;
}

static int set_root(struct parser *p, const char *name, const char *value)
{
	return set_path(p, name, value, &p->o.root);
}

static int set_btf(struct parser *p, const char *name, const char *value)
{
	return set_path(p, name, value, &p->o.btf_file);
}

static int set_record_kernel(struct parser *p, const char *name, const char *value)
{
	return set_path(p, name, value, &p->o.record_kernel);
}

static int set_cgroup(struct parser *p, const char *name, const char *value)
{
	return set_path(p, name, value, &p->o.cgroup);
}

static int set_sample(struct parser *p, const char *name, const char *value)
{
	uint64_t n;

	if (strcmp(value, "auto") == 0) {
		p->o.sample_one_in = 0;
	} else if (strcmp(value, "all") == 0) {
		p->o.sample_one_in = 1;
	} else if (strncmp(value, "1/", 2) == 0 && parse_u64(value + 2, &n) == 0 && n >= 1 &&
		   n <= SAMPLE_MAX) {
		p->o.sample_one_in = (uint32_t)n;
	} else {
		return usage(p, name, value, "not auto, all, or 1/N with N from 1 to 1000000");
	}
	return 0;
}

static int set_pid(struct parser *p, const char *name, const char *value)
{
	uint64_t n;

	if (parse_u64(value, &n) < 0 || n == 0 || n > INT32_MAX)
		return usage(p, name, value, "not a process id");
	p->o.pid = (pid_t)n;
	return 0;
}

static int set_bytes(struct parser *p, const char *name, const char *value, uint64_t least,
		     uint64_t *ret)
{
	char text[16], reason[64];
	uint64_t n = 0;
	int r = parse_size(value, &n);

	if (r < 0)
		return bad_number(p, name, value, r, "not a size such as 500K, 64M or 1.5G");
	if (n < least) {
		snprintf(reason, sizeof(reason), "at least %s", format_size(least, text));
		return usage(p, name, value, reason);
	}
	*ret = n;
	return 0;
}

static int set_max_size(struct parser *p, const char *name, const char *value)
{
	return set_bytes(p, name, value, 64 << 10, &p->o.max_size);
}

static int set_max_memory(struct parser *p, const char *name, const char *value)
{
	return set_bytes(p, name, value, 16 << 20, &p->o.max_memory);
}

static int set_min_free(struct parser *p, const char *name, const char *value)
{
	return set_bytes(p, name, value, 0, &p->o.min_free);
}

static int set_max_cpu(struct parser *p, const char *name, const char *value)
{
	char text[16];
	size_t n = strlen(value);
	uint64_t milli;

	if (n > 1 && value[n - 1] == '%')
		n--;
	if (n < sizeof(text)) {
		memcpy(text, value, n);
		text[n] = '\0';
		/* "S.FFF seconds" is the exact decimal we need, with another name. */
		if (text[strspn(text, "0123456789.")] == '\0' &&
		    parse_duration_ns(text, &milli) == 0) {
			milli /= 1000000;
			if (milli > 0 && milli <= 100000000) {
				p->o.max_cpu = (double)milli / 1000;
				return 0;
			}
		}
	}
	return usage(p, name, value, "not a percentage of one CPU, above 0 and up to 100000");
}

static int set_redact(struct parser *p, const char *name, const char *value)
{
	if (strcmp(value, "none") == 0) {
		p->o.redact = REDACT_NONE;
	} else if (strcmp(value, "default") == 0) {
		p->o.redact = REDACT_DEFAULT;
	} else if (strcmp(value, "strict") == 0) {
		/* Going on with less redaction than was asked for would leak. */
		return err_set(p->e, ENOTSUP,
			       "--redact strict: not in this version (" OSSNAP_VERSION
			       "); nothing was captured");
	} else {
		return usage(p, name, value, "not one of none, default and strict");
	}
	return 0;
}

static int set_name_part(struct parser *p, const char *name, const char *value, const char **ret)
{
	if (strlen(value) > NAME_PART_MAX)
		return usage(p, name, value, "longer than 63 bytes");
	return set_path(p, name, value, ret);
}

static int set_ticket(struct parser *p, const char *name, const char *value)
{
	return set_name_part(p, name, value, &p->o.ticket);
}

static int set_label(struct parser *p, const char *name, const char *value)
{
	return set_name_part(p, name, value, &p->o.label);
}

static int set_plan(struct parser *p, const char *name, const char *value)
{
	p->o.plan = true;
	return 0;
}

static int set_estimate_only(struct parser *p, const char *name, const char *value)
{
	p->o.estimate_only = true;
	return 0;
}

static int set_progress(struct parser *p, const char *name, const char *value)
{
	static const char *const words[] = {"auto", "plain", "json", "none"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(value, words[i]) == 0) {
			p->o.progress = (enum capture_progress)i;
			return 0;
		}
	}
	return usage(p, name, value, "not one of auto, plain, json and none");
}

static int set_quiet(struct parser *p, const char *name, const char *value)
{
	p->o.quiet = true;
	return 0;
}

static int set_verbose(struct parser *p, const char *name, const char *value)
{
	p->o.verbose++;
	return 0;
}

static int set_guard(struct parser *p, const char *name, const char *value)
{
	if (value && *value == '\0')
		return usage(p, name, "''", "empty");
	p->o.guard = value ? value : "";
	return 0;
}

static int print_help(struct parser *p, const char *name, const char *value);

static int print_version(struct parser *p, const char *name, const char *value)
{
	printf("ossnap-capture " OSSNAP_VERSION "\n");
	return 1;
}

static const struct option_row rows[] = {
	{"duration", 'd', required_argument, FOR_RUNS, "TIME", set_duration,
	 "window of the timed collectors: 10s, 500ms, 2m, a\nbare number is seconds (default 10s, "
	 "at most 10m)"},
	{"output", 'o', required_argument, FOR_RUNS, "PATH", set_output,
	 "a directory, a file name ending in .tar.zst, or -\nfor standard output (default: current "
	 "directory)"},
	{"collect", 0, required_argument, FOR_RUNS, "LIST", set_collect,
	 "only these collectors, by name, comma-separated\n(default: all that apply)"},
	{"skip", 0, required_argument, FOR_RUNS, "LIST", set_skip, "all but these collectors"},
	{"memory-source", 0, required_argument, FOR_RUNS, "SOURCE", set_memory_source,
	 "auto, kcore, bpf, core:FILE, kpageflags or procfs:\nwhere kernel memory is read (default "
	 "auto: the best\nthat works)"},
	{"root", 0, required_argument, FOR_RUNS, "DIR", set_root,
	 "a recorded /proc and /sys, with core:FILE or procfs"},
	{"btf", 0, required_argument, FOR_RUNS, "FILE", set_btf,
	 "type information, when the kernel carries none"},
	{"record-kernel", 0, required_argument, FOR_CAPTURE, "FILE", set_record_kernel,
	 "also keep what the page-cache scan reads of the\nkernel's memory: FILE, FILE.btf and "
	 "FILE.root, for\ncore:FILE, --btf and --root elsewhere"},
	{"sample", 0, required_argument, FOR_RUNS, "SHARE", set_sample,
	 "share of pages read: auto, all or 1/N (default:\nauto)"},
	{"pid", 0, required_argument, FOR_RUNS, "PID", set_pid,
	 "narrow the process-level collectors to a process"},
	{"cgroup", 0, required_argument, FOR_RUNS, "PATH", set_cgroup,
	 "narrow the process-level collectors to a cgroup"},
	{"max-size", 0, required_argument, FOR_RUNS, "BYTES", set_max_size,
	 "size of the archive at most (default 256M)"},
	{"max-cpu", 0, required_argument, FOR_RUNS, "PERCENT", set_max_cpu,
	 "of one CPU, over the window (default 50)"},
	{"max-memory", 0, required_argument, FOR_RUNS, "BYTES", set_max_memory,
	 "resident memory, BPF maps and locked rings together\n(default 64M)"},
	{"min-free", 0, required_argument, FOR_RUNS, "BYTES", set_min_free,
	 "to leave free on the disk (default 256M)"},
	{"redact", 0, required_argument, FOR_RUNS, "LEVEL", set_redact,
	 "none, default or strict; default replaces secrets\nin command lines, environment and "
	 "URLs.  strict:\nnot in this version, refused"},
	{"ticket", 0, required_argument, FOR_RUNS, "ID", set_ticket,
	 "goes into the name and the head"},
	{"label", 0, required_argument, FOR_RUNS, "TEXT", set_label,
	 "goes into the name and the head"},
	{"plan", 0, no_argument, FOR_CAPTURE, "", set_plan,
	 "print what would be captured, at what cost, and\nstop"},
	{"estimate-only", 0, no_argument, FOR_CAPTURE, "", set_estimate_only,
	 "as --plan, with expected bytes"},
	{"progress", 0, required_argument, FOR_RUNS, "HOW", set_progress,
	 "auto, plain, json or none (default auto)"},
	{"guard", 0, optional_argument, FOR_RUNS, "[=CONFIG]", set_guard,
	 "run fastoom during the window: it kills the right\nprocess before memory runs out;\nits "
	 "journal goes into the archive"},
	{"ring", 0, optional_argument, FOR_RUNS, "[=TIME]", NULL,
	 "keep the last TIME and write when a trigger fires"},
	{"trigger", 0, required_argument, FOR_RUNS, "NAME[:VALUE]", NULL, "what --ring waits for"},
	{"max-wait", 0, required_argument, FOR_RUNS, "TIME", NULL, "how long --ring waits"},
	{"heap", 0, required_argument, FOR_RUNS, "PID[,PID]", NULL,
	 "heap breakdown that may pause the process"},
	{"quiet", 'q', no_argument, FOR_ALL, "", set_quiet, "only problems on standard error"},
	{"verbose", 'v', no_argument, FOR_ALL, "", set_verbose, "more; twice: still more"},
	{"help", 'h', no_argument, FOR_ALL, "", print_help, "this text"},
	{"version", 0, no_argument, FOR_ALL, "", print_version, "name and version"},
};

static void print_row(const struct option_row *row)
{
	char left[48];
	const char *line = row->help;
	int n;

	n = snprintf(left, sizeof(left), "  %c%c%s --%s%s%s", row->letter ? '-' : ' ',
		     row->letter ? row->letter : ' ', row->letter ? "," : " ", row->name,
		     row->arg[0] && row->arg[0] != '[' ? " " : "", row->arg);
	printf("%s", left);
	for (;;) {
		size_t len = strcspn(line, "\n");

		printf("%*s%.*s\n", n < 29 ? 29 - n : 1, "", (int)len, line);
		if (!line[len])
			return;
		line += len + 1;
		n = 0;
	}
}

static int print_help(struct parser *p, const char *name, const char *value)
{
	printf("Usage: ossnap-capture [OPTIONS]          capture this machine into one .tar.zst\n"
	       "       ossnap-capture [OPTIONS] check    what can run here, and the budgets\n"
	       "       ossnap-capture list               the collectors\n"
	       "       ossnap-capture verify FILE        is the archive whole?\n"
	       "\n"
	       "Options:\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].set)
			print_row(&rows[i]);
	}
	printf("\nNot in this version (" OSSNAP_VERSION "), refused:\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!rows[i].set)
			print_row(&rows[i]);
	}
	printf("\n"
	       "Standard output carries the archive's path; progress and problems go to\n"
	       "standard error.  A first Ctrl-C ends the window and writes what there is.\n"
	       "\n"
	       "Exit: 0 complete, 2 usage, 3 archive written but partial, 4 no archive,\n"
	       "5 refused before starting, 128+signal interrupted and archive written.\n"
	       "verify: 0 whole, 3 damaged or partial, 4 not an archive.\n"
	       "check: 0 all collectors can run, 3 some cannot.\n");
	return 1;
}

/* getopt_long()'s tables; the value of a long option is its row, shifted past all letters. */
#define ROW_BASE 256

static void make_tables(struct option longs[ARRAY_SIZE(rows) + 1], char letters[])
{
	size_t n = 0;

	letters[n++] = ':';
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		longs[i] = (struct option){
			.name = rows[i].name,
			.has_arg = rows[i].has_arg,
			.val = ROW_BASE + (int)i,
		};
		if (rows[i].letter) {
			letters[n++] = rows[i].letter;
			if (rows[i].has_arg == required_argument)
				letters[n++] = ':';
		}
	}
	longs[ARRAY_SIZE(rows)] = (struct option){0};
	letters[n] = '\0';
}

static const struct option_row *find_row(int c)
{
	if (c >= ROW_BASE)
		return &rows[c - ROW_BASE];
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].letter == c)
			return &rows[i];
	}
	return NULL;
}

/* Steps from a to b: a letter more, less, other, or swapped with its neighbour. */
static unsigned distance(const char *a, const char *b)
{
	unsigned before[NAME_MAX_STEPS + 1], last[NAME_MAX_STEPS + 1], now[NAME_MAX_STEPS + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > NAME_MAX_STEPS || m > NAME_MAX_STEPS)
		return NAME_MAX_STEPS;
	for (size_t k = 0; k <= m; k++)
		before[k] = last[k] = (unsigned)k;
	for (size_t i = 1; i <= n; i++) {
		now[0] = (unsigned)i;
		for (size_t k = 1; k <= m; k++) {
			unsigned best = last[k - 1] + (a[i - 1] != b[k - 1]);

			if (last[k] + 1 < best)
				best = last[k] + 1;
			if (now[k - 1] + 1 < best)
				best = now[k - 1] + 1;
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] &&
			    before[k - 2] + 1 < best)
				best = before[k - 2] + 1;
			now[k] = best;
		}
		memcpy(before, last, sizeof(before));
		memcpy(last, now, sizeof(last));
	}
	return last[m];
}

/* "--dur": which ones it may mean, or which one it is nearly. */
static int unknown_name(struct err *e, const char *arg)
{
	char typed[NAME_MAX_STEPS + 1], text[256];
	struct sbuf b = SBUF(text);
	const char *near = NULL;
	unsigned nearest = 3, matches = 0;
	size_t len = strcspn(arg + 2, "=");

	text[0] = '\0';
	snprintf(typed, sizeof(typed), "%.*s", (int)len, arg + 2);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned d = distance(typed, rows[i].name);

		if (strncmp(rows[i].name, arg + 2, len) == 0)
			sbuf_printf(&b, "%s--%s", matches++ ? ", " : "", rows[i].name);
		if (d < nearest && d < len) {
			nearest = d;
			near = rows[i].name;
		}
	}
	if (matches > 1)
		return err_set(e, EINVAL, "--%.*s: ambiguous: %s", (int)len, arg + 2, text);
	if (near)
		return err_set(e, EINVAL, "--%.*s: unknown option; did you mean --%s?", (int)len,
			       arg + 2, near);
	return err_set(e, EINVAL, "--%.*s: unknown option (see --help)", (int)len, arg + 2);
}

static int unknown(struct err *e, int c, char **argv)
{
	char letter[3] = {'-', (char)optopt, '\0'};
	const char *name = argv[optind - 1];
	char text[64];

	if (optopt > 0 && optopt < ROW_BASE)
		name = letter;
	else if (optopt >= ROW_BASE) {
		snprintf(text, sizeof(text), "--%s", rows[optopt - ROW_BASE].name);
		name = text;
	}
	if (c == ':')
		return err_set(e, EINVAL, "%s: needs an argument", name);
	if (optopt >= ROW_BASE)
		return err_set(e, EINVAL, "%s: takes no argument", name);
	if (strncmp(name, "--", 2) == 0)
		return unknown_name(e, name);
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
			if (distance(argv[optind], words[i]) <= 2)
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
	struct option longs[ARRAY_SIZE(rows) + 1];
	char letters[2 * ARRAY_SIZE(rows) + 2];
	const struct option_row *row, *given[ARRAY_SIZE(rows)] = {0};
	struct parser p = {
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
		given[row - rows] = row;
		r = row->set(&p, row->name, optarg);
		if (r != 0)
			return r;
	}
	r = set_command(&p.o, argc, argv, e);
	if (r == 0)
		r = check_together(&p.o, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (given[i] && !(given[i]->commands & 1u << p.o.command))
			return err_set(e, EINVAL, "--%s: means nothing to this command",
				       given[i]->name);
	}
	*ret = p.o;
	return 0;
}
