/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the writer leaves on the disk, and what it says when it cannot. */
#include <signal.h>

#include "bundle_testing.h"

static void complete_archive(void **state)
{
	char *path = in_scratch("a.tar.zst");
	char command[256], line[256];
	struct stat st;
	unsigned lines = 0;

	mode_t old = umask(0777);

	write_archive(path, 10, 100000);
	umask(old);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* The reserve was given back. */
	assert_true((uint64_t)st.st_blocks * 512 <= (uint64_t)st.st_size + 65536);
	assert_int_equal(access(in_scratch("a.tar.zst.partial"), F_OK), -1);

	struct verified v = verify_path(path);

	assert_string_equal(v.text, "");
	assert_true(v.whole);
	assert_int_equal(v.outcome.members, 12);
	assert_string_equal(v.outcome.top, FORGE_TOP);

	/* The system's tar agrees. */
	snprintf(command, sizeof(command), "tar --zstd -tf %s 2>&1", path);
	FILE *p = popen(command, "r");

	while (fgets(line, sizeof(line), p)) {
		if (lines == 0)
			assert_string_equal(line, FORGE_TOP "/" BUNDLE_HEAD "\n");
		lines++;
	}
	assert_int_equal(pclose(p), 0);
	assert_int_equal(lines, 12);
	assert_string_equal(line, FORGE_TOP "/" BUNDLE_MANIFEST "\n");
}

static void one_frame_per_member(void **state)
{
	char *path = in_scratch("frames.tar.zst");
	uint8_t *plain = malloc(1 << 20);
	unsigned frames = 0;

	write_archive(path, 7, 50000);
	struct bytes b = read_all(path);

	for (size_t at = 0; at < b.len; frames++) {
		size_t n = ZSTD_findFrameCompressedSize(b.p + at, b.len - at);

		assert_false(ZSTD_isError(n));
		/* content checksum flag, and the size pledged */
		assert_true(b.p[at + 4] & 4);
		uint64_t size = ZSTD_getFrameContentSize(b.p + at, n);

		assert_true(size <= 1 << 20);
		assert_int_equal(ZSTD_decompress(plain, 1 << 20, b.p + at, n), size);
		assert_int_equal(size % 512, 0);
		at += n;
		if (at == b.len) {
			assert_int_equal(size, 1024);
			assert_true(tar_block_is_zero(plain) && tar_block_is_zero(plain + 512));
		} else {
			struct tarhead head;

			assert_int_equal(tarhead_parse(plain, &head), 0);
			assert_int_equal(size, 512 + (head.size + 511) / 512 * 512);
		}
	}
	assert_int_equal(frames, 10);
	free(b.p);
	free(plain);
}

static void refuses_outputs(void **state)
{
	struct bundle_writer *w = NULL;
	struct err e = {0};

	write_archive(in_scratch("there.tar.zst"), 1, 10);
	assert_int_equal(bundle_create(&w, in_scratch("there.tar.zst"), "n", 0, &e), -EEXIST);
	assert_non_null(strstr(e.text, "there.tar.zst: File exists"));

	write_all_bytes(in_scratch("other.tar.zst.partial"), "x", 1);
	assert_int_equal(bundle_create(&w, in_scratch("other.tar.zst"), "n", 0, &e), -EEXIST);
	struct bytes b = read_all(in_scratch("other.tar.zst.partial"));

	assert_int_equal(b.len, 1);
	free(b.p);

	assert_int_equal(symlink("/tmp/ossnap-nowhere", in_scratch("link.tar.zst.partial")), 0);
	assert_int_equal(bundle_create(&w, in_scratch("link.tar.zst"), "n", 0, &e), -EEXIST);
	assert_int_equal(access("/tmp/ossnap-nowhere", F_OK), -1);
	assert_int_equal(symlink("/tmp/ossnap-nowhere", in_scratch("link2.tar.zst")), 0);
	assert_int_equal(bundle_create(&w, in_scratch("link2.tar.zst"), "n", 0, &e), -EEXIST);

	assert_int_equal(bundle_create(&w, in_scratch("no/such.tar.zst"), "n", 0, &e), -ENOENT);
	assert_int_equal(bundle_create(&w, in_scratch("plain"), "n", 0, &e), -ENOTDIR);
	assert_non_null(strstr(e.text, "neither a directory nor a name that ends in .tar.zst"));
	assert_int_equal(bundle_create(&w, in_scratch(".tar.zst.x"), "n", 0, &e), -ENOTDIR);
	assert_int_equal(bundle_create(&w, "/proc", "n", 0, &e), -ENOENT);
	assert_int_equal(bundle_create(&w, scratch, "a/b", 0, &e), -EINVAL);
	assert_int_equal(bundle_create(&w, scratch, "..", 0, &e), -EINVAL);
	assert_int_equal(bundle_create(&w, scratch, "", 0, &e), -EINVAL);
	assert_int_equal(bundle_create(&w, scratch, "n", 1000, &e), -EINVAL);
	assert_null(w);
}

static void directory_output(void **state)
{
	struct bundle_writer *w = NULL;
	const char *final = NULL;
	struct err e = {0};
	char expected[256];

	assert_int_equal(bundle_create(&w, scratch, "named", 0, &e), 0);
	assert_int_equal(access(in_scratch("named.tar.zst.partial"), F_OK), 0);
	assert_int_equal(access(in_scratch("named.tar.zst"), F_OK), -1);
	assert_int_equal(bundle_finish(w, "{}", 2, &final, &e), 0);
	snprintf(expected, sizeof(expected), "%s/named.tar.zst", scratch);
	assert_string_equal(final, expected);
	bundle_destroy(w);

	/* Nothing written, nothing left. */
	assert_int_equal(bundle_create(&w, scratch, "unused", 0, &e), 0);
	bundle_destroy(w);
	assert_int_equal(access(in_scratch("unused.tar.zst.partial"), F_OK), -1);

	/* The target appears meanwhile: it is not replaced, and what was captured is kept. */
	assert_int_equal(bundle_create(&w, scratch, "raced", 0, &e), 0);
	assert_int_equal(add_head(w, &e), 0);
	write_all_bytes(in_scratch("raced.tar.zst"), "x", 1);
	assert_int_equal(bundle_finish(w, "{}", 2, &final, &e), -EEXIST);
	bundle_destroy(w);
	assert_int_equal(access(in_scratch("raced.tar.zst.partial"), F_OK), 0);
	struct bytes b = read_all(in_scratch("raced.tar.zst"));

	assert_int_equal(b.len, 1);
	free(b.p);
}

static void refuses_members(void **state)
{
	static const char *const bad[] = {"",	    "/a",  "a/",	   "a//b", "..",
					  "a/../b", ".",   "a b",	   "a\n",  "\xc3\xa9",
					  "a\\b",   "a:b", BUNDLE_MANIFEST};
	struct bundle_writer *w = NULL;
	char *large = calloc(1, BUNDLE_PART_SIZE + 1), name[300];
	struct err e = {0};

	assert_int_equal(bundle_create(&w, scratch, "members", 0, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(bundle_add(w, bad[i], "x", 1, false, &e), -EINVAL);
	memset(name, 'n', sizeof(name));
	name[101] = 0;
	assert_int_equal(bundle_add(w, name, "x", 1, false, &e), -EINVAL);
	name[100] = 0;
	assert_int_equal(bundle_add(w, name, "x", 1, false, &e), 0);
	assert_int_equal(bundle_add(w, name, "x", 1, false, &e), -EEXIST);
	assert_int_equal(bundle_add(w, "large", large, BUNDLE_PART_SIZE + 1, false, &e), -EFBIG);
	/* Four megabytes of zeros must not look like a bomb to the reader. */
	assert_int_equal(bundle_add(w, "large", large, BUNDLE_PART_SIZE, false, &e), 0);
	assert_int_equal(bundle_add(w, "none", NULL, 0, false, &e), 0);
	bundle_destroy(w);

	struct verified v = verify_path(in_scratch("members.tar.zst.partial"));

	assert_int_equal(v.r, 0);
	assert_int_equal(v.outcome.members, 3);
	assert_int_equal(v.outcome.refused, 0);
	free(large);
}

/* The longest name of an archive and the longest of a member still fit in a header. */
static void longest_names(void **state)
{
	char top[156], name[101], output[128];
	struct bundle_writer *w = NULL;
	struct err e = {0};

	memset(top, 't', 155);
	top[155] = 0;
	memset(name, 'n', 100);
	name[50] = '/';
	name[100] = 0;
	snprintf(output, sizeof(output), "%s/longest.tar.zst", scratch);
	assert_int_equal(bundle_create(&w, output, top, 0, &e), 0);
	/* 256 bytes: one more than readers take */
	assert_int_equal(bundle_add(w, name, "x", 1, false, &e), -EINVAL);
	name[99] = 0;
	assert_int_equal(bundle_add(w, name, "x", 1, false, &e), 0);
	bundle_destroy(w);
	struct verified v = verify_path(in_scratch("longest.tar.zst.partial"));
	assert_int_equal(v.outcome.members, 1);
	char longer[157];

	snprintf(longer, sizeof(longer), "%sx", top);
	assert_int_equal(bundle_create(&w, scratch, longer, 0, &e), -ENAMETOOLONG);
}

static void most_members(void **state)
{
	struct bundle_writer *w = NULL;
	const char *final = NULL;
	struct err e = {0};
	char name[32];

	assert_int_equal(bundle_create(&w, scratch, FORGE_TOP, 0, &e), 0);
	assert_int_equal(add_head(w, &e), 0);
	for (unsigned i = 1; i < BUNDLE_MAX_MEMBERS - 1; i++) {
		snprintf(name, sizeof(name), "m/%u", i);
		assert_int_equal(bundle_add(w, name, name, strlen(name), false, &e), 0);
	}
	assert_int_equal(bundle_add(w, "more", "x", 1, false, &e), -EMFILE);
	struct bytes b = manifest_of(w);

	assert_int_equal(bundle_finish(w, b.p, b.len, &final, &e), 0);
	struct verified v = verify_path(final);

	assert_string_equal(v.text, "");
	assert_true(v.whole);
	assert_int_equal(v.outcome.members, BUNDLE_MAX_MEMBERS);
	free(b.p);
	bundle_destroy(w);
}

static void size_budget(void **state)
{
	struct bundle_writer *w = NULL;
	const char *final = NULL;
	struct err e = {0};
	uint8_t data[20000];
	char name[32];
	struct stat st;
	unsigned i;
	int r = 0;

	assert_int_equal(bundle_create(&w, scratch, "budget", 1 << 20, &e), 0);
	assert_int_equal(add_head(w, &e), 0);
	for (i = 0; i < 1000 && r == 0; i++) {
		member_content(data, sizeof(data), i);
		snprintf(name, sizeof(name), "m/%u", i);
		r = bundle_add(w, name, data, sizeof(data), false, &e);
	}
	assert_int_equal(r, -EFBIG);
	assert_true(i > 45);
	/* Something small still fits, also under the name that did not. */
	assert_int_equal(bundle_add(w, name, "x", 1, true, &e), 0);
	struct bytes b = manifest_of(w);

	assert_int_equal(bundle_finish(w, b.p, b.len, &final, &e), 0);
	assert_int_equal(stat(final, &st), 0);
	assert_true(st.st_size <= 1 << 20);
	assert_int_equal((uint64_t)st.st_size, bundle_bytes_written(w));
	free(b.p);
	bundle_destroy(w);
}

/* Run fn with standard output going to fd. */
static void with_stdout(int fd, void (*fn)(void))
{
	int old = dup(STDOUT_FILENO);

	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	fn();
	dup2(old, STDOUT_FILENO);
	close(old);
}

static void stream_good(void)
{
	struct bundle_writer *w = NULL;
	const char *final = NULL;
	struct err e = {0};

	assert_int_equal(bundle_create(&w, "-", FORGE_TOP, 0, &e), 0);
	assert_int_equal(add_head(w, &e), 0);
	assert_int_equal(bundle_add(w, "a", "hello", 5, false, &e), 0);
	struct bytes b = manifest_of(w);

	assert_int_equal(bundle_finish(w, b.p, b.len, &final, &e), 0);
	assert_string_equal(final, "-");
	free(b.p);
	bundle_destroy(w);
}

static void stream_closed(void)
{
	struct bundle_writer *w = NULL;
	const char *final = NULL;
	struct err e = {0};

	assert_int_equal(bundle_create(&w, "-", FORGE_TOP, 0, &e), 0);
	assert_int_equal(add_head(w, &e), -EPIPE);
	assert_string_equal(e.text, "standard output: Broken pipe");
	assert_int_equal(bundle_finish(w, "{}", 2, &final, &e), -EPIPE);
	bundle_destroy(w);
}

static void stream_full(void)
{
	struct bundle_writer *w = NULL;
	struct err e = {0};

	assert_int_equal(bundle_create(&w, "-", FORGE_TOP, 0, &e), 0);
	assert_int_equal(add_head(w, &e), -ENOSPC);
	assert_int_equal(bundle_add(w, "a", "x", 1, false, &e), -ENOSPC);
	bundle_destroy(w);
}

static void streams(void **state)
{
	int fds[2], fd = open(in_scratch("stream"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	signal(SIGPIPE, SIG_DFL);
	with_stdout(fd, stream_good);
	close(fd);
	assert_true(verify_path(in_scratch("stream")).whole);

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	with_stdout(fds[1], stream_closed);
	close(fds[1]);

	fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	with_stdout(fd, stream_full);
	close(fd);
}

/* A full pipe that does not block must be waited for. */
static void slow_pipe(void **state)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	pid_t pid = fork();

	if (pid == 0) {
		struct bundle_writer *w = NULL;
		struct err e = {0};
		uint8_t *data = malloc(1 << 20);

		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		member_content(data, 1 << 20, 1);
		int r = bundle_create(&w, "-", FORGE_TOP, 0, &e);

		if (r == 0)
			r = bundle_add(w, "a", data, 1 << 20, false, &e);
		_exit(r == 0 ? 0 : 1);
	}
	close(fds[1]);
	size_t total = 0;
	char buf[4096];

	for (;;) {
		ssize_t n = read(fds[0], buf, sizeof(buf));

		if (n < 0 && errno == EAGAIN) {
			usleep(100);
			continue;
		}
		if (n <= 0)
			break;
		total += (size_t)n;
	}
	wait_child(pid);
	close(fds[0]);
	assert_true(total > 1 << 20);
}

/* A limit of the file size is an error, not a signal, and the file is cut to whole members. */
static void file_size_limit(void **state)
{
	char *path = in_scratch("limited.tar.zst");
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit limit = {600000, 600000};
		struct bundle_writer *w = NULL;
		const char *final = NULL;
		struct err e = {0};
		uint8_t *data = malloc(300000);
		int bad = 0;

		signal(SIGXFSZ, SIG_DFL);
		bad |= bundle_create(&w, path, FORGE_TOP, 0, &e);
		setrlimit(RLIMIT_FSIZE, &limit);
		member_content(data, 300000, 1);
		bad |= add_head(w, &e);
		bad |= bundle_add(w, "a", data, 300000, false, &e);
		bad |= bundle_add(w, "b", data, 300000, false, &e) != -EFBIG;
		bad |= bundle_add(w, "c", data, 1000, false, &e);
		struct bytes b = manifest_of(w);

		bad |= bundle_finish(w, b.p, b.len, &final, &e);
		_exit(bad ? 1 : 0);
	}
	wait_child(pid);
	struct verified v = verify_path(path);

	assert_true(v.whole);
	assert_int_equal(v.outcome.members, 4);
}

/* The writer's own memory: what a child needs to write the largest members it may get. */
static void bounded_memory(void **state)
{
	long kib[2];

	if (SANITIZED)
		skip();
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			struct bundle_writer *w = NULL;
			struct err e = {0};
			uint8_t *data = malloc(BUNDLE_PART_SIZE);
			int r = 0;

			member_content(data, BUNDLE_PART_SIZE, 1);
			if (i)
				r = bundle_create(&w, scratch, "memory", 0, &e);
			for (int k = 0; i && r == 0 && k < 6; k++) {
				char name[16];

				snprintf(name, sizeof(name), "m%d", k);
				r = bundle_add(w, name, data, BUNDLE_PART_SIZE, false, &e);
			}
			_exit(r ? 1 : 0);
		}
		kib[i] = wait_child(pid).ru_maxrss;
	}
	print_message("the writer's memory: %ld KiB\n", kib[1] - kib[0]);
	assert_in_range(kib[1] - kib[0], 1, 9 << 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(complete_archive), cmocka_unit_test(one_frame_per_member),
		cmocka_unit_test(refuses_outputs),  cmocka_unit_test(directory_output),
		cmocka_unit_test(refuses_members),  cmocka_unit_test(longest_names),
		cmocka_unit_test(most_members),	    cmocka_unit_test(size_budget),
		cmocka_unit_test(streams),	    cmocka_unit_test(slow_pipe),
		cmocka_unit_test(file_size_limit),  cmocka_unit_test(bounded_memory),
	};

	return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
