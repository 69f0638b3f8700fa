/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both ends of the pipe: how members are cut into parts, and what the parent lets through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/base/clock.h"
#include "capture/bundle/reader.h"
#include "capture/child/emit.h"
#include "capture/child/frame.h"

#define MAX_FRAMES 64

struct seen {
	struct frame_header h;
	char name[FRAME_NAME_MAX + 1];
	char *data;
};

struct pipe_test {
	int in, out;
	struct emit *emit;
	struct seen frames[MAX_FRAMES];
	size_t count;
	struct frame_pool pool;
};

static int setup(void **state)
{
	struct pipe_test *t = calloc(1, sizeof(*t));
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	t->in = fds[0];
	t->out = fds[1];
	t->pool.limit = 2 * (size_t)BUNDLE_PART_SIZE + 4096;
	t->emit = emit_create(t->out, 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct pipe_test *t = *state;

	for (size_t i = 0; i < t->count; i++)
		free(t->frames[i].data);
	emit_destroy(t->emit);
	close(t->in);
	if (t->out >= 0)
		close(t->out);
	free(t);
	return 0;
}

/* Run fn with the emit in a child (the pipe is smaller than a part) and gather its frames. */
static void gather_frames(struct pipe_test *t, void (*fn)(struct emit *))
{
	struct frame_reader r = {0};
	int rc, status;

	pid_t pid = fork();
	if (pid == 0) {
		close(t->in);
		fn(t->emit);
		_exit(emit_finish(t->emit) ? 1 : 0);
	}
	close(t->out);
	t->out = -1;
	while ((rc = frame_read(&r, t->in, &t->pool)) == 1) {
		struct seen *s = &t->frames[t->count++];

		assert_true(t->count < MAX_FRAMES);
		s->h = r.h;
		memcpy(s->name, r.name, sizeof(s->name));
		s->data = malloc((size_t)r.h.data_len + 1);
		memcpy(s->data, r.data, (size_t)r.h.data_len + 1);
		frame_done(&r, &t->pool);
	}
	assert_int_equal(rc, -ENODATA);
	assert_int_equal(t->pool.used, 0);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

static void small(struct emit *e)
{
	member_open(e, "raw/a", NULL);
	member_put(e, "hello", 5);
	member_close(e, false);
	member_open(e, "raw/empty", NULL);
	member_close(e, true);
}

static void test_member_that_fits_has_no_number(void **state)
{
	struct pipe_test *t = *state;

	gather_frames(t, small);
	assert_int_equal(t->count, 2);
	assert_string_equal(t->frames[0].name, "raw/a");
	assert_string_equal(t->frames[0].data, "hello");
	assert_int_equal(t->frames[0].h.value, 0);
	assert_string_equal(t->frames[1].name, "raw/empty");
	assert_int_equal(t->frames[1].h.data_len, 0);
	assert_int_equal(t->frames[1].h.value, 1);
}

#define ROWS 900000u
static void large_table(struct emit *e)
{
	member_open(e, "tables/t.tsv", "number\tsquare\n");
	for (uint64_t i = 0; i < ROWS; i++) {
		row_u64(e, i);
		row_u64(e, i * i);
		row_end(e);
	}
	member_close(e, false);
}

static void test_table_in_parts(void **state)
{
	struct pipe_test *t = *state;
	uint64_t next = 0;
	char name[64];

	gather_frames(t, large_table);
	assert_in_range(t->count, 3, 5);
	for (size_t i = 0; i < t->count; i++) {
		struct seen *s = &t->frames[i];
		const char *header = "number\tsquare\n";
		char *p = s->data;

		snprintf(name, sizeof(name), "tables/t.tsv.%04zu", i);
		assert_string_equal(s->name, name);
		assert_true(s->h.data_len <= BUNDLE_PART_SIZE);
		assert_memory_equal(p, header, strlen(header));
		assert_int_equal(p[s->h.data_len - 1], '\n');
		p += strlen(header);
		while (*p) {
			assert_int_equal(strtoull(p, &p, 10), next);
			assert_int_equal(*p++, '\t');
			assert_int_equal(strtoull(p, &p, 10), next * next);
			assert_int_equal(*p++, '\n');
			next++;
		}
	}
	assert_int_equal(next, ROWS);
}

/* With little memory parts are smaller, and nothing else is different; only an entry of a pack that
 * is larger than one is cut. */
static void little(struct emit *e)
{
	static char big[80000];

	memset(big, 'b', sizeof(big));
	member_open(e, "tables/t.tsv", "n\n");
	for (uint64_t i = 0; i < 20000; i++) {
		row_u64(e, i);
		row_end(e);
	}
	member_close(e, false);
	member_open(e, "raw/pack", NULL);
	pack_data(e, "big", big, sizeof(big), 0);
	member_close(e, false);
}

static void test_small_parts(void **state)
{
	struct pipe_test *t = *state;
	uint64_t next = 0;

	emit_destroy(t->emit);
	t->emit = emit_create(t->out, 64u << 10);
	gather_frames(t, little);
	assert_int_equal(t->count, 4);
	for (size_t i = 0; i < 2; i++) {
		char *p = t->frames[i].data + 2;

		assert_in_range(t->frames[i].h.data_len, 1, 64 << 10);
		while (*p) {
			assert_int_equal(strtoull(p, &p, 10), next++);
			assert_int_equal(*p++, '\n');
		}
	}
	assert_int_equal(next, 20000);
	assert_int_equal(t->frames[2].h.type, FRAME_LOSS);
	assert_string_equal(t->frames[3].name, "raw/pack");
	assert_in_range(t->frames[3].h.data_len, 60 << 10, 64 << 10);
}

static void exactly_a_part(struct emit *e)
{
	char *p = malloc(BUNDLE_PART_SIZE);

	memset(p, 'x', BUNDLE_PART_SIZE);
	member_open(e, "raw/exact", NULL);
	member_put(e, p, BUNDLE_PART_SIZE);
	member_close(e, false);
	/* One byte more, and nowhere to break. */
	member_open(e, "raw/more", NULL);
	member_put(e, p, BUNDLE_PART_SIZE);
	member_put(e, "y", 1);
	member_close(e, false);
	/* A break right at the end: no third, empty part. */
	member_open(e, "raw/even", "h\n");
	member_put(e, p, BUNDLE_PART_SIZE - 2);
	member_break(e);
	member_put(e, p, 10);
	member_break(e);
	member_close(e, false);
	free(p);
}

static void test_edges_of_a_part(void **state)
{
	struct pipe_test *t = *state;

	gather_frames(t, exactly_a_part);
	assert_int_equal(t->count, 5);
	assert_string_equal(t->frames[0].name, "raw/exact");
	assert_int_equal(t->frames[0].h.data_len, BUNDLE_PART_SIZE);
	assert_string_equal(t->frames[1].name, "raw/more.0000");
	assert_string_equal(t->frames[2].name, "raw/more.0001");
	assert_string_equal(t->frames[2].data, "y");
	assert_string_equal(t->frames[3].name, "raw/even.0000");
	assert_string_equal(t->frames[4].name, "raw/even.0001");
	assert_string_equal(t->frames[4].data, "h\nxxxxxxxxxx");
}

static void packs(struct emit *e)
{
	char *p = malloc(3u << 20);

	memset(p, '@', 3u << 20);
	member_open(e, "raw/pack", NULL);
	pack_data(e, "one", "a\nb", 3, 0);
	pack_data(e, "gone", "", 0, -ENOENT);
	pack_data(e, "large", p, 3u << 20, 0);
	pack_data(e, "larger", p, 3u << 20, 0);
	p = realloc(p, 5u << 20);
	memset(p, '@', 5u << 20);
	pack_data(e, "too large", p, 5u << 20, 0);
	member_close(e, false);
	free(p);
}

static void test_packs_read_back(void **state)
{
	static const struct {
		const char *name;
		size_t len;
		int no;
	} expected[] = {{"one", 3, 0},
			{"gone", 0, ENOENT},
			{"large", 3u << 20, 0},
			{"larger", 3u << 20, 0},
			{"too large", 0, EFBIG}};
	struct pipe_test *t = *state;
	size_t n = 0;
	bool lost = false;

	gather_frames(t, packs);
	for (size_t i = 0; i < t->count; i++) {
		struct pack_entry entry;
		size_t pos = 0;
		int rc;

		if (t->frames[i].h.type == FRAME_LOSS) {
			assert_int_equal(t->frames[i].h.count, 1);
			lost = true;
			continue;
		}
		while ((rc = pack_next(t->frames[i].data, t->frames[i].h.data_len, &pos, &entry)) ==
		       1) {
			assert_true(n < sizeof(expected) / sizeof(expected[0]));
			assert_int_equal(entry.name_len, strlen(expected[n].name));
			assert_memory_equal(entry.name, expected[n].name, entry.name_len);
			assert_int_equal(entry.no, expected[n].no);
			if (expected[n].len)
				assert_int_equal(entry.data_len, expected[n].len);
			if (expected[n].no == EFBIG && !expected[n].len)
				assert_in_range(entry.data_len, (4u << 20) - 400, 4u << 20);
			n++;
		}
		assert_int_equal(rc, 0);
	}
	assert_int_equal(n, sizeof(expected) / sizeof(expected[0]));
	assert_true(lost);
}

static void words(struct emit *e)
{
	member_open(e, "tables/w.tsv", "a\tb\tc\td\n");
	row_cstr(e, "tab\there");
	row_none(e);
	row_f64(e, 0.1);
	row_f64(e, NAN);
	row_end(e);
	row_str(e, "\xff\n\\", 3);
	row_u64(e, UINT64_MAX);
	row_f64(e, 1e300);
	row_cstr(e, "");
	row_end(e);
	member_close(e, false);
	emit_status(e, COLLECTOR_PARTIAL, -ENOSPC, "%s: %s", "object", "reason");
	emit_loss(e, "cause", 3);
	emit_loss(e, "nothing", 0);
	emit_note(e, "note %d", 1);
	emit_redacted(e, "argument", "raw/x", 2);
}

static void test_rows_and_words(void **state)
{
	struct pipe_test *t = *state;

	gather_frames(t, words);
	assert_int_equal(t->count, 5);
	assert_string_equal(t->frames[0].data, "a\tb\tc\td\n"
					       "tab\\there\t\t0.1\t\n"
					       "\\xff\\n\\\\\t18446744073709551615\t1e+300\t\n");
	assert_int_equal(t->frames[1].h.type, FRAME_STATUS);
	assert_int_equal(t->frames[1].h.value, COLLECTOR_PARTIAL);
	assert_int_equal(t->frames[1].h.no, ENOSPC);
	assert_string_equal(t->frames[1].data, "object: reason");
	assert_int_equal(t->frames[2].h.count, 3);
	assert_string_equal(t->frames[2].name, "cause");
	assert_string_equal(t->frames[3].data, "note 1");
	assert_string_equal(t->frames[4].name, "argument");
	assert_string_equal(t->frames[4].data, "raw/x");
}

static void test_bad_names_are_refused_by_the_child(void **state)
{
	struct pipe_test *t = *state;
	static const char *const bad[] = {"",	   "/abs", "a//b", "../x",  "a/..",
					  "a/./b", "a b",  "a/",   "tab\t", "\xc3\xa4"};
	char longest[FRAME_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct emit *e = emit_create(t->out, 0);

		assert_int_equal(member_open(e, bad[i], NULL), -EINVAL);
		emit_destroy(e);
	}
	memset(longest, 'a', sizeof(longest));
	longest[FRAME_NAME_MAX - 5] = 0;
	assert_int_equal(member_open(t->emit, longest, NULL), 0);
	assert_int_equal(member_open(t->emit, "second", NULL), -EBUSY);
}

static void test_nobody_listens(void **state)
{
	struct pipe_test *t = *state;

	close(t->in);
	t->in = open("/dev/null", O_RDONLY);
	assert_int_equal(member_open(t->emit, "raw/a", NULL), 0);
	assert_int_equal(member_close(t->emit, false), -EPIPE);
	assert_int_equal(member_open(t->emit, "raw/b", NULL), -EPIPE);
	assert_int_equal(emit_finish(t->emit), -EPIPE);
}

/* ------------------------------------------------------------------ the parent's side */

static int feed(struct pipe_test *t, const struct frame_header *h, const char *name)
{
	struct frame_reader r = {0};
	int rc;

	fcntl(t->in, F_SETFL, O_NONBLOCK);
	assert_int_equal(write(t->out, h, sizeof(*h)), sizeof(*h));
	if (name)
		assert_int_equal(write(t->out, name, h->name_len), h->name_len);
	rc = frame_read(&r, t->in, &t->pool);
	frame_done(&r, &t->pool);
	return rc;
}

static void test_hostile_frames(void **state)
{
	struct pipe_test *t = *state;
	const struct frame_header good = {
		.magic = FRAME_MAGIC, .type = FRAME_MEMBER, .name_len = 1, .data_len = 1};
	struct frame_header h;

	h = good;
	h.magic ^= 1;
	assert_int_equal(feed(t, &h, NULL), -EPROTO);
	h = good;
	h.type = 99;
	assert_int_equal(feed(t, &h, NULL), -EPROTO);
	h = good;
	h.data_len = BUNDLE_PART_SIZE + 1;
	assert_int_equal(feed(t, &h, NULL), -EPROTO);
	h = good;
	h.data_len = UINT32_MAX;
	assert_int_equal(feed(t, &h, NULL), -EPROTO);
	h = good;
	h.name_len = 0;
	assert_int_equal(feed(t, &h, NULL), -EPROTO);
	h = good;
	h.name_len = FRAME_NAME_MAX + 1;
	assert_int_equal(feed(t, &h, NULL), -EPROTO);
	h = good;
	h.type = FRAME_NOTE;
	assert_int_equal(feed(t, &h, NULL), -EPROTO); /* a note has no name */
	h.name_len = 0;
	h.data_len = FRAME_TEXT_MAX + 1;
	assert_int_equal(feed(t, &h, NULL), -EPROTO);
	h = good;
	h.name_len = 4;
	assert_int_equal(feed(t, &h, "../x"), -EPROTO);
	assert_int_equal(feed(t, &h, "a\0bc"), -EPROTO);
	assert_int_equal(t->pool.used, 0);
}

static void test_every_cut_and_every_split(void **state)
{
	struct pipe_test *t = *state;
	const struct frame_header h = {
		.magic = FRAME_MAGIC, .type = FRAME_MEMBER, .name_len = 5, .data_len = 4};
	char bytes[sizeof(h) + 9];

	memcpy(bytes, &h, sizeof(h));
	memcpy(bytes + sizeof(h), "raw/adata", 9);
	for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
		struct frame_reader r = {0};
		int fds[2];

		assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
		assert_int_equal(write(fds[1], bytes, cut), cut);
		int rc = frame_read(&r, fds[0], &t->pool);
		assert_int_equal(rc, cut == sizeof(bytes) ? 1 : 0);
		if (cut == sizeof(bytes) / 2) {
			/* Continued byte by byte it is the same frame. */
			for (size_t i = cut; i < sizeof(bytes); i++) {
				assert_int_equal(write(fds[1], bytes + i, 1), 1);
				rc = frame_read(&r, fds[0], &t->pool);
				assert_int_equal(rc, i + 1 == sizeof(bytes) ? 1 : 0);
			}
			assert_string_equal(r.name, "raw/a");
			assert_string_equal(r.data, "data");
			frame_done(&r, &t->pool);
		}
		close(fds[1]);
		if (rc == 0)
			assert_int_equal(frame_read(&r, fds[0], &t->pool),
					 cut ? -ECONNRESET : -ENODATA);
		frame_done(&r, &t->pool);
		close(fds[0]);
	}
	assert_int_equal(t->pool.used, 0);
}

static void test_pool_bounds_what_is_buffered(void **state)
{
	struct pipe_test *t = *state;
	const struct frame_header h = {
		.magic = FRAME_MAGIC, .type = FRAME_MEMBER, .name_len = 1, .data_len = 1000};
	struct frame_reader r = {0};
	char data[1001] = "a";

	fcntl(t->in, F_SETFL, O_NONBLOCK);
	t->pool = (struct frame_pool){.used = 500, .limit = 1200};
	assert_int_equal(write(t->out, &h, sizeof(h)), sizeof(h));
	assert_int_equal(write(t->out, data, sizeof(data)), sizeof(data));
	assert_int_equal(frame_read(&r, t->in, &t->pool), -ENOBUFS);
	assert_true(frame_waits_for_room(&r, &t->pool));
	assert_int_equal(t->pool.used, 500);
	t->pool.used = 0;
	assert_false(frame_waits_for_room(&r, &t->pool));
	assert_int_equal(frame_read(&r, t->in, &t->pool), 1);
	assert_int_equal(t->pool.used, 1001);
	frame_done(&r, &t->pool);
	assert_int_equal(t->pool.used, 0);
	/* Alone it always gets through, even over the limit: nobody waits for ever. */
	t->pool.limit = 10;
	assert_int_equal(write(t->out, &h, sizeof(h)), sizeof(h));
	assert_int_equal(write(t->out, data, sizeof(data)), sizeof(data));
	assert_int_equal(frame_read(&r, t->in, &t->pool), 1);
	frame_done(&r, &t->pool);
}

/* ------------------------------------------------------------------ the window, from inside */

static void test_window_clock(void **state)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct collect c = {.window_start_ns = now - 10003 * NSEC_PER_MSEC,
			    .window_end_ns = now + 50 * NSEC_PER_MSEC,
			    .deadline_ns = now + 60 * NSEC_PER_SEC};
	int fds[2];
	char text[16];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	c.stop_fd = fds[0];
	member_time(&c, text);
	assert_memory_equal(text, "0000100", 7);
	assert_int_equal(strlen(text), 9);
	assert_false(collect_stopping(&c));
	collect_wait(&c);
	assert_true(clock_ns(CLOCK_MONOTONIC) >= c.window_end_ns);
	/* The other end closed: that is the stop, also when the parent just died. */
	c.window_end_ns = now + 3600 * NSEC_PER_SEC;
	close(fds[1]);
	assert_true(collect_stopping(&c));
	collect_wait(&c);
	close(fds[0]);
	c.stop_fd = -1;
	assert_false(collect_stopping(&c));
	c.deadline_ns = clock_ns(CLOCK_MONOTONIC) + 100 * NSEC_PER_MSEC;
	assert_true(collect_stopping(&c));
	c.window_start_ns = now + 3600 * NSEC_PER_SEC;
	member_time(&c, text);
	assert_string_equal(text, "000000000");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_member_that_fits_has_no_number),
		TEST(test_table_in_parts),
		TEST(test_small_parts),
		TEST(test_edges_of_a_part),
		TEST(test_packs_read_back),
		TEST(test_rows_and_words),
		TEST(test_bad_names_are_refused_by_the_child),
		TEST(test_nobody_listens),
		TEST(test_hostile_frames),
		TEST(test_every_cut_and_every_split),
		TEST(test_pool_bounds_what_is_buffered),
		cmocka_unit_test(test_window_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
