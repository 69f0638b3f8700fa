/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads that hang: one item costs its own patience, and nothing else. */
#include "collect_run.h"
#include <signal.h>
#include <sys/wait.h>

#include "../../capture/collectors/watch.h"

#define PATIENCE (150 * NSEC_PER_MSEC)

struct seen {
	char what[64]; /* one character an item */
	size_t count;
	int keep; /* a descriptor the helper must still have */
	int gone; /* one it must not have */
	size_t stop_at;
};

/* Items by their index: 3 hangs, 5 dies, 7 is refused, the others answer "item N". */
static ssize_t read_item(void *ctx, size_t i, char *buf, size_t cap, uint32_t *ret_mark)
{
	const struct seen *s = ctx;

	if (i == 3)
		for (;;)
			pause();
	if (i == 5)
		raise(SIGKILL);
	if (i == 7)
		return -EACCES;
	if (i == 8 && (fcntl(s->keep, F_GETFD) < 0 || fcntl(s->gone, F_GETFD) >= 0))
		return -EBADF;
	*ret_mark = (uint32_t)i * 10;
	return snprintf(buf, cap, "item %zu", i);
}

static int note_item(void *ctx, size_t i, const char *data, size_t len, int no, uint32_t mark)
{
	struct seen *s = ctx;
	char expected[32];

	assert_int_equal(i, s->count);
	if (s->stop_at && i == s->stop_at)
		return -ETIME;
	if (!no) {
		snprintf(expected, sizeof(expected), "item %zu", i);
		assert_int_equal(len, strlen(expected));
		assert_memory_equal(data, expected, len);
		assert_int_equal(mark, i * 10);
	}
	s->what[s->count++] = !no		? '.'
			      : no == ETIMEDOUT ? 'h'
			      : no == ECHILD	? 'd'
			      : no == EACCES	? 'r'
						: '?';
	return 0;
}

static void others_are_read(void **state)
{
	int p[2];

	assert_int_equal(pipe(p), 0);
	struct seen s = {.keep = p[0], .gone = p[1]};
	const struct watch w = {.read = read_item,
				.sink = note_item,
				.ctx = &s,
				.count = 10,
				.cap = 64,
				.patience_ns = PATIENCE,
				.max_stuck = 8,
				.keep = &p[0],
				.keep_count = 1};
	struct watch_outcome o;
	uint64_t start = clock_ns(CLOCK_MONOTONIC);

	assert_int_equal(watch_each(&w, &o), 0);
	assert_string_equal(s.what, "...h.d.r..");
	assert_int_equal(o.done, 10);
	assert_int_equal(o.stuck, 2);
	assert_int_equal(o.abandoned, 0);
	assert_true(clock_ns(CLOCK_MONOTONIC) - start < 10 * PATIENCE);
	/* No helper is left. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	close(p[0]);
	close(p[1]);
}

static void too_many_stuck_ends_it(void **state)
{
	struct seen s = {0};
	const struct watch w = {.read = read_item,
				.sink = note_item,
				.ctx = &s,
				.count = 10,
				.cap = 64,
				.patience_ns = PATIENCE,
				.max_stuck = 1};
	struct watch_outcome o;

	assert_int_equal(watch_each(&w, &o), 0);
	assert_string_equal(s.what, "...h");
	assert_int_equal(o.done, 4);
}

static void the_sink_can_end_it(void **state)
{
	struct seen s = {.stop_at = 2};
	const struct watch w = {.read = read_item,
				.sink = note_item,
				.ctx = &s,
				.count = 10,
				.cap = 64,
				.patience_ns = PATIENCE,
				.max_stuck = 8};
	struct watch_outcome o;

	assert_int_equal(watch_each(&w, &o), -ETIME);
	assert_int_equal(o.done, 2);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void nothing_to_do(void **state)
{
	const struct watch w = {.read = read_item, .sink = note_item, .cap = 64, .max_stuck = 1};
	struct watch_outcome o = {.done = 1};

	assert_int_equal(watch_each(&w, &o), 0);
	assert_int_equal(o.done, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_are_read),
		cmocka_unit_test(too_many_stuck_ends_it),
		cmocka_unit_test(the_sink_can_end_it),
		cmocka_unit_test(nothing_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
