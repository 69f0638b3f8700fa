/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each option takes. */
#include "options_table.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"

#define DURATION_MAX_NS (600ULL * 1000000000)
#define SAMPLE_MAX 1000000
#define NAME_PART_MAX 63 /* as in struct capture_head */

static int usage(struct option_parser *p, const char *name, const char *value, const char *reason)
{
	return err_set(p->e, EINVAL, "--%s %s: %s", name, value, reason);
}

/* A number that parse_*() did not take: say which of the two reasons it was. */
static int bad_number(struct option_parser *p, const char *name, const char *value, int r,
		      const char *expected)
{
	return usage(p, name, value, r == -ERANGE ? "out of range" : expected);
}

static int set_duration(struct option_parser *p, const char *name, const char *value)
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

static int set_output(struct option_parser *p, const char *name, const char *value)
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

static int check_list(struct option_parser *p, const char *name, const char *value)
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

static int set_collect(struct option_parser *p, const char *name, const char *value)
{
	p->o.collect = value;
	return check_list(p, name, value);
}

static int set_skip(struct option_parser *p, const char *name, const char *value)
{
	p->o.skip = value;
	return check_list(p, name, value);
}

static int set_memory_source(struct option_parser *p, const char *name, const char *value)
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

static int set_path(struct option_parser *p, const char *name, const char *value, const char **ret)
{
	if (*value == '\0')
		return usage(p, name, "''", "empty");
	*ret = value;
	return 0;
}

static int set_root(struct option_parser *p, const char *name, const char *value)
{
	return set_path(p, name, value, &p->o.root);
}

static int set_btf(struct option_parser *p, const char *name, const char *value)
{
	return set_path(p, name, value, &p->o.btf_file);
}

static int set_record_kernel(struct option_parser *p, const char *name, const char *value)
{
	return set_path(p, name, value, &p->o.record_kernel);
}

static int set_cgroup(struct option_parser *p, const char *name, const char *value)
{
	return set_path(p, name, value, &p->o.cgroup);
}

static int set_sample(struct option_parser *p, const char *name, const char *value)
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

static int set_pid(struct option_parser *p, const char *name, const char *value)
{
	uint64_t n;

	if (parse_u64(value, &n) < 0 || n == 0 || n > INT32_MAX)
		return usage(p, name, value, "not a process id");
	p->o.pid = (pid_t)n;
	return 0;
}

static int set_bytes(struct option_parser *p, const char *name, const char *value, uint64_t least,
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

static int set_heap(struct option_parser *p, const char *name, const char *value)
{
	char text[16];

	p->o.heap_count = 0;
	for (const char *s = value;; s++) {
		size_t n = strcspn(s, ",");
		uint64_t pid;

		if (n >= sizeof(text))
			return usage(p, name, value, "not process ids");
		memcpy(text, s, n);
		text[n] = 0;
		if (parse_u64(text, &pid) < 0 || pid == 0 || pid > INT32_MAX)
			return usage(p, name, value, "not process ids");
		if (p->o.heap_count == HEAP_PIDS_MAX)
			return usage(p, name, value, "more than 8 processes");
		p->o.heap[p->o.heap_count++] = (pid_t)pid;
		s += n;
		if (!*s)
			return 0;
	}
}

static int set_max_size(struct option_parser *p, const char *name, const char *value)
{
	return set_bytes(p, name, value, 64 << 10, &p->o.max_size);
}

static int set_max_memory(struct option_parser *p, const char *name, const char *value)
{
	return set_bytes(p, name, value, 16 << 20, &p->o.max_memory);
}

static int set_min_free(struct option_parser *p, const char *name, const char *value)
{
	return set_bytes(p, name, value, 0, &p->o.min_free);
}

static int set_max_cpu(struct option_parser *p, const char *name, const char *value)
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

static int set_redact(struct option_parser *p, const char *name, const char *value)
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

static int set_name_part(struct option_parser *p, const char *name, const char *value,
			 const char **ret)
{
	if (strlen(value) > NAME_PART_MAX)
		return usage(p, name, value, "longer than 63 bytes");
	return set_path(p, name, value, ret);
}

static int set_ticket(struct option_parser *p, const char *name, const char *value)
{
	return set_name_part(p, name, value, &p->o.ticket);
}

static int set_label(struct option_parser *p, const char *name, const char *value)
{
	return set_name_part(p, name, value, &p->o.label);
}

static int set_plan(struct option_parser *p, const char *name, const char *value)
{
	p->o.plan = true;
	return 0;
}

static int set_estimate_only(struct option_parser *p, const char *name, const char *value)
{
	p->o.estimate_only = true;
	return 0;
}

static int set_progress(struct option_parser *p, const char *name, const char *value)
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

static int set_quiet(struct option_parser *p, const char *name, const char *value)
{
	p->o.quiet = true;
	return 0;
}

static int set_verbose(struct option_parser *p, const char *name, const char *value)
{
	p->o.verbose++;
	return 0;
}

static int set_guard(struct option_parser *p, const char *name, const char *value)
{
	if (value && *value == '\0')
		return usage(p, name, "''", "empty");
	p->o.guard = value ? value : "";
	return 0;
}

const struct option_row option_rows[] = {
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
	{"heap", 0, required_argument, FOR_RUNS, "PID[,PID]", set_heap,
	 "heap breakdown that may pause or slow the process:\nof a JVM its classes, by attaching "
	 "to it; who\nallocates "
	 "and does not free, by probes at malloc()"},
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
	{"quiet", 'q', no_argument, FOR_ALL, "", set_quiet, "only problems on standard error"},
	{"verbose", 'v', no_argument, FOR_ALL, "", set_verbose, "more; twice: still more"},
	{"help", 'h', no_argument, FOR_ALL, "", option_help, "this text"},
	{"version", 0, no_argument, FOR_ALL, "", option_version, "name and version"},
};
