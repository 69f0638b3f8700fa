/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stream of facts: whole rows come through, hostile ones are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../analyze/facts/parse.h"
#include "../../analyze/facts/wire.h"
#include "../../capture/base/sbuf.h"

/* A file in memory stands for the pipe: it takes any amount. */
static int stream_open(void)
{
	int fd = memfd_create("wire", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int receive(int fd, struct facts **ret, int *ret_exit, struct err *e)
{
	int r;

	*e = (struct err){0};
	*ret_exit = -1;
	assert_int_equal(facts_create(ret), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	r = wire_receive(fd, *ret, 1 << 26, ret_exit, e);
	close(fd);
	return r;
}

static void put(int fd, const void *data, size_t len)
{
	assert_int_equal(write(fd, data, len), len);
}

static void put_number(int fd, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		unsigned char c = (unsigned char)(v >> 8 * i);

		put(fd, &c, 1);
	}
}

static void put_header(int fd, unsigned tag, unsigned fields, uint32_t len)
{
	put_number(fd, tag, 2);
	put_number(fd, fields, 2);
	put_number(fd, len, 4);
}

static void put_done(int fd)
{
	put_header(fd, WIRE_TAG_DONE, 2, 12);
	put_number(fd, 0, 8);
	put_number(fd, UINT32_MAX, 4);
}

static void expect_refused(int fd, int want)
{
	struct facts *f;
	struct err e;
	int code;

	assert_int_equal(receive(fd, &f, &code, &e), want);
	assert_int_equal(e.no, -want);
	assert_true(strlen(e.text) > 10);
	assert_int_equal(code, -1);
	facts_destroy(f);
}

static void rows_come_through(void **state)
{
	struct fact_process sent = {.pid = 7,
				    .comm = "a b)",
				    .oom_score_adj = -998,
				    .heap_bytes = FACT_NONE,
				    .rss_bytes = 1};
	struct fact_archive archive;
	struct wire_out *w;
	struct facts *f;
	struct err e;
	int fd = stream_open(), code;

	fact_clear(&fact_archive_type, &archive);
	archive.planned_s = 0.1;
	archive.name = "";
	assert_int_equal(wire_open(&w, fd), 0);
	assert_int_equal(wire_row(w, &fact_process_type, &sent), 0);
	assert_int_equal(wire_row(w, &fact_archive_type, &archive), 0);
	assert_int_equal(wire_done(w, 3, "why"), 0);
	wire_close(w);
	assert_int_equal(receive(fd, &f, &code, &e), 0);
	assert_int_equal(code, 3);
	assert_string_equal(e.text, "why");
	assert_int_equal(f->processes.count, 1);
	assert_int_equal(f->processes.rows[0].pid, 7);
	assert_string_equal(f->processes.rows[0].comm, "a b)");
	assert_null(f->processes.rows[0].cmdline);
	assert_int_equal(f->processes.rows[0].oom_score_adj, -998);
	assert_true(f->processes.rows[0].heap_bytes == FACT_NONE);
	assert_int_equal(f->processes.rows[0].rss_bytes, 1);
	assert_int_equal(f->archive.count, 1);
	assert_true(f->archive.rows[0].planned_s == 0.1);
	assert_true(isnan(f->archive.rows[0].window_s));
	assert_string_equal(f->archive.rows[0].name, "");
	facts_destroy(f);
}

static const char *through(const char *s, char *out)
{
	struct fact_counter row = {.file = "meminfo", .key = s};
	struct wire_out *w;
	struct facts *f;
	struct err e;
	int fd = stream_open(), code;

	assert_int_equal(wire_open(&w, fd), 0);
	assert_int_equal(wire_row(w, &fact_counter_type, &row), 0);
	assert_int_equal(wire_done(w, 0, ""), 0);
	wire_close(w);
	assert_int_equal(receive(fd, &f, &code, &e), 0);
	assert_int_equal(e.no, 0);
	strcpy(out, f->counters.rows[0].key);
	facts_destroy(f);
	return out;
}

static void strings_become_valid(void **state)
{
	char out[128], in[200], want[128];

	assert_string_equal(through("a\nb\t\x1b[0m</script>=\"'", out),
			    "a\nb\t\x1b[0m</script>=\"'");
	assert_string_equal(through("gr\xc3\xbc\xc3\x9f\xff\xc0\x80.", out),
			    "gr\xc3\xbc\xc3\x9f\\xff\\xc0\\x80.");
	assert_string_equal(through("\xed\xa0\x80", out), "\\xed\\xa0\\x80"); /* a surrogate */
	/* key holds 64 bytes: exactly 64 stay, more are cut before a character and marked. */
	memset(in, 'x', sizeof(in));
	in[64] = '\0';
	assert_string_equal(through(in, out), in);
	in[64] = 'x';
	in[65] = '\0';
	memset(want, 'x', 61);
	strcpy(want + 61, "…");
	assert_string_equal(through(in, out), want);
	memcpy(in + 59, "üüü", 7);
	memset(want, 'x', 59);
	strcpy(want + 59, "ü…");
	assert_string_equal(through(in, out), want);
	memset(in, 0xff, 64);
	in[64] = '\0';
	through(in, out);
	assert_int_equal(strlen(out), 63); /* 15 × \xff and the mark */
	assert_string_equal(out + 60, "…");
	memset(in, 'x', 150);
	in[150] = '\0';
	through(in, out);
	assert_int_equal(strlen(out), 64);
}

static void nul_inside_is_shown(void **state)
{
	struct facts *f;
	struct err e;
	int fd = stream_open(), code;

	put_header(fd, fact_counter_type.tag, 4, 4 + 3 + 4 + 16);
	put_number(fd, 3, 4);
	put(fd, "a\0b", 3);
	put_number(fd, UINT32_MAX, 4);
	put_number(fd, 1, 8);
	put_number(fd, 2, 8);
	put_done(fd);
	assert_int_equal(receive(fd, &f, &code, &e), 0);
	assert_string_equal(f->counters.rows[0].file, "a\\x00b");
	assert_null(f->counters.rows[0].key);
	facts_destroy(f);
}

static void infinite_is_not_measured(void **state)
{
	struct fact_collector row = {
		.name = "x", .cpu_s = INFINITY, .start_s = -INFINITY, .end_s = 2};
	struct wire_out *w;
	struct facts *f;
	struct err e;
	int fd = stream_open(), code;

	assert_int_equal(wire_open(&w, fd), 0);
	assert_int_equal(wire_row(w, &fact_collector_type, &row), 0);
	assert_int_equal(wire_done(w, 0, NULL), 0);
	wire_close(w);
	assert_int_equal(receive(fd, &f, &code, &e), 0);
	assert_true(isnan(f->collectors.rows[0].cpu_s));
	assert_true(isnan(f->collectors.rows[0].start_s));
	assert_true(f->collectors.rows[0].end_s == 2);
	facts_destroy(f);
}

/* The worker stops at max_rows of its own accord, and the renderer sees that the table is cut. */
static void full_table_is_cut(void **state)
{
	struct fact_page_type row = {.kind = "free", .pages = 1};
	struct wire_out *w;
	struct facts *f;
	struct err e;
	int fd = stream_open(), code;

	assert_int_equal(wire_open(&w, fd), 0);
	for (uint32_t i = 0; i < fact_page_type_type.max_rows + 10; i++)
		assert_int_equal(wire_row(w, &fact_page_type_type, &row), 0);
	assert_int_equal(wire_done(w, 0, ""), 0);
	wire_close(w);
	assert_int_equal(receive(fd, &f, &code, &e), 0);
	assert_int_equal(f->page_types.count, fact_page_type_type.max_rows);
	assert_true(f->page_types.cut);
	assert_false(f->processes.cut);
	facts_destroy(f);
}

static void too_many_rows_are_refused(void **state)
{
	int fd = stream_open();

	for (uint32_t i = 0; i <= fact_page_type_type.max_rows; i++) {
		put_header(fd, fact_page_type_type.tag, 2, 12);
		put_number(fd, UINT32_MAX, 4);
		put_number(fd, 1, 8);
	}
	put_done(fd);
	expect_refused(fd, -EPROTO);
}

static void unknown_tags_are_refused(void **state)
{
	static const unsigned tags[] = {0, 17, 63, 64, 255, 0xfffe};

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		int fd = stream_open();

		put_header(fd, tags[i], 1, 8);
		put_number(fd, 0, 8);
		expect_refused(fd, -EPROTO);
	}
}

static void wrong_lengths_are_refused(void **state)
{
	int fd = stream_open(); /* a record that claims too much */

	put_header(fd, fact_page_type_type.tag, 2, UINT32_MAX);
	expect_refused(fd, -EPROTO);
	fd = stream_open(); /* a wrong number of fields */
	put_header(fd, fact_page_type_type.tag, 3, 12);
	expect_refused(fd, -EPROTO);
	fd = stream_open(); /* a string beyond the row */
	put_header(fd, fact_page_type_type.tag, 2, 12);
	put_number(fd, 9, 4);
	put_number(fd, 1, 8);
	expect_refused(fd, -EPROTO);
	fd = stream_open(); /* a string beyond its field */
	put_header(fd, fact_page_type_type.tag, 2, 12 + 100);
	put_number(fd, 100, 4);
	for (int i = 0; i < 100 + 8; i++)
		put(fd, "x", 1);
	expect_refused(fd, -EPROTO);
	fd = stream_open(); /* bytes left over */
	put_header(fd, fact_page_type_type.tag, 2, 13);
	put_number(fd, UINT32_MAX, 4);
	put_number(fd, 1, 8);
	put_number(fd, 1, 1);
	expect_refused(fd, -EPROTO);
	fd = stream_open(); /* a row too short */
	put_header(fd, fact_page_type_type.tag, 2, 0);
	expect_refused(fd, -EPROTO);
	fd = stream_open(); /* something after the end */
	put_done(fd);
	put(fd, "x", 1);
	expect_refused(fd, -EPROTO);
	fd = stream_open(); /* an exit code that does not exist */
	put_header(fd, WIRE_TAG_DONE, 2, 12);
	put_number(fd, 1 << 20, 8);
	put_number(fd, UINT32_MAX, 4);
	expect_refused(fd, -EPROTO);
}

static void an_end_without_done_is_noticed(void **state)
{
	int fd = stream_open();

	expect_refused(fd, -EPIPE);
	fd = stream_open();
	put_header(fd, fact_page_type_type.tag, 2, 12);
	expect_refused(fd, -EPIPE);
	fd = stream_open();
	put(fd, "\x01", 1);
	expect_refused(fd, -EPIPE);
}

static void too_many_bytes_are_refused(void **state)
{
	struct facts *f;
	struct err e = {0};
	int fd = stream_open(), code = -1;

	for (int i = 0; i < 100; i++) {
		put_header(fd, fact_page_type_type.tag, 2, 12);
		put_number(fd, UINT32_MAX, 4);
		put_number(fd, 1, 8);
	}
	put_done(fd);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(facts_create(&f), 0);
	assert_int_equal(wire_receive(fd, f, 1000, &code, &e), -EPROTO);
	facts_destroy(f);
	close(fd);
}

static void random_bytes_are_refused(void **state)
{
	unsigned char noise[4096];
	uint64_t x = 88172645463325252ULL;

	for (int round = 0; round < 200; round++) {
		struct facts *f;
		struct err e;
		int fd = stream_open(), code;

		for (size_t i = 0; i < sizeof(noise); i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			noise[i] = (unsigned char)x;
		}
		/* Sometimes with a plausible start, to get further in. */
		noise[1] = 0;
		noise[0] %= 18;
		noise[3] = 0;
		noise[6] = noise[7] = 0;
		put(fd, noise, sizeof(noise));
		assert_true(receive(fd, &f, &code, &e) < 0);
		facts_destroy(f);
	}
}

/* Every type by itself: no two share a tag, all fit a record, all fields lie in the struct. */
static void types_are_sound(void **state)
{
	for (const struct fact_slot *s = fact_slots; s->type; s++) {
		size_t most = 0;

		assert_true(s->type->tag > 0 && s->type->tag < 64);
		for (const struct fact_slot *o = fact_slots; o < s; o++)
			assert_int_not_equal(o->type->tag, s->type->tag);
		for (uint32_t i = 0; i < s->type->field_count; i++) {
			assert_true(s->type->fields[i].offset + 8 <= s->type->size);
			most += s->type->fields[i].max + 13;
		}
		/* Every member of the struct is in the table. */
		assert_int_equal(s->type->field_count * 8, s->type->size);
		assert_true(most < WIRE_MAX_RECORD / 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_come_through),
		cmocka_unit_test(strings_become_valid),
		cmocka_unit_test(nul_inside_is_shown),
		cmocka_unit_test(infinite_is_not_measured),
		cmocka_unit_test(full_table_is_cut),
		cmocka_unit_test(too_many_rows_are_refused),
		cmocka_unit_test(unknown_tags_are_refused),
		cmocka_unit_test(wrong_lengths_are_refused),
		cmocka_unit_test(an_end_without_done_is_noticed),
		cmocka_unit_test(too_many_bytes_are_refused),
		cmocka_unit_test(random_bytes_are_refused),
		cmocka_unit_test(types_are_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
