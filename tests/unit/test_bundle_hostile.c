/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every archive that fixtures/gen_hostile makes is read in a child under the analyzer's own
 * sandbox, so that a file opened late, memory without bound or an endless loop is a dead child.
 */
#include "../../analyze/sandbox.h"
#include "bundle_testing.h"

/* The sandbox's address space: the largest member, a window of 8 MiB, and the program. */
#define MEMORY (192u << 20)
#define CPU_S (SANITIZED ? 60 : 20)

static int generate(void **state)
{
	char command[512];

	if (make_scratch(state) < 0)
		return -1;
	snprintf(command, sizeof(command), BINARY_DIR "/fixtures/gen_hostile %s", scratch);
	return system(command);
}

struct result {
	int read;   /* of bundle_read() */
	int verify; /* the exit code of the contract */
	int mismatched_hash;
	struct bundle_outcome outcome;
	char text[512];
};

static int hash_again(void *ctx, const struct bundle_member *m, const void *data)
{
	struct result *result = ctx;
	struct sha256_ctx sha;
	uint8_t digest[32];

	sha256_init(&sha);
	sha256_update(&sha, m->size, data);
	sha256_digest(&sha, sizeof(digest), digest);
	result->mismatched_hash += memcmp(digest, m->sha256, sizeof(digest)) != 0;
	/* What comes out is safe to print and to join to a path. */
	result->mismatched_hash += strstr(m->name, "..") != NULL || m->name[0] == '/';
	return 0;
}

/* In the sandbox: nothing but computing and one write. */
static void judge(int fd, int news)
{
	static struct bundle_verdict v;
	struct result result = {0};
	struct err e = {0};

	result.read =
		bundle_read(fd, &bundle_default_limits, hash_again, &result, &result.outcome, &e);
	snprintf(result.text, sizeof(result.text), "%s", e.no ? e.text : "");
	int r = bundle_verify(fd, &bundle_default_limits, &v, &e);

	result.verify = r < 0 ? 4 : (bundle_verdict_whole(&v) ? 0 : 3);
	/* As `verify` and the analyzer: with neither of the two it may be anybody's. */
	if (r == 0 && !v.head_ok && !v.manifest_ok)
		result.verify = err_set(&e, EINVAL, "not an ossnap archive") < 0 ? 4 : -1;
	/* Whatever is not whole is so for a reason that can be told. */
	if (result.verify == 3 && !v.first_problem[0])
		result.verify = -1;
	if (result.verify == 4 && !e.no)
		result.verify = -1;
	if (r == 0)
		bundle_verdict_deinit(&v);
	_exit(write(news, &result, sizeof(result)) == sizeof(result) ? 0 : 1);
}

static struct result read_in_sandbox(const char *path, struct rusage *usage)
{
	struct result result = {.read = 1};
	struct err e = {0};
	int fds[2], status;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t pid = fork();

	if (pid == 0) {
		int fd = bundle_open(path, &e);

		bundle_warm_up();
		if (fd < 0 || sandbox_enter(MEMORY, CPU_S, &e) < 0) {
			fprintf(stderr, "%s\n", e.text);
			_exit(2);
		}
		judge(fd, fds[1]);
	}
	close(fds[1]);
	if (read(fds[0], &result, sizeof(result)) != sizeof(result))
		result.read = 1;
	close(fds[0]);
	assert_int_equal(wait4(pid, &status, 0, usage), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("%s: the reader ended with status %#x", path, status);
	assert_true(result.read <= 0);
	return result;
}

static void every_case(void **state)
{
	char line[512], *save = NULL, path[256];
	long max_kib = 0;
	double max_s = 0;
	unsigned count = 0;
	FILE *list = fopen(in_scratch("cases.tsv"), "re");

	assert_non_null(list);
	assert_non_null(fgets(line, sizeof(line), list));
	while (fgets(line, sizeof(line), list)) {
		const char *name = strtok_r(line, "\t", &save);
		const char *expected = strtok_r(NULL, "\t", &save);
		const char *verify = strtok_r(NULL, "\t", &save);
		struct rusage usage;

		snprintf(path, sizeof(path), "%s/%s.tar.zst", scratch, name);
		struct result got = read_in_sandbox(path, &usage);
		double s = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;

		if (strcmp(expected, got.read < 0 ? "refused" : "survived") != 0)
			fail_msg("%s: %s, but read gave %d (%s)", name, expected, got.read,
				 got.text);
		if (got.read < 0 && got.read != -EINVAL && got.read != -E2BIG)
			fail_msg("%s: refused with %d (%s)", name, got.read, got.text);
		if (atoi(verify) != got.verify)
			fail_msg("%s: verify should give %s, gives %d", name, verify, got.verify);
		if (got.mismatched_hash)
			fail_msg("%s: hands out what it should not", name);
		if (usage.ru_maxrss > max_kib)
			max_kib = usage.ru_maxrss;
		if (s > max_s) {
			max_s = s;
			print_message("%s: %.2f s\n", name, s);
		}
		count++;
	}
	fclose(list);
	print_message("%u cases, at most %ld KiB resident, %.2f s\n", count, max_kib, max_s);
	assert_true(count > 100);
	if (!SANITIZED)
		assert_true(max_kib < 100 << 10);
}

/* What the list says about single cases beyond its outcome. */
static void survivors(void **state)
{
	static const struct {
		const char *name;
		uint32_t members, refused, damaged;
		bool cut, trailing;
		const char *damage;
	} expected[] = {
		{"good", 5, 0, 0, false, false, ""},
		{"one-frame", 5, 0, 0, false, false, ""},
		{"skippable", 5, 0, 0, false, false, ""},
		{"zeroed", 5, 0, 1, false, false, "checksum"},
		{"window-2g-amid", 5, 0, 1, false, false, "memory"},
		{"bad-checksum", 5, 0, 1, false, false, "no tar header"},
		{"two-tars", 5, 0, 0, false, true, ""},
		{"trailing-garbage", 5, 0, 0, false, true, ""},
		{"manifest-none", 3, 0, 0, true, false, "manifest.json is missing"},
		{"sparse-8g", 4, 2, 0, false, false, ""},
		{"name-dotdot", 5, 1, 0, false, false, ""},
		{"skippable-beyond", 5, 0, 1, false, false, "more than the file has"},
	};
	struct rusage usage;
	char name[64];

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		snprintf(name, sizeof(name), "%s.tar.zst", expected[i].name);
		struct result got = read_in_sandbox(in_scratch(name), &usage);
		const struct bundle_outcome *o = &got.outcome;

		if (o->members != expected[i].members || o->refused != expected[i].refused ||
		    o->damaged != expected[i].damaged || o->cut != expected[i].cut ||
		    o->trailing != expected[i].trailing || !strstr(o->damage, expected[i].damage))
			fail_msg("%s: %u members, %u refused, %u damaged, cut %d, trailing %d, %s",
				 expected[i].name, o->members, o->refused, o->damaged, o->cut,
				 o->trailing, o->damage);
	}
}

static void limits(void **state)
{
	struct bundle_limits l = bundle_default_limits;
	struct bundle_outcome o = {.members = 77};
	struct err e = {0};
	int fd = bundle_open(in_scratch("good.tar.zst"), &e);

	l.input = 100;
	assert_int_equal(bundle_read(fd, &l, NULL, NULL, &o, &e), -E2BIG);
	l = bundle_default_limits;
	l.decompressed = 2000;
	assert_int_equal(bundle_read(fd, &l, NULL, NULL, &o, &e), -E2BIG);
	l = bundle_default_limits;
	l.members = 4;
	assert_int_equal(bundle_read(fd, &l, NULL, NULL, &o, &e), -E2BIG);
	assert_string_equal(e.text, "archive: more than 4 members");
	l = bundle_default_limits;
	l.member = 10;
	assert_int_equal(bundle_read(fd, &l, NULL, NULL, &o, &e), -E2BIG);
	assert_int_equal(o.members, 77); /* untouched by failures */
	l = bundle_default_limits;
	l.path = 50;
	assert_int_equal(bundle_read(fd, &l, NULL, NULL, &o, &e), 0);
	assert_true(o.refused > 0);
	close(fd);
}

/* What is no file is refused without waiting for it. */
static void not_files(void **state)
{
	struct bundle_outcome o;
	struct err e = {0};
	int fds[2];

	assert_int_equal(mkfifo(in_scratch("fifo"), 0600), 0);
	assert_int_equal(bundle_open(in_scratch("fifo"), &e), -EINVAL);
	assert_int_equal(bundle_open("/dev/zero", &e), -EINVAL);
	assert_int_equal(bundle_open(scratch, &e), -EINVAL);
	assert_non_null(strstr(e.text, "is a directory"));
	assert_int_equal(bundle_open(in_scratch("none"), &e), -ENOENT);

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(bundle_read(fds[0], &bundle_default_limits, NULL, NULL, &o, &e), -ESPIPE);
	close(fds[0]);
	close(fds[1]);
	struct bundle_limits l = bundle_default_limits;

	l.input = 64 << 20;
	fds[0] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	assert_int_equal(bundle_read(fds[0], &l, NULL, NULL, &o, &e), -E2BIG);
	close(fds[0]);
}

static int stop_at_second(void *ctx, const struct bundle_member *m, const void *data)
{
	return ++*(int *)ctx == 2 ? -ECANCELED : 0;
}

static void callback_stops(void **state)
{
	struct bundle_outcome o;
	struct err e = {0};
	int fd = bundle_open(in_scratch("good.tar.zst"), &e), calls = 0;

	assert_int_equal(bundle_read(fd, &bundle_default_limits, stop_at_second, &calls, &o, &e),
			 -ECANCELED);
	assert_int_equal(calls, 2);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case),	  cmocka_unit_test(survivors),
		cmocka_unit_test(limits),	  cmocka_unit_test(not_files),
		cmocka_unit_test(callback_stops),
	};

	return cmocka_run_group_tests(tests, generate, remove_scratch);
}
