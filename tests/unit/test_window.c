/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the run that need no collector: names, the plan, the place, the host, what is said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/base/clock.h"
#include "capture/head.h"
#include "capture/name.h"
#include "capture/plan.h"
#include "capture/preflight.h"
#include "capture/say.h"

/* ------------------------------------------------------------------ the name */

static void test_name(void **state)
{
	const uint8_t zero[8] = {0}, other[8] = {1, 31, 32, 255, 10, 9, 8, 7};
	const uint64_t when = 1795250400000000000ULL; /* 2026-11-21T08:40:00Z */
	char out[NAME_MAX_LEN + 1], longest[300];

	name_make(out, NULL, "web-1.example", NULL, when, zero);
	assert_string_equal(out, "web-1.example-20261121T084000Z-00000000");
	name_make(out, "before", "web", "T-42", when, other);
	assert_string_equal(out, "before-web-T-42-20261121T084000Z-1z0za987");
	name_make(out, "", "", "", when, zero);
	assert_string_equal(out, "host-20261121T084000Z-00000000");
	name_make(out, "a b/c\xc3\xa4", "..", "#", when, zero);
	assert_string_equal(out, "a_b_c__-..-_-20261121T084000Z-00000000");
	name_make(out, NULL, "-rf", NULL, when, zero);
	assert_string_equal(out, "_rf-20261121T084000Z-00000000");
	name_make(out, ".hidden", "x", NULL, when, zero);
	assert_string_equal(out, "_hidden-x-20261121T084000Z-00000000");
	memset(longest, 'x', sizeof(longest));
	longest[299] = 0;
	name_make(out, longest, longest, longest, when, zero);
	assert_int_equal(strlen(out), NAME_MAX_LEN);
	assert_string_equal(out + NAME_MAX_LEN - 26, "-20261121T084000Z-00000000");
}

/* ------------------------------------------------------------------ the plan */

static void fine(const struct capture_options *o, const struct sysroot *root,
		 struct probe_result *ret)
{
	*ret = (struct probe_result){.status = COLLECTOR_OK, .expected_bytes = 100};
}

static void unsupported(const struct capture_options *o, const struct sysroot *root,
			struct probe_result *ret)
{
	*ret = (struct probe_result){
		.status = COLLECTOR_UNSUPPORTED, .no = ENOENT, .reason = "/x: not there"};
}

static void crashes(const struct capture_options *o, const struct sysroot *root,
		    struct probe_result *ret)
{
	abort();
}

static void never_ends(const struct capture_options *o, const struct sysroot *root,
		       struct probe_result *ret)
{
	for (;;)
		pause();
}

static const struct collector a = {.name = "a", .probe = fine},
			      b = {.name = "b", .probe = unsupported},
			      c = {.name = "c", .probe = crashes},
			      d = {.name = "d", .probe = never_ends},
			      ab = {.name = "ab", .probe = fine};
static const struct collector *const table[] = {&a, &b, &c, &d, &ab, NULL};

static void test_selection(void **state)
{
	struct plan *p = malloc(sizeof(*p));
	struct capture_options o = {0};
	struct err e = {0};

	assert_int_equal(plan_select(p, table, &o, &e), 0);
	assert_int_equal(p->count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_true(p->rows[i].wanted);
	o.collect = "ab,b";
	assert_int_equal(plan_select(p, table, &o, &e), 0);
	assert_false(p->rows[0].wanted);
	assert_true(p->rows[1].wanted);
	assert_true(p->rows[4].wanted);
	assert_int_equal(p->rows[0].probe.status, COLLECTOR_SKIPPED);
	o.skip = "b";
	assert_int_equal(plan_select(p, table, &o, &e), 0);
	assert_false(p->rows[1].wanted);
	o.skip = "b,ab";
	assert_int_equal(plan_select(p, table, &o, &e), -EINVAL);
	o = (struct capture_options){.skip = "aba"};
	assert_int_equal(plan_select(p, table, &o, &e), -EINVAL);
	assert_non_null(strstr(e.text, "'aba'"));
	assert_non_null(strstr(e.text, "a, b, c, d, ab"));
	free(p);
}

static void test_probes_that_misbehave(void **state)
{
	struct plan *p = malloc(sizeof(*p));
	struct capture_options o = {.max_memory = 64 << 20};
	struct sysroot root;
	struct err e = {0};
	char names[64];

	assert_int_equal(sysroot_open(&root, NULL, &e), 0);
	assert_int_equal(plan_select(p, table, &o, &e), 0);
	plan_probe(p, &o, &root, -1);
	assert_int_equal(p->rows[0].probe.status, COLLECTOR_OK);
	assert_int_equal(p->rows[1].probe.status, COLLECTOR_UNSUPPORTED);
	assert_string_equal(p->rows[1].probe.reason, "/x: not there");
	assert_int_equal(p->rows[2].probe.status, COLLECTOR_ERROR);
	assert_non_null(strstr(p->rows[2].probe.reason, "SIGABRT"));
	assert_int_equal(p->rows[3].probe.status, COLLECTOR_TIMEOUT);
	assert_int_equal(p->rows[3].left_behind, 0);
	assert_int_equal(p->runnable, 2);
	assert_int_equal(p->expected_bytes, 200);
	plan_names(p, names, sizeof(names), ",");
	assert_string_equal(names, "a,ab");
	assert_true(p->facts.page_size >= 4096);
	sysroot_close(&root);
	free(p);
}

static void test_hurry_cuts_the_probes_short(void **state)
{
	struct plan *p = malloc(sizeof(*p));
	struct capture_options o = {.max_memory = 64 << 20};
	struct sysroot root;
	struct err e = {0};
	int fds[2];

	assert_int_equal(sysroot_open(&root, NULL, &e), 0);
	assert_int_equal(plan_select(p, table, &o, &e), 0);
	assert_int_equal(pipe(fds), 0);
	close(fds[1]); /* readable at once */
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	plan_probe(p, &o, &root, fds[0]);
	assert_true(clock_ns(CLOCK_MONOTONIC) - start < PLAN_PROBE_NS / 2);
	assert_int_equal(p->rows[0].probe.status, COLLECTOR_OK);
	close(fds[0]);
	sysroot_close(&root);
	free(p);
}

/* ------------------------------------------------------------------ the place */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int in_scratch(void **state)
{
	static char dir[] = "/tmp/ossnap-window.XXXXXX";

	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	*state = dir;
	return 0;
}

static int out_of_scratch(void **state)
{
	assert_int_equal(chdir("/"), 0);
	return nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int place(const char *output, uint64_t min_free, uint64_t expected, struct err *e)
{
	struct capture_options o = {.output = output, .min_free = min_free};
	struct target t;

	int rc = target_open(&t, &o, expected, e);
	if (!rc)
		target_close(&t);
	return rc;
}

static void test_place(void **state)
{
	struct err e = {0};

	write_file("there.tar.zst", "x");
	write_file("begun.tar.zst.partial", "x");
	assert_int_equal(mkdir("dir", 0700), 0);
	assert_int_equal(place(NULL, 1, 0, &e), 0);
	assert_int_equal(place("", 1, 0, &e), 0);
	assert_int_equal(place("dir", 1, 0, &e), 0);
	assert_int_equal(place("dir/", 1, 0, &e), 0);
	assert_int_equal(place("-", UINT64_MAX, 0, &e), 0);
	assert_int_equal(place("new.tar.zst", 1, 0, &e), 0);
	assert_int_equal(place("dir/new.tar.zst", 1, 0, &e), 0);
	assert_int_equal(place("there.tar.zst", 1, 0, &e), -EEXIST);
	assert_string_equal(e.text, "there.tar.zst: File exists");
	assert_int_equal(place("begun.tar.zst", 1, 0, &e), -EEXIST);
	assert_int_equal(place("none/new.tar.zst", 1, 0, &e), -ENOENT);
	assert_int_equal(place("there.tar.zst/new.tar.zst", 1, 0, &e), -ENOTDIR);
	assert_int_equal(place("/proc", 1, 0, &e), -EINVAL);
	assert_non_null(strstr(e.text, "/proc: not a place to write"));
	assert_int_equal(place("/sys/kernel/x.tar.zst", 0, 0, &e), -EINVAL);
	assert_int_equal(place("dir", 1ULL << 60, 0, &e), -ENOSPC);
	assert_non_null(strstr(e.text, "--min-free"));
	assert_int_equal(place("dir", 1, 1ULL << 60, &e), -ENOSPC);
	assert_int_equal(place("dir", UINT64_MAX, UINT64_MAX / 2, &e), -ENOSPC);
}

/* ------------------------------------------------------------------ the host */

static void test_recorded_host(void **state)
{
	static const unsigned char notes[] = {
		/* Xen, then the build id */
		4, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 'X', 'e', 'n', 0, 1,    2,	  3,	4,
		4, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0, 0xde, 0xad, 0xbe, 0xef};
	struct capture_options o = {0};
	struct host_facts f = {0};
	struct capture_head *h = calloc(1, sizeof(*h));
	struct sysroot root;
	struct err e = {0};

	assert_int_equal(system("mkdir -p proc/sys/kernel sys/kernel/security "
				"sys/devices/system/cpu usr/lib etc"),
			 0);
	write_file("proc/sys/kernel/hostname", "recorded\n");
	write_file("proc/sys/kernel/osrelease", "5.10.0-x\n");
	write_file("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
	write_file("sys/devices/system/cpu/online", "0-3,8,10-11\n");
	write_file("usr/lib/os-release", "ID=x\nPRETTY_NAME=\"A \\\"quoted\\\" System 7\"\nX=y\n");
	FILE *file = fopen("sys/kernel/notes", "w");
	fwrite(notes, sizeof(notes), 1, file);
	fclose(file);
	assert_int_equal(sysroot_open(&root, ".", &e), 0);
	assert_true(root.recorded);
	host_facts_answer(&o, &root, &f);
	assert_string_equal(f.hostname, "recorded");
	assert_string_equal(f.kernel, "5.10.0-x");
	assert_string_equal(f.os, "A \"quoted\" System 7");
	assert_string_equal(f.lockdown, "integrity");
	assert_string_equal(f.btf_id, "deadbeef");
	assert_string_equal(f.arch, "");
	assert_int_equal(f.cpus, 7);
	assert_false(f.container);
	o = (struct capture_options){.duration_ns = 1500000000,
				     .memory_source = MEMORY_BPF,
				     .sample_one_in = 64,
				     .ticket = "T",
				     .redact = REDACT_DEFAULT};
	head_fill(h, &o, &f);
	assert_string_equal(h->sample, "1/64");
	assert_string_equal(h->memory_source, "bpf");
	assert_string_equal(h->redaction, "default");
	assert_string_equal(h->label, "");
	assert_string_equal(h->ticket, "T");
	assert_true(h->duration_s == 1.5);
	sysroot_close(&root);

	/* Notes that lie about their lengths, and a link that leads out of the recording. */
	write_file("sys/kernel/notes", "\xff\xff\xff\xff\xff\xff\xff\xff\x03\x01\x01\x01GNU");
	assert_int_equal(remove("usr/lib/os-release"), 0);
	assert_int_equal(symlink("/etc/os-release", "etc/os-release"), 0);
	assert_int_equal(sysroot_open(&root, ".", &e), 0);
	memset(&f, 0, sizeof(f));
	host_facts_answer(&o, &root, &f);
	assert_string_equal(f.btf_id, "");
	assert_string_equal(f.os, "");
	sysroot_close(&root);
	free(h);
}

/* ------------------------------------------------------------------ what is said */

static void read_all(int fd, char *out, size_t cap)
{
	ssize_t n = read(fd, out, cap - 1);

	out[n > 0 ? n : 0] = 0;
}

static void test_saying(void **state)
{
	struct capture_options o = {.progress = PROGRESS_PLAIN};
	char text[65536];
	struct say s;
	int fds[2];

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	say_init(&s, &o);
	s.fd = fds[1];
	say(&s, SAY_PROBLEM, "a path: \033[31m%s\n", "x\ty");
	say(&s, SAY_DETAIL, "not on the terminal");
	read_all(fds[0], text, sizeof(text));
	assert_string_equal(text, "ossnap-capture: a path: ?[31mx?y?\n");
	assert_non_null(strstr(s.log, "not on the terminal"));
	say(&s, SAY_MEMBER, "one of four thousand");
	assert_null(strstr(s.log, "four thousand"));
	s.verbose = 1;
	say(&s, SAY_MEMBER, "a member");
	say_collector(&s,
		      &(struct collector_result){.name = "x",
						 .end_ms = 1,
						 .cpu_s = 0.25,
						 .max_rss_bytes = 2 << 20,
						 .loss = {{"too many", 7}},
						 .loss_count = 1,
						 .notes = {"a note"},
						 .note_count = 1},
		      4096);
	read_all(fds[0], text, sizeof(text));
	assert_string_equal(text, "ossnap-capture: a member\n"
				  "ossnap-capture: x: ok (0.00 s, 4 KiB uncompressed)\n"
				  "ossnap-capture: x: 0.250 s of CPU, 2 MiB resident\n"
				  "ossnap-capture: x: lost: too many: 7\n"
				  "ossnap-capture: x: note: a note\n");
	s.verbose = 0;
	/* The log is bounded, and says that it was cut. */
	for (int i = 0; i < 20000; i++)
		say(&s, SAY_DETAIL, "line %d ..................................", i);
	assert_true(s.log_cut);
	assert_true(s.log_len <= SAY_LOG_MAX);
	/* A pipe that is full blocks nobody. */
	for (int i = 0; i < 3000; i++)
		say(&s, SAY_PROBLEM, "line %d ..................................", i);
	say_deinit(&s);

	o = (struct capture_options){.quiet = true};
	while (read(fds[0], text, sizeof(text)) > 0)
		;
	say_init(&s, &o);
	s.fd = fds[1];
	say(&s, SAY_PROBLEM, "silence");
	read_all(fds[0], text, sizeof(text));
	assert_string_equal(text, "");
	say(&s, SAY_ERROR, "but for this");
	read_all(fds[0], text, sizeof(text));
	assert_string_equal(text, "ossnap-capture: but for this\n");
	say_deinit(&s);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_selection),
		cmocka_unit_test(test_probes_that_misbehave),
		cmocka_unit_test(test_hurry_cuts_the_probes_short),
		cmocka_unit_test_setup_teardown(test_place, in_scratch, out_of_scratch),
		cmocka_unit_test_setup_teardown(test_recorded_host, in_scratch, out_of_scratch),
		cmocka_unit_test(test_saying),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
