/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code objects read out of a process: this one, with objects laid out by hand as 3.11 and 3.14 do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../../capture/stacks/pyread.h"
#include "../../capture/symbols/python_code.h"

#define CODE_TYPE 0x1110
#define BYTES_TYPE 0x2220
#define TEXT_TYPE 0x3330
#define NOWHERE_AT 0x10 /* no page there */

struct object {
	uint64_t references, type;
};
struct bytes {
	struct object o;
	uint64_t size, hash;
	uint8_t data[70000];
};
struct text {
	struct object o;
	uint64_t length, hash;
	uint32_t state, padding;
	uint8_t data[8192];
};
struct code {
	struct object o;
	uint64_t fill[4];
	int32_t first_line, padding;
	uint64_t file, name, qualname, table;
};

static struct world {
	struct code code;
	struct bytes table;
	struct text name, qualname, file;
} * w;

static struct python_build build = {
	.frames = {.code_first_line = offsetof(struct code, first_line),
		   .code_name = offsetof(struct code, name)},
	.code_type = CODE_TYPE,
	.bytes_type = BYTES_TYPE,
	.text_type = TEXT_TYPE,
	.minor = 11,
	.ascii_header = 40, /* of struct text */
	.wide_header = 40 + 16,
	.code_file = offsetof(struct code, file),
	.code_name = offsetof(struct code, qualname),
	.code_table = offsetof(struct code, table),
};

static uint64_t at(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/* width 0: ASCII. */
static void set_text(struct text *t, unsigned width, const void *characters, size_t length)
{
	t->o = (struct object){1, TEXT_TYPE};
	t->length = length;
	t->state = 1u | (width ? width : 1) << 2 | 1u << 5 | (width ? 0u : 1u) << 6;
	memcpy(t->data + (width ? 16 : 0), characters, length * (width ? width : 1));
}

static int setup(void **state)
{
	/* Two ranges of one line each: bytes 0 to 8 on line 7, 8 to 12 on line 9. */
	static const uint8_t table[] = {0x80 | 0 << 3 | 3, 0, 0x80 | 12 << 3 | 1, 0, 0};

	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	w->code = (struct code){.o = {1, CODE_TYPE},
				.first_line = 7,
				.file = at(&w->file),
				.name = at(&w->name),
				.qualname = at(&w->qualname),
				.table = at(&w->table)};
	w->table.o = (struct object){1, BYTES_TYPE};
	w->table.size = sizeof(table);
	memcpy(w->table.data, table, sizeof(table));
	set_text(&w->name, 0, "run", 3);
	set_text(&w->qualname, 0, "Class.run", 9);
	set_text(&w->file, 0, "/app/a.py", 9);
	return 0;
}

static int teardown(void **state)
{
	free(w);
	return 0;
}

static struct python_place place;

static int read_at(int32_t byte)
{
	struct remote r = {.pid = getpid(), .pagemap_fd = -1};
	uint64_t identity = STACKS_PYTHON_IDENTITY(7, at(&w->name));

	return python_place_read(&place, &build, &r, at(&w->code), identity << 32 | (uint32_t)byte);
}

static void as_it_stands(void **state)
{
	assert_int_equal(read_at(0), 0);
	assert_string_equal(place.name, "Class.run");
	assert_string_equal(place.file, "/app/a.py");
	assert_int_equal(place.first_line, 7);
	assert_int_equal(place.line, 7);
	assert_int_equal(read_at(10), 0);
	assert_int_equal(place.line, 9);
	assert_int_equal(read_at(-2), 0); /* not begun */
	assert_int_equal(place.line, 7);
	assert_int_equal(read_at(12), -ESTALE); /* behind the end: of another code object */
}

static void names_of_all_kinds(void **state)
{
	static const uint16_t greek[] = {0x3c0, 0xdc80, 'x'};
	static const uint32_t wide[] = {0x1f40d, 0x110000, 'y'};
	char text[4000];

	set_text(&w->qualname, 1, "caf\xe9", 4);
	assert_int_equal(read_at(0), 0);
	assert_string_equal(place.name, "caf\xc3\xa9");
	set_text(&w->qualname, 2, greek, 3);
	assert_int_equal(read_at(0), 0);
	assert_string_equal(place.name, "\xcf\x80\xef\xbf\xbdx");
	set_text(&w->qualname, 4, wide, 3);
	assert_int_equal(read_at(0), 0);
	assert_string_equal(place.name, "\xf0\x9f\x90\x8d\xef\xbf\xbdy");
	/* Of a long one the end. */
	memset(text, 'a', sizeof(text));
	memcpy(text + sizeof(text) - 5, "/z.py", 5);
	set_text(&w->file, 0, text, sizeof(text));
	assert_int_equal(read_at(0), 0);
	assert_true(strlen(place.file) < PYTHON_TEXT_MAX && strlen(place.file) > 400);
	assert_string_equal(place.file + strlen(place.file) - 5, "/z.py");
	/* Four bytes a character: as many as fit. */
	for (size_t i = 0; i < 1000; i++)
		memcpy(text + 4 * i, wide, 4);
	set_text(&w->file, 4, text, 1000);
	assert_int_equal(read_at(0), 0);
	assert_true(strlen(place.file) < PYTHON_TEXT_MAX);
}

static void what_is_no_code(void **state)
{
	static const uint64_t dead[] = {0, 0x7f0123456789, 0x1c5d010, UINT64_MAX};

	for (size_t i = 0; i < sizeof(dead) / sizeof(dead[0]); i++) {
		w->code.o.references = dead[i];
		assert_int_equal(read_at(0), -ESTALE);
		w->code.o.references = 1;
		w->table.o.references = dead[i];
		assert_int_equal(read_at(0), -ESTALE);
		w->table.o.references = 1;
		w->qualname.o.references = dead[i];
		assert_int_equal(read_at(0), -ESTALE);
		w->qualname.o.references = 1;
	}
	/* Immortal ones. */
	w->file.o.references = 999999999;
	assert_int_equal(read_at(0), 0);
	w->file.o.references = UINT32_MAX;
	assert_int_equal(read_at(0), 0);
	w->code.o.type = BYTES_TYPE;
	assert_int_equal(read_at(0), -ESTALE);
	w->code.o.type = CODE_TYPE;
	w->code.first_line = 8; /* another function */
	assert_int_equal(read_at(0), -ESTALE);
	w->code.first_line = 7;
	assert_int_equal(read_at(0), 0);
	/* 3.14: 32 bits of references, 16 that are 0, flags. */
	build.short_references = true;
	w->code.o.references = UINT64_C(0x0007) << 48 | 1;
	assert_int_equal(read_at(0), 0);
	w->code.o.references = UINT64_C(0x7f01) << 32 | 1;
	assert_int_equal(read_at(0), -ESTALE);
	build.short_references = false;
}

static void hostile_objects(void **state)
{
	static const uint64_t sizes[] = {UINT64_MAX, 1ULL << 40, 70001, 65537};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		w->table.size = sizes[i];
		assert_int_equal(read_at(0), -ESTALE);
	}
	w->table.size = 5;
	w->qualname.length = UINT64_MAX;
	assert_int_equal(read_at(0), -ESTALE);
	w->qualname.length = 0;
	assert_int_equal(read_at(0), -ESTALE);
	set_text(&w->qualname, 0, "a\0b", 3);
	assert_int_equal(read_at(0), -ESTALE);
	set_text(&w->qualname, 3, "abc", 1);
	assert_int_equal(read_at(0), -ESTALE);
	set_text(&w->qualname, 0, "run", 3);
	w->code.file = NOWHERE_AT;
	assert_int_equal(read_at(0), -ESTALE);
	w->code.file = 0;
	assert_int_equal(read_at(0), -ESTALE);
	w->code.file = at(&w->code); /* no str */
	assert_int_equal(read_at(0), -ESTALE);
	w->code.file = at(&w->file);
	w->code.table = UINT64_MAX - 8;
	assert_int_equal(read_at(0), -ESTALE);
}

/* The kind and the ASCII bit are the process' own word: they need not agree. */
static void ascii_that_is_none(void **state)
{
	static uint32_t wide[2000];
	static uint8_t high[2000];

	for (size_t i = 0; i < 2000; i++)
		wide[i] = 0x1f40d;
	memset(high, 0xff, sizeof(high));
	for (unsigned width = 2; width <= 4; width += 2) {
		set_text(&w->qualname, width, "", 0);
		memcpy(w->qualname.data, wide, sizeof(wide));
		w->qualname.state |= 1u << 6;
		w->qualname.length = 511;
		assert_int_equal(read_at(0), -ESTALE);
		w->qualname.length = 2000;
		assert_int_equal(read_at(0), -ESTALE);
		w->qualname.length = 1;
		assert_int_equal(read_at(0), -ESTALE);
	}
	set_text(&w->qualname, 0, high, sizeof(high));
	assert_int_equal(read_at(0), -ESTALE);
	set_text(&w->qualname, 0, "caf\xe9", 4);
	assert_int_equal(read_at(0), -ESTALE);
	set_text(&w->qualname, 0, "run", 3);
	set_text(&w->file, 0, high, 511);
	assert_int_equal(read_at(0), -ESTALE);
}

/* Room for every place that can be asked for at once, the longest names of each width. */
static void as_many_as_are_asked(void **state)
{
	static const unsigned widths[] = {0, 1, 2, 4};
	const uint64_t identity = STACKS_PYTHON_IDENTITY(7, at(&w->name));
	struct sysroot root = {.proc_fd = -1};
	uint64_t words[2 * PYREAD_PLACES];
	const struct pyread *q;
	struct helper *h;
	uint32_t wide[1000];
	uint16_t narrow[1000];
	char text[1000];

	/* The helper is a child, and reads its parent. */
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i < 1000; i++) {
		wide[i] = 0x1f40d;
		narrow[i] = 0x20ac;
	}
	for (size_t i = 0; i < PYREAD_PLACES; i++) {
		words[2 * i] = at(&w->code);
		words[2 * i + 1] = identity << 32;
	}
	assert_int_equal(pyread_create(&h, &root), 0);
	for (size_t k = 0; k < sizeof(widths) / sizeof(widths[0]); k++) {
		const void *characters = widths[k] == 4	  ? (const void *)wide
					 : widths[k] == 2 ? (const void *)narrow
							  : text;

		set_text(&w->qualname, widths[k], characters, 1000);
		set_text(&w->file, widths[k], characters, 1000);
		assert_int_equal(
			pyread_places(h, (uint32_t)getpid(), 0, &build, words, PYREAD_PLACES, &q),
			0);
		for (size_t i = 0; i < PYREAD_PLACES; i++) {
			assert_int_equal(q->places[i].no, 0);
			assert_true(strlen(q->text + q->places[i].name) < PYTHON_TEXT_MAX);
			assert_true(strlen(q->text + q->places[i].file) > 200);
		}
	}
	/* ASCII of four bytes a character: nothing is read, and the helper lives on. */
	w->file.state |= 1u << 6;
	for (int again = 0; again < 2; again++) {
		assert_int_equal(
			pyread_places(h, (uint32_t)getpid(), 0, &build, words, PYREAD_PLACES, &q),
			0);
		for (size_t i = 0; i < PYREAD_PLACES; i++)
			assert_int_equal(q->places[i].no, -ESTALE);
	}
	helper_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(as_it_stands, setup, teardown),
		cmocka_unit_test_setup_teardown(names_of_all_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_code, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile_objects, setup, teardown),
		cmocka_unit_test_setup_teardown(ascii_that_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(as_many_as_are_asked, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
