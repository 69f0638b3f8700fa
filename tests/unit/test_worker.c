/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The worker on archives whole, damaged, cut and none; and the parent with a hostile worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../analyze/facts/parse.h"
#include "../../analyze/facts/wire.h"
#include "../../analyze/sandbox.h"
#include "../../analyze/worker.h"
#include "../../capture/bundle/manifest.h"

#define NAME "host-20261121T080500Z-abcdefgh"

static char dir[] = "/tmp/ossnap-worker.XXXXXX";

/* ------------------------------------------------------------------ making archives */

struct text {
	char p[65536];
	size_t len;
};

static int text_write(void *ctx, const void *data, size_t len)
{
	struct text *t = ctx;

	assert_true(t->len + len < sizeof(t->p));
	memcpy(t->p + t->len, data, len);
	t->len += len;
	return 0;
}

static const struct capture_head head = {
	.name = NAME,
	.tool = "ossnap-capture 0.1.0",
	.ticket = "T1",
	.version_major = 1,
	.clock = {1700000000000000000, 5000000000, 5000000000, 100},
	.window_start_monotonic_ns = 6000000000,
	.duration_s = 10,
	.collectors = "memory",
	.memory_source = "auto",
	.sample = "auto",
	.capabilities = "0",
	.lockdown = "none",
	.hostname = "h",
	.kernel = "6.1",
	.os = "Debian",
	.arch = "x86_64",
	.cpus = 2,
	.page_size = 4096,
	.redaction = "default",
};

static struct capture_manifest manifest_for(enum collector_status s)
{
	struct capture_manifest m = {
		.version_major = 1,
		.complete = collector_status_complete(s),
		.exit_code = 0,
		.finished_realtime_ns = 1700000012000000000,
		.finished_monotonic_ns = 17000000000,
		.window_end_monotonic_ns = 16500000000,
		.observer_cpu_s = 0.5,
		.observer_wall_s = 11,
		.observer_max_rss_bytes = 1 << 20,
		.collector_count = 1,
		.collectors = {{.name = "memory",
				.status = s,
				.reason = "why",
				.note_count = 2,
				.notes = {"n1", "n2"},
				.start_ms = 1,
				.end_ms = 1500}},
	};

	return m;
}

/* Returns the path, in a static buffer.  finished false: what a kill leaves behind. */
static const char *make(const char *file, enum collector_status s, bool finished)
{
	static char path[300];
	struct capture_manifest m = manifest_for(s);
	struct text *t = calloc(1, sizeof(*t));
	const struct bundle_member *members;
	struct bundle_writer *w;
	struct err e = {0};
	struct json j;
	const char *final;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s.tar.zst", dir, file);
	if (bundle_create(&w, path, NAME, 0, &e) < 0)
		fail_msg("%s", e.text);
	json_init(&j, text_write, t);
	capture_head_write(&j, &head);
	assert_int_equal(json_end(&j), 0);
	assert_int_equal(bundle_add(w, BUNDLE_HEAD, t->p, t->len, false, &e), 0);
	assert_int_equal(
		bundle_add(w, "raw/memory/meminfo.000000001", "MemTotal: 10 kB\n", 16, false, &e),
		0);
	assert_int_equal(bundle_add(w, "raw/memory/meminfo.000010001",
				    "MemTotal: 10 kB\nMemFree: 5 kB\nbroken\n", 36, false, &e),
			 0);
	assert_int_equal(bundle_add(w, "raw/other", "data", 4, false, &e), 0);
	if (finished) {
		members = bundle_members(w, &n);
		t->len = 0;
		json_init(&j, text_write, t);
		capture_manifest_write(&j, &m, members, n);
		assert_int_equal(json_end(&j), 0);
		assert_int_equal(bundle_finish(w, t->p, t->len, &final, &e), 0);
	} else {
		strcat(path, ".partial");
	}
	bundle_destroy(w);
	free(t);
	return path;
}

static void damage(const char *path, off_t at, const char *data, size_t len)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, at), len);
	close(fd);
}

/* Where the frame number n (0, 1, …) starts. */
static off_t frame_at(const char *path, int n)
{
	unsigned char buf[65536];
	int fd = open(path, O_RDONLY);
	ssize_t len = read(fd, buf, sizeof(buf));

	close(fd);
	for (off_t i = 0; i + 4 <= len; i++)
		if (!memcmp(buf + i, "\x28\xb5\x2f\xfd", 4) && n-- == 0)
			return i;
	fail_msg("no such frame");
	return -1;
}

static int run(const char *path, bool salvage, struct facts **ret, struct err *e)
{
	const struct analyze_options o = {.limits = bundle_default_limits, .salvage = salvage};

	*e = (struct err){0};
	assert_int_equal(facts_create(ret), 0);
	return worker_run(path, &o, *ret, e);
}

static void refused(const char *path, int code, const char *word)
{
	struct facts *f;
	struct err e;
	int r = run(path, false, &f, &e);

	facts_destroy(f);
	if (r != code)
		fail_msg("%s: exit %d, expected %d: %s", path, r, code, e.text);
	if (!strstr(e.text, word) || !strstr(e.text, path))
		fail_msg("message '%s' lacks '%s' or the path", e.text, word);
}

/* ------------------------------------------------------------------ the worker */

static void a_whole_archive(void **state)
{
	const struct fact_archive *a;
	struct facts *f;
	struct err e;

	assert_int_equal(run(make("whole", COLLECTOR_OK, true), false, &f, &e), 0);
	assert_int_equal(e.no, 0);
	assert_int_equal(f->archive.count, 1);
	a = f->archive.rows;
	assert_string_equal(a->name, NAME);
	assert_string_equal(a->ticket, "T1");
	assert_null(a->label);
	assert_null(a->damage);
	assert_string_equal(a->format_version, "1.0");
	assert_int_equal(strlen(a->sha256), 64);
	assert_int_equal(a->complete, 1);
	assert_int_equal(a->cut, 0);
	assert_int_equal(a->has_manifest, 1);
	assert_int_equal(a->salvaged, 0);
	assert_int_equal(a->malformed, 1);
	assert_int_equal(a->page_size, 4096);
	assert_true(a->captured_at == 1700000001.0);
	assert_true(a->window_s == 10.5);
	assert_true(a->planned_s == 10);
	assert_int_equal(f->collectors.count, 1);
	assert_string_equal(f->collectors.rows[0].status, "ok");
	assert_string_equal(f->collectors.rows[0].notes, "n1; n2");
	assert_true(f->collectors.rows[0].end_s == 1.5);
	assert_int_equal(facts_counter(f, "meminfo", "MemTotal"), 10240);
	assert_int_equal(facts_counter(f, "meminfo", "MemFree"), 5120);
	facts_destroy(f);
}

static void the_hash_is_the_files(void **state)
{
	const char *path = make("hash", COLLECTOR_OK, true);
	char command[400], line[80] = "";
	struct facts *f;
	struct err e;
	FILE *p;

	snprintf(command, sizeof(command), "sha256sum %s", path);
	p = popen(command, "r");
	assert_non_null(fgets(line, sizeof(line), p));
	pclose(p);
	assert_int_equal(run(path, false, &f, &e), 0);
	assert_memory_equal(line, f->archive.rows[0].sha256, 64);
	facts_destroy(f);
}

static void a_partial_archive_says_why(void **state)
{
	struct facts *f;
	struct err e;

	assert_int_equal(run(make("denied", COLLECTOR_DENIED, true), false, &f, &e), 3);
	assert_non_null(strstr(e.text, "collector memory denied"));
	assert_int_equal(f->archive.rows[0].complete, 0);
	assert_null(f->archive.rows[0].damage);
	assert_int_equal(facts_counter(f, "meminfo", "MemTotal"), 10240);
	facts_destroy(f);
}

static void a_cut_archive_is_salvaged(void **state)
{
	struct facts *f;
	struct err e;

	assert_int_equal(run(make("killed", COLLECTOR_OK, false), false, &f, &e), 3);
	assert_non_null(strstr(e.text, "no manifest"));
	assert_int_equal(f->archive.rows[0].cut, 1);
	assert_int_equal(f->archive.rows[0].has_manifest, 0);
	assert_int_equal(f->archive.rows[0].salvaged, 1);
	assert_non_null(f->archive.rows[0].damage);
	assert_string_equal(f->archive.rows[0].name, NAME);
	assert_true(isnan(f->archive.rows[0].window_s));
	assert_int_equal(f->collectors.count, 0);
	assert_int_equal(facts_counter(f, "meminfo", "MemFree"), 5120);
	facts_destroy(f);
}

/* Cut anywhere: an answer every time, and never a success. */
static void cut_at_every_place(void **state)
{
	const char *path = make("cuts", COLLECTOR_OK, true);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	for (off_t len = st.st_size - 1; len > 0; len -= 37) {
		struct facts *f;
		struct err e;
		int r;

		assert_int_equal(truncate(path, len), 0);
		r = run(path, false, &f, &e);
		facts_destroy(f);
		assert_true(r == 3 || r == 4);
		assert_int_not_equal(e.no, 0);
	}
}

/* A member whose bytes are not those of the manifest: the frame of another archive in its place. */
static void a_member_that_does_not_match(void **state)
{
	char path[300], other[300];
	unsigned char frame[4096];
	struct facts *f;
	struct err e;
	off_t at, end;
	int fd;

	strcpy(path, make("mismatch", COLLECTOR_OK, true));
	at = frame_at(path, 2);
	end = frame_at(path, 3);
	/* The first reading's frame again would be a duplicate; damage the checksum instead. */
	strcpy(other, path);
	fd = open(other, O_RDONLY);
	assert_true(pread(fd, frame, (size_t)(end - at), at) == end - at);
	close(fd);
	frame[end - at - 1] ^= 1;
	damage(path, at, (char *)frame, (size_t)(end - at));
	assert_int_equal(run(path, false, &f, &e), 3);
	assert_true(facts_counter(f, "meminfo", "MemFree") == FACT_NONE);
	assert_int_equal(facts_counter(f, "meminfo", "MemTotal"), 10240);
	assert_true(f->archive.rows[0].damaged_members + f->archive.rows[0].missing_members > 0);
	assert_non_null(f->archive.rows[0].damage);
	assert_int_equal(f->archive.rows[0].complete, 0);
	facts_destroy(f);
}

static void what_is_no_archive(void **state)
{
	char path[300];
	int fd;

	refused("/tmp/ossnap-no-such-file", 4, "No such file");
	refused(dir, 4, "is a directory");
	refused("/dev/zero", 4, "a device");
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	refused(path, 4, "a FIFO");
	snprintf(path, sizeof(path), "%s/empty", dir);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	refused(path, 4, "is empty");
	assert_int_equal(write(fd, "hello, this is text\n", 20), 20);
	close(fd);
	refused(path, 4, "not an ossnap archive");
}

static void limits_are_named(void **state)
{
	struct analyze_options o = {.limits = bundle_default_limits};
	const char *path = make("limits", COLLECTOR_OK, true);
	struct err e = {0};
	struct facts *f;

	o.limits.input = 100;
	assert_int_equal(facts_create(&f), 0);
	assert_int_equal(worker_run(path, &o, f, &e), 4);
	assert_non_null(strstr(e.text, "--limits input"));
	o.limits = bundle_default_limits;
	o.limits.members = 2;
	assert_int_equal(worker_run(path, &o, f, &e), 4);
	assert_non_null(strstr(e.text, "more than 2 members"));
	o.limits = bundle_default_limits;
	o.limits.decompressed = 1024;
	assert_int_equal(worker_run(path, &o, f, &e), 4);
	facts_destroy(f);
}

/* ------------------------------------------------------------------ a hostile worker */

static int judge(void (*worker)(int fd), struct err *e)
{
	struct facts *f;
	int ends[2], r;
	pid_t pid;

	*e = (struct err){0};
	assert_int_equal(facts_create(&f), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		close(ends[0]);
		signal(SIGPIPE, SIG_IGN);
		worker(ends[1]);
		_exit(0);
	}
	close(ends[1]);
	r = worker_answer(ends[0], pid, "evil.tar.zst", f, e);
	close(ends[0]);
	facts_destroy(f);
	assert_non_null(strstr(e->text, "evil.tar.zst: "));
	/* Nobody is left behind. */
	assert_true(waitpid(pid, NULL, WNOHANG) < 0);
	return r;
}

static void opens_a_file(int fd)
{
	struct err e = {0};

	if (sandbox_enter(1ULL << 32, 5, &e) == 0)
		_exit(open("/etc/passwd", O_RDONLY) >= 0);
}
static void crashes(int fd)
{
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}
static void says_nothing(int fd)
{
	_exit(7);
}
static void floods(int fd)
{
	static const char noise[65536];

	while (write(fd, noise, sizeof(noise)) > 0)
		;
	pause(); /* until it is killed */
}
static void claims_success(int fd)
{
	struct wire_out *w;

	if (wire_open(&w, fd) == 0)
		wire_done(w, 0, "");
}
static void claims_a_code(int fd)
{
	struct wire_out *w;

	if (wire_open(&w, fd) == 0)
		wire_done(w, 10, "");
}

static void a_hostile_worker_is_judged(void **state)
{
	struct err e;

	assert_int_equal(judge(opens_a_file, &e), 5);
	assert_non_null(strstr(e.text, "sandbox killed the worker"));
	assert_int_equal(judge(crashes, &e), 5);
	assert_non_null(strstr(e.text, "SIGSEGV"));
	assert_int_equal(judge(says_nothing, &e), 5);
	assert_non_null(strstr(e.text, "exit 7"));
	assert_int_equal(judge(floods, &e), 5);
	assert_int_equal(judge(claims_success, &e), 5);
	assert_non_null(strstr(e.text, "makes no sense"));
	assert_int_equal(judge(claims_a_code, &e), 5);
}

static int setup(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_archive),
		cmocka_unit_test(the_hash_is_the_files),
		cmocka_unit_test(a_partial_archive_says_why),
		cmocka_unit_test(a_cut_archive_is_salvaged),
		cmocka_unit_test(cut_at_every_place),
		cmocka_unit_test(a_member_that_does_not_match),
		cmocka_unit_test(what_is_no_archive),
		cmocka_unit_test(limits_are_named),
		cmocka_unit_test(a_hostile_worker_is_judged),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
