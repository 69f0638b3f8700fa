/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options.h: the contract's table, what people mistype, and what contradicts itself. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/options.h"

static struct capture_options o;
static struct err e;

/* Arguments separated by '|', so that one may hold a blank. */
static int parse(const char *arguments)
{
	static char text[512];
	char *argv[32] = {(char *)"ossnap-capture"}, *pos = text;
	int argc = 1;

	snprintf(text, sizeof(text), "%s", arguments);
	while (*arguments && argc < 31 && pos)
		argv[argc++] = strsep(&pos, "|");
	argv[argc] = NULL;
	e = (struct err){0};
	return capture_options_parse(&o, argc, argv, &e);
}

static void good(const char *arguments)
{
	if (parse(arguments) != 0)
		fail_msg("%s: %s", arguments, e.text);
}

static void bad(const char *arguments, const char *message)
{
	int r = parse(arguments);

	if (r != -EINVAL)
		fail_msg("%s: %d", arguments, r);
	if (!strstr(e.text, message))
		fail_msg("%s: '%s' does not say '%s'", arguments, e.text, message);
}

static void test_defaults(void **state)
{
	good("");
	assert_int_equal(o.command, COMMAND_CAPTURE);
	assert_true(o.duration_ns == 10000000000ULL);
	assert_null(o.output);
	assert_null(o.collect);
	assert_int_equal(o.memory_source, MEMORY_AUTO);
	assert_int_equal(o.sample_one_in, 0);
	assert_int_equal(o.redact, REDACT_DEFAULT);
	assert_int_equal(o.progress, PROGRESS_AUTO);
	assert_true(o.max_memory == 64 << 20);
	assert_false(o.plan);
}

static void test_values(void **state)
{
	good("-d|500ms|--collect|host,memory|--memory-source=bpf|--btf|/b|--sample|1/64|--pid|7"
	     "|--max-size|1.5G|--max-cpu|12.5%|--max-memory=32M|--min-free|0|--redact|none"
	     "|--ticket|T-1|--label|web|--progress|json|-vv|-o|a.tar.zst");
	assert_true(o.duration_ns == 500000000);
	assert_string_equal(o.collect, "host,memory");
	assert_int_equal(o.memory_source, MEMORY_BPF);
	assert_string_equal(o.btf_file, "/b");
	assert_int_equal(o.sample_one_in, 64);
	assert_int_equal(o.pid, 7);
	assert_true(o.max_size == 1610612736);
	assert_true(o.max_cpu == 12.5);
	assert_true(o.max_memory == 32 << 20);
	assert_true(o.min_free == 0);
	assert_int_equal(o.redact, REDACT_NONE);
	assert_string_equal(o.ticket, "T-1");
	assert_string_equal(o.label, "web");
	assert_int_equal(o.progress, PROGRESS_JSON);
	assert_int_equal(o.verbose, 2);
	assert_string_equal(o.output, "a.tar.zst");

	good("--memory-source|core:/x/core|--root|/rec|--sample=all|--skip|a,b");
	assert_int_equal(o.memory_source, MEMORY_CORE);
	assert_string_equal(o.core_file, "/x/core");
	assert_string_equal(o.root, "/rec");
	assert_int_equal(o.sample_one_in, 1);
	good("--root|/rec|--memory-source|procfs|--plan");
	assert_true(o.plan);
	good("--sample|1/1|--sample|auto|--estimate-only");
	assert_int_equal(o.sample_one_in, 0);
	good("-d|10m");
	good("-o|/tmp");
}

static void test_commands(void **state)
{
	good("list");
	assert_int_equal(o.command, COMMAND_LIST);
	good("check|--max-cpu|5");
	assert_int_equal(o.command, COMMAND_CHECK);
	good("--max-cpu|5|check|-v");
	assert_int_equal(o.command, COMMAND_CHECK);
	good("verify|a.tar.zst|-q");
	assert_int_equal(o.command, COMMAND_VERIFY);
	assert_string_equal(o.verify_file, "a.tar.zst");
	good("verify|--|-odd-name");
	assert_string_equal(o.verify_file, "-odd-name");

	bad("verify", "needs the archive's FILE");
	bad("verify|", "needs the archive's FILE");
	bad("verify|a|b", "b: one argument too many");
	bad("list|x", "one argument too many");
	bad("cehck", "cehck: not a command; did you mean check?");
	bad("help", "help: not a command (list, check, verify FILE; --help tells more)");
	bad("list|-d|3", "--duration: means nothing");
	bad("verify|a|--plan", "--plan: means nothing");
	bad("check|--plan", "--plan: means nothing");
}

static void test_mistyped(void **state)
{
	bad("-d|0", "more than 0");
	bad("-d|0.0000000001", "more than 0");
	bad("-d|10h", "at most 10m");
	bad("-d|601", "at most 10m");
	bad("-d|99999999999999999999", "out of range");
	bad("-d|30 s", "not a time");
	bad("-d|1e3", "not a time");
	bad("-d|-5", "not a time");
	bad("-d|", "not a time");
	bad("-d", "-d: needs an argument");
	bad("--duration", "--duration: needs an argument");
	bad("--plan=yes", "--plan: takes no argument");
	bad("--frobnicate", "--frobnicate: unknown option (see --help)");
	bad("--frobnicate-with-a-name-beyond-all-measure-and-more=x", ": unknown option");
	bad("--duratoin", "--duratoin: unknown option; did you mean --duration?");
	bad("--max-cup=5", "--max-cup: unknown option; did you mean --max-cpu?");
	bad("--max=5", "--max: ambiguous: --max-size, --max-cpu, --max-memory, --max-wait");
	bad("--=", "--");
	bad("-Z", "-Z: unknown");
	bad("-o|archive.zip", "neither a directory nor");
	bad("-o|/nonexistent/", "neither a directory nor");
	bad("-o|.tar.zst", "neither a directory nor");
	bad("-o|/tmp/.tar.zst", "neither a directory nor");
	bad("-o|", "empty");
	bad("--collect|", "empty collector name");
	bad("--collect|a,,b", "empty collector name");
	bad("--skip|a,", "empty collector name");
	bad("--memory-source|kore", "not one of auto");
	bad("--memory-source|core:", "needs a file");
	bad("--sample|1/0", "not auto");
	bad("--sample|1/1000001", "not auto");
	bad("--sample|2/3", "not auto");
	bad("--sample|half", "not auto");
	bad("--pid|0", "not a process id");
	bad("--pid|-1", "not a process id");
	bad("--pid|4294967297", "not a process id");
	bad("--pid|self", "not a process id");
	bad("--max-size|1K", "at least 64 KiB");
	bad("--max-size|20000000T", "out of range");
	bad("--max-memory|1M", "at least 16 MiB");
	bad("--max-memory|lots", "not a size");
	bad("--max-cpu|0", "not a percentage");
	bad("--max-cpu|5s", "not a percentage");
	bad("--max-cpu|%", "not a percentage");
	bad("--max-cpu|nan", "not a percentage");
	bad("--max-cpu|100001", "not a percentage");
	bad("--redact|some", "not one of none");
	bad("--progress|fancy", "not one of auto");
	bad("--label|", "empty");
	bad("--ticket|0123456789012345678901234567890123456789012345678901234567890123", "63");
}

static void test_together(void **state)
{
	bad("-q|-v", "contradicts");
	bad("-q|--progress|plain", "contradicts");
	good("-q|--progress|none");
	bad("--collect|a,bc,d|--skip|b,bc", "bc is also in --skip");
	good("--collect|a,bc|--skip|b,c,abc");
	bad("--pid|1|--cgroup|/x", "contradicts");
	bad("--root|/rec", "--root /rec: a recording");
	bad("--root|/rec|--memory-source|kcore", "--root /rec: a recording");
	bad("--memory-source|core:x", "needs --root");
	/* The last one counts. */
	good("--memory-source|core:x|--memory-source|auto");
	assert_null(o.core_file);
}

static void test_heap(void **state)
{
	good("--heap|17");
	assert_int_equal(o.heap_count, 1);
	assert_int_equal(o.heap[0], 17);
	good("--heap|1,2147483647");
	assert_int_equal(o.heap_count, 2);
	assert_int_equal(o.heap[1], INT32_MAX);
	good("--heap|1,2|--heap|3"); /* the last one counts */
	assert_int_equal(o.heap_count, 1);
	good("--heap|1,2,3,4,5,6,7,8");
	bad("--heap|1,2,3,4,5,6,7,8,9", "more than 8 processes");
	bad("--heap|", "not process ids");
	bad("--heap|1,", "not process ids");
	bad("--heap|,1", "not process ids");
	bad("--heap|0", "not process ids");
	bad("--heap|-1", "not process ids");
	bad("--heap|java", "not process ids");
	bad("--heap|2147483648", "not process ids");
	bad("--heap|00000000000000000001", "not process ids");
}

static void test_later(void **state)
{
	bad("--ring", "--ring: not in this version (" OSSNAP_VERSION ")");
	bad("--ring=30s", "--ring: not in this version");
	bad("--trigger|xid", "--trigger: not in this version");
	bad("--max-wait|1h", "--max-wait: not in this version");
	assert_int_equal(parse("--redact|strict"), -ENOTSUP);
	assert_non_null(strstr(e.text, "--redact strict: not in this version"));
}

/* Every option of the contract is in the help, and what the help says is recognised. */
static void test_help(void **state)
{
	static const char *const contract[] = {
		"-d, --duration", "--ring",	   "--trigger",	      "--max-wait",
		"-o, --output",	  "--collect",	   "--skip",	      "--memory-source",
		"--btf",	  "--sample",	   "--pid",	      "--cgroup",
		"--guard",	  "--max-size",	   "--max-cpu",	      "--max-memory",
		"--min-free",	  "--redact",	   "--estimate-only", "--ticket",
		"--label",	  "--heap",	   "--plan",	      "--progress",
		"-q, --quiet",	  "-v, --verbose", "-h, --help",      "--version",
		"--root",	  "list",	   "check",	      "verify FILE",
		"--record-kernel"};
	char path[] = "/tmp/ossnap-help-XXXXXX", help[16384];
	int fd = mkstemp(path), saved = dup(STDOUT_FILENO), r;
	char *argv[] = {(char *)"x", (char *)"--help", NULL};
	size_t n, seen = 0;
	FILE *f;

	assert_true(fd >= 0 && saved >= 0);
	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	r = capture_options_parse(&o, 2, argv, &e);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	close(fd);
	assert_int_equal(r, 1);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(help, 1, sizeof(help) - 1, f);
	fclose(f);
	unlink(path);
	help[n] = '\0';
	for (size_t i = 0; i < sizeof(contract) / sizeof(contract[0]); i++) {
		if (!strstr(help, contract[i]))
			fail_msg("--help lacks %s", contract[i]);
	}
	for (char *line = strtok(help, "\n"); line; line = strtok(NULL, "\n")) {
		char arguments[64], *name;
		size_t len;

		assert_true(strlen(line) <= 80);
		if (strncmp(line, "      --", 8) != 0 && strncmp(line, "  -", 3) != 0)
			continue;
		name = strstr(line, "--");
		len = strcspn(name, " [");
		if (strncmp(name, "--help", len) == 0 || strncmp(name, "--version", len) == 0)
			continue;
		snprintf(arguments, sizeof(arguments), "%.*s", (int)len, name);
		parse(arguments);
		assert_null(strstr(e.text, "unknown"));
		seen++;
	}
	assert_int_equal(seen, 28);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_values),
		cmocka_unit_test(test_commands), cmocka_unit_test(test_mistyped),
		cmocka_unit_test(test_together), cmocka_unit_test(test_heap),
		cmocka_unit_test(test_later),	 cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
